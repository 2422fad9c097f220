#include "ingest/ct/certstream.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/random.h"
#include "engine/base/thread.h"
#include "engine/http/websocket.h"
#include "ingest/ct/gaps.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    RECONNECT_FIRST_MS = 500,
    RECONNECT_MOST_MS = 60 * 1000,
    PAGE_MESSAGES = 256,
    PAGE_BYTES = 1 << 20,
    READ_WAIT_MS = 50,
    LOST_TOLD_EVERY_MS = 10 * 1000,
    TOLD_AFTER = 3, /* failures in a row until an operator hears of it */
};

/* Pages leave in the order in which they were filled. */
struct in_order {
    struct page *pages[1024]; /* by running number; NULL where one is still being decoded */
    uint64_t first, next;     /* numbers of the oldest under way, and of the next */
};

struct certstream {
    struct certstream_config config;
    struct ct_source source;
    pthread_t thread;
    bool started;
    int stop_fd, wake_fd;
    struct mailbox decoded;
    struct in_order order;
    struct gaps *gaps;
    struct random random;
    size_t under_way; /* bytes of pages */

    struct page *filling; /* NULL between two */
    size_t length_at;     /* in its body: where the length of the message goes */
    bool in_message, dropping;
    uint64_t filling_since_ms;
    uint64_t alive_ms, pinged_ms;

    uint32_t failures;
    bool told_unreachable;
    uint64_t lost_untold, lost_told_ms, gaps_untold, gaps_told_ms;
    struct feed_statistics statistics; /* written here, read by any thread */
};

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / 1000000;
}

static void count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static void tell(struct certstream *feed, enum feed_incident incident, const char *words) {
    const struct feed_outlet *outlet = feed->config.outlet;
    outlet->incident(outlet->owner, &feed->source, incident, words);
}

static void tell_count(struct certstream *feed, enum feed_incident incident, uint64_t *untold,
                       uint64_t *told_ms, const char *what) {
    char words[120];

    if (*untold == 0 || now_ms() - *told_ms < LOST_TOLD_EVERY_MS)
        return;
    snprintf(words, sizeof words, "%llu %s", (unsigned long long)*untold, what);
    tell(feed, incident, words);
    *untold = 0;
    *told_ms = now_ms();
}

static void tell_counts(struct certstream *feed) {
    tell_count(feed, FEED_LOST, &feed->lost_untold, &feed->lost_told_ms,
               "messages came faster than they could be taken and are lost");
    tell_count(feed, FEED_GAP, &feed->gaps_untold, &feed->gaps_told_ms,
               "entries were left out by the server");
}

/* --- Decoded pages --- */

static struct page **place_of(struct certstream *feed, uint64_t number) {
    return &feed->order.pages[number % (sizeof feed->order.pages / sizeof(struct page *))];
}

static void note_gaps(struct certstream *feed, const struct page *page) {
    for (uint32_t i = 0; i < page->feed_index_count; i++) {
        uint64_t missing =
            gaps_note(feed->gaps, page->feed_indices[i].log_url, page->feed_indices[i].index);
        count(&feed->statistics.gaps, missing);
        feed->gaps_untold += missing;
    }
}

static void take_decoded(struct certstream *feed) {
    struct mailbox_entry *entry = mailbox_take_all(&feed->decoded);

    while (entry) {
        struct page *page = (struct page *)entry;
        entry = entry->next;
        note_gaps(feed, page);
        *place_of(feed, page->first) = page;
    }
}

static void finish_page(struct certstream *feed) {
    feed->order.first++;
}

static void lose(struct certstream *feed, uint64_t messages) {
    count(&feed->statistics.lost, messages);
    feed->lost_untold += messages;
}

/* Pages that are next, as far as the outlet has room. */
static void commit(struct certstream *feed) {
    const struct feed_outlet *outlet = feed->config.outlet;

    take_decoded(feed);
    while (feed->order.first < feed->order.next) {
        struct page **place = place_of(feed, feed->order.first), *page = *place;
        if (!page)
            return;
        size_t bytes = page->body.len;
        uint32_t entries = page->entries;
        int64_t newest_ms = page->newest_ms;
        if (page->result != PAGE_DECODED) {
            lose(feed, page->wanted);
            page_free(page);
        } else if (!outlet->commit(outlet->owner, page)) {
            return;
        } else {
            count(&feed->statistics.entries, entries);
            count(&feed->statistics.pages, 1);
            __atomic_store_n(&feed->statistics.newest_ms, newest_ms, __ATOMIC_RELAXED);
            if (entries)
                __atomic_store_n(&feed->statistics.last_entry_ms, clock_unix_ms(),
                                 __ATOMIC_RELAXED);
        }
        *place = NULL;
        feed->under_way -= bytes;
        finish_page(feed);
    }
}

/* --- Pages that are being filled --- */

static bool has_room(const struct certstream *feed) {
    return feed->under_way < feed->config.memory_max &&
           feed->order.next - feed->order.first < sizeof feed->order.pages / sizeof(struct page *);
}

