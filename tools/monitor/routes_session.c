/* Who is asking, what there is to ask, what happens, and the dashboard's own files. */
#include "tools/monitor/routes.h"

#include "engine/base/text.h"
#include "engine/hash/sha256.h"
#include "tools/monitor/websocket.h"
#include "tools/web/assets.h"

#include <microhttpd.h>

/* --- Sessions --- */

static void add_session(struct call *call, enum role role, struct slice name) {
    struct buffer *out = &call->answer->body;

    json_open(out, NULL, '{');
    json_words(out, "role", role_name(role));
    json_text(out, "name", name);
    json_words(out, "version", call->api->version);
    json_close(out, '}');
}

static void get_session(struct call *call) {
    add_session(call, call->request->role, call->request->caller);
}

/* Gives the browser a cookie that its scripts cannot read. */
static void begin_session(struct call *call) {
    char name[AUTH_NAME_BYTES];

    if (!call_json(call))
        return;
    yyjson_val *token = request_member(call->request, "token");
    struct slice text = json_slice(token);
    enum role role = yyjson_is_str(token) ? auth_role(call->api->auth, text, name) : ROLE_NONE;
    if (role == ROLE_NONE) {
        answer_error(call->answer, MHD_HTTP_UNAUTHORIZED, "the token is unknown");
        return;
    }
    auth_add_cookie(text, call->is_tls, answer_header(call->answer, "Set-Cookie"));
    add_session(call, role, slice_of(name));
}

static void end_session(struct call *call) {
    auth_add_cookie((struct slice){NULL, 0}, call->is_tls,
                    answer_header(call->answer, "Set-Cookie"));
    call_ok(call);
}

/* --- Events --- */

static void follow_events(struct call *call) {
    struct slice since = request_query(call->request, "since");
    struct api_websocket *socket;
    struct failure failure;
    uint64_t number = 0;

    if (since.len && !slice_to_u64(since, INT64_MAX, &number)) {
        answer_error(call->answer, MHD_HTTP_BAD_REQUEST, "since is not a number");
        return;
    }
    enum error error = api_websocket_new(&socket, call->websockets, call->api->hub, &failure);
    if (error) {
        answer_failure(call->answer, error, &failure);
        return;
    }
    struct database *database = since.len ? call_database(call) : NULL;
    if (since.len && database)
        error = api_websocket_resume(socket, number, database, &failure);
    if ((since.len && !database) || error) {
        if (error)
            answer_failure(call->answer, error, &failure);
        api_websocket_free(socket);
        return;
    }
    call->answer->websocket = socket;
}

/* --- The document, the audit log, the dashboard --- */

static void get_openapi(struct call *call) {
    routes_add_openapi(call->api->version, &call->answer->body);
}

static const struct sql_statement AUDIT = {
    .types = "i",
    .text = "SELECT at, who, role, action, detail FROM monitor_audit ORDER BY id DESC LIMIT $1"};

static enum error add_audit(void *context, const struct sql_value *row, uint32_t count,
                            struct failure *failure) {
    struct buffer *out = context;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_time_ms(out, "at", row_integer(&row[0]));
    json_text(out, "who", row_bytes(&row[1]));
    json_text(out, "role", row_bytes(&row[2]));
    json_text(out, "action", row_bytes(&row[3]));
    json_text(out, "detail", row_bytes(&row[4]));
    json_close(out, '}');
    return ERROR_NONE;
}

static void get_audit(struct call *call) {
    struct buffer *out = &call->answer->body;
    struct sql_value limit =
        sql_integer((int64_t)request_query_number(call->request, "limit", 100));

    json_open(out, NULL, '{');
    json_open(out, "audit", '[');
    if (!call_query(call, &AUDIT, &limit, add_audit, out))
        return;
    json_close(out, ']');
    json_close(out, '}');
}

