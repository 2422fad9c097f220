/* The one table of routes: method, path, who may, what it takes and gives, and what does it. The
 * server finds handlers here, and the OpenAPI document is made from it, so that they cannot differ.
 *
 * Constants; pure; any thread. */
#ifndef TOOLS_MONITOR_ROUTES_H
#define TOOLS_MONITOR_ROUTES_H

#include "tools/monitor/api.h"

/* --- What goes in and out --- */

enum schema_type {
    SCHEMA_TEXT,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_FLAG,
    SCHEMA_TIME, /* RFC 3339 */
    SCHEMA_ANY,  /* an object of which no more is said */
    SCHEMA_OF,   /* as another schema says */
    SCHEMA_LIST, /* of texts, of numbers (`choices` NULL, `of` NULL), or of another schema */
    SCHEMA_NUMBERS,
    SCHEMA_COUNTS, /* an object of numbers */
};

enum schema_flags { SCHEMA_REQUIRED = 1 << 0, SCHEMA_NULLABLE = 1 << 1 };

struct schema;

/* A member of an object, or a parameter of a query. */
struct schema_field {
    const char *name;
    enum schema_type type;
    uint32_t flags; /* SCHEMA_REQUIRED: of an answer, always there; of a request, must be given */
    const char *summary;
    const struct schema *of;
    const char *const *choices; /* of a text; NULL-terminated */
    int64_t minimum, maximum;   /* of a number; maximum 0: none said */
};

/* Either an object with fields, which end with a NULL name; or a list of another one. */
struct schema {
    const char *name; /* "Target" */
    const char *summary;
    const struct schema_field *fields;
    const struct schema *list_of;
};

/* --- Routes --- */

enum route_flags {
    ROUTE_UPGRADE = 1 << 0,        /* a WebSocket */
    ROUTE_OPEN_METRICS = 1 << 1,   /* for everybody where api.open_metrics says so */
    ROUTE_PUBLIC_FAILURE = 1 << 2, /* 503 is an answer with the body of 200 */
    ROUTE_PAGE = 1 << 3,           /* a file of the dashboard: not in the document */
};

struct route {
    enum request_method method;
    const char *path; /* "/api/targets/{id}" */
    enum role role;
    void (*handle)(struct call *call);
    const char *summary;   /* one sentence */
    const char *operation; /* "listTargets": unique */
    uint32_t flags;
    size_t body_max;                       /* bytes; 0: no body is read */
    const struct schema_field *parameters; /* of the query; NULL for none */
    const struct schema *request, *response;
    const char *type; /* of the answer, when that is not JSON */
};

/* Routes of one file, which end with a NULL path. */
struct route_group {
    const char *name, *summary;
    const struct route *routes;
};

/* NULL-terminated. */
extern const struct route_group *const route_groups[];
extern const struct route_group routes_tls, routes_sslscout, routes_targets, routes_certificates,
    routes_alerts, routes_outbox, routes_agents, routes_probe, routes_session;

/* Schemas that several files use: {"ok":true}, that of an error, of a scan, of an alert. */
extern const struct schema schema_ok, schema_error, schema_scan, schema_alert;

enum { ROUTE_SMALL_BODY = 64 * 1024, ROUTE_REPORT_BODY = 16 * 1024 * 1024 };

/* The route of a path and method, and the path's open parts. NULL: none; `allowed` then has bits
 * 1 << enum request_method of those that the path has, 0 for an unknown path. */
const struct route *route_find(enum request_method method, struct slice path,
                               struct slice parts[REQUEST_PARTS_MAX], uint32_t *allowed);

/* "GET, HEAD, POST, OPTIONS" */
void routes_add_methods(uint32_t allowed, struct buffer *out);

/* Whether the parameters of the query are what the route says; the failure names the one that is
 * not. Parameters that it does not know are left alone. */
enum error route_check_query(const struct route *route, const struct request *request,
                             struct failure *failure) __attribute__((warn_unused_result));

/* --- What handlers of several files do --- */

/* For the audit log, as the context of a ledger function. */
struct call_note {
    const struct call *call;
    char detail[256];
};

/* Scans now, waits, and answers how far it came (schema_scan). No keys: all that are enabled. */
void call_scan(struct call *call, const int64_t *keys, uint32_t count, uint32_t wait_ms);

/* Acknowledges the alert of the path, or takes that back, and answers. */
void call_acknowledge(struct call *call, bool takes_back);

/* Appends a target's newest alerts as items of a list; false: it failed, and the answer is made. */
bool alerts_of_target(struct call *call, int64_t key, struct buffer *out);

/* The pattern of LIKE ... ESCAPE '!' for a text anywhere, in lower case; for a tag within a list of
 * JSON as it is written there. Empty for an empty text. `out` holds it, and is the caller's to
 * deinit. */
struct slice like_pattern(struct buffer *out, struct slice text, bool is_tag);

/* The document (OpenAPI 3.1), as JSON. */
void routes_add_openapi(const char *version, struct buffer *out);

#endif
