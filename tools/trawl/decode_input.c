#include "tools/trawl/decode_input.h"

#include "engine/base/clock.h"
#include "engine/base/spec_options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 100 /* while a connection is made, or waited for */ };

/* --- Waiting --- */

enum error decode_input_wait(const struct decode_input *input, int fd, short events,
                             int timeout_ms) {
    struct pollfd items[] = {{.fd = fd, .events = events},
                             {.fd = input->signals, .events = POLLIN},
                             {.fd = input->wake, .events = POLLIN}};
    uint64_t signals;
    int count;

    while ((count = poll(items, 3, timeout_ms)) < 0 && errno == EINTR)
        ;
    if (count < 0)
        return (enum error)errno;
    if (items[2].revents && read(input->wake, &signals, sizeof signals) < 0 && errno != EAGAIN)
        return (enum error)errno;
    if (items[0].revents)
        return ERROR_NONE;
    if (items[1].revents)
        return ERROR_STOPPED;
    return count ? (enum error)EAGAIN : (enum error)ETIMEDOUT;
}

void decode_input_forget_signal(const struct decode_input *input) {
    struct signalfd_siginfo heard;
    ssize_t got = read(input->signals, &heard, sizeof heard);

    (void)got;
}

/* --- Opening --- */

static enum error open_file(struct decode_input *input, struct failure *failure) {
    struct stat status;

    input->fd = open(input->name, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &status) != 0)
        return failure_set(failure, (enum error)errno, "cannot read %.200s: %s", input->name,
                           error_text((enum error)errno));
    if (S_ISDIR(status.st_mode))
        return failure_set(failure, (enum error)EISDIR, "%.200s is a folder", input->name);
    return ERROR_NONE;
}

static enum error open_standard_input(struct decode_input *input, struct failure *failure) {
    input->name = "standard input";
    if (isatty(STDIN_FILENO))
        return failure_set(failure, ERROR_USAGE,
                           "decode reads a file, a pipe or a socket; `trawl help decode` tells "
                           "more");
    input->fd = STDIN_FILENO;
    return ERROR_NONE;
}

static enum error open_socket(struct decode_input *input, struct failure *failure) {
    struct settings {
        bool listen, ack;
    } settings = {false, false};
    static const struct option_spec options[] = {
        {.name = "listen",
         .kind = OPTION_FLAG,
         .summary = "wait for a trawl that connects",
         .offset = offsetof(struct settings, listen)},
        {.name = "ack",
         .kind = OPTION_FLAG,
         .summary = "acknowledge records, to a trawl whose URL says #ack too",
         .offset = offsetof(struct settings, ack)},
        {.name = NULL},
    };
    enum error error = msgpack_link_init(&input->link, input->name, failure);

    if (!error)
        error = spec_options_parse(options, input->link.address.options, &settings, failure);
    if (!error)
        error = msgpack_link_open(&input->link, settings.listen, NULL, failure);
    input->name = input->link.address.name;
    input->acks = settings.ack;
    return error;
}

static void hear_signals(struct decode_input *input) {
    sigset_t signals, before;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &before);
    input->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum error decode_input_open(struct decode_input *input, const char *where, bool follows,
                             struct failure *failure) {
    *input = (struct decode_input){.name = where, .fd = -1, .wake = -1, .follows = follows};
    records_init(&input->records);
    hear_signals(input);
    input->is_socket = msgpack_address_takes(slice_of(where));
    if (input->is_socket)
        return open_socket(input, failure);
    if (follows)
        return failure_set(failure, ERROR_USAGE,
                           "--follow is for sockets: msgpack+unix:// or "
                           "msgpack+tcp://");
    return strcmp(where, "-") == 0 ? open_standard_input(input, failure)
                                   : open_file(input, failure);
}

void decode_input_close(struct decode_input *input) {
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    if (input->signals >= 0)
        close(input->signals);
    if (input->is_socket)
        msgpack_link_close(&input->link);
    records_deinit(&input->records);
}

/* --- Connections --- */

static void tell_absence(struct decode_input *input) {
    char text[320];

    if (input->is_away)
        return;
    input->is_away = true;
    if (input->link.listens)
        snprintf(text, sizeof text, "%.200s: nobody is there", input->name);
    else
        snprintf(text, sizeof text, "cannot connect to %.200s: %s", input->name,
                 error_text(input->link.cause));
    console_say(&input->console, text);
}

/* One step: ERROR_NONE does not mean that there is a connection now. */
static enum error accept_one(struct decode_input *input) {
    enum error error = decode_input_wait(input, input->link.listener.fd, POLLIN, -1);

    if (error)
        return error;
    input->fd = msgpack_link_accept(&input->link);
    if (input->fd >= 0 && !input->follows)
        msgpack_address_unlisten(&input->link.address, &input->link.listener);
    return ERROR_NONE;
}

