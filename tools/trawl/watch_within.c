#include "tools/trawl/watch_within.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/queue/wake.h"
#include "sinks/sink.h"
#include "tools/trawl/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCES_MAX = 512,
    WORDS_BYTES = 200,
    LOOK_MS = 1000,
    SILENT_MS = 10 * 60 * 1000, /* as watch_health has it */
    AGAIN_MS = 60 * 1000,       /* after it has failed */
};

/* What was told of a source, and what is wrong with it at the moment. */
struct source {
    const struct ct_source *source;
    bool is_wrong, is_told, was_stale;
    char words[WORDS_BYTES];
};

struct watch_within {
    struct watch_within_config config;
    struct watch_settings settings;
    struct option_list positionals;
    struct ledger_database database;
    struct watch_host host;
    pthread_t thread;
    bool is_started;
    struct wake wake;
    atomic_bool is_stopping, has_ended;

    pthread_mutex_t mutex;
    struct watch *watch; /* NULL while it is opened again; changed by its thread, with the mutex */
    /* Incidents come from the feeds' threads. */
    struct source sources[SOURCES_MAX];
    uint32_t source_count;
    uint64_t looked_ms;
    int64_t since_ms; /* when it was opened; since 1970 */
};

/* --- What the ledger asks --- */

static enum error is_known(void *owner, const struct ct_record *record, enum ct_known_by *by,
                           struct failure *failure) {
    const struct watch_within *within = owner;

    return within->config.is_known(within->config.owner, record, within->settings.known_keys, by,
                                   failure);
}

/* Without a state the owner's memory is what there is: what it knows was told. With one, it may
 * only have been interrupted before that, too, was noted. */
static enum error add_alert(void *owner, const struct ct_record *record, bool *delivered,
                            struct failure *failure) {
    const struct watch_within *within = owner;
    bool is_new = true;

    enum error error = within->config.add_hit(within->config.owner, record, &is_new, failure);
    *delivered = !error && !is_new && !within->settings.state;
    return error;
}

static enum error check(void *owner, struct failure *failure) {
    const struct watch_within *within = owner;
    return within->config.check(within->config.owner, failure);
}

static void say(struct watch_within *within, const char *words) {
    within->config.say(within->config.owner, words);
}

static void on_words(void *owner, const char *words) {
    say(owner, words);
}

/* --- Sources --- */

/* With the mutex; NULL when there are too many. */
static struct source *find(struct watch_within *within, const struct ct_source *source) {
    for (uint32_t i = 0; i < within->source_count; i++)
        if (within->sources[i].source == source)
            return &within->sources[i];
    if (within->source_count == SOURCES_MAX)
        return NULL;
    within->sources[within->source_count] = (struct source){.source = source};
    return &within->sources[within->source_count++];
}

static void on_incident(void *owner, const struct ct_source *ct_source, enum feed_incident incident,
                        const char *words) {
    struct watch_within *within = owner;
    bool is_wrong = incident == FEED_UNREACHABLE || incident == FEED_HEAD_STALE ||
                    incident == FEED_ROOT_MISMATCH;

    if (!is_wrong && incident != FEED_RECOVERED)
        return;
    pthread_mutex_lock(&within->mutex);
    struct source *source = find(within, ct_source);
    if (source) {
        source->is_wrong = is_wrong;
        snprintf(source->words, sizeof source->words, "%s", words);
    }
    pthread_mutex_unlock(&within->mutex);
}

/* A log that was read to its end has nothing new; a feed always has. */
static bool is_silent(const struct watch_within *within, const struct feed_statistics *feed) {
    int64_t since_ms =
        feed->last_entry_ms > within->since_ms ? feed->last_entry_ms : within->since_ms;
    bool is_read = feed->connected && feed->source->has_log_id && feed->committed >= feed->head;

    return !is_read && clock_unix_ms() - since_ms >= SILENT_MS;
}

static bool has_news(const struct source *source, bool is_stale, bool is_connected) {
    return source->is_told ? source->was_stale != is_stale : is_stale || is_connected;
}

