#include "tools/watch/positions.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t log_id[32];
    size_t at, len; /* in `bytes` */
};

struct positions {
    struct entry *entries;
    uint32_t count;
    struct buffer bytes;
    bool failed; /* no memory */
};

static bool keep(void *context, struct slice source, const struct saved_position *position) {
    struct positions *positions = context;
    struct entry entry = {.at = positions->bytes.len, .len = position->saved.len};

    if (source.len != sizeof entry.log_id)
        return true; /* no log */
    struct entry *more =
        realloc(positions->entries, (positions->count + 1) * sizeof positions->entries[0]);
    if (more)
        positions->entries = more;
    buffer_add_slice(&positions->bytes, position->saved);
    positions->failed = !more || positions->bytes.failed;
    if (positions->failed)
        return false;
    memcpy(entry.log_id, source.ptr, sizeof entry.log_id);
    positions->entries[positions->count++] = entry;
    return true;
}

enum error positions_read(struct positions **out, struct watch_state *state,
                          struct failure *failure) {
    struct positions *positions = calloc(1, sizeof *positions);

    if (!positions)
        return failure_set(failure, ERROR_MEMORY, "no memory for the positions of logs");
    buffer_init(&positions->bytes);
    enum error error = watch_state_positions(state, keep, positions, failure);
    if (!error && positions->failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for the positions of logs");
    if (error) {
        positions_free(positions);
        return error;
    }
    *out = positions;
    return ERROR_NONE;
}

void positions_free(struct positions *positions) {
    if (!positions)
        return;
    buffer_deinit(&positions->bytes);
    free(positions->entries);
    free(positions);
}

struct slice positions_find(const struct positions *positions, const uint8_t log_id[32]) {
    for (uint32_t i = 0; i < positions->count; i++) {
        const struct entry *entry = &positions->entries[i];
        if (memcmp(entry->log_id, log_id, sizeof entry->log_id) == 0)
            return (struct slice){positions->bytes.ptr + entry->at, entry->len};
    }
    return (struct slice){NULL, 0};
}
