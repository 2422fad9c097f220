/* Runs the prober through a scenario: what a worker does with it, without the thread. */
#ifndef TESTS_SIM_PLAY_H
#define TESTS_SIM_PLAY_H

#include "tests/sim/scenario.h"
#include "tests/sim/sim_pki.h"

struct address_set;
struct resolver_hosts;
struct sim_world;
struct tls_client;
struct tls_grab_profile;

/* What all scenarios share: made once. */
struct theatre {
    struct sim_pki pki;
    struct resolver_hosts *hosts;
    struct address_set *excluded;
    struct tls_client *client;
    struct tls_grab_profile *profile;
};

void theatre_init(struct theatre *theatre);
void theatre_deinit(struct theatre *theatre);

/* The caps in it are for the caller to free. */
struct prober_settings theatre_settings(const struct theatre *theatre,
                                        const struct scenario *scenario, struct sim_world *world);

/* Returns a hash of all that happened, the same for the same seed; ends the program when something
 * is not as it must be. `leaks`: what is allocated at the end must be what was at the beginning;
 * not so the first time, when libraries keep what they make. */
uint64_t play(const struct theatre *theatre, const struct scenario *scenario, bool print,
              bool leaks);

#endif
