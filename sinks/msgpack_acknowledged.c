/* Records as MessagePack over a socket to a reader that says what it has dealt with:
 *
 *     msgpack+unix:///run/trawl.sock#listen,ack
 *
 * The reader sends back, on the same connection, how many records of this connection it has dealt
 * with so far (msgpack_socket_acks.h). What is not acknowledged is kept, and is what the next
 * connection begins with: at least once, in order, to one reader at a time. Others who connect wait
 * until it leaves. A batch is written when all of it is acknowledged.
 *
 *     first ─▶ delivery ─▶ delivery ─▶ delivery     under way, in order
 *       └ done: so many of its records       └ at, offset: what is handed over next */
#include "engine/base/clock.h"
#include "engine/base/spec_options.h"
#include "engine/record/msgpack_token.h"
#include "sinks/msgpack_socket_acks.h"
#include "sinks/msgpack_socket_link.h"
#include "sinks/sink.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    WINDOW_USUAL = 16384,
    WINDOW_MAX = 1 << 20,
    READ_BYTES = 4096,
    READS_AT_ONCE = 16, /* of a reader that talks without an end */
    ABSENCE_MS = 2000,  /* without a reader, until what waits goes to a spool, if there is one */
    SILENCE_MS = 10000, /* of a reader that never acknowledged anything, until it is told */
};

static const uint64_t MS = 1000000; /* nanoseconds */

struct settings {
    bool listen, ack;
    uint64_t window;
    const char *mode;
};

struct reader {
    int fd; /* -1 for none */
    uint64_t since_ns;
    struct sink_delivery *at; /* is handed over next; NULL when all is */
    size_t offset;            /* in it */
    /* Its whole records before `offset`, as far as they were looked at, those included that were
     * acknowledged on an earlier connection. */
    size_t counted_bytes;
    uint32_t counted;
    uint64_t handed;       /* records of this connection, likewise */
    uint64_t acknowledged; /* of them */
    struct msgpack_acks acks;
};

struct msgpack_acknowledged {
    struct sink head;
    struct settings settings;
    struct msgpack_link link;
    struct sink_delivery *first, **end; /* under way, in order */
    uint32_t done;                      /* records of the first that are acknowledged */
    uint64_t settled;                   /* deliveries */
    struct reader reader;
    struct failure trouble; /* until there is a reader */
    uint64_t absent_ns;     /* since when there is none; 0 */
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {.name = "ack",
     .kind = OPTION_FLAG,
     .summary = "the reader acknowledges; what it does not is sent again to the next",
     .offset = FIELD(ack)},
    {.name = "listen",
     .kind = OPTION_FLAG,
     .summary = "wait for a reader to connect, instead of connecting",
     .offset = FIELD(listen)},
    {.name = "window",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "records that may be under way (16384), to the end of a batch",
     .offset = FIELD(window),
     .minimum = 1,
     .maximum = WINDOW_MAX},
    {.name = "mode",
     .kind = OPTION_TEXT,
     .argument = "OCTAL",
     .summary = "with listen: permissions of a Unix socket (0600)",
     .offset = FIELD(mode)},
    {.name = NULL},
};
#undef FIELD

static struct msgpack_acknowledged *acknowledged_of(struct sink *sink) {
    return (struct msgpack_acknowledged *)sink;
}

/* --- What was handed over, and what became of it --- */

static void begin_delivery(struct reader *reader, struct sink_delivery *delivery) {
    reader->at = delivery;
    reader->offset = reader->counted_bytes = 0;
    reader->counted = 0;
}

/* Of the delivery in hand. */
static void count_handed(struct reader *reader) {
    if (!reader->at)
        return;
    for (;;) {
        size_t len = msgpack_value_length(slice_from(reader->at->bytes, reader->counted_bytes));
        if (!len || reader->counted_bytes + len > reader->offset)
            return;
        reader->counted_bytes += len;
        reader->counted++;
        reader->handed++;
    }
}

