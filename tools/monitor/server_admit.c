#include "tools/monitor/server_internal.h"

#include "engine/base/clock.h"
#include "engine/base/text.h"

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / 1000000;
}

static bool refuse(struct exchange *exchange, unsigned status, const char *words) {
    answer_error(&exchange->answer, status, "%s", words);
    return false;
}

static bool refuse_for_now(struct exchange *exchange, const char *words) {
    buffer_add_text(answer_header(&exchange->answer, "Retry-After"), "10");
    return refuse(exchange, MHD_HTTP_TOO_MANY_REQUESTS, words);
}

/* --- Whose page asks --- */

static bool check_host(struct exchange *exchange) {
    const struct request *request = &exchange->request;
    const struct server *server = exchange->server;

    if (request->host_twice || !host_of(request->headers[HEADER_HOST]).len)
        return refuse(exchange, MHD_HTTP_BAD_REQUEST, "there is no Host, or more than one");
    if (!host_is_ours(request->headers[HEADER_HOST], server->names, server->name_count))
        return refuse(exchange, MHD_HTTP_FORBIDDEN,
                      "this host name is none of the monitor's: name it with --host");
    return true;
}

/* What a browser sends for somebody else's page has a foreign Origin, or says that it is
 * cross-site. */
static bool check_origin(struct exchange *exchange) {
    const struct request *request = &exchange->request;
    struct slice origin = request->headers[HEADER_ORIGIN];
    struct slice site = request->headers[HEADER_FETCH_SITE];

    if (origin.len && !origin_is_ours(origin, request->headers[HEADER_HOST]))
        return refuse(exchange, MHD_HTTP_FORBIDDEN, "a page of another origin may not ask");
    if (!request->by_cookie)
        return true;
    bool changes = request->method != METHOD_GET || exchange->route->flags & ROUTE_UPGRADE;
    bool same = origin.len || slice_is(site, "same-origin");
    if (changes && !same)
        return refuse(exchange, MHD_HTTP_FORBIDDEN,
                      "with a cookie, a request must say which page it comes from (Origin)");
    return true;
}

/* --- Who asks --- */

static bool check_token(struct exchange *exchange) {
    struct server *server = exchange->server;
    struct request *request = &exchange->request;

    if (!rates_has(server->failures, &request->peer, now_ms()))
        return refuse_for_now(exchange, "too many wrong tokens; wait a little");
    if (auth_check(server->api->auth, request, exchange->caller))
        return true;
    if (request->by_cookie) { /* of an earlier installation: as if there were none */
        request->by_cookie = false;
        return true;
    }
    rates_take(server->failures, &request->peer, now_ms());
    buffer_add_text(answer_header(&exchange->answer, "WWW-Authenticate"), "Bearer");
    return refuse(exchange, MHD_HTTP_UNAUTHORIZED, "the token is unknown");
}

static bool check_role(struct exchange *exchange) {
    const struct route *route = exchange->route;
    enum role role = exchange->request.role, needed = route->role;

    if (route->flags & ROUTE_OPEN_METRICS && exchange->server->api->open_metrics)
        needed = ROLE_NONE;
    if (role >= needed)
        return true;
    if (role == ROLE_NONE) {
        buffer_add_text(answer_header(&exchange->answer, "WWW-Authenticate"), "Bearer");
        return refuse(exchange, MHD_HTTP_UNAUTHORIZED,
                      "a token is needed: Authorization: Bearer TOKEN, or X-API-Key");
    }
    answer_error(&exchange->answer, MHD_HTTP_FORBIDDEN, "this needs the role %s, yours is %s",
                 role_name(needed), role_name(role));
    return false;
}

/* --- What for --- */

static bool find_route(struct exchange *exchange) {
    struct request *request = &exchange->request;
    uint32_t allowed;

    exchange->route = route_find(request->method, request->path, request->parts, &allowed);
    if (exchange->route)
        return true;
    if (!allowed)
        return refuse(exchange, MHD_HTTP_NOT_FOUND, "there is no such page");
    routes_add_methods(allowed, answer_header(&exchange->answer, "Allow"));
    if (request->method != METHOD_OPTIONS)
        return refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "this cannot be done with that");
    exchange->answer.status = MHD_HTTP_NO_CONTENT;
    return false;
}

static bool check_query(struct exchange *exchange) {
    struct failure failure;

    if (route_check_query(exchange->route, &exchange->request, &failure) == ERROR_NONE)
        return true;
    return refuse(exchange, MHD_HTTP_BAD_REQUEST, failure.text);
}

static bool check_body(struct exchange *exchange) {
    const struct request *request = &exchange->request;
    struct slice length = request->headers[HEADER_CONTENT_LENGTH];
    uint64_t number;

    if (length.len && !slice_to_u64(length, exchange->route->body_max, &number)) {
        answer_error(&exchange->answer, MHD_HTTP_CONTENT_TOO_LARGE,
                     "the body has more than %zu bytes", exchange->route->body_max);
        return false;
    }
    /* forms of other pages can send anything but this without being asked back */
    struct slice type = request->headers[HEADER_CONTENT_TYPE];
    if (request->by_cookie && length.len && !slice_is(length, "0") &&
        !slice_equal_nocase(slice_first(type, 16), slice_of("application/json")))
        return refuse(exchange, MHD_HTTP_BAD_REQUEST, "the body's type is not application/json");
    return true;
}

static bool check_upgrade(struct exchange *exchange) {
    const struct slice *headers = exchange->request.headers;
    struct buffer accept;

    if (!(exchange->route->flags & ROUTE_UPGRADE))
        return true;
    buffer_init(&accept);
    bool fits = slice_equal_nocase(headers[HEADER_UPGRADE], slice_of("websocket")) &&
                websocket_accept(headers[HEADER_WEBSOCKET_KEY], &accept);
    buffer_deinit(&accept);
    if (!fits)
        return refuse(exchange, MHD_HTTP_BAD_REQUEST, "this is a WebSocket: Upgrade: websocket");
    if (slice_is(headers[HEADER_WEBSOCKET_VERSION], "13"))
        return true;
    buffer_add_text(answer_header(&exchange->answer, "Sec-WebSocket-Version"), "13");
    return refuse(exchange, MHD_HTTP_UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken");
}

bool server_admit(struct exchange *exchange) {
    struct server *server = exchange->server;

    if (atomic_load(&server->is_stopping))
        return refuse(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "the monitor is stopping");
    if (!exchange->has_uri)
        return refuse(exchange, MHD_HTTP_BAD_REQUEST, "the path or the query cannot be read");
    if (!rates_take(server->requests, &exchange->request.peer, now_ms()))
        return refuse_for_now(exchange, "too many requests; wait a little");
    return check_host(exchange) && check_token(exchange) && find_route(exchange) &&
           check_origin(exchange) && check_role(exchange) && check_query(exchange) &&
           check_body(exchange) && check_upgrade(exchange);
}
