#include "tests/sim/seeds.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Sanitizers make a play three times as long: of the seeds that are played by themselves, this
 * share is then enough. */
#ifdef SIM_SANITIZED
enum { SEEDS_SHARE = 3 };
#else
enum { SEEDS_SHARE = 1 };
#endif

static struct scenario scenario; /* large; the one that is played */

/* What sim_fail does, where there is no way back to it. */
static void on_signal(int number) {
    char text[256];
    int len = snprintf(text, sizeof text, "\nsignal %d\nagain: %s --seed %" PRIu64 " --trace\n",
                       number, program_invocation_short_name, scenario.seed);

    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        _exit(2);
    signal(number, SIG_DFL);
    raise(number);
}

void seeds_same_trace(const struct scenario *played, uint64_t first, uint64_t second) {
    if (first == second)
        return;
    fprintf(stderr,
            "seed %" PRIu64 ": the second time another trace\nagain: %s --seed %" PRIu64
            " --trace\n",
            played->seed, program_invocation_short_name, played->seed);
    exit(1);
}

static bool read_words(int count, char **words, uint64_t *from, uint64_t *to, bool *print) {
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : "";
        if (strcmp(words[i], "--trace") == 0) {
            *print = true;
            continue;
        }
        if (strcmp(words[i], "--seed") == 0 && sscanf(value, "%" SCNu64, from) == 1)
            *to = *from;
        else if (strcmp(words[i], "--seeds") != 0 ||
                 sscanf(value, "%" SCNu64 "-%" SCNu64, from, to) != 2)
            return false;
        i++;
    }
    return true;
}

int seeds_main(int count, char **words, uint64_t last, const struct seed_found *found,
               size_t found_count,
               void (*one)(const struct theatre *theatre, struct scenario *scenario, bool print)) {
    uint64_t from = 1, to = 0;
    struct theatre theatre;
    bool print = false;

    if (!read_words(count, words, &from, &to, &print)) {
        fprintf(stderr, "usage: %s [--seed N | --seeds FROM-TO] [--trace]\n",
                program_invocation_short_name);
        return 2;
    }
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    theatre_init(&theatre);
    last /= SEEDS_SHARE;
    bool all = to == 0;
    for (size_t i = 0; all && i < found_count; i++) {
        scenario_draw(&scenario, found[i].seed);
        one(&theatre, &scenario, print);
    }
    for (uint64_t seed = from; seed <= (all ? last : to); seed++) {
        scenario_draw(&scenario, seed);
        one(&theatre, &scenario, print);
    }
    printf("seeds %" PRIu64 " to %" PRIu64 ": all well\n", from, all ? last : to);
    theatre_deinit(&theatre);
    return 0;
}
