#include "tools/monitor/server_internal.h"

#include <stdlib.h>

enum {
    KEEP_ALIVE_MS = 60 * 1000,
    SURPLUS_MAX = 1024 * 1024, /* of a body that is too long and is read over */
};

/* --- Requests --- */

void *server_on_uri(void *owner, const char *uri, struct MHD_Connection *connection) {
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (!exchange)
        return NULL;
    exchange->server = owner;
    exchange->connection = connection;
    answer_init(&exchange->answer);
    request_init(&exchange->request);
    exchange->has_uri = request_take_uri(&exchange->request, uri);
    return exchange;
}

static enum MHD_Result take_header(void *owner, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
    struct exchange *exchange = owner;

    (void)kind;
    if (!request_take_header(&exchange->request, name, value ? value : ""))
        exchange->has_uri = false;
    return MHD_YES;
}

static void begin(struct exchange *exchange, const char *method) {
    struct request *request = &exchange->request;

    request_set_method(request, method);
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, take_header, exchange);
    request_end_headers(request);
    request->peer = listener_peer(exchange->connection);
    listener_give_time(exchange->server->listener, exchange->connection,
                       exchange->server->config.client_ms);
    atomic_fetch_add(&exchange->server->request_count, 1);
}

/* False: it goes on and on. */
static bool take_body(struct exchange *exchange, const char *bytes, size_t len) {
    size_t most = exchange->route->body_max;

    exchange->body_len += len;
    if (exchange->body_len <= most)
        buffer_add(&exchange->request.body, bytes, len);
    return exchange->body_len <= most + SURPLUS_MAX;
}

/* --- Answers --- */

static const char API_POLICY[] = "default-src 'none'; frame-ancestors 'none'";
static const char PAGE_POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static void add_headers(struct MHD_Response *response, struct answer *answer) {
    MHD_add_response_header(response, "Content-Security-Policy",
                            answer->is_page ? PAGE_POLICY : API_POLICY);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Cache-Control", answer->cache ? answer->cache : "no-store");
    for (uint32_t i = 0; i < answer->header_count; i++) {
        struct buffer *value = &answer->headers[i].value;
        buffer_add_byte(value, 0);
        if (!value->failed)
            MHD_add_response_header(response, answer->headers[i].name, (const char *)value->ptr);
    }
}

static void upgrade(void *unused, struct MHD_Connection *connection, void *owner, const char *extra,
                    size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle) {
    struct exchange *exchange = owner;
    struct api_websocket *socket = exchange->answer.websocket;

    (void)unused;
    exchange->answer.websocket = NULL;
    listener_give_time(exchange->server->listener, connection, 0);
    api_websocket_upgrade(socket, connection, owner, extra, extra_len, fd, handle);
}

static struct MHD_Response *make_upgrade(struct exchange *exchange) {
    struct MHD_Response *response = MHD_create_response_for_upgrade(upgrade, NULL);
    struct buffer accept;

    if (!response)
        return NULL;
    buffer_init(&accept);
    websocket_accept(exchange->request.headers[HEADER_WEBSOCKET_KEY], &accept);
    buffer_add_byte(&accept, 0);
    MHD_add_response_header(response, "Upgrade", "websocket");
    if (!accept.failed)
        MHD_add_response_header(response, "Sec-WebSocket-Accept", (const char *)accept.ptr);
    buffer_deinit(&accept);
    return response;
}

/* The response takes the body over. */
static struct MHD_Response *make_response(struct exchange *exchange) {
    struct answer *answer = &exchange->answer;

    if (answer->websocket)
        return make_upgrade(exchange);
    if (answer->body.failed)
        answer_error(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the answer");
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.len, answer->body.ptr, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return NULL;
    bool has_body = answer->body.len > 0;
    buffer_init(&answer->body);
    if (has_body)
        MHD_add_response_header(response, "Content-Type", answer->type);
    return response;
}

static enum MHD_Result answer(struct exchange *exchange) {
    struct server *server = exchange->server;
    unsigned status = exchange->answer.websocket ? MHD_HTTP_SWITCHING_PROTOCOLS : 0;

    exchange->state = EXCHANGE_ANSWERED;
    struct MHD_Response *response = make_response(exchange);
    if (!response)
        return MHD_NO;
    add_headers(response, &exchange->answer);
    if (atomic_load(&server->is_stopping) && !status)
        MHD_add_response_header(response, "Connection", "close");
    if (!status)
        status = exchange->answer.status;
    listener_give_time(server->listener, exchange->connection, server->config.client_ms);
    enum MHD_Result result = MHD_queue_response(exchange->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* --- Callbacks --- */

static enum MHD_Result refuse(struct exchange *exchange) {
    atomic_fetch_add(&exchange->server->refused_count, 1);
    return answer(exchange);
}

static enum MHD_Result work(struct exchange *exchange) {
    struct server *server = exchange->server;

    if (exchange->request.body.failed) {
        answer_error(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the body");
        return refuse(exchange);
    }
    if (exchange->body_len > exchange->route->body_max) {
        answer_error(&exchange->answer, MHD_HTTP_CONTENT_TOO_LARGE,
                     "the body has more than %zu bytes", exchange->route->body_max);
        return refuse(exchange);
    }
    if (!server_has_room(server)) {
        buffer_add_text(answer_header(&exchange->answer, "Retry-After"), "2");
        answer_error(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests wait");
        return refuse(exchange);
    }
    exchange->state = EXCHANGE_WORKING;
    atomic_fetch_add(&server->unanswered, 1);
    listener_give_time(server->listener, exchange->connection, 0);
    MHD_suspend_connection(exchange->connection);
    server_submit(exchange);
    return MHD_YES;
}

enum MHD_Result server_on_request(void *owner, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **context) {
    struct exchange *exchange = *context;
    enum MHD_Result result;

    (void)owner, (void)connection, (void)url, (void)version;
    if (!exchange)
        return MHD_NO;
    switch (exchange->state) {
    case EXCHANGE_NEW:
        begin(exchange, method);
        if (!server_admit(exchange))
            return refuse(exchange);
        exchange->state = EXCHANGE_READING;
        return MHD_YES;
    case EXCHANGE_READING:
        if (!*upload_len)
            return work(exchange);
        result = take_body(exchange, upload, *upload_len) ? MHD_YES : MHD_NO;
        *upload_len = 0;
        return result;
    case EXCHANGE_WORKING:
        atomic_fetch_sub(&exchange->server->unanswered, 1);
        return answer(exchange);
    case EXCHANGE_ANSWERED: /* what is left of a refused body */
        *upload_len = 0;
        return MHD_YES;
    }
    return MHD_NO;
}

void server_on_completed(void *owner, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how) {
    struct server *server = owner;
    struct exchange *exchange = *context;

    (void)how;
    if (!exchange)
        return;
    listener_give_time(server->listener, connection, KEEP_ALIVE_MS);
    api_websocket_free(exchange->answer.websocket);
    answer_deinit(&exchange->answer);
    request_deinit(&exchange->request);
    free(exchange);
    *context = NULL;
}
