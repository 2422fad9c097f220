/* `trawl decode`: MessagePack of a file, a pipe or a socket as JSON Lines. One thread, which waits
 * for its input, its output and for signals at the same time, so that an interrupt is heard
 * wherever it stands, and what was printed ends with a whole line. */
#include "engine/base/option.h"
#include "engine/record/msgpack_json.h"
#include "sinks/msgpack_socket_address.h"
#include "sinks/spec_options.h"
#include "tools/trawl/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, CONNECT_MS = 10000, SOCKET_MODE = 0600 };

static const char usage[] =
    "trawl decode [FILE | - | msgpack+unix:///PATH | msgpack+tcp://HOST:PORT]\n\n"
    "Turns MessagePack that trawl wrote, to a file (-o x.msgpack) or to a socket (-o "
    "msgpack+...),\n"
    "into JSON Lines on standard output: what -o x.jsonl would have held. Reads standard input\n"
    "unless told otherwise. A socket is connected to, for a trawl that listens (#listen); with\n"
    "#listen behind the URL here, it is this command that listens, and takes one connection.\n\n"
    "Exit status: 0 all decoded, 1 the input is cut off or is no such stream (what is whole is\n"
    "printed first), 2 wrong usage, 130 interrupted.\n\nExamples:\n"
    "  trawl decode results.msgpack | jq .host\n"
    "  gzip -dc results.msgpack.gz | trawl decode\n"
    "  trawl scan @hosts.txt -o 'msgpack+unix:///run/trawl.sock#listen'\n"
    "  trawl decode msgpack+unix:///run/trawl.sock\n";

static void help(struct buffer *out) {
    buffer_add_text(out, usage);
}

struct decode {
    const char *name; /* of the input, in messages */
    int input, signals;
    struct buffer bytes; /* read, and not taken yet */
    struct msgpack_json stream;
};

/* --- Waiting --- */

/* ERROR_STOPPED after a signal, ETIMEDOUT after so many milliseconds (-1: never). A descriptor that
 * is ready goes first. */
static enum error wait_for(const struct decode *decode, int fd, short events, int timeout_ms) {
    struct pollfd items[] = {{.fd = fd, .events = events},
                             {.fd = decode->signals, .events = POLLIN}};
    int count;

    while ((count = poll(items, 2, timeout_ms)) < 0 && errno == EINTR)
        ;
    if (count < 0)
        return (enum error)errno;
    if (items[0].revents)
        return ERROR_NONE;
    return count ? ERROR_STOPPED : (enum error)ETIMEDOUT;
}

static bool was_interrupted(const struct decode *decode) {
    struct pollfd item = {.fd = decode->signals, .events = POLLIN};
    return poll(&item, 1, 0) > 0;
}

/* --- Input --- */

static enum error open_file(struct decode *decode, struct failure *failure) {
    struct stat status;

    decode->input = open(decode->name, O_RDONLY | O_CLOEXEC);
    if (decode->input < 0 || fstat(decode->input, &status) != 0)
        return failure_set(failure, (enum error)errno, "cannot read %.200s: %s", decode->name,
                           error_text((enum error)errno));
    if (S_ISDIR(status.st_mode))
        return failure_set(failure, (enum error)EISDIR, "%.200s is a folder", decode->name);
    return ERROR_NONE;
}

static enum error open_standard_input(struct decode *decode, struct failure *failure) {
    decode->name = "standard input";
    if (isatty(STDIN_FILENO))
        return failure_set(failure, ERROR_USAGE,
                           "decode reads a file, a pipe or a socket; `trawl help decode` tells "
                           "more");
    decode->input = STDIN_FILENO;
    return ERROR_NONE;
}

static enum error connect_to(struct decode *decode, const struct msgpack_address *address,
                             struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < address->count; i++) {
        error = msgpack_address_connect(address, i, &decode->input);
        if (error == (enum error)EINPROGRESS) {
            error = wait_for(decode, decode->input, POLLOUT, CONNECT_MS);
            if (!error)
                error = msgpack_address_connected(decode->input);
        }
        if (error == ERROR_NONE || error == ERROR_STOPPED)
            return error;
        if (decode->input >= 0)
            close(decode->input);
        decode->input = -1;
    }
    return failure_set(failure, error, "cannot connect to %.200s: %s", address->name,
                       error_text(error));
}

static enum error accept_one(struct decode *decode, const struct msgpack_address *address,
                             struct failure *failure) {
    struct msgpack_listener listener;
    enum error error = msgpack_address_listen(address, SOCKET_MODE, &listener, failure);

    while (!error && decode->input < 0) {
        error = wait_for(decode, listener.fd, POLLIN, -1);
        if (!error)
            decode->input = msgpack_address_accept(&listener);
    }
    msgpack_address_unlisten(address, &listener);
    return error;
}

static enum error open_socket(struct decode *decode, struct msgpack_address *address,
                              struct failure *failure) {
    static const struct option_spec options[] = {
        {.name = "listen", .kind = OPTION_FLAG, .summary = "wait for a trawl that connects"},
        {.name = NULL},
    };
    bool listens = false;
    enum error error = msgpack_address_init(address, decode->name, failure);

    if (!error)
        error = spec_options_parse(options, address->options, &listens, failure);
    if (!error)
        error = msgpack_address_check_path(address, failure);
    if (error)
        return error;
    decode->name = address->name;
    return listens ? accept_one(decode, address, failure) : connect_to(decode, address, failure);
}

/* --- Output --- */

/* A pipe that poll calls writable takes so much without blocking. */
static enum error print(const struct decode *decode, struct failure *failure) {
    struct slice rest = {decode->stream.json.ptr, decode->stream.whole};
    enum error error;

