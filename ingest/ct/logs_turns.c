/* Logs that others follow too, one at a time: each is begun here in a term of ours, and ended with
 * it. */
#include "ingest/ct/logs_internal.h"

static bool has_asks(const struct followed *log) {
    for (const struct ask *ask = log->logs->asks; ask; ask = ask->older)
        if (ask->log == log)
            return true;
    return false;
}

/* Answers go to the follower that has asked: it stays until the last has come. */
static void end_term(struct followed *log) {
    log->ending = log->follower != NULL;
    if (log->ending && has_asks(log))
        return;
    follower_free(log->follower);
    log->follower = NULL;
    log->ending = false;
    edge_kept_deinit(&log->edge);
    __atomic_store_n(&log->statistics.connected, false, __ATOMIC_RELAXED);
}

/* A position that cannot be read is not passed over: that would leave out entries. */
static void begin_term(struct followed *log, uint64_t term) {
    const struct logs_sharing *sharing = log->logs->config.sharing;
    struct failure failure = {0};
    struct buffer saved;

    buffer_init(&saved);
    sharing->saved(sharing->owner, &log->place->source, &saved);
    enum error error = saved.failed
                           ? failure_set(&failure, ERROR_MEMORY, "no memory for its position")
                           : log_begin(log, buffer_slice(&saved), &failure);
    buffer_deinit(&saved);
    log->term = term;
    log->wake_ms = INT64_MIN;
    log->head_ms = 0;
    log->told_stale = false;
    if (error)
        log_incident(log, FEED_UNREACHABLE, failure.text);
}

bool log_has_turn(struct followed *log) {
    const struct logs_sharing *sharing = log->logs->config.sharing;

    if (!sharing)
        return true;
    uint64_t term = sharing->term(sharing->owner, &log->place->source, !log->left);
    if (term != log->term || log->ending) {
        end_term(log);
        if (log->ending)
            return false;
        if (term)
            begin_term(log, term);
        log->term = term;
    }
    __atomic_store_n(&log->statistics.elsewhere, !term, __ATOMIC_RELAXED);
    return log->follower != NULL;
}
