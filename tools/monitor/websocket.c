#include "tools/monitor/websocket.h"

#include "engine/base/base64.h"
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/http/frames.h"
#include "sinks/store/database.h"
#include "tools/monitor/api.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SOCKETS_MAX = 128,
    PING_MS = 20 * 1000,
    WAITING_MAX = 64 * 1024,      /* bytes for one who reads slowly, then the hub keeps the rest */
    RESUME_MAX = 4 * 1024 * 1024, /* bytes that are read back */
    RESUME_EVENTS = 10000,
    MESSAGE_MAX = 64 * 1024, /* of a client; nothing is done with it */
    READ_BYTES = 4096,
    KEY_BYTES = 16,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL_ERROR = 1002,
};

struct api_websocket {
    struct websocket_loop *loop;
    struct api_websocket *next; /* among those that are handed over */
    struct event_reader *reader;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    atomic_bool has_news; /* the hub has something that was not looked at */
    bool is_over;         /* what waits is sent, and then it is closed */
    struct frames frames;
    struct buffer out; /* frames that wait; the first `sent` bytes are gone */
    size_t sent;
    uint64_t heard_ms, pinged_ms; /* when something came; of a ping without an answer, or 0 */
};

struct websocket_loop {
    struct websocket_loop_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    struct api_websocket *arrived; /* under the lock */
    bool is_closed;                /* likewise: nobody is taken any more */
    atomic_bool is_stopping;
    _Atomic uint32_t count; /* made, open or not yet */
    int wake_fd;
    struct api_websocket **sockets; /* the thread's */
    struct pollfd *polled;
    uint32_t open;
};

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / 1000000;
}

