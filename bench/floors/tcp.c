#include "bench/floors/floors.h"

static enum floor_step connected(void *state, struct floor_slot *slot) {
    (void)state;
    (void)slot;
    return FLOOR_DONE;
}

const struct floor_kind tcp_floor = {.name = "tcp", .connected = connected};
