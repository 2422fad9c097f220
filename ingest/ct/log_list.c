#include "ingest/ct/log_list.h"

#include <openssl/base64.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <yyjson.h>

enum { PLACE_BYTES = 96 };

/* A list that is being read. */
struct reader {
    struct log_list *list;
    struct log_list_operator *operators;
    struct log_list_log *logs;
    char place[PLACE_BYTES]; /* of the object at hand: "operators[2].logs[0]" */
    struct failure *failure;
};

/* --- Values -------------------------------------------------------------------------------- */

/* What is wrong with the member `name` of the object at hand, or with that itself. */
static bool wrong(const struct reader *reader, const char *name, const char *what) {
    bool both = reader->place[0] && name[0];

    failure_set(reader->failure, ERROR_INPUT, "log list: %s%s%s %s", reader->place, both ? "." : "",
                name, what);
    return false;
}

static bool no_memory(const struct reader *reader) {
    failure_set(reader->failure, ERROR_MEMORY, "no memory for the log list");
    return false;
}

static struct slice bytes_of(yyjson_val *value) {
    return (struct slice){(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
}

/* Text, or nothing where it may be missing. */
static bool read_text(const struct reader *reader, yyjson_val *object, const char *name,
                      bool needed, struct slice *out) {
    yyjson_val *value = yyjson_obj_get(object, name);

    *out = (struct slice){NULL, 0};
    if (!value)
        return !needed || wrong(reader, name, "is missing");
    if (!yyjson_is_str(value))
        return wrong(reader, name, "is no text");
    if (yyjson_get_len(value) > LOG_LIST_TEXT_BYTES_MAX)
        return wrong(reader, name, "is too long");
    *out = arena_copy(&reader->list->memory, bytes_of(value));
    return !reader->list->memory.failed || no_memory(reader);
}

static bool is_url(struct slice text) {
    static const char *const schemes[] = {"https://", "http://"};
    bool known = false;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        known |= text.len > strlen(schemes[i]) &&
                 slice_is(slice_first(text, strlen(schemes[i])), schemes[i]);
    for (size_t i = 0; i < text.len; i++)
        known &= text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    return known;
}

static bool read_url(const struct reader *reader, yyjson_val *object, const char *name, bool needed,
                     struct slice *out) {
    if (!read_text(reader, object, name, needed, out))
        return false;
    return (!out->len && !needed) || is_url(*out) || wrong(reader, name, "is no HTTP URL");
}

/* Two to four digits. */
static bool take_number(struct slice *text, size_t digits, int *out) {
    uint64_t number;

    if (!slice_to_u64(slice_first(*text, digits), 9999, &number) || text->len < digits)
        return false;
    *text = slice_from(*text, digits);
    *out = (int)number;
    return true;
}

static bool take_mark(struct slice *text, char mark) {
    if (!text->len || text->ptr[0] != mark)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* RFC 3339 in UTC: "2026-05-29T12:01:02Z"; fractions of seconds are cut off. */
static bool parse_time(struct slice text, int64_t *out_ms) {
    struct tm tm = {0};
    bool whole = take_number(&text, 4, &tm.tm_year) && take_mark(&text, '-') &&
                 take_number(&text, 2, &tm.tm_mon) && take_mark(&text, '-') &&
                 take_number(&text, 2, &tm.tm_mday) && take_mark(&text, 'T') &&
                 take_number(&text, 2, &tm.tm_hour) && take_mark(&text, ':') &&
                 take_number(&text, 2, &tm.tm_min) && take_mark(&text, ':') &&
                 take_number(&text, 2, &tm.tm_sec);

    if (whole && take_mark(&text, '.'))
        while (text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9')
            text = slice_from(text, 1);
    if (!whole || !take_mark(&text, 'Z') || text.len || tm.tm_mon < 1 || tm.tm_mon > 12 ||
        tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool read_time(const struct reader *reader, yyjson_val *object, const char *name,
                      bool needed, int64_t *out_ms) {
    yyjson_val *value = yyjson_obj_get(object, name);

    if (!value)
        return !needed || wrong(reader, name, "is missing");
    return (yyjson_is_str(value) && parse_time(bytes_of(value), out_ms)) ||
           wrong(reader, name, "is no time like 2026-05-29T12:00:00Z");
}

/* `out` takes `room` bytes. */
static bool read_base64(const struct reader *reader, yyjson_val *object, const char *name,
                        uint8_t *out, size_t room, size_t *len) {
    yyjson_val *value = yyjson_obj_get(object, name);
    size_t whole = 0;

    if (!value)
        return wrong(reader, name, "is missing");
    if (!yyjson_is_str(value) || !EVP_DecodedLength(&whole, yyjson_get_len(value)))
        return wrong(reader, name, "is no base64");
    if (whole > room + 2) /* as much as padding may take off */
        return wrong(reader, name, "is too long");
    uint8_t decoded[LOG_LIST_KEY_BYTES_MAX + 2];
    if (!EVP_DecodeBase64(decoded, len, sizeof decoded, bytes_of(value).ptr, bytes_of(value).len))
        return wrong(reader, name, "is no base64");
    if (*len > room)
        return wrong(reader, name, "is too long");
    memcpy(out, decoded, *len);
    return true;
}

static bool read_hash(const struct reader *reader, yyjson_val *object, const char *name,
                      uint8_t out[32]) {
    size_t len;

    return read_base64(reader, object, name, out, 32, &len) &&
           (len == 32 || wrong(reader, name, "has not 32 bytes"));
}

/* --- A log --------------------------------------------------------------------------------- */

static const char *const state_names[LOG_LIST_STATE_COUNT] = {
    [LOG_LIST_PENDING] = "pending", [LOG_LIST_QUALIFIED] = "qualified",
    [LOG_LIST_USABLE] = "usable",   [LOG_LIST_READONLY] = "readonly",
    [LOG_LIST_RETIRED] = "retired", [LOG_LIST_REJECTED] = "rejected",
};

const char *log_list_state_name(enum log_list_state state) {
    return state_names[state];
}

static bool read_final_head(const struct reader *reader, yyjson_val *head,
                            struct log_list_log *log) {
    yyjson_val *size = yyjson_obj_get(head, "tree_size");

    if (!yyjson_is_obj(head))
        return wrong(reader, "state.readonly.final_tree_head", "is missing");
    if (!yyjson_is_uint(size))
        return wrong(reader, "state.readonly.final_tree_head.tree_size", "is no number");
    log->final_tree_size = yyjson_get_uint(size);
    log->has_final_head = true;
    return read_hash(reader, head, "sha256_root_hash", log->final_root);
}

/* An object with one member, whose name is the state. */
static bool read_state(const struct reader *reader, yyjson_val *object, struct log_list_log *log) {
    yyjson_val *state = yyjson_obj_get(object, "state"), *value;

    if (!state)
        return true;
    if (!yyjson_is_obj(state) || yyjson_obj_size(state) != 1)
        return wrong(reader, "state", "is no object with one member");
    for (enum log_list_state i = LOG_LIST_PENDING; i < LOG_LIST_STATE_COUNT; i++) {
        value = yyjson_obj_get(state, state_names[i]);
        if (!value)
            continue;
        log->state = (uint8_t)i;
        return read_time(reader, value, "timestamp", true, &log->state_ms) &&
               (i != LOG_LIST_READONLY ||
                read_final_head(reader, yyjson_obj_get(value, "final_tree_head"), log));
    }
    return true;
}

static bool read_interval(const struct reader *reader, yyjson_val *object,
                          struct log_list_log *log) {
    yyjson_val *interval = yyjson_obj_get(object, "temporal_interval");

    log->interval_start_ms = INT64_MIN;
    log->interval_end_ms = INT64_MAX;
    if (!interval)
        return true;
    if (!yyjson_is_obj(interval))
        return wrong(reader, "temporal_interval", "is no object");
    return read_time(reader, interval, "start_inclusive", true, &log->interval_start_ms) &&
           read_time(reader, interval, "end_exclusive", true, &log->interval_end_ms) &&
           (log->interval_start_ms < log->interval_end_ms ||
            wrong(reader, "temporal_interval", "ends before it begins"));
}

static bool read_key(const struct reader *reader, yyjson_val *object, struct log_list_log *log) {
    uint8_t key[LOG_LIST_KEY_BYTES_MAX], hash[SHA256_DIGEST_LENGTH];
    size_t len;

    if (!read_base64(reader, object, "key", key, sizeof key, &len) ||
        !read_hash(reader, object, "log_id", log->id))
        return false;
    SHA256(key, len, hash);
    if (memcmp(hash, log->id, sizeof hash) != 0)
        return wrong(reader, "log_id", "is not the SHA-256 of the key");
    log->key = arena_copy(&reader->list->memory, (struct slice){key, len});
    return !reader->list->memory.failed || no_memory(reader);
}

static bool read_delay(const struct reader *reader, yyjson_val *object, struct log_list_log *log) {
    yyjson_val *delay = yyjson_obj_get(object, "mmd");

    if (!yyjson_is_uint(delay) || yyjson_get_uint(delay) > UINT32_MAX)
        return wrong(reader, "mmd", delay ? "is no number of seconds" : "is missing");
    log->mmd_s = (uint32_t)yyjson_get_uint(delay);
    return true;
}

static bool read_urls(const struct reader *reader, yyjson_val *object, struct log_list_log *log) {
    if (log->tiled)
        return read_url(reader, object, "monitoring_url", true, &log->monitoring_url) &&
               read_url(reader, object, "submission_url", false, &log->submission_url);
    if (!read_url(reader, object, "url", true, &log->monitoring_url))
        return false;
    log->submission_url = log->monitoring_url;
    return true;
}

static bool read_log(const struct reader *reader, yyjson_val *object, struct log_list_log *log) {
    yyjson_val *type = yyjson_obj_get(object, "log_type");

    if (!yyjson_is_obj(object))
        return wrong(reader, "", "is no object");
    log->test = yyjson_is_str(type) && slice_is(bytes_of(type), "test");
    return read_text(reader, object, "description", false, &log->description) &&
           read_key(reader, object, log) && read_delay(reader, object, log) &&
           read_urls(reader, object, log) && read_state(reader, object, log) &&
           read_interval(reader, object, log);
}

/* --- The list ------------------------------------------------------------------------------ */

/* Where the reader is; of a log too, when `array` is not NULL. */
static void set_place(struct reader *reader, size_t number, const char *array, size_t log) {
    if (array)
        snprintf(reader->place, sizeof reader->place, "operators[%zu].%s[%zu]", number, array, log);
    else
        snprintf(reader->place, sizeof reader->place, "operators[%zu]", number);
}

static bool read_emails(const struct reader *reader, yyjson_val *object,
                        struct log_list_operator *out) {
    yyjson_val *emails = yyjson_obj_get(object, "email"), *email;
    size_t index, count;

    if (!emails)
        return true;
    if (!yyjson_is_arr(emails) || yyjson_arr_size(emails) > LOG_LIST_EMAILS_MAX)
        return wrong(reader, "email", "is no list, or too long");
    struct arena *memory = &reader->list->memory;
    struct slice *items = arena_take(memory, (yyjson_arr_size(emails) + 1) * sizeof *items);
    if (!items)
        return no_memory(reader);
    yyjson_arr_foreach(emails, index, count, email) {
        if (!yyjson_is_str(email) || yyjson_get_len(email) > LOG_LIST_TEXT_BYTES_MAX)
            return wrong(reader, "email", "has what is no text, or too long");
        items[index] = arena_copy(memory, bytes_of(email));
    }
    out->emails = (struct slice_list){items, (uint32_t)count};
    return !memory->failed || no_memory(reader);
}

static const char *const log_arrays[] = {"logs", "tiled_logs"}; /* the second of tiled ones */

static bool read_operator(struct reader *reader, yyjson_val *object, size_t number) {
    struct log_list_operator *who = &reader->operators[number];
    yyjson_val *log;
    size_t index, count;

    if (!read_text(reader, object, "name", true, &who->name) || !read_emails(reader, object, who))
        return false;
    for (size_t tiled = 0; tiled < 2; tiled++) {
        yyjson_arr_foreach(yyjson_obj_get(object, log_arrays[tiled]), index, count, log) {
            struct log_list_log *out = &reader->logs[reader->list->log_count];
            *out = (struct log_list_log){.run_by = who, .tiled = tiled != 0};
            set_place(reader, number, log_arrays[tiled], index);
            if (!read_log(reader, log, out))
                return false;
            reader->list->log_count++;
        }
    }
    return true;
}

/* Whether all is there, and how many logs. */
static bool count_logs(struct reader *reader, yyjson_val *operators, size_t *logs) {
    yyjson_val *object;
    size_t index, count;

    *logs = 0;
    yyjson_arr_foreach(operators, index, count, object) {
        set_place(reader, index, NULL, 0);
        if (!yyjson_is_obj(object))
            return wrong(reader, "", "is no object");
        for (size_t tiled = 0; tiled < 2; tiled++) {
            yyjson_val *array = yyjson_obj_get(object, log_arrays[tiled]);
            if (array && !yyjson_is_arr(array))
                return wrong(reader, log_arrays[tiled], "is no list");
            *logs += yyjson_arr_size(array);
        }
    }
    reader->place[0] = 0;
    return *logs <= LOG_LIST_LOGS_MAX || wrong(reader, "operators", "have too many logs");
}

static bool read_list(struct reader *reader, yyjson_val *root) {
    yyjson_val *operators = yyjson_obj_get(root, "operators"), *object;
    struct log_list *list = reader->list;
    size_t logs, index, count;

    if (!yyjson_is_arr(operators))
        return wrong(reader, "operators", operators ? "is no list" : "is missing");
    if (yyjson_arr_size(operators) > LOG_LIST_OPERATORS_MAX)
        return wrong(reader, "operators", "are too many");
    if (!read_text(reader, root, "version", false, &list->version) ||
        !read_time(reader, root, "log_list_timestamp", false, &list->time_ms) ||
        !count_logs(reader, operators, &logs))
        return false;
    count = yyjson_arr_size(operators);
    reader->operators = arena_take(&list->memory, (count + 1) * sizeof *reader->operators);
    reader->logs = arena_take(&list->memory, (logs + 1) * sizeof *reader->logs);
    if (!reader->operators || !reader->logs)
        return no_memory(reader);
    memset(reader->operators, 0, (count + 1) * sizeof *reader->operators);
    yyjson_arr_foreach(operators, index, count, object) {
        set_place(reader, index, NULL, 0);
        if (!read_operator(reader, object, index))
            return false;
    }
    list->operators = reader->operators;
    list->operator_count = (uint32_t)count;
    list->logs = reader->logs;
    return true;
}

static yyjson_doc *parse(struct slice json, struct failure *failure) {
    yyjson_read_err error = {0};
    yyjson_doc *doc = NULL;

    if (json.len > LOG_LIST_BYTES_MAX)
        failure_set(failure, ERROR_LIMIT, "log list: more than %d bytes", LOG_LIST_BYTES_MAX);
    else if (!json.len)
        failure_set(failure, ERROR_INPUT, "log list: empty");
    else if (!(doc = yyjson_read_opts((char *)json.ptr, json.len, YYJSON_READ_NOFLAG, NULL,
                                      &error))) /* does not write, without YYJSON_READ_INSITU */
        failure_set(failure,
                    error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ERROR_MEMORY : ERROR_INPUT,
                    "log list: no JSON: %s at byte %zu", error.msg, error.pos);
    return doc;
}

enum error log_list_parse(struct log_list **out, struct slice json, struct failure *failure) {
    struct failure unheard;
    struct reader reader = {.failure = failure ? failure : &unheard};
    yyjson_doc *doc = parse(json, reader.failure);
    bool ok = false;

    *out = NULL;
    if (!doc)
        return reader.failure->code;
    reader.list = calloc(1, sizeof *reader.list);
    if (!reader.list || !arena_init(&reader.list->memory, json.len))
        no_memory(&reader);
    else
        ok = read_list(&reader, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    if (!ok) {
        log_list_free(reader.list);
        return reader.failure->code;
    }
    *out = reader.list;
    return ERROR_NONE;
}

void log_list_free(struct log_list *list) {
    if (!list)
        return;
    arena_deinit(&list->memory);
    free(list);
}

/* --- Who is in it -------------------------------------------------------------------------- */

const struct log_list_log *log_list_find(const struct log_list *list,
                                         const uint8_t id[SCT_LOG_ID_BYTES]) {
    for (uint32_t i = 0; i < list->log_count; i++)
        if (memcmp(list->logs[i].id, id, SCT_LOG_ID_BYTES) == 0)
            return &list->logs[i];
    return NULL;
}

uint32_t log_list_sct_logs(const struct log_list *list, unsigned states, struct sct_log *out) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < list->log_count; i++) {
        const struct log_list_log *log = &list->logs[i];
        if (!(states & LOG_LIST_BIT(log->state)))
            continue;
        out[count] = (struct sct_log){.spki = log->key, .name = log->description};
        memcpy(out[count++].id, log->id, sizeof log->id);
    }
    return count;
}
