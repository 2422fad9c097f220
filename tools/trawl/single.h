/* One target probed, and its records in hand: what `trawl check` is built on. */
#ifndef TOOLS_TRAWL_SINGLE_H
#define TOOLS_TRAWL_SINGLE_H

#include "tools/trawl/probe_setup.h"

/* Records that the list holds a reference to each. One thread at a time. */
struct record_list {
    struct probe_record **items;
    uint32_t count, capacity;
    bool failed; /* one could not be added: there was no memory */
};

/* Takes over the reference; a NULL is one that could not be made. */
void record_list_take(struct record_list *list, struct probe_record *record);
void record_list_deinit(struct record_list *list);

/* What is to be probed, one after another. False at the end; what belongs to the target goes along
 * with it. */
struct single_source {
    bool (*next)(void *owner, struct target *target);
    void *owner;
};

/* Probes all of them on a thread of its own, and waits for the end. The records come in their order
 * where no connection is needed. SIGINT and SIGTERM end it: ERROR_STOPPED. */
enum error single_probe_all(const struct probe_setup *setup, const struct single_source *source,
                            struct record_list *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Probes `target` on a thread of its own and waits for the end. Adds a record to `out`, or under
 * all_addresses one for each address. SIGINT and SIGTERM end the probe: ERROR_STOPPED. */
enum error single_probe(const struct probe_setup *setup, const struct target *target,
                        struct record_list *out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
