/* What the simulations have in common: their command line, and seed after seed. */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include "tests/sim/play.h"

/* A seed that has found something once. */
struct seed_found {
    uint64_t seed;
    const char *what;
};

/* Plays the seeds that the command line names; without one those of `found`, and 1 to `last`, or
 * with sanitizers a share of those. Ends the program, with the command line that does it again,
 * when one fails or a signal comes. Returns main's status. */
int seeds_main(int count, char **words, uint64_t last, const struct seed_found *found,
               size_t found_count,
               void (*one)(const struct theatre *theatre, struct scenario *scenario, bool print));

/* Ends the program when they differ. */
void seeds_same_trace(const struct scenario *scenario, uint64_t first, uint64_t second);

#endif