    while (rest.len) {
        if ((error = wait_for(decode, STDOUT_FILENO, POLLOUT, -1)))
            return error;
        ssize_t written =
            write(STDOUT_FILENO, rest.ptr, rest.len < PIPE_BUF ? rest.len : (size_t)PIPE_BUF);
        if (written < 0 && errno == EPIPE)
            return ERROR_GONE;
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return failure_set(failure, (enum error)errno, "cannot write to standard output: %s",
                               error_text((enum error)errno));
        rest = slice_from(rest, written > 0 ? (size_t)written : 0);
    }
    return ERROR_NONE;
}

/* --- From one to the other --- */

static enum error explain(const struct decode *decode, enum error error, struct slice rest,
                          const struct failure *why, struct failure *failure) {
    static const uint8_t gzip[] = {0x1f, 0x8b};
    bool packed = decode->stream.offset == 0 && rest.len >= sizeof gzip &&
                  memcmp(rest.ptr, gzip, sizeof gzip) == 0;

    if (packed)
        return failure_set(failure, error, "%.200s is compressed: gzip -dc FILE | trawl decode",
                           decode->name);
    return failure_set(failure, error, "%.200s: at byte %llu: %s", decode->name,
                       (unsigned long long)decode->stream.offset, why->text);
}

/* Decodes what was read and prints what is whole, before it tells what is wrong. */
static enum error decode_some(struct decode *decode, struct failure *failure) {
    struct slice rest = buffer_slice(&decode->bytes);
    struct failure why = {0};
    enum error bad = msgpack_json_take(&decode->stream, &rest, &why);
    enum error error = print(decode, failure);

    msgpack_json_drop(&decode->stream);
    if (error)
        return error;
    if (bad)
        return explain(decode, bad, rest, &why, failure);
    if (rest.len && rest.ptr != decode->bytes.ptr)
        memmove(decode->bytes.ptr, rest.ptr, rest.len);
    decode->bytes.len = rest.len;
    return ERROR_NONE;
}

static enum error check_end(const struct decode *decode, struct failure *failure) {
    const struct msgpack_json *stream = &decode->stream;
    uint64_t cut = stream->offset - stream->record_offset + decode->bytes.len;

    if (cut == 0)
        return ERROR_NONE;
    return failure_set(failure, ERROR_INPUT,
                       "%.200s ends within a record: the last %llu bytes, from byte %llu on, are "
                       "not whole",
                       decode->name, (unsigned long long)cut,
                       (unsigned long long)stream->record_offset);
}

static enum error decode_all(struct decode *decode, struct failure *failure) {
    enum error error;

    for (;;) {
        if (was_interrupted(decode))
            return ERROR_STOPPED;
        if ((error = wait_for(decode, decode->input, POLLIN, -1)))
            return error;
        uint8_t *at = buffer_reserve(&decode->bytes, READ_BYTES);
        if (!at)
            return failure_set(failure, ERROR_MEMORY, "no memory to read %.200s", decode->name);
        ssize_t got = read(decode->input, at, READ_BYTES);
        if (got == 0)
            return check_end(decode, failure);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return failure_set(failure, (enum error)errno, "cannot read %.200s: %s", decode->name,
                               error_text((enum error)errno));
        if (got > 0) {
            decode->bytes.len += (size_t)got;
            if ((error = decode_some(decode, failure)))
                return error;
        }
    }
}

/* --- The command --- */

static enum exit_code exit_code(enum error error, const struct failure *failure) {
    switch ((int)error) {
    case ERROR_NONE:
    case ERROR_GONE:
        return EXIT_DONE;
    case ERROR_STOPPED:
        return EXIT_INTERRUPTED;
    default:
        return command_failed(failure);
    }
}

static enum exit_code decode_from(const char *where) {
    struct decode decode = {.name = where, .input = -1};
    struct msgpack_address address = {0};
    struct failure failure = {0};
    sigset_t signals, before;
    enum error error;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &before);
    decode.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    buffer_init(&decode.bytes);
    msgpack_json_init(&decode.stream);
    if (msgpack_address_takes(slice_of(where)))
        error = open_socket(&decode, &address, &failure);
    else if (strcmp(where, "-") == 0)
        error = open_standard_input(&decode, &failure);
    else
        error = open_file(&decode, &failure);
    if (!error)
        error = decode_all(&decode, &failure);
    if (error && failure.code == ERROR_NONE)
        failure_set(&failure, error, "%.200s: %s", decode.name, error_text(error));
    enum exit_code code = exit_code(error, &failure);
    if (decode.input > STDIN_FILENO)
        close(decode.input);
    if (decode.signals >= 0)
        close(decode.signals);
    msgpack_address_deinit(&address);
    msgpack_json_deinit(&decode.stream);
    buffer_deinit(&decode.bytes);
    return code;
}

static enum exit_code run(int argc, char *const argv[]) {
    static const struct option_spec options[] = {{.name = NULL}};
    struct option_list inputs;
    struct failure failure = {0};
    enum exit_code code;

    option_list_init(&inputs);
    if (option_parse(options, argc, argv, NULL, &inputs, &failure) == ERROR_NONE &&
        inputs.count > 1)
        failure_set(&failure, ERROR_USAGE,
                    "decode reads one input; `trawl help decode` tells more");
    if (failure.code != ERROR_NONE)
        code = command_failed(&failure);
    else
        code = decode_from(inputs.count ? inputs.items[0] : "-");
    option_list_deinit(&inputs);
    return code;
}

const struct command command_decode = {
    .name = "decode",
    .summary = "MessagePack of a file or socket as JSON Lines",
    .run = run,
    .help = help,
};
