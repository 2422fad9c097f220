/* Where `trawl decode` reads from: a file, a pipe, or a socket, which may go and come again, and
 * which is told what became of its records (#ack). All waiting of the command's thread is done
 * here, so that a signal is heard wherever it stands. One thread. */
#ifndef TOOLS_TRAWL_DECODE_INPUT_H
#define TOOLS_TRAWL_DECODE_INPUT_H

#include "ingest/records.h"
#include "sinks/msgpack_socket_acks.h"
#include "sinks/msgpack_socket_link.h"
#include "tools/trawl/console.h"

#include <poll.h>

struct decode_input {
    const char *name; /* in messages */
    int fd;           /* -1 while there is no connection */
    int signals;      /* a signalfd of SIGINT and SIGTERM */
    int wake;         /* an eventfd that ends waiting, or -1 */
    bool is_socket;
    bool listens, acks; /* options of the URL */
    bool follows;       /* connections, one after another */
    bool is_away;       /* which was told */
    struct msgpack_link link;
    struct console console;
    struct records records;
    /* The acknowledgement under way. */
    uint64_t acknowledged;
    uint8_t ack[MSGPACK_ACK_BYTES_MAX];
    uint32_t ack_len, ack_sent;
};

/* Of `where`, the command's argument, which must outlive the input. Blocks SIGINT and SIGTERM. To
 * be given to close also after an error. */
enum error decode_input_open(struct decode_input *input, const char *where, bool follows,
                             struct failure *failure) __attribute__((warn_unused_result));
void decode_input_close(struct decode_input *input);

/* Waits for `events` of `fd`, which may be -1: ERROR_STOPPED after a signal, EAGAIN when the
 * input's wake was signalled, ETIMEDOUT after so many milliseconds (-1: never). `fd` goes first. */
enum error decode_input_wait(const struct decode_input *input, int fd, short events, int timeout_ms)
    __attribute__((warn_unused_result));

/* Forgets a signal that was heard, so that the next one is. */
void decode_input_forget_signal(const struct decode_input *input);

/* Reads what there is into `records`, at most `room` bytes, with a connection made first when there
 * is none. *count is 0 at the end of the stream or of the connection. Errors as of wait, and
 * failures. */
enum error decode_input_read(struct decode_input *input, size_t room, size_t *count,
                             struct failure *failure) __attribute__((warn_unused_result));

/* The connection is over: what was wrong with it is told, and the next read makes another. */
void decode_input_reconnect(struct decode_input *input, enum error error,
                            const struct failure *failure);

/* Tells the other side, without waiting, that so many records of this connection are dealt with;
 * nothing without #ack. What cannot be sent now is sent by a later call, or by read. */
void decode_input_acknowledge(struct decode_input *input, uint64_t count);

/* What is left of the stream when it ends: an error when it was cut off within a record. */
enum error decode_input_check_end(const struct decode_input *input, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
