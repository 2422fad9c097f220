#include "tools/trawl/outputs.h"

#include "engine/base/clock.h"
#include "engine/record/json.h"

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
    char *shown, *spool; /* for messages; the sink's own words are gone with it */
    struct sink_statistics statistics;
    char *spec;            /* without its conditions */
    char *conditions;      /* NULL for none */
    struct filter *filter; /* NULL for all */
    struct sink *sink;     /* NULL once its runner has it to the end */
    struct batch_queue *queue;
    struct sink_runner *runner;
    atomic_bool abandoned;
};

struct outputs {
    struct outputs_config config;
    struct field_selection fields, all_fields;
    struct output items[OUTPUTS_MAX];
    struct pool_outlet outlets[OUTPUTS_MAX];
    struct webhook_statistics webhook_statistics;
    char *spool; /* the folder of spools; NULL for none */
    bool spool_is_chosen;
    uint32_t count, started;
    _Atomic uint32_t running;
};

/* --- What a sink's thread tells --- */

static void on_gone(void *context) {
    const struct outputs_config *config = &((struct output *)context)->outputs->config;
    config->on_dead(config->owner);
}

static void on_trouble(void *context, const struct failure *failure, bool final) {
    const struct output *output = context;
    const struct outputs_config *config = &output->outputs->config;

    console_say(config->console, failure->text);
    if (final)
        config->on_dead(config->owner);
    else if (!output->spool)
        console_say(config->console, "trawl waits until it can be written");
}

/* Which one: others may be in trouble still. */
static void on_recovered(void *context) {
    const struct output *output = context;
    char text[FAILURE_TEXT_MAX];

    snprintf(text, sizeof text, "writing works again: %s", output->shown);
    console_say(output->outputs->config.console, text);
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
                                            const char *spec, bool packed) {
    if (settings->print)
        return encoder_by_name(slice_of(settings->print));
    if (settings->format != FORMAT_BY_OUTPUT)
        return encoder_by_name(slice_of(output_formats[settings->format]));
    bool terminal = strcmp(spec, "-") == 0 && isatty(STDOUT_FILENO) && !packed;
    return terminal && !settings->fields ? encoder_by_name(slice_of("table")) : NULL;
}

/* A folder for the spool that nobody asked for, and that cannot be had, is no reason not to run. */
static enum error open_with_spool(struct outputs *outputs, uint32_t number,
                                  struct sink_config *config, struct failure *failure) {
    struct output *output = &outputs->items[number];
    const struct sink_kind *kind = sink_kind_of(config->spec);
    enum error error = sink_open(&output->sink, config, failure);
    char text[FAILURE_TEXT_MAX + 64];

    if (error && kind && kind->spools && config->spool && !outputs->spool_is_chosen) {
        snprintf(text, sizeof text, "%s; without a spool, this output holds the run back",
                 failure->text);
        config->spool = NULL;
        error = sink_open(&output->sink, config, failure);
        if (!error)
            console_say(outputs->config.console, text);
    }
    if (error != ERROR_NONE)
        return error;
    output->shown = strdup(output->sink->spec);
    output->spool = output->sink->spool ? strdup(output->sink->spool) : NULL;
    return output->shown && (output->spool || !output->sink->spool)
               ? ERROR_NONE
               : failure_set(failure, ERROR_MEMORY, "no memory for the outputs");
}

static enum error open_sink(struct outputs *outputs, uint32_t number, struct failure *failure) {
    const struct output_settings *settings = outputs->config.settings;
    bool resumable = outputs->config.resumable;
    const char *spec = outputs->items[number].spec;
    struct sink_position position = {0};