static void end_delivery(struct reader *reader) {
    reader->handed += reader->at->records - reader->counted;
    begin_delivery(reader, reader->at->next);
}

static size_t offset_of(struct slice bytes, uint32_t records) {
    size_t offset = 0;

    while (records--)
        offset += msgpack_value_length(slice_from(bytes, offset));
    return offset;
}

/* A connection begins behind what was acknowledged on earlier ones. */
static void begin_reader(struct msgpack_acknowledged *socket, int fd) {
    struct reader *reader = &socket->reader;

    *reader = (struct reader){.fd = fd, .since_ns = clock_monotonic_ns()};
    begin_delivery(reader, socket->first);
    socket->absent_ns = 0;
    if (!socket->first)
        return;
    reader->counted = socket->done;
    reader->offset = reader->counted_bytes = offset_of(socket->first->bytes, socket->done);
}

static void settle_acknowledged(struct msgpack_acknowledged *socket) {
    struct reader *reader = &socket->reader;
    uint64_t done = socket->done + (reader->acks.count - reader->acknowledged);

    if (reader->acks.count > reader->acknowledged)
        msgpack_link_was_good(&socket->link);
    reader->acknowledged = reader->acks.count;
    while (socket->first && socket->first->records <= done) {
        struct sink_delivery *delivery = socket->first;
        socket->first = delivery->next;
        if (!socket->first)
            socket->end = &socket->first;
        done -= delivery->records;
        delivery->written = delivery->records;
        delivery->settled = true; /* the runner's from here on */
        socket->settled++;
    }
    socket->done = (uint32_t)done;
}

/* --- One reader --- */

static void remove_reader(struct msgpack_acknowledged *socket, const char *why) {
    struct reader *reader = &socket->reader;

    count_handed(reader);
    close(reader->fd);
    reader->fd = -1;
    socket->head.readers_left++;
    failure_set(
        &socket->trouble, (enum error)ENOTCONN,
        "%.200s: the reader %.160s; %llu records that it has not acknowledged are sent again",
        socket->link.address.name, why,
        (unsigned long long)(reader->handed - reader->acknowledged));
    if (!reader->acknowledged)
        msgpack_link_was_bad(&socket->link, (enum error)ECONNRESET);
}

static void hear_reader(struct msgpack_acknowledged *socket) {
    struct reader *reader = &socket->reader;
    struct failure why = {0};
    uint8_t bytes[READ_BYTES];

    count_handed(reader);
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t got = recv(reader->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            remove_reader(socket, "left");
            return;
        }
        struct slice said = {bytes, (size_t)got};
        enum error error = msgpack_acks_take(&reader->acks, said, reader->handed, &why);
        settle_acknowledged(socket);
        if (error) {
            remove_reader(socket, why.text);
            return;
        }
    }
}

static void send_some(struct msgpack_acknowledged *socket) {
    struct reader *reader = &socket->reader;

    while (reader->at) {
        struct slice rest = slice_from(reader->at->bytes, reader->offset);
        ssize_t sent =
            rest.len ? send(reader->fd, rest.ptr, rest.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent < 0) { /* it may have acknowledged something before */
            hear_reader(socket);
            if (reader->fd >= 0)
                remove_reader(socket, "left");
            return;
        }
        reader->offset += (size_t)sent;
        if (reader->offset == reader->at->bytes.len)
            end_delivery(reader);
    }
}

static enum error tell_absence(struct msgpack_acknowledged *socket) {
    const char *name = socket->link.address.name;

    if (socket->trouble.code)
        return socket->trouble.code;
    if (socket->link.listens)
        return failure_set(&socket->trouble, (enum error)ENOTCONN, "%.200s: no reader is there",
                           name);
    return failure_set(&socket->trouble, (enum error)ENOTCONN, "cannot connect to %.200s: %s", name,
                       error_text(socket->link.cause));
}

