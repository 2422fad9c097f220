/* What the threads of the logs and of the ledger ask, and tell: which logs there are, how far they
 * were followed, before where all is safe. */
#include "tools/trawl/watch_via_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct shared_log *log_new(const struct ct_source *source) {
    struct shared_log *log = calloc(1, sizeof *log);

    if (!log)
        abort(); /* a few hundred bytes: without it a log would be followed by nobody */
    memcpy(log->id, source->log_id, sizeof log->id);
    snprintf(log->name, sizeof log->name, "%.*s", (int)source->name.len,
             (const char *)source->name.ptr);
    watch_position_init(&log->safe);
    buffer_init(&log->value);
    return log;
}

void via_log_free(struct shared_log *log) {
    lease_free(log->lease);
    watch_position_deinit(&log->safe);
    buffer_deinit(&log->value);
    free(log);
}

/* NULL: it is not one of the logs. */
static struct shared_log *find(struct watch_via *via, const struct ct_source *source) {
    return source->has_log_id && source->number < LOGS_MAX ? via->logs[source->number] : NULL;
}

static uint64_t on_term(void *owner, const struct ct_source *source, bool wanted) {
    struct watch_via *via = owner;

    if (source->number >= LOGS_MAX)
        return 0;
    struct shared_log *log = via->logs[source->number];
    if (!log) {
        log = log_new(source);
        via->logs[source->number] = log;
        if (source->number >= via->count)
            via->count = source->number + 1;
        wake_signal(&via->wake);
    }
    log->is_wanted = wanted;
    pthread_mutex_lock(&via->mutex);
    log->seen_term = log->term;
    uint64_t term = log->term;
    pthread_mutex_unlock(&via->mutex);
    return term;
}

static void on_saved(void *owner, const struct ct_source *source, struct buffer *out) {
    struct watch_via *via = owner;

    pthread_mutex_lock(&via->mutex);
    const struct shared_log *log = find(via, source);
    if (log)
        buffer_add_slice(out, buffer_slice(&log->safe.saved));
    pthread_mutex_unlock(&via->mutex);
}

bool watch_via_may_commit(struct watch_via *via, const struct ct_source *source) {
    pthread_mutex_lock(&via->mutex);
    struct shared_log *log = find(via, source);
    bool may = log && log->term && log->seen_term == log->term && via_is_in_time(log);
    if (may)
        log->has_committed = true;
    pthread_mutex_unlock(&via->mutex);
    return may;
}

/* A position is true for ever, whoever has the log since: only an older one says less. */
static bool take_safe(struct shared_log *log, const struct saved_position *position) {
    struct watch_position *safe = &log->safe;

    if (position->committed < safe->committed && safe->saved.len)
        return false;
    safe->committed = position->committed;
    safe->verified = position->verified;
    safe->saved.len = 0;
    buffer_add_slice(&safe->saved, position->saved);
    log->is_newer = !safe->saved.failed;
    return log->is_newer;
}

/* Where a log is begun that nobody has followed, nothing stands before. Until that is written,
 * another would not know. */
void watch_via_position(struct watch_via *via, const struct ct_source *source,
                        const struct log_position *position) {
    const struct saved_position first = {position->committed, position->verified, position->head,
                                         position->saved};

    pthread_mutex_lock(&via->mutex);
    struct shared_log *log = find(via, source);
    bool is_first = log && log->term && log->safe.saved.len == 0 && !log->has_committed;
    if (log)
        log->told = position->committed;
    if (is_first)
        is_first = take_safe(log, &first);
    pthread_mutex_unlock(&via->mutex);
    if (is_first)
        wake_signal(&via->wake);
}

void watch_via_safe(struct watch_via *via, const struct ct_source *source,
                    const struct saved_position *position) {
    pthread_mutex_lock(&via->mutex);
    struct shared_log *log = find(via, source);
    if (log)
        (void)take_safe(log, position);
    pthread_mutex_unlock(&via->mutex);
}

struct logs_sharing via_sharing(struct watch_via *via) {
    return (struct logs_sharing){on_term, on_saved, via};
}
