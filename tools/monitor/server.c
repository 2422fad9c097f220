#include "tools/monitor/server_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PEM_MAX = 1024 * 1024,
    FAILURES_BURST = 10, /* wrong tokens of an address */
    FAILURES_PER_MINUTE = 6,
    REQUESTS_BURST_SHARE = 10, /* of a minute's, at once */
    FLUSH_MS = 2000,
    FLUSH_STEP_MS = 10,
};

/* --- The queue --- */

bool server_has_room(struct server *server) {
    pthread_mutex_lock(&server->lock);
    bool has_room = server->queued < SERVER_QUEUE_MAX && !server->is_closed;
    pthread_mutex_unlock(&server->lock);
    return has_room;
}

void server_submit(struct exchange *exchange) {
    struct server *server = exchange->server;

    exchange->next = NULL;
    pthread_mutex_lock(&server->lock);
    *server->last = exchange;
    server->last = &exchange->next;
    server->queued++;
    pthread_cond_signal(&server->filled);
    pthread_mutex_unlock(&server->lock);
}

/* Waits; NULL: closed, and nothing is left. */
static struct exchange *take(struct server *server) {
    pthread_mutex_lock(&server->lock);
    while (!server->first && !server->is_closed)
        pthread_cond_wait(&server->filled, &server->lock);
    struct exchange *exchange = server->first;
    if (exchange) {
        server->first = exchange->next;
        if (!server->first)
            server->last = &server->first;
        server->queued--;
    }
    pthread_mutex_unlock(&server->lock);
    return exchange;
}

/* --- Workers --- */

static void handle(struct worker *worker, struct exchange *exchange) {
    struct server *server = worker->server;
    struct call call = {
        .api = server->api,
        .route = exchange->route,
        .request = &exchange->request,
        .answer = &exchange->answer,
        .database = &worker->database,
        .websockets = server->websockets,
        .waiting = &server->waiting,
        .waiting_max = server->worker_count / 2,
        .stopping = &server->is_stopping,
        .now_ms = clock_unix_ms(),
        .is_tls = server->certificate != NULL,
    };

    if (exchange->route->type)
        exchange->answer.type = exchange->route->type;
    exchange->route->handle(&call);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct exchange *exchange;

    while ((exchange = take(worker->server))) {
        handle(worker, exchange);
        MHD_resume_connection(exchange->connection); /* the loop's again */
        listener_wake(worker->server->listener);
    }
    database_close(worker->database);
    return NULL;
}

static enum error start_workers(struct server *server, struct failure *failure) {
    uint32_t count = server->config.workers ? server->config.workers : SERVER_WORKERS;

    while (server->worker_count < count && server->worker_count < SERVER_WORKERS_MAX) {
        struct worker *worker = &server->workers[server->worker_count];
        worker->server = server;
        enum error error = thread_start(&worker->thread, "api", work, worker, failure);
        if (error)
            return error;
        server->worker_count++;
    }
    return ERROR_NONE;
}

static void stop_workers(struct server *server) {
    pthread_mutex_lock(&server->lock);
    server->is_closed = true;
    pthread_cond_broadcast(&server->filled);
    pthread_mutex_unlock(&server->lock);
    for (uint32_t i = 0; i < server->worker_count; i++)
        pthread_join(server->workers[i].thread, NULL);
}

/* --- Starting --- */

static enum error read_pem(const char *path, char **out, struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    ssize_t len = -1;

    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size < PEM_MAX &&
        (*out = calloc(1, (size_t)about.st_size + 1)))
        len = read(fd, *out, (size_t)about.st_size);
    enum error error = len > 0 ? ERROR_NONE : errno ? (enum error)errno : ERROR_INPUT;
    if (fd >= 0)
        close(fd);
    return error ? failure_set(failure, error, "cannot read %.300s: %s", path, error_text(error))
                 : ERROR_NONE;
}

static enum error read_certificate(struct server *server, struct failure *failure) {
    const struct server_config *config = &server->config;

