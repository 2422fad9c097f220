/* The leases of logs, on the thread of the fleet: what is held is written again and again, what is
 * too much is given back, what is free is taken. */
#include "engine/base/text.h"
#include "tools/trawl/watch_via_internal.h"

#include <errno.h>

/* --- Keeping --- */

/* What the lease is to have; the newest position that is safe. */
static struct slice value_of(struct watch_via *via, struct shared_log *log) {
    pthread_mutex_lock(&via->mutex);
    if (log->is_newer) {
        log->value.len = 0;
        watch_position_write(&log->safe, &log->value);
        log->is_newer = log->value.failed;
    }
    pthread_mutex_unlock(&via->mutex);
    return buffer_slice(&log->value);
}

static void set_term(struct watch_via *via, struct shared_log *log, uint64_t term) {
    pthread_mutex_lock(&via->mutex);
    log->term = term;
    pthread_mutex_unlock(&via->mutex);
    via->config.changed(via->config.owner);
}

static void hold(struct watch_via *via, struct shared_log *log, uint64_t began_ns) {
    bool was_held = log->is_held && !log->is_lapsed;

    atomic_store(&log->until_ns, began_ns + via->config.lease_ms * VIA_MS / 100 * LEASE_FENCE);
    log->is_held = true;
    log->is_lapsed = false;
    if (was_held)
        return;
    atomic_fetch_add(&via->taken, 1);
    via->config.changed(via->config.owner);
}

static void let_go(struct watch_via *via, struct shared_log *log) {
    atomic_store(&log->until_ns, 0);
    log->is_held = log->is_returning = log->is_lapsed = false;
    set_term(via, log, 0);
}

static enum error keep(struct watch_via *via, struct shared_log *log, struct failure *failure) {
    uint64_t began_ns = clock_monotonic_ns();

    enum error error = lease_keep(log->lease, value_of(via, log), failure);
    if (!error) {
        hold(via, log, began_ns);
    } else if (error == ERROR_GONE) {
        atomic_fetch_add(&via->lost, !log->is_lapsed);
        let_go(via, log);
        via_say(via, "%s: another watcher follows it now", log->name);
        return ERROR_NONE;
    }
    return error;
}

enum error via_keep_all(struct watch_via *via, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < via->count && !error; i++) {
        struct shared_log *log = via->logs[i];
        if (log && log->is_held)
            error = keep(via, log, failure);
    }
    return error;
}

void via_note_lapsed(struct watch_via *via) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < via->count; i++) {
        struct shared_log *log = via->logs[i];
        if (!log || !log->is_held || log->is_lapsed || via_is_in_time(log))
            continue;
        log->is_lapsed = true;
        count++;
    }
    atomic_fetch_add(&via->lost, count);
    if (count)
        via_say(via, "the leases of %u logs are over: these wait", count);
}

/* --- Giving back --- */

static bool is_drained(struct watch_via *via, const struct shared_log *log) {
    pthread_mutex_lock(&via->mutex);
    bool is = log->seen_term == 0 && log->safe.committed >= log->told;
    pthread_mutex_unlock(&via->mutex);
    return is;
}

static void begin_return(struct watch_via *via, struct shared_log *log) {
    log->is_returning = true;
    log->give_by_ns = clock_monotonic_ns() + via->config.lease_ms * VIA_MS;
    set_term(via, log, 0);
}

static enum error give(struct watch_via *via, struct shared_log *log, struct failure *failure) {
    enum error error = lease_give_back(log->lease, value_of(via, log), failure);

    if (error && error != ERROR_GONE)
        return error;
    atomic_fetch_add(&via->given, 1);
    log->gave_ns = clock_monotonic_ns();
    let_go(via, log);
    return ERROR_NONE;
}

enum error via_give_returning(struct watch_via *via, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < via->count && !error; i++) {
        struct shared_log *log = via->logs[i];
        if (!log || !log->is_returning)
            continue;
        bool is_late = !via->config.every_entry && clock_monotonic_ns() >= log->give_by_ns;
        if (is_drained(via, log) || is_late)
            error = give(via, log, failure);
    }
    return error;
}

void via_return_some(struct watch_via *via, uint32_t count) {
    for (uint32_t i = 0; i < via->count && count; i++)
        if (via_is_followed(via->logs[i])) {
            begin_return(via, via->logs[i]);
            count--;
        }
}

