/* Records as MessagePack over a socket, to one reader that listens, or to those that connect:
 *
 *     msgpack+unix:///run/trawl.sock            connects; again and again while nobody is there
 *     msgpack+tcp://127.0.0.1:9000#listen       listens; all readers get all records
 *
 * A connection is a stream of its own that begins with a record. What a reader has not taken holds
 * the sweep back, and so does having no reader. When the last one leaves in the midst of a batch,
 * the next begins with the first record that was not wholly handed to the kernel. What was handed
 * over and not read is lost with the reader: no acknowledgement comes back on such a stream. */
#include "engine/base/clock.h"
#include "engine/base/spec_options.h"
#include "engine/record/msgpack_token.h"
#include "sinks/msgpack_socket_link.h"
#include "sinks/sink.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    READERS_MAX = 64,
    READERS_USUAL = 16,
    READS_AT_ONCE = 16, /* of a reader that talks without an end */
};

static const uint64_t MS = 1000000; /* nanoseconds */

struct settings {
    bool listen, ack;
    uint64_t readers, wait;
    const char *mode;
};

struct reader {
    int fd;
    size_t sent; /* of the batch in hand */
};

struct msgpack_socket {
    struct sink head;
    struct settings settings;
    struct msgpack_link link;
    struct reader readers[READERS_MAX];
    uint32_t count;
    bool begun;    /* there were as many readers as the first record waits for */
    bool deserted; /* the last reader left, which nobody was told yet */
    bool in_batch;
    size_t resume; /* of the batch in hand: where a reader that comes now begins */
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {.name = "listen",
     .kind = OPTION_FLAG,
     .summary = "wait for readers to connect, instead of connecting",
     .offset = FIELD(listen)},
    {.name = "readers",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "with listen: at most so many at once (16); others wait until one leaves",
     .offset = FIELD(readers),
     .minimum = 1,
     .maximum = READERS_MAX},
    {.name = "wait",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "with listen: the first record waits for so many readers (1)",
     .offset = FIELD(wait),
     .minimum = 1,
     .maximum = READERS_MAX},
    {.name = "mode",
     .kind = OPTION_TEXT,
     .argument = "OCTAL",
     .summary = "with listen: permissions of a Unix socket (0600)",
     .offset = FIELD(mode)},
    {.name = "ack",
     .kind = OPTION_FLAG,
     .summary = "one reader, which acknowledges: see msgpack-ack",
     .offset = FIELD(ack)}, /* true never comes here */
    {.name = NULL},
};
#undef FIELD

static struct msgpack_socket *socket_of(struct sink *sink) {
    return (struct msgpack_socket *)sink;
}

/* --- Readers --- */

static void add_reader(struct msgpack_socket *socket, int fd) {
    socket->readers[socket->count++] = (struct reader){fd, socket->in_batch ? socket->resume : 0};
    socket->begun |= socket->count >= socket->settings.wait;
}

/* The end of the last record that lies before `sent`. */
static size_t record_boundary(struct slice bytes, size_t sent) {
    size_t at = 0;

    for (;;) {
        size_t length = msgpack_value_length(slice_from(bytes, at));
        if (length == 0 || at + length > sent)
            return at;
        at += length;
    }
}

/* `bytes` is the batch in hand, or empty. */
static void remove_reader(struct msgpack_socket *socket, uint32_t number, struct slice bytes) {
    struct reader reader = socket->readers[number];

    close(reader.fd);
    socket->head.readers_left++;
    socket->readers[number] = socket->readers[--socket->count];
    if (socket->count)
        return;
    socket->deserted = true;
    if (socket->in_batch)
        socket->resume = record_boundary(bytes, reader.sent);
}

/* Readers have nothing to say. What they send is thrown away, lest it turns our closing into a
 * reset that throws away what is on its way to them; the end of it means that they left. */