    if (resumable)
        position = outputs->config.position(outputs->config.owner, number);
    struct sink_config config = {
        .spec = spec,
        .encoder = chosen_encoder(settings, spec, outputs->config.packed),
        .fields = &outputs->fields,
        .all_fields = &outputs->all_fields,
        .rotate_bytes = settings->rotate_bytes,
        .rotate_seconds = (uint32_t)((settings->rotate_ms + 999) / 1000),
        .gzip = settings->gzip,
        .append = settings->append,
        .resume = position.file ? &position : NULL,
        .terminal_columns = terminal_columns(),
        .color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
        .user_agent = "trawl/" TRAWL_VERSION,
        .webhook_statistics = &outputs->webhook_statistics,
        .statistics = &outputs->items[number].statistics,
        .spool = outputs->spool,
        .abandoned = &outputs->items[number].abandoned,
    };
    enum error error = open_with_spool(outputs, number, &config, failure);
    if (error == ERROR_NONE && resumable && outputs->items[number].sink->holds_back)
        error = failure_set(failure, ERROR_USAGE,
                            "%.200s cannot be resumed, as a compressor holds back what it was "
                            "given: write it plain, and compress it when all is done",
                            spec);
    return error;
}

static enum error read_spec(struct outputs *outputs, uint32_t number, struct failure *failure) {
    const struct record_kind *const kinds[] = {outputs->config.kind, outputs->config.other_kind,
                                               NULL};
    struct output *output = &outputs->items[number];
    enum error error = filter_cut(spec_of(outputs->config.settings, number), &output->spec,
                                  &output->conditions, failure);

    if (!error && output->conditions)
        error = filter_new(&output->filter, kinds, output->conditions, failure);
    return error;
}

static enum error check_packed(const struct outputs *outputs, const struct encoder *encoder,
                               const char *spec, struct failure *failure) {
    if (!outputs->config.packed || !encoder || encoder == &json_encoder ||
        encoder == &msgpack_encoder)
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE,
                       "%.200s would be %s: records that were read are written as json or msgpack",
                       spec, encoder->name);
}

static enum error open_output(struct outputs *outputs, uint32_t number, struct failure *failure) {
    struct output *output = &outputs->items[number];
    enum error error = read_spec(outputs, number, failure);

    /* Looked at before, lest a file is emptied for nothing, and after, when a sink has chosen. */
    if (error == ERROR_NONE)
        error =
            check_packed(outputs, encoder_by_path(slice_of(output->spec)), output->spec, failure);
    if (error == ERROR_NONE)
        error = open_sink(outputs, number, failure);
    if (error == ERROR_NONE)
        error = check_packed(outputs, output->sink->encoding.encoder, output->sink->spec, failure);
    if (error != ERROR_NONE)
        return error;
    output->outputs = outputs;
    output->queue = batch_queue_new(outputs->config.producers, RING_BATCHES);
    outputs->outlets[number] =
        (struct pool_outlet){&output->sink->encoding, output->queue, output->filter};
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
    outputs->spool = output_spool_folder(config->settings->spool, &outputs->spool_is_chosen);
    error = check_print(config->settings, failure);
    if (error == ERROR_NONE)
        error =
            field_selection_init(&outputs->fields, config->kind, config->settings->fields, failure);
    if (error == ERROR_NONE)
        error = field_selection_init_all(&outputs->all_fields, config->kind, failure);
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

const char *outputs_conditions(const struct outputs *outputs, uint32_t number) {
    return outputs->items[number].conditions;
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
            .statistics = &output->statistics,
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
    for (uint32_t i = 0; i < outputs->started; i++) {
        atomic_store(&outputs->items[i].abandoned, true);
        sink_runner_abandon(outputs->items[i].runner);
    }
}

struct webhook_statistics outputs_webhook_statistics(const struct outputs *outputs) {
    return webhook_statistics_read(&outputs->webhook_statistics);
}

uint32_t outputs_number(const struct outputs *outputs) {
    return outputs->count;
}

struct output_view outputs_view(const struct outputs *outputs, uint32_t number) {
    const struct output *output = &outputs->items[number];

