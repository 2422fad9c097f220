#include "tools/fleet/collector.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"
#include "engine/nats/kv.h"
#include "tools/fleet/gather.h"
#include "tools/fleet/lease.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum {
    TAKE_MAX = 256,         /* messages at once */
    KEEPS = 4,              /* writes of the lease within its time */
    WATCH_MS = 250,         /* how often a busy lease is tried */
    EXTENDS = 3,            /* times within that span that the queue hears what is still held */
    RETURN_MS = 2000,       /* when what has no room comes again */
    UNSUPPORTED_MS = 30000, /* and what only a newer version can read */
    KEY_BYTES = 32,         /* "collect.JOB" */
};

struct collector {
    struct collector_config config;
    char key[KEY_BYTES], holder[LEASE_HOLDER_MAX];
    struct nats_kv *leases;
    struct lease *lease;
    uint64_t lease_ms, next_keep_ns, next_extend_ns;
    struct nats_pull *pull;
    struct nats_pulled *taken[TAKE_MAX]; /* not looked at yet */
    uint32_t taken_count, taken_next;
    struct gather *gather;
    struct collector_statistics statistics;
    struct collector_worker workers[COLLECTOR_WORKERS_MAX];
    struct page_message message; /* being read; too large for the stack */
};

/* --- The lease --- */

static void pause_ms(uint32_t ms) {
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * MS)};
    (void)nanosleep(&pause, NULL);
}

/* "PAGES IDENTITY": how many were collected, by all; and by whom, 0 once there were several. */
static void read_value(struct collector *collector, const struct buffer *value) {
    uint64_t own = collector->config.identity;
    char text[64] = "", *rest = text;

    if (value->len < sizeof text && value->len)
        memcpy(text, value->ptr, value->len);
    collector->statistics.pages_before = strtoull(text, &rest, 10);
    collector->statistics.others = value->len && (!own || strtoull(rest, NULL, 16) != own);
}

static void write_value(const struct collector *collector, struct buffer *out) {
    const struct collector_statistics *statistics = &collector->statistics;

    buffer_init(out);
    buffer_add_format(out, "%" PRIu64 " %016" PRIx64, statistics->pages_before + statistics->pages,
                      statistics->others ? 0 : collector->config.identity);
}

/* A live holder writes its key again while it is watched. */
static enum error revision_of(struct collector *collector, uint64_t *revision) {
    struct failure ignored;
    struct buffer value;

    buffer_init(&value);
    enum error error = nats_kv_get(collector->leases, collector->key, &value, revision, &ignored);
    buffer_deinit(&value);
    return error;
}

static enum error tell_busy(const struct collector *collector, const struct failure *who,
                            struct failure *failure) {
    return failure_set(failure, (enum error)EBUSY,
                       "job %s is being collected already: %.300s; one at a time", /* its words */
                       collector->config.job->id, who->text);
}

/* Until the lease is free, or its holder shows that he lives, or the owner has enough. */
static enum error acquire(struct collector *collector, struct buffer *value,
                          struct failure *failure) {
    const struct collector_config *config = &collector->config;
    uint64_t revision = 0, first = 0;
    struct failure who = {0};

    for (;;) {
        enum error error = lease_try(collector->lease, value, &who);
        if (error != (enum error)EBUSY) {
            *failure = who;
            return error;
        }
        if (revision_of(collector, &revision) == ERROR_NONE) {
            first = first ? first : revision;
            if (revision != first)
                return tell_busy(collector, &who, failure);
        }
        if (config->on_wait && !config->on_wait(config->owner, &who))
            return tell_busy(collector, &who, failure);
        pause_ms(WATCH_MS);
    }
}

static enum error open_lease(struct collector *collector, struct failure *failure) {
    const struct collector_config *config = &collector->config;
    char bucket[FLEET_SUBJECT_MAX], host[64] = "";
    struct buffer value;

    fleet_leases_bucket(config->fleet, bucket);
    struct nats_kv_wish wish = {.bucket = bucket, .replicas = fleet_replicas(config->fleet)};
    enum error error = nats_kv_open(&collector->leases, fleet_link(config->fleet), &wish, failure);
    if (error)
        return error;
    (void)gethostname(host, sizeof host - 1);
    snprintf(collector->holder, sizeof collector->holder, "%.63s pid %d", host, (int)getpid());
    snprintf(collector->key, sizeof collector->key, JOBS_COLLECT_LEASE, config->job->id);
    struct lease_config lease = {
        .bucket = collector->leases,
        .key = collector->key,
        .holder = collector->holder,
        .identity = config->identity,
        .time_ms = collector->lease_ms,
    };
    if ((error = lease_new(&collector->lease, &lease, failure)))
        return error;
    buffer_init(&value);
    error = acquire(collector, &value, failure);
    read_value(collector, &value); /* and collector_keep writes ours at once */
    buffer_deinit(&value);
    return error;
}