    if (!config->certificate_file && !config->key_file)
        return ERROR_NONE;
    if (!config->certificate_file || !config->key_file)
        return failure_set(failure, ERROR_USAGE,
                           "HTTPS needs a certificate and its key, and one of them is missing");
    enum error error = read_pem(config->certificate_file, &server->certificate, failure);
    return error ? error : read_pem(config->key_file, &server->key, failure);
}

/* The name that it listens on is one that it is called by. */
static void take_names(struct server *server) {
    const char *const *names = server->config.names;

    server->names[server->name_count++] = host_of(slice_of(server->config.address));
    for (; names && *names && server->name_count < SERVER_NAMES_MAX; names++)
        server->names[server->name_count++] = slice_of(*names);
}

static enum error start_listening(struct server *server, struct failure *failure) {
    const struct listener_config config = {
        .name = "http",
        .address = server->config.address,
        .socket = server->config.socket,
        .flags = MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME,
        .connections_max = server->config.connections_max,
        .client_ms = server->config.client_ms,
        .memory_max = SERVER_HEADERS_MAX,
        .certificate = server->certificate,
        .key = server->key,
        .handle = server_on_request,
        .completed = server_on_completed,
        .uri = server_on_uri,
        .owner = server,
    };
    return listener_start(&server->listener, &config, failure);
}

static enum error start(struct server *server, struct failure *failure) {
    const struct websocket_loop_config websockets = {0};
    uint32_t per_minute = server->config.requests_per_minute;
    enum error error;

    server->requests = rates_new(per_minute / REQUESTS_BURST_SHARE + 1, per_minute);
    server->failures = rates_new(FAILURES_BURST, FAILURES_PER_MINUTE);
    if (!server->requests || !server->failures)
        return failure_set(failure, ERROR_MEMORY, "no memory for the server");
    take_names(server);
    if ((error = read_certificate(server, failure)) ||
        (error = websocket_loop_start(&server->websockets, &websockets, failure)) ||
        (error = start_workers(server, failure)))
        return error;
    return start_listening(server, failure);
}

static void release(struct server *server) {
    stop_workers(server);
    websocket_loop_stop(server->websockets);
    listener_stop(server->listener);
    websocket_loop_free(server->websockets);
    rates_free(server->requests);
    rates_free(server->failures);
    pthread_cond_destroy(&server->filled);
    pthread_mutex_destroy(&server->lock);
    free(server->certificate);
    free(server->key);
    free(server);
}

enum error server_start(struct server **out, const struct server_config *config,
                        struct failure *failure) {
    struct server *server = calloc(1, sizeof *server);

    if (!server)
        return failure_set(failure, ERROR_MEMORY, "no memory for the server");
    server->config = *config;
    server->api = config->api;
    if (!config->connections_max)
        server->config.connections_max = SERVER_CONNECTIONS;
    if (!config->client_ms)
        server->config.client_ms = SERVER_CLIENT_MS;
    if (!config->requests_per_minute)
        server->config.requests_per_minute = SERVER_REQUESTS_PER_MINUTE;
    server->last = &server->first;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->filled, NULL);
    enum error error = start(server, failure);
    if (error) {
        release(server);
        return error;
    }
    *out = server;
    return ERROR_NONE;
}

void server_stop(struct server *server) {
    if (!server)
        return;
    atomic_store(&server->is_stopping, true);
    listener_quiesce(server->listener);
    stop_workers(server);
    server->worker_count = 0;
    for (int waited = 0; atomic_load(&server->unanswered) && waited < FLUSH_MS;
         waited += FLUSH_STEP_MS)
        poll(NULL, 0, FLUSH_STEP_MS);
    release(server);
}

uint16_t server_port(const struct server *server) {
    return listener_port(server->listener);
}

void server_statistics(const struct server *server, struct server_statistics *out) {
    *out = (struct server_statistics){
        .requests = atomic_load(&server->request_count),
        .refused = atomic_load(&server->refused_count),
        .connections = listener_clients(server->listener),
        .websockets = websocket_loop_count(server->websockets),
        .waiting = atomic_load(&server->unanswered),
    };
}
