/* `trawl decode`: MessagePack of a file, a pipe or a socket as JSON Lines, or handed on to outputs
 * (decode_outputs.h). To print takes one thread, which waits for its input, its output and for
 * signals at the same time, so that an interrupt is heard wherever it stands, and what was printed
 * ends with a whole line. */
#include "tools/trawl/decode_input.h"
#include "tools/trawl/decode_outputs.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

struct decode_settings {
    struct output_settings output;
    bool follow, quiet;
};

#define FIELD(name)  offsetof(struct decode_settings, name)
#define OUTPUT(name) OUTPUT_OPTION(struct decode_settings, name)
static const struct option_spec options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_LIST,
     .argument = "WHERE",
     .summary = "hand records on: -, a path (.jsonl .msgpack, .gz), a socket, a store, null",
     .offset = OUTPUT(to),
     .unset = "printed"},
    {.name = "format",
     .kind = OPTION_CHOICE,
     .argument = "FORMAT",
     .summary = "json or msgpack, instead of what the output's name means",
     .offset = OUTPUT(format),
     .choices = output_formats},
    {.name = "gzip", .kind = OPTION_FLAG, .summary = "compress files", .offset = OUTPUT(gzip)},
    {.name = "append",
     .kind = OPTION_FLAG,
     .summary = "to files that are there already",
     .offset = OUTPUT(append)},
    {.name = "rotate-size",
     .kind = OPTION_BYTES,
     .argument = "SIZE",
     .summary = "begin a new file after so much",
     .offset = OUTPUT(rotate_bytes),
     .unset = "never"},
    {.name = "rotate-time",
     .kind = OPTION_SECONDS,
     .argument = "TIME",
     .summary = "begin a new file after so long",
     .offset = OUTPUT(rotate_ms),
     .unset = "never"},
    {.name = "follow",
     .letter = 'f',
     .kind = OPTION_FLAG,
     .summary = "of a socket: when a connection ends, wait for the next",
     .offset = FIELD(follow)},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .summary = "no summary",
     .offset = FIELD(quiet)},
    {.name = NULL},
};
#undef FIELD
#undef OUTPUT

static const char usage[] =
    "trawl decode [FILE | - | msgpack+unix:///PATH | msgpack+tcp://HOST:PORT] [OPTION ...]\n\n"
    "Turns MessagePack that trawl wrote, to a file (-o x.msgpack) or to a socket (-o "
    "msgpack+...),\n"
    "into JSON Lines on standard output: what -o x.jsonl would have held. Reads standard input\n"
    "unless told otherwise. A socket is connected to, for a trawl that listens (#listen); with\n"
    "#listen behind the URL here, it is this command that listens, and takes one connection, or\n"
    "one after another (--follow).\n\n"
    "With -o records are handed on, so that one trawl scans and another stores. With #ack behind\n"
    "the URLs of both, a record is acknowledged once every output has written it, and is sent\n"
    "again if that never happens: nothing is lost when this command is killed. What a webhook\n"
    "refuses, or does not take in time and has no spool for, is counted, told, and not asked for\n"
    "again.\n\n";

static const char more[] =
    "\nExit status: 0 all decoded, 1 the input is cut off or is no such stream (what is whole is\n"
    "printed first) or an output failed, 2 wrong usage, 130 interrupted.\n\nExamples:\n"
    "  trawl decode results.msgpack | jq .host\n"
    "  gzip -dc results.msgpack.gz | trawl decode\n"
    "  trawl scan @hosts.txt -o 'msgpack+unix:///run/trawl.sock#listen'\n"
    "  trawl decode msgpack+unix:///run/trawl.sock\n"
    "  trawl decode 'msgpack+unix:///run/trawl.sock#ack' --follow -o all.jsonl --append\n"
    "  trawl decode results.msgpack -o 'bad.jsonl#only=status:critical,warning'\n";

static void help(struct buffer *out) {
    struct decode_settings settings = {.follow = false};

    output_settings_init(&settings.output);
    buffer_add_text(out, usage);
    option_help(options, &settings, 100, out);
    buffer_add_text(out, more);
    output_settings_deinit(&settings.output);
}

/* --- Printing --- */

