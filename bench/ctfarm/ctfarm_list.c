/* The log list, version 3, with its signature. */
#include "bench/ctfarm/ctfarm_server.h"

#include "engine/base/clock.h"
#include "engine/base/text.h"

enum { DAY_SECONDS = 24 * 3600, YEAR_SECONDS = 365 * DAY_SECONDS };

static void add_time(struct buffer *out, const char *key, int64_t unix_seconds) {
    buffer_add_format(out, "\"%s\":\"", key);
    text_add_time(out, unix_seconds);
    buffer_add_byte(out, '"');
}

static void add_state(const struct ctfarm *server, int64_t now, struct buffer *out) {
    const char *state = server->options.state;
    uint8_t root[CTFARM_TREE_HASH];
    buffer_add_format(out, "\"state\":{\"%s\":{", state);
    add_time(out, "timestamp", now - 100 * DAY_SECONDS);
    if (strcmp(state, "readonly") == 0) {
        ctfarm_root(server->log, server->options.start, root);
        buffer_add_text(out, ",\"final_tree_head\":{\"sha256_root_hash\":\"");
        text_add_base64(out, (struct slice){root, sizeof root});
        buffer_add_format(out, "\",\"tree_size\":%llu}", (unsigned long long)server->options.start);
    }
    buffer_add_text(out, "}}");
}

static void add_log(const struct ctfarm *server, enum ctfarm_side side, int64_t now,
                    struct buffer *out) {
    bool tiled = side == CTFARM_STATIC;
    buffer_add_format(out, "{\"description\":\"Farm '%s' log\",\"log_id\":\"",
                      tiled ? "Tiles2026" : "Classic2026");
    text_add_base64(out, (struct slice){ctfarm_log_id(server->log, side), CTFARM_TREE_HASH});
    buffer_add_text(out, "\",\"key\":\"");
    text_add_base64(out, ctfarm_log_key(server->log, side));
    if (tiled)
        buffer_add_format(out, "\",\"submission_url\":\"%s\",\"monitoring_url\":\"%s\",\"mmd\":60,",
                          server->log_urls[side], server->log_urls[side]);
    else
        buffer_add_format(out, "\",\"url\":\"%s\",\"mmd\":86400,", server->log_urls[side]);
    add_state(server, now, out);
    buffer_add_text(out, ",\"temporal_interval\":{");
    add_time(out, "start_inclusive", now - 3 * (int64_t)YEAR_SECONDS);
    buffer_add_byte(out, ',');
    add_time(out, "end_exclusive", now + 3 * (int64_t)YEAR_SECONDS);
    buffer_add_text(out, "}}");
}

bool ctfarm_list_make(struct ctfarm *server) {
    struct buffer *out = &server->list;
    int64_t now = clock_unix_ms() / 1000;
    buffer_add_text(out, "{\"version\":\"3.1\",");
    add_time(out, "log_list_timestamp", now);
    buffer_add_text(out, ",\"operators\":[{\"name\":\"Farm\",\"email\":[\"logs@farm.test\"],"
                         "\"logs\":[");
    add_log(server, CTFARM_RFC6962, now, out);
    buffer_add_text(out, "],\"tiled_logs\":[");
    add_log(server, CTFARM_STATIC, now, out);
    buffer_add_text(out, "]}]}\n");
    ctfarm_sign_list(server->log, buffer_slice(out), &server->list_signature);
    return !out->failed && !server->list_signature.failed && server->list_signature.len;
}
