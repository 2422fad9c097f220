/* The heap of the simulation: every malloc, calloc, realloc and free of the program comes through
 * here (linked with --wrap), is counted, and may be refused. One heap, one thread.
 *
 * Only what the prober does is charged, never the simulation around it: whoever calls into the
 * prober switches charging on, whatever it calls back switches it off. */
#ifndef TESTS_SIM_SIM_MEMORY_H
#define TESTS_SIM_SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_memory {
    bool charged;         /* the prober is at work */
    uint64_t taken;       /* allocations charged so far, the refused ones among them */
    uint64_t refuse_at;   /* this one of them is refused; 0 for none */
    uint64_t refuse_step; /* and each one that follows so many later; 0 for no other */
    bool scarce;          /* what is charged must fit into `available` */
    size_t available;     /* grows by what anybody frees */
    uint64_t refused;     /* how many were */
    uint64_t blocks;      /* allocated now, by anybody */
};

extern struct sim_memory sim_memory;

/* Starts counting anew, without refusals; `blocks` stays. */
void sim_memory_reset(void);

/* Returns what it was. */
static inline bool sim_memory_charge(bool charged) {
    bool before = sim_memory.charged;
    sim_memory.charged = charged;
    return before;
}

#endif
