#include "engine/probe/caps.h"

#include "engine/base/random.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CELLS = 1 << 16, V4_NETWORK_BYTES = 3, V6_NETWORK_BYTES = 6 };

struct cells {
    uint32_t cap; /* 0 for none */
    _Atomic uint32_t counts[CELLS];
};

struct caps {
    uint64_t seed; /* so that nobody can choose addresses that share a cell */
    struct cells hosts, networks;
};

struct caps *caps_new(uint32_t per_host, uint32_t per_network) {
    struct caps *caps = calloc(1, sizeof *caps);

    if (!caps)
        return NULL;
    caps->seed = random_seed();
    caps->hosts.cap = per_host;
    caps->networks.cap = per_network;
    return caps;
}

void caps_free(struct caps *caps) {
    free(caps);
}

static uint32_t cell_of(const struct caps *caps, const struct address *address, uint32_t bytes) {
    uint64_t hash = caps->seed + address->family;

    for (uint32_t i = 0; i < bytes; i++) {
        hash = (hash ^ address->bytes[i]) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    return (uint32_t)(hash % CELLS);
}

static uint32_t host_cell(const struct caps *caps, const struct address *address) {
    return cell_of(caps, address, address->family == ADDRESS_V4 ? 4 : 16);
}

static uint32_t network_cell(const struct caps *caps, const struct address *address) {
    return cell_of(caps, address,
                   address->family == ADDRESS_V4 ? V4_NETWORK_BYTES : V6_NETWORK_BYTES);
}

static bool take(struct cells *cells, uint32_t cell) {
    if (!cells->cap)
        return true;
    if (atomic_fetch_add_explicit(&cells->counts[cell], 1, memory_order_relaxed) < cells->cap)
        return true;
    atomic_fetch_sub_explicit(&cells->counts[cell], 1, memory_order_relaxed);
    return false;
}

static void give(struct cells *cells, uint32_t cell) {
    if (cells->cap)
        atomic_fetch_sub_explicit(&cells->counts[cell], 1, memory_order_relaxed);
}

bool caps_take(struct caps *caps, const struct address *address) {
    uint32_t host = host_cell(caps, address);

    if (!take(&caps->hosts, host))
        return false;
    if (take(&caps->networks, network_cell(caps, address)))
        return true;
    give(&caps->hosts, host);
    return false;
}

void caps_give(struct caps *caps, const struct address *address) {
    give(&caps->hosts, host_cell(caps, address));
    give(&caps->networks, network_cell(caps, address));
}
