/* Runs a fuzz target over files: `replay FILE-OR-FOLDER...`. Linked with one
 * LLVMFuzzerTestOneInput, it makes an ordinary test of a corpus. Each input stands at the end of
 * memory of its own size, so that AddressSanitizer sees every read beyond it. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long files;

static void fail(const char *path) {
    perror(path);
    exit(1);
}

static void replay_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    if (!file || !data || fread(data, 1, size, file) != size)
        fail(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    files++;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void replay(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        fail(path);
    if (!S_ISDIR(status.st_mode)) {
        replay_file(path, (size_t)status.st_size);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0)
        fail(path);
    for (int i = 0; i < count; i++) {
        char *child;
        if (asprintf(&child, "%s/%s", path, entries[i]->d_name) < 0)
            fail(path);
        replay(child);
        free(child);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (files == 0) {
        fprintf(stderr, "%s: no input\n", argv[0]);
        return 1;
    }
    /* Nothing at all is an input too. */
    uint8_t *empty = malloc(1);
    LLVMFuzzerTestOneInput(empty, 0);
    free(empty);
    printf("%ld inputs\n", files);
    return 0;
}
