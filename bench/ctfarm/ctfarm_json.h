/* JSON of untrusted bytes. Within the farm only. Pure, safe on every thread. */
#ifndef BENCH_CTFARM_CTFARM_JSON_H
#define BENCH_CTFARM_CTFARM_JSON_H

#include "engine/base/buffer.h"

/* A string in quotes. Each byte that is not printable ASCII becomes \u00XX, so that what the bytes
 * were can be told. */
void ctfarm_json_bytes(struct buffer *out, struct slice bytes);

/* The same, but as Go and others write it: UTF-8 as it is, other bytes as U+FFFD. */
void ctfarm_json_text(struct buffer *out, struct slice text);

/* A string of hexadecimal digits: lower-case, or upper-case with colons between the bytes. */
void ctfarm_json_hex(struct buffer *out, struct slice bytes);
void ctfarm_json_colons(struct buffer *out, struct slice bytes);

#endif
