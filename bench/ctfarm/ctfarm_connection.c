/* One client: what it sends, what it gets. A request is read only when the answer to the one before
 * it has been sent, so that pipelining needs no further thought. */
#include "bench/ctfarm/ctfarm_server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DRIP_BYTES = 16,
    VECTORS = CTFARM_PARTS_MAX + 2,
    FILLER_BYTES = 65536,
    ROUNDS = 32 /* of one connection before others have their turn */
};

enum progress { PROGRESS_DONE, PROGRESS_WAIT, PROGRESS_GONE };

/* --- Opening and closing --- */

void ctfarm_connection_open(struct ctfarm *server, int descriptor) {
    struct ctfarm_connection *connection = malloc(sizeof *connection);
    if (!connection) {
        close(descriptor);
        return;
    }
    memset(connection, 0, offsetof(struct ctfarm_connection, input));
    connection->descriptor = descriptor;
    connection->input_len = 0;
    memset(&connection->own, 0, sizeof *connection - offsetof(struct ctfarm_connection, own));
    connection->events = EPOLLIN;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        if (connection->ssl) {
            SSL_set_fd(connection->ssl, descriptor);
            SSL_set_accept_state(connection->ssl);
            SSL_set_mode(connection->ssl,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        }
    }
    if ((server->tls && !connection->ssl) ||
        epoll_ctl(server->events, EPOLL_CTL_ADD, descriptor, &event)) {
        SSL_free(connection->ssl);
        close(descriptor);
        free(connection);
        return;
    }
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->counts.connections++;
    if (++server->counts.open > server->counts.most_open)
        server->counts.most_open = server->counts.open;
}