/* A pipe that poll calls writable takes so much without blocking. */
static enum error print(const struct decode_input *input, struct slice rest,
                        struct failure *failure) {
    enum error error;

    while (rest.len) {
        if ((error = decode_input_wait(input, STDOUT_FILENO, POLLOUT, -1)))
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

/* Prints what is whole, before it tells what is wrong with the rest (*bad). */
static enum error print_records(struct decode_input *input, struct buffer *lines, enum error *bad,
                                struct failure *failure) {
    struct packed_record record;
    struct failure why = {0};
    bool found;

    lines->len = 0;
    while (!(*bad = records_next(&input->records, &record, &found, &why)) && found)
        buffer_add_slice(lines, record.line);
    if (lines->failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for records");
    enum error error = print(input, buffer_slice(lines), failure);
    if (error)
        return error;
    decode_input_acknowledge(input, input->records.count);
    if (*bad)
        (void)failure_set(failure, *bad, "%.200s: %.250s", input->name, why.text);
    return ERROR_NONE;
}

/* Until the end of a connection, or of all; `bad` is what was wrong with the stream itself. */
static enum error print_stream(struct decode_input *input, struct buffer *lines, enum error *bad,
                               struct failure *failure) {
    size_t count;
    enum error error;

    *bad = ERROR_NONE;
    do {
        error = decode_input_read(input, READ_BYTES, &count, failure);
        if (!error && count)
            error = print_records(input, lines, bad, failure);
    } while (!error && !*bad && count);
    if (!error && !*bad)
        *bad = decode_input_check_end(input, failure);
    return error;
}

static enum error print_all(struct decode_input *input, struct failure *failure) {
    struct buffer lines;
    enum error error, bad;

    buffer_init(&lines);
    for (;;) {
        error = print_stream(input, &lines, &bad, failure);
        bool lost = input->is_socket && error == (enum error)ECONNRESET;
        if (!input->follows || (error && !lost))
            break;
        decode_input_reconnect(input, error ? error : bad, failure);
    }
    buffer_deinit(&lines);
    return error ? error : bad;
}

/* --- The command --- */

static enum exit_code print_exit_code(enum error error, const struct failure *failure) {
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

static enum exit_code decode_from(const char *where, const struct decode_settings *settings) {
    struct decode_input input;
    struct failure failure = {0};
    enum exit_code code;

    enum error error = decode_input_open(&input, where, settings->follow, &failure);
    if (!error && settings->output.to.count) {
        code = decode_outputs_run(&input, &settings->output, settings->quiet);
    } else {
        if (!error)
            error = print_all(&input, &failure);
        if (error && failure.code == ERROR_NONE)
            (void)failure_set(&failure, error, "%.200s: %s", input.name, error_text(error));
        code = print_exit_code(error, &failure);
    }
    decode_input_close(&input);
    return code;
}

static enum error check(const struct decode_settings *settings, uint32_t inputs,
                        struct failure *failure) {
    const struct output_settings *output = &settings->output;

    if (inputs > 1)
        return failure_set(failure, ERROR_USAGE,
                           "decode reads one input; `trawl help decode` tells more");
    if (!output->to.count && (output->format != FORMAT_BY_OUTPUT || output->gzip ||
                              output->append || output->rotate_bytes || output->rotate_ms))
        return failure_set(failure, ERROR_USAGE,
                           "--format, --gzip, --append and --rotate-… say how outputs (-o) are "
                           "written: name one");
    return ERROR_NONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct decode_settings settings = {.follow = false};
    struct option_list inputs;
    struct failure failure = {0};
    enum exit_code code;

    output_settings_init(&settings.output);
    option_list_init(&inputs);
    enum error error = option_parse(options, argc, argv, &settings, &inputs, &failure);
    if (!error)
        error = check(&settings, inputs.count, &failure);
    code = error ? command_failed(&failure)
                 : decode_from(inputs.count ? inputs.items[0] : "-", &settings);
    option_list_deinit(&inputs);
    output_settings_deinit(&settings.output);
    return code;
}

const struct command command_decode = {
    .name = "decode",
    .summary = "MessagePack of a file or socket as JSON Lines, or to other outputs",
    .run = run,
    .help = help,
};
