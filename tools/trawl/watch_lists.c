#include "tools/trawl/watch_lists.h"

#include "engine/base/thread.h"
#include "engine/queue/wake.h"
#include "ingest/ct/watch_list.h"
#include "tools/watch/certwatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct watch_lists {
    struct watch_lists_config config;
    struct watch_list_file *file; /* of --watch */
    struct certwatch *database;   /* of --postgres */
    _Atomic uint64_t count;
    atomic_bool is_failing;
    uint32_t bad; /* rows of the database that are no names, as they were told */
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    struct wake wake;
};

static void say(struct watch_lists *lists, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct watch_lists *lists, const char *format, ...) {
    char text[FAILURE_TEXT_MAX + 128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lists->config.say(lists->config.owner, text);
}

/* --- Reading --- */

static void on_bad_line(void *owner, const char *words) {
    say(owner, "%s", words);
}

static enum error read_domains(const struct option_list *domains, struct watch_list **out,
                               struct failure *failure) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct failure cause;

    for (uint32_t i = 0; builder && i < domains->count; i++) {
        enum error error = watch_list_builder_add(builder, slice_of(domains->items[i]), 0, &cause);
        if (error != ERROR_NONE) {
            watch_list_builder_free(builder);
            return failure_set(failure, error, "--domain %.200s: %s", domains->items[i],
                               cause.text);
        }
    }
    *out = builder ? watch_list_builder_finish(builder) : NULL;
    return *out ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
}

static enum error read_database(struct watch_lists *lists, struct watch_list **out,
                                struct failure *failure) {
    uint32_t bad = 0;
    enum error error = certwatch_read_list(lists->database, out, &bad, failure);

    if (error)
        return error;
    if (bad > lists->bad)
        say(lists, "%u rows of public.intent_current are no names to watch and are left out", bad);
    lists->bad = bad;
    return ERROR_NONE;
}

static enum error read_list(struct watch_lists *lists, struct watch_list **out,
                            struct failure *failure) {
    const struct watch_list_file_complaints complaints = {on_bad_line, lists};

    if (lists->file)
        return watch_list_file_read(lists->file, &complaints, out, failure);
    if (lists->database)
        return read_database(lists, out, failure);
    return read_domains(&lists->config.settings->domains, out, failure);
}

static void use(struct watch_lists *lists, struct watch_list *list) {
    atomic_store(&lists->count, watch_list_count(list));
    decoder_watch(lists->config.decoder, list);
}

/* --- Changes --- */

/* Told once a streak. */
static void note_failure(struct watch_lists *lists, const char *words) {
    if (!atomic_exchange(&lists->is_failing, true))
        say(lists, "%s; the list of before stays in use", words);
}

/* Whether there is something to be read. */
static bool has_changed(struct watch_lists *lists) {
    if (!lists->file)
        return true;
    switch (watch_list_file_poll(lists->file)) {
    case WATCH_LIST_FILE_CHANGED:
        return true;
    case WATCH_LIST_FILE_GONE:
        note_failure(lists, "the watch list is gone");
        return false;
    case WATCH_LIST_FILE_SAME:
        break;
    }
    return false;
}

static void refresh(struct watch_lists *lists) {
    uint64_t before = atomic_load(&lists->count);
    struct watch_list *list = NULL;
    struct failure failure;

    if (!has_changed(lists))
        return;
    if (read_list(lists, &list, &failure) != ERROR_NONE) {
        if (!atomic_load(&lists->stopping))
            note_failure(lists, failure.text);
        return;
    }
    bool has_failed = atomic_exchange(&lists->is_failing, false);
    use(lists, list);
    uint64_t count = atomic_load(&lists->count);
    if (lists->file || count != before)
        say(lists, "the watch list has changed: %llu names", (unsigned long long)count);
    else if (has_failed)
        say(lists, "the watch list can be read again");
}

static void *run(void *context) {
    struct watch_lists *lists = context;

    while (!atomic_load(&lists->stopping)) {
        uint32_t ticket = wake_ticket(&lists->wake);
        if (!atomic_load(&lists->stopping))
            wake_wait(&lists->wake, ticket, (uint32_t)lists->config.settings->refresh_ms);
        if (!atomic_load(&lists->stopping))
            refresh(lists);
    }
    return NULL;
}

/* --- From outside --- */

static enum error open_source(struct watch_lists *lists, struct failure *failure) {
    const struct watch_settings *settings = lists->config.settings;

    if (settings->watch && settings->domains.count)
        return failure_set(failure, ERROR_USAGE,
                           "--watch and --domain do not go together: put the names into the file");
    if (settings->watch) {
        lists->file = watch_list_file_new(settings->watch);
        return lists->file ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory");
    }
    if (settings->postgres && settings->domains.count == 0)
        return certwatch_open(&lists->database, settings->postgres, CERTWATCH_LIST, failure);
    return ERROR_NONE;
}

static bool has_source(const struct watch_lists *lists) {
    return lists->file || lists->database || lists->config.settings->domains.count;
}

/* Whoever fills the table may come later. */
static enum error read_first(struct watch_lists *lists, struct watch_list **out,
                             struct failure *failure) {
    enum error error = read_list(lists, out, failure);

    if (error != ERROR_INPUT || !lists->database)
        return error;
    say(lists, "%s yet", failure->text);
    return ERROR_NONE;
}

enum error watch_lists_open(struct watch_lists **out, const struct watch_lists_config *config,
                            struct failure *failure) {
    struct watch_lists *lists = calloc(1, sizeof *lists);
    struct watch_list *list = NULL;

    if (!lists)
        return failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
    lists->config = *config;
    enum error error = open_source(lists, failure);
    if (!error && has_source(lists))
        error = read_first(lists, &list, failure);
    if (error) {
        watch_lists_close(lists);
        return error;
    }
    if (list)
        use(lists, list);
    *out = lists;
    return ERROR_NONE;
}

enum error watch_lists_start(struct watch_lists *lists, struct failure *failure) {
    if (!lists->file && !lists->database)
        return ERROR_NONE;
    enum error error = thread_start(&lists->thread, "lists", run, lists, failure);
    lists->started = error == ERROR_NONE;
    return error;
}

void watch_lists_close(struct watch_lists *lists) {
    if (!lists)
        return;
    if (lists->started) {
        atomic_store(&lists->stopping, true);
        certwatch_stop(lists->database);
        wake_signal(&lists->wake);
        pthread_join(lists->thread, NULL);
    }
    watch_list_file_free(lists->file);
    certwatch_close(lists->database);
    free(lists);
}

struct watch_lists_statistics watch_lists_statistics(const struct watch_lists *lists) {
    return (struct watch_lists_statistics){atomic_load(&lists->count),
                                           atomic_load(&lists->is_failing)};
}
