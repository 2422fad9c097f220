#include "tools/trawl/watch_feeds.h"

#include "engine/base/base64.h"
#include "engine/base/clock.h"
#include "ingest/ct/certstream.h"
#include "ingest/ct/logs.h"
#include "ingest/ct/logs_list.h"
#include "tools/watch/positions.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEEDS_MAX = 16,
    WINDOW_PAGES = 64,
    FEED_MEMORY = 256 << 20,
    FEED_PAGE_MS = 50,
    FEED_SILENCE_MS = 60 * 1000,
    KEY_BYTES_MAX = 4096,
};

struct watch_feeds {
    struct watch_feeds_config config;
    struct log_list_source *source; /* of the list; NULL for none, as the next two */
    struct log_list *list;
    struct logs *logs;
    struct buffer list_key;
    struct slice *words; /* of --log */
    struct positions *positions;
    struct log_choice choice;
    struct certstream *feeds[FEEDS_MAX];
    uint32_t feed_count;
    enum feed_from from;
    uint64_t from_index;
    bool saved_first; /* a saved position goes before `from` */
};

static bool is_websocket(const char *url) {
    return strncmp(url, "ws://", 5) == 0 || strncmp(url, "wss://", 6) == 0;
}

static bool is_http(const char *url) {
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

/* --- Where to begin --- */

/* "saved", "now", "123", or "saved,123": where it was left, else there. */
static enum error parse_from(struct watch_feeds *feeds, struct failure *failure) {
    const char *from = feeds->config.settings->from;

    feeds->saved_first = strncmp(from, "saved", 5) == 0 && (!from[5] || from[5] == ',');
    const char *beginning = !feeds->saved_first ? from : from[5] ? from + 6 : "now";
    if (strcmp(beginning, "now") == 0)
        feeds->from = FEED_FROM_NOW;
    else if (slice_to_u64(slice_of(beginning), CT_TREE_SIZE_MAX, &feeds->from_index))
        feeds->from = FEED_FROM_INDEX;
    else
        return failure_set(failure, ERROR_USAGE,
                           "--from '%s' is not saved, now, an index, or saved,INDEX", from);
    return ERROR_NONE;
}

/* --- Logs --- */

static enum error open_logs(struct watch_feeds *feeds, struct failure *failure) {
    const struct watch_feeds_config *config = &feeds->config;
    const struct watch_settings *settings = config->settings;
    struct logs_config logs = {
        .decoder = config->decoder,
        .outlet = config->outlet,
        .user_agent = config->user_agent,
        .ca_file = settings->ca_file,
        .per_operator = (uint32_t)settings->per_operator,
        .window = WINDOW_PAGES,
        .page_entries = (uint32_t)settings->page_entries,
        .head_interval_ms = (uint32_t)settings->head_interval_ms,
        .partial_after_ms = settings->to_the_end ? 0 : (uint32_t)settings->partial_after_ms,
        .retry_ms = (uint32_t)settings->retry_ms,
        .to_the_end = settings->to_the_end,
        .sharing = config->sharing,
    };
    return feeds->logs ? ERROR_NONE : logs_open(&feeds->logs, &logs, failure);
}

/* Of a log that an earlier run has followed, too; empty for none. */
static struct slice saved_position(void *owner, const uint8_t log_id[32]) {
    const struct watch_feeds *feeds = owner;

    return feeds->saved_first ? positions_find(feeds->positions, log_id) : (struct slice){NULL, 0};
}

static enum error add_log(struct watch_feeds *feeds, struct log_spec *spec,
                          struct failure *failure) {
    uint8_t id[32];

    enum error error = open_logs(feeds, failure);
    if (error != ERROR_NONE)
        return error;
    certificate_sha256(spec->key, id);
    spec->saved = saved_position(feeds, id);
    spec->from = spec->saved.len ? FEED_FROM_SAVED : feeds->from;
    spec->from_index = feeds->from_index;
    return logs_add(feeds->logs, spec, failure);
}

static enum error add_listed(struct watch_feeds *feeds, const struct log_list_log *log,
                             struct failure *failure) {
    struct log_spec spec = log_spec_of(log);

    return add_log(feeds, &spec, failure);
}

/* All that are chosen, and those that a newer list will name. */
static enum error add_current(struct watch_feeds *feeds, struct failure *failure) {
    const struct log_list *list = feeds->list;
    const struct logs_list_config following = {
        .source = feeds->source,
        .choice = feeds->choice,
        .time_ms = list->time_ms,
        .saved = saved_position,
        .owner = feeds,
    };
    enum error error = ERROR_NONE;
    uint32_t added = 0;

    for (uint32_t i = 0; i < list->log_count && !error; i++) {
        if (!log_choice_has(&feeds->choice, &list->logs[i], clock_unix_ms()))
            continue;
        error = add_listed(feeds, &list->logs[i], failure);
        added++;
    }
    if (!error && added == 0)
        return failure_set(failure, ERROR_USAGE, "the log list has no current log%s",
                           feeds->choice.names.count ? " with such words in its name" : "");
    if (!error && !feeds->config.settings->to_the_end)
        logs_follow_list(feeds->logs, &following);
    return error;
}

static bool is_same_url(struct slice a, struct slice b) {
    while (a.len && a.ptr[a.len - 1] == '/')
        a.len--;
    while (b.len && b.ptr[b.len - 1] == '/')
        b.len--;
    return slice_equal(a, b);
}

static const struct log_list_log *listed_log(const struct watch_feeds *feeds, const char *url) {
    const struct log_list *list = feeds->list;

    for (uint32_t i = 0; list && i < list->log_count; i++)
        if (is_same_url(slice_of(url), list->logs[i].monitoring_url))
            return &list->logs[i];
    return NULL;
}

/* --- A log that no list names --- */

static size_t read_pem_key(const char *path, uint8_t out[KEY_BYTES_MAX]) {
    FILE *file = fopen(path, "re");
    uint8_t *der = NULL;
    char *name = NULL, *header = NULL;
    long len = 0;

    if (!file)
        return 0;
    if (!PEM_read(file, &name, &header, &der, &len) || len > KEY_BYTES_MAX)
        len = 0;
    if (len)
        memcpy(out, der, (size_t)len);
    OPENSSL_free(der);
    OPENSSL_free(name);
    OPENSSL_free(header);
    fclose(file);
    return (size_t)len;
}

static enum error add_unlisted(struct watch_feeds *feeds, const char *url,
                               struct failure *failure) {
    const struct watch_settings *settings = feeds->config.settings;
    uint8_t key[KEY_BYTES_MAX];
    size_t len = 0;

    if (!settings->log_key)
        return failure_set(failure, ERROR_USAGE,
                           "whose log is %.200s? Give --log-list with a list that names it, or its "
                           "key with --log-key",
                           url);
    struct slice text = slice_of(settings->log_key);
    if (base64_decoded_max(text.len) > sizeof key || !base64_decode(text, key, &len, NULL))
        len = read_pem_key(settings->log_key, key);
    if (len == 0)
        return failure_set(failure, ERROR_USAGE,
                           "--log-key '%.100s' is neither a key in base64 nor a PEM file with one",
                           settings->log_key);
    struct log_spec spec = {
        .name = slice_of(url),
        .operator_name = slice_of(url),
        .url = slice_of(url),
        .key = {key, len},
        .tiles = settings->tiles,
    };
    return add_log(feeds, &spec, failure);
}

/* --- Feeds --- */

static enum error add_certstream(struct watch_feeds *feeds, const char *url,
                                 struct failure *failure) {
    const struct watch_feeds_config *config = &feeds->config;
    struct certstream_config feed = {
        .url = url,
        .user_agent = config->user_agent,
        .ca_file = config->settings->ca_file,
        .number = feeds->feed_count,
        .decoder = config->decoder,
        .outlet = config->outlet,
        .memory_max = FEED_MEMORY,
        .page_ms = FEED_PAGE_MS,
        .silence_ms = FEED_SILENCE_MS,
    };

    if (feeds->feed_count == FEEDS_MAX)
        return failure_set(failure, ERROR_USAGE, "at most %d certstream feeds", FEEDS_MAX);
    enum error error = certstream_open(&feeds->feeds[feeds->feed_count], &feed, failure);
    feeds->feed_count += error == ERROR_NONE;
    return error;
}

static enum error add_source(struct watch_feeds *feeds, const char *url, struct failure *failure) {
    const struct log_list_log *listed;

    if (is_websocket(url) && feeds->config.sharing)
        return failure_set(failure, ERROR_USAGE,
                           "--via shares logs; a certstream server cannot be shared: follow it by "
                           "a watcher without --via");
    if (is_websocket(url))
        return add_certstream(feeds, url, failure);
    if (!is_http(url))
        return failure_set(failure, ERROR_USAGE,
                           "\"%.200s\" is no source: name a certstream server (wss://…) or a log "
                           "(https://…)",
                           url);
    listed = listed_log(feeds, url);
    return listed ? add_listed(feeds, listed, failure) : add_unlisted(feeds, url, failure);
}

/* --- All of them --- */

static enum error read_key(struct watch_feeds *feeds, const char *path, struct failure *failure) {
    FILE *file = fopen(path, "re");

    if (!file)
        return failure_set(failure, (enum error)errno, "%.300s cannot be read: %s", path,
                           error_text((enum error)errno));
    uint8_t *room = buffer_reserve(&feeds->list_key, KEY_BYTES_MAX);
    feeds->list_key.len = room ? fread(room, 1, KEY_BYTES_MAX, file) : 0;
    fclose(file);
    return feeds->list_key.len ? ERROR_NONE
                               : failure_set(failure, ERROR_INPUT, "%.300s has no key", path);
}

static enum error choose_logs(struct watch_feeds *feeds, struct failure *failure) {
    const struct option_list *words = &feeds->config.settings->logs;

    feeds->words = calloc(words->count + 1, sizeof *feeds->words);
    if (!feeds->words)
        return failure_set(failure, ERROR_MEMORY, "no memory for the sources");
    for (uint32_t i = 0; i < words->count; i++)
        feeds->words[i] = slice_of(words->items[i]);
    feeds->choice.names = (struct slice_list){feeds->words, words->count};
    return ERROR_NONE;
}

/* A file of this machine may be without a signature. */
static enum error read_list(struct watch_feeds *feeds, struct failure *failure) {
    const struct watch_settings *settings = feeds->config.settings;
    const struct http_client_config http = {
        .user_agent = feeds->config.user_agent,
        .ca_file = settings->ca_file,
        .connections = 2,
        .per_host = 2,
    };
    enum error error;

    if (!settings->log_list)
        return ERROR_NONE;
    if (settings->log_list_key && (error = read_key(feeds, settings->log_list_key, failure)))
        return error;
    const struct log_list_source_config source = {
        .where = settings->log_list,
        .key = buffer_slice(&feeds->list_key),
        .unsigned_too = !is_http(settings->log_list),
    };
    if ((error = choose_logs(feeds, failure)) ||
        (error = log_list_source_open(&feeds->source, &source, failure)))
        return error;
    return log_list_source_load(feeds->source, &http, &feeds->list, failure);
}

static enum error add_all(struct watch_feeds *feeds, struct failure *failure) {
    const struct option_list *sources = feeds->config.sources;
    enum error error = read_list(feeds, failure);

    if (error != ERROR_NONE || (error = parse_from(feeds, failure)) ||
        (error = positions_read(&feeds->positions, feeds->config.state, failure)))
        return error;
    if (sources->count == 0 && !feeds->list)
        return failure_set(failure, ERROR_USAGE,
                           "no source: name a certstream server (wss://…), a log (https://…), or "
                           "--log-list FILE; `trawl help watch` tells more");
    for (uint32_t i = 0; i < sources->count && !error; i++)
        error = add_source(feeds, sources->items[i], failure);
    if (!error && sources->count == 0)
        error = add_current(feeds, failure);
    return error;
}

enum error watch_feeds_open(struct watch_feeds **out, const struct watch_feeds_config *config,
                            struct failure *failure) {
    struct watch_feeds *feeds = calloc(1, sizeof *feeds);

    if (!feeds)
        return failure_set(failure, ERROR_MEMORY, "no memory for the sources");
    feeds->config = *config;
    buffer_init(&feeds->list_key);
    enum error error = add_all(feeds, failure);
    if (error != ERROR_NONE) {
        watch_feeds_close(feeds);
        return error;
    }
    *out = feeds;
    return ERROR_NONE;
}

enum error watch_feeds_start(struct watch_feeds *feeds, struct failure *failure) {
    enum error error = feeds->logs ? logs_start(feeds->logs, failure) : ERROR_NONE;

    for (uint32_t i = 0; i < feeds->feed_count && !error; i++)
        error = certstream_start(feeds->feeds[i], failure);
    return error;
}

void watch_feeds_wake(struct watch_feeds *feeds) {
    if (feeds->logs)
        logs_wake(feeds->logs);
    for (uint32_t i = 0; i < feeds->feed_count; i++)
        certstream_wake(feeds->feeds[i]);
}

bool watch_feeds_done(const struct watch_feeds *feeds) {
    return feeds->logs && feeds->feed_count == 0 && logs_done(feeds->logs);
}

void watch_feeds_stop(struct watch_feeds *feeds) {
    for (uint32_t i = 0; i < feeds->feed_count; i++)
        certstream_stop(feeds->feeds[i]);
    if (feeds->logs)
        logs_stop(feeds->logs);
}

void watch_feeds_close(struct watch_feeds *feeds) {
    if (!feeds)
        return;
    for (uint32_t i = 0; i < feeds->feed_count; i++)
        certstream_close(feeds->feeds[i]);
    logs_close(feeds->logs);
    log_list_source_close(feeds->source);
    log_list_free(feeds->list);
    positions_free(feeds->positions);
    buffer_deinit(&feeds->list_key);
    free(feeds->words);
    free(feeds);
}

uint32_t watch_feeds_count(const struct watch_feeds *feeds) {
    return feeds->feed_count + (feeds->logs ? logs_count(feeds->logs) : 0);
}

void watch_feeds_statistics(const struct watch_feeds *feeds, uint32_t number,
                            struct feed_statistics *out) {
    if (number < feeds->feed_count)
        certstream_statistics(feeds->feeds[number], out);
    else
        logs_statistics(feeds->logs, number - feeds->feed_count, out);
}
