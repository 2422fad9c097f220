/* gzip (RFC 1952) with a cap: a page that inflates without end ends as an error. */
#ifndef ENGINE_DECODE_INFLATE_H
#define ENGINE_DECODE_INFLATE_H

#include "engine/base/buffer.h"

/* Whether bytes begin like gzip: some servers send it without being asked. */
bool is_gzip(struct slice bytes);

/* Appends what `bytes` hold, all members of it, at most `most` bytes. NULL, or what is wrong. */
const char *inflate_gzip(struct slice bytes, size_t most, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
