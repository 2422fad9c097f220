/* The URLs of msgpack sockets: read, connected to, listened at. For the sink, and for `trawl
 * decode` at the other end.
 *
 *     msgpack+unix:///run/trawl.sock#OPTIONS        an absolute path, without #
 *     msgpack+tcp://HOST:PORT#OPTIONS               [2001:db8::1]:9000 for IPv6
 *
 * One owner, one thread at a time. Reading one may ask the system's resolver, and block. */
#ifndef SINKS_MSGPACK_SOCKET_ADDRESS_H
#define SINKS_MSGPACK_SOCKET_ADDRESS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

enum { MSGPACK_ENDPOINTS_MAX = 8 }; /* addresses of one name that are tried */

struct msgpack_endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage inet;
    };
    socklen_t len;
};

struct msgpack_address {
    char *name;       /* the URL without its options, for messages */
    char *options;    /* what stands behind #, to be changed by spec_options_parse; or NULL */
    const char *path; /* of a Unix socket, else NULL */
    struct msgpack_endpoint endpoints[MSGPACK_ENDPOINTS_MAX];
    uint32_t count;
};

/* A Unix socket that we listen at has a file; it is removed again, but only if it is ours. */
struct msgpack_listener {
    int fd; /* -1 for none */
    dev_t device;
    ino_t inode;
};

bool msgpack_address_takes(struct slice spec);

/* Fills `out`, to be given to deinit also after an error. A usage error says what is wrong with the
 * URL, or that the name cannot be resolved. */
enum error msgpack_address_init(struct msgpack_address *out, const char *spec,
                                struct failure *failure) __attribute__((warn_unused_result));
void msgpack_address_deinit(struct msgpack_address *address);

/* A usage error when there is a file of that path that is no socket. */
enum error msgpack_address_check_path(const struct msgpack_address *address,
                                      struct failure *failure) __attribute__((warn_unused_result));

/* Begins to connect, without waiting: ERROR_NONE when it is connected, EINPROGRESS while it is
 * under way, until *fd is writable and msgpack_address_connected says more. *fd is non-blocking,
 * and -1 after other errors. */
enum error msgpack_address_connect(const struct msgpack_address *address, uint32_t endpoint,
                                   int *fd) __attribute__((warn_unused_result));

/* How the attempt ended. A socket that found itself counts as refused: when nobody listens at a
 * local port, the kernel may pick the very same one for us, and TCP then connects it to itself. */
enum error msgpack_address_connected(int fd) __attribute__((warn_unused_result));

/* Listens at the first endpoint. A socket file that nobody listens at any more is replaced; `mode`
 * is that of the new one. */
enum error msgpack_address_listen(const struct msgpack_address *address, mode_t mode,
                                  struct msgpack_listener *out, struct failure *failure)
    __attribute__((warn_unused_result));
void msgpack_address_unlisten(const struct msgpack_address *address,
                              struct msgpack_listener *listener);

/* The next connection that waits there, non-blocking; -1 with errno set. */
int msgpack_address_accept(const struct msgpack_listener *listener);

#endif