/* Waits for one until then; an error when none came. */
static enum error find_reader(struct msgpack_acknowledged *socket, uint64_t until_ns) {
    int fd = -1;

    if (socket->link.listens) {
        struct pollfd item = {.fd = socket->link.listener.fd, .events = POLLIN};
        (void)poll(&item, 1, msgpack_link_wait_ms(until_ns));
        fd = msgpack_link_accept(&socket->link);
    } else if (msgpack_link_connect(&socket->link, until_ns, &fd) == (enum error)ENOTCONN) {
        uint64_t sooner =
            until_ns < socket->link.not_before_ns ? until_ns : socket->link.not_before_ns;
        enum error error = tell_absence(socket);
        (void)poll(NULL, 0, msgpack_link_wait_ms(sooner));
        return error;
    }
    if (fd < 0)
        return socket->link.listens ? tell_absence(socket) : socket->trouble.code;
    socket->trouble = (struct failure){0};
    begin_reader(socket, fd);
    return ERROR_NONE;
}

/* There has been no reader for some time: whoever keeps what comes back (spooled.h) gets it, and
 * offers it again. Else it stays here, and holds back what follows. */
static void give_back(struct msgpack_acknowledged *socket) {
    uint64_t now_ns = clock_monotonic_ns();

    if (!socket->absent_ns)
        socket->absent_ns = now_ns;
    if (!socket->first->leftovers || now_ns - socket->absent_ns < ABSENCE_MS * MS)
        return;
    for (struct sink_delivery *delivery; (delivery = socket->first); socket->done = 0) {
        size_t offset = offset_of(delivery->bytes, socket->done);
        socket->first = delivery->next;
        delivery->written = socket->done;
        sink_delivery_refuse(delivery, slice_from(delivery->bytes, offset),
                             delivery->records - socket->done, &socket->trouble);
        delivery->settled = true;
    }
    socket->end = &socket->first;
    socket->absent_ns = 0;
}

/* One that does not know of acknowledgements would wait for more forever. */
static enum error tell_silence(const struct msgpack_acknowledged *socket, struct failure *failure) {
    const struct reader *reader = &socket->reader;

    if (reader->acknowledged || !socket->first ||
        clock_monotonic_ns() - reader->since_ns < SILENCE_MS * MS)
        return ERROR_NONE;
    return failure_set(failure, (enum error)ETIMEDOUT,
                       "%.200s: the reader has acknowledged nothing yet: it must, with #ack",
                       socket->link.address.name);
}

/* --- The sink --- */

static void take(struct sink *sink, struct sink_delivery *delivery) {
    struct msgpack_acknowledged *socket = acknowledged_of(sink);

    delivery->next = NULL;
    *socket->end = delivery;
    socket->end = &delivery->next;
    if (socket->reader.fd >= 0 && !socket->reader.at)
        begin_delivery(&socket->reader, delivery);
}

static void wait_for_reader(struct msgpack_acknowledged *socket, uint64_t until_ns) {
    const struct reader *reader = &socket->reader;
    short wanted = (short)(POLLIN | (reader->at ? POLLOUT : 0));
    struct pollfd item = {.fd = reader->fd, .events = wanted};

    if (poll(&item, 1, msgpack_link_wait_ms(until_ns)) <= 0)
        return;
    if (item.revents & ~POLLOUT)
        hear_reader(socket);
    if (reader->fd >= 0)
        send_some(socket);
}

static enum error settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    struct msgpack_acknowledged *socket = acknowledged_of(sink);
    uint64_t until_ns = clock_monotonic_ns() + wait_ms * MS, before = socket->settled;
    enum error error = ERROR_NONE;
    bool over = false;

    while (socket->first && socket->settled == before && !over) { /* who left is told first */
        over = clock_monotonic_ns() >= until_ns; /* each is looked at once, whatever the time */
        if (socket->reader.fd < 0)
            error = find_reader(socket, until_ns);
        if (socket->reader.fd < 0)
            continue;
        wait_for_reader(socket, until_ns);
        over |= socket->reader.fd < 0;
    }
    if (socket->reader.fd >= 0)
        return tell_silence(socket, failure);
    if (socket->trouble.code)
        *failure = socket->trouble;
    if (socket->trouble.code && socket->first)
        give_back(socket);
    return error ? error : socket->trouble.code;
}