/* Likewise. */
static enum error connect_step(struct decode_input *input, struct failure *failure) {
    struct msgpack_link *link = &input->link;
    enum error error = msgpack_link_connect(link, clock_monotonic_ns(), &input->fd);

    if (error == ERROR_NONE)
        return ERROR_NONE;
    if (error == (enum error)ENOTCONN && !input->follows)
        return failure_set(failure, link->cause, "cannot connect to %.200s: %s", input->name,
                           error_text(link->cause));
    if (error == (enum error)ENOTCONN)
        tell_absence(input);
    error = decode_input_wait(input, link->connecting, POLLOUT, LOOK_MS);
    return error == (enum error)ETIMEDOUT ? ERROR_NONE : error;
}

static enum error make_connection(struct decode_input *input, struct failure *failure) {
    enum error error = ERROR_NONE;

    while (!error && input->fd < 0)
        error = input->link.listens ? accept_one(input) : connect_step(input, failure);
    if (error)
        return error;
    input->is_away = false;
    input->acknowledged = 0;
    input->ack_len = input->ack_sent = 0;
    records_restart(&input->records);
    return ERROR_NONE;
}

/* Whether it was good for something shows in what it gave; else the next one may wait. A trawl that
 * stops listening resets those whom it has not accepted yet: nothing was wrong. */
void decode_input_reconnect(struct decode_input *input, enum error error,
                            const struct failure *failure) {
    if (error && (input->records.count || error != (enum error)ECONNRESET))
        console_say(&input->console, failure->text);
    close(input->fd);
    input->fd = -1;
    if (input->records.count)
        msgpack_link_was_good(&input->link);
    else
        msgpack_link_was_bad(&input->link, (enum error)ECONNRESET);
}

/* --- Acknowledging --- */

static void encode_ack(struct decode_input *input, uint64_t count) {
    input->ack[0] = 0xcf; /* uint 64 */
    for (uint32_t i = 1; i < MSGPACK_ACK_BYTES_MAX; i++)
        input->ack[i] = (uint8_t)(count >> 8 * (MSGPACK_ACK_BYTES_MAX - 1 - i));
    input->ack_len = MSGPACK_ACK_BYTES_MAX;
    input->ack_sent = 0;
    input->acknowledged = count;
}

/* What goes wrong here shows in the next read. */
static void send_ack(struct decode_input *input) {
    ssize_t sent = send(input->fd, input->ack + input->ack_sent, input->ack_len - input->ack_sent,
                        MSG_DONTWAIT | MSG_NOSIGNAL);

    input->ack_sent += sent > 0 ? (uint32_t)sent : 0;
}

static bool has_ack(const struct decode_input *input) {
    return input->fd >= 0 && input->ack_sent < input->ack_len;
}

void decode_input_acknowledge(struct decode_input *input, uint64_t count) {
    if (!input->acks || input->fd < 0)
        return;
    if (has_ack(input))
        send_ack(input);
    if (has_ack(input) || count <= input->acknowledged)
        return;
    encode_ack(input, count);
    send_ack(input);
}

/* --- Reading --- */

enum error decode_input_read(struct decode_input *input, size_t room, size_t *count,
                             struct failure *failure) {
    enum error error = ERROR_NONE;
    ssize_t got;

    *count = 0;
    if (input->is_socket && input->fd < 0)
        error = make_connection(input, failure);
    /* A signal goes before what is there to read: a quick stream would hide it. */
    if (!error && (error = decode_input_wait(input, -1, 0, 0)) == (enum error)ETIMEDOUT)
        error = ERROR_NONE;
    do {
        short events = (short)(POLLIN | (has_ack(input) ? POLLOUT : 0));
        if (error || (error = decode_input_wait(input, input->fd, events, -1)))
            return error;
        if (has_ack(input))
            send_ack(input);
        uint8_t *at = records_room(&input->records, room);
        if (!at)
            return failure_set(failure, ERROR_MEMORY, "no memory to read %.200s", input->name);
        got = read(input->fd, at, room);
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    if (got < 0)
        return failure_set(failure, (enum error)errno, "cannot read %.200s: %s", input->name,
                           error_text((enum error)errno));
    records_add(&input->records, (size_t)got);
    *count = (size_t)got;
    return ERROR_NONE;
}

enum error decode_input_check_end(const struct decode_input *input, struct failure *failure) {
    uint64_t offset, cut = records_cut(&input->records, &offset);

    if (cut == 0)
        return ERROR_NONE;
    return failure_set(failure, ERROR_INPUT,
                       "%.200s ends within a record: the last %llu bytes, from byte %llu on, are "
                       "not whole",
                       input->name, (unsigned long long)cut, (unsigned long long)offset);
}
