/* JSON: objects one after another, one a line or in an array. What masscan (-oJ and -oD) and zmap
 * write, what trawl writes, and other tools' objects with members such as host, ip, port; an
 * element that is a string is what a line of a list is.
 *
 *      {"host": "example.com", "port": 8443}
 *      {"ip": "192.0.2.1", "ports": [{"port": 443, "proto": "tcp", "status": "open"}]}
 *
 * Lines are on their own: one that is no JSON is a bad row. Elsewhere nobody knows what was
 * swallowed when a bracket or a quote is missing, so the input ends there. */
#include "ingest/format.h"
#include "ingest/json_values.h"

#include <stdlib.h>
#include <yyjson.h>

struct json {
    struct json_values values;
    void *memory; /* of the document at hand, used again for each */
    size_t memory_size;
    struct row row; /* what its rows have in common */
    yyjson_arr_iter ports;
    bool in_ports; /* more rows may come from `ports` */
};

static bool json_recognizes(struct slice line) {
    size_t i = 1;
    if (!line.len || (line.ptr[0] != '{' && line.ptr[0] != '['))
        return false;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
        i++;
    return line.ptr[0] == '{' || i == line.len || memchr("{[]\"", line.ptr[i], 4);
}

static struct slice text_of(yyjson_val *value) {
    if (yyjson_is_raw(value))
        return (struct slice){(const uint8_t *)yyjson_get_raw(value), yyjson_get_len(value)};
    if (yyjson_is_str(value))
        return (struct slice){(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
    if (yyjson_is_bool(value))
        return slice_of(yyjson_get_bool(value) ? "true" : "false");
    return (struct slice){0};
}

static bool member_is(yyjson_val *object, const char *name, const char *expected) {
    return slice_is(text_of(yyjson_obj_get(object, name)), expected);
}

/* False when masscan says that it is not an open TCP port: another transport, another state, or a
 * banner, which repeats a port that it has told before. */
static bool is_open(yyjson_val *port) {
    yyjson_val *transport = yyjson_obj_get(port, "proto"), *state = yyjson_obj_get(port, "status");
    return (!transport || slice_is(text_of(transport), "tcp")) &&
           (state ? slice_is(text_of(state), "open") : !yyjson_obj_get(port, "service"));
}

/* The same of masscan's lines (-oD). */
static bool is_open_line(yyjson_val *object) {
    return !yyjson_obj_get(object, "rec_type") ||
           (member_is(object, "rec_type", "status") && member_is(object, "proto", "tcp") &&
            member_is(yyjson_obj_get(object, "data"), "status", "open"));
}

/* The next row of an object with several ports; ROW_MORE when there is none. */
static enum row_result next_port(struct json *json, struct row *row) {
    yyjson_val *port;
    while ((port = yyjson_arr_iter_next(&json->ports))) {
        if (yyjson_is_obj(port) && !is_open(port))
            continue;
        *row = json->row;
        row->cells[COLUMN_PORT] =
            text_of(yyjson_is_obj(port) ? yyjson_obj_get(port, "port") : port);
        return ROW_GIVEN;
    }
    json->in_ports = false;
    return ROW_MORE;
}

/* The first row of an object; ROW_MORE when it has none. */
static enum row_result take_object(struct json *json, yyjson_val *object, struct row *row) {
    size_t index, count;
    yyjson_val *name, *value, *ports = NULL;
    if (!is_open_line(object))
        return ROW_MORE;
    yyjson_obj_foreach(object, index, count, name, value) {
        struct slice key = text_of(name);
        enum column column = column_of(key);
        if (slice_is(key, "ports") && yyjson_is_arr(value))
            ports = value;
        /* A number is no host: some tools write addresses so, beside the text. */
        if (column == COLUMN_COUNT || row->cells[column].len ||
            (column_is_host(column) && !yyjson_is_str(value)))
            continue;
        row->cells[column] = text_of(value);
    }
    if (!ports || row->cells[COLUMN_PORT].len)
        return ROW_GIVEN;
    json->row = *row;
    json->in_ports = true;
    yyjson_arr_iter_init(ports, &json->ports);
    return next_port(json, row);
}

/* masscan 1.0 ends its array with {finished: 1}. */
static bool is_end_mark(struct slice value) {
    return value.len > 2 &&
           format_starts(slice_trim((struct slice){value.ptr + 1, value.len - 2}), "finished:");
}

static enum row_result reject(struct json *json, const struct input *input,
                              const yyjson_read_err *error, struct failure *reason) {
    failure_set(reason, ERROR_INPUT, "not JSON: %s", error->msg);
    if (json->values.in_array || json->values.line != input->line)
        return ROW_BROKEN;
    json_values_skip_line(&json->values);
    return ROW_BAD;
}

/* A document over `value`, in memory that is used again; NULL when it is no JSON. */
static yyjson_doc *parse(struct json *json, struct slice value, yyjson_read_err *error) {
    size_t size = yyjson_read_max_memory_usage(value.len, YYJSON_READ_NUMBER_AS_RAW);
    if (size > json->memory_size) {
        void *memory = realloc(json->memory, size * 2);
        if (!memory) {
            error->msg = "no memory";
            return NULL;
        }
        json->memory = memory;
        json->memory_size = size * 2;
    }
    yyjson_alc allocator;
    yyjson_alc_pool_init(&allocator, json->memory, json->memory_size);
    return yyjson_read_opts((char *)(uintptr_t)value.ptr, value.len, YYJSON_READ_NUMBER_AS_RAW,
                            &allocator, error);
}

/* ROW_MORE: no row in this value. */
static enum row_result take_value(struct json *json, const struct input *input, struct slice value,
                                  struct row *row, struct failure *reason) {
    yyjson_read_err error = {0};
    row->text = value;
    row->line = json->values.line;
    yyjson_doc *document = parse(json, value, &error);
    if (!document)
        return is_end_mark(value) ? ROW_MORE : reject(json, input, &error, reason);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (yyjson_is_obj(root))
        return take_object(json, root, row);
    row->cells[COLUMN_HOST] = text_of(root);
    if (yyjson_is_str(root))
        return ROW_GIVEN;
    failure_set(reason, ERROR_INPUT, "not an object");
    return ROW_BAD;
}

static enum row_result json_next(void *state, struct input *input, struct row *row,
                                 struct failure *reason) {
    struct json *json = state;
    enum row_result result = json->in_ports ? next_port(json, row) : ROW_MORE;
    while (result == ROW_MORE) {
        struct slice value;
        enum json_result cut = json_values_next(&json->values, input, &value);
        row->line = json->values.line;
        switch (cut) {
        case JSON_VALUE:
            *row = (struct row){0};
            result = take_value(json, input, value, row, reason);
            break;
        case JSON_MORE:
            return ROW_MORE;
        case JSON_END:
            return ROW_END;
        case JSON_UNCLOSED:
            failure_set(reason, ERROR_INPUT, "the JSON that begins here is never closed");
            return ROW_BROKEN;
        case JSON_TOO_LONG:
            failure_set(reason, ERROR_INPUT, "a JSON value of more than %d bytes begins here",
                        JSON_VALUE_BYTES_MAX);
            return ROW_BROKEN;
        }
    }
    return result;
}

static void json_deinit(void *state) {
    struct json *json = state;
    json_values_deinit(&json->values);
    free(json->memory);
}

const struct format format_json = {
    .name = "json",
    .summary = "objects, one a line or in an array: of masscan (-oJ, -oD), of zmap, of trawl",
    .example = "{\"host\":\"example.com\",\"port\":8443}",
    .size = sizeof(struct json),
    .recognizes = json_recognizes,
    .next = json_next,
    .deinit = json_deinit,
};
