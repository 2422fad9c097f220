/* A stream of MessagePack maps back into JSON Lines: for records that trawl packed, byte for byte
 * what the JSON encoder would have written. The stream is hostile, may come in pieces cut anywhere,
 * and may end anywhere. One owner, one thread at a time. */
#ifndef ENGINE_RECORD_MSGPACK_JSON_H
#define ENGINE_RECORD_MSGPACK_JSON_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

enum { MSGPACK_JSON_DEPTH = 16 }; /* records nest four deep */

struct msgpack_json {
    struct buffer json;     /* lines of the records that are whole, then the beginning of one */
    size_t whole;           /* bytes of the former; the caller may take them off the front */
    uint64_t offset;        /* bytes of the stream taken so far */
    uint64_t record_offset; /* where the record under way begins, or the next one will */
    uint32_t depth;
    struct msgpack_json_level {
        uint64_t left; /* values that are still to come; of a map, keys and values */
        bool map, begun;
    } levels[MSGPACK_JSON_DEPTH];
};

void msgpack_json_init(struct msgpack_json *stream);
void msgpack_json_deinit(struct msgpack_json *stream);

/* Takes what can be taken from the front of `bytes`. What is left is the beginning of a value that
 * needs more, and at most LIMIT_UNPACKED_RECORD_BYTES: come again with it and what follows it.
 * ERROR_INPUT or ERROR_LIMIT: no such stream; `failure` says why, stream->offset where. Lines that
 * are whole stay good. */
enum error msgpack_json_take(struct msgpack_json *stream, struct slice *bytes,
                             struct failure *failure) __attribute__((warn_unused_result));

/* The same up to the end of the record under way and no further: *whole then, and its line is the
 * last of the whole ones. */
enum error msgpack_json_take_record(struct msgpack_json *stream, struct slice *bytes, bool *whole,
                                    struct failure *failure) __attribute__((warn_unused_result));

/* Takes the whole lines off the front of stream->json. */
void msgpack_json_drop(struct msgpack_json *stream);

#endif
