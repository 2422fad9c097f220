/* What a handler of a route has: the request, the answer that it makes, and the monitor around it.
 *
 * Handlers run on the server's worker threads, each with a database of its own that it only reads;
 * what changes something goes through the ledger. They may block, for seconds at most. */
#ifndef TOOLS_MONITOR_API_H
#define TOOLS_MONITOR_API_H

#include "tools/monitor/auth.h"
#include "tools/monitor/ledger.h"
#include "tools/monitor/tables.h"

#include <stdatomic.h>

struct probe_record;
struct route;
struct api_websocket;
struct websocket_loop;

/* --- The monitor, as the daemon hands it over: constant while the server runs --- */

struct api_scan {
    uint64_t total, done; /* targets */
    bool finished;
    int64_t started_ms;
};

/* The schedule's side. All may be called by any thread; `owner` is the schedule. */
struct api_schedule {
    void *owner;
    /* Probes these targets as soon as may be; no keys: all that are enabled. `*id` is not 0. */
    enum error (*scan)(void *owner, const int64_t *keys, uint32_t count, uint64_t *id,
                       struct failure *failure);
    /* False: no such scan, or it is forgotten. */
    bool (*progress)(void *owner, uint64_t id, struct api_scan *out);
    /* Waits until the results of a scan are written, at most so long. */
    void (*wait)(void *owner, uint64_t id, uint32_t wait_ms);
    /* Milliseconds since 1970; 0 when it is not known. */
    int64_t (*next_check)(void *owner, int64_t key);
    /* Probes a target that need not be in any table, and waits for its record, which is the
     * caller's. ETIMEDOUT after `wait_ms`; ERROR_USAGE: that target cannot be probed. */
    enum error (*probe)(void *owner, const struct monitor_target *target, uint32_t wait_ms,
                        struct probe_record **out, struct failure *failure);
    /* Targets whose next check is long past. */
    uint64_t (*overdue)(void *owner);
};

struct api {
    const char *version;
    const char *store_url;
    struct auth *auth;
    struct monitor_ledger *ledger;
    struct event_hub *hub;
    struct api_schedule schedule;
    bool open_metrics; /* /metrics and /healthz ask for no token */
    bool has_fleet;    /* there may be workers, for targets with `via` */
    /* Whole samples in Prometheus' text, of all that runs beside: watch's, the outbox's. NULL:
     * none. */
    void (*metrics)(void *owner, struct buffer *out);
    /* Members of the health page, each with a comma before it; false when something is not well.
     * NULL: none. */
    bool (*health)(void *owner, struct buffer *out);
    void *owner;
    /* A replay makes notices due. NULL: nobody. */
    void (*wake_outbox)(void *owner);
    int64_t started_ms;
};

/* --- One call --- */

enum { ANSWER_HEADERS_MAX = 4 };

struct answer {
    unsigned status;   /* 200 unless it is set */
    const char *type;  /* static; of the body */
    const char *cache; /* Cache-Control; static. NULL: no-store */
    bool is_page;      /* of the dashboard: scripts of its own may run */
    struct buffer body;
    struct {
        const char *name; /* static */
        struct buffer value;
    } headers[ANSWER_HEADERS_MAX];
    uint32_t header_count;
    struct api_websocket *websocket; /* goes on as one, status 101 */
};

struct call {
    const struct api *api;
    const struct route *route;
    struct request *request;
    struct answer *answer;
    struct database **database; /* the worker's; call_database opens it */
    struct websocket_loop *websockets;
    atomic_uint *waiting; /* workers that wait for a scan */
    uint32_t waiting_max;
    const atomic_bool *stopping;
    int64_t now_ms;
    bool is_tls;
};

void answer_init(struct answer *answer);
void answer_deinit(struct answer *answer);
/* A header line; its value is to be appended. There is always one: those beyond the last share it.
 */
struct buffer *answer_header(struct answer *answer, const char *name);
/* {"error":"words"}; what the body held is gone. */
void answer_error(struct answer *answer, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of an error: 400 for the caller's words, 503 for a store that is away, 500. */
void answer_failure(struct answer *answer, enum error error, const struct failure *failure);

/* The worker's database; NULL: it cannot be read, and the answer is made. */
struct database *call_database(struct call *call);
/* Rows of a statement; false: it failed, and the answer is made. */
bool call_query(struct call *call, const struct sql_statement *statement,
                const struct sql_value *values, sql_row *row, void *context);
bool call_number(struct call *call, const struct sql_statement *statement,
                 const struct sql_value *values, int64_t *out);
/* Runs on the ledger's thread; false: it failed, and the answer is made. */
bool call_ledger(struct call *call, ledger_function *function, void *context);
/* The audit log's line about the call, within a ledger function. */
enum error call_audit(const struct call *call, struct ledger_write *write, const char *action,
                      const char *detail, struct failure *failure)
    __attribute__((warn_unused_result));
/* The target of the path's open part; false: there is none, and the answer is made. */
bool call_target(struct call *call, struct monitor_target *out);
/* The number of the path's open part; false: 404, in words such as "alert not found". */
bool call_id(struct call *call, const char *what, int64_t *out);
/* The body as JSON; false: it is none, and the answer is made. */
bool call_json(struct call *call);
/* {"ok":true} */
void call_ok(struct call *call);

/* --- JSON, piece by piece: commas come by themselves. A NULL name is an item of a list --- */

void json_open(struct buffer *out, const char *name, char bracket); /* '{' or '[' */
void json_close(struct buffer *out, char bracket);                  /* '}' or ']' */
void json_text(struct buffer *out, const char *name, struct slice text);
void json_words(struct buffer *out, const char *name, const char *text);
void json_integer(struct buffer *out, const char *name, int64_t number);
void json_real(struct buffer *out, const char *name, double number); /* null when not finite */
void json_flag(struct buffer *out, const char *name, bool flag);
void json_null(struct buffer *out, const char *name);
void json_hex(struct buffer *out, const char *name, struct slice bytes);
/* RFC 3339; null for 0. */
void json_time_ms(struct buffer *out, const char *name, int64_t unix_ms);
void json_time(struct buffer *out, const char *name, int64_t unix_seconds);
/* JSON as it stands; null when it is empty. */
void json_raw(struct buffer *out, const char *name, struct slice json);

/* --- Values of rows --- */

static inline int64_t row_integer(const struct sql_value *value) {
    return value->type == SQL_INTEGER ? value->integer
           : value->type == SQL_REAL  ? (int64_t)value->real
                                      : 0;
}
static inline struct slice row_bytes(const struct sql_value *value) {
    return value->type == SQL_TEXT || value->type == SQL_BLOB ? value->bytes
                                                              : (struct slice){NULL, 0};
}
static inline bool row_is_null(const struct sql_value *value) {
    return value->type == SQL_NULL;
}
/* A number, or null. */
void json_value(struct buffer *out, const char *name, const struct sql_value *value);

#endif
