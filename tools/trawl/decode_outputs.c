#include "tools/trawl/decode_outputs.h"

#include "engine/base/clock.h"
#include "engine/record/ct_record.h"
#include "tools/trawl/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    BLOCKED_MS = 100, /* a sink is behind: it wakes us, and we look again in any case */
    DRAIN_S = 10,     /* what the sinks are given after an interruption */
    LAST_ACK_MS = 250,
};

struct decode_outputs {
    struct decode_input *input;
    struct outputs *outputs;
    struct relay relay;
    _Atomic bool is_dead; /* an output that cannot go on */
    uint64_t sequence;    /* records so far */
    uint64_t done;        /* those that every output has dealt with */
    uint64_t before;      /* this connection */
    bool interrupted;
};

/* --- What the sinks' threads tell --- */

static void wake(struct decode_outputs *decode) {
    uint64_t one = 1;
    ssize_t written = write(decode->input->wake, &one, sizeof one);

    (void)written; /* an eventfd takes it */
}

static void on_written(void *owner, uint32_t number, const uint64_t *tickets, size_t count,
                       struct sink_position position) {
    struct decode_outputs *decode = owner;

    (void)tickets, (void)position;
    relay_dealt_with(&decode->relay, number, count);
    wake(decode);
}

/* What the other side will never want is dealt with, too: it was counted and told. */
static void on_refused(void *owner, uint32_t number, const uint64_t *tickets, size_t count) {
    on_written(owner, number, tickets, count, (struct sink_position){0});
}

static void on_dead(void *owner) {
    struct decode_outputs *decode = owner;

    atomic_store(&decode->is_dead, true);
    wake(decode);
}

static void on_done(void *owner) {
    wake(owner);
}

/* --- What is under way --- */

static void acknowledge(struct decode_outputs *decode) {
    struct relay_unit unit;

    while (relay_take_done(&decode->relay, &unit))
        decode->done = unit.ticket;
    if (decode->done > decode->before)
        decode_input_acknowledge(decode->input, decode->done - decode->before);
}

/* --- Records --- */

static void add_record(struct decode_outputs *decode, const struct packed_record *record) {
    for (uint32_t i = 0; i < decode->relay.count; i++) {
        const struct pool_outlet *outlet = &decode->relay.outlets[i];
        const struct encoder *encoder = outlet->encoding->encoder;
        struct batch *batch = decode->relay.open[i];
        if (outlet->filter && !filter_matches_packed(outlet->filter, record->packed)) {
            batch->left_out++;
            continue;
        }
        if (encoder)
            buffer_add_slice(&batch->bytes,
                             encoder == &msgpack_encoder ? record->packed : record->line);
        batch->records++;
    }
    decode->sequence++;
}

/* What was read becomes a batch for every output. What is whole goes on, whatever is behind it. */
static enum error take_records(struct decode_outputs *decode, struct failure *failure) {
    struct packed_record record;
    struct failure why = {0};
    size_t bytes = 0;
    bool found;
    enum error error = relay_begin(&decode->relay, failure), bad;

    if (error)
        return error;
    while (!(bad = records_next(&decode->input->records, &record, &found, &why)) && found) {
        add_record(decode, &record);
        bytes += record.packed.len;
    }
    if (bytes)
        error = relay_commit(&decode->relay, (struct relay_unit){decode->sequence, NULL, bytes},
                             failure);
    else
        relay_cancel(&decode->relay);
    if (!error && bad)
        error = failure_set(failure, bad, "%.200s: %.250s", decode->input->name, why.text);
    return error;
}

/* --- The run --- */

static void say(const struct decode_outputs *decode, const char *text) {
    console_say(&decode->input->console, text);
}

/* A connection is over. Who follows tells what was wrong with it, and waits for the next. */
static enum error end_connection(struct decode_outputs *decode, enum error error,
                                 struct failure *failure, bool *ended) {
    struct decode_input *input = decode->input;

    if (!error)
        error = decode_input_check_end(input, failure);
    *ended = !input->follows;
    if (*ended)
        return error;
    acknowledge(decode);
    decode_input_reconnect(input, error, failure);
    decode->before = decode->sequence;
    return ERROR_NONE;
}

static bool is_of_stream(enum error error) {
    return error == ERROR_INPUT || error == ERROR_LIMIT || error == (enum error)ECONNRESET ||
           error == (enum error)ETIMEDOUT;
}

/* Reads once and takes what came. EAGAIN: there is something else to do. */
static enum error read_some(struct decode_outputs *decode, struct failure *failure, bool *ended) {
    size_t count;
    enum error error = decode_input_read(decode->input, READ_BYTES, &count, failure);

    if (!error && count)
        error = take_records(decode, failure);
    bool over = !error && count == 0;
    if (!over && !(is_of_stream(error) && decode->input->is_socket && decode->input->fd >= 0))
        return error;
    return end_connection(decode, error, failure, ended);
}

static enum error wait_for_room(struct decode_outputs *decode) {
    enum error error = decode_input_wait(decode->input, -1, 0, BLOCKED_MS);
    return error == (enum error)ETIMEDOUT || error == (enum error)EAGAIN ? ERROR_NONE : error;
}