void via_return_unwanted(struct watch_via *via) {
    for (uint32_t i = 0; i < via->count; i++)
        if (via_is_followed(via->logs[i]) && !via->logs[i]->is_wanted)
            begin_return(via, via->logs[i]);
}

enum error via_give_all(struct watch_via *via, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < via->count && !error; i++) {
        struct shared_log *log = via->logs[i];
        if (log && log->is_held)
            error = give(via, log, failure);
    }
    return error;
}

/* --- Taking --- */

static enum error make_lease(struct watch_via *via, struct shared_log *log,
                             struct failure *failure) {
    struct buffer key;

    if (log->lease)
        return ERROR_NONE;
    buffer_init(&key);
    buffer_add_text(&key, via->prefix);
    text_add_hex(&key, (struct slice){log->id, sizeof log->id});
    buffer_add_byte(&key, 0);
    struct lease_config config = {
        .bucket = via->bucket,
        .key = (const char *)key.ptr,
        .holder = via->holder,
        .time_ms = via->config.lease_ms,
    };
    enum error error = key.failed ? failure_set(failure, ERROR_MEMORY, "no memory for a lease")
                                  : lease_new(&log->lease, &config, failure);
    buffer_deinit(&key);
    return error;
}

/* Whoever had it before left it there. */
static enum error take_value(struct watch_via *via, struct shared_log *log, struct buffer *value,
                             struct failure *failure) {
    struct watch_position position;

    watch_position_init(&position);
    enum error error = watch_position_read(&position, buffer_slice(value), failure);
    if (error) {
        watch_position_deinit(&position);
        return error;
    }
    buffer_deinit(&log->value);
    log->value = *value;
    buffer_init(value);
    pthread_mutex_lock(&via->mutex);
    watch_position_deinit(&log->safe);
    log->safe = position;
    log->told = position.committed;
    log->has_committed = false;
    log->is_newer = false;
    log->term = ++via->terms;
    pthread_mutex_unlock(&via->mutex);
    return ERROR_NONE;
}

/* A position that cannot be read is left alone: to begin elsewhere would leave out entries. */
static void leave_odd(struct watch_via *via, struct shared_log *log, const struct buffer *value,
                      const struct failure *why) {
    struct failure ignored;

    via_say(via, "%s is not followed here: %s", log->name, why->text);
    log->is_odd = true;
    if (lease_give_back(log->lease, buffer_slice(value), &ignored))
        return; /* it runs out */
}

static enum error try_log(struct watch_via *via, struct shared_log *log, bool *taken,
                          struct failure *failure) {
    uint64_t began_ns = clock_monotonic_ns();
    struct failure odd = {0};
    struct buffer value;

    *taken = false;
    enum error error = make_lease(via, log, failure);
    if (error)
        return error;
    buffer_init(&value);
    error = lease_try(log->lease, &value, failure);
    if (!error && take_value(via, log, &value, &odd)) {
        leave_odd(via, log, &value, &odd);
    } else if (!error) {
        *taken = true;
        hold(via, log, began_ns);
    }
    buffer_deinit(&value);
    return error == (enum error)EBUSY ? ERROR_NONE : error;
}

/* Whether it was given back, and for somebody, in the last so many leases. */
static bool was_given(const struct watch_via *via, const struct shared_log *log, uint64_t leases) {
    uint64_t age_ns = clock_monotonic_ns() - log->gave_ns;

    return log->gave_ns && age_ns < leases * via->config.lease_ms * VIA_MS;
}

static bool is_to_be_tried(const struct watch_via *via, const struct shared_log *log,
                           bool as_orphan) {
    if (!log || log->is_held || !log->is_wanted || log->is_odd)
        return false;
    return !as_orphan || !was_given(via, log, VIA_ORPHAN_LEASES);
}

/* Each begins at another log, so that they do not all try the same. */
enum error via_take_some(struct watch_via *via, uint32_t most, bool are_orphans,
                         struct failure *failure) {
    uint32_t first = (uint32_t)watch_members_self(via->members);
    enum error error = ERROR_NONE;
    bool taken;

    for (uint32_t i = 0; i < via->count && most && !error; i++) {
        struct shared_log *log = via->logs[(first + i) % via->count];
        if (!is_to_be_tried(via, log, are_orphans))
            continue;
        error = try_log(via, log, &taken, failure);
        most -= taken;
        if (taken && are_orphans && was_given(via, log, VIA_CALM_LEASES))
            via->calm_until_ns =
                clock_monotonic_ns() + VIA_CALM_LEASES * via->config.lease_ms * VIA_MS;
    }
    return error;
}