static void wake(struct websocket_loop *loop) {
    (void)!write(loop->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* --- Messages --- */

static void add_frame(struct api_websocket *socket, enum frame_opcode opcode,
                      struct slice payload) {
    uint8_t head[FRAME_HEAD_MAX];

    buffer_add(&socket->out, head, frame_write_head(opcode, payload.len, head));
    buffer_add_slice(&socket->out, payload);
}

static void add_message(struct api_websocket *socket, struct buffer *message) {
    if (!message->failed)
        add_frame(socket, FRAME_TEXT, buffer_slice(message));
    socket->out.failed |= message->failed;
    buffer_deinit(message);
}

static void add_gap(struct api_websocket *socket, uint64_t from, uint64_t to) {
    struct buffer message;

    buffer_init(&message);
    json_open(&message, NULL, '{');
    json_open(&message, "gap", '{');
    json_integer(&message, "from", from <= to ? (int64_t)from : 0);
    json_integer(&message, "to", from <= to ? (int64_t)to : 0);
    json_close(&message, '}');
    json_close(&message, '}');
    add_message(socket, &message);
}

/* The members of the event's own object stand behind ours. */
static void add_event(struct api_websocket *socket, const struct event *event) {
    struct slice members = slice_trim(event->body);
    struct buffer message;

    buffer_init(&message);
    json_open(&message, NULL, '{');
    if (event->seq)
        json_integer(&message, "seq", (int64_t)event->seq);
    json_time_ms(&message, "at", event->at_ms);
    json_text(&message, "kind", event->kind);
    members = slice_trim(slice_from(members, 1)); /* without its braces */
    members = slice_trim(slice_first(members, members.len ? members.len - 1 : 0));
    if (members.len) {
        buffer_add_byte(&message, ',');
        buffer_add_slice(&message, members);
    }
    json_close(&message, '}');
    add_message(socket, &message);
}

static void add_farewell(struct api_websocket *socket, uint16_t code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    if (!socket->is_over)
        add_frame(socket, FRAME_CLOSE, (struct slice){payload, sizeof payload});
    socket->is_over = true;
}

/* --- Making one; any thread --- */

static void on_news(void *owner) {
    struct api_websocket *socket = owner;

    if (!atomic_exchange(&socket->has_news, true))
        wake(socket->loop);
}

enum error api_websocket_new(struct api_websocket **out, struct websocket_loop *loop,
                             struct event_hub *hub, struct failure *failure) {
    if (atomic_fetch_add(&loop->count, 1) >= loop->config.sockets_max) {
        atomic_fetch_sub(&loop->count, 1);
        return failure_set(failure, ERROR_LIMIT, "there are %u WebSockets already",
                           loop->config.sockets_max);
    }
    struct api_websocket *socket = calloc(1, sizeof *socket);
    if (!socket) {
        atomic_fetch_sub(&loop->count, 1);
        return failure_set(failure, ERROR_MEMORY, "no memory for a WebSocket");
    }
    socket->loop = loop;
    socket->fd = -1;
    buffer_init(&socket->out);
    frames_init_server(&socket->frames);
    atomic_store(&socket->has_news, true);
    enum error error = event_reader_open(&socket->reader, hub, on_news, socket, failure);
    if (error) {
        api_websocket_free(socket);
        return error;
    }
    *out = socket;
    return ERROR_NONE;
}

void api_websocket_free(struct api_websocket *socket) {
    if (!socket)
        return;
    event_reader_close(socket->reader);
    buffer_deinit(&socket->out);
    atomic_fetch_sub(&socket->loop->count, 1);
    free(socket);
}

/* Reading back: `expected` is the number that would come next. */
struct reading_back {
    struct api_websocket *socket;
    uint64_t expected;
};

static enum error read_back(void *context, const struct event *event, struct failure *failure) {
    struct reading_back *reading = context;
    struct api_websocket *socket = reading->socket;

    if (socket->out.len > RESUME_MAX)
        return failure_set(failure, ERROR_STOPPED, "more events than are read back");
    if (event->seq > reading->expected)
        add_gap(socket, reading->expected, event->seq - 1);
    add_event(socket, event);
    reading->expected = event->seq + 1;
    return ERROR_NONE;
}

enum error api_websocket_resume(struct api_websocket *socket, uint64_t since,
                                struct database *database, struct failure *failure) {
    const struct event *event;
    struct event_gap gap;

    event_reader_seek(socket->reader, since);
    enum event_next next = event_reader_next(socket->reader, &event, &gap);
    if (next == EVENT_TAKEN) {
        add_event(socket, event);
        event_put(event);
    }
    if (next != EVENT_GAP || gap.from > gap.to)
        return ERROR_NONE;
    struct reading_back reading = {socket, gap.from};
    enum error error =
        events_replay(database, gap.from, gap.to, RESUME_EVENTS, read_back, &reading, failure);
    if (error && error != ERROR_STOPPED)
        return error;
    if (reading.expected <= gap.to)
        add_gap(socket, reading.expected, gap.to);
    return ERROR_NONE;
}

bool websocket_accept(struct slice key, struct buffer *out) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t both[24 + sizeof magic - 1], bytes[18], digest[SHA_DIGEST_LENGTH];
    uint8_t text[28];
    size_t len;

    if (key.len != 24 || !base64_decode(key, bytes, &len, NULL) || len != KEY_BYTES)
        return false;
    memcpy(both, key.ptr, key.len);
    memcpy(both + key.len, magic, sizeof magic - 1);
    SHA1(both, sizeof both, digest);
    base64_encode((struct slice){digest, sizeof digest}, text);
    buffer_add(out, text, sizeof text);
    return true;
}

/* --- The thread --- */

static void close_socket(struct api_websocket *socket) {
    struct MHD_UpgradeResponseHandle *handle = socket->handle;

    shutdown(socket->fd, SHUT_RDWR);
    api_websocket_free(socket);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static void on_piece(void *owner, struct slice piece, bool end) {
    (void)owner, (void)piece, (void)end; /* there is nothing to be said to us */
}

static void on_control(void *owner, enum frame_opcode opcode, struct slice payload) {
    struct api_websocket *socket = owner;

    if (opcode == FRAME_PING && !socket->is_over && socket->out.len < WAITING_MAX)
        add_frame(socket, FRAME_PONG, payload);
    else if (opcode == FRAME_CLOSE && !socket->is_over)
        add_frame(socket, FRAME_CLOSE, slice_first(payload, 2));
    socket->is_over |= opcode == FRAME_CLOSE;
}

static void take_bytes(struct api_websocket *socket, uint8_t *bytes, size_t len) {
    const struct frames_reader reader = {socket, MESSAGE_MAX, on_piece, on_control};

    socket->heard_ms = now_ms();
    socket->pinged_ms = 0;
    if (!socket->is_over && frames_read(&socket->frames, (struct slice){bytes, len}, &reader))
        add_farewell(socket, CLOSE_PROTOCOL_ERROR);
}

/* False: the other side is gone. */
static bool receive(struct api_websocket *socket) {
    uint8_t bytes[READ_BYTES];
    ssize_t len = recv(socket->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (len > 0)
        take_bytes(socket, bytes, (size_t)len);
    return len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR));
}

/* As much as is not too much to wait. */
static void fill(struct api_websocket *socket) {
    const struct event *event;
    struct event_gap gap;

    if (socket->is_over || !atomic_load(&socket->has_news))
        return;
    while (socket->out.len - socket->sent < WAITING_MAX) {
        atomic_store(&socket->has_news, false); /* news from here on wake us again */
        enum event_next next = event_reader_next(socket->reader, &event, &gap);
        if (next == EVENT_NONE)
            return;
        atomic_store(&socket->has_news, true);
        if (next == EVENT_GAP) {
            add_gap(socket, gap.from, gap.to);
            continue;
        }
        add_event(socket, event);
        event_put(event);
    }
}

/* False: the other side is gone, or there is no memory for it. */
static bool transmit(struct api_websocket *socket) {
    while (socket->sent < socket->out.len) {
        ssize_t len = send(socket->fd, socket->out.ptr + socket->sent,
                           socket->out.len - socket->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (len < 0)
            return (errno == EAGAIN || errno == EINTR) && !socket->out.failed;
        socket->sent += (size_t)len;
    }
    socket->out.len = socket->sent = 0;
    return !socket->out.failed;
}

/* False: it has not answered. */
static bool look_after(struct api_websocket *socket, uint64_t now) {
    uint32_t ping_ms = socket->loop->config.ping_ms;

    if (socket->pinged_ms)
        return now - socket->pinged_ms < ping_ms;
    if (now - socket->heard_ms >= ping_ms && !socket->is_over) {
        add_frame(socket, FRAME_PING, (struct slice){NULL, 0});
        socket->pinged_ms = now;
    }
    return true;
}

static bool serve(struct api_websocket *socket, short events) {
    bool there = !(events & (POLLIN | POLLHUP | POLLERR)) || receive(socket);

    fill(socket);
    there = there && look_after(socket, now_ms()) && transmit(socket);
    if (there)
        fill(socket); /* there is room again */
    return there && (!socket->is_over || socket->sent < socket->out.len);
}

static void welcome(struct websocket_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct api_websocket *socket = loop->arrived;
    loop->arrived = NULL;
    pthread_mutex_unlock(&loop->lock);
    for (struct api_websocket *next; socket; socket = next) {
        next = socket->next;
        loop->sockets[loop->open++] = socket;
        loop->polled[loop->open].revents = 0; /* it has not been waited for */
    }
}

static int wait_for_all(struct websocket_loop *loop) {
    loop->polled[0] = (struct pollfd){.fd = loop->wake_fd, .events = POLLIN};
    for (uint32_t i = 0; i < loop->open; i++) {
        struct api_websocket *socket = loop->sockets[i];
        bool waits = socket->sent < socket->out.len;
        loop->polled[i + 1] =
            (struct pollfd){.fd = socket->fd, .events = (short)(POLLIN | (waits ? POLLOUT : 0))};
    }
    int timeout = (int)(loop->config.ping_ms / 4);
    return poll(loop->polled, loop->open + 1, timeout ? timeout : 1);
}

static void serve_all(struct websocket_loop *loop) {
    uint32_t kept = 0, count = loop->open;

    for (uint32_t i = 0; i < count; i++) {
        struct api_websocket *socket = loop->sockets[i];
        if (serve(socket, loop->polled[i + 1].revents))
            loop->sockets[kept++] = socket;
        else
            close_socket(socket);
    }
    loop->open = kept;
}

static void close_all(struct websocket_loop *loop) {
    welcome(loop);
    for (uint32_t i = 0; i < loop->open; i++) {
        add_farewell(loop->sockets[i], CLOSE_GOING_AWAY);
        (void)transmit(loop->sockets[i]);
        close_socket(loop->sockets[i]);
    }
    loop->open = 0;
}

static void *run(void *context) {
    struct websocket_loop *loop = context;
    uint64_t many;

    while (!atomic_load(&loop->is_stopping)) {
        if (wait_for_all(loop) < 0 && errno != EINTR)
            poll(NULL, 0, 10);
        if (loop->polled[0].revents)
            (void)!read(loop->wake_fd, &many, sizeof many);
        welcome(loop); /* who is new may have news, of which nobody wakes us again */
        serve_all(loop);
    }
    close_all(loop);
    return NULL;
}

/* --- Handing over; the server's thread --- */

void api_websocket_upgrade(void *owner, struct MHD_Connection *connection, void *request,
                           const char *extra, size_t extra_len, MHD_socket fd,
                           struct MHD_UpgradeResponseHandle *handle) {
    struct api_websocket *socket = owner;
    struct websocket_loop *loop = socket->loop;
    uint8_t bytes[READ_BYTES];

    (void)connection, (void)request;
    socket->fd = fd;
    socket->handle = handle;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    socket->heard_ms = now_ms();
    for (size_t at = 0; at < extra_len; at += sizeof bytes) { /* what came behind the request */
        size_t len = extra_len - at < sizeof bytes ? extra_len - at : sizeof bytes;
        memcpy(bytes, extra + at, len);
        take_bytes(socket, bytes, len);
    }
    pthread_mutex_lock(&loop->lock);
    bool is_closed = loop->is_closed;
    if (!is_closed) {
        socket->next = loop->arrived;
        loop->arrived = socket;
    }
    pthread_mutex_unlock(&loop->lock);
    if (is_closed)
        close_socket(socket);
    else
        wake(loop);
}

/* --- Starting --- */

void websocket_loop_free(struct websocket_loop *loop) {
    if (!loop)
        return;
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop->sockets);
    free(loop->polled);
    free(loop);
}

enum error websocket_loop_start(struct websocket_loop **out,
                                const struct websocket_loop_config *config,
                                struct failure *failure) {
    struct websocket_loop *loop = calloc(1, sizeof *loop);
    uint32_t most = config->sockets_max ? config->sockets_max : SOCKETS_MAX;

    if (!loop)
        return failure_set(failure, ERROR_MEMORY, "no memory for WebSockets");
    loop->config = (struct websocket_loop_config){
        .sockets_max = most, .ping_ms = config->ping_ms ? config->ping_ms : PING_MS};
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->sockets = calloc(most, sizeof(struct api_websocket *));
    loop->polled = calloc(most + 1, sizeof(struct pollfd));
    enum error error = ERROR_NONE;
    if (loop->wake_fd < 0 || !loop->sockets || !loop->polled)
        error = failure_set(failure, ERROR_MEMORY, "no memory or descriptor for WebSockets");
    else
        error = thread_start(&loop->thread, "websockets", run, loop, failure);
    if (error) {
        websocket_loop_free(loop);
        return error;
    }
    *out = loop;
    return ERROR_NONE;
}

void websocket_loop_stop(struct websocket_loop *loop) {
    if (!loop)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->is_closed = true;
    pthread_mutex_unlock(&loop->lock);
    atomic_store(&loop->is_stopping, true);
    wake(loop);
    pthread_join(loop->thread, NULL);
}

uint32_t websocket_loop_count(const struct websocket_loop *loop) {
    return atomic_load(&loop->count);
}
