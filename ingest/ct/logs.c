#include "ingest/ct/logs.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/random.h"
#include "engine/base/thread.h"
#include "ingest/ct/logs_internal.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 128,
    LOOP_WAIT_MS = 1000,
    FULL_WAIT_MS = 10, /* while the decoder has no room, which nobody tells */
    HELD_BYTES_MAX = 4 * LIMIT_CT_PAGE_BYTES, /* of pages that are not decoded yet */
    DAY_MS = 24 * 3600 * 1000,
    STALE_LEAST_MS = 3600 * 1000, /* promised faster, and looked at not so often */
};

int64_t logs_now_ms(void) {
    return (int64_t)(clock_monotonic_ns() / 1000000);
}

void log_incident(struct followed *log, enum feed_incident incident, const char *words) {
    const struct feed_outlet *outlet = log->logs->config.outlet;

    outlet->incident(outlet->owner, &log->place->source, incident, words);
}

static void on_incident(void *owner, enum feed_incident incident, const char *words) {
    struct followed *log = owner;

    if (!log->ending)
        log_incident(log, incident, words);
}

/* --- Opening --- */

static void wake(void *owner) {
    http_client_wake(((struct logs *)owner)->http);
}

enum error logs_open(struct logs **out, const struct logs_config *config, struct failure *failure) {
    struct logs *logs = calloc(1, sizeof *logs);
    struct http_client_config http = {
        .user_agent = config->user_agent,
        .ca_file = config->ca_file,
        .connections = CONNECTIONS_MAX,
        .per_host = config->per_operator,
    };

    if (!logs)
        return failure_set(failure, ERROR_MEMORY, "no memory for the logs");
    logs->config = *config;
    mailbox_init(&logs->decoded, wake, logs);
    enum error error = http_client_open(&logs->http, &http, failure);
    if (error != ERROR_NONE) {
        free(logs);
        return error;
    }
    *out = logs;
    return ERROR_NONE;
}

static void followed_free(struct followed *log) {
    follower_free(log->follower);
    edge_kept_deinit(&log->edge);
    ct_log_key_deinit(&log->key);
    for (struct log_place *place = log->place, *before; place; place = before) {
        before = place->before;
        free(place);
    }
    free(log);
}

