/* Logs that are followed for a test: a farm that serves them, a decoder, and an outlet that checks
 * what leaves, against the farm's own tree. */
#ifndef TESTS_UNIT_INGEST_CT_LOGS_RUN_H
#define TESTS_UNIT_INGEST_CT_LOGS_RUN_H

#include "tests/unit/http/test_server.h"

#include "bench/ctfarm/ctfarm.h"
#include "ingest/ct/follower.h"
#include "ingest/ct/logs.h"

#include <signal.h>

enum { RUN_LOGS_MAX = 16, RUN_WAIT_MS = 50, RUN_ENTRIES = 3000 };

#define RUN_CONTACT "trawl-test (+https://example.org/contact)"

/* What left of one log. */
struct run_log {
    struct slice name;
    bool begun;
    struct ct_range range; /* of all that left */
    uint64_t pages, committed, verified, records;
    uint8_t saved[FOLLOWER_SAVED_MAX];
    size_t saved_len;
};

struct run {
    struct ctfarm *farm;
    struct decoder *decoder;
    struct logs *logs;
    struct feed_outlet outlet;
    struct http_client *http; /* the test's own */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct run_log items[RUN_LOGS_MAX];
    uint64_t room; /* pages that are still taken */
    uint64_t incidents[FEED_INCIDENTS];
    char words[FEED_INCIDENTS][256]; /* of the last of each */
    char sources[FEED_INCIDENTS][64];
};

/* --- The outlet --- */

static inline bool run_commit(void *owner, struct page *page) {
    struct run *run = owner;
    struct run_log *log = &run->items[page->source->number];

    pthread_mutex_lock(&run->lock);
    if (run->room == 0) {
        pthread_mutex_unlock(&run->lock);
        return false;
    }
    run->room--;
    if (!log->begun)
        ct_range_init(&log->range, page->first);
    log->begun = true;
    log->name = page->source->name;
    assert_int_equal(page->first, log->range.end); /* in order, without a gap, once */
    assert_int_equal(page->range.end, page->first + page->entries);
    assert_true(ct_range_merge(&log->range, &page->range));
    assert_int_equal(page->result, PAGE_DECODED);
    log->pages++;
    log->records += page->record_count;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
    page_free(page);
    return true;
}

static inline void run_position(void *owner, const struct ct_source *source,
                                const struct log_position *position) {
    struct run *run = owner;
    struct run_log *log = &run->items[source->number];

    pthread_mutex_lock(&run->lock);
    if (log->begun)
        assert_int_equal(position->committed, log->range.end);
    assert_true(position->verified <= position->committed);
    assert_true(position->saved.len <= sizeof log->saved);
    log->committed = position->committed;
    log->verified = position->verified;
    memcpy(log->saved, position->saved.ptr, position->saved.len);
    log->saved_len = position->saved.len;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static inline void run_incident(void *owner, const struct ct_source *source,
                                enum feed_incident incident, const char *words) {
    struct run *run = owner;

    pthread_mutex_lock(&run->lock);
    run->incidents[incident]++;
    snprintf(run->words[incident], sizeof run->words[0], "%s", words);
    snprintf(run->sources[incident], sizeof run->sources[0], "%.*s", (int)source->name.len,
             (const char *)source->name.ptr);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* --- Opening and closing --- */

static inline void run_init(struct run *run) {
    struct http_client_config http = {.per_host = 4};

    *run = (struct run){.room = UINT64_MAX};
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->changed, NULL);
    run->outlet = (struct feed_outlet){run, run_commit, run_position, run_incident};
    run->http = open_client(&http);
}

static inline void run_deinit(struct run *run) {
    http_client_close(run->http);
    ctfarm_stop(run->farm);
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->lock);
}

