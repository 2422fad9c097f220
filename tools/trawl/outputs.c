#include "tools/trawl/outputs.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    RING_BATCHES = 64,
    REFUSED_TOLD_S = 60, /* what is refused is told no more often */
};

struct output {
    struct outputs *outputs;
    uint64_t refused_told_ns; /* the sink's thread's, and the next */
    uint64_t refused;
    struct sink *sink; /* NULL once its runner has it to the end */
    struct batch_queue *queue;
    struct sink_runner *runner;
};

struct outputs {
    struct outputs_config config;
    struct field_selection fields;
    struct output items[OUTPUTS_MAX];
    struct pool_outlet outlets[OUTPUTS_MAX];
    struct webhook_statistics webhook_statistics;
    uint32_t count, started;
    _Atomic uint32_t running;
};

/* --- What a sink's thread tells --- */

static void on_gone(void *context) {
    const struct outputs_config *config = &((struct output *)context)->outputs->config;
    config->on_dead(config->owner);
}

static void on_trouble(void *context, const struct failure *failure, bool final) {
    const struct outputs_config *config = &((struct output *)context)->outputs->config;

    console_say(config->console, failure->text);
    if (final)
        config->on_dead(config->owner);
    else
        console_say(config->console, "trawl waits until it can be written");
}

static void on_recovered(void *context) {
    console_say(((struct output *)context)->outputs->config.console, "writing works again");
}

static void on_written(void *context, const struct sink *sink, const struct batch *batch) {
    struct output *output = context;
    const struct outputs_config *config = &output->outputs->config;
    struct sink_position position = {0};
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    if (!config->on_written)
        return;
    if (sink->kind->position)
        position = sink->kind->position(sink);
    config->on_written(config->owner, (uint32_t)(output - output->outputs->items), tickets, count,
                       position);
}

static void tell_refused(struct output *output, const struct failure *failure) {
    const struct console *console = output->outputs->config.console;
    uint64_t now_ns = clock_monotonic_ns();
    char text[sizeof failure->text + 64];

    if (output->refused_told_ns &&
        now_ns - output->refused_told_ns < REFUSED_TOLD_S * UINT64_C(1000000000))
        return;
    output->refused_told_ns = now_ns;
    snprintf(text, sizeof text, "%s; %llu records were refused", failure->text,
             (unsigned long long)output->refused);
    console_say(console, text);
}

static void on_refused(void *context, const struct sink *sink, const struct batch *batch,
                       uint32_t records, const struct failure *failure) {
    struct output *output = context;
    const struct outputs_config *config = &output->outputs->config;
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    (void)sink;
    output->refused += records;
    tell_refused(output, failure);
    if (config->on_refused)
        config->on_refused(config->owner, (uint32_t)(output - output->outputs->items), tickets,
                           count);
}

static void on_done(void *context) {
    struct outputs *outputs = ((struct output *)context)->outputs;

    if (atomic_fetch_sub(&outputs->running, 1) == 1)
        outputs->config.on_done(outputs->config.owner);
}

/* --- Opening --- */

static const char *spec_of(const struct output_settings *settings, uint32_t i) {
    return settings->to.count ? settings->to.items[i] : "-";
}

uint32_t outputs_count(const struct output_settings *settings) {
    return settings->to.count ? settings->to.count : 1;
}

void outputs_describe(const struct output_settings *settings, struct buffer *out) {
    for (uint32_t i = 0; i < outputs_count(settings); i++)
        buffer_add_format(out, "output %s\n", spec_of(settings, i));
    buffer_add_format(out, "format %d fields %s print %s\n", settings->format,
                      settings->fields ? settings->fields : "",
                      settings->print ? settings->print : "");
}

