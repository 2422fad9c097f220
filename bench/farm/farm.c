#include "bench/farm/farm.h"

#include "bench/farm/farm_pki.h"
#include "bench/farm/farm_server.h"
#include "engine/base/buffer.h"
#include "engine/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    FIRST_ADDRESS = 0x7f4d0001, /* 127.77.0.1 */
    LOOPBACK_LAST = 0x7ffffffe, /* 127.255.255.255 is a broadcast address */
    ENDPOINTS_MAX = 65536,      /* more than descriptors are likely to be had */
    SPARE_DESCRIPTORS = 64,     /* for the thread, some connections and the owner's files */
};

struct farm {
    struct farm_listener *listeners;
    struct farm_server *server;
    struct buffer root_pem;
    uint32_t count, kinds;
    uint16_t port;
};

/* --- Addresses --- */

static uint32_t address_number(const struct address *address) {
    return (uint32_t)address->bytes[0] << 24 | (uint32_t)address->bytes[1] << 16 |
           (uint32_t)address->bytes[2] << 8 | address->bytes[3];
}

static struct address address_at(uint32_t number) {
    return (struct address){.family = ADDRESS_V4,
                            .bytes = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                      (uint8_t)(number >> 8), (uint8_t)number}};
}

/* The set of kinds that is asked for, without bits that mean none. */
static uint32_t kinds_of(const struct farm_options *options) {
    uint32_t all = (uint32_t)((UINT64_C(1) << FARM_KIND_COUNT) - 1);
    return options->kinds ? options->kinds & all : all;
}

static enum error check_options(const struct farm_options *options, uint32_t *first,
                                struct failure *failure) {
    int kinds = __builtin_popcount(kinds_of(options));
    if (kinds == 0)
        return failure_set(failure, ERROR_USAGE, "there are no such kinds of server");
    if (options->endpoints < (uint32_t)kinds || options->endpoints > ENDPOINTS_MAX)
        return failure_set(failure, ERROR_USAGE,
                           "a farm has %d to %d endpoints, one of each kind at least; %u are asked "
                           "for",
                           kinds, (int)ENDPOINTS_MAX, (unsigned)options->endpoints);
    *first = options->first.family == ADDRESS_NONE ? (uint32_t)FIRST_ADDRESS
                                                   : address_number(&options->first);
    bool v4 = options->first.family == ADDRESS_NONE || options->first.family == ADDRESS_V4;
    if (!v4 || *first >> 24 != 127 || *first == 0x7f000000 ||
        (uint32_t)LOOPBACK_LAST - *first < options->endpoints - 1) {
        char text[ADDRESS_TEXT_MAX] = "";
        address_format(&options->first, text);
        return failure_set(failure, ERROR_USAGE,
                           "a farm of %u endpoints from %s on would not lie within 127.0.0.0/8",
                           (unsigned)options->endpoints, text);
    }
    struct rlimit limit;
    uint64_t needed = (uint64_t)options->endpoints + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed)
        return failure_set(failure, ERROR_LIMIT,
                           "a farm of %u endpoints needs at least %llu descriptors and the limit "
                           "is %llu; raise it (ulimit -n) or ask for fewer endpoints",
                           (unsigned)options->endpoints, (unsigned long long)needed,
                           (unsigned long long)limit.rlim_cur);
    return ERROR_NONE;
}

/* --- Kinds --- */

/* Shares `total` endpoints out over a set of kinds: one to each, the rest by share, what rounding
 * leaves to the first of them. */
static void count_kinds(uint32_t total, uint32_t kinds, uint32_t counts[FARM_KIND_COUNT]) {
    uint64_t shares = 0;
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++)
        shares += kinds & FARM_KIND_BIT(kind) ? farm_profile((enum farm_kind)kind)->share : 0;
    uint32_t rest = total - (uint32_t)__builtin_popcount(kinds), given = 0;
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++) {
        uint64_t share = farm_profile((enum farm_kind)kind)->share;
        counts[kind] = kinds & FARM_KIND_BIT(kind) ? 1 + (uint32_t)(rest * share / shares) : 0;
        given += counts[kind];
    }
    counts[__builtin_ctz(kinds)] += total - given;
}

/* Which kind comes next when each is to be spread evenly: the one furthest behind (smooth weighted
 * round robin). Over `total` calls each comes as often as counted. */
