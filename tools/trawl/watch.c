#include "tools/trawl/watch.h"

#include "engine/base/clock.h"
#include "engine/match/lookalike.h"
#include "engine/queue/wake.h"
#include "tools/trawl/console.h"
#include "tools/trawl/outputs.h"
#include "tools/trawl/watch_claims.h"
#include "tools/trawl/watch_feeds.h"
#include "tools/trawl/watch_lists.h"
#include "tools/trawl/watch_metrics.h"
#include "tools/trawl/watch_progress.h"
#include "tools/watch/certwatch.h"
#include "tools/watch/health.h"
#include "tools/watch/inventory.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PROGRESS_MS = 250,
    DECODER_PAGES = 1024,
    LEDGER_PAGES = 512,
    SAVE_MS = 1000,
    DRAIN_S = 10,     /* what the sinks are given after an interruption */
    HOST_DRAIN_S = 3, /* the same, where others wait for the end too */
    USER_AGENT_MAX = 256,
};

struct watch {
    const struct watch_settings *settings;
    const struct option_list *sources;
    const struct watch_host *host; /* NULL for none */
    struct watch_result *result;
    struct console console;
    char user_agent[USER_AGENT_MAX];
    struct watch_lists *lists;
    struct certwatch *certwatch;              /* the ledger's connection */
    struct ledger_database database, claimed; /* that one, behind the claims */
    struct watch_via *via;                    /* NULL, as the next: nothing is shared */
    struct watch_claims *claims;
    struct output_settings output;
    struct saved_sink sinks[OUTPUTS_MAX];
    int64_t started_ms; /* since 1970 */
    struct health *health;
    struct lookalikes *brands;
    struct inventory *inventory;
    struct watch_state *state;
    struct outputs *outputs;
    struct decoder *decoder;
    struct ledger *ledger;
    struct watch_feeds *feeds;
    struct feed_outlet outlet;
    pthread_t main_thread; /* without a host: woken by a signal */
    struct wake wake;      /* with one */
    sigset_t signals;
    atomic_bool dead; /* a reader left, or a sink failed for good */
    atomic_bool stopped;
    const struct encoding *encodings[OUTPUTS_MAX];
    const struct filter *filters[OUTPUTS_MAX];
};

/* --- What other threads tell --- */

