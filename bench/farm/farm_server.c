/* The farm's thread: one epoll loop, level-triggered.
 *
 *     events ── stop (eventfd)
 *            ├─ arrivals (epoll) ── every listener
 *            └─ every connection
 *
 * The listeners have an epoll of their own inside the first one, so that accepting can be stopped
 * with one call when the connections are at their limit; clients then wait in the kernel's queues.
 *
 * TLS goes through memory BIOs: one recv brings all there is, one send takes a whole flight. */
#include "bench/farm/farm_server.h"

#include "engine/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_DEFAULT = 4096,
    CONNECTIONS_MIN = 16,
    EVENTS = 256,
    ACCEPTS_A_ROUND = 64, /* from one listener, so that none starves the others */
    INPUT_BYTES = 16384,
    OUTPUT_BYTES_MAX = 256 * 1024, /* nobody who reads what he asks for lets as much pile up */
    RETRY_MS = 100,                /* after running out of descriptors or buffers */
    TLS_HANDSHAKE_RECORD = 22,
    TLS_HEADER_BYTES = 5,
};

enum state {
    STATE_FREE = 0,
    STATE_HELLO,     /* waits for the whole hello, then misbehaves */
    STATE_HANDSHAKE, /* in BoringSSL's hands */
    STATE_OPEN,      /* handshake done: reads what comes, until the client closes */
    STATE_MUTE,      /* no TLS, or no more of it: ignores what comes, until the client closes */
    STATE_LINGER,    /* our side is done: the rest of the output, then FIN; waits for the client's.
                        Closing at once would make a reset out of unread input, and the reset would
                        overtake the alert that the client is to see */
    STATE_COUNT,
};

#define TO(state) (1u << (state))

/* Any state ends in STATE_FREE. */
static const uint8_t TRANSITIONS[STATE_COUNT] = {
    [STATE_FREE] = TO(STATE_HELLO) | TO(STATE_HANDSHAKE) | TO(STATE_MUTE),
    [STATE_HELLO] = TO(STATE_FREE) | TO(STATE_MUTE) | TO(STATE_LINGER),
    [STATE_HANDSHAKE] = TO(STATE_FREE) | TO(STATE_OPEN) | TO(STATE_LINGER),
    [STATE_OPEN] = TO(STATE_FREE) | TO(STATE_LINGER),
    [STATE_MUTE] = TO(STATE_FREE),
    [STATE_LINGER] = TO(STATE_FREE),
};

/* A connection always waits for exactly one of these. All waits of a kind are equally long, so a
 * queue in order of arrival is in order of time too. */
enum timer { TIMER_LIFE = 0, TIMER_DRIP, TIMER_LINGER, TIMER_COUNT };

static const uint64_t TIMER_NS[TIMER_COUNT] = {
    [TIMER_LIFE] = 60u * 1000000000ull,
    [TIMER_DRIP] = 1000000000ull,
    [TIMER_LINGER] = 2u * 1000000000ull,
};

struct connection {
    const struct farm_listener *listener;
    SSL *ssl;    /* from the first byte received on; NULL where there is no TLS */
    BIO *output; /* belongs to `ssl`: what is to be sent */
    uint64_t accepted_ns, due_ns;
    struct connection *previous, *next; /* in the queue of `timer`; next free one in STATE_FREE */
    uint32_t received;                  /* of the hello */
    int descriptor;
    uint8_t state, timer; /* enums above */
    bool waits_to_send;
    uint8_t header[TLS_HEADER_BYTES]; /* of the hello's record */
};

struct timer_queue {
    struct connection *first, *last;
};

struct farm_server {
    pthread_t thread;
    int stop, events, arrivals;
    uint32_t limit, active;
    bool paused;
    uint64_t now_ns, retry_ns; /* retry_ns: when accepting is tried again; 0 for never */
    struct connection *connections, *free;
    struct timer_queue timers[TIMER_COUNT];
    uint8_t input[INPUT_BYTES];
};

/* --- What connections are told that do not get TLS --- */

static const uint8_t ALERT_ANSWER[] = {21, 3, 3, 0, 2, 2, 40}; /* fatal, handshake_failure */

