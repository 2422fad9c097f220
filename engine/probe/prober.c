#include "engine/probe/slot.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    LOOKUPS_MAX = 512,      /* open at once: a large list must not drown the DNS server */
    LOOKUPS_AHEAD_MS = 250, /* of a pace */
    RESERVE_BYTES = 1 << 20,
};

/* --- From the worker --- */

/* Under a pace, names wait in the work ring, for whichever worker is due. */
static uint64_t lookups_max(const struct prober *prober) {
    uint64_t ahead_ns = LOOKUPS_AHEAD_MS * UINT64_C(1000000);
    uint64_t interval_ns = prober->rate.interval_ns;
    uint64_t paced = interval_ns ? 1 + ahead_ns / interval_ns : LOOKUPS_MAX;
    return paced < LOOKUPS_MAX ? paced : LOOKUPS_MAX;
}

bool prober_has_room(const struct prober *prober) {
    const struct prober_settings *settings = prober->settings;
    const uint32_t *in_state = prober->in_state;

    return prober->free_slots && prober->reserve && !prober->cancelling && !in_state[SLOT_PAUSED] &&
           in_state[SLOT_HELD] <= settings->slots / 2 &&
           in_state[SLOT_WAITING] < settings->conversations &&
           rate_allows(&prober->rate, prober->io->now_ns) &&
           in_state[SLOT_RESOLVING] + prober->paced < lookups_max(prober);
}

struct slot *prober_take_slot(struct prober *prober, const struct target *target) {
    struct slot *slot = prober->free_slots;

    prober->free_slots = slot->next;
    prober->busy++;
    prober_count(&prober->statistics.busy, 1);
    slot_begin(prober, slot, target);
    return slot;
}

void prober_start(struct prober *prober, const struct target *target) {
    if (target->local) {
        attempt_local(prober, target, false);
        return;
    }
    prober_count(&prober->statistics.started, 1);
    slot_resolve(prober, prober_take_slot(prober, target));
}

void prober_refuse(struct prober *prober, const struct target *target) {
    struct slot slot = {.state = SLOT_FREE};

    if (target->local) {
        attempt_local(prober, target, true);
        return;
    }
    prober_count(&prober->statistics.started, 1);
    slot_begin(prober, &slot, target);
    attempt_report(prober, &slot, OUTCOME_CANCELLED, "not started", true);
}

enum error prober_step(struct prober *prober, uint32_t wait_ms) {
    enum error error = io_step(prober->io, wait_ms);

    if (prober->settings->pace_ns)
        prober->rate.interval_ns =
            atomic_load_explicit(prober->settings->pace_ns, memory_order_relaxed);
    resolver_tick(prober->resolver);
    fetch_take_answers(prober);
    wheel_advance(&prober->wheel, prober->io->now_ns, prober_on_expired, prober);
    slots_serve_waiting(prober);
    if (!prober->reserve)
        prober->reserve = malloc(RESERVE_BYTES);
    return error;
}

void prober_cancel(struct prober *prober) {
    prober->cancelling = true;
    for (uint32_t i = 0; i < prober->settings->slots; i++) {
        struct slot *slot = &prober->slots[i];
        if (slot->state == SLOT_CLOSING && (slot->again || slot->fetching)) {
            attempt_report(prober, slot, OUTCOME_CANCELLED, "interrupted", true);
            slot->again = false;
        } else if (slot->state != SLOT_FREE && slot->state != SLOT_CLOSING) {
            attempt_finish(prober, slot, OUTCOME_CANCELLED, "interrupted");
        }
    }
}

uint32_t prober_busy(const struct prober *prober) {
    return prober->busy;
}

void prober_wake(struct prober *prober) {
    io_wake(prober->io);
}