/* ERROR_STOPPED when it is lost; others pass. */
static enum error keep_lease(struct collector *collector, struct failure *failure) {
    uint64_t now_ns = clock_monotonic_ns();
    struct buffer value;

    if (now_ns < collector->next_keep_ns)
        return ERROR_NONE;
    write_value(collector, &value);
    enum error error = lease_keep(collector->lease, buffer_slice(&value), failure);
    buffer_deinit(&value);
    collector->next_keep_ns =
        clock_monotonic_ns() + collector->lease_ms / (error ? 2 * KEEPS : KEEPS) * MS;
    if (error != ERROR_GONE)
        return error;
    return failure_set(failure, ERROR_STOPPED,
                       "job %s is collected by another now, as this one was silent for too long",
                       collector->config.job->id);
}

/* --- Messages --- */

/* What could not be acknowledged comes again, and is known by then. */
static void acknowledge(struct nats_pulled *message) {
    struct failure ignored;

    if (nats_pulled_done(message, false, &ignored) != ERROR_NONE)
        nats_pulled_forget(message);
}

static uint32_t worker_of(struct collector *collector, struct slice name) {
    struct collector_statistics *statistics = &collector->statistics;
    char shown[PAGE_WORKER_BYTES];

    quote_bare(shown, sizeof shown, name);
    for (uint32_t i = 0; i < statistics->worker_count; i++)
        if (strcmp(collector->workers[i].name, shown) == 0)
            return i;
    if (statistics->worker_count == COLLECTOR_WORKERS_MAX)
        return COLLECTOR_WORKERS_MAX - 1;
    memcpy(collector->workers[statistics->worker_count].name, shown, sizeof shown);
    return statistics->worker_count++;
}

static void tell_odd(struct collector *collector, const struct failure *failure) {
    const struct collector_config *config = &collector->config;

    collector->statistics.malformed++;
    if (config->on_odd)
        config->on_odd(config->owner, failure);
}

/* True when it is held from here on, or is let go. What was held for too long and comes again is
 * forgotten: the older one can be acknowledged as well, and its bytes are in use. */
static bool is_kept(struct collector *collector, struct nats_pulled *message) {
    const struct page_message *page = &collector->message;
    struct gathered *gathered;

    switch (gather_add(collector->gather, page, message, nats_pulled_sequence(message),
                       nats_pulled_body(message).len, &gathered)) {
    case GATHER_KEPT:
        if (gathered->message_count == 1) {
            gathered->worker = worker_of(collector, page->worker);
            gathered->touched_ns = clock_monotonic_ns();
        }
        return true;
    case GATHER_THE_SAME:
        nats_pulled_forget(message);
        return true;
    case GATHER_FULL:
        nats_pulled_return(message, RETURN_MS);
        return true;
    case GATHER_KNOWN:
        break;
    }
    return false;
}

static void take_page(struct collector *collector, struct nats_pulled *message) {
    const struct collector_config *config = &collector->config;

    if (!config->is_known(config->owner, page_of(collector->message.span.first)) &&
        is_kept(collector, message))
        return;
    collector->statistics.duplicates++;
    acknowledge(message);
}

static void take_message(struct collector *collector, struct nats_pulled *message) {
    struct failure failure = {0};
    enum error error = page_read(&collector->message, nats_pulled_body(message),
                                 collector->config.renderings, &failure);

    if (!error) {
        take_page(collector, message);
        return;
    }
    tell_odd(collector, &failure);
    if (error == ERROR_UNSUPPORTED)
        nats_pulled_return(message, UNSUPPORTED_MS);
    else
        acknowledge(message);
}

static void extend_page(void *owner, struct gathered *page) {
    const struct collector *collector = owner;
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns - page->touched_ns < collector->lease_ms / EXTENDS * MS)
        return;
    page->touched_ns = now_ns;
    for (uint32_t i = 0; i < page->message_count; i++)
        (void)!nats_pulled_extend(page->messages[i]);
}

static void extend(struct collector *collector) {
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns < collector->next_extend_ns)
        return;
    collector->next_extend_ns = now_ns + collector->lease_ms / EXTENDS / 4 * MS;
    gather_each(collector->gather, extend_page, collector);
}

/* --- What the owner calls --- */