static enum error open_socket(struct sink *sink, const struct sink_config *config,
                              struct failure *failure) {
    struct msgpack_acknowledged *socket = acknowledged_of(sink);
    struct settings *settings = &socket->settings;
    enum error error;

    socket->reader.fd = -1;
    socket->end = &socket->first;
    error = msgpack_link_init(&socket->link, config->spec, failure);
    if (!error)
        error = spec_options_parse(options, socket->link.address.options, settings, failure);
    if (error)
        return error;
    if (settings->mode && !settings->listen)
        return failure_set(failure, ERROR_USAGE, "#mode comes with #listen");
    sink->spec = socket->link.address.name;
    sink->window = settings->window ? (uint32_t)settings->window : WINDOW_USUAL;
    if (!sink->encoding.encoder)
        sink->encoding.encoder = &msgpack_encoder;
    if (sink->encoding.encoder != &msgpack_encoder)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s takes MessagePack only, not --format %s or --print", sink->spec,
                           sink->encoding.encoder->name);
    return msgpack_link_open(&socket->link, settings->listen, settings->mode, failure);
}

/* The reader is told that this was all; then its last words are waited for, as closing before they
 * came would reset the connection, and throw away what it has not read yet. */
static enum error finish(struct sink *sink, struct failure *failure) {
    struct msgpack_acknowledged *socket = acknowledged_of(sink);
    uint64_t until_ns = clock_monotonic_ns() + SINK_PATIENCE_MS * MS;
    struct pollfd item = {.events = POLLIN};
    uint8_t ignored[READ_BYTES];

    (void)failure;
    if (socket->reader.fd < 0 && socket->link.listens)
        socket->reader.fd = msgpack_link_accept(&socket->link);
    item.fd = socket->reader.fd;
    if (item.fd < 0)
        return ERROR_NONE;
    (void)shutdown(item.fd, SHUT_WR);
    while (clock_monotonic_ns() < until_ns && poll(&item, 1, msgpack_link_wait_ms(until_ns)) > 0)
        if (recv(item.fd, ignored, sizeof ignored, MSG_DONTWAIT) <= 0)
            break;
    return ERROR_NONE;
}

static void close_socket(struct sink *sink) {
    struct msgpack_acknowledged *socket = acknowledged_of(sink);

    if (socket->reader.fd >= 0)
        close(socket->reader.fd);
    msgpack_link_close(&socket->link);
}

/* That of a URL with #ack among its options. */
static bool takes(struct slice spec) {
    const uint8_t *mark = spec.len ? memchr(spec.ptr, '#', spec.len) : NULL;

    if (!msgpack_address_takes(spec) || !mark)
        return false;
    struct slice rest = slice_from(spec, (size_t)(mark - spec.ptr) + 1);
    while (rest.len) {
        const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct slice option = slice_first(rest, len);
        if (slice_is(option, "ack") || slice_is(option, "ack=true"))
            return true;
        rest = slice_from(rest, len + 1);
    }
    return false;
}

const struct sink_kind msgpack_acknowledged_sink = {
    .name = "msgpack-ack",
    .summary = "the same to one reader that acknowledges",
    .example = "-o 'msgpack+unix:///run/trawl.sock#listen,ack'",
    .options = options,
    .size = sizeof(struct msgpack_acknowledged),
    .spools = true,
    .takes = takes,
    .open = open_socket,
    .take = take,
    .settle = settle,
    .finish = finish,
    .close = close_socket,
};
