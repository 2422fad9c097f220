/* A WebSocket (RFC 6455), read by a thread of its own: connects over libcurl, with TLS verified for
 * wss://. Pings are answered; what comes is handed on piece by piece (frames.h), without a buffer
 * between. No extensions are offered, so nothing is compressed.
 *
 * Belongs to one thread, which blocks in websocket_open and websocket_read; another may end both
 * through `stop_fd`. */
#ifndef ENGINE_HTTP_WEBSOCKET_H
#define ENGINE_HTTP_WEBSOCKET_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

struct websocket;

struct websocket_config {
    const char *url;                  /* ws:// or wss:// */
    const char *user_agent, *ca_file; /* as of http_client_config */
    uint32_t connect_timeout_ms;
    size_t message_max; /* a longer one ends the connection */
    int stop_fd;        /* readable: leave; -1 for none */
    void *owner;
    /* A piece of a message of text or bytes; `end` with the last, which may be empty. */
    void (*on_piece)(void *owner, struct slice piece, bool end);
};

/* Connects and shakes hands. On an error `failure` says why. */
enum error websocket_open(struct websocket **out, const struct websocket_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
/* Without a farewell. NULL is fine. */
void websocket_close(struct websocket *websocket);

enum websocket_result {
    WEBSOCKET_READ,    /* something came; `on_piece` had it */
    WEBSOCKET_IDLE,    /* nothing came within `wait_ms` */
    WEBSOCKET_STOPPED, /* stop_fd is readable */
    WEBSOCKET_ENDED,   /* the connection is over; `failure` says how */
};

/* Waits at most `wait_ms` for a good part to come, and handles what is there, be it less. */
enum websocket_result websocket_read(struct websocket *websocket, uint32_t wait_ms,
                                     struct failure *failure);

/* Asks the server to show that it is there; WEBSOCKET_READ comes of it. */
void websocket_ping(struct websocket *websocket);

#endif
