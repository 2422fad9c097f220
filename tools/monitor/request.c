#include "tools/monitor/request.h"

#include "engine/base/text.h"

#include <stdlib.h>

static const char *const METHODS[METHOD_COUNT] = {
    [METHOD_GET] = "GET",     [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
    [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
};

static const char *const ROLES[ROLE_COUNT] = {"none", "read", "operate", "admin"};

static const char *const HEADERS[HEADER_COUNT] = {
    [HEADER_HOST] = "Host",
    [HEADER_ORIGIN] = "Origin",
    [HEADER_AUTHORIZATION] = "Authorization",
    [HEADER_API_KEY] = "X-API-Key",
    [HEADER_COOKIE] = "Cookie",
    [HEADER_CONTENT_TYPE] = "Content-Type",
    [HEADER_CONTENT_LENGTH] = "Content-Length",
    [HEADER_FETCH_SITE] = "Sec-Fetch-Site",
    [HEADER_UPGRADE] = "Upgrade",
    [HEADER_CONNECTION] = "Connection",
    [HEADER_WEBSOCKET_KEY] = "Sec-WebSocket-Key",
    [HEADER_WEBSOCKET_VERSION] = "Sec-WebSocket-Version",
    [HEADER_IF_NONE_MATCH] = "If-None-Match",
    [HEADER_WEBHOOK_ID] = "webhook-id",
    [HEADER_WEBHOOK_TIMESTAMP] = "webhook-timestamp",
    [HEADER_WEBHOOK_SIGNATURE] = "webhook-signature",
};

static const struct slice NOTHING = {NULL, 0};

void request_init(struct request *request) {
    *request = (struct request){.method = METHOD_OTHER};
    buffer_init(&request->body);
    buffer_init(&request->copies);
}

void request_set_method(struct request *request, const char *method) {
    request->is_head = strcmp(method, "HEAD") == 0;
    for (int i = 0; i < METHOD_COUNT; i++)
        if (strcmp(method, METHODS[i]) == 0 || (i == METHOD_GET && request->is_head))
            request->method = (enum request_method)i;
}

void request_deinit(struct request *request) {
    yyjson_doc_free(request->json);
    buffer_deinit(&request->body);
    buffer_deinit(&request->copies);
    free(request->uri);
}

const char *request_method_name(enum request_method method) {
    return method < METHOD_COUNT ? METHODS[method] : "?";
}

const char *role_name(enum role role) {
    return ROLES[role];
}

enum role role_by_name(struct slice name) {
    for (int i = 0; i < ROLE_COUNT; i++)
        if (slice_is(name, ROLES[i]))
            return (enum role)i;
    return ROLE_COUNT;
}

/* --- Path and query --- */

/* Decodes in place; true for UTF-8 without control characters. */
static bool decode(char *text, struct slice *out) {
    if (!text_decode_percent(text))
        return false;
    *out = slice_of(text);
    for (struct slice rest = *out; rest.len;) {
        struct text_rune rune = text_rune_first(rest);
        if (!rune.valid || text_rune_is_unsafe(rune.code))
            return false;
        rest = slice_from(rest, rune.len);
    }
    return true;
}

static bool take_parameter(struct request *request, char *text) {
    if (request->query_count == REQUEST_QUERY_MAX)
        return false;
    struct request_parameter *parameter = &request->query[request->query_count++];

    for (char *at = text; *at; at++)
        if (*at == '+')
            *at = ' ';
    char *value = strchr(text, '=');
    if (value)
        *value++ = 0;
    parameter->value = slice_of("");
    return decode(text, &parameter->name) && (!value || decode(value, &parameter->value));
}

bool request_take_uri(struct request *request, const char *uri) {
    if (uri[0] != '/' || strlen(uri) > REQUEST_URI_MAX || !(request->uri = strdup(uri)))
        return false;
    char *query = strchr(request->uri, '?');
    if (query)
        *query++ = 0;
    if (!decode(request->uri, &request->path))
        return false;
    while (query && *query) {
        char *next = strchr(query, '&');
        if (next)
            *next++ = 0;
        if (*query && !take_parameter(request, query))
            return false;
        query = next;
    }
    return true;
}

struct slice request_query(const struct request *request, const char *name) {
    for (uint32_t i = 0; i < request->query_count; i++)
        if (slice_is(request->query[i].name, name))
            return request->query[i].value;
    return NOTHING;
}

uint64_t request_query_number(const struct request *request, const char *name, uint64_t otherwise) {
    uint64_t number;
    return slice_to_u64(request_query(request, name), UINT32_MAX, &number) ? number : otherwise;
}

bool request_query_flag(const struct request *request, const char *name, bool otherwise) {
    struct slice value = request_query(request, name);
    return value.ptr ? slice_is(value, "true") || slice_is(value, "1") : otherwise;
}

/* The next part of a path, behind a "/"; false at its end. */
static bool next_part(struct slice *path, struct slice *part) {
    if (!path->len || path->ptr[0] != '/')
        return false;
    *path = slice_from(*path, 1);
    const uint8_t *end = path->len ? memchr(path->ptr, '/', path->len) : NULL;
    *part = slice_first(*path, end ? (size_t)(end - path->ptr) : path->len);
    *path = slice_from(*path, part->len);
    return true;
}

bool request_path_matches(struct slice path, const char *pattern,
                          struct slice parts[REQUEST_PARTS_MAX]) {
    struct slice wanted = slice_of(pattern), is, should;
    uint32_t count = 0;

    while (next_part(&wanted, &should)) {
        if (!next_part(&path, &is))
            return false;
        bool open = should.len && should.ptr[0] == '{';
        if (open && is.len && count < REQUEST_PARTS_MAX)
            parts[count++] = is;
        else if (open || !slice_equal(is, should))
            return false;
    }
    return path.len == 0;
}

/* --- Header lines --- */

/* `copies` may move, so places are kept until all lines are there. Place 0 is none. */
bool request_take_header(struct request *request, const char *name, const char *value) {
    for (int i = 0; i < HEADER_COUNT; i++) {
        if (!slice_equal_nocase(slice_of(name), slice_of(HEADERS[i])))
            continue;
        if (request->header_at[i]) {
            request->host_twice |= i == HEADER_HOST;
            return true;
        }
        if (!request->copies.len)
            buffer_add_byte(&request->copies, 0);
        request->header_at[i] = request->copies.len;
        buffer_add(&request->copies, value, strlen(value) + 1);
    }
    return !request->copies.failed;
}

void request_end_headers(struct request *request) {
    for (int i = 0; i < HEADER_COUNT; i++)
        if (request->header_at[i])
            request->headers[i] =
                slice_trim(slice_of((const char *)request->copies.ptr + request->header_at[i]));
}

struct slice request_cookie(const struct request *request, const char *name) {
    struct slice rest = request->headers[HEADER_COOKIE];

    while (rest.len) {
        const uint8_t *end = memchr(rest.ptr, ';', rest.len);
        struct slice pair = slice_first(rest, end ? (size_t)(end - rest.ptr) : rest.len);
        rest = slice_from(rest, pair.len + 1);
        pair = slice_trim(pair);
        const uint8_t *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t len = equals ? (size_t)(equals - pair.ptr) : 0;
        if (equals && slice_is(slice_first(pair, len), name))
            return slice_from(pair, len + 1);
    }
    return NOTHING;
}

/* --- The body --- */

/* Levels of the deepest value; yyjson has no recursion of its own, those who walk it may. */
static bool is_too_deep(struct slice text) {
    uint32_t depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            if (++depth > REQUEST_JSON_DEPTH)
                return true;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        }
    }
    return false;
}

