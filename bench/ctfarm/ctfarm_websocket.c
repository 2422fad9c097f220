/* Feeds: WebSocket (RFC 6455) as far as certstream servers speak it. A client has a place in the
 * log instead of a queue; what it would have missed because its queue was full is left out. */
#include "bench/ctfarm/ctfarm_server.h"

#include "engine/base/text.h"

#include <openssl/sha.h>

enum opcode { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum {
    CLIENT_MESSAGE_MAX = 512,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_BIG = 1009
};

/* --- Beginning --- */

bool ctfarm_feed_path(struct slice path, enum ctfarm_dialect dialect, enum ctfarm_dialect *out,
                      enum ctfarm_detail *detail) {
    static const char *const DIALECTS[CTFARM_DIALECTS] = {"/go/", "/calidog/", "/rust/"};
    *out = dialect;
    for (int i = 0; i < CTFARM_DIALECTS; i++) {
        size_t len = strlen(DIALECTS[i]);
        if (path.len >= len && memcmp(path.ptr, DIALECTS[i], len) == 0) {
            *out = (enum ctfarm_dialect)i;
            path = slice_from(path, len - 1);
        }
    }
    *detail = slice_is(path, "/")              ? CTFARM_LITE
              : slice_is(path, "/full-stream") ? CTFARM_FULL
                                               : CTFARM_DOMAINS;
    return *detail != CTFARM_DOMAINS || slice_is(path, "/domains-only");
}

static void add_accept(struct slice key, struct buffer *out) {
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[SHA_DIGEST_LENGTH];
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, key.ptr, key.len);
    SHA1_Update(&context, GUID, sizeof GUID - 1);
    SHA1_Final(hash, &context);
    text_add_base64(out, (struct slice){hash, sizeof hash});
}