static enum farm_kind next_kind(const uint32_t counts[FARM_KIND_COUNT],
                                int64_t credits[FARM_KIND_COUNT], uint32_t total) {
    int next = 0;
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++) {
        credits[kind] += counts[kind];
        if (credits[kind] > credits[next])
            next = kind;
    }
    credits[next] -= total;
    return (enum farm_kind)next;
}

static void plan(struct farm *farm, uint32_t first) {
    uint32_t counts[FARM_KIND_COUNT];
    int64_t credits[FARM_KIND_COUNT] = {0};
    count_kinds(farm->count, farm->kinds, counts);
    for (uint32_t i = 0; i < farm->count; i++) {
        struct farm_listener *listener = &farm->listeners[i];
        listener->kind = next_kind(counts, credits, farm->count);
        listener->profile = farm_profile(listener->kind);
        listener->address = address_at(first + i);
        listener->descriptor = -1;
        snprintf(listener->name, sizeof listener->name, "%s-%u.farm.test", listener->profile->name,
                 (unsigned)i);
    }
}

/* --- Start and stop --- */

static enum error make_certificates(struct farm *farm, struct failure *failure) {
    struct farm_pki *pki = farm_pki_new(clock_unix_ms() / 1000);
    bool made = pki && farm_pki_root_pem(pki, &farm->root_pem);
    for (uint32_t i = 0; made && i < farm->count; i++) {
        struct farm_listener *listener = &farm->listeners[i];
        if (!farm_profile_has_tls(listener->profile))
            continue;
        listener->context =
            farm_pki_context(pki, listener->profile, listener->name, &listener->address);
        made = listener->context;
    }
    farm_pki_free(pki);
    return made ? ERROR_NONE
                : failure_set(failure, ERROR_INTERNAL, "the farm cannot make its certificates");
}

enum error farm_start(struct farm **out, const struct farm_options *options,
                      struct failure *failure) {
    uint32_t first = 0;
    enum error error = check_options(options, &first, failure);
    if (error)
        return error;
    struct farm *farm = calloc(1, sizeof *farm);
    if (farm) {
        buffer_init(&farm->root_pem);
        farm->listeners = calloc(options->endpoints, sizeof *farm->listeners);
    }
    if (!farm || !farm->listeners) {
        farm_stop(farm);
        return failure_set(failure, ERROR_MEMORY, "no memory for the farm");
    }
    farm->count = options->endpoints;
    farm->kinds = kinds_of(options);
    plan(farm, first);
    error = farm_listen(farm->listeners, farm->count, options->port, &farm->port, failure);
    if (!error)
        error = make_certificates(farm, failure);
    if (!error)
        error = farm_server_start(&farm->server, farm->listeners, farm->count, options->connections,
                                  failure);
    if (error) {
        farm_stop(farm);
        return error;
    }
    *out = farm;
    return ERROR_NONE;
}

void farm_stop(struct farm *farm) {
    if (!farm)
        return;
    farm_server_stop(farm->server);
    farm_listen_close(farm->listeners, farm->count);
    for (uint32_t i = 0; i < farm->count; i++)
        SSL_CTX_free(farm->listeners[i].context);
    free(farm->listeners);
    buffer_deinit(&farm->root_pem);
    free(farm);
}

/* --- What there is --- */

uint32_t farm_count(const struct farm *farm) {
    return farm->count;
}

struct farm_endpoint farm_endpoint(const struct farm *farm, uint32_t index) {
    assert(index < farm->count);
    const struct farm_listener *listener = &farm->listeners[index];
    return (struct farm_endpoint){.address = listener->address,
                                  .port = farm->port,
                                  .kind = listener->kind,
                                  .name = listener->name};
}

struct slice farm_root_pem(const struct farm *farm) {
    return buffer_slice(&farm->root_pem);
}

enum error farm_write_root(const struct farm *farm, const char *path, struct failure *failure) {
    FILE *file = fopen(path, "we");
    bool written =
        file && fwrite(farm->root_pem.ptr, 1, farm->root_pem.len, file) == farm->root_pem.len;
    int cause = errno;

    if (file && fclose(file) != 0) {
        written = false;
        cause = errno;
    }
    return written ? ERROR_NONE
                   : failure_set(failure, (enum error)cause, "%s: %s", path,
                                 error_text((enum error)cause));
}
