#include "ingest/json_values.h"

void json_values_deinit(struct json_values *values) {
    buffer_deinit(&values->value);
}

void json_values_skip_line(struct json_values *values) {
    values->skipping = true;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Takes what stands between values; ends at the first byte of one. */
static size_t between(struct json_values *values, struct slice bytes, uint64_t line) {
    size_t i = 0;
    for (; i < bytes.len; i++) {
        uint8_t byte = bytes.ptr[i];
        if (byte == '[' && !values->in_array) {
            values->in_array = true;
            values->array_line = line;
        } else if (byte == ']' && values->in_array) {
            values->in_array = false;
        } else if (!is_blank(byte) && byte != ',') {
            break;
        }
        line += byte == '\n';
    }
    return i;
}

/* Takes bytes of a value that has brackets or quotes; true when it is complete. */
static bool within(struct json_values *values, struct slice bytes, size_t *used) {
    const uint8_t *at = bytes.ptr, *end = at + bytes.len;
    bool done = false;
    while (at < end && !done) {
        if (values->escaped) {
            values->escaped = false;
            at++;
        } else if (values->in_string) {
            while (at < end && *at != '"' && *at != '\\')
                at++;
            if (at == end)
                break;
            values->escaped = *at == '\\';
            values->in_string = *at++ == '\\';
            done = !values->in_string && values->depth == 0;
        } else {
            uint8_t byte = *at++;
            values->in_string = byte == '"';
            if (byte == '{' || byte == '[')
                values->depth++;
            else if (byte == '}' || byte == ']')
                done = --values->depth == 0;
        }
    }
    *used = (size_t)(at - bytes.ptr);
    return done;
}

/* Takes bytes of anything else, up to a comma, a blank or a bracket; one byte at least. */
static bool scalar(struct slice bytes, bool begins, size_t *used) {
    size_t i = begins ? 1 : 0;
    while (i < bytes.len && !is_blank(bytes.ptr[i]) && !memchr(",[]{}\"", bytes.ptr[i], 6))
        i++;
    *used = i;
    return i < bytes.len;
}

/* Takes bytes of the value at hand; true when it is complete. */
static bool take(struct json_values *values, struct input *input) {
    struct slice bytes = input_bytes(input);
    if (!bytes.len)
        return false;
    bool begins = !values->value.len;
    uint8_t first = begins ? bytes.ptr[0] : values->value.ptr[0];
    size_t used;
    bool whole = first == '{' || first == '[' || first == '"' ? within(values, bytes, &used)
                                                              : scalar(bytes, begins, &used);
    buffer_add(&values->value, bytes.ptr, used);
    input_take(input, used);
    return whole;
}

static void begin(struct json_values *values, uint64_t line) {
    values->in_value = true;
    values->value.len = 0;
    values->line = line;
    values->depth = 0;
    values->in_string = values->escaped = false;
}

enum json_result json_values_next(struct json_values *values, struct input *input,
                                  struct slice *value) {
    while (!values->in_value) {
        struct slice bytes = input_bytes(input);
        if (values->skipping && bytes.len) {
            const uint8_t *newline = memchr(bytes.ptr, '\n', bytes.len);
            values->skipping = !newline;
            input_take(input, newline ? (size_t)(newline - bytes.ptr) : bytes.len);
            continue;
        }
        input_take(input, between(values, bytes, input->line));
        if (input_bytes(input).len) {
            begin(values, input->line);
        } else if (!input->finished) {
            return JSON_MORE;
        } else {
            values->line = values->array_line;
            return values->in_array ? JSON_UNCLOSED : JSON_END;
        }
    }
    bool whole = take(values, input);
    *value = buffer_slice(&values->value);
    bool ends = input->finished && !input_bytes(input).len;
    bool is_scalar = value->len && !memchr("{[\"", value->ptr[0], 3);
    if (value->len > JSON_VALUE_BYTES_MAX || values->value.failed)
        return JSON_TOO_LONG;
    if (!whole && !(ends && is_scalar))
        return ends ? JSON_UNCLOSED : JSON_MORE;
    values->in_value = false;
    return JSON_VALUE;
}
