/* The monitor's HTTP server: microhttpd on one thread, handlers on a few others.
 *
 *     listener's loop ── request whole ──▶ [queue] ─▶ workers: handler, with a database each
 *         │  ▲                                           │
 *         │  └───────────── answer ◀─────────────────────┘
 *         ├─▶ refused at once: Host, Origin, token, rate, route, size
 *         └─▶ WebSockets (websocket.h)
 *
 * A client that is slow costs a connection, never a worker. Everything is bounded: connections,
 * the bytes of header lines and bodies, the time for each, requests a minute and address, wrong
 * tokens, requests that wait. */
#ifndef TOOLS_MONITOR_SERVER_H
#define TOOLS_MONITOR_SERVER_H

#include "tools/monitor/api.h"

struct server;

struct server_config {
    const char *address; /* "127.0.0.1:8470"; port 0: any */
    int socket; /* of listener_bind for it; 0: none yet. The server's, but for a failed start */
    const char *certificate_file, *key_file; /* PEM: HTTPS; both or none */
    const char *const *names; /* further hosts that we are called by; NULL-terminated, or NULL */
    uint32_t workers;         /* 0: 4 */
    uint32_t connections_max; /* 0: 256 */
    uint32_t requests_per_minute; /* of an address, in the long run; 0: 6000 */
    uint32_t client_ms;    /* for sending a request, or for reading an answer; 0: 20 seconds */
    const struct api *api; /* outlives the server */
};

enum error server_start(struct server **out, const struct server_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));
/* Takes no new connections, answers what it has, closes WebSockets, ends. A few seconds at most.
 * NULL is fine. */
void server_stop(struct server *server);

/* That it listens on. */
uint16_t server_port(const struct server *server);

struct server_statistics {
    uint64_t requests, refused; /* refused: by the server itself, before a handler */
    uint32_t connections, websockets, waiting;
};
void server_statistics(const struct server *server, struct server_statistics *out);

#endif