void ctfarm_feed_begin(struct ctfarm *server, struct ctfarm_connection *connection,
                       const struct ctfarm_request *request) {
    enum ctfarm_detail detail;
    uint64_t size = ctfarm_size(server), from = size;
    struct buffer *out = &connection->own;
    if (request->websocket_key.len == 0 || !ctfarm_feed_path(request->path, server->options.dialect,
                                                             &connection->feed.dialect, &detail)) {
        buffer_add_text(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    ctfarm_query_number(request, "from", &from);
    buffer_add_text(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    add_accept(request->websocket_key, out);
    buffer_add_text(out, "\r\n\r\n");
    connection->state = CTFARM_FEEDING;
    connection->feed.form = ctfarm_form_feed(connection->feed.dialect, detail);
    connection->feed.cursor = from < size ? from : size;
    connection->feed.heard_ms = server->now_ms;
    connection->feed.heartbeat_ms = server->now_ms + server->options.heartbeat_ms;
    connection->feed.ping_ms = server->now_ms + server->options.ping_ms;
    server->counts.feeds++;
    server->counts.feed_open++;
}

/* --- What clients say --- */

static void say(struct ctfarm_connection *connection, enum opcode opcode, struct slice payload) {
    ctfarm_add_frame(&connection->own, (uint8_t)opcode, payload);
}

static void say_close(struct ctfarm *server, struct ctfarm_connection *connection, uint16_t code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    say(connection, OP_CLOSE, (struct slice){payload, sizeof payload});
    connection->state = CTFARM_CLOSING;
    server->counts.feed_open--;
}

static void take_frame(struct ctfarm *server, struct ctfarm_connection *connection, uint8_t opcode,
                       struct slice payload) {
    connection->feed.heard_ms = server->now_ms;
    if (opcode == OP_PING) {
        server->counts.pings++;
        say(connection, OP_PONG, payload);
    } else if (opcode == OP_PONG) {
        server->counts.pongs++;
    } else if (opcode == OP_CLOSE) {
        say_close(server, connection, 1000);
    }
}

/* 1 when a frame was taken, 0 when more of it is needed, -1 when the client breaks the rules. */
static int take_one(struct ctfarm *server, struct ctfarm_connection *connection) {
    uint8_t *at = connection->input;
    size_t len = connection->input_len, head = 6, payload;
    if (len < 2)
        return 0;
    payload = at[1] & 0x7f;
    if (!(at[1] & 0x80) || payload == 127)
        return -1; /* not masked, or far too long */
    if (payload == 126) {
        if (len < 4)
            return 0;
        payload = (size_t)at[2] << 8 | at[3];
        head = 8;
    }
    if (payload > CLIENT_MESSAGE_MAX)
        return -1;
    if (len < head + payload)
        return 0;
    for (size_t i = 0; i < payload; i++)
        at[head + i] ^= at[head - 4 + i % 4];
    take_frame(server, connection, at[0] & 15, (struct slice){at + head, payload});
    connection->input_len -= head + payload;
    memmove(at, at + head + payload, connection->input_len);
    return 1;
}

void ctfarm_feed_input(struct ctfarm *server, struct ctfarm_connection *connection) {
    int taken = 1;
    while (taken > 0 && connection->state == CTFARM_FEEDING)
        taken = take_one(server, connection);
    if (taken < 0)
        say_close(server, connection, CLOSE_TOO_BIG);
}

/* --- Messages --- */

static bool happens(struct ctfarm *server, enum ctfarm_fault fault, uint64_t index) {
    struct ctfarm_occasion occasion = {
        .class = CTFARM_CLASS_FEED, .has_entries = true, .first = index, .last = index};
    return ctfarm_fault_happens(&server->faults, fault, &occasion);
}

/* One message and what may go wrong with it. */
static void add_faulty(struct ctfarm *server, struct ctfarm_connection *connection,
                       struct slice message) {
    static const uint8_t HUGE_HEAD[] = {0x81, 127, 0, 0, 0, 0, 0x40, 0, 0, 0};
    static const uint8_t NOISE[] = {0, 0xff, 0x80, 0xc0, 0xc1, 0xf5, '{', '"'};
    uint64_t index = connection->feed.cursor++;
    struct buffer *out = &connection->own;
    server->counts.messages += message.len > 0;
    if (happens(server, CTFARM_FAULT_FEED_STALL, index)) {
        connection->feed.stalled = true;
        return;
    }
    if (happens(server, CTFARM_FAULT_FEED_DROP, index))
        return;
    if (happens(server, CTFARM_FAULT_FEED_CLOSE, index))
        return say_close(server, connection, CLOSE_GOING_AWAY);
    if (happens(server, CTFARM_FAULT_FEED_BINARY, index))
        say(connection, OP_BINARY, (struct slice){NOISE, sizeof NOISE});
    if (happens(server, CTFARM_FAULT_FEED_HUGE, index)) {
        buffer_add(out, HUGE_HEAD, sizeof HUGE_HEAD);
        connection->filler_left = UINT64_C(1) << 30;
        return;
    }
    if (happens(server, CTFARM_FAULT_FEED_CUT, index)) {
        buffer_add_slice(out, slice_first(message, message.len / 2));
        connection->state = CTFARM_CLOSING;
        server->counts.feed_open--;
        return;
    }
    if (happens(server, CTFARM_FAULT_FEED_GARBAGE, index))
        return say(connection, OP_TEXT, slice_of("{\"message_type\":\"certificate_upd"));
    buffer_add_slice(out, message);
    if (happens(server, CTFARM_FAULT_FEED_TWICE, index))
        buffer_add_slice(out, message);
}

static void count_messages(struct ctfarm *server, const struct ctfarm_page *page, uint32_t from,
                           uint32_t to) {
    for (uint32_t i = from; i < to; i++)
        server->counts.messages += page->offsets[i] < page->offsets[i + 1];
}

/* The messages of the cursor's page, up to `end`. */
static bool give_page(struct ctfarm *server, struct ctfarm_connection *connection, uint64_t end) {
    uint64_t number = connection->feed.cursor / CTFARM_TILE, base = number * CTFARM_TILE;
    struct ctfarm_page *page = ctfarm_page_get(server->pages, connection->feed.form, number);
    if (!page)
        return false;
    uint32_t from = (uint32_t)(connection->feed.cursor - base);
    uint32_t to = end - base < CTFARM_TILE ? (uint32_t)(end - base) : CTFARM_TILE;
    if (ctfarm_faults_any(&server->faults, CTFARM_FAULT_FEED_DROP, CTFARM_FAULT_FEED_STALL)) {
        add_faulty(server, connection,
                   (struct slice){page->bytes.ptr + page->offsets[from],
                                  page->offsets[from + 1] - page->offsets[from]});
        ctfarm_page_put(page);
        return true;
    }
    connection->feed.cursor = base + to;
    count_messages(server, page, from, to);
    if (page->offsets[from] == page->offsets[to]) {
        ctfarm_page_put(page);
        return true;
    }
    connection->parts[0] = (struct ctfarm_reply_part){page, page->offsets[from], page->offsets[to]};
    connection->part = 0;
    connection->part_count = 1;
    return true;
}

bool ctfarm_feed_pump(struct ctfarm *server, struct ctfarm_connection *connection) {
    uint64_t size = ctfarm_size(server), queue = server->options.queue;
    if (queue && size - connection->feed.cursor > queue) {
        server->counts.missed += size - connection->feed.cursor - queue;
        connection->feed.cursor = size - queue;
    }
    while (connection->state == CTFARM_FEEDING && connection->feed.cursor < size &&
           !connection->feed.stalled && ctfarm_connection_sent(connection)) {
        if (!give_page(server, connection, size)) {
            ctfarm_connection_close(server, connection, false);
            return false;
        }
    }
    return true;
}

/* --- Time --- */

bool ctfarm_feed_tick(struct ctfarm *server, struct ctfarm_connection *connection) {
    const struct ctfarm_options *options = &server->options;
    int64_t now = server->now_ms;
    if (options->idle_ms && now - connection->feed.heard_ms >= (int64_t)options->idle_ms) {
        server->counts.idle_closed++;
        if (connection->feed.dialect == CTFARM_GO) { /* the others say nothing */
            say_close(server, connection, CLOSE_POLICY);
            return true;
        }
        ctfarm_connection_close(server, connection, false);
        return false;
    }
    if (options->heartbeat_ms && now >= connection->feed.heartbeat_ms &&
        !connection->feed.stalled) {
        struct buffer text;
        buffer_init(&text);
        ctfarm_feed_add_heartbeat(connection->feed.dialect, now, &text);
        say(connection, OP_TEXT, buffer_slice(&text));
        buffer_deinit(&text);
        connection->feed.heartbeat_ms = now + options->heartbeat_ms;
    }
    if (options->ping_ms && now >= connection->feed.ping_ms && !connection->feed.stalled) {
        say(connection, OP_PING, slice_of("ctfarm"));
        connection->feed.ping_ms = now + options->ping_ms;
    }
    return true;
}