static const uint8_t HTTP_ANSWER[] = "HTTP/1.1 400 Bad Request\r\n"
                                     "Content-Type: text/plain\r\n"
                                     "Content-Length: 20\r\n"
                                     "Connection: close\r\n"
                                     "\r\n"
                                     "This is plain HTTP.\n";

/* TLS 1.2, one record: ServerHello with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and an empty
 * renegotiation_info, Certificate with one entry of 30 bytes. */
static const uint8_t RUBBISH_ANSWER[] = "\x16\x03\x03\x00\x59"
                                        "\x02\x00\x00\x2d\x03\x03"
                                        "32 bytes of server hello random."
                                        "\x00\xc0\x2f\x00\x00\x05\xff\x01\x00\x01\x00"
                                        "\x0b\x00\x00\x24\x00\x00\x21\x00\x00\x1e"
                                        "these bytes are no certificate";

/* --- Connections --- */

static void timer_stop(struct farm_server *server, struct connection *connection) {
    struct timer_queue *queue = &server->timers[connection->timer];
    *(connection->previous ? &connection->previous->next : &queue->first) = connection->next;
    *(connection->next ? &connection->next->previous : &queue->last) = connection->previous;
}

static void timer_start(struct farm_server *server, struct connection *connection,
                        enum timer timer) {
    struct timer_queue *queue = &server->timers[timer];
    connection->timer = (uint8_t)timer;
    connection->due_ns = server->now_ns + TIMER_NS[timer];
    connection->previous = queue->last;
    connection->next = NULL;
    *(queue->last ? &queue->last->next : &queue->first) = connection;
    queue->last = connection;
}

static void timer_change(struct farm_server *server, struct connection *connection,
                         enum timer timer) {
    timer_stop(server, connection);
    timer_start(server, connection, timer);
}

static void set_state(struct connection *connection, enum state state) {
    assert(TRANSITIONS[connection->state] & TO(state));
    connection->state = (uint8_t)state;
}

static void watch(struct farm_server *server, int operation, int descriptor, uint32_t events,
                  void *whose) {
    struct epoll_event event = {.events = events, .data.ptr = whose};
    int result = epoll_ctl(server->events, operation, descriptor, &event);
    (void)result; /* out of kernel memory: the connection's timer ends it */
}

static void set_paused(struct farm_server *server, bool paused) {
    if (server->paused == paused)
        return;
    server->paused = paused;
    watch(server, EPOLL_CTL_MOD, server->arrivals, paused ? 0 : EPOLLIN, &server->arrivals);
}

static void connection_close(struct farm_server *server, struct connection *connection) {
    set_state(connection, STATE_FREE);
    timer_stop(server, connection);
    SSL_free(connection->ssl);
    close(connection->descriptor);
    *connection = (struct connection){.next = server->free};
    server->free = connection;
    server->active--;
    set_paused(server, false);
}

static void connection_open(struct farm_server *server, const struct farm_listener *listener,
                            int descriptor) {
    struct connection *connection = server->free;
    server->free = connection->next;
    server->active++;
    *connection = (struct connection){
        .listener = listener, .descriptor = descriptor, .accepted_ns = server->now_ns};
    if (farm_profile_has_tls(listener->profile))
        set_state(connection, STATE_HANDSHAKE);
    else
        set_state(connection,
                  listener->profile->behaviour == FARM_STAY_MUTE ? STATE_MUTE : STATE_HELLO);
    timer_start(server, connection, TIMER_LIFE);
    watch(server, EPOLL_CTL_ADD, descriptor, EPOLLIN, connection);
}

/* --- Output --- */

static size_t output_waiting(const struct connection *connection) {
    const uint8_t *bytes;
    size_t len;
    return connection->ssl && BIO_mem_contents(connection->output, &bytes, &len) ? len : 0;
}