static void submit(struct certstream *feed) {
    struct page *page = feed->filling;

    if (!page || feed->in_message)
        return;
    feed->filling = NULL;
    page->first = feed->order.next;
    if (page->wanted == 0 || page->body.failed || !has_room(feed) ||
        !decoder_submit(feed->config.decoder, page)) {
        lose(feed, page->wanted);
        page_free(page);
        return;
    }
    feed->under_way += page->body.len;
    feed->order.next++;
}

static bool begin_page(struct certstream *feed) {
    feed->filling = page_new(&feed->source, PAGE_FEED);
    if (!feed->filling)
        return false;
    feed->filling->received_ms = clock_unix_ms();
    feed->filling->back = &feed->decoded;
    feed->filling_since_ms = now_ms();
    return true;
}

static void begin_message(struct certstream *feed) {
    const uint32_t length = 0;

    feed->in_message = true;
    feed->dropping = !feed->filling && !begin_page(feed);
    if (feed->dropping)
        return;
    feed->length_at = feed->filling->body.len;
    buffer_add(&feed->filling->body, &length, sizeof length);
}

static void end_message(struct certstream *feed) {
    feed->in_message = false;
    count(&feed->statistics.requests, 1);
    if (feed->dropping) {
        lose(feed, 1);
        return;
    }
    struct page *page = feed->filling;
    if (!page->body.failed) {
        uint32_t length = (uint32_t)(page->body.len - feed->length_at - sizeof length);
        memcpy(page->body.ptr + feed->length_at, &length, sizeof length);
    }
    page->wanted++;
    if (page->wanted == PAGE_MESSAGES || page->body.len >= PAGE_BYTES)
        submit(feed);
}

static void on_piece(void *owner, struct slice piece, bool end) {
    struct certstream *feed = owner;

    count(&feed->statistics.bytes, piece.len);
    if (!feed->in_message)
        begin_message(feed);
    if (!feed->dropping)
        buffer_add_slice(&feed->filling->body, piece);
    if (end)
        end_message(feed);
}

/* A connection that ends within a message takes the rest of its page along. */
static void drop_broken_message(struct certstream *feed) {
    if (!feed->in_message)
        return;
    feed->in_message = false;
    if (feed->dropping)
        return;
    feed->filling->body.len = feed->length_at;
}

/* --- A connection --- */

/* False: the connection is over. */
static bool read_once(struct certstream *feed, struct websocket *websocket,
                      struct failure *failure) {
    switch (websocket_read(websocket, READ_WAIT_MS, failure)) {
    case WEBSOCKET_READ:
        feed->alive_ms = now_ms();
        return true;
    case WEBSOCKET_IDLE:
        return true;
    case WEBSOCKET_STOPPED:
        failure_set(failure, ERROR_STOPPED, "stopped");
        return false;
    case WEBSOCKET_ENDED:
        return false;
    }
    return false;
}

static bool is_alive(struct certstream *feed, struct websocket *websocket,
                     struct failure *failure) {
    uint64_t now = now_ms();

    if (now - feed->pinged_ms >= feed->config.silence_ms / 4) {
        websocket_ping(websocket);
        feed->pinged_ms = now;
    }
    if (now - feed->alive_ms < feed->config.silence_ms)
        return true;
    failure_set(failure, ETIMEDOUT, "there is no sign of life");
    return false;
}

static void follow(struct certstream *feed, struct websocket *websocket, struct failure *failure) {
    feed->alive_ms = feed->pinged_ms = now_ms();
    while (read_once(feed, websocket, failure) && is_alive(feed, websocket, failure)) {
        if (feed->filling && now_ms() - feed->filling_since_ms >= feed->config.page_ms)
            submit(feed);
        commit(feed);
        tell_counts(feed);
    }
    drop_broken_message(feed);
    submit(feed);
}

static void note_connected(struct certstream *feed, bool connected) {
    __atomic_store_n(&feed->statistics.connected, connected, __ATOMIC_RELAXED);
}

/* One connection from its beginning to its end. */
static void connect_and_follow(struct certstream *feed, struct failure *failure) {
    struct websocket_config config = {
        .url = feed->config.url,
        .user_agent = feed->config.user_agent,
        .ca_file = feed->config.ca_file,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .message_max = LIMIT_FEED_MESSAGE_BYTES,
        .stop_fd = feed->stop_fd,
        .owner = feed,
        .on_piece = on_piece,
    };
    struct websocket *websocket;

    if (websocket_open(&websocket, &config, failure) != ERROR_NONE)
        return;
    note_connected(feed, true);
    if (feed->told_unreachable)
        tell(feed, FEED_RECOVERED, "the feed is there again");
    feed->told_unreachable = false;
    uint64_t before = feed->statistics.requests;
    follow(feed, websocket, failure);
    if (feed->statistics.requests > before)
        feed->failures = 0; /* it did send something */
    note_connected(feed, false);
    websocket_close(websocket);
}

/* --- The thread --- */

