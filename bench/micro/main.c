/* bench-micro [--only PREFIX]... [--without PREFIX]... [--batches N] [--batch-time TIME]
 *
 * Prints a JSON object a line for each case (micro.h). */
#include "bench/micro/micro.h"
#include "engine/base/option.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
    struct option_list only, without;
    uint64_t batches, batch_ms;
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec OPTIONS[] = {
    {"only", 0, OPTION_LIST, "PREFIX", "cases whose names begin so", "Micro", FIELD(only), 0, 0,
     NULL, "all"},
    {"without", 0, OPTION_LIST, "PREFIX", "no cases whose names begin so", "Micro", FIELD(without),
     0, 0, NULL, "none"},
    {"batches", 0, OPTION_NUMBER, "N", "to measure", "Micro", FIELD(batches), 1, 64, NULL, NULL},
    {"batch-time", 0, OPTION_SECONDS, "TIME", "of CPU for each", "Micro", FIELD(batch_ms), 1, 60000,
     NULL, NULL},
    {0},
};

static const struct micro_case *const TABLES[] = {
    tls_cases, x509_cases, record_cases, sink_cases,   queue_cases, io_cases,
    ct_cases,  byte_cases, match_cases,  decode_cases, follow_cases};

static bool begins_with_any(const char *name, const struct option_list *prefixes) {
    for (uint32_t i = 0; i < prefixes->count; i++)
        if (strncmp(name, prefixes->items[i], strlen(prefixes->items[i])) == 0)
            return true;
    return false;
}

static bool run_case(const struct micro_case *one, const struct settings *settings) {
    struct micro_result result;

    if ((settings->only.count && !begins_with_any(one->name, &settings->only)) ||
        begins_with_any(one->name, &settings->without))
        return true;
    if (!micro_measure(one, (uint32_t)settings->batches, (double)settings->batch_ms / 1e3,
                       &result)) {
        fprintf(stderr, "bench-micro: %s cannot be prepared\n", one->name);
        return false;
    }
    printf("{\"name\":\"%s\",\"step\":\"%s\",\"fastest_ns\":%.3f,\"middle_ns\":%.3f}\n", one->name,
           one->step, result.fastest_ns, result.middle_ns);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    struct settings settings = {.batches = 7, .batch_ms = 30};
    struct option_list words;
    struct failure failure = {0};
    bool good = true;

    signal(SIGPIPE, SIG_IGN);
    option_list_init(&words);
    option_list_init(&settings.only);
    option_list_init(&settings.without);
    if (option_parse(OPTIONS, argc - 1, argv + 1, &settings, &words, &failure) || words.count) {
        fprintf(stderr, "bench-micro: %s\n", words.count ? "takes options only" : failure.text);
        return EXIT_FAILURE;
    }
    for (size_t table = 0; table < sizeof TABLES / sizeof *TABLES; table++)
        for (const struct micro_case *one = TABLES[table]; one->name; one++)
            good = run_case(one, &settings) && good;
    option_list_deinit(&words);
    option_list_deinit(&settings.only);
    option_list_deinit(&settings.without);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