enum error collector_open(struct collector **out, const struct collector_config *config,
                          struct failure *failure) {
    struct collector *collector = calloc(1, sizeof *collector);

    *out = NULL;
    if (!collector || !(collector->gather = gather_new())) {
        free(collector);
        return failure_set(failure, ERROR_MEMORY, "no memory for the collector");
    }
    collector->config = *config;
    collector->lease_ms = collector_lease_ms(config->job);
    collector->statistics.workers = collector->workers;
    collector->statistics.last_ns = clock_monotonic_ns();
    enum error error = open_lease(collector, failure);
    if (!error)
        error = jobs_open_results(config->jobs, config->job->id, &collector->pull, failure);
    if (error) {
        collector_close(collector);
        return error;
    }
    *out = collector;
    return ERROR_NONE;
}

static void return_page(void *owner, struct gathered *page) {
    struct gather *gather = owner;

    for (uint32_t i = 0; i < page->message_count; i++)
        nats_pulled_return(page->messages[i], 0);
    gather_remove(gather, page);
}

static void let_go(struct collector *collector) {
    while (collector->taken_next < collector->taken_count)
        nats_pulled_return(collector->taken[collector->taken_next++], 0);
    gather_each(collector->gather, return_page, collector->gather);
}

void collector_close(struct collector *collector) {
    struct failure ignored;
    struct buffer value;

    if (!collector)
        return;
    let_go(collector);
    nats_pull_close(collector->pull);
    if (collector->lease && lease_is_held(collector->lease)) {
        write_value(collector, &value);
        (void)!lease_give_back(collector->lease, buffer_slice(&value), &ignored);
        buffer_deinit(&value);
    }
    lease_free(collector->lease);
    nats_kv_close(collector->leases);
    gather_free(collector->gather);
    free(collector);
}

/* Looks at what was taken until a page is whole. */
static bool look(struct collector *collector, struct collected_page *out) {
    struct gathered *page;

    while (!(page = gather_take(collector->gather)) &&
           collector->taken_next < collector->taken_count)
        take_message(collector, collector->taken[collector->taken_next++]);
    if (!page)
        return false;
    *out = (struct collected_page){page->page, page->count, page->targets, page->bytes, page};
    return true;
}

static enum error take_more(struct collector *collector, uint32_t wait_ms,
                            struct failure *failure) {
    collector->taken_next = collector->taken_count = 0;
    if (gather_is_full(collector->gather)) {
        pause_ms(wait_ms);
        return ERROR_NONE;
    }
    enum error error = nats_pull_take(collector->pull, collector->taken, TAKE_MAX,
                                      &collector->taken_count, wait_ms, failure);
    if (error == (enum error)ENOENT)
        return failure_set(failure, error, "job %s was cancelled, or has ended",
                           collector->config.job->id);
    if (collector->taken_count)
        collector->statistics.last_ns = clock_monotonic_ns();
    return error;
}

enum error collector_keep(struct collector *collector, struct failure *failure) {
    extend(collector);
    return keep_lease(collector, failure);
}

enum error collector_next(struct collector *collector, struct collected_page *out, bool *found,
                          uint32_t wait_ms, struct failure *failure) {
    enum error error = collector_keep(collector, failure);

    *found = false;
    if (error)
        return error;
    if (!lease_is_held(collector->lease)) { /* until it is kept again, or lost */
        pause_ms(wait_ms);
        return ERROR_NONE;
    }
    *found = look(collector, out);
    if (*found || (error = take_more(collector, wait_ms, failure)))
        return error;
    *found = look(collector, out);
    return ERROR_NONE;
}

static void count(struct collector *collector, const struct gathered *page) {
    struct collector_statistics *statistics = &collector->statistics;

    statistics->pages++;
    statistics->targets += page->count;
    statistics->bytes += page->bytes;
    collector->workers[page->worker].targets += page->count;
    for (uint32_t i = 0; i < page->count; i++) {
        const struct page_target *target = &page->targets[i];
        statistics->fates[target->fate]++;
        if (target->fate != PAGE_PROBED)
            continue;
        statistics->records += collector->config.renderings
                                   ? target->renderings[0].records + target->renderings[0].left_out
                                   : 1;
        statistics->outcomes[target->outcome]++;
        statistics->statuses[target->status]++;
    }
}

void collector_settle(struct collector *collector, void *token, bool written) {
    struct gathered *page = token;

    assert(page->is_out);
    if (written)
        count(collector, page);
    for (uint32_t i = 0; i < page->message_count; i++) {
        if (written)
            acknowledge(page->messages[i]);
        else
            nats_pulled_return(page->messages[i], RETURN_MS);
    }
    gather_remove(collector->gather, page);
}

void collector_statistics(const struct collector *collector, struct collector_statistics *out) {
    *out = collector->statistics;
    out->messages_held = gather_partial(collector->gather);
}
