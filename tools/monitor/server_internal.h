/* What the files of the server share.
 *
 *     server.c            starting, the queue, workers, stopping
 *     server_exchange.c   from microhttpd's callbacks to a request, and an answer back to it
 *     server_admit.c      who is let through to a handler */
#ifndef TOOLS_MONITOR_SERVER_INTERNAL_H
#define TOOLS_MONITOR_SERVER_INTERNAL_H

#include "tools/monitor/rates.h"
#include "tools/monitor/routes.h"
#include "tools/monitor/server.h"
#include "tools/monitor/websocket.h"
#include "tools/watch/listener.h"

#include <pthread.h>

enum {
    SERVER_WORKERS = 4,
    SERVER_WORKERS_MAX = 64,
    SERVER_CONNECTIONS = 256,
    SERVER_REQUESTS_PER_MINUTE = 6000,
    SERVER_CLIENT_MS = 20 * 1000,
    SERVER_HEADERS_MAX = 32 * 1024, /* bytes of a connection: header lines, the path */
    SERVER_NAMES_MAX = 32,
    SERVER_QUEUE_MAX = 128,
};

enum exchange_state { EXCHANGE_NEW, EXCHANGE_READING, EXCHANGE_WORKING, EXCHANGE_ANSWERED };

/* One request and its answer. The loop's, but while it is EXCHANGE_WORKING a worker's. */
struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    struct exchange *next; /* in the queue */
    enum exchange_state state;
    bool has_uri;    /* that could be read */
    size_t body_len; /* as much as came, kept or not */
    struct request request;
    struct answer answer;
    const struct route *route;
    char caller[AUTH_NAME_BYTES];
};

struct worker {
    struct server *server;
    pthread_t thread;
    struct database *database;
};

struct server {
    struct server_config config;
    const struct api *api;
    char *certificate, *key; /* PEM texts */
    struct slice names[SERVER_NAMES_MAX];
    uint32_t name_count;
    struct listener *listener;
    struct websocket_loop *websockets;
    struct rates *requests, *failures; /* the loop's */
    atomic_bool is_stopping;
    _Atomic uint64_t request_count, refused_count;
    _Atomic uint32_t unanswered; /* exchanges that workers have or had, not answered yet */
    atomic_uint waiting;         /* workers that wait for a scan */

    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct exchange *first, **last; /* under the lock, and the next two */
    uint32_t queued;
    bool is_closed;
    struct worker workers[SERVER_WORKERS_MAX];
    uint32_t worker_count;
};

/* --- server_admit.c; the loop --- */

/* Looks at a request whose header lines are there. True: its route may have it; else the answer is
 * made. */
bool server_admit(struct exchange *exchange);

/* --- server_exchange.c; the loop, as microhttpd calls them --- */

void *server_on_uri(void *server, const char *uri, struct MHD_Connection *connection);
enum MHD_Result server_on_request(void *server, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **exchange);
void server_on_completed(void *server, struct MHD_Connection *connection, void **exchange,
                         enum MHD_RequestTerminationCode how);

/* --- server.c --- */

/* Gives it to the workers; false: too many wait. The connection is suspended before. */
bool server_has_room(struct server *server);
void server_submit(struct exchange *exchange);

#endif