static void look_at(struct watch_within *within, const struct feed_statistics *feed) {
    struct failure failure = {0};
    bool is_stale = is_silent(within, feed), has = false;
    char words[WORDS_BYTES] = "";

    pthread_mutex_lock(&within->mutex);
    struct source *source = find(within, feed->source);
    if (source) {
        snprintf(words, sizeof words, "%s",
                 source->is_wrong ? source->words
                 : is_stale       ? "nothing new has come for ten minutes"
                                  : "it is followed again");
        is_stale |= source->is_wrong;
        has = has_news(source, is_stale, feed->connected);
    }
    pthread_mutex_unlock(&within->mutex);
    if (!has || within->config.tell_source(within->config.owner, feed->source->name, is_stale,
                                           words, &failure))
        return;
    source->is_told = true; /* these two are this thread's */
    source->was_stale = is_stale;
}

static void on_tick(void *owner) {
    struct watch_within *within = owner;
    uint64_t now_ms = clock_monotonic_ns() / 1000000;
    struct feed_statistics feed;

    if (now_ms - within->looked_ms < LOOK_MS)
        return;
    within->looked_ms = now_ms;
    within->config.tick(within->config.owner);
    for (uint32_t i = 0; i < watch_source_count(within->watch); i++) {
        watch_source_statistics(within->watch, i, &feed);
        look_at(within, &feed);
    }
}

/* --- The thread --- */

static enum error open_watch(struct watch_within *within, struct failure *failure) {
    struct watch *watch;
    enum error error =
        watch_open(&watch, &within->settings, &within->positionals, &within->host, failure);

    pthread_mutex_lock(&within->mutex);
    within->watch = watch;
    within->source_count = 0;
    within->since_ms = clock_unix_ms();
    if (watch && atomic_load(&within->is_stopping))
        watch_stop(watch);
    pthread_mutex_unlock(&within->mutex);
    return error;
}

static void close_watch(struct watch_within *within) {
    pthread_mutex_lock(&within->mutex);
    struct watch *watch = within->watch;
    within->watch = NULL;
    pthread_mutex_unlock(&within->mutex);
    watch_close(watch);
}

static void wait_to_try_again(struct watch_within *within) {
    uint64_t until_ms = clock_monotonic_ns() / 1000000 + AGAIN_MS, now_ms;

    for (;;) {
        uint32_t ticket = wake_ticket(&within->wake);
        now_ms = clock_monotonic_ns() / 1000000;
        if (atomic_load(&within->is_stopping) || now_ms >= until_ms)
            return;
        wake_wait(&within->wake, ticket, (uint32_t)(until_ms - now_ms));
    }
}

/* False: it has come to an end that it was asked for. */
static bool follow(struct watch_within *within) {
    struct watch_result result;
    struct failure failure = {0};

    enum error error = watch_follow(within->watch, &result, &failure);
    bool failed = error || result.sink_failed;
    if (error)
        say(within, failure.text);
    else if (failed)
        say(within, "an output of watch has failed");
    watch_result_deinit(&result);
    return failed;
}

static void *run(void *context) {
    struct watch_within *within = context;
    struct failure failure = {0};

    while (!atomic_load(&within->is_stopping)) {
        if (!within->watch) {
            wait_to_try_again(within);
            if (!atomic_load(&within->is_stopping) && open_watch(within, &failure))
                say(within, failure.text);
        } else if (follow(within)) {
            close_watch(within);
        } else {
            atomic_store(&within->has_ended, true);
            break;
        }
    }
    return NULL;
}

/* --- From outside --- */

static enum error check_settings(const struct watch_within *within, struct failure *failure) {
    const struct watch_settings *settings = &within->settings;
    const char *what = settings->all        ? "--all"
                       : settings->postgres ? "--postgres"
                       : settings->stats    ? "--stats"
                       : settings->via      ? "--via"
                                            : NULL;

    if (what)
        return failure_set(failure, ERROR_USAGE, "--watch: %s has no meaning within the monitor",
                           what);
    return ERROR_NONE;
}

/* Records go to the owner; who wants them elsewhere too says so. */
static enum error set_outputs(struct watch_within *within, struct failure *failure) {
    struct option_list *to = &within->settings.output.to;

    if (to->count || option_list_add(to, "null"))
        return ERROR_NONE;
    return failure_set(failure, ERROR_MEMORY, "no memory for the settings of watch");
}