/* Sends up to `max` bytes of what waits; false when the connection is broken. */
static bool output_send(struct farm_server *server, struct connection *connection, size_t max) {
    const uint8_t *bytes;
    size_t len;
    if (!BIO_mem_contents(connection->output, &bytes, &len) || len == 0)
        return true;
    ssize_t sent = send(connection->descriptor, bytes, len < max ? len : max, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    if ((size_t)sent == len)
        return BIO_reset(connection->output) == 1;
    for (size_t left = (size_t)sent; left;) {
        size_t part = left < sizeof server->input ? left : sizeof server->input;
        int taken = BIO_read(connection->output, server->input, (int)part);
        if (taken <= 0)
            return false;
        left -= (size_t)taken;
    }
    return true;
}

/* Sends what can be sent, and goes on with the rest when the client takes it; the connection may be
 * closed after it. */
static void flush(struct farm_server *server, struct connection *connection) {
    if (connection->listener->profile->behaviour == FARM_DRIP &&
        connection->state != STATE_LINGER) {
        if (output_waiting(connection) && connection->timer != TIMER_DRIP)
            timer_change(server, connection, TIMER_DRIP);
        return;
    }
    if (connection->ssl && !output_send(server, connection, SIZE_MAX)) {
        connection_close(server, connection);
        return;
    }
    size_t waiting = output_waiting(connection);
    if (waiting > OUTPUT_BYTES_MAX) {
        connection_close(server, connection);
        return;
    }
    if (connection->waits_to_send != (waiting > 0)) {
        connection->waits_to_send = waiting > 0;
        watch(server, EPOLL_CTL_MOD, connection->descriptor, EPOLLIN | (waiting ? EPOLLOUT : 0u),
              connection);
    }
    if (!waiting && connection->state == STATE_LINGER)
        shutdown(connection->descriptor, SHUT_WR);
}

static void finish(struct farm_server *server, struct connection *connection) {
    set_state(connection, STATE_LINGER);
    timer_change(server, connection, TIMER_LINGER);
}

static void drip(struct farm_server *server, struct connection *connection) {
    if (server->now_ns - connection->accepted_ns >= TIMER_NS[TIMER_LIFE] ||
        !output_send(server, connection, 1)) {
        connection_close(server, connection);
        return;
    }
    timer_change(server, connection, output_waiting(connection) ? TIMER_DRIP : TIMER_LIFE);
}

/* --- Input --- */

static bool tls_start(struct connection *connection) {
    SSL *ssl = SSL_new(connection->listener->context);
    BIO *input = BIO_new(BIO_s_mem()), *output = BIO_new(BIO_s_mem());
    if (!ssl || !input || !output) {
        SSL_free(ssl);
        BIO_free(input);
        BIO_free(output);
        return false;
    }
    SSL_set_bio(ssl, input, output);
    SSL_set_accept_state(ssl);
    connection->ssl = ssl;
    connection->output = output;
    return true;
}

static void take_tls(struct farm_server *server, struct connection *connection, size_t len) {
    if ((!connection->ssl && !tls_start(connection)) ||
        BIO_write(SSL_get_rbio(connection->ssl), server->input, (int)len) != (int)len) {
        connection_close(server, connection);
        return;
    }
    if (connection->state == STATE_HANDSHAKE) {
        int result = SSL_do_handshake(connection->ssl);
        if (result == 1)
            set_state(connection, STATE_OPEN);
        else if (SSL_get_error(connection->ssl, result) != SSL_ERROR_WANT_READ)
            finish(server, connection);
    }
    if (connection->state == STATE_OPEN) {
        int result;
        do
            result = SSL_read(connection->ssl, server->input, sizeof server->input);
        while (result > 0);
        int reason = SSL_get_error(connection->ssl, result);
        if (reason == SSL_ERROR_ZERO_RETURN)
            SSL_shutdown(connection->ssl);
        if (reason != SSL_ERROR_WANT_READ)
            finish(server, connection);
    }
    ERR_clear_error();
    flush(server, connection);
}

/* True once the first record is complete, or what came is no TLS handshake. */
static bool hello_complete(struct connection *connection, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len && connection->received + i < TLS_HEADER_BYTES; i++)
        connection->header[connection->received + i] = bytes[i];
    connection->received += (uint32_t)len;
    if (connection->header[0] != TLS_HANDSHAKE_RECORD)
        return true;
    uint32_t body = (uint32_t)connection->header[3] << 8 | connection->header[4];
    return connection->received >= TLS_HEADER_BYTES &&
           connection->received - TLS_HEADER_BYTES >= body;
}

