/* A request as the routes see it: method, path, query, the header lines that count, the body. All
 * of it is a stranger's, and bounded; what cannot be read is refused in words before a route sees
 * it.
 *
 * Sans-I/O: the server gives lines and bytes as they come. A request belongs to one thread at a
 * time; slices of it live as long as it does. */
#ifndef TOOLS_MONITOR_REQUEST_H
#define TOOLS_MONITOR_REQUEST_H

#include "engine/base/address.h"
#include "engine/base/buffer.h"
#include "engine/base/error.h"

#include <yyjson.h>

enum {
    REQUEST_URI_MAX = 4096, /* with its query */
    REQUEST_QUERY_MAX = 32, /* parameters */
    REQUEST_PARTS_MAX = 2,  /* of a path that a pattern leaves open */
    REQUEST_JSON_DEPTH = 16,
};

enum request_method {
    METHOD_GET,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_COUNT,
    METHOD_OTHER = METHOD_COUNT,
};

/* What a caller may do; each may do what those before it may. */
enum role { ROLE_NONE, ROLE_READ, ROLE_OPERATE, ROLE_ADMIN, ROLE_COUNT };

/* Header lines that are kept; the first of each counts, a second Host is refused. */
enum request_header {
    HEADER_HOST,
    HEADER_ORIGIN,
    HEADER_AUTHORIZATION,
    HEADER_API_KEY,
    HEADER_COOKIE,
    HEADER_CONTENT_TYPE,
    HEADER_CONTENT_LENGTH,
    HEADER_FETCH_SITE,
    HEADER_UPGRADE,
    HEADER_CONNECTION,
    HEADER_WEBSOCKET_KEY,
    HEADER_WEBSOCKET_VERSION,
    HEADER_IF_NONE_MATCH,
    HEADER_WEBHOOK_ID,
    HEADER_WEBHOOK_TIMESTAMP,
    HEADER_WEBHOOK_SIGNATURE,
    HEADER_COUNT,
};

struct request_parameter {
    struct slice name, value; /* decoded, UTF-8 */
};

struct request {
    enum request_method method;
    bool is_head;      /* a GET whose body nobody wants */
    struct slice path; /* decoded, UTF-8, begins with "/" */
    struct slice parts[REQUEST_PARTS_MAX];
    struct request_parameter query[REQUEST_QUERY_MAX];
    uint32_t query_count;
    struct slice headers[HEADER_COUNT];
    bool host_twice;

    struct address peer;
    enum role role; /* of who asks, and its name; the server's to set */
    struct slice caller;
    bool by_cookie; /* what the browser adds by itself, whoever's page asks */

    struct buffer body;
    yyjson_doc *json; /* request_read_json */

    char *uri;            /* owned */
    struct buffer copies; /* of header lines */
    size_t header_at[HEADER_COUNT];
};

void request_init(struct request *request);
void request_deinit(struct request *request);

/* "HEAD" is a GET. */
void request_set_method(struct request *request, const char *method);

/* "GET", or "?" for METHOD_OTHER. */
const char *request_method_name(enum request_method method);
const char *role_name(enum role role);
/* ROLE_COUNT for a word that is none. */
enum role role_by_name(struct slice name);

/* Reads path and query. False: an escape that is none, no UTF-8, control characters, too many
 * parameters, too long, no memory. */
bool request_take_uri(struct request *request, const char *uri) __attribute__((warn_unused_result));

/* One header line; those that nobody needs are skipped. False when there is no memory. */
bool request_take_header(struct request *request, const char *name, const char *value)
    __attribute__((warn_unused_result));
/* After the last of them. */
void request_end_headers(struct request *request);

/* The value of a parameter, the first of several; a NULL pointer when it is not there. */
struct slice request_query(const struct request *request, const char *name);
/* A decimal number; `otherwise` when it is not there. The schema has looked at it before. */
uint64_t request_query_number(const struct request *request, const char *name, uint64_t otherwise);
/* "true" or "1". */
bool request_query_flag(const struct request *request, const char *name, bool otherwise);

/* The body as a JSON object; an empty body is an empty one. ERROR_INPUT says what is wrong and
 * where; depth and size are bounded. */
enum error request_read_json(struct request *request, struct failure *failure)
    __attribute__((warn_unused_result));

/* Of the body's object; NULL when there is none, or it is null. */
yyjson_val *request_member(const struct request *request, const char *name);

/* Whether `path` is of a pattern such as "/api/targets/{id}/scan"; the open parts go to `parts`.
 * They are never empty. */
bool request_path_matches(struct slice path, const char *pattern,
                          struct slice parts[REQUEST_PARTS_MAX]);

/* The value of a cookie; a NULL pointer when it is not there. */
struct slice request_cookie(const struct request *request, const char *name);

/* --- Host and Origin (DNS rebinding, cross-site requests) --- */

/* The host of "name", "name:port", "[v6]:port" without brackets; a NULL pointer when it is none. */
struct slice host_of(struct slice authority);

/* Whether a Host may be meant for us: an address, "localhost" or below it, or one of `names`, in
 * any case. A name of somebody else that leads to our address is what DNS rebinding looks like. */
bool host_is_ours(struct slice authority, const struct slice *names, uint32_t count);

/* Whether an Origin ("https://host:port") is the very place that the request was sent to. Either
 * scheme will do: a proxy in front of us may be the one that speaks TLS. */
bool origin_is_ours(struct slice origin, struct slice host);

#endif
