/* How a msgpack socket comes to its connections: it listens, or connects, again and again while
 * nobody is there. Non-blocking sockets; one owner, one thread at a time. */
#ifndef SINKS_MSGPACK_SOCKET_LINK_H
#define SINKS_MSGPACK_SOCKET_LINK_H

#include "sinks/msgpack_socket_address.h"

struct msgpack_link {
    struct msgpack_address address;
    struct msgpack_listener listener;
    bool listens;
    /* Of one who connects. */
    int connecting; /* a socket under way, or -1 */
    uint32_t endpoint;
    uint64_t connect_until_ns, not_before_ns;
    uint32_t pause_ms;
    enum error cause; /* why the last attempt failed */
};

/* Reads the URL. To be given to close also after an error. */
enum error msgpack_link_init(struct msgpack_link *link, const char *spec, struct failure *failure)
    __attribute__((warn_unused_result));

/* Listens, at a Unix socket with these permissions, or looks whether the path can be connected to.
 * `mode_option` is what a user wrote, in octal; NULL for 0600. */
enum error msgpack_link_open(struct msgpack_link *link, bool listens, const char *mode_option,
                             struct failure *failure) __attribute__((warn_unused_result));
void msgpack_link_close(struct msgpack_link *link);

/* The next one who connected to us; -1 when nobody waits. */
int msgpack_link_accept(struct msgpack_link *link);

/* Connects, until then at most: EAGAIN while an attempt is under way, ENOTCONN in the pause after
 * one, when `link->cause` says why it failed. */
enum error msgpack_link_connect(struct msgpack_link *link, uint64_t until_ns, int *fd)
    __attribute__((warn_unused_result));

/* A connection was good for something: the next pause is short again. */
void msgpack_link_was_good(struct msgpack_link *link);

/* A connection was good for nothing: a pause before the next attempt, longer each time. */
void msgpack_link_was_bad(struct msgpack_link *link, enum error cause);

/* Poll's milliseconds until then, rounded up. */
int msgpack_link_wait_ms(uint64_t until_ns);

#endif
