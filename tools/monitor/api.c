#include "tools/monitor/api.h"

#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/monitor/routes.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>

/* --- Answers --- */

void answer_init(struct answer *answer) {
    *answer = (struct answer){.status = MHD_HTTP_OK, .type = "application/json"};
    buffer_init(&answer->body);
}

void answer_deinit(struct answer *answer) {
    buffer_deinit(&answer->body);
    for (uint32_t i = 0; i < answer->header_count; i++)
        buffer_deinit(&answer->headers[i].value);
    answer->header_count = 0;
}

struct buffer *answer_header(struct answer *answer, const char *name) {
    if (answer->header_count == ANSWER_HEADERS_MAX)
        return &answer->headers[ANSWER_HEADERS_MAX - 1].value;
    answer->headers[answer->header_count].name = name;
    buffer_init(&answer->headers[answer->header_count].value);
    return &answer->headers[answer->header_count++].value;
}

void answer_error(struct answer *answer, unsigned status, const char *format, ...) {
    char text[FAILURE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    answer->status = status;
    answer->type = "application/json";
    answer->body.len = 0;
    json_open(&answer->body, NULL, '{');
    json_words(&answer->body, "error", text);
    json_close(&answer->body, '}');
}

static unsigned status_of(enum error error) {
    switch ((int)error) {
    case ERROR_USAGE:
    case ERROR_INPUT:
    case EINVAL:
        return MHD_HTTP_BAD_REQUEST;
    case ENOENT:
        return MHD_HTTP_NOT_FOUND;
    case EEXIST:
        return MHD_HTTP_CONFLICT;
    case ERROR_LIMIT:
    case ERROR_MEMORY:
    case ERROR_STOPPED:
    case ENOTCONN:
    case ECANCELED:
    case ENOSPC:
    case EIO:
    case EBUSY:
    case EAGAIN:
    case ETIMEDOUT:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

void answer_failure(struct answer *answer, enum error error, const struct failure *failure) {
    answer_error(answer, status_of(error), "%s", failure->text);
}

/* --- What a call needs --- */

struct database *call_database(struct call *call) {
    struct failure failure;
    enum error error;

    if (*call->database)
        return *call->database;
    const struct database_config config = {
        .url = call->api->store_url, .application = "trawl monitor", .existing = true};
    if ((error = database_open(call->database, &config, &failure))) {
        database_close(*call->database); /* it may be there, not connected */
        *call->database = NULL;
        answer_error(call->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "the store cannot be read: %s",
                     failure.text);
        return NULL;
    }
    if (database_kind(*call->database) == DATABASE_SQLITE &&
        (error = database_script(*call->database, "PRAGMA query_only = 1;", &failure))) {
        answer_failure(call->answer, error, &failure);
        return NULL;
    }
    return *call->database;
}

bool call_query(struct call *call, const struct sql_statement *statement,
                const struct sql_value *values, sql_row *row, void *context) {
    struct database *database = call_database(call);
    struct failure failure;

    if (!database)
        return false;
    enum error error = database_query(database, statement, values, row, context, &failure);
    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

bool call_number(struct call *call, const struct sql_statement *statement,
                 const struct sql_value *values, int64_t *out) {
    struct database *database = call_database(call);
    struct failure failure;

    if (!database)
        return false;
    enum error error = database_number(database, statement, values, out, &failure);
    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

bool call_ledger(struct call *call, ledger_function *function, void *context) {
    struct failure failure;
    enum error error = monitor_ledger_call(call->api->ledger, function, context, &failure);

    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

enum error call_audit(const struct call *call, struct ledger_write *write, const char *action,
                      const char *detail, struct failure *failure) {
    return tables_audit(write->database, (const char *)call->request->caller.ptr,
                        role_name(call->request->role), action, detail, write->now_ms, failure);
}

bool call_target(struct call *call, struct monitor_target *out) {
    struct database *database = call_database(call);
    struct failure failure;
    bool found = false;

    if (!database)
        return false;
    enum error error = tables_find_target(database, call->request->parts[0], out, &found, &failure);
    if (error)
        answer_failure(call->answer, error, &failure);
    else if (!found)
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "target not found");
    return error == ERROR_NONE && found;
}

bool call_id(struct call *call, const char *what, int64_t *out) {
    uint64_t number;

    if (!slice_to_u64(call->request->parts[0], INT64_MAX, &number)) {
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "%s not found", what);
        return false;
    }
    *out = (int64_t)number;
    return true;
}

bool call_json(struct call *call) {
    struct failure failure;
    enum error error = request_read_json(call->request, &failure);

    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

void call_ok(struct call *call) {
    json_open(&call->answer->body, NULL, '{');
    json_flag(&call->answer->body, "ok", true);
    json_close(&call->answer->body, '}');
}

/* --- JSON --- */

/* The comma, and the name. */
static void begin(struct buffer *out, const char *name) {
    uint8_t last = out->len ? out->ptr[out->len - 1] : '[';

    if (last != '{' && last != '[' && last != '\n')
        buffer_add_byte(out, ',');
    if (!name)
        return;
    buffer_add_byte(out, '"');
    buffer_add_text(out, name);
    buffer_add(out, "\":", 2);
}

void json_open(struct buffer *out, const char *name, char bracket) {
    begin(out, name);
    buffer_add_byte(out, (uint8_t)bracket);
}

void json_close(struct buffer *out, char bracket) {
    buffer_add_byte(out, (uint8_t)bracket);
}

void json_text(struct buffer *out, const char *name, struct slice text) {
    begin(out, name);
    json_add_text(text, out);
}

void json_words(struct buffer *out, const char *name, const char *text) {
    json_text(out, name, slice_of(text));
}

void json_integer(struct buffer *out, const char *name, int64_t number) {
    begin(out, name);
    text_add_integer(out, number);
}

void json_real(struct buffer *out, const char *name, double number) {
    if (!isfinite(number)) {
        json_null(out, name);
        return;
    }
    begin(out, name);
    buffer_add_format(out, "%.10g", number);
}

void json_flag(struct buffer *out, const char *name, bool flag) {
    begin(out, name);
    buffer_add_text(out, flag ? "true" : "false");
}

void json_null(struct buffer *out, const char *name) {
    begin(out, name);
    buffer_add_text(out, "null");
}

void json_hex(struct buffer *out, const char *name, struct slice bytes) {
    if (!bytes.len) {
        json_null(out, name);
        return;
    }
    begin(out, name);
    buffer_add_byte(out, '"');
    text_add_hex(out, bytes);
    buffer_add_byte(out, '"');
}

void json_time_ms(struct buffer *out, const char *name, int64_t unix_ms) {
    json_time(out, name, unix_ms / 1000);
}

void json_time(struct buffer *out, const char *name, int64_t unix_seconds) {
    if (!unix_seconds) {
        json_null(out, name);
        return;
    }
    begin(out, name);
    buffer_add_byte(out, '"');
    text_add_time(out, unix_seconds);
    buffer_add_byte(out, '"');
}

void json_raw(struct buffer *out, const char *name, struct slice json) {
    if (!json.len) {
        json_null(out, name);
        return;
    }
    begin(out, name);
    buffer_add_slice(out, json);
}

void json_value(struct buffer *out, const char *name, const struct sql_value *value) {
    if (value->type == SQL_INTEGER)
        json_integer(out, name, value->integer);
    else if (value->type == SQL_REAL)
        json_real(out, name, value->real);
    else
        json_null(out, name);
}
