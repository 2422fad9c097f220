/* Which request is for what, the faults that any of them may have, and the pages of the farm
 * itself.
 */
#include "bench/ctfarm/ctfarm_json.h"
#include "bench/ctfarm/ctfarm_server.h"

#include "engine/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { HUGE_BYTES = 1 << 30, TRUTH_LINES_MAX = 65536 };

/* --- Replies --- */

static const char *reason_of(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void ctfarm_reply_error(struct ctfarm_reply *reply, int status, const char *text) {
    reply->status = status;
    reply->type = "text/plain; charset=utf-8";
    reply->cache = NULL;
    reply->body.len = 0;
    buffer_add_format(&reply->body, "%s\n", text);
}

static void reply_deinit(struct ctfarm_reply *reply) {
    for (uint32_t i = 0; i < reply->part_count; i++)
        ctfarm_page_put(reply->parts[i].page);
    reply->part_count = 0;
    buffer_deinit(&reply->body);
}

static uint64_t body_length(const struct ctfarm_reply *reply) {
    uint64_t len = reply->body.len + (reply->tail ? strlen(reply->tail) : 0);
    for (uint32_t i = 0; i < reply->part_count; i++)
        len += reply->parts[i].to - reply->parts[i].from;
    return len;
}

static void add_head(const struct ctfarm_reply *reply, uint64_t body_len, struct buffer *out) {
    buffer_add_format(out, "HTTP/1.1 %d %s\r\nContent-Length: %llu\r\n", reply->status,
                      reason_of(reply->status), (unsigned long long)body_len);
    if (reply->status != 304)
        buffer_add_format(out, "Content-Type: %s\r\n", reply->type);
    if (reply->cache)
        buffer_add_format(out, "Cache-Control: %s\r\n", reply->cache);
    if (reply->encoding)
        buffer_add_format(out, "Content-Encoding: %s\r\n", reply->encoding);
    if (reply->retry_seconds)
        buffer_add_format(out, "Retry-After: %u\r\n", (unsigned)reply->retry_seconds);
    if (reply->etag[0])
        buffer_add_format(out, "ETag: %s\r\n", reply->etag);
    buffer_add_text(out, "\r\n");
}

void ctfarm_reply_send(struct ctfarm *server, struct ctfarm_connection *connection,
                       struct ctfarm_reply *reply) {
    if (reply->body.failed)
        ctfarm_reply_error(reply, 500, "no memory");
    add_head(reply, body_length(reply), &connection->own);
    buffer_add_slice(&connection->own, buffer_slice(&reply->body));
    memcpy(connection->parts, reply->parts, sizeof connection->parts);
    connection->part_count = reply->part_count;
    connection->tail = reply->tail;
    reply->part_count = 0;
    if (reply->status >= 500)
        server->counts.statuses_5xx++;
    else if (reply->status >= 400)
        server->counts.statuses_4xx++;
    if (connection->own.failed)
        connection->state = CTFARM_CLOSING;
}

/* Half of the body, then the end; the head has promised all of it. `own` of its bytes lie behind
 * the head. */
static void cut(struct ctfarm_connection *connection, size_t own, uint64_t body_len) {
    uint64_t left = body_len / 2;
    size_t kept = left < own ? (size_t)left : own;
    connection->own.len -= own - kept;
    left -= kept;
    for (uint32_t i = 0; i < connection->part_count; i++) {
        struct ctfarm_reply_part *part = &connection->parts[i];
        uint32_t len = part->to - part->from;
        part->to = part->from + (left < len ? (uint32_t)left : len);
        left -= part->to - part->from;
    }
    connection->tail = NULL;
    connection->state = CTFARM_CLOSING;
}

bool ctfarm_reply_page(struct ctfarm *server, struct ctfarm_reply *reply, enum ctfarm_form form,
                       uint64_t first, uint64_t end, const struct ctfarm_occasion *occasion) {
    uint64_t number = first / CTFARM_TILE;
    struct ctfarm_occasion here = *occasion;
    here.first = first;
    here.last = end - 1;
    const struct ctfarm_rule *lie =
        ctfarm_fault_happens(&server->faults, CTFARM_FAULT_WRONG_LEAF, &here);
    uint64_t wrong = lie && lie->first > first ? lie->first : first;
    struct ctfarm_page *page = lie ? ctfarm_page_get_tampered(server->pages, form, number, wrong)
                                   : ctfarm_page_get(server->pages, form, number);
    if (!page || reply->part_count == CTFARM_PARTS_MAX) {
        ctfarm_page_put(page);
        ctfarm_reply_error(reply, 500, "no memory");
        return false;
    }
    bool whole = form == CTFARM_FORM_GZIP;
    reply->parts[reply->part_count++] = (struct ctfarm_reply_part){
        page, whole ? 0 : page->offsets[first % CTFARM_TILE],
        whole ? (uint32_t)page->bytes.len : page->offsets[end - number * CTFARM_TILE]};
    server->counts.entries += end - first;
    return true;
}

/* --- The farm's own pages --- */

static void add_fault_counts(const struct ctfarm *server, struct buffer *out) {
    bool first = true;
    buffer_add_text(out, ",\"faults\":{");
    for (int fault = 0; fault < CTFARM_FAULT_COUNT; fault++) {
        if (server->faults.counts[fault] == 0)
            continue;
        buffer_add_format(out, "%s\"%s\":%llu", first ? "" : ",",
                          ctfarm_fault_name((enum ctfarm_fault)fault),
                          (unsigned long long)server->faults.counts[fault]);
        first = false;
    }
    buffer_add_text(out, "}");
}

void ctfarm_add_stats(struct ctfarm *server, struct buffer *out) {
    const struct ctfarm_counts *counts = &server->counts;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"size", ctfarm_size(server)},
        {"head", server->head.size},
        {"requests", counts->requests},
        {"entries", counts->entries},
        {"bytes", counts->bytes},
        {"connections", counts->connections},
        {"open", counts->open},
        {"most_open", counts->most_open},
        {"statuses_4xx", counts->statuses_4xx},
        {"statuses_5xx", counts->statuses_5xx},
        {"without_contact", counts->without_contact},
        {"feeds", counts->feeds},
        {"feeds_open", counts->feed_open},
        {"messages", counts->messages},
        {"missed", counts->missed},
        {"pings", counts->pings},
        {"pongs", counts->pongs},
        {"idle_closed", counts->idle_closed},
    };
    buffer_add_byte(out, '{');
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        buffer_add_format(out, "\"%s\":%llu,", numbers[i].key,
                          (unsigned long long)numbers[i].value);
    buffer_add_text(out, "\"user_agent\":");
    ctfarm_json_bytes(out, slice_of(counts->user_agent));
    buffer_add_text(out, ",\"classes\":{");
    for (int class = 0; class < CTFARM_CLASS_COUNT; class ++)
        buffer_add_format(out, "%s\"%s\":%llu", class ? "," : "",
                          ctfarm_class_name((enum ctfarm_class) class),
                          (unsigned long long)counts->by_class[class]);
    buffer_add_byte(out, '}');
    add_fault_counts(server, out);
    buffer_add_text(out, "}\n");
}

