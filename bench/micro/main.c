/* bench-micro [--only PREFIX] [--batches N] [--batch-time TIME]
 *
 * Prints a JSON object a line for each case (micro.h). */
#include "bench/micro/micro.h"
#include "engine/base/option.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
    const char *only;
    uint64_t batches, batch_ms;
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec OPTIONS[] = {
    {"only", 0, OPTION_TEXT, "PREFIX", "cases whose names begin so", "Micro", FIELD(only), 0, 0,
     NULL, "all"},
    {"batches", 0, OPTION_NUMBER, "N", "to measure", "Micro", FIELD(batches), 1, 64, NULL, NULL},
    {"batch-time", 0, OPTION_SECONDS, "TIME", "of CPU for each", "Micro", FIELD(batch_ms), 1, 60000,
     NULL, NULL},
    {0},
};

static const struct micro_case *const TABLES[] = {tls_cases,  x509_cases,  record_cases,
                                                  sink_cases, queue_cases, io_cases};

static bool run_case(const struct micro_case *one, const struct settings *settings) {
    struct micro_result result;

    if (settings->only && strncmp(one->name, settings->only, strlen(settings->only)) != 0)
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
    if (option_parse(OPTIONS, argc - 1, argv + 1, &settings, &words, &failure) || words.count) {
        fprintf(stderr, "bench-micro: %s\n", words.count ? "takes options only" : failure.text);
        return EXIT_FAILURE;
    }
    for (size_t table = 0; table < sizeof TABLES / sizeof *TABLES; table++)
        for (const struct micro_case *one = TABLES[table]; one->name; one++)
            good = run_case(one, &settings) && good;
    option_list_deinit(&words);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
