/* What a reader with #ack sends back: MessagePack unsigned integers, each the number of records of
 * this connection that it has dealt with so far. Bytes come cut anywhere, from a peer that is not
 * trusted. Sans-I/O; one owner, one thread at a time. */
#ifndef SINKS_MSGPACK_SOCKET_ACKS_H
#define SINKS_MSGPACK_SOCKET_ACKS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum { MSGPACK_ACK_BYTES_MAX = 9 };

/* Zeroed at the beginning of a connection. */
struct msgpack_acks {
    uint64_t count; /* the last number */
    uint8_t held[MSGPACK_ACK_BYTES_MAX], held_len;
};

/* `handed` is how many whole records the reader has been given. ERROR_INPUT, with `failure` filled
 * with what comes behind "the reader": more than that, less than before, or no number. */
enum error msgpack_acks_take(struct msgpack_acks *acks, struct slice bytes, uint64_t handed,
                             struct failure *failure) __attribute__((warn_unused_result));

#endif