static uint16_t terminal_columns(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static const struct encoder *chosen_encoder(const struct output_settings *settings,
                                            const char *spec) {
    if (settings->print)
        return encoder_by_name(slice_of(settings->print));
    if (settings->format != FORMAT_BY_OUTPUT)
        return encoder_by_name(slice_of(output_formats[settings->format]));
    bool terminal = strcmp(spec, "-") == 0 && isatty(STDOUT_FILENO);
    return terminal && !settings->fields ? encoder_by_name(slice_of("table")) : NULL;
}

static enum error open_sink(struct outputs *outputs, uint32_t number, struct failure *failure) {
    const struct output_settings *settings = outputs->config.settings;
    bool resumable = outputs->config.resumable;
    const char *spec = spec_of(settings, number);
    struct sink_position position = {0};

    if (resumable)
        position = outputs->config.position(outputs->config.owner, number);
    struct sink_config config = {
        .spec = spec,
        .encoder = chosen_encoder(settings, spec),
        .fields = &outputs->fields,
        .rotate_bytes = settings->rotate_bytes,
        .rotate_seconds = (uint32_t)((settings->rotate_ms + 999) / 1000),
        .gzip = settings->gzip,
        .append = settings->append,
        .resume = position.file ? &position : NULL,
        .terminal_columns = terminal_columns(),
        .color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
        .user_agent = "trawl/" TRAWL_VERSION,
        .webhook_statistics = &outputs->webhook_statistics,
    };
    enum error error = sink_open(&outputs->items[number].sink, &config, failure);
    if (error == ERROR_NONE && resumable && outputs->items[number].sink->holds_back)
        error = failure_set(failure, ERROR_USAGE,
                            "%.200s cannot be resumed, as a compressor holds back what it was "
                            "given: write it plain, and compress it when all is done",
                            spec);
    return error;
}

static enum error open_output(struct outputs *outputs, uint32_t number, struct failure *failure) {
    struct output *output = &outputs->items[number];
    enum error error = open_sink(outputs, number, failure);

    if (error != ERROR_NONE)
        return error;
    output->outputs = outputs;
    output->queue = batch_queue_new(outputs->config.producers, RING_BATCHES);
    outputs->outlets[number] = (struct pool_outlet){&output->sink->encoding, output->queue};
    return output->queue ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory for a queue");
}

static enum error check_print(const struct output_settings *settings, struct failure *failure) {
    if (settings->print && strcmp(settings->print, "names") != 0)
        return failure_set(failure, ERROR_USAGE, "--print knows 'names' only, not '%s'",
                           settings->print);
    return ERROR_NONE;
}

enum error outputs_open(struct outputs **out, const struct outputs_config *config,
                        struct failure *failure) {
    struct outputs *outputs = calloc(1, sizeof *outputs);
    enum error error;

    if (!outputs)
        return failure_set(failure, ERROR_MEMORY, "no memory for the outputs");
    outputs->config = *config;
    error = check_print(config->settings, failure);
    if (error == ERROR_NONE)
        error =
            field_selection_init(&outputs->fields, config->kind, config->settings->fields, failure);
    if (error == ERROR_NONE && outputs_count(config->settings) > OUTPUTS_MAX)
        error = failure_set(failure, ERROR_USAGE, "at most %d outputs (-o)", OUTPUTS_MAX);
    for (; error == ERROR_NONE && outputs->count < outputs_count(config->settings);
         outputs->count++)
        error = open_output(outputs, outputs->count, failure);
    if (error != ERROR_NONE) {
        outputs_close(outputs);
        return error;
    }
    *out = outputs;
    return ERROR_NONE;
}

const struct pool_outlet *outputs_outlets(const struct outputs *outputs) {
    return outputs->outlets;
}

struct sink_position outputs_position(const struct outputs *outputs, uint32_t number) {
    const struct sink *sink = outputs->items[number].sink;

    return sink->kind->position ? sink->kind->position(sink) : (struct sink_position){0};
}

/* --- Running --- */

enum error outputs_start(struct outputs *outputs, struct failure *failure) {
    for (; outputs->started < outputs->count; outputs->started++) {
        struct output *output = &outputs->items[outputs->started];
        struct sink_runner_hooks hooks = {
            .on_gone = on_gone,
            .on_trouble = on_trouble,
            .on_recovered = on_recovered,
            .on_written = on_written,
            .on_refused = on_refused,
            .on_done = on_done,
            .context = output,
        };
        atomic_fetch_add(&outputs->running, 1);
        enum error error =
            sink_runner_start(&output->runner, output->sink, output->queue, &hooks, failure);
        if (error != ERROR_NONE) {
            atomic_fetch_sub(&outputs->running, 1);
            return error;
        }
    }
    return ERROR_NONE;
}

bool outputs_running(const struct outputs *outputs) {
    return atomic_load(&outputs->running) > 0;
}

void outputs_abandon(struct outputs *outputs) {
    for (uint32_t i = 0; i < outputs->started; i++)
        sink_runner_abandon(outputs->items[i].runner);
}

struct webhook_statistics outputs_webhook_statistics(const struct outputs *outputs) {
    return webhook_statistics_read(&outputs->webhook_statistics);
}

void outputs_join(struct outputs *outputs, struct outputs_totals *totals) {
    *totals = (struct outputs_totals){0};
    for (uint32_t i = 0; i < outputs->started; i++) {
        struct sink_totals of_sink = {0};
        sink_runner_join(outputs->items[i].runner, &of_sink);
        outputs->items[i].sink = NULL;
        if (of_sink.failure.code == ERROR_GONE) {
            totals->left = true;
            continue;
        }
        totals->records_lost += of_sink.records_lost;
        totals->records_refused += of_sink.records_refused;
        totals->readers_left += of_sink.readers_left;
        totals->failed |= of_sink.failure.code != ERROR_NONE;
    }
    outputs->started = 0;
}

void outputs_close(struct outputs *outputs) {
    if (!outputs)
        return;
    for (uint32_t i = 0; i < OUTPUTS_MAX; i++) {
        sink_close(outputs->items[i].sink);
        batch_queue_free(outputs->items[i].queue);
    }
    field_selection_deinit(&outputs->fields);
    free(outputs);
}
