/* What will happen on the simulated wire, by time: a binary heap. The caller's struct, one owner.
 */
#ifndef TESTS_SIM_SIM_EVENTS_H
#define TESTS_SIM_SIM_EVENTS_H

#include "engine/io/io.h"

struct sim_event {
    uint64_t time_ns;
    uint64_t order; /* among those of one time */
    enum io_event_kind kind;
    uint32_t index, generation; /* of the socket; of another generation it is void */
    int error;
};

struct sim_events {
    struct sim_event *heap;
    size_t count, capacity;
};

void sim_events_deinit(struct sim_events *events);
void sim_events_add(struct sim_events *events, const struct sim_event *event);

/* UINT64_MAX when there is none. */
uint64_t sim_events_next_ns(const struct sim_events *events);

/* Those that are due by then, in their order; to be freed. */
struct sim_event *sim_events_take(struct sim_events *events, uint64_t now_ns, size_t *count);

#endif