void ctfarm_connection_close(struct ctfarm *server, struct ctfarm_connection *connection,
                             bool reset) {
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (connection->next)
        connection->next->previous = connection->previous;
    *(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
    for (; connection->part < connection->part_count; connection->part++)
        ctfarm_page_put(connection->parts[connection->part].page);
    if (connection->state == CTFARM_FEEDING)
        server->counts.feed_open--;
    server->counts.open--;
    SSL_free(connection->ssl);
    close(connection->descriptor);
    buffer_deinit(&connection->own);
    free(connection);
}

static void set_events(struct ctfarm *server, struct ctfarm_connection *connection,
                       uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (connection->events != events &&
        epoll_ctl(server->events, EPOLL_CTL_MOD, connection->descriptor, &event) == 0)
        connection->events = events;
}

/* --- Sending --- */

bool ctfarm_connection_sent(const struct ctfarm_connection *connection) {
    return connection->own_sent == connection->own.len &&
           connection->part == connection->part_count && !connection->tail &&
           connection->filler_left == 0;
}

static size_t gather(const struct ctfarm_connection *connection, struct iovec vectors[VECTORS]) {
    static uint8_t filler[FILLER_BYTES]; /* constant: zeros */
    size_t count = 0;
    if (connection->own_sent < connection->own.len)
        vectors[count++] = (struct iovec){connection->own.ptr + connection->own_sent,
                                          connection->own.len - connection->own_sent};
    for (uint32_t i = connection->part; i < connection->part_count; i++) {
        const struct ctfarm_reply_part *part = &connection->parts[i];
        vectors[count++] =
            (struct iovec){part->page->bytes.ptr + part->from, part->to - part->from};
    }
    if (connection->tail) {
        const char *tail = connection->tail + connection->tail_sent;
        vectors[count++] = (struct iovec){(void *)(uintptr_t)tail, strlen(tail)};
    }
    if (count == 0 && connection->filler_left)
        vectors[count++] =
            (struct iovec){filler, connection->filler_left < FILLER_BYTES ? connection->filler_left
                                                                          : FILLER_BYTES};
    return count;
}

/* `len` bytes of what was gathered are sent. */
static void advance(struct ctfarm_connection *connection, size_t len) {
    size_t own = connection->own.len - connection->own_sent;
    size_t step = len < own ? len : own;
    connection->own_sent += step;
    len -= step;
    while (connection->part < connection->part_count) {
        struct ctfarm_reply_part *part = &connection->parts[connection->part];
        step = len < part->to - part->from ? len : part->to - part->from;
        part->from += (uint32_t)step;
        len -= step;
        if (part->from < part->to)
            return;
        ctfarm_page_put(part->page);
        connection->part++;
    }
    if (connection->tail) {
        size_t left = strlen(connection->tail + connection->tail_sent);
        step = len < left ? len : left;
        connection->tail_sent += step;
        len -= step;
        if (step == left)
            connection->tail = NULL;
    }
    connection->filler_left -= len;
}

static ssize_t send_tls(struct ctfarm_connection *connection, const struct iovec *vector,
                        size_t limit) {
    size_t len = vector->iov_len < limit ? vector->iov_len : limit;
    int result = SSL_write(connection->ssl, vector->iov_base, (int)(len < 65536 ? len : 65536));
    if (result > 0)
        return result;
    int reason = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    errno = reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
    return -1;
}

static ssize_t send_some(struct ctfarm_connection *connection) {
    struct iovec vectors[VECTORS];
    size_t count = gather(connection, vectors);
    if (connection->dripping && vectors[0].iov_len > DRIP_BYTES) {
        vectors[0].iov_len = DRIP_BYTES;
        count = 1;
    }
    if (connection->ssl)
        return send_tls(connection, vectors, vectors[0].iov_len);
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    return sendmsg(connection->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static enum progress flush(struct ctfarm *server, struct ctfarm_connection *connection) {
    while (!ctfarm_connection_sent(connection)) {
        ssize_t len = send_some(connection);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return errno == EAGAIN ? PROGRESS_WAIT : PROGRESS_GONE;
        server->counts.bytes += (size_t)len;
        advance(connection, (size_t)len);
        if (connection->dripping && !ctfarm_connection_sent(connection))
            return PROGRESS_WAIT;
    }
    connection->own.len = connection->own_sent = 0;
    connection->part = connection->part_count = 0;
    connection->tail_sent = 0;
    connection->dripping = false;
    return PROGRESS_DONE;
}

/* --- Receiving --- */

static ssize_t receive_tls(struct ctfarm_connection *connection, uint8_t *at, size_t room) {
    int result = SSL_read(connection->ssl, at, (int)room);
    if (result > 0)
        return result;
    int reason = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    errno = EAGAIN;
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return -1;
    errno = EPIPE;
    return reason == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static enum progress receive(struct ctfarm_connection *connection) {
    uint8_t *at = connection->input + connection->input_len;
    size_t room = sizeof connection->input - connection->input_len;
    if (room == 0)
        return PROGRESS_GONE; /* no request is that long */
    ssize_t len = connection->ssl ? receive_tls(connection, at, room)
                                  : recv(connection->descriptor, at, room, MSG_DONTWAIT);
    if (len > 0) {
        connection->input_len += (size_t)len;
        return PROGRESS_DONE;
    }
    return len < 0 && (errno == EAGAIN || errno == EINTR) ? PROGRESS_WAIT : PROGRESS_GONE;
}

static void consume(struct ctfarm_connection *connection, size_t len) {
    connection->input_len -= len;
    memmove(connection->input, connection->input + len, connection->input_len);
}

/* --- All of it --- */

enum step { STEP_SEND, STEP_WAIT, STEP_CLOSED };

/* Answers the next request if it is complete. */
static enum step take_request(struct ctfarm *server, struct ctfarm_connection *connection) {
    struct ctfarm_request request;
    struct slice input = {connection->input, connection->input_len};
    size_t taken = 0;
    int parsed = ctfarm_request_parse(input, &request, &taken);
    if (parsed == 0)
        return STEP_WAIT;
    if (parsed < 0) {
        ctfarm_connection_close(server, connection, false);
        return STEP_CLOSED;
    }
    bool close_after = request.close;
    if (!ctfarm_answer(server, connection, &request))
        return STEP_CLOSED;
    if (close_after && connection->state == CTFARM_READING)
        connection->state = CTFARM_CLOSING;
    consume(connection, taken);
    return STEP_SEND;
}

static enum step use_input(struct ctfarm *server, struct ctfarm_connection *connection) {
    switch (connection->state) {
    case CTFARM_READING:
        return take_request(server, connection);
    case CTFARM_FEEDING:
        ctfarm_feed_input(server, connection);
        if (!ctfarm_feed_pump(server, connection))
            return STEP_CLOSED;
        return ctfarm_connection_sent(connection) && connection->state == CTFARM_FEEDING
                   ? STEP_WAIT
                   : STEP_SEND;
    case CTFARM_STALLED:
    case CTFARM_CLOSING:
        break;
    }
    connection->input_len = 0;
    return STEP_WAIT;
}

static enum step next_step(struct ctfarm *server, struct ctfarm_connection *connection) {
    for (;;) {
        enum step step = use_input(server, connection);
        if (step != STEP_WAIT)
            return step;
        enum progress progress = receive(connection);
        if (progress == PROGRESS_WAIT)
            return STEP_WAIT;
        if (progress == PROGRESS_GONE) {
            ctfarm_connection_close(server, connection, false);
            return STEP_CLOSED;
        }
    }
}

void ctfarm_connection_run(struct ctfarm *server, struct ctfarm_connection *connection) {
    for (int budget = ROUNDS;; budget--) {
        enum progress progress = flush(server, connection);
        if (progress == PROGRESS_GONE ||
            (progress == PROGRESS_DONE && connection->state == CTFARM_CLOSING)) {
            ctfarm_connection_close(server, connection, false);
            return;
        }
        if (progress == PROGRESS_WAIT || budget == 0) /* what drips is sent by the clock */
            return set_events(server, connection, connection->dripping ? 0 : EPOLLOUT);
        switch (next_step(server, connection)) {
        case STEP_SEND:
            break;
        case STEP_WAIT:
            return set_events(server, connection, EPOLLIN);
        case STEP_CLOSED:
            return;
        }
    }
}

void ctfarm_connection_tick(struct ctfarm *server, struct ctfarm_connection *connection) {
    if (connection->state != CTFARM_FEEDING && !connection->dripping)
        return;
    if (connection->state != CTFARM_FEEDING || !ctfarm_connection_sent(connection) ||
        ctfarm_feed_tick(server, connection))
        ctfarm_connection_run(server, connection);
}
