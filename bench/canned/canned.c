#include "bench/canned/canned.h"

#include "bench/canned/flight.h"
#include "engine/tls/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FIRST_PORT = 20443, /* below the ports that the kernel hands out to clients */
    LAST_PORT = 29999,
    BACKLOG = 4096,
    CONNECTIONS_MAX = 16384,
    SPARE_DESCRIPTORS = 64,
    EVENTS = 512,
    ACCEPTS_A_ROUND = 64,
    HELLO_MAX = 2048,
    STOP = UINT32_MAX, /* the events' number of the eventfd */
};

enum behaviour { ANSWER, ANSWER_HALF, DROP, REFUSE };

static const struct {
    const char *name;
    uint16_t version;
    enum farm_kind chain;
    enum behaviour behaviour;
} SORTS[CANNED_SORT_COUNT] = {
    [CANNED_TLS12_ECDSA] = {"tls12-ecdsa", TLS_VERSION_TLS12, FARM_GOOD_ECDSA, ANSWER},
    [CANNED_TLS12_RSA] = {"tls12-rsa", TLS_VERSION_TLS12, FARM_GOOD_RSA_CHAIN, ANSWER},
    [CANNED_TLS13_ECDSA] = {"tls13-ecdsa", TLS_VERSION_TLS13, FARM_GOOD_ECDSA, ANSWER},
    [CANNED_TLS13_RSA] = {"tls13-rsa", TLS_VERSION_TLS13, FARM_GOOD_RSA_CHAIN, ANSWER},
    [CANNED_TLS12_HALF] = {"tls12-half", TLS_VERSION_TLS12, FARM_GOOD_ECDSA, ANSWER_HALF},
    [CANNED_TLS13_HALF] = {"tls13-half", TLS_VERSION_TLS13, FARM_GOOD_ECDSA, ANSWER_HALF},
    [CANNED_SILENT] = {"silent", 0, FARM_GOOD_ECDSA, DROP},
    [CANNED_REFUSING] = {"refusing", 0, FARM_GOOD_ECDSA, REFUSE},
};

struct connection {
    struct connection *next; /* free one */
    int descriptor;          /* -1 when free */
    uint32_t received;
    uint8_t sort;
    bool answered;
    uint8_t hello[HELLO_MAX];
};

struct listener {
    int descriptor, filler; /* filler: the connection that keeps the queue of a dropping one full */
    uint16_t port;
    struct flight flight;
};

struct canned {
    pthread_t thread;
    bool started, accepting;
    int stop, events;
    uint32_t limit;
    struct listener listeners[CANNED_SORT_COUNT];
    struct connection *connections, *free;
    struct buffer answer;
    _Atomic uint32_t stalled;
};

/* --- Sockets --- */

static struct sockaddr_in loopback(uint32_t address, uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(port)};
}

static int listener_open(enum behaviour behaviour, uint16_t port) {
    struct sockaddr_in any = loopback(INADDR_ANY, port);
    int on = 1, backlog = behaviour == DROP ? 0 : BACKLOG;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 &&
        (setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") ||
         setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
         bind(descriptor, (struct sockaddr *)&any, sizeof any) ||
         (behaviour != REFUSE && listen(descriptor, backlog)))) {
        int reason = errno;
        close(descriptor);
        errno = reason;
        return -1;
    }
    return descriptor;
}

