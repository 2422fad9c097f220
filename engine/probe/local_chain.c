#include "engine/probe/local_chain.h"

#include <assert.h>
#include <stdlib.h>

static struct slice put(uint8_t **at, struct slice bytes) {
    struct slice copy = {*at, bytes.len};

    if (bytes.len)
        memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return copy;
}

static struct local_chain *make(struct slice path, const struct slice *certificates, uint32_t count,
                                enum outcome outcome, struct slice error) {
    size_t bytes = sizeof(struct local_chain) + path.len + error.len;

    assert(count <= LIMIT_CHAIN_CERTIFICATES);
    for (uint32_t i = 0; i < count; i++)
        bytes += certificates[i].len;
    struct local_chain *chain = malloc(bytes);
    if (!chain)
        return NULL;
    uint8_t *at = (uint8_t *)(chain + 1);
    *chain = (struct local_chain){.outcome = outcome, .count = count, .bytes = bytes};
    chain->path = put(&at, path);
    chain->error = put(&at, error);
    for (uint32_t i = 0; i < count; i++)
        chain->certificates[i] = put(&at, certificates[i]);
    return chain;
}

struct local_chain *local_chain_new(struct slice path, const struct slice *certificates,
                                    uint32_t count) {
    assert(count > 0);
    return make(path, certificates, count, OUTCOME_OK, (struct slice){0});
}

struct local_chain *local_chain_new_failed(struct slice path, enum outcome outcome,
                                           struct slice error) {
    return make(path, NULL, 0, outcome, error);
}

void local_chain_free(struct local_chain *chain) {
    if (chain && chain->in_flight)
        atomic_fetch_sub_explicit(chain->in_flight, chain->bytes, memory_order_relaxed);
    free(chain);
}
