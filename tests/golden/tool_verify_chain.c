/* Says what engine/x509/trust.h thinks of chains, for the scripts of this folder.
 *
 *   tool_verify_chain ROOTS.pem < LINES
 *
 * Each line: the time in seconds since 1970, then the certificates as files in DER, the leaf first,
 * with blanks between. Answers each with a line: the verdict's name and chain_not_after. */
#include "engine/base/limits.h"
#include "engine/x509/trust.h"

#include <stdio.h>
#include <stdlib.h>

static struct slice read_file(const char *path) {
    FILE *file = fopen(path, "rbe");
    uint8_t *content = malloc(LIMIT_CERTIFICATE_BYTES + 1);
    if (!file || !content) {
        perror(path);
        exit(2);
    }
    size_t len = fread(content, 1, LIMIT_CERTIFICATE_BYTES + 1, file);
    fclose(file);
    return (struct slice){content, len};
}

static void answer(struct trust_checker *checker, char *line) {
    struct slice chain[LIMIT_CHAIN_CERTIFICATES];
    size_t count = 0;
    char *word = strtok(line, " \n");
    int64_t unix_seconds = word ? strtoll(word, NULL, 10) : 0;
    while ((word = strtok(NULL, " \n")) && count < LIMIT_CHAIN_CERTIFICATES)
        chain[count++] = read_file(word);
    struct trust_verdict verdict = trust_check(checker, chain, count, unix_seconds);
    printf("%s %lld\n", trust_error_name(verdict.error), (long long)verdict.chain_not_after);
    for (size_t i = 0; i < count; i++)
        free((void *)chain[i].ptr);
}

int main(int argc, char **argv) {
    struct trust_store *store;
    struct failure failure;
    if (argc != 2) {
        fprintf(stderr, "usage: tool_verify_chain ROOTS.pem < LINES\n");
        return 2;
    }
    if (trust_store_open(&store, argv[1], &failure)) {
        fprintf(stderr, "tool_verify_chain: %s\n", failure.text);
        return 1;
    }
    struct trust_checker *checker = trust_checker_new(store);
    char *line = NULL;
    size_t size = 0;
    while (checker && getline(&line, &size, stdin) > 0)
        answer(checker, line);
    free(line);
    trust_checker_free(checker);
    trust_store_close(store);
    return checker ? 0 : 1;
}