/* A queue for no connection holds one; once that is there, the kernel drops what else arrives. */
static int queue_fill(uint16_t port) {
    struct sockaddr_in address = loopback(INADDR_LOOPBACK, port);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static bool listen_all(struct canned *canned, struct failure *failure) {
    uint32_t port = FIRST_PORT;

    for (int sort = 0; sort < CANNED_SORT_COUNT; sort++) {
        struct listener *listener = &canned->listeners[sort];
        enum behaviour behaviour = SORTS[sort].behaviour;
        do
            listener->descriptor = listener_open(behaviour, (uint16_t)port++);
        while (listener->descriptor < 0 && errno == EADDRINUSE && port <= LAST_PORT);
        listener->port = (uint16_t)(port - 1);
        if (listener->descriptor < 0 ||
            (behaviour == DROP && (listener->filler = queue_fill(listener->port)) < 0)) {
            failure_set(failure, (enum error)errno, "cannot listen on the loopback device: %s",
                        error_text((enum error)errno));
            return false;
        }
    }
    return true;
}

/* --- Connections --- */

static bool watch(struct canned *canned, int operation, int descriptor, uint32_t events,
                  uint32_t number) {
    struct epoll_event event = {.events = events, .data.u32 = number};
    return epoll_ctl(canned->events, operation, descriptor, &event) == 0;
}

/* Listeners have the first numbers, connections those behind them. */
static bool watch_listeners(struct canned *canned, int operation, bool accepting) {
    canned->accepting = accepting;
    for (uint32_t sort = 0; sort < CANNED_SORT_COUNT; sort++)
        if ((SORTS[sort].behaviour == ANSWER || SORTS[sort].behaviour == ANSWER_HALF) &&
            !watch(canned, operation, canned->listeners[sort].descriptor, accepting ? EPOLLIN : 0,
                   sort))
            return false;
    return true;
}

static void connection_close(struct canned *canned, struct connection *connection) {
    if (connection->answered && SORTS[connection->sort].behaviour == ANSWER_HALF)
        atomic_fetch_sub(&canned->stalled, 1);
    close(connection->descriptor);
    connection->descriptor = -1;
    connection->next = canned->free;
    canned->free = connection;
    if (!canned->accepting)
        watch_listeners(canned, EPOLL_CTL_MOD, true);
}

static void accept_some(struct canned *canned, uint32_t sort) {
    for (uint32_t i = 0; i < ACCEPTS_A_ROUND; i++) {
        struct connection *connection = canned->free;
        if (!connection) {
            watch_listeners(canned, EPOLL_CTL_MOD, false); /* until one closes */
            return;
        }
        int descriptor =
            accept4(canned->listeners[sort].descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0)
            return;
        canned->free = connection->next;
        connection->descriptor = descriptor;
        connection->received = 0;
        connection->answered = false;
        connection->sort = (uint8_t)sort;
        uint32_t number = (uint32_t)(connection - canned->connections) + CANNED_SORT_COUNT;
        if (!watch(canned, EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLRDHUP, number))
            connection_close(canned, connection);
    }
}

static bool is_complete(const struct connection *connection) {
    return connection->received >= TLS_RECORD_HEADER_BYTES &&
           connection->received >= TLS_RECORD_HEADER_BYTES + ((uint32_t)connection->hello[3] << 8) +
                                       connection->hello[4];
}

/* False when there is no answer, or a fresh socket does not take it whole. */
static bool answer(struct canned *canned, struct connection *connection) {
    const struct flight *flight = &canned->listeners[connection->sort].flight;
    bool half = SORTS[connection->sort].behaviour == ANSWER_HALF;
    struct buffer *out = &canned->answer;

    out->len = 0;
    if (!flight_answer(flight, (struct slice){connection->hello, connection->received}, out))
        return false;
    size_t len = half ? out->len / 2 : out->len;
    connection->answered = true;
    if (half)
        atomic_fetch_add(&canned->stalled, 1);
    return send(connection->descriptor, out->ptr, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void on_readable(struct canned *canned, struct connection *connection, uint32_t events) {
    if (connection->answered)
        connection->received = 0; /* what comes now does not matter */
    ssize_t len = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
                      ? 0
                      : recv(connection->descriptor, connection->hello + connection->received,
                             HELLO_MAX - connection->received, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        connection_close(canned, connection);
        return;
    }
    connection->received += (uint32_t)len;
    if (!connection->answered && is_complete(connection) && !answer(canned, connection))
        connection_close(canned, connection);
}

static void *serve(void *owner) {
    struct canned *canned = owner;
    struct epoll_event events[EVENTS];

    for (;;) {
        int count = epoll_wait(canned->events, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            uint32_t number = events[i].data.u32;
            if (number == STOP)
                return NULL;
            if (number < CANNED_SORT_COUNT)
                accept_some(canned, number);
            else
                on_readable(canned, &canned->connections[number - CANNED_SORT_COUNT],
                            events[i].events);
        }
    }
}

/* --- Start and stop --- */

static bool make_flights(struct canned *canned) {
    struct farm_chain ecdsa, rsa;
    if (!farm_chains_init(&ecdsa, 1, FARM_GOOD_ECDSA, NULL))
        return false;
    bool made = farm_chains_init(&rsa, 1, FARM_GOOD_RSA_CHAIN, NULL), have_rsa = made;
    for (int sort = 0; made && sort < CANNED_SORT_COUNT; sort++) {
        bool is_rsa = SORTS[sort].chain == FARM_GOOD_RSA_CHAIN;
        made = !SORTS[sort].version ||
               flight_init(&canned->listeners[sort].flight, SORTS[sort].version,
                           is_rsa ? &rsa : &ecdsa, is_rsa);
    }
    farm_chains_deinit(&ecdsa, 1);
    if (have_rsa)
        farm_chains_deinit(&rsa, 1);
    return made;
}

static bool make_connections(struct canned *canned) {
    struct rlimit descriptors;

    canned->limit = CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 &&
        descriptors.rlim_cur < CONNECTIONS_MAX + SPARE_DESCRIPTORS)
        canned->limit = descriptors.rlim_cur > 2 * SPARE_DESCRIPTORS
                            ? (uint32_t)descriptors.rlim_cur - SPARE_DESCRIPTORS
                            : SPARE_DESCRIPTORS;
    canned->connections = calloc(canned->limit, sizeof *canned->connections);
    for (uint32_t i = canned->connections ? canned->limit : 0; i-- > 0;) {
        canned->connections[i].descriptor = -1;
        canned->connections[i].next = canned->free;
        canned->free = &canned->connections[i];
    }
    return canned->connections;
}

/* Signals are for the threads of the owner. */
static bool start_thread(struct canned *canned) {
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    canned->started = pthread_create(&canned->thread, NULL, serve, canned) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return canned->started;
}

static enum error start(struct canned *canned, struct failure *failure) {
    if (!make_flights(canned) || !make_connections(canned))
        return failure_set(failure, ERROR_MEMORY, "the canned server cannot make its flights");
    if (!listen_all(canned, failure))
        return failure->code;
    canned->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    canned->events = epoll_create1(EPOLL_CLOEXEC);
    if (canned->stop < 0 || canned->events < 0 ||
        !watch(canned, EPOLL_CTL_ADD, canned->stop, EPOLLIN, STOP) ||
        !watch_listeners(canned, EPOLL_CTL_ADD, true) || !start_thread(canned))
        return failure_set(failure, (enum error)errno, "the canned server cannot start: %s",
                           error_text((enum error)errno));
    return ERROR_NONE;
}

enum error canned_start(struct canned **out, struct failure *failure) {
    struct failure why = {0};
    struct canned *canned = calloc(1, sizeof *canned);

    if (!canned)
        return failure_set(failure, ERROR_MEMORY, "no memory for the canned server");
    canned->stop = canned->events = -1;
    for (int sort = 0; sort < CANNED_SORT_COUNT; sort++)
        canned->listeners[sort].descriptor = canned->listeners[sort].filler = -1;
    buffer_init(&canned->answer);
    if (start(canned, &why)) {
        canned_stop(canned);
        return failure_set(failure, why.code, "%s", why.text);
    }
    *out = canned;
    return ERROR_NONE;
}

static void close_if_open(int descriptor) {
    if (descriptor >= 0)
        close(descriptor);
}

void canned_stop(struct canned *canned) {
    if (!canned)
        return;
    uint64_t one = 1;
    if (canned->started) {
        while (write(canned->stop, &one, sizeof one) < 0 && errno == EINTR)
            continue;
        pthread_join(canned->thread, NULL);
    }
    for (uint32_t i = 0; canned->connections && i < canned->limit; i++)
        close_if_open(canned->connections[i].descriptor);
    for (int sort = 0; sort < CANNED_SORT_COUNT; sort++) {
        close_if_open(canned->listeners[sort].descriptor);
        close_if_open(canned->listeners[sort].filler);
        flight_deinit(&canned->listeners[sort].flight);
    }
    close_if_open(canned->stop);
    close_if_open(canned->events);
    buffer_deinit(&canned->answer);
    free(canned->connections);
    free(canned);
}

struct canned_endpoint canned_endpoint(const struct canned *canned, enum canned_sort sort) {
    const struct listener *listener = &canned->listeners[sort];
    size_t bytes = flight_bytes(&listener->flight);

    return (struct canned_endpoint){
        .name = SORTS[sort].name,
        .port = listener->port,
        .flight_bytes = (uint32_t)(SORTS[sort].behaviour == ANSWER_HALF ? bytes / 2 : bytes)};
}

uint32_t canned_stalled(const struct canned *canned) {
    return atomic_load(&canned->stalled);
}
