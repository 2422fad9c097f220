#include "tests/sim/sim_events.h"

#include <stdlib.h>

void sim_events_deinit(struct sim_events *events) {
    free(events->heap);
    *events = (struct sim_events){0};
}

static bool is_earlier(const struct sim_event *a, const struct sim_event *b) {
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void sim_events_add(struct sim_events *events, const struct sim_event *event) {
    if (events->count == events->capacity) {
        events->capacity = events->capacity ? events->capacity * 2 : 64;
        events->heap = realloc(events->heap, events->capacity * sizeof *events->heap);
    }
    size_t at = events->count++;
    for (; at && is_earlier(event, &events->heap[(at - 1) / 2]); at = (at - 1) / 2)
        events->heap[at] = events->heap[(at - 1) / 2];
    events->heap[at] = *event;
}

uint64_t sim_events_next_ns(const struct sim_events *events) {
    return events->count ? events->heap[0].time_ns : UINT64_MAX;
}

static struct sim_event pop(struct sim_events *events) {
    struct sim_event first = events->heap[0], last = events->heap[--events->count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < events->count; at = child) {
        if (child + 1 < events->count && is_earlier(&events->heap[child + 1], &events->heap[child]))
            child++;
        if (!is_earlier(&events->heap[child], &last))
            break;
        events->heap[at] = events->heap[child];
    }
    events->heap[at] = last;
    return first;
}

struct sim_event *sim_events_take(struct sim_events *events, uint64_t now_ns, size_t *count) {
    struct sim_event *due = malloc((events->count + 1) * sizeof *due);

    *count = 0;
    while (sim_events_next_ns(events) <= now_ns)
        due[(*count)++] = pop(events);
    return due;
}