static void answer_stats(struct ctfarm *server, struct ctfarm_reply *reply) {
    reply->type = "application/json";
    ctfarm_add_stats(server, &reply->body);
}

static void answer_control(struct ctfarm *server, const struct ctfarm_request *request,
                           struct ctfarm_reply *reply) {
    uint8_t room[256], rate_room[33] = {0};
    struct failure failure = {0};
    uint64_t number, size = ctfarm_size(server);
    double rate = server->rate;
    if (!slice_is(request->method, "POST"))
        return ctfarm_reply_error(reply, 405, "POST");
    if (ctfarm_query_number(request, "clear", &number))
        ctfarm_faults_clear(&server->faults);
    struct slice fault = ctfarm_query(request, "fault", room, sizeof room);
    if (fault.len && ctfarm_faults_add(&server->faults, fault, &failure))
        return ctfarm_reply_error(reply, 400, failure.text);
    if (ctfarm_query(request, "rate", rate_room, sizeof rate_room - 1).len)
        rate = strtod((const char *)rate_room, NULL);
    if (ctfarm_query_number(request, "size", &number))
        size = number;
    if (!(rate >= 0) || size > server->options.log.entries)
        return ctfarm_reply_error(reply, 400, "no such size or rate");
    ctfarm_set_size(server, size, rate);
    answer_stats(server, reply);
}