static enum error parse(struct watch_within *within, struct failure *failure) {
    const struct option_list *arguments = within->config.arguments;
    char **argv = calloc(arguments->count + 1, sizeof *argv);
    struct failure why = {0};

    if (!argv)
        return failure_set(failure, ERROR_MEMORY, "no memory for the settings of watch");
    for (uint32_t i = 0; i < arguments->count; i++)
        argv[i] = (char *)(uintptr_t)arguments->items[i];
    enum error error = option_parse(watch_options, (int)arguments->count, argv, &within->settings,
                                    &within->positionals, &why);
    free(argv);
    if (error)
        return failure_set(failure, error, "--watch: %s", why.text);
    error = check_settings(within, failure);
    return error ? error : set_outputs(within, failure);
}

enum error watch_within_new(struct watch_within **out, const struct watch_within_config *config,
                            struct failure *failure) {
    struct watch_within *within = calloc(1, sizeof *within);

    *out = NULL;
    if (!within)
        return failure_set(failure, ERROR_MEMORY, "no memory for watch");
    within->config = *config;
    pthread_mutex_init(&within->mutex, NULL);
    option_list_init(&within->positionals);
    watch_settings_init(&within->settings);
    within->settings.state = config->state;
    within->settings.grace_ms = config->grace_ms;
    within->settings.quiet = config->quiet;
    within->database = (struct ledger_database){
        .owner = within, .is_known = is_known, .add_alert = add_alert, .check = check};
    within->host = (struct watch_host){.database = &within->database,
                                       .say = on_words,
                                       .incident = on_incident,
                                       .tick = on_tick,
                                       .owner = within};
    enum error error = parse(within, failure);
    if (error)
        watch_within_close(within);
    else
        *out = within;
    return error;
}

enum error watch_within_each_path(const struct watch_within *within,
                                  enum error (*visit)(void *context, const char *path,
                                                      bool is_folder),
                                  void *context) {
    const struct option_list *to = &within->settings.output.to;
    enum error error = ERROR_NONE;
    bool chosen, spools = false;

    if (within->settings.state)
        error = visit(context, within->settings.state, false);
    for (uint32_t i = 0; i < to->count && !error; i++) {
        const struct sink_kind *kind = sink_kind_of(to->items[i]);
        if (kind == &sqlite_sink)
            error = visit(context, to->items[i] + strlen("sqlite:"), false);
        else if (kind == &file_sink)
            error = visit(context, to->items[i], false);
        spools |= kind && kind->spools;
    }
    char *spool = spools ? output_spool_folder(within->settings.output.spool, &chosen) : NULL;
    if (spool && !error)
        error = visit(context, spool, true);
    free(spool);
    return error;
}

enum error watch_within_start(struct watch_within *within, struct failure *failure) {
    enum error error = open_watch(within, failure);

    if (error && sink_error_passes(error)) { /* such as a log list that cannot be had now */
        say(within, failure->text);
        error = ERROR_NONE;
    }
    if (!error)
        error = thread_start(&within->thread, "watch", run, within, failure);
    within->is_started = !error;
    return error;
}

void watch_within_close(struct watch_within *within) {
    if (!within)
        return;
    atomic_store(&within->is_stopping, true);
    wake_signal(&within->wake);
    if (within->is_started) {
        pthread_mutex_lock(&within->mutex);
        if (within->watch)
            watch_stop(within->watch);
        pthread_mutex_unlock(&within->mutex);
        pthread_join(within->thread, NULL);
    }
    close_watch(within);
    watch_settings_deinit(&within->settings);
    option_list_deinit(&within->positionals);
    pthread_mutex_destroy(&within->mutex);
    free(within);
}

void watch_within_metrics(struct watch_within *within, struct buffer *out) {
    pthread_mutex_lock(&within->mutex);
    if (within->watch)
        watch_add_metrics(within->watch, out);
    pthread_mutex_unlock(&within->mutex);
}

bool watch_within_health(struct watch_within *within, struct buffer *out) {
    bool ok = atomic_load(&within->has_ended);

    pthread_mutex_lock(&within->mutex);
    if (within->watch && !ok)
        ok = watch_add_health(within->watch, out);
    else
        buffer_add_format(out, "{\"ok\":%s,\"running\":false}", ok ? "true" : "false");
    pthread_mutex_unlock(&within->mutex);
    return ok;
}
