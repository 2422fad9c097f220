#include "bench/floors/floors.h"
#include "engine/tls/grab.h"

#include <stdlib.h>

/* The hello of a grab, made once, so that the server does the same for both. */
struct hello {
    struct buffer bytes;
    uint32_t flight_bytes;
};

static void *open_hello(const struct floor_config *config) {
    static const uint8_t random[TLS_GRAB_RANDOM_BYTES] = {1, 2, 3};
    struct tls_grab grab;
    struct tls_grab_profile *profile = tls_grab_profile_new(&(struct tls_grab_options){0});
    uint8_t *storage = malloc(TLS_GRAB_STORAGE_BYTES);
    struct hello *hello = calloc(1, sizeof *hello);

    bool made = profile && storage && hello;
    if (made) {
        buffer_init(&hello->bytes);
        hello->flight_bytes = config->flight_bytes;
        made = tls_grab_start(&grab, profile, storage, TLS_GRAB_STORAGE_BYTES, slice_of(""), random,
                              &hello->bytes);
    }
    free(storage);
    tls_grab_profile_free(profile);
    if (!made)
        free(hello);
    return made ? hello : NULL;
}

static void close_hello(void *state) {
    struct hello *hello = state;
    buffer_deinit(&hello->bytes);
    free(hello);
}

static enum floor_step connected(void *state, struct floor_slot *slot) {
    const struct hello *hello = state;
    slot->output = buffer_slice(&hello->bytes);
    return FLOOR_RECEIVE;
}

static enum floor_step received(void *state, struct floor_slot *slot, size_t len) {
    const struct hello *hello = state;
    slot->received += (uint32_t)len;
    return slot->received < hello->flight_bytes ? FLOOR_RECEIVE : FLOOR_DONE;
}

const struct floor_kind hello_floor = {.name = "hello",
                                       .open = open_hello,
                                       .close = close_hello,
                                       .connected = connected,
                                       .received = received};