static bool is_stopping(const struct certstream *feed) {
    struct pollfd polled = {.fd = feed->stop_fd, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

/* What is under way goes on while the feed is away. */
static void wait_and_commit(struct certstream *feed, uint64_t wait_ms) {
    uint64_t until = now_ms() + wait_ms;

    for (uint64_t now = now_ms(); now < until && !is_stopping(feed); now = now_ms()) {
        struct pollfd polled[2] = {{.fd = feed->stop_fd, .events = POLLIN},
                                   {.fd = feed->wake_fd, .events = POLLIN}};
        uint64_t left = until - now;
        eventfd_t ignored;
        if (poll(polled, 2, left < 1000 ? (int)left : 1000) > 0 && polled[1].revents)
            eventfd_read(feed->wake_fd, &ignored);
        commit(feed);
    }
}

static uint64_t reconnect_wait_ms(struct certstream *feed) {
    uint32_t doublings = feed->failures < 10 ? feed->failures : 10;
    uint64_t wait_ms = (uint64_t)RECONNECT_FIRST_MS << doublings;

    if (wait_ms > RECONNECT_MOST_MS)
        wait_ms = RECONNECT_MOST_MS;
    return wait_ms / 2 + random_below(&feed->random, wait_ms / 2 + 1);
}

/* What the decoder has must come back; what the outlet does not take now is lost with the feed. */
static void drain(struct certstream *feed) {
    for (uint64_t i = 0; feed->order.first < feed->order.next; i++) {
        struct page *page = *place_of(feed, feed->order.first);
        commit(feed);
        if (feed->order.first < feed->order.next && page && i > 100) {
            lose(feed, page->wanted);
            *place_of(feed, feed->order.first) = NULL;
            page_free(page);
            finish_page(feed);
        } else {
            poll(NULL, 0, 1);
        }
    }
    feed->lost_told_ms = feed->gaps_told_ms = 0;
    tell_counts(feed);
}

static void *run(void *context) {
    struct certstream *feed = context;

    while (!is_stopping(feed)) {
        struct failure failure = {0};
        connect_and_follow(feed, &failure);
        if (is_stopping(feed))
            break;
        count(&feed->statistics.failures, 1);
        if (++feed->failures == TOLD_AFTER) {
            tell(feed, FEED_UNREACHABLE, failure.text);
            feed->told_unreachable = true;
        }
        wait_and_commit(feed, reconnect_wait_ms(feed));
    }
    drain(feed);
    return NULL;
}

/* --- From outside --- */

void certstream_wake(struct certstream *feed) {
    eventfd_write(feed->wake_fd, 1);
}

static void wake(void *owner) {
    certstream_wake(owner);
}

enum error certstream_open(struct certstream **out, const struct certstream_config *config,
                           struct failure *failure) {
    struct certstream *feed = calloc(1, sizeof *feed);

    if (!feed)
        return failure_set(failure, ERROR_MEMORY, "no memory for a feed");
    feed->config = *config;
    feed->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    feed->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    feed->gaps = gaps_new();
    random_init(&feed->random, random_seed());
    mailbox_init(&feed->decoded, wake, feed);
    feed->source = (struct ct_source){
        .number = config->number,
        .name = slice_of(config->url),
        .url = slice_of(config->url),
    };
    feed->statistics.source = &feed->source;
    if (feed->stop_fd < 0 || feed->wake_fd < 0 || !feed->gaps) {
        certstream_close(feed);
        return failure_set(failure, ERROR_LIMIT, "no memory or descriptor for a feed");
    }
    *out = feed;
    return ERROR_NONE;
}

enum error certstream_start(struct certstream *feed, struct failure *failure) {
    enum error error = thread_start(&feed->thread, "certstream", run, feed, failure);

    feed->started = error == ERROR_NONE;
    return error;
}

void certstream_stop(struct certstream *feed) {
    if (!feed->started)
        return;
    eventfd_write(feed->stop_fd, 1);
    pthread_join(feed->thread, NULL);
    feed->started = false;
}

void certstream_close(struct certstream *feed) {
    if (!feed)
        return;
    certstream_stop(feed);
    mailbox_deinit(&feed->decoded);
    page_free(feed->filling);
    gaps_free(feed->gaps);
    if (feed->stop_fd >= 0)
        close(feed->stop_fd);
    if (feed->wake_fd >= 0)
        close(feed->wake_fd);
    free(feed);
}

void certstream_statistics(const struct certstream *feed, struct feed_statistics *out) {
    const struct feed_statistics *from = &feed->statistics;

    *out = (struct feed_statistics){
        .source = from->source,
        .connected = __atomic_load_n(&from->connected, __ATOMIC_RELAXED),
        .entries = __atomic_load_n(&from->entries, __ATOMIC_RELAXED),
        .pages = __atomic_load_n(&from->pages, __ATOMIC_RELAXED),
        .requests = __atomic_load_n(&from->requests, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
        .failures = __atomic_load_n(&from->failures, __ATOMIC_RELAXED),
        .gaps = __atomic_load_n(&from->gaps, __ATOMIC_RELAXED),
        .lost = __atomic_load_n(&from->lost, __ATOMIC_RELAXED),
        .last_entry_ms = __atomic_load_n(&from->last_entry_ms, __ATOMIC_RELAXED),
        .newest_ms = __atomic_load_n(&from->newest_ms, __ATOMIC_RELAXED),
    };
}
