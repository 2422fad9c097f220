/* The saved position of one source. */
#ifndef TESTS_UNIT_WATCH_SAVED_POSITIONS_H
#define TESTS_UNIT_WATCH_SAVED_POSITIONS_H

#include "tools/watch/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct wanted_position {
    struct slice source;
    bool found;
    struct saved_position position;
    struct buffer bytes; /* of position.saved */
};

static inline bool take_wanted_position(void *context, struct slice source,
                                        const struct saved_position *position) {
    struct wanted_position *wanted = context;

    if (!slice_equal(source, wanted->source))
        return true;
    wanted->found = true;
    wanted->position = *position;
    buffer_add_slice(&wanted->bytes, position->saved);
    wanted->position.saved = buffer_slice(&wanted->bytes);
    return false;
}

/* To be freed with buffer_deinit(&….bytes). */
static inline struct wanted_position find_position(struct watch_state *state, struct slice source) {
    struct wanted_position wanted = {.source = source};
    struct failure failure;

    buffer_init(&wanted.bytes);
    assert_int_equal(watch_state_positions(state, take_wanted_position, &wanted, &failure),
                     ERROR_NONE);
    return wanted;
}

#endif