static void answer_truth(struct ctfarm *server, const struct ctfarm_request *request,
                         struct ctfarm_reply *reply) {
    uint64_t start = 0, end = ctfarm_size(server);
    struct ctfarm_entry *entry = ctfarm_pages_entry(server->pages);
    ctfarm_query_number(request, "start", &start);
    ctfarm_query_number(request, "end", &end);
    if (start > end || end > server->options.log.entries || end - start > TRUTH_LINES_MAX)
        return ctfarm_reply_error(reply, 400, "65536 lines at most, of entries that there are");
    reply->type = "application/jsonl";
    for (uint64_t i = start; i < end; i++) {
        ctfarm_entry_make(server->log, i, false, entry);
        ctfarm_entry_add_truth(entry, &reply->body);
    }
}

static void answer_list(struct ctfarm *server, const struct ctfarm_request *request,
                        struct ctfarm_reply *reply) {
    uint32_t crc = (uint32_t)crc32(0, server->list.ptr, (uInt)server->list.len);
    reply->type = "application/json";
    reply->cache = "public, max-age=60";
    snprintf(reply->etag, sizeof reply->etag, "\"%08x\"", (unsigned)crc);
    if (slice_is(request->if_none_match, reply->etag))
        reply->status = 304;
    else
        buffer_add_slice(&reply->body, buffer_slice(&server->list));
}

static void answer_own(struct ctfarm *server, const struct ctfarm_request *request,
                       struct ctfarm_reply *reply) {
    if (slice_is(request->path, "/stats")) {
        answer_stats(server, reply);
    } else if (slice_is(request->path, "/control")) {
        answer_control(server, request, reply);
    } else if (slice_is(request->path, "/truth")) {
        answer_truth(server, request, reply);
    } else if (slice_is(request->path, "/log_list.json")) {
        answer_list(server, request, reply);
    } else if (slice_is(request->path, "/log_list.sig")) {
        buffer_add_slice(&reply->body, buffer_slice(&server->list_signature));
    } else if (slice_is(request->path, "/log_list.pem")) {
        ctfarm_add_list_key(server->log, &reply->body);
    } else if (slice_is(request->path, "/ca.pem")) {
        ctfarm_add_ca_pem(server, &reply->body);
    } else {
        ctfarm_reply_error(reply, 404, "there is nothing here");
    }
}

/* --- Dispatch --- */

struct target {
    enum { TARGET_OWN, TARGET_RFC6962, TARGET_STATIC, TARGET_FEED } kind;
    struct slice path;
};

static bool take_prefix(struct slice *path, const char *prefix) {
    size_t len = strlen(prefix);
    if (path->len < len || memcmp(path->ptr, prefix, len) != 0)
        return false;
    *path = slice_from(*path, len);
    return true;
}

static struct target target_of(const struct ctfarm_request *request,
                               struct ctfarm_occasion *occasion) {
    struct target target = {.kind = TARGET_OWN, .path = request->path};
    occasion->class = CTFARM_CLASS_OTHER;
    if (slice_equal_nocase(request->upgrade, slice_of("websocket"))) {
        target.kind = TARGET_FEED;
        occasion->class = CTFARM_CLASS_FEED;
    } else if (take_prefix(&target.path, "/rfc6962/ct/v1/")) {
        target.kind = TARGET_RFC6962;
        ctfarm_rfc6962_occasion(request, target.path, occasion);
    } else if (take_prefix(&target.path, "/static/")) {
        target.kind = TARGET_STATIC;
        ctfarm_static_occasion(request, target.path, occasion);
    } else if (take_prefix(&(struct slice){request->path.ptr, request->path.len}, "/log_list")) {
        occasion->class = CTFARM_CLASS_LIST;
    }
    return target;
}