static void answer(struct farm_server *server, struct connection *connection, const uint8_t *bytes,
                   size_t len) {
    /* A fresh socket takes these few bytes at once, or it is broken. */
    if (send(connection->descriptor, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
        connection_close(server, connection);
        return;
    }
    finish(server, connection);
    flush(server, connection);
}

static void misbehave(struct farm_server *server, struct connection *connection) {
    switch ((enum farm_behaviour)connection->listener->profile->behaviour) {
    case FARM_SAY_ALERT:
        answer(server, connection, ALERT_ANSWER, sizeof ALERT_ANSWER);
        break;
    case FARM_SAY_HTTP:
        answer(server, connection, HTTP_ANSWER, sizeof HTTP_ANSWER - 1);
        break;
    case FARM_SAY_RUBBISH:
        if (send(connection->descriptor, RUBBISH_ANSWER, sizeof RUBBISH_ANSWER - 1, MSG_NOSIGNAL) <
            0)
            connection_close(server, connection);
        else
            set_state(connection, STATE_MUTE); /* the client is to end it */
        break;
    case FARM_CLOSE:
        finish(server, connection);
        flush(server, connection);
        break;
    case FARM_RESET: {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        connection_close(server, connection);
        break;
    }
    case FARM_SERVE:
    case FARM_DRIP:
    case FARM_STAY_MUTE:
    case FARM_REFUSE:
        assert(false && "no connection of these waits for a hello");
    }
}

static void on_readable(struct farm_server *server, struct connection *connection) {
    ssize_t len = recv(connection->descriptor, server->input, sizeof server->input, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        connection_close(server, connection);
        return;
    }
    switch ((enum state)connection->state) {
    case STATE_HELLO:
        if (hello_complete(connection, server->input, (size_t)len))
            misbehave(server, connection);
        break;
    case STATE_HANDSHAKE:
    case STATE_OPEN:
        take_tls(server, connection, (size_t)len);
        break;
    case STATE_MUTE:
    case STATE_LINGER:
        break;
    case STATE_FREE:
    case STATE_COUNT:
        assert(false && "events come from open connections only");
    }
}

/* --- The loop --- */

static void accept_from(struct farm_server *server, const struct farm_listener *listener) {
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        if (server->active == server->limit) {
            set_paused(server, true); /* until one closes */
            return;
        }
        int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            connection_open(server, listener, descriptor);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            set_paused(server, true);
            server->retry_ns = server->now_ns + RETRY_MS * 1000000ull;
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_arrivals(struct farm_server *server) {
    struct epoll_event arrivals[EVENTS];
    int count = epoll_wait(server->arrivals, arrivals, EVENTS, 0);
    for (int i = 0; i < count && !server->paused; i++)
        accept_from(server, arrivals[i].data.ptr);
}

static void expire(struct farm_server *server) {
    for (int timer = 0; timer < TIMER_COUNT; timer++) {
        struct connection *first;
        while ((first = server->timers[timer].first) && first->due_ns <= server->now_ns) {
            if (timer == TIMER_DRIP)
                drip(server, first);
            else
                connection_close(server, first);
        }
    }
    if (server->retry_ns && server->retry_ns <= server->now_ns) {
        server->retry_ns = 0;
        set_paused(server, server->active == server->limit);
    }
}

static int wait_ms(const struct farm_server *server) {
    uint64_t due = server->retry_ns ? server->retry_ns : UINT64_MAX;
    for (int timer = 0; timer < TIMER_COUNT; timer++) {
        const struct connection *first = server->timers[timer].first;
        if (first && first->due_ns < due)
            due = first->due_ns;
    }
    if (due == UINT64_MAX)
        return -1;
    return due <= server->now_ns ? 0 : (int)((due - server->now_ns + 999999) / 1000000);
}

static void *serve(void *argument) {
    struct farm_server *server = argument;
    struct epoll_event events[EVENTS];
    for (bool stop = false; !stop;) {
        server->now_ns = clock_monotonic_ns();
        expire(server);
        int count = epoll_wait(server->events, events, EVENTS, wait_ms(server));
        server->now_ns = clock_monotonic_ns();
        bool arrivals = false;
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].data.ptr == &server->stop)
                stop = true;
            else if (events[i].data.ptr == &server->arrivals)
                arrivals = true;
            else if (events[i].events & ~(uint32_t)EPOLLOUT)
                on_readable(server, connection);
            else
                flush(server, connection);
        }
        /* Last, so that no event of this round meets a connection that has taken the place of the
         * one it was meant for. */
        if (arrivals)
            on_arrivals(server);
    }
    return NULL;
}

