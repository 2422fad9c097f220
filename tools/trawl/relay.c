#include "tools/trawl/relay.h"

void relay_init(struct relay *relay, const struct outputs *outputs) {
    *relay = (struct relay){
        .outlets = outputs_outlets(outputs),
        .count = outputs_number(outputs),
    };
}

void relay_cancel(struct relay *relay) {
    for (uint32_t i = 0; i < relay->count; i++) {
        batch_free(relay->open[i]);
        relay->open[i] = NULL;
    }
}

void relay_deinit(struct relay *relay) {
    relay_cancel(relay);
}

/* False while a queue is full. */
static bool hand_over(struct relay *relay) {
    bool clear = true;

    for (uint32_t i = 0; i < relay->count; i++) {
        if (relay->open[i] && batch_queue_push(relay->outlets[i].queue, 0, relay->open[i]))
            relay->open[i] = NULL;
        clear = clear && !relay->open[i];
    }
    return clear;
}

bool relay_has_room(struct relay *relay) {
    return hand_over(relay) && relay->committed - relay->taken < RELAY_UNITS_MAX &&
           relay->under_way < RELAY_BYTES_MAX;
}

enum error relay_begin(struct relay *relay, struct failure *failure) {
    for (uint32_t i = 0; i < relay->count; i++)
        if (!relay->open[i] && !(relay->open[i] = batch_new()))
            return failure_set(failure, ERROR_MEMORY, "no memory for records");
    return ERROR_NONE;
}

enum error relay_commit(struct relay *relay, struct relay_unit unit, struct failure *failure) {
    for (uint32_t i = 0; i < relay->count; i++) {
        struct batch *batch = relay->open[i];
        batch_add_ticket(batch, unit.ticket);
        if (batch->bytes.failed || batch->tickets.failed)
            return failure_set(failure, ERROR_MEMORY, "no memory for records");
    }
    relay->units[relay->committed++ % RELAY_UNITS_MAX] = unit;
    relay->under_way += unit.bytes;
    return ERROR_NONE;
}

void relay_dealt_with(struct relay *relay, uint32_t number, size_t tickets) {
    atomic_fetch_add(&relay->dealt[number], tickets);
}

bool relay_take_any(struct relay *relay, struct relay_unit *out) {
    if (relay->taken == relay->committed)
        return false;
    *out = relay->units[relay->taken++ % RELAY_UNITS_MAX];
    relay->under_way -= out->bytes;
    return true;
}

bool relay_take_done(struct relay *relay, struct relay_unit *out) {
    for (uint32_t i = 0; i < relay->count; i++)
        if (atomic_load(&relay->dealt[i]) <= relay->taken)
            return false;
    return relay_take_any(relay, out);
}

bool relay_end(struct relay *relay) {
    if (!hand_over(relay))
        return false;
    for (uint32_t i = 0; i < relay->count; i++)
        batch_queue_close(relay->outlets[i].queue, 0);
    return true;
}
