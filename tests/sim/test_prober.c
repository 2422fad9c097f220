/* The prober through thousands of simulated sweeps, each drawn from a seed and played twice: what
 * happens must be allowed, and the same both times.
 *
 *     sim.prober                    those seeds that failed once, and 1 to SEEDS_DEFAULT
 *     sim.prober --seeds 1-10000    those
 *     sim.prober --seed 7 --trace   that one, event by event */
#include "tests/sim/seeds.h"

enum { SEEDS_DEFAULT = 5000 };

static const struct seed_found found[] = {
    {5, "cancelled between two addresses: the record told of the first once more"},
    {7, "who had just connected overtook those who waited for a conversation"},
    {17,
     "a server's long cookie made a hello that the io layer does not take; and a server that had "
     "answered with an alert was refused when asked again without ALPN"},
    {29, "the time without ports or descriptors was counted as the target's"},
    {45, "names that were resolved at once were connected to at once, whatever the pace"},
    {58, "the grab after a handshake went on to another address"},
    {1670, "OK without the certificate, which there was no memory for"},
    {2864, "once without memory, no conversation could begin any more"},
    {3031, "asked again without ALPN, and went on to another address"},
};

static void try(const struct theatre *theatre, struct scenario *scenario, bool print) {
    uint64_t trace = play(theatre, scenario, print, false);

    seeds_same_trace(scenario, trace, play(theatre, scenario, print, true));
}

int main(int count, char **words) {
    return seeds_main(count, words, SEEDS_DEFAULT, found, sizeof found / sizeof found[0], try);
}