enum error request_read_json(struct request *request, struct failure *failure) {
    struct slice text = slice_trim(buffer_slice(&request->body));
    yyjson_read_err wrong = {0};

    if (!text.len)
        text = slice_of("{}");
    if (is_too_deep(text))
        return failure_set(failure, ERROR_INPUT, "the body nests more than %d deep",
                           REQUEST_JSON_DEPTH);
    /* not in situ: nothing is written without that flag */
    request->json = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, NULL, &wrong);
    if (!request->json && wrong.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return failure_set(failure, ERROR_MEMORY, "no memory for the body");
    if (!request->json)
        return failure_set(failure, ERROR_INPUT, "the body is not JSON: %s at byte %zu", wrong.msg,
                           wrong.pos);
    if (!yyjson_is_obj(yyjson_doc_get_root(request->json)))
        return failure_set(failure, ERROR_INPUT, "the body is not a JSON object");
    return ERROR_NONE;
}

yyjson_val *request_member(const struct request *request, const char *name) {
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(request->json), name);
    return yyjson_is_null(value) ? NULL : value;
}

/* --- Host and Origin --- */

struct slice host_of(struct slice authority) {
    uint64_t port;
    size_t len = 0;

    if (authority.len && authority.ptr[0] == '[') {
        const uint8_t *end = memchr(authority.ptr, ']', authority.len);
        if (!end)
            return NOTHING;
        len = (size_t)(end - authority.ptr) + 1;
    } else {
        while (len < authority.len && authority.ptr[len] != ':')
            len++;
    }
    struct slice rest = slice_from(authority, len);
    if (!len || (rest.len && (rest.ptr[0] != ':' ||
                              (rest.len > 1 && !slice_to_u64(slice_from(rest, 1), 65535, &port)))))
        return NOTHING;
    if (authority.ptr[0] == '[')
        return (struct slice){authority.ptr + 1, len - 2};
    return slice_first(authority, len);
}

static bool ends_with_nocase(struct slice text, const char *end) {
    size_t len = strlen(end);
    return text.len >= len && slice_equal_nocase(slice_from(text, text.len - len), slice_of(end));
}

bool host_is_ours(struct slice authority, const struct slice *names, uint32_t count) {
    struct slice host = host_of(authority);
    struct address address;

    if (!host.len)
        return false;
    if (address_parse(host, &address) || slice_equal_nocase(host, slice_of("localhost")) ||
        ends_with_nocase(host, ".localhost"))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal_nocase(host, names[i]))
            return true;
    return false;
}

/* Without the port that the scheme means anyway. */
static struct slice without_port(struct slice authority, const char *port) {
    if (ends_with_nocase(authority, port))
        authority.len -= strlen(port);
    return authority;
}

static bool is_origin(struct slice origin, const char *scheme, struct slice host,
                      const char *port) {
    size_t len = strlen(scheme);

    return slice_equal_nocase(slice_first(origin, len), slice_of(scheme)) &&
           slice_equal_nocase(without_port(slice_from(origin, len), port),
                              without_port(host, port));
}

bool origin_is_ours(struct slice origin, struct slice host) {
    return is_origin(origin, "https://", host, ":443") || is_origin(origin, "http://", host, ":80");
}
