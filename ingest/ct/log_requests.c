/* Requests of an operator's logs: so many at once, the others wait in line. */
#include "engine/decode/inflate.h"
#include "ingest/ct/logs_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    TIMEOUT_MS = 60 * 1000,
    REDIRECTS_MAX = 3,
    URL_MAX = 2048 + LOG_PATH_MAX,
    HTTP_OK = 200,
    HTTP_TOO_MANY = 429,
    HTTP_UNAVAILABLE = 503,
};

/* --- Operators --- */

struct log_operator *log_operator_of(struct logs *logs, struct slice name) {
    name = slice_first(name, sizeof logs->operators[0].name - 1);
    for (uint32_t i = 0; i < logs->operator_count; i++)
        if (slice_is(name, logs->operators[i].name))
            return &logs->operators[i];
    if (logs->operator_count == OPERATORS_MAX)
        return &logs->operators[OPERATORS_MAX - 1];
    struct log_operator *new = &logs->operators[logs->operator_count++];
    if (name.len)
        memcpy(new->name, name.ptr, name.len);
    return new;
}

bool log_operator_has_room(const struct logs *logs, const struct log_operator *run_by) {
    return run_by->open < logs->config.per_operator;
}

/* --- Answers --- */

static bool is_trouble(const struct log_request *request, struct http_answer *answer,
                       struct log_trouble *out) {
    struct followed *log = request->log;

    *out = (struct log_trouble){.retry_after_ms = answer->retry_after_ms};
    feed_count(&log->statistics.requests, 1);
    feed_count(&log->statistics.bytes, answer->body.len);
    __atomic_store_n(&log->statistics.connected, answer->error == ERROR_NONE, __ATOMIC_RELAXED);
    if (answer->error == ERROR_NONE && answer->status == HTTP_OK)
        return false;
    if (answer->error == ERROR_NONE) {
        bool busy = answer->status == HTTP_TOO_MANY || answer->status == HTTP_UNAVAILABLE;
        out->kind = busy ? WANT_THROTTLED : WANT_REFUSED;
        snprintf(out->words, sizeof out->words, "HTTP status %u", answer->status);
        feed_count(&log->statistics.throttled, busy);
    } else {
        out->kind = answer->error == ERROR_LIMIT ? WANT_BROKEN : WANT_UNANSWERED;
        snprintf(out->words, sizeof out->words, "%s", answer->message);
    }
    return true;
}

/* Servers may send gzip without being asked. */
static bool inflate_answer(const struct log_request *request, struct http_answer *answer,
                           struct log_trouble *out) {
    struct buffer plain;

    if (request->as_it_came || !is_gzip(buffer_slice(&answer->body)))
        return true;
    buffer_init(&plain);
    const char *error = inflate_gzip(buffer_slice(&answer->body), request->body_max, &plain);
    if (error) {
        buffer_deinit(&plain);
        out->kind = WANT_BROKEN;
        snprintf(out->words, sizeof out->words, "gzip: %s", error);
        return false;
    }
    buffer_deinit(&answer->body);
    answer->body = plain;
    return true;
}

static void drop_request(struct log_request *request) {
    struct logs *logs = request->log->logs;

    http_cancel(logs->http, request->under_way);
    request->log->run_by->open--;
    if (request->newer)
        request->newer->older = request->older;
    else
        logs->requests = request->older;
    if (request->older)
        request->older->newer = request->newer;
    free(request);
}

static void finish(struct log_request *request, struct http_answer *answer) {
    struct log_request done = *request;
    struct log_trouble trouble;
    bool bad = is_trouble(request, answer, &trouble) || !inflate_answer(request, answer, &trouble);

    drop_request(request);
    done.log->wake_ms = INT64_MIN;
    if (bad)
        feed_count(&done.log->statistics.failures, 1);
    done.done(done.context, done.tag, answer, bad ? &trouble : NULL);
}

static void on_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct log_request *request = context;

    (void)tag;
    request->under_way = 0;
    request->log->run_by->under_way--;
    finish(request, answer);
}

/* --- Requests --- */

bool log_request(struct followed *log, const struct log_request *wanted) {
    struct log_request *request = malloc(sizeof *request);
    struct log_operator *run_by = log->run_by;
    struct logs *logs = log->logs;

    if (!request)
        return false;
    *request = *wanted;
    request->log = log;
    request->under_way = 0;
    request->waiting = request->newer = NULL;
    request->older = logs->requests;
    if (request->older)
        request->older->newer = request;
    logs->requests = request;
    if (run_by->first)
        run_by->last->waiting = request;
    else
        run_by->first = request;
    run_by->last = request;
    run_by->open++;
    return true;
}

/* False when it failed at once. */
static bool send_request(struct log_request *request) {
    struct followed *log = request->log;
    char url[URL_MAX];
    struct failure failure;

    snprintf(url, sizeof url, "%.*s/%s", (int)log->place->source.url.len,
             (const char *)log->place->source.url.ptr, request->path);
    struct http_request http = {
        .method = HTTP_GET,
        .url = url,
        .body_max = request->body_max,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = TIMEOUT_MS,
        .redirects_max = REDIRECTS_MAX,
    };
    enum error error =
        http_start(log->logs->http, &http, on_answer, request, 0, &request->under_way, &failure);
    if (error == ERROR_NONE) {
        log->run_by->under_way++;
        return true;
    }
    struct http_answer answer = {
        .error = ERROR_MEMORY, .message = failure.text, .retry_after_ms = -1};
    finish(request, &answer);
    return false;
}

bool logs_send_requests(struct logs *logs) {
    bool failed = false;

    for (uint32_t i = 0; i < logs->operator_count; i++) {
        struct log_operator *run_by = &logs->operators[i];
        while (run_by->first && run_by->under_way < logs->config.per_operator) {
            struct log_request *request = run_by->first;
            run_by->first = request->waiting;
            failed |= !send_request(request);
        }
    }
    return failed;
}

void logs_drop_requests(struct logs *logs) {
    while (logs->requests)
        drop_request(logs->requests);
    for (uint32_t i = 0; i < logs->operator_count; i++)
        logs->operators[i].first = NULL;
}
