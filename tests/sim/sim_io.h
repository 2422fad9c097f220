/* A network, a clock and the machine between them, behind engine/io/io.h: what a scenario says,
 * driven by its seed. The contract of io.h is checked at every call, and a caller that breaks it
 * ends the program with the seed's command line.
 *
 * Time stands still but in io_step, which goes on to the next event or to the end of its wait. */
#ifndef TESTS_SIM_SIM_IO_H
#define TESTS_SIM_SIM_IO_H

#include "engine/io/io.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_pki.h"

struct check;
struct sim_network;

/* The context of io_config; the caller's. */
struct sim_world {
    const struct scenario *scenario;
    const struct sim_pki *pki;
    struct check *check; /* is told what happens on the wire */
    bool print;          /* the trace, to standard output */
    uint64_t now_ns;
    uint64_t trace;                /* a hash over all that happened, in its order */
    uint64_t submitted, completed; /* operations */
    uint64_t steps;
    bool woken;
    struct random random;
    struct sim_network *network; /* while it is open */
    /* At the end of a step, unless NULL: others whose turn comes while the prober waits. */
    void (*stepped)(void *owner);
    void *owner;
};

void sim_world_init(struct sim_world *world, const struct scenario *scenario,
                    const struct sim_pki *pki, struct check *check, bool print);

extern const struct io_backend sim_io_backend;

/* Adds an event to the trace. `what` is static. */
void sim_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c);

/* Ends the program: something is not as it must be. */
_Noreturn void sim_fail(const struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define SIM_MUST(world, condition, ...)                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail(world, __VA_ARGS__);                                                          \
    } while (0)

#endif
