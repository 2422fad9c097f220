/* The hand-made TLS client, without a socket. */
#include "bench/canned/flight.h"
#include "bench/micro/micro.h"
#include "engine/tls/grab.h"
#include "engine/tls/wire.h"

#include <stdlib.h>

struct kind {
    uint16_t version; /* 0: only the hello */
    enum farm_kind chain;
    bool random_share;
};

/* The randoms are always the same, so one answer goes with every hello. */
struct grabbing {
    struct tls_grab_profile *profile;
    struct tls_grab grab;
    struct buffer hello, answer;
    uint8_t storage[TLS_GRAB_STORAGE_BYTES];
};

static const uint8_t RANDOM[TLS_GRAB_RANDOM_BYTES] = {1, 2, 3};

static bool say_hello(struct grabbing *grabbing) {
    grabbing->hello.len = 0;
    return tls_grab_start(&grabbing->grab, grabbing->profile, grabbing->storage,
                          sizeof grabbing->storage, slice_of("www.example.org"), RANDOM,
                          &grabbing->hello);
}

static bool make_answer(struct grabbing *grabbing, const struct kind *kind) {
    struct farm_chain chain;
    struct flight flight;
    bool rsa = kind->chain == FARM_GOOD_RSA_CHAIN;

    if (!farm_chains_init(&chain, 1, kind->chain, NULL))
        return false;
    bool made = flight_init(&flight, kind->version, &chain, rsa);
    farm_chains_deinit(&chain, 1);
    if (!made)
        return false;
    made = flight_answer(&flight, buffer_slice(&grabbing->hello), &grabbing->answer);
    flight_deinit(&flight);
    return made && tls_grab_feed(&grabbing->grab, buffer_slice(&grabbing->answer),
                                 &grabbing->hello) == TLS_DONE;
}

static void close_grab(void *state) {
    struct grabbing *grabbing = state;
    tls_grab_profile_free(grabbing->profile);
    buffer_deinit(&grabbing->hello);
    buffer_deinit(&grabbing->answer);
    free(grabbing);
}

static void *open_grab(const void *argument) {
    const struct kind *kind = argument;
    struct grabbing *grabbing = calloc(1, sizeof *grabbing);

    if (!grabbing)
        return NULL;
    buffer_init(&grabbing->hello);
    buffer_init(&grabbing->answer);
    grabbing->profile =
        tls_grab_profile_new(&(struct tls_grab_options){.random_share = kind->random_share});
    if (!grabbing->profile || !say_hello(grabbing) ||
        (kind->version && !make_answer(grabbing, kind))) {
        close_grab(grabbing);
        return NULL;
    }
    return grabbing;
}

static void run_hello(void *state, uint64_t times) {
    for (; times; times--)
        if (!say_hello(state))
            abort();
}

static void run_grab(void *state, uint64_t times) {
    struct grabbing *grabbing = state;

    for (; times; times--)
        if (!say_hello(grabbing) || tls_grab_feed(&grabbing->grab, buffer_slice(&grabbing->answer),
                                                  &grabbing->hello) != TLS_DONE)
            abort();
}

#define KIND(...) (&(const struct kind){__VA_ARGS__})
const struct micro_case tls_cases[] = {
    {"hello", "a hello", open_grab, run_hello, close_grab, KIND(.version = 0)},
    {"hello.random-share", "a hello", open_grab, run_hello, close_grab, KIND(.random_share = true)},
    {"grab.tls12-ecdsa", "hello and flight", open_grab, run_grab, close_grab,
     KIND(.version = TLS_VERSION_TLS12, .chain = FARM_GOOD_ECDSA)},
    {"grab.tls12-rsa", "hello and flight", open_grab, run_grab, close_grab,
     KIND(.version = TLS_VERSION_TLS12, .chain = FARM_GOOD_RSA_CHAIN)},
    {"grab.tls13-ecdsa", "hello and flight", open_grab, run_grab, close_grab,
     KIND(.version = TLS_VERSION_TLS13, .chain = FARM_GOOD_ECDSA)},
    {"grab.tls13-rsa", "hello and flight", open_grab, run_grab, close_grab,
     KIND(.version = TLS_VERSION_TLS13, .chain = FARM_GOOD_RSA_CHAIN)},
    {0},
};