/* --- Start and stop --- */

static void server_free(struct farm_server *server) {
    if (server->stop >= 0)
        close(server->stop);
    if (server->arrivals >= 0)
        close(server->arrivals);
    if (server->events >= 0)
        close(server->events);
    free(server->connections);
    free(server);
}

/* How many connections to serve: what is asked for, but the owner of the farm needs descriptors
 * too, most of all when it is also its client. 0 when that leaves too few. */
static uint32_t connection_limit(const struct farm_server *server, uint32_t asked) {
    struct rlimit descriptors;
    uint64_t limit = asked ? asked : CONNECTIONS_DEFAULT;
    uint64_t least = limit < CONNECTIONS_MIN ? limit : CONNECTIONS_MIN;
    uint64_t used = (uint64_t)server->arrivals + 1; /* the kernel gives the lowest free number */
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY) {
        uint64_t left = descriptors.rlim_cur > used ? descriptors.rlim_cur - used : 0;
        limit = limit < left / 2 ? limit : left / 2;
    }
    return limit < least ? 0 : (uint32_t)limit;
}

static bool listen_to_all(struct farm_server *server, const struct farm_listener *listeners,
                          uint32_t count) {
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = &server->stop},
                       arrivals = {.events = EPOLLIN, .data.ptr = &server->arrivals};
    if (epoll_ctl(server->events, EPOLL_CTL_ADD, server->stop, &stop) ||
        epoll_ctl(server->events, EPOLL_CTL_ADD, server->arrivals, &arrivals))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)&listeners[i]};
        if (listeners[i].profile->behaviour != FARM_REFUSE &&
            epoll_ctl(server->arrivals, EPOLL_CTL_ADD, listeners[i].descriptor, &event))
            return false;
    }
    return true;
}

/* Signals are for the threads of the farm's owner. */
static int start_thread(struct farm_server *server) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&server->thread, NULL, serve, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

enum error farm_server_start(struct farm_server **out, const struct farm_listener *listeners,
                             uint32_t count, uint32_t connections, struct failure *failure) {
    struct farm_server *server = calloc(1, sizeof *server);
    if (!server)
        return failure_set(failure, ERROR_MEMORY, "no memory for the farm");
    server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->events = epoll_create1(EPOLL_CLOEXEC);
    server->arrivals = epoll_create1(EPOLL_CLOEXEC);
    if (server->stop < 0 || server->events < 0 || server->arrivals < 0 ||
        !listen_to_all(server, listeners, count)) {
        enum error error = (enum error)errno;
        server_free(server);
        return failure_set(failure, error, "the farm cannot use epoll: %s", error_text(error));
    }
    server->limit = connection_limit(server, connections);
    if (server->limit == 0) {
        server_free(server);
        return failure_set(failure, ERROR_LIMIT,
                           "the farm has no descriptors left for connections; raise the limit "
                           "(ulimit -n)");
    }
    server->connections = calloc(server->limit, sizeof *server->connections);
    if (!server->connections) {
        server_free(server);
        return failure_set(failure, ERROR_MEMORY, "no memory for the farm");
    }
    for (uint32_t i = server->limit; i-- > 0;) {
        server->connections[i].next = server->free;
        server->free = &server->connections[i];
    }
    int reason = start_thread(server);
    if (reason) {
        server_free(server);
        return failure_set(failure, (enum error)reason, "the farm cannot start its thread: %s",
                           error_text((enum error)reason));
    }
    *out = server;
    return ERROR_NONE;
}

void farm_server_stop(struct farm_server *server) {
    if (!server)
        return;
    uint64_t one = 1;
    while (write(server->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(server->thread, NULL);
    for (uint32_t i = 0; i < server->limit; i++)
        if (server->connections[i].state != STATE_FREE)
            connection_close(server, &server->connections[i]);
    server_free(server);
}
