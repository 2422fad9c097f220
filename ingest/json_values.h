/* Cuts a stream of JSON into values: one after another (JSON lines, or over several lines each), or
 * the elements of arrays, with commas where they please. A value is only cut out here, by its
 * brackets and quotes; the JSON library says whether it is one. Pure, one owner, one thread. */
#ifndef INGEST_JSON_VALUES_H
#define INGEST_JSON_VALUES_H

#include "engine/base/buffer.h"
#include "ingest/input.h"

/* A record of trawl with the thousands of names of the largest certificates fits. */
enum { JSON_VALUE_BYTES_MAX = 2 * 1024 * 1024 };

struct json_values {
    struct buffer value; /* what there is of the value at hand */
    uint64_t line;       /* where it begins */
    uint64_t array_line; /* where the array begins */
    uint32_t depth;      /* brackets open in the value */
    bool in_value, in_string, escaped;
    bool in_array; /* values are elements */
    bool skipping; /* the rest of the line */
};

enum json_result {
    JSON_VALUE,
    JSON_MORE,
    JSON_END,
    JSON_UNCLOSED, /* the input ends within a value or an array, which begins at `line` */
    JSON_TOO_LONG,
};

/* Begins zeroed. */
void json_values_deinit(struct json_values *values);

/* The next value; valid until the next call. */
enum json_result json_values_next(struct json_values *values, struct input *input,
                                  struct slice *value);

/* The rest of the line at hand is no JSON. */
void json_values_skip_line(struct json_values *values);

#endif
