/* An HTTP server of libmicrohttpd on one thread: where it listens, who is there, and for how long.
 * Connections are bounded, and so is the time of each: a client has its milliseconds, however it
 * spends them, unless its owner says otherwise. When there are too many, the one that has waited
 * for longest goes.
 *
 * All callbacks run on the listener's thread; what they do must not block. */
#ifndef TOOLS_WATCH_LISTENER_H
#define TOOLS_WATCH_LISTENER_H

#include "engine/base/address.h"
#include "engine/base/error.h"

#include <microhttpd.h>

struct listener;

struct listener_config {
    const char *name;    /* of the thread */
    const char *address; /* "127.0.0.1:8765", "[::1]:8765", "localhost:8765"; port 0: any */
    int socket;          /* of listener_bind, which it closes; 0: it opens one itself */
    unsigned flags;      /* MHD_ALLOW_UPGRADE and the like, beside those that it needs itself */
    uint32_t connections_max;
    uint32_t client_ms; /* that a client is given in all, listener_give_time apart */
    size_t memory_max;  /* of a connection: its header lines must fit */
    /* PEM texts; NULL for plain HTTP. Copied by nobody: they must outlive the listener. */
    const char *certificate, *key;
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback completed; /* may be NULL, and the next two */
    void *(*uri)(void *owner, const char *uri, struct MHD_Connection *connection);
    void (*tick)(void *owner); /* a few times a second, and after whatever happened */
    void *owner;
};

enum error listener_start(struct listener **out, const struct listener_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. Nothing may be suspended or upgraded any more. */
void listener_stop(struct listener *listener);

/* Whether an address can be listened on, as far as its text tells; nothing is opened. */
enum error listener_check_address(const char *address, struct failure *failure)
    __attribute__((warn_unused_result));

/* Opens the socket alone, before threads and while the process may still take a port below 1024.
 * Who comes waits for the start. */
enum error listener_bind(const char *address, int *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* That it listens on. */
uint16_t listener_port(const struct listener *listener);

/* No new connections from soon on; those that are there stay. Any thread. */
void listener_quiesce(struct listener *listener);

/* After MHD_resume_connection, which else goes unheard for a while. Any thread. */
void listener_wake(struct listener *listener);

/* How many are connected, or were upgraded and are not closed yet. Any thread. */
uint32_t listener_clients(const struct listener *listener);

/* From now on so many milliseconds for this client; 0: as long as it likes, and it is not sent away
 * when there are too many either. The listener's thread. */
void listener_give_time(struct listener *listener, struct MHD_Connection *connection, uint32_t ms);

/* Who is at the other end; family ADDRESS_NONE when that is not known. */
struct address listener_peer(struct MHD_Connection *connection);

#endif