    return (struct output_view){output->shown, output->spool,
                                sink_statistics_read(&output->statistics)};
}

uint64_t outputs_waiting(const struct outputs *outputs) {
    uint64_t waiting = 0;

    for (uint32_t i = 0; i < outputs->count; i++)
        waiting += sink_statistics_read(&outputs->items[i].statistics).waiting;
    return waiting;
}

static uint64_t written(const struct output_view *view) {
    return view->spool ? view->statistics.delivered : view->statistics.taken;
}

static void summarize(const struct output_view *view, struct buffer *out) {
    const struct sink_statistics *statistics = &view->statistics;

    buffer_add_format(out, "  %s: %llu written", view->spec, (unsigned long long)written(view));
    if (statistics->spooled)
        buffer_add_format(out, ", %llu by way of the spool",
                          (unsigned long long)statistics->spooled);
    if (statistics->refused)
        buffer_add_format(out, ", %llu refused", (unsigned long long)statistics->refused);
    if (statistics->lost)
        buffer_add_format(out, ", %llu lost", (unsigned long long)statistics->lost);
    if (statistics->held_ns >= 1000000000)
        buffer_add_format(out, ", held back %.1f s", (double)statistics->held_ns / 1e9);
    if (statistics->dead)
        buffer_add_format(out, "\n    %llu are dead letters: trawl spool show --dead %s",
                          (unsigned long long)statistics->dead, view->spool);
    if (statistics->waiting)
        buffer_add_format(out, "\n    %llu wait for the next run, or for: trawl spool replay %s",
                          (unsigned long long)statistics->waiting, view->spool);
    buffer_add_byte(out, '\n');
}

void outputs_summary(const struct outputs *outputs, struct buffer *out) {
    for (uint32_t i = 0; i < outputs->count; i++) {
        struct output_view view = outputs_view(outputs, i);
        const struct sink_statistics *statistics = &view.statistics;
        if (statistics->spooled || statistics->refused || statistics->lost || statistics->dead ||
            statistics->waiting || (outputs->count > 1 && statistics->held_ns >= 1000000000))
            summarize(&view, out);
    }
}

void outputs_stats(const struct outputs *outputs, struct buffer *out) {
    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < outputs->count; i++) {
        struct output_view view = outputs_view(outputs, i);
        const struct sink_statistics *statistics = &view.statistics;
        buffer_add_text(out, i ? ",\n    {\"sink\": " : "\n    {\"sink\": ");
        json_add_text(slice_of(view.spec), out);
        buffer_add_format(
            out,
            ", \"written\": %llu, \"refused\": %llu, \"lost\": %llu, "
            "\"spooled\": %llu, \"waiting\": %llu, \"dead\": %llu, "
            "\"held_back_seconds\": %.3f}",
            (unsigned long long)written(&view), (unsigned long long)statistics->refused,
            (unsigned long long)statistics->lost, (unsigned long long)statistics->spooled,
            (unsigned long long)statistics->waiting, (unsigned long long)statistics->dead,
            (double)statistics->held_ns / 1e9);
    }
    buffer_add_byte(out, ']');
}

void outputs_join(struct outputs *outputs, struct outputs_totals *totals) {
    *totals = (struct outputs_totals){0};
    for (uint32_t i = 0; i < outputs->started; i++) {
        struct sink_totals of_sink = {0};
        sink_runner_join(outputs->items[i].runner, &of_sink);
        outputs->items[i].sink = NULL;
        totals->records_left_out += of_sink.records_left_out;
        if (of_sink.failure.code == ERROR_GONE) {
            totals->left = true;
            continue;
        }
        totals->records_lost += of_sink.records_lost;
        totals->records_refused += of_sink.records_refused;
        totals->records_dead += outputs->items[i].statistics.dead;
        totals->records_waiting += outputs->items[i].statistics.waiting;
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
        filter_free(outputs->items[i].filter);
        free(outputs->items[i].conditions);
        free(outputs->items[i].spec);
        free(outputs->items[i].shown);
        free(outputs->items[i].spool);
    }
    free(outputs->spool);
    field_selection_deinit(&outputs->fields);
    field_selection_deinit(&outputs->all_fields);
    free(outputs);
}
