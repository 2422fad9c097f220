/* The trust checkers of one worker: one for each set of roots that its targets ask for, made when
 * it is first needed. What a checker remembers holds for its own roots only. */
#ifndef ENGINE_PROBE_CHECKERS_H
#define ENGINE_PROBE_CHECKERS_H

#include "engine/x509/trust.h"

struct checkers {
    struct checker_of_store {
        const struct trust_store *store;
        struct trust_checker *checker;
    } *items;
    uint32_t count, capacity;
};

/* The checker for `store`, which must outlive it, or for no roots at all when that is NULL. NULL
 * when there is no memory. */
struct trust_checker *checkers_get(struct checkers *checkers, const struct trust_store *store);

void checkers_deinit(struct checkers *checkers);

#endif