void prober_statistics_add(const struct prober *prober, struct prober_statistics *out) {
    const uint64_t *from = (const uint64_t *)&prober->statistics;
    uint64_t *to = (uint64_t *)out;

    for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* --- Open and close --- */

static void wake(void *owner) {
    prober_wake(owner);
}

static enum error open_io(struct prober *prober, struct failure *failure) {
    struct io_config config = {
        .sockets = prober->settings->slots,
        .watches = RESOLVER_WATCHES,
        .receives = prober->settings->conversations,
        .handle = prober_on_event,
        .owner = prober,
        .context = prober->settings->io_context,
    };
    return io_open(&prober->io, prober->settings->io, &config, failure);
}

static enum error open_resolver(struct prober *prober, struct failure *failure) {
    const struct prober_settings *settings = prober->settings;
    struct resolver_config config = {
        .io = prober->io,
        .hosts = settings->hosts,
        .servers = settings->dns_servers,
        .prefer_v4 = settings->prefer_v4,
        .timeout_ms = settings->dns_timeout_ms,
        .answered = prober_on_answered,
        .tlsa_answered = prober_on_tlsa,
        .owner = prober,
    };
    return resolver_open(&prober->resolver, &config, failure);
}

/* Pages are mapped here, and touched when they are first used. NULL when there is no memory. */
static void *map_pages(size_t bytes) {
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

static void unmap_pages(void *map, size_t bytes) {
    if (map)
        munmap(map, bytes);
}

static bool make_conversations(struct prober *prober) {
    size_t count = prober->settings->conversations;

    prober->conversations = map_pages(count * sizeof(struct conversation));
    prober->dialogues = map_pages(count * sizeof(struct dialogue_state));
    prober->storages = map_pages(count * TLS_GRAB_STORAGE_BYTES);
    if (!prober->conversations || !prober->dialogues || !prober->storages)
        return false;
    for (size_t i = count; i-- > 0;) {
        struct conversation *conversation = &prober->conversations[i];
        conversation->dialogue = &prober->dialogues[i];
        conversation->storage = prober->storages + i * TLS_GRAB_STORAGE_BYTES;
        conversation->next_free = prober->free_conversations;
        prober->free_conversations = conversation;
    }
    return true;
}

static void free_conversations(struct prober *prober) {
    size_t count = prober->settings->conversations;

    unmap_pages(prober->conversations, count * sizeof(struct conversation));
    unmap_pages(prober->dialogues, count * sizeof(struct dialogue_state));
    unmap_pages(prober->storages, count * TLS_GRAB_STORAGE_BYTES);
}

static bool make_slabs(struct prober *prober) {
    const struct prober_settings *settings = prober->settings;

    prober->slots = calloc(settings->slots, sizeof *prober->slots);
    prober->reserve = malloc(RESERVE_BYTES);
    prober->links = link_cache_new();
    if (!prober->slots || !prober->reserve || !prober->links || !make_conversations(prober))
        return false;
    for (uint32_t i = settings->slots; i-- > 0;) {
        prober->slots[i].next = prober->free_slots;
        prober->free_slots = &prober->slots[i];
    }
    prober->in_state[SLOT_FREE] = settings->slots;
    return !settings->roots || checkers_get(&prober->checkers, settings->roots);
}

enum error prober_open(struct prober **out, const struct prober_config *config,
                       struct failure *failure) {
    struct prober *prober = calloc(1, sizeof *prober);
    enum error error;

    if (!prober)
        return failure_set(failure, ERROR_MEMORY, "no memory for a worker");
    prober->config = *config;
    prober->settings = config->settings;
    prober->waiting_end = &prober->waiting;
    prober->rate.interval_ns = config->settings->connect_interval_ns;
    random_init(&prober->random, config->seed);
    buffer_init(&prober->out);
    mailbox_init(&prober->answers, wake, prober);
    if (!make_slabs(prober))
        error = failure_set(failure, ERROR_MEMORY,
                            "no memory for %u slots: give a smaller --concurrency",
                            config->settings->slots);
    else if ((error = open_io(prober, failure)) == ERROR_NONE)
        error = open_resolver(prober, failure);
    if (error != ERROR_NONE) {
        prober_close(prober);
        return error;
    }
    wheel_init(&prober->wheel, prober->io->now_ns);
    *out = prober;
    return ERROR_NONE;
}

void prober_close(struct prober *prober) {
    if (!prober)
        return;
    fetch_leave(prober);
    if (prober->resolver)
        resolver_close(prober->resolver);
    if (prober->io)
        io_close(prober->io);
    checkers_deinit(&prober->checkers);
    link_cache_free(prober->links);
    free_conversations(prober);
    free(prober->slots);
    free(prober->reserve);
    buffer_deinit(&prober->out);
    free(prober);
}
