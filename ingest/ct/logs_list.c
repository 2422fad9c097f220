#include "ingest/ct/logs_list.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "ingest/ct/logs_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    RELOAD_MS = 3600 * 1000,
    RETRY_MS = 10 * 60 * 1000,
    STALE_MS = 24 * 3600 * 1000,
};

/* --- Which logs --- */

static bool has_part(struct slice text, struct slice part) {
    for (; text.len >= part.len; text = slice_from(text, 1)) {
        if (slice_equal_nocase(slice_first(text, part.len), part))
            return true;
        if (text.len == 0)
            break;
    }
    return false;
}

static bool is_named(const struct slice_list *names, struct slice description) {
    for (uint32_t i = 0; i < names->count; i++)
        if (has_part(description, names->items[i]))
            return true;
    return names->count == 0;
}

bool log_choice_has(const struct log_choice *choice, const struct log_list_log *log,
                    int64_t now_unix_ms) {
    unsigned states = choice->states ? choice->states : LOG_LIST_CURRENT;

    if (!(states & LOG_LIST_BIT(log->state)) || (log->test && !choice->tests) ||
        log->monitoring_url.len == 0)
        return false;
    if (choice->ended_ms && log->interval_end_ms < now_unix_ms - choice->ended_ms)
        return false;
    return is_named(&choice->names, log->description);
}

struct log_spec log_spec_of(const struct log_list_log *log) {
    return (struct log_spec){
        .name = log->description.len ? log->description : log->monitoring_url,
        .operator_name = log->run_by->name,
        .url = log->monitoring_url,
        .key = log->key,
        .tiles = log->tiled,
        .listed = true,
        .frozen = log->state == LOG_LIST_READONLY,
        .mmd_s = log->mmd_s,
    };
}

/* --- A newer list --- */

static int64_t varied(uint32_t ms) {
    return ms / 2 + (int64_t)(random_seed() % ((uint64_t)ms + 1));
}

static void tell_list(struct logs *logs, enum feed_incident incident, const char *words) {
    const struct feed_outlet *outlet = logs->config.outlet;

    outlet->incident(outlet->owner, &logs->list.source, incident, words);
}

static void follow_move(struct followed *log, struct slice url) {
    url = log_url_without_slashes(url);
    if (slice_equal(log->place->source.url, url))
        return;
    if (log_move(log, url)) /* else when the list comes again */
        log_incident(log, FEED_LOG_CHANGED, "it has another URL, and is followed there");
}

static void change_state(struct followed *log, const struct log_list_log *listed) {
    bool frozen = listed->state == LOG_LIST_READONLY;

    follow_move(log, listed->monitoring_url);
    if (log->frozen != frozen)
        log_incident(log, FEED_LOG_CHANGED,
                     frozen ? "it is read-only from now on" : "it takes entries again");
    log->frozen = frozen;
    if (log->left)
        log_incident(log, FEED_LOG_CHANGED, "it is followed again");
    log->left = false;
}

static void add_listed(struct logs *logs, const struct log_list_log *listed) {
    const struct logs_list_config *config = &logs->list.config;
    struct log_spec spec = log_spec_of(listed);
    struct failure failure;

    spec.saved = config->saved ? config->saved(config->owner, listed->id) : spec.saved;
    spec.from = spec.saved.len ? FEED_FROM_SAVED : FEED_FROM_INDEX;
    if (logs_add(logs, &spec, &failure) != ERROR_NONE)
        tell_list(logs, FEED_LOG_CHANGED, failure.text);
    else
        log_incident(logs_find(logs, listed->id), FEED_LOG_CHANGED, "a new log");
}

static void leave(struct followed *log, const struct log_list_log *listed) {
    const char *state = listed ? log_list_state_name((enum log_list_state)listed->state) : NULL;
    char words[128];

    snprintf(words, sizeof words, "it is not followed any more: %s",
             !listed ? "it is not listed"
             : state ? state
                     : "it has no state");
    log->left = true;
    log_incident(log, FEED_LOG_CHANGED, words);
}

static uint32_t count_chosen(const struct log_choice *choice, const struct log_list *list,
                             int64_t now_ms) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < list->log_count; i++)
        count += log_choice_has(choice, &list->logs[i], now_ms);
    return count;
}

static void take_list(struct logs *logs, const struct log_list *list) {
    const struct log_choice *choice = &logs->list.config.choice;
    int64_t now_ms = clock_unix_ms();
    uint32_t count = logs->count;

    for (uint32_t i = 0; i < count; i++) {
        struct followed *log = logs->items[i];
        const struct log_list_log *listed = log_list_find(list, log->key.id);
        if (log->listed && !log->left && (!listed || !log_choice_has(choice, listed, now_ms)))
            leave(log, listed);
    }
    for (uint32_t i = 0; i < list->log_count; i++) {
        const struct log_list_log *listed = &list->logs[i];
        struct followed *log = logs_find(logs, listed->id);
        if (!log_choice_has(choice, listed, now_ms))
            continue;
        if (!log)
            add_listed(logs, listed);
        else if (log->listed)
            change_state(log, listed);
    }
}

/* What is wrong with a list that can be read; NULL when nothing is. */
static const char *refusal_of(const struct logs_list *following, const struct log_list *list) {
    if (list->time_ms < following->config.time_ms)
        return "the log list is older than the one in use";
    if (count_chosen(&following->config.choice, list, clock_unix_ms()) == 0)
        return "the log list has no log that is to be followed";
    return NULL;
}

static bool on_look(void *context, struct log_list *list, const struct failure *failure) {
    struct logs *logs = context;
    struct logs_list *following = &logs->list;
    int64_t now_ms = logs_now_ms();
    const char *refusal = failure ? failure->text : list ? refusal_of(following, list) : NULL;

    following->looking = false;
    if (refusal) {
        uint32_t reload_ms = following->config.reload_ms;
        following->next_ms = now_ms + varied(RETRY_MS < reload_ms ? RETRY_MS : reload_ms);
        if (now_ms - following->good_ms > following->config.stale_ms && !following->told_stale) {
            tell_list(logs, FEED_LIST_STALE, refusal);
            following->told_stale = true;
        }
    } else {
        following->next_ms = now_ms + varied(following->config.reload_ms);
        following->good_ms = now_ms;
        if (following->told_stale)
            tell_list(logs, FEED_RECOVERED, "the log list can be read again");
        following->told_stale = false;
    }
    if (list && !refusal) {
        following->config.time_ms = list->time_ms;
        take_list(logs, list);
    }
    log_list_free(list);
    return !refusal;
}

/* --- Following it --- */

void logs_follow_list(struct logs *logs, const struct logs_list_config *config) {
    struct logs_list *following = &logs->list;
    const char *where = log_list_source_where(config->source);

    following->config = *config;
    if (!following->config.reload_ms)
        following->config.reload_ms = RELOAD_MS;
    if (!following->config.stale_ms)
        following->config.stale_ms = STALE_MS;
    following->source = (struct ct_source){
        .number = UINT32_MAX, .name = slice_of("log list"), .url = slice_of(where)};
    following->good_ms = logs_now_ms();
    following->next_ms = following->good_ms + varied(following->config.reload_ms);
}

int64_t logs_list_step(struct logs *logs, int64_t now_ms) {
    struct logs_list *following = &logs->list;

    if (!following->config.source || following->looking)
        return INT64_MAX;
    if (following->next_ms <= now_ms) {
        following->looking = true;
        log_list_source_look(following->config.source, logs->http, on_look, logs);
    }
    return following->looking ? INT64_MAX : following->next_ms;
}
