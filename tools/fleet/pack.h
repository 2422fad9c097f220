/* Messages of a fleet in MessagePack: lists of numbers and bytes. Written with msgpack-c; read one
 * value after another, with the first that is not what it should be remembered, so that a reader
 * asks once at the end. Pure. */
#ifndef TOOLS_FLEET_PACK_H
#define TOOLS_FLEET_PACK_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

#include <msgpack/pack.h>

enum {
    PACK_NUMBER_BYTES_MAX = 9, /* of a number; and the head of bytes or of a list */
    PACK_HEAD_BYTES_MAX = 5,
};

void pack_begin(msgpack_packer *packer, struct buffer *out);
void pack_text(msgpack_packer *packer, struct slice text);
void pack_bytes(msgpack_packer *packer, struct slice bytes);

struct unpack {
    struct slice rest;
    bool failed;
};

/* The number of items of a list, 0 once something is wrong. */
uint32_t unpack_list(struct unpack *in, uint32_t minimum, uint32_t maximum);
uint64_t unpack_number(struct unpack *in, uint64_t minimum, uint64_t maximum);
/* A string or bytes, which stay where they are. */
struct slice unpack_bytes(struct unpack *in, size_t minimum, size_t maximum);

/* Takes the version that begins a message of so many values. ERROR_UNSUPPORTED for a later version,
 * whatever else there is; ERROR_INPUT for what is no such message. `what` is for the failure:
 * "shard". */
enum error unpack_begin(struct unpack *in, struct slice message, uint32_t values, uint64_t version,
                        const char *what, struct failure *failure)
    __attribute__((warn_unused_result));
/* ERROR_INPUT when something was wrong, or more follows. */
enum error unpack_end(const struct unpack *in, const char *what, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