struct slice log_url_without_slashes(struct slice url) {
    while (url.len && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

static struct slice copy_text(char *to, struct slice text) {
    if (text.len)
        memcpy(to, text.ptr, text.len);
    return (struct slice){(const uint8_t *)to, text.len};
}

/* False when there is no memory. */
static bool place_at(struct followed *log, struct slice name, struct slice url) {
    url = log_url_without_slashes(url);
    struct log_place *place = malloc(sizeof *place + name.len + url.len);

    if (!place)
        return false;
    place->source = (struct ct_source){.number = log->number, .has_log_id = true};
    place->source.name = copy_text(place->text, name);
    place->source.url = copy_text(place->text + name.len, url);
    memcpy(place->source.log_id, log->key.id, sizeof place->source.log_id);
    place->before = log->place;
    log->place = place;
    __atomic_store_n(&log->statistics.source, &place->source, __ATOMIC_RELEASE);
    return true;
}

bool log_move(struct followed *log, struct slice url) {
    log->wake_ms = INT64_MIN;
    return place_at(log, log->place->source.name, url);
}

enum error log_begin(struct followed *log, struct slice saved, struct failure *failure) {
    const struct logs_config *config = &log->logs->config;
    struct follower_config follower = {
        .tiles = log->tiles,
        .from = config->sharing && saved.len ? FEED_FROM_SAVED : log->from,
        .from_index = log->from_index,
        .to_the_end = config->to_the_end,
        .page_entries = config->page_entries,
        .window = config->window,
        .head_interval_ms = config->head_interval_ms,
        .partial_after_ms = config->partial_after_ms,
        .retry_ms = config->retry_ms,
        .seed = random_seed(),
        .owner = log,
        .incident = on_incident,
    };
    return follower_new(&log->follower, &follower, saved, failure);
}

static enum error fill(struct followed *log, const struct log_spec *spec, struct failure *failure) {
    if (!place_at(log, spec->name, spec->url))
        return failure_set(failure, ERROR_MEMORY, "no memory for a log");
    if (log->logs->config.sharing)
        return ERROR_NONE;
    return log_begin(log, spec->saved, failure);
}

struct followed *logs_find(struct logs *logs, const uint8_t id[CT_LOG_ID_BYTES]) {
    uint32_t count = logs->count;

    for (uint32_t i = 0; i < count; i++)
        if (memcmp(logs->items[i]->key.id, id, CT_LOG_ID_BYTES) == 0)
            return logs->items[i];
    return NULL;
}

static struct followed *followed_new(struct logs *logs, const struct log_spec *spec) {
    struct followed *log = calloc(1, sizeof *log);

    if (!log)
        return NULL;
    log->logs = logs;
    log->tiles = spec->tiles;
    log->listed = spec->listed;
    log->frozen = spec->frozen;
    log->from = spec->from;
    log->from_index = spec->from_index;
    log->mmd_ms = spec->mmd_s ? (int64_t)spec->mmd_s * 1000 : DAY_MS;
    if (log->mmd_ms < STALE_LEAST_MS)
        log->mmd_ms = STALE_LEAST_MS;
    log->wake_ms = INT64_MIN;
    log->number = logs->count;
    log->run_by = log_operator_of(logs, spec->operator_name);
    return log;
}

enum error logs_add(struct logs *logs, const struct log_spec *spec, struct failure *failure) {
    struct failure cause = {0};

    if (logs->count == LOGS_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d logs", LOGS_MAX);
    struct followed *log = followed_new(logs, spec);
    if (!log)
        return failure_set(failure, ERROR_MEMORY, "no memory for a log");
    enum error error = ct_log_key_init(&log->key, spec->key, &cause);
    if (error == ERROR_NONE && logs_find(logs, log->key.id)) {
        followed_free(log);
        return ERROR_NONE;
    }
    if (error == ERROR_NONE)
        error = fill(log, spec, &cause);
    if (error != ERROR_NONE) {
        followed_free(log);
        return failure_set(failure, error, "%.*s: %s", (int)spec->name.len,
                           (const char *)spec->name.ptr, cause.text);
    }
    logs->items[logs->count] = log;
    logs->count++; /* other threads read up to it */
    return ERROR_NONE;
}

/* --- What leaves --- */

static void note_left(struct feed_statistics *statistics, uint32_t entries, int64_t newest_ms) {
    feed_count(&statistics->pages, 1);
    feed_count(&statistics->entries, entries);
    if (newest_ms > statistics->newest_ms)
        __atomic_store_n(&statistics->newest_ms, newest_ms, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->last_entry_ms, clock_unix_ms(), __ATOMIC_RELAXED);
}

/* Pages that may leave, as far as the outlet has room, and the position that follows from it. */
static void commit(struct followed *log) {
    const struct feed_outlet *outlet = log->logs->config.outlet;
    uint8_t saved[FOLLOWER_SAVED_MAX];
    struct log_position position;
    struct page *page;

    while ((page = follower_ready(log->follower))) {
        uint32_t entries = page->entries;
        int64_t newest_ms = page->newest_ms;
        if (!outlet->commit(outlet->owner, page)) /* else it is another thread's */
            break;
        follower_committed(log->follower);
        note_left(&log->statistics, entries, newest_ms);
        log->wake_ms = INT64_MIN;
    }
    if (follower_moved(log->follower, &position, saved))
        outlet->position(outlet->owner, &log->place->source, &position);
}

/* --- What is wanted --- */

static void look_for_staleness(struct followed *log) {
    if (log->frozen || !log->head_ms)
        return;
    bool stale = clock_unix_ms() - log->head_ms > log->mmd_ms;
    if (stale && !log->told_stale)
        log_incident(log, FEED_HEAD_STALE, "its newest head is older than it promises");
    else if (!stale && log->told_stale)
        log_incident(log, FEED_RECOVERED, "there is a newer head");
    log->told_stale = stale;
}

static void ask_what_it_wants(struct followed *log, int64_t now_ms) {
    struct logs *logs = log->logs;
    struct follower_want want;

    while (!log->left && log->wake_ms <= now_ms && log_operator_has_room(logs, log->run_by) &&
           logs->held_bytes < HELD_BYTES_MAX) {
        if (!follower_next(log->follower, now_ms, &want, &log->wake_ms))
            break;
        ask_begin(log, &want);
    }
}

static void show(struct followed *log, const struct follower_progress *progress) {
    struct feed_statistics *statistics = &log->statistics;

    __atomic_store_n(&statistics->committed, progress->committed, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->verified, progress->verified, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->head, progress->head, __ATOMIC_RELAXED);
}

/* One after another, each loop another one first, so that all get their share of an operator's
 * limit. Returns when the next of them wants something. */
static int64_t serve_all(struct logs *logs, int64_t now_ms) {
    uint32_t count = logs->count;
    bool done = logs->config.to_the_end;
    int64_t wake_ms = INT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        struct followed *log = logs->items[(logs->next + i) % count];
        if (!log_has_turn(log)) {
            done = false;
            continue;
        }
        commit(log);
        ask_what_it_wants(log, now_ms);
        look_for_staleness(log);
        struct follower_progress progress = follower_progress(log->follower);
        show(log, &progress);
        done &= progress.done || log->left;
        if (log->wake_ms < wake_ms && log->wake_ms > now_ms && !log->left)
            wake_ms = log->wake_ms;
    }
    logs->next = count ? (logs->next + 1) % count : 0;
    atomic_store(&logs->done, done);
    return wake_ms;
}

/* --- The thread --- */

static void take_decoded(struct logs *logs) {
    struct mailbox_entry *entry = mailbox_take_all(&logs->decoded);

    while (entry) {
        struct mailbox_entry *next = entry->next;
        ask_decoded(logs, (struct page *)entry);
        entry = next;
    }
}

/* What is at the decoder must come back before it can be freed. */
static void drain(struct logs *logs) {
    while (logs->decoding) {
        struct mailbox_entry *entry = mailbox_take_all(&logs->decoded);
        if (!entry)
            sched_yield();
        for (; entry; entry = entry->next)
            logs->decoding--;
    }
    logs_drop_requests(logs);
    logs_drop_issuers(logs);
    while (logs->asks)
        ask_drop(logs->asks);
    logs->undelivered = NULL;
}

static uint32_t wait_until(const struct logs *logs, int64_t wake_ms) {
    int64_t wait_ms = wake_ms - logs_now_ms(), most_ms = LOOP_WAIT_MS;

    if (logs->undelivered)
        most_ms = FULL_WAIT_MS;
    return (uint32_t)(wait_ms < 0 ? 0 : wait_ms < most_ms ? wait_ms : most_ms);
}

static void *run(void *context) {
    struct logs *logs = context;

    while (!atomic_load(&logs->stopping)) {
        take_decoded(logs);
        asks_deliver(logs);
        int64_t now_ms = logs_now_ms();
        int64_t list_ms = logs_list_step(logs, now_ms), wake_ms = serve_all(logs, now_ms);
        bool failed = logs_send_requests(logs);
        http_client_step(logs->http,
                         failed ? 0 : wait_until(logs, list_ms < wake_ms ? list_ms : wake_ms));
    }
    drain(logs);
    return NULL;
}

enum error logs_start(struct logs *logs, struct failure *failure) {
    enum error error = thread_start(&logs->thread, "logs", run, logs, failure);

    logs->started = error == ERROR_NONE;
    return error;
}

void logs_wake(struct logs *logs) {
    http_client_wake(logs->http);
}

void logs_stop(struct logs *logs) {
    if (!logs->started)
        return;
    atomic_store(&logs->stopping, true);
    http_client_wake(logs->http);
    pthread_join(logs->thread, NULL);
    logs->started = false;
}

void logs_close(struct logs *logs) {
    if (!logs)
        return;
    logs_stop(logs);
    mailbox_deinit(&logs->decoded);
    http_client_close(logs->http);
    for (uint32_t i = 0; i < logs->count; i++)
        followed_free(logs->items[i]);
    free(logs);
}

/* --- For any thread --- */

bool logs_done(const struct logs *logs) {
    return atomic_load(&logs->done);
}

uint32_t logs_count(const struct logs *logs) {
    return atomic_load(&logs->count);
}

void logs_statistics(const struct logs *logs, uint32_t number, struct feed_statistics *out) {
    const struct feed_statistics *from = &logs->items[number]->statistics;

    *out = (struct feed_statistics){
        .source = __atomic_load_n(&from->source, __ATOMIC_ACQUIRE),
        .connected = __atomic_load_n(&from->connected, __ATOMIC_RELAXED),
        .elsewhere = __atomic_load_n(&from->elsewhere, __ATOMIC_RELAXED),
        .entries = __atomic_load_n(&from->entries, __ATOMIC_RELAXED),
        .pages = __atomic_load_n(&from->pages, __ATOMIC_RELAXED),
        .requests = __atomic_load_n(&from->requests, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
        .failures = __atomic_load_n(&from->failures, __ATOMIC_RELAXED),
        .throttled = __atomic_load_n(&from->throttled, __ATOMIC_RELAXED),
        .committed = __atomic_load_n(&from->committed, __ATOMIC_RELAXED),
        .verified = __atomic_load_n(&from->verified, __ATOMIC_RELAXED),
        .head = __atomic_load_n(&from->head, __ATOMIC_RELAXED),
        .last_entry_ms = __atomic_load_n(&from->last_entry_ms, __ATOMIC_RELAXED),
        .newest_ms = __atomic_load_n(&from->newest_ms, __ATOMIC_RELAXED),
    };
}