static inline void run_farm(struct run *run, const struct ctfarm_options *options) {
    struct failure failure = {0};

    if (ctfarm_start(&run->farm, options, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static inline struct logs_config run_config(struct run *run) {
    return (struct logs_config){
        .decoder = run->decoder,
        .outlet = &run->outlet,
        .user_agent = RUN_CONTACT,
        .per_operator = 4,
        .window = 16,
        .page_entries = 100,
        .head_interval_ms = 20,
        .partial_after_ms = 50,
        .retry_ms = 5,
    };
}

/* A decoder that writes a record of each entry, or one of what is watched. */
static inline void run_decoder(struct run *run, uint32_t workers) {
    struct decoder_config config = {.workers = workers, .capacity = 64, .hash_tree = true};
    struct failure failure = {0};

    if (decoder_open(&run->decoder, &config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static inline void run_open(struct run *run, const struct logs_config *config) {
    struct failure failure = {0};

    if (logs_open(&run->logs, config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static inline struct log_spec run_spec(const struct run *run, enum ctfarm_side side) {
    return (struct log_spec){
        .name = slice_of(side == CTFARM_STATIC ? "tiles" : "classic"),
        .operator_name = slice_of("Farm"),
        .url = slice_of(ctfarm_log_url(run->farm, side)),
        .key = ctfarm_log_key(ctfarm_log(run->farm), side),
        .tiles = side == CTFARM_STATIC,
        .from = FEED_FROM_INDEX,
    };
}

static inline void run_add(struct run *run, const struct log_spec *spec) {
    struct failure failure = {0};

    if (logs_add(run->logs, spec, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static inline void run_start(struct run *run) {
    struct failure failure = {0};

    if (logs_start(run->logs, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static inline void run_close(struct run *run) {
    logs_close(run->logs);
    decoder_close(run->decoder);
    run->logs = NULL;
    run->decoder = NULL;
}

/* --- Waiting --- */

static inline void run_wait_a_little(struct run *run) {
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += RUN_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&run->changed, &run->lock, &until);
}

/* Until `condition`, which is looked at under the lock. */
#define RUN_UNTIL(run, condition)                                                                  \
    do {                                                                                           \
        pthread_mutex_lock(&(run)->lock);                                                          \
        while (!(condition))                                                                       \
            run_wait_a_little(run);                                                                \
        pthread_mutex_unlock(&(run)->lock);                                                        \
    } while (0)

#define RUN_UNTIL_DONE(run) RUN_UNTIL(run, logs_done((run)->logs))

/* --- The farm --- */

/* Posts to the farm's /control, and reads what it says. */
static inline struct buffer run_ask_farm(struct run *run, const char *path, bool post) {
    char url[256];

    snprintf(url, sizeof url, "%s%s", ctfarm_url(run->farm), path);
    struct http_request request = {
        .method = post ? HTTP_POST : HTTP_GET, .url = url, .body_max = 65536};
    struct got got = fetch(run->http, &request);
    assert_int_equal(got.answer.status, 200);
    buffer_add_byte(&got.answer.body, 0);
    return got.answer.body;
}

static inline void run_control(struct run *run, const char *query) {
    char path[200];

    snprintf(path, sizeof path, "/control?%s", query);
    struct buffer answer = run_ask_farm(run, path, true);
    buffer_deinit(&answer);
}

/* A number of the farm's counts; 0 when it is not there. */
static inline uint64_t run_count(struct run *run, const char *key) {
    struct buffer answer = run_ask_farm(run, "/stats", false);
    char quoted[64];

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr((const char *)answer.ptr, quoted);
    uint64_t number = at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
    buffer_deinit(&answer);
    return number;
}

/* What left of a log is what the farm's tree has. */
static inline void run_check(const struct run *run, uint32_t number, uint64_t begin, uint64_t end) {
    const struct ctfarm_log *truth = ctfarm_log(run->farm);
    const struct run_log *log = &run->items[number];
    struct ct_range range;

    assert_int_equal(log->range.begin, begin);
    assert_int_equal(log->range.end, end);
    ct_range_init(&range, begin);
    for (uint64_t i = begin; i < end; i++) {
        struct ct_hash hash;
        memcpy(hash.bytes, ctfarm_level_hash(truth, 0, i), sizeof hash.bytes);
        assert_true(ct_range_append(&range, &hash, 1));
    }
    assert_int_equal(range.count, log->range.count);
    assert_memory_equal(range.nodes, log->range.nodes, range.count * sizeof range.nodes[0]);
}

/* --- Both logs of a farm --- */

static inline struct ctfarm_options run_options(void) {
    struct ctfarm_options options;

    ctfarm_options_init(&options);
    options.log.entries = options.start = RUN_ENTRIES;
    options.head_every_ms = 1;
    return options;
}

/* Both logs of a farm, from the same beginning. */
static inline void run_add_both(struct run *run, enum feed_from from, uint64_t index) {
    for (int side = CTFARM_RFC6962; side <= CTFARM_STATIC; side++) {
        struct log_spec spec = run_spec(run, (enum ctfarm_side)side);
        spec.from = from;
        spec.from_index = index;
        run_add(run, &spec);
    }
}

static inline void run_to_the_end(struct run *run, enum feed_from from, uint64_t index) {
    run_decoder(run, 2);
    struct logs_config config = run_config(run);
    config.to_the_end = true;
    run_open(run, &config);
    run_add_both(run, from, index);
    run_start(run);
    RUN_UNTIL_DONE(run);
    run_close(run);
}

static inline void run_check_both(const struct run *run, uint64_t begin, uint64_t end) {
    for (uint32_t i = 0; i < 2; i++) {
        run_check(run, i, begin, end);
        assert_int_equal(run->items[i].committed, end);
        assert_int_equal(run->items[i].verified, end);
    }
}

static inline int run_set_up(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return http_global_init(NULL) != ERROR_NONE;
}

#endif