static bool has_left(int fd) {
    char ignored[4096];
    ssize_t got = 1;

    for (int i = 0; i < READS_AT_ONCE && got > 0; i++)
        got = recv(fd, ignored, sizeof ignored, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void look_after_readers(struct msgpack_socket *socket, struct slice bytes) {
    for (uint32_t i = socket->count; i-- > 0;)
        if (has_left(socket->readers[i].fd))
            remove_reader(socket, i, bytes);
}

static bool has_enough(const struct msgpack_socket *socket) {
    return socket->count && socket->begun;
}

static void accept_readers(struct msgpack_socket *socket) {
    while (socket->count < socket->settings.readers) {
        int fd = msgpack_link_accept(&socket->link);
        if (fd < 0)
            return; /* the next call tries again, whatever it was */
        add_reader(socket, fd);
    }
}

/* --- Writing --- */

static enum error tell_absence(struct msgpack_socket *socket, struct failure *failure) {
    const char *name = socket->link.address.name;

    if (!socket->settings.listen)
        return failure_set(failure, (enum error)ENOTCONN, "cannot connect to %.200s: %s", name,
                           error_text(socket->link.cause));
    if (socket->settings.wait > 1 && !socket->begun)
        return failure_set(failure, (enum error)ENOTCONN, "%.200s: %u of %u readers are there",
                           name, socket->count, (unsigned)socket->settings.wait);
    return failure_set(failure, (enum error)ENOTCONN, "%.200s: no reader is there", name);
}

static enum error connect_reader(struct msgpack_socket *socket, uint64_t until_ns) {
    int fd;
    enum error error =
        socket->count ? ERROR_NONE : msgpack_link_connect(&socket->link, until_ns, &fd);

    if (!error && !socket->count)
        add_reader(socket, fd);
    return error;
}

static enum error find_readers(struct msgpack_socket *socket, uint64_t until_ns,
                               struct failure *failure) {
    if (!socket->settings.listen) {
        enum error error = connect_reader(socket, until_ns);
        return error == (enum error)ENOTCONN ? tell_absence(socket, failure) : error;
    }
    struct pollfd item = {.fd = socket->link.listener.fd, .events = POLLIN};
    for (;;) {
        accept_readers(socket);
        if (has_enough(socket))
            return ERROR_NONE;
        if (clock_monotonic_ns() >= until_ns)
            return tell_absence(socket, failure);
        (void)poll(&item, 1, msgpack_link_wait_ms(until_ns));
    }
}

/* Hands over what the kernel takes. True when that was anything. */
static bool send_some(struct msgpack_socket *socket, struct slice bytes) {
    bool progress = false;

    for (uint32_t i = socket->count; i-- > 0;) {
        struct reader *reader = &socket->readers[i];
        struct slice rest = slice_from(bytes, reader->sent);
        ssize_t sent =
            rest.len ? send(reader->fd, rest.ptr, rest.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (sent > 0) {
            reader->sent += (size_t)sent;
            progress = true;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            remove_reader(socket, i, bytes);
        }
    }
    return progress;
}

/* Waits for readers that have not taken everything; false when none moves. */
static bool wait_for_readers(const struct msgpack_socket *socket, size_t len, uint64_t until_ns) {
    struct pollfd items[READERS_MAX];
    uint32_t behind = 0;

    for (uint32_t i = 0; i < socket->count; i++)
        if (socket->readers[i].sent < len)
            items[behind++] = (struct pollfd){.fd = socket->readers[i].fd, .events = POLLOUT};
    return poll(items, behind, msgpack_link_wait_ms(until_ns)) > 0;
}

static bool all_have_it(const struct msgpack_socket *socket, size_t len) {
    for (uint32_t i = 0; i < socket->count; i++)
        if (socket->readers[i].sent < len)
            return false;
    return socket->count > 0;
}

static void begin_batch(struct msgpack_socket *socket) {
    look_after_readers(socket, (struct slice){NULL, 0});
    if (socket->settings.listen)
        accept_readers(socket);
    for (uint32_t i = 0; i < socket->count; i++)
        socket->readers[i].sent = 0;
    socket->resume = 0;
    socket->in_batch = true;
}

static void end_batch(struct msgpack_socket *socket) {
    socket->in_batch = false;
    msgpack_link_was_good(&socket->link);
}

static enum error write_records(struct sink *sink, struct slice bytes, uint32_t records,
                                struct failure *failure) {
    struct msgpack_socket *socket = socket_of(sink);
    uint64_t until_ns = clock_monotonic_ns() + SINK_PATIENCE_MS * MS;
    enum error error;

    (void)records;
    if (bytes.len == 0)
        return ERROR_NONE;
    if (!socket->in_batch)
        begin_batch(socket);
    for (;;) {
        if (socket->deserted) {
            socket->deserted = false;
            return failure_set(failure, (enum error)ENOTCONN,
                               "%.200s: the reader left; what it had not read is lost",
                               socket->link.address.name);
        }
        if (!has_enough(socket) && (error = find_readers(socket, until_ns, failure)))
            return error;
        bool progress = send_some(socket, bytes);
        if (all_have_it(socket, bytes.len)) {
            end_batch(socket);
            return ERROR_NONE;
        }
        if (progress)
            until_ns = clock_monotonic_ns() + SINK_PATIENCE_MS * MS;
        if (socket->count && !wait_for_readers(socket, bytes.len, until_ns))
            return (enum error)EAGAIN;
    }
}

/* Nothing that goes wrong here is told: there may never be another record. */
static enum error tick(struct sink *sink, struct failure *failure) {
    struct msgpack_socket *socket = socket_of(sink);

    (void)failure;
    look_after_readers(socket, (struct slice){NULL, 0});
    if (socket->settings.listen)
        accept_readers(socket);
    else
        (void)connect_reader(socket, clock_monotonic_ns());
    return ERROR_NONE;
}

/* --- Beginning and end --- */

static enum error read_settings(struct msgpack_socket *socket, struct failure *failure) {
    struct settings *settings = &socket->settings;
    enum error error = spec_options_parse(options, socket->link.address.options, settings, failure);

    if (error)
        return error;
    if (!settings->listen && (settings->readers || settings->wait || settings->mode))
        return failure_set(failure, ERROR_USAGE, "#readers, #wait and #mode come with #listen");
    if (!settings->wait)
        settings->wait = 1;
    if (!settings->readers)
        settings->readers = settings->wait > READERS_USUAL ? settings->wait : READERS_USUAL;
    if (settings->wait > settings->readers)
        return failure_set(failure, ERROR_USAGE, "#wait cannot be more than #readers");
    return ERROR_NONE;
}

static enum error open_socket(struct sink *sink, const struct sink_config *config,
                              struct failure *failure) {
    struct msgpack_socket *socket = socket_of(sink);
    enum error error = msgpack_link_init(&socket->link, config->spec, failure);

    if (!error)
        error = read_settings(socket, failure);
    if (error)
        return error;
    sink->spec = socket->link.address.name;
    if (!sink->encoding.encoder)
        sink->encoding.encoder = &msgpack_encoder;
    if (sink->encoding.encoder != &msgpack_encoder)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s takes MessagePack only, not --format %s or --print",
                           socket->link.address.name, sink->encoding.encoder->name);
    return msgpack_link_open(&socket->link, socket->settings.listen, socket->settings.mode,
                             failure);
}

/* What was handed to the kernel is on its way; closing does not take it back. Those who have come
 * and found nothing left are told so, too. */
static enum error finish(struct sink *sink, struct failure *failure) {
    struct msgpack_socket *socket = socket_of(sink);

    (void)failure;
    look_after_readers(socket, (struct slice){NULL, 0});
    if (socket->settings.listen)
        accept_readers(socket);
    for (uint32_t i = 0; i < socket->count; i++)
        (void)shutdown(socket->readers[i].fd, SHUT_WR);
    return ERROR_NONE;
}

static void close_socket(struct sink *sink) {
    struct msgpack_socket *socket = socket_of(sink);

    for (uint32_t i = 0; i < socket->count; i++)
        close(socket->readers[i].fd);
    msgpack_link_close(&socket->link);
}

static bool takes(struct slice spec) {
    return msgpack_address_takes(spec);
}

const struct sink_kind msgpack_socket_sink = {
    .name = "msgpack",
    .summary = "MessagePack to a socket, which connects or listens",
    .example = "-o msgpack+unix:///run/trawl.sock, -o 'msgpack+tcp://127.0.0.1:9000#listen'",
    .options = options,
    .size = sizeof(struct msgpack_socket),
    .takes = takes,
    .open = open_socket,
    .write = write_records,
    .tick = tick,
    .finish = finish,
    .close = close_socket,
};