/* Faults in place of the answer. True when there was one; the connection may be gone then. */
static bool answer_wrongly(struct ctfarm *server, struct ctfarm_connection *connection,
                           const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply,
                           bool *open) {
    static const struct {
        enum ctfarm_fault fault;
        int status;
    } STATUSES[] = {{CTFARM_FAULT_429, 429},
                    {CTFARM_FAULT_500, 500},
                    {CTFARM_FAULT_503, 503},
                    {CTFARM_FAULT_404, 404}};
    struct ctfarm_faults *faults = &server->faults;
    const struct ctfarm_rule *rule;
    *open = true;
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_RESET, occasion)) {
        ctfarm_connection_close(server, connection, true);
        *open = false;
        return true;
    }
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_STALL, occasion)) {
        connection->state = CTFARM_STALLED;
        return true;
    }
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        if (!(rule = ctfarm_fault_happens(faults, STATUSES[i].fault, occasion)))
            continue;
        ctfarm_reply_error(reply, STATUSES[i].status, reason_of(STATUSES[i].status));
        reply->retry_seconds = rule->retry_seconds;
        ctfarm_reply_send(server, connection, reply);
        return true;
    }
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_HTML, occasion)) {
        reply->type = "text/html";
        buffer_add_text(&reply->body, "<html><body>Please sign in to the network.</body></html>");
        ctfarm_reply_send(server, connection, reply);
        return true;
    }
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_HUGE, occasion)) {
        reply->type = "application/json";
        add_head(reply, HUGE_BYTES, &connection->own);
        connection->filler_left = HUGE_BYTES;
        return true;
    }
    return false;
}

static void count_request(struct ctfarm *server, const struct ctfarm_request *request,
                          struct ctfarm_occasion *occasion) {
    struct ctfarm_counts *counts = &server->counts;
    counts->by_class[occasion->class]++;
    if (occasion->class == CTFARM_CLASS_OTHER)
        return;
    counts->requests++;
    if (server->second != server->now_ms / 1000) {
        server->second = server->now_ms / 1000;
        server->requests_second = 0;
    }
    occasion->requests_second = ++server->requests_second;
    struct slice agent = slice_first(request->user_agent, sizeof counts->user_agent - 1);
    if (agent.len)
        memcpy(counts->user_agent, agent.ptr, agent.len);
    counts->user_agent[agent.len] = 0;
    counts->without_contact +=
        !strchr(counts->user_agent, '@') && !strstr(counts->user_agent, "://");
}

static void spoil_sending(struct ctfarm *server, struct ctfarm_connection *connection,
                          const struct ctfarm_occasion *occasion, size_t own, uint64_t body_len) {
    if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_CUT, occasion))
        cut(connection, own, body_len);
    if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_DRIP, occasion))
        connection->dripping = true;
}

bool ctfarm_answer(struct ctfarm *server, struct ctfarm_connection *connection,
                   const struct ctfarm_request *request) {
    struct ctfarm_occasion occasion = {0};
    struct ctfarm_reply reply = {.status = 200, .type = "application/octet-stream"};
    struct target target = target_of(request, &occasion);
    bool open = true;
    ctfarm_publish(server, false);
    count_request(server, request, &occasion);
    buffer_init(&reply.body);
    if (answer_wrongly(server, connection, &occasion, &reply, &open)) {
        reply_deinit(&reply);
        return open;
    }
    if (target.kind == TARGET_FEED) {
        ctfarm_feed_begin(server, connection, request);
    } else {
        if (target.kind == TARGET_RFC6962)
            ctfarm_rfc6962_answer(server, request, target.path, &occasion, &reply);
        else if (target.kind == TARGET_STATIC)
            ctfarm_static_answer(server, request, target.path, &occasion, &reply);
        else
            answer_own(server, request, &reply);
        if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_WRONG_TYPE, &occasion))
            reply.type = "text/html";
        uint64_t body_len = body_length(&reply);
        ctfarm_reply_send(server, connection, &reply);
        spoil_sending(server, connection, &occasion, reply.body.len, body_len);
    }
    reply_deinit(&reply);
    return true;
}