static void say(struct watch *watch, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct watch *watch, const char *format, ...) {
    char text[FAILURE_TEXT_MAX + 256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (watch->host)
        watch->host->say(watch->host->owner, text);
    else
        console_say(&watch->console, text);
}

static void wake_main(struct watch *watch) {
    if (watch->host)
        wake_signal(&watch->wake);
    else
        pthread_kill(watch->main_thread, SIGUSR1);
}

static void on_dead(void *owner) {
    struct watch *watch = owner;

    atomic_store(&watch->dead, true);
    wake_main(watch);
}

static void on_done(void *owner) {
    wake_main(owner);
}

static void on_written(void *owner, uint32_t number, const uint64_t *tickets, size_t count,
                       struct sink_position position) {
    ledger_written(((struct watch *)owner)->ledger, number, tickets, count, position, false);
}

static void on_refused(void *owner, uint32_t number, const uint64_t *tickets, size_t count) {
    ledger_written(((struct watch *)owner)->ledger, number, tickets, count,
                   (struct sink_position){0}, true);
}

static struct sink_position position_of(void *owner, uint32_t number) {
    const struct saved_sink *saved = &((struct watch *)owner)->sinks[number];

    return (struct sink_position){saved->file, saved->bytes};
}

static void on_trouble(void *owner, const struct failure *failure) {
    say(owner, "%s", failure->text);
}

static void on_recovered(void *owner, const char *what) {
    say(owner, "%s works again", what);
}

static void on_room(void *owner) {
    watch_feeds_wake(((struct watch *)owner)->feeds);
}

static bool on_commit(void *owner, struct page *page) {
    struct watch *watch = owner;

    return (!watch->via || watch_via_may_commit(watch->via, page->source)) &&
           ledger_commit(watch->ledger, page);
}

static void on_position(void *owner, const struct ct_source *source,
                        const struct log_position *position) {
    struct watch *watch = owner;

    if (watch->via)
        watch_via_position(watch->via, source, position);
    ledger_position(watch->ledger, source, position);
}

static void on_safe(void *owner, const struct ct_source *source,
                    const struct saved_position *position) {
    watch_via_safe(((struct watch *)owner)->via, source, position);
}

static void on_incident(void *owner, const struct ct_source *source, enum feed_incident incident,
                        const char *words) {
    const struct watch_host *host = ((struct watch *)owner)->host;

    say(owner, "%.*s: %s: %s", (int)source->name.len, (const char *)source->name.ptr,
        feed_incident_name(incident), words);
    if (host)
        host->incident(host->owner, source, incident, words);
}

/* --- What is watched --- */

static void on_words(void *owner, const char *words) {
    say(owner, "%s", words);
}

static enum error open_lists(struct watch *watch, struct failure *failure) {
    const struct watch_lists_config config = {watch->settings, watch->decoder, on_words, watch};

    return watch_lists_open(&watch->lists, &config, failure);
}

static enum error open_brands(struct watch *watch, struct failure *failure) {
    const struct option_list *brands = &watch->settings->brands;
    enum error error = ERROR_NONE;

    if (brands->count == 0)
        return ERROR_NONE;
    watch->brands = lookalikes_new((uint32_t)watch->settings->lookalike_score);
    if (!watch->brands)
        return failure_set(failure, ERROR_MEMORY, "no memory for the brands");
    for (uint32_t i = 0; i < brands->count && !error; i++) {
        struct failure cause;
        error = lookalikes_add(watch->brands, slice_of(brands->items[i]), &cause);
        if (error)
            failure_set(failure, error, "--lookalike %.200s: %s", brands->items[i], cause.text);
    }
    return error;
}

/* --- Set-up --- */

static enum error check_settings(const struct watch_settings *settings, struct failure *failure) {
    bool watches =
        settings->watch || settings->domains.count || settings->brands.count || settings->postgres;

    if (settings->all && (watches || settings->inventory.count))
        return failure_set(failure, ERROR_USAGE,
                           "--all records every entry: --watch, --domain, --lookalike, "
                           "--postgres and --inventory have no meaning with it");
    if (!settings->all && !watches)
        return failure_set(failure, ERROR_USAGE,
                           "nothing to watch: give --watch FILE, --domain NAME, --lookalike BRAND, "
                           "or --all for every entry");
    if (settings->via && (settings->state || settings->to_the_end))
        return failure_set(failure, ERROR_USAGE, "%s has no meaning with --via: %s",
                           settings->state ? "--state" : "--to-the-end",
                           settings->state ? "the cluster remembers"
                                           : "others have logs, too, and go on");
    return ERROR_NONE;
}

/* The sinks as the state knows them: by their names, in whatever order. */
static enum error open_state(struct watch *watch, struct failure *failure) {
    const struct output_settings *output = &watch->settings->output;
    uint32_t count = outputs_count(output);

    enum error error = watch_state_open(&watch->state, watch->settings->state, failure);
    for (uint32_t i = 0; i < count && i < OUTPUTS_MAX && !error; i++)
        error = watch_state_use_sink(watch->state, output->to.count ? output->to.items[i] : "-",
                                     &watch->sinks[i], failure);
    return error;
}

/* What was told before a restart is not told again, so it must not be overwritten. */
static enum error open_outputs(struct watch *watch, struct failure *failure) {
    const struct watch_settings *settings = watch->settings;
    bool resumable = settings->all && settings->state;
    bool remembers = settings->via || (!settings->all && (settings->state || settings->postgres));

    watch->output = settings->output;
    watch->output.append |= remembers;
    struct outputs_config config = {
        .settings = &watch->output,
        .kind = &ct_record_kind,
        .console = &watch->console,
        .producers = 1,
        .resumable = resumable,
        .position = position_of,
        .on_written = on_written,
        .on_refused = on_refused,
        .on_dead = on_dead,
        .on_done = on_done,
        .owner = watch,
    };
    return outputs_open(&watch->outputs, &config, failure);
}

/* Killed before it has saved anything else, the next run must know what it may cut off. */
static enum error save_positions(struct watch *watch, struct failure *failure) {
    bool resumable = watch->settings->all && watch->settings->state;
    enum error error = resumable ? watch_state_begin(watch->state, failure) : ERROR_NONE;

    if (!resumable || error)
        return error;
    for (uint32_t i = 0; i < outputs_count(&watch->settings->output) && !error; i++) {
        struct sink_position position = outputs_position(watch->outputs, i);
        watch->sinks[i].file = position.file;
        watch->sinks[i].bytes = position.bytes;
        error = watch_state_save_sink(watch->state, &watch->sinks[i], failure);
    }
    if (error) {
        watch_state_rollback(watch->state);
        return error;
    }
    return watch_state_commit(watch->state, failure);
}

static enum error open_decoder(struct watch *watch, struct failure *failure) {
    const struct watch_settings *settings = watch->settings;
    uint32_t count = outputs_count(&settings->output);

    for (uint32_t i = 0; i < count; i++) {
        watch->encodings[i] = outputs_outlets(watch->outputs)[i].encoding;
        watch->filters[i] = outputs_outlets(watch->outputs)[i].filter;
    }
    struct decoder_config config = {
        .workers = settings->workers ? (uint32_t)settings->workers : pool_default_workers(),
        .capacity = DECODER_PAGES,
        .hash_tree = true,
        .every_entry = settings->all,
        .outlets = watch->encodings,
        .filters = watch->filters,
        .outlet_count = count,
        .lookalikes = watch->brands,
    };
    return decoder_open(&watch->decoder, &config, failure);
}

static const struct ledger_database *database_of(const struct watch *watch) {
    if (watch->claims)
        return &watch->claimed;
    return watch->host ? watch->host->database : watch->certwatch ? &watch->database : NULL;
}

static enum error open_ledger(struct watch *watch, struct failure *failure) {
    const struct watch_settings *settings = watch->settings;
    struct ledger_config config = {
        .state = watch->state,
        .inventory = watch->inventory,
        .database = database_of(watch),
        .outlets = outputs_outlets(watch->outputs),
        .sinks = watch->sinks,
        .outlet_count = outputs_count(&settings->output),
        .pages_max = LEDGER_PAGES,
        .every_entry = settings->all,
        .grace_ms = (int64_t)settings->grace_ms,
        .retention_ms = (int64_t)settings->retention_ms,
        .cleanup_ms = (int64_t)settings->cleanup_ms,
        .refresh_ms = (int64_t)settings->refresh_ms,
        .save_ms = SAVE_MS,
        .retry_ms = (uint32_t)settings->retry_ms,
        .on_trouble = on_trouble,
        .on_recovered = on_recovered,
        .on_room = on_room,
        .on_safe = watch->via ? on_safe : NULL,
        .owner = watch,
    };
    return ledger_open(&watch->ledger, &config, failure);
}

static enum error open_feeds(struct watch *watch, struct failure *failure) {
    watch->outlet = (struct feed_outlet){watch, on_commit, on_position, on_incident};
    struct watch_feeds_config config = {
        .settings = watch->settings,
        .sources = watch->sources,
        .user_agent = watch->user_agent,
        .decoder = watch->decoder,
        .outlet = &watch->outlet,
        .state = watch->state,
        .sharing = watch->via ? watch_via_sharing(watch->via) : NULL,
    };
    return watch_feeds_open(&watch->feeds, &config, failure);
}

static enum error open_inventory(struct watch *watch, struct failure *failure) {
    const struct option_list *paths = &watch->settings->inventory;
    const struct inventory_config config = {paths->items, paths->count, watch->settings->known_keys,
                                            on_words, watch};

    if (paths->count == 0)
        return ERROR_NONE;
    enum error error = inventory_open(&watch->inventory, &config, failure);
    if (!error && !watch->settings->quiet)
        say(watch, "%llu known certificates",
            (unsigned long long)inventory_count(watch->inventory));
    return error;
}

/* Records that are only shown, on standard output, are delivered to nobody. */
static enum error open_database(struct watch *watch, struct failure *failure) {
    const char *dsn = watch->settings->postgres;

    if (!dsn)
        return ERROR_NONE;
    enum error error = certwatch_open(&watch->certwatch, dsn, CERTWATCH_LEDGER, failure);
    if (!error)
        watch->database =
            certwatch_database(watch->certwatch, watch->settings->output.to.count != 0);
    return error;
}

static void on_changed(void *owner) {
    watch_feeds_wake(((struct watch *)owner)->feeds);
}

/* Others follow logs, too: who has which, and who tells what. */
static enum error open_via(struct watch *watch, struct failure *failure) {
    const struct watch_settings *settings = watch->settings;
    const struct watch_via_config config = {
        .via = settings->via,
        .group = settings->watch_group,
        .lease_ms = settings->lease_ms,
        .every_entry = settings->all,
        .say = on_words,
        .changed = on_changed,
        .owner = watch,
    };

    if (!settings->via)
        return ERROR_NONE;
    enum error error = watch_via_open(&watch->via, &config, failure);
    if (error || settings->all)
        return error;
    const struct watch_claims_config claims = {
        .via = watch->via,
        .group = settings->watch_group,
        .retention_ms = settings->retention_ms,
        .inner = watch->certwatch ? &watch->database : NULL,
    };
    error = watch_claims_open(&watch->claims, &claims, failure);
    if (!error)
        watch->claimed = watch_claims_database(watch->claims);
    return error;
}

/* --- Health --- */

static struct watch_view view_of(const struct watch *watch) {
    return (struct watch_view){
        .decoder = watch->decoder,
        .ledger = watch->ledger,
        .feeds = watch->feeds,
        .outputs = watch->outputs,
        .lists = watch->lists,
        .via = watch->via,
        .started_ms = watch->started_ms,
    };
}

bool watch_add_health(const struct watch *watch, struct buffer *out) {
    struct watch_view view = view_of(watch);
    return watch_health(&view, out);
}

void watch_add_metrics(const struct watch *watch, struct buffer *out) {
    struct watch_view view = view_of(watch);
    watch_metrics(&view, out);
}

uint32_t watch_source_count(const struct watch *watch) {
    return watch_feeds_count(watch->feeds);
}

void watch_source_statistics(const struct watch *watch, uint32_t number,
                             struct feed_statistics *out) {
    watch_feeds_statistics(watch->feeds, number, out);
}

static bool on_status(void *owner, struct buffer *out) {
    return watch_add_health(owner, out);
}

static void on_metrics(void *owner, struct buffer *out) {
    watch_add_metrics(owner, out);
}

static enum error open_health(struct watch *watch, struct failure *failure) {
    const struct health_config config = {.address = watch->settings->listen,
                                         .owner = watch,
                                         .status = on_status,
                                         .metrics = on_metrics};

    if (!config.address)
        return ERROR_NONE;
    enum error error = health_start(&watch->health, &config, failure);
    if (!error && !watch->settings->quiet)
        say(watch, "health and metrics at port %u", health_port(watch->health));
    return error;
}

static enum error set_up(struct watch *watch, struct failure *failure) {
    const struct watch_settings *settings = watch->settings;
    enum error error;

    snprintf(watch->user_agent, sizeof watch->user_agent, "trawl/%s%s%s%s", TRAWL_VERSION,
             settings->contact ? " (" : "", settings->contact ? settings->contact : "",
             settings->contact ? ")" : "");
    if ((error = check_settings(settings, failure)) || (error = open_state(watch, failure)) ||
        (error = open_inventory(watch, failure)) || (error = open_brands(watch, failure)) ||
        (error = open_database(watch, failure)) || (error = open_via(watch, failure)) ||
        (error = open_outputs(watch, failure)) || (error = save_positions(watch, failure)) ||
        (error = open_decoder(watch, failure)) || (error = open_lists(watch, failure)) ||
        (error = open_ledger(watch, failure)))
        return error;
    error = open_feeds(watch, failure);
    return error ? error : open_health(watch, failure);
}

static void tear_down(struct watch *watch) {
    health_stop(watch->health);
    watch_feeds_close(watch->feeds);
    ledger_close(watch->ledger);
    outputs_close(watch->outputs);
    watch_lists_close(watch->lists);
    decoder_close(watch->decoder);
    lookalikes_put(watch->brands);
    watch_claims_close(watch->claims);
    watch_via_close(watch->via);
    certwatch_close(watch->certwatch);
    inventory_close(watch->inventory);
    watch_state_close(watch->state);
}

/* --- While it runs --- */

static void take_statistics(struct watch *watch) {
    struct watch_result *result = watch->result;
    struct feed_statistics feed;

    decoder_statistics(watch->decoder, &result->decoded);
    ledger_statistics(watch->ledger, &result->ledger);
    result->committed = result->gaps = result->lost = 0;
    for (uint32_t i = 0; i < watch_feeds_count(watch->feeds); i++) {
        watch_feeds_statistics(watch->feeds, i, &feed);
        result->committed += feed.entries;
        result->gaps += feed.gaps;
        result->lost += feed.lost;
    }
}

static bool is_over(const struct watch *watch, uint64_t started_ns) {
    uint64_t duration_ns = watch->settings->duration_ms * UINT64_C(1000000);

    return atomic_load(&watch->dead) ||
           (duration_ns && clock_monotonic_ns() - started_ns >= duration_ns) ||
           (watch->settings->to_the_end && watch_feeds_done(watch->feeds));
}

/* Sleeps for a moment, or until there is something to do. True: somebody wants it to end. */
static bool is_interrupted(struct watch *watch) {
    const struct timespec tick = {.tv_nsec = PROGRESS_MS * 1000000L};

    if (!watch->host) {
        int signal = sigtimedwait(&watch->signals, NULL, &tick);
        return signal == SIGINT || signal == SIGTERM;
    }
    uint32_t ticket = wake_ticket(&watch->wake);
    watch->host->tick(watch->host->owner);
    if (!atomic_load(&watch->stopped))
        wake_wait(&watch->wake, ticket, PROGRESS_MS);
    return atomic_load(&watch->stopped);
}

static void follow(struct watch *watch, uint64_t started_ns) {
    while (!is_over(watch, started_ns)) {
        if (is_interrupted(watch)) {
            watch->result->interrupted = true;
            return;
        }
        if (watch->console.line) {
            take_statistics(watch);
            watch_progress_show(watch->result, watch->feeds,
                                (double)(clock_monotonic_ns() - started_ns) / 1e9,
                                outputs_waiting(watch->outputs));
        }
    }
}

/* The ledger hands over what is left and the sinks complete it; a second signal, or some time after
 * an interruption or the end of one of them, ends the waiting. */
static void wait_for_sinks(struct watch *watch) {
    uint64_t since_ns = clock_monotonic_ns();
    uint64_t drain_ns = (watch->host ? HOST_DRAIN_S : DRAIN_S) * UINT64_C(1000000000);

    while (outputs_running(watch->outputs)) {
        bool again = is_interrupted(watch) && !watch->host;
        bool late = (watch->result->interrupted || atomic_load(&watch->dead)) &&
                    clock_monotonic_ns() - since_ns > drain_ns;
        if (again || late) {
            ledger_abandon(watch->ledger);
            outputs_abandon(watch->outputs);
        }
    }
}

/* From left to right: feeds, decoder, ledger, sinks. */
static enum error end(struct watch *watch, struct failure *failure) {
    struct outputs_totals outputs;

    if (watch->via)
        watch_via_end(watch->via);
    watch_feeds_stop(watch->feeds);
    ledger_stop(watch->ledger);
    if (atomic_load(&watch->dead) && outputs_count(&watch->settings->output) == 1)
        ledger_abandon(watch->ledger); /* nobody is left to be told */
    wait_for_sinks(watch);
    outputs_join(watch->outputs, &outputs);
    enum error error = ledger_finish(watch->ledger, failure);
    if (watch->via)
        watch_via_stop(watch->via);
    if (outputs.left && !watch->settings->state)
        error = ERROR_NONE; /* who has read enough does not miss the rest */
    take_statistics(watch);
    watch->result->records_lost = outputs.records_lost;
    watch->result->records_refused = outputs.records_refused;
    watch->result->records_left_out = outputs.records_left_out;
    /* What was refused is offered again, but not with --all: it may have been taken since. */
    outputs_summary(watch->outputs, &watch->result->outputs);
    outputs_stats(watch->outputs, &watch->result->outputs_stats);
    watch->result->sink_failed =
        outputs.failed || outputs.records_dead ||
        (outputs.records_refused && (watch->settings->all || watch->result->ledger.untold));
    watch->result->reader_left = outputs.left;
    return error;
}

static enum error start(struct watch *watch, struct failure *failure) {
    enum error error;

    if ((error = outputs_start(watch->outputs, failure)) ||
        (error = ledger_start(watch->ledger, failure)) ||
        (error = watch_lists_start(watch->lists, failure)) ||
        (watch->via && (error = watch_via_start(watch->via, failure))))
        return error;
    return watch_feeds_start(watch->feeds, failure);
}

static enum error run(struct watch *watch, struct failure *failure) {
    uint64_t started_ns = clock_monotonic_ns();

    enum error error = start(watch, failure);
    if (error == ERROR_NONE)
        follow(watch, started_ns);
    struct failure at_end = {0};
    enum error ended = end(watch, &at_end);
    if (error == ERROR_NONE && ended != ERROR_NONE) {
        *failure = at_end;
        error = ended;
    }
    console_clear(&watch->console);
    watch->result->seconds = (double)(clock_monotonic_ns() - started_ns) / 1e9;
    return error;
}

static enum error run_with_signals(struct watch *watch, struct failure *failure) {
    sigset_t before;

    sigemptyset(&watch->signals);
    sigaddset(&watch->signals, SIGINT);
    sigaddset(&watch->signals, SIGTERM);
    sigaddset(&watch->signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &watch->signals, &before);
    watch->main_thread = pthread_self();
    enum error error = run(watch, failure);
    sigaddset(&before, SIGUSR1); /* one that came late would end the program */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* --- From outside --- */

void watch_result_deinit(struct watch_result *result) {
    buffer_deinit(&result->outputs);
    buffer_deinit(&result->outputs_stats);
}

enum error watch_open(struct watch **out, const struct watch_settings *settings,
                      const struct option_list *sources, const struct watch_host *host,
                      struct failure *failure) {
    struct watch *watch = calloc(1, sizeof *watch);

    *out = NULL;
    if (!watch)
        return failure_set(failure, ERROR_MEMORY, "no memory");
    watch->settings = settings;
    watch->sources = sources;
    watch->host = host;
    watch->started_ms = clock_unix_ms();
    watch->console.line = !host && !settings->quiet && isatty(STDERR_FILENO);
    enum error error = set_up(watch, failure);
    if (error)
        watch_close(watch);
    else
        *out = watch;
    return error;
}

enum error watch_follow(struct watch *watch, struct watch_result *result, struct failure *failure) {
    *result = (struct watch_result){0};
    watch->result = result;
    return watch->host ? run(watch, failure) : run_with_signals(watch, failure);
}

void watch_stop(struct watch *watch) {
    atomic_store(&watch->stopped, true);
    wake_signal(&watch->wake);
}

void watch_close(struct watch *watch) {
    if (!watch)
        return;
    tear_down(watch);
    free(watch);
}

enum error watch_run(const struct watch_settings *settings, const struct option_list *sources,
                     struct watch_result *result, struct failure *failure) {
    struct watch *watch;

    *result = (struct watch_result){0};
    enum error error = watch_open(&watch, settings, sources, NULL, failure);
    if (!error)
        error = watch_follow(watch, result, failure);
    watch_close(watch);
    return error;
}