/* A browser asks each time whether it has changed, and mostly it has not. */
static void get_page(struct call *call) {
    struct answer *answer = call->answer;
    uint8_t hash[SHA256_BYTES];
    struct web_asset asset;

    if (!web_asset_find((const char *)call->request->path.ptr, &asset)) {
        answer_error(answer, MHD_HTTP_NOT_FOUND, "there is no such page");
        return;
    }
    struct buffer *tag = answer_header(answer, "ETag");
    sha256_one(asset.content, hash);
    buffer_add_byte(tag, '"');
    text_add_hex(tag, (struct slice){hash, 8});
    buffer_add_byte(tag, '"');
    answer->is_page = true;
    answer->cache = "no-cache";
    answer->type = asset.content_type;
    if (slice_equal(call->request->headers[HEADER_IF_NONE_MATCH], buffer_slice(tag)))
        answer->status = MHD_HTTP_NOT_MODIFIED;
    else
        buffer_add_slice(&answer->body, asset.content);
}

/* --- The table --- */

static const char *const ROLE_CHOICES[] = {"none", "read", "operate", "admin", NULL};

static const struct schema login = {
    .name = "Login",
    .fields = (const struct schema_field[]){{.name = "token",
                                             .type = SCHEMA_TEXT,
                                             .flags = SCHEMA_REQUIRED,
                                             .summary = "One of the monitor's."},
                                            {0}},
};

static const struct schema session = {
    .name = "Session",
    .summary = "Who is asking; the role none without a token.",
    .fields = (const struct schema_field[]){{.name = "role",
                                             .type = SCHEMA_TEXT,
                                             .flags = SCHEMA_REQUIRED,
                                             .choices = ROLE_CHOICES},
                                            {.name = "name",
                                             .type = SCHEMA_TEXT,
                                             .flags = SCHEMA_REQUIRED,
                                             .summary = "Of the token."},
                                            {.name = "version",
                                             .type = SCHEMA_TEXT,
                                             .flags = SCHEMA_REQUIRED,
                                             .summary = "Of the program."},
                                            {0}},
};

static const struct schema audit_entry = {
    .name = "AuditEntry",
    .summary = "Something that was changed.",
    .fields =
        (const struct schema_field[]){
            {.name = "at", .type = SCHEMA_TIME, .flags = SCHEMA_REQUIRED},
            {.name = "who", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {.name = "role", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {.name = "action", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {.name = "detail", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {0}},
};

static const struct schema audit = {
    .name = "Audit",
    .fields = (const struct schema_field[]){{.name = "audit",
                                             .type = SCHEMA_LIST,
                                             .flags = SCHEMA_REQUIRED,
                                             .summary = "The newest first.",
                                             .of = &audit_entry},
                                            {0}},
};

static const struct schema_field since[] = {
    {.name = "since",
     .type = SCHEMA_TEXT,
     .summary = "The number of the last event that was seen: what came after it is told first, and "
                "what is lost as a gap."},
    {0}};

static const struct schema_field limit[] = {
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = 1000}, {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/session", ROLE_NONE, get_session, "Tells whose token it is.", "getSession",
     .response = &session},
    {METHOD_POST, "/api/session", ROLE_NONE, begin_session, "Gives a browser a cookie for a token.",
     "beginSession", .body_max = 4096, .request = &login, .response = &session},
    {METHOD_DELETE, "/api/session", ROLE_NONE, end_session, "Takes the cookie away.", "endSession",
     .response = &schema_ok},
    {METHOD_GET, "/api/events", ROLE_READ, follow_events,
     "A WebSocket that tells what happens, one JSON object a message.", "followEvents",
     .flags = ROUTE_UPGRADE, .parameters = since},
    {METHOD_GET, "/api/audit", ROLE_ADMIN, get_audit, "What was changed, and by whom.", "listAudit",
     .parameters = limit, .response = &audit},
    {METHOD_GET, "/api/openapi.json", ROLE_NONE, get_openapi, "This document.", "getOpenapi",
     .flags = 0},
    {METHOD_GET, "/", ROLE_NONE, get_page, "The dashboard.", "getPage", .flags = ROUTE_PAGE},
    {METHOD_GET, "/{file}", ROLE_NONE, get_page, "A file of it.", "getFile", .flags = ROUTE_PAGE},
    {METHOD_GET, "/views/{file}", ROLE_NONE, get_page, "A file of it.", "getView",
     .flags = ROUTE_PAGE},
    {0},
};

const struct route_group routes_session = {
    .name = "session",
    .summary = "Who is asking, what there is to ask, and what happens.",
    .routes = routes,
};