static enum error run(struct decode_outputs *decode, struct failure *failure) {
    enum error error = ERROR_NONE;
    bool ended = false;

    while (!error && !ended && !atomic_load(&decode->is_dead)) {
        acknowledge(decode);
        error = relay_has_room(&decode->relay) ? read_some(decode, failure, &ended)
                                               : wait_for_room(decode);
        if (error == (enum error)EAGAIN)
            error = ERROR_NONE;
    }
    return error;
}

/* --- Its end --- */

static void interrupt(struct decode_outputs *decode) {
    decode_input_forget_signal(decode->input);
    if (decode->interrupted)
        outputs_abandon(decode->outputs);
    else
        say(decode, "waiting for the outputs to take what was read; interrupt again to give it up");
    decode->interrupted = true;
}

/* Hands over the last, closes the queues, and waits until the sinks are through. */
static void drain(struct decode_outputs *decode) {
    uint64_t interrupted_ns = decode->interrupted ? clock_monotonic_ns() : 0;
    bool closed = false;

    while (!closed || outputs_running(decode->outputs)) {
        closed = closed || relay_end(&decode->relay);
        acknowledge(decode);
        if (closed && !outputs_running(decode->outputs))
            break;
        enum error error = decode_input_wait(decode->input, -1, 0, BLOCKED_MS);
        if (error == ERROR_STOPPED) {
            interrupt(decode);
            interrupted_ns = clock_monotonic_ns();
        }
        if (interrupted_ns &&
            clock_monotonic_ns() - interrupted_ns > DRAIN_S * UINT64_C(1000000000))
            outputs_abandon(decode->outputs);
    }
}

static void summarize(const struct decode_outputs *decode, const struct outputs_totals *totals) {
    fprintf(stderr, "%llu records were read\n", (unsigned long long)decode->sequence);
    if (totals->records_left_out)
        fprintf(stderr, "%llu records were left out by filters (only=)\n",
                (unsigned long long)totals->records_left_out);
    if (totals->records_refused)
        fprintf(stderr, "%llu records were refused by an output\n",
                (unsigned long long)totals->records_refused);
    if (totals->readers_left)
        fprintf(stderr, "%llu readers of a socket left before the end\n",
                (unsigned long long)totals->readers_left);
    if (totals->records_lost)
        fprintf(stderr, "%llu records could not be written\n",
                (unsigned long long)totals->records_lost);
}

static enum error open_outputs(struct decode_outputs *decode,
                               const struct output_settings *settings, struct failure *failure) {
    struct outputs_config config = {
        .settings = settings,
        .kind = &probe_record_kind,
        .other_kind = &ct_record_kind,
        .console = &decode->input->console,
        .producers = 1,
        .packed = true,
        .on_written = on_written,
        .on_refused = on_refused,
        .on_dead = on_dead,
        .on_done = on_done,
        .owner = decode,
    };

    decode->input->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (decode->input->wake < 0)
        return failure_set(failure, (enum error)errno, "cannot wait for outputs: %s",
                           error_text((enum error)errno));
    enum error error = outputs_open(&decode->outputs, &config, failure);
    if (error)
        return error;
    relay_init(&decode->relay, decode->outputs);
    return outputs_start(decode->outputs, failure);
}

static void send_last_ack(struct decode_outputs *decode) {
    acknowledge(decode);
    if (decode->input->acks && decode->input->fd >= 0 &&
        decode->input->ack_sent < decode->input->ack_len &&
        decode_input_wait(decode->input, decode->input->fd, POLLOUT, LAST_ACK_MS) == ERROR_NONE)
        acknowledge(decode);
}

static enum exit_code run_all(struct decode_outputs *decode, const struct output_settings *settings,
                              bool quiet) {
    struct outputs_totals totals = {0};
    struct failure failure = {0};
    enum error error = open_outputs(decode, settings, &failure);

    if (!error)
        error = run(decode, &failure);
    if (error == ERROR_STOPPED) {
        decode_input_forget_signal(decode->input);
        decode->interrupted = true;
        error = ERROR_NONE;
    }
    if (decode->outputs) {
        drain(decode);
        outputs_join(decode->outputs, &totals);
        send_last_ack(decode);
    }
    bool wrong_usage = error && !decode->outputs;
    if (!quiet && !wrong_usage)
        summarize(decode, &totals);
    if (error && failure.code == ERROR_NONE)
        failure_set(&failure, error, "%.200s: %s", decode->input->name, error_text(error));
    if (error)
        return command_failed(&failure);
    if (totals.failed || totals.records_lost || totals.records_refused)
        return EXIT_FAILED;
    return decode->interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

enum exit_code decode_outputs_run(struct decode_input *input,
                                  const struct output_settings *settings, bool quiet) {
    struct decode_outputs *decode = calloc(1, sizeof *decode);
    struct failure failure;

    if (!decode) {
        (void)failure_set(&failure, ERROR_MEMORY, "no memory");
        return command_failed(&failure);
    }
    decode->input = input;
    enum exit_code code = run_all(decode, settings, quiet);
    relay_deinit(&decode->relay);
    outputs_close(decode->outputs);
    if (input->wake >= 0)
        close(input->wake);
    input->wake = -1;
    free(decode);
    return code;
}
