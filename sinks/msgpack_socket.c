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
#include "engine/record/msgpack_token.h"
#include "sinks/msgpack_socket_address.h"
#include "sinks/sink.h"
#include "sinks/spec_options.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READERS_MAX = 64,
    READERS_USUAL = 16,
    CONNECT_MS = 5000,
    PAUSE_MIN_MS = 1000, /* after an attempt that failed; then twice as long each time */
    PAUSE_MAX_MS = 8000,
    MODE_MAX = 0777,
    READS_AT_ONCE = 16, /* of a reader that talks without an end */
};

static const uint64_t MS = 1000000; /* nanoseconds */

struct settings {
    bool listen;
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
    struct msgpack_address address;
    struct msgpack_listener listener;
    struct reader readers[READERS_MAX];
    uint32_t count;
    bool begun;    /* there were as many readers as the first record waits for */
    bool deserted; /* the last reader left, which nobody was told yet */
    bool in_batch;
    size_t resume; /* of the batch in hand: where a reader that comes now begins */
    /* Of one who connects. */
    int connecting; /* a socket under way, or -1 */
    uint32_t endpoint;
    uint64_t connect_until_ns, not_before_ns;
    uint32_t pause_ms;
    enum error cause; /* why the last attempt failed */
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
        int fd = msgpack_address_accept(&socket->listener);
        if (fd < 0)
            return; /* the next call tries again, whatever it was */
        add_reader(socket, fd);
    }
}

/* --- Connecting --- */

/* Poll's milliseconds until then, rounded up. */
static int wait_ms(uint64_t until_ns) {
    uint64_t now = clock_monotonic_ns();
    return until_ns > now ? (int)((until_ns - now + MS - 1) / MS) : 0;
}

/* This address does not answer: on to the next one, after the last one to a pause. */
static void miss(struct msgpack_socket *socket, enum error cause) {
    if (socket->connecting >= 0)
        close(socket->connecting);
    socket->connecting = -1;
    socket->cause = cause;
    socket->endpoint = (socket->endpoint + 1) % socket->address.count;
    if (socket->endpoint)
        return;
    socket->not_before_ns = clock_monotonic_ns() + socket->pause_ms * MS;
    socket->pause_ms = socket->pause_ms < PAUSE_MAX_MS ? socket->pause_ms * 2 : PAUSE_MAX_MS;
}

static void hit(struct msgpack_socket *socket) {
    add_reader(socket, socket->connecting);
    socket->connecting = -1;
    socket->endpoint = 0;
}

static void begin_to_connect(struct msgpack_socket *socket) {
    enum error error =
        msgpack_address_connect(&socket->address, socket->endpoint, &socket->connecting);

    socket->connect_until_ns = clock_monotonic_ns() + CONNECT_MS * MS;
    if (error == ERROR_NONE)
        hit(socket);
    else if (error != (enum error)EINPROGRESS)
        miss(socket, error);
}

static void go_on_connecting(struct msgpack_socket *socket, uint64_t until_ns) {
    struct pollfd item = {.fd = socket->connecting, .events = POLLOUT};
    uint64_t sooner = until_ns < socket->connect_until_ns ? until_ns : socket->connect_until_ns;

    if (poll(&item, 1, wait_ms(sooner)) == 1) {
        enum error error = msgpack_address_connected(item.fd);
        if (error)
            miss(socket, error);
        else
            hit(socket);
    } else if (clock_monotonic_ns() >= socket->connect_until_ns) {
        miss(socket, (enum error)ETIMEDOUT);
    }
}

/* EAGAIN while an attempt is under way, ENOTCONN in the pause after one. */
static enum error connect_until(struct msgpack_socket *socket, uint64_t until_ns) {
    while (socket->count == 0) {
        uint64_t now = clock_monotonic_ns();
        if (socket->connecting < 0 && now < socket->not_before_ns)
            return (enum error)ENOTCONN;
        if (socket->connecting < 0)
            begin_to_connect(socket);
        else if (now >= until_ns)
            return (enum error)EAGAIN;
        else
            go_on_connecting(socket, until_ns);
    }
    return ERROR_NONE;
}

/* --- Writing --- */

static enum error tell_absence(struct msgpack_socket *socket, struct failure *failure) {
    const char *name = socket->address.name;

    if (!socket->settings.listen)
        return failure_set(failure, (enum error)ENOTCONN, "cannot connect to %.200s: %s", name,
                           error_text(socket->cause));
    if (socket->settings.wait > 1 && !socket->begun)
        return failure_set(failure, (enum error)ENOTCONN, "%.200s: %u of %u readers are there",
                           name, socket->count, (unsigned)socket->settings.wait);
    return failure_set(failure, (enum error)ENOTCONN, "%.200s: no reader is there", name);
}

static enum error find_readers(struct msgpack_socket *socket, uint64_t until_ns,
                               struct failure *failure) {
    if (!socket->settings.listen) {
        enum error error = connect_until(socket, until_ns);
        return error == (enum error)ENOTCONN ? tell_absence(socket, failure) : error;
    }
    struct pollfd item = {.fd = socket->listener.fd, .events = POLLIN};
    for (;;) {
        accept_readers(socket);
        if (has_enough(socket))
            return ERROR_NONE;
        if (clock_monotonic_ns() >= until_ns)
            return tell_absence(socket, failure);
        (void)poll(&item, 1, wait_ms(until_ns));
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
    return poll(items, behind, wait_ms(until_ns)) > 0;
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
    socket->pause_ms = PAUSE_MIN_MS;
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
                               socket->address.name);
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
        (void)connect_until(socket, clock_monotonic_ns());
    return ERROR_NONE;
}

/* --- Beginning and end --- */

static enum error read_settings(struct msgpack_socket *socket, mode_t *mode,
                                struct failure *failure) {
    struct settings *settings = &socket->settings;
    enum error error = spec_options_parse(options, socket->address.options, settings, failure);
    char *end = NULL;

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
    if (!settings->mode)
        return ERROR_NONE;
    unsigned long value = strtoul(settings->mode, &end, 8);
    if (*end || end == settings->mode || value > MODE_MAX || !socket->address.path)
        return failure_set(failure, ERROR_USAGE,
                           "#mode takes the permissions of a Unix socket in octal, such as 0660");
    *mode = (mode_t)value;
    return ERROR_NONE;
}

static enum error open_socket(struct sink *sink, const struct sink_config *config,
                              struct failure *failure) {
    struct msgpack_socket *socket = socket_of(sink);
    mode_t mode = 0600;

    socket->listener.fd = socket->connecting = -1;
    socket->pause_ms = PAUSE_MIN_MS;
    enum error error = msgpack_address_init(&socket->address, config->spec, failure);
    if (!error)
        error = read_settings(socket, &mode, failure);
    if (error)
        return error;
    sink->spec = socket->address.name;
    if (!sink->encoding.encoder)
        sink->encoding.encoder = &msgpack_encoder;
    if (sink->encoding.encoder != &msgpack_encoder)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s takes MessagePack only, not --format %s or --print",
                           socket->address.name, sink->encoding.encoder->name);
    return socket->settings.listen
               ? msgpack_address_listen(&socket->address, mode, &socket->listener, failure)
               : msgpack_address_check_path(&socket->address, failure);
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
    if (socket->connecting >= 0)
        close(socket->connecting);
    msgpack_address_unlisten(&socket->address, &socket->listener);
    msgpack_address_deinit(&socket->address);
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
