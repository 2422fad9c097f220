/* What a follower wants, as requests to its log; answers, as what the follower takes. */
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/ct/proof.h"
#include "engine/decode/inflate.h"
#include "ingest/ct/logs_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HTTP_NOT_FOUND = 404,
    TILE_ANSWER_MAX = CT_TILE_BYTES + 1024, /* hashes do not compress; what gzip adds */
};

static struct ask *ask_new(struct followed *log, const struct follower_want *want) {
    struct ask *ask = calloc(1, sizeof *ask);

    if (!ask)
        return NULL;
    ask->log = log;
    ask->want = *want;
    ask->older = log->logs->asks;
    if (ask->older)
        ask->older->newer = ask;
    log->logs->asks = ask;
    for (size_t i = 0; i < EDGE_TILES_MAX; i++)
        buffer_init(&ask->bodies[i]);
    return ask;
}

static void release_held(struct ask *ask) {
    ask->log->logs->held_bytes -= ask->held;
    ask->held = 0;
}

void ask_drop(struct ask *ask) {
    release_held(ask);
    for (size_t i = 0; i < EDGE_TILES_MAX; i++)
        buffer_deinit(&ask->bodies[i]);
    page_free(ask->page);
    if (ask->newer)
        ask->newer->older = ask->older;
    else
        ask->log->logs->asks = ask->older;
    if (ask->older)
        ask->older->newer = ask->newer;
    free(ask);
}

/* --- The end of an ask --- */

static void fail(struct ask *ask, const struct log_trouble *trouble) {
    struct followed *log = ask->log;

    follower_failed(log->follower, logs_now_ms(), &ask->want, trouble->kind,
                    trouble->retry_after_ms, trouble->words);
    log->wake_ms = INT64_MIN;
    ask_drop(ask);
}

static void fail_as(struct ask *ask, enum want_trouble kind, const char *words) {
    struct log_trouble trouble = {.kind = kind, .retry_after_ms = -1};

    feed_count(&ask->log->statistics.failures, 1);
    snprintf(trouble.words, sizeof trouble.words, "%s", words);
    fail(ask, &trouble);
}

static void succeed(struct ask *ask) {
    ask->log->wake_ms = INT64_MIN;
    ask_drop(ask);
}

/* --- Requests --- */

static bool request(struct ask *ask, const char *path, uint32_t tag, size_t body_max,
                    log_answered *done) {
    struct log_request wanted = {.done = done,
                                 .context = ask,
                                 .tag = tag,
                                 .body_max = body_max,
                                 .as_it_came = ask->want.kind == WANT_PAGE};

    snprintf(wanted.path, sizeof wanted.path, "%s", path);
    return log_request(ask->log, &wanted);
}

static void request_or_fail(struct ask *ask, const char *path, size_t body_max,
                            log_answered *done) {
    if (!request(ask, path, 0, body_max, done))
        fail_as(ask, WANT_UNANSWERED, "no memory");
}

static bool request_tile(struct ask *ask, const struct ct_tile *tile, uint32_t tag,
                         log_answered *done) {
    char path[CT_TILE_PATH_MAX];

    ct_tile_path(tile, path);
    return request(ask, path, tag,
                   tile->kind == CT_TILE_DATA ? LIMIT_CT_PAGE_BYTES : TILE_ANSWER_MAX, done);
}

/* The tile of level 0 that the want is for. */
static void request_wanted_tile(struct ask *ask, enum ct_tile_kind kind, log_answered *done) {
    struct ct_tile tile = {
        .kind = (uint8_t)kind,
        .width = ask->full_tile ? CT_TILE_WIDTH : (uint16_t)ask->want.width,
        .index = ask->want.first / CT_TILE_WIDTH,
    };

    if (!request_tile(ask, &tile, 0, done))
        fail_as(ask, WANT_UNANSWERED, "no memory");
}

/* Partial tiles may go when the full one is there. True when that is asked for now. */
static bool ask_for_full_tile(struct ask *ask, const struct http_answer *answer,
                              enum ct_tile_kind kind, log_answered *done) {
    if (answer->status != HTTP_NOT_FOUND || ask->full_tile || ask->want.width == CT_TILE_WIDTH ||
        !ask->log->tiles)
        return false;
    ask->full_tile = true;
    request_wanted_tile(ask, kind, done);
    return true;
}

/* --- Heads --- */

static void on_head(void *context, uint32_t tag, struct http_answer *answer,
                    const struct log_trouble *trouble) {
    struct ask *ask = context;
    struct followed *log = ask->log;
    struct ct_head head;

    (void)tag;
    if (trouble) {
        fail(ask, trouble);
        return;
    }
    struct slice body = buffer_slice(&answer->body);
    enum ct_head_error error = log->tiles ? ct_head_parse_checkpoint(body, &log->key, &head, NULL)
                                          : ct_head_parse_sth(body, &log->key, &head);
    if (error != CT_HEAD_OK) {
        bool forged = error == CT_HEAD_BAD_SIGNATURE || error == CT_HEAD_UNSIGNED;
        fail_as(ask, forged ? WANT_FORGED : WANT_BROKEN, ct_head_error_text(error));
        return;
    }
    if ((int64_t)head.timestamp_ms > log->head_ms)
        log->head_ms = (int64_t)head.timestamp_ms;
    follower_head(log->follower, logs_now_ms(), &ask->want, &head);
    succeed(ask);
}

/* --- Proofs --- */

static bool read_proof(const struct ask *ask, struct slice body, struct ct_range *out) {
    struct ct_proof proof;
    struct buffer leaf;

    buffer_init(&leaf);
    bool good = ct_proof_parse_entry(body, &proof, &leaf);
    if (good) {
        struct ct_hash hash = ct_leaf_hash(buffer_slice(&leaf));
        good = ct_range_from_proof(&proof, &hash, ask->want.first - 1, &ask->want.head, out);
    }
    buffer_deinit(&leaf);
    return good;
}

static void on_proof(void *context, uint32_t tag, struct http_answer *answer,
                     const struct log_trouble *trouble) {
    struct ask *ask = context;
    struct ct_range range;

    (void)tag;
    if (trouble) {
        fail(ask, trouble);
        return;
    }
    if (!read_proof(ask, buffer_slice(&answer->body), &range)) {
        fail_as(ask, WANT_BROKEN, "the log's proof does not hold");
        return;
    }
    follower_proof(ask->log->follower, logs_now_ms(), &ask->want, &range);
    succeed(ask);
}

static void ask_for_proof(struct ask *ask) {
    char path[LOG_PATH_MAX];

    snprintf(path, sizeof path,
             "ct/v1/get-entry-and-proof?leaf_index=%" PRIu64 "&tree_size=%" PRIu64,
             ask->want.first - 1, ask->want.head.tree_size);
    request_or_fail(ask, path, LIMIT_CT_PROOF_BYTES, on_proof);
}

/* --- Proofs out of tiles --- */

void edge_kept_deinit(struct edge_kept *edge) {
    for (uint32_t i = 0; i < edge->count; i++)
        buffer_deinit(&edge->bodies[i]);
    edge->count = 0;
}

/* Takes the tiles of a proof that held. */
static void keep_edge(struct ask *ask) {
    struct edge_kept *edge = &ask->log->edge;

    edge_kept_deinit(edge);
    for (uint32_t i = 0; i < ask->tile_count; i++) {
        edge->tiles[i] = ask->tiles[i];
        edge->bodies[i] = ask->bodies[i];
        buffer_init(&ask->bodies[i]);
    }
    edge->count = ask->tile_count;
}

/* The bytes of a tile from the last proof; a wider one will do. */
static bool has_tile(const struct edge_kept *edge, const struct ct_tile *tile, struct buffer *out) {
    for (uint32_t i = 0; i < edge->count; i++) {
        if (edge->tiles[i].level != tile->level || edge->tiles[i].index != tile->index ||
            edge->bodies[i].len < (size_t)tile->width * CT_HASH_BYTES)
            continue;
        buffer_add_slice(out, buffer_slice(&edge->bodies[i]));
        return !out->failed;
    }
    return false;
}

static void finish_edge(struct ask *ask) {
    struct slice tiles[EDGE_TILES_MAX];
    struct ct_range range;

    if (ask->failed) {
        fail(ask, &ask->trouble);
        return;
    }
    for (uint32_t i = 0; i < ask->tile_count; i++)
        tiles[i] = buffer_slice(&ask->bodies[i]);
    if (!edge_range(tiles, ask->want.first, &ask->want.head, &range)) {
        edge_kept_deinit(&ask->log->edge);
        fail_as(ask, WANT_BROKEN, "the hash tiles do not make the tree of the head");
        return;
    }
    keep_edge(ask);
    follower_proof(ask->log->follower, logs_now_ms(), &ask->want, &range);
    succeed(ask);
}

static void on_edge_tile(void *context, uint32_t tag, struct http_answer *answer,
                         const struct log_trouble *trouble) {
    struct ask *ask = context;
    struct ct_tile *tile = &ask->tiles[tag];

    if (answer->status == HTTP_NOT_FOUND && tile->width < CT_TILE_WIDTH) {
        tile->width = CT_TILE_WIDTH;
        if (request_tile(ask, tile, tag, on_edge_tile))
            return;
    }
    if (trouble && !ask->failed) {
        ask->failed = true;
        ask->trouble = *trouble;
    }
    ask->bodies[tag] = answer->body;
    buffer_init(&answer->body);
    if (--ask->tiles_left == 0)
        finish_edge(ask);
}

static void ask_for_edge(struct ask *ask) {
    ask->tile_count = (uint32_t)edge_tiles(ask->want.first, ask->want.head.tree_size, ask->tiles);
    for (uint32_t i = 0; i < ask->tile_count && !ask->failed; i++) {
        if (has_tile(&ask->log->edge, &ask->tiles[i], &ask->bodies[i]))
            continue;
        ask->failed = !request_tile(ask, &ask->tiles[i], i, on_edge_tile);
        ask->tiles_left += !ask->failed;
    }
    if (ask->failed)
        ask->trouble = (struct log_trouble){WANT_UNANSWERED, -1, "no memory"};
    if (ask->tiles_left == 0)
        finish_edge(ask);
}

/* --- The tail --- */

static void on_tail(void *context, uint32_t tag, struct http_answer *answer,
                    const struct log_trouble *trouble) {
    struct ask *ask = context;

    (void)tag;
    if (ask_for_full_tile(ask, answer, CT_TILE_HASHES, on_tail))
        return;
    if (trouble) {
        fail(ask, trouble);
        return;
    }
    const struct ct_hash *hashes = ct_tile_hashes(buffer_slice(&answer->body), ask->want.width);
    if (!hashes) {
        fail_as(ask, WANT_BROKEN, "the hash tile is too short");
        return;
    }
    follower_tail(ask->log->follower, logs_now_ms(), &ask->want, hashes);
    succeed(ask);
}

/* --- Pages --- */

static struct page *page_of(struct ask *ask, struct http_answer *answer) {
    struct page *page =
        page_new(&ask->log->place->source, ask->log->tiles ? PAGE_TILE : PAGE_GET_ENTRIES);

    if (!page)
        return NULL;
    page->first = ask->want.first;
    page->wanted = ask->want.count;
    page->skip = ask->want.skip;
    page->gzip = is_gzip(buffer_slice(&answer->body));
    page->body = answer->body;
    page->received_ms = clock_unix_ms();
    page->back = &ask->log->logs->decoded;
    page->owner = ask;
    buffer_init(&answer->body);
    ask->held = page->body.len;
    ask->log->logs->held_bytes += ask->held;
    return page;
}

void ask_deliver(struct ask *ask) {
    struct logs *logs = ask->log->logs;

    if (!logs->undelivered && decoder_submit(logs->config.decoder, ask->page)) {
        logs->decoding++;
        return;
    }
    ask->next = NULL;
    if (logs->undelivered)
        logs->undelivered_last->next = ask;
    else
        logs->undelivered = ask;
    logs->undelivered_last = ask;
}

void asks_deliver(struct logs *logs) {
    while (logs->undelivered && decoder_submit(logs->config.decoder, logs->undelivered->page)) {
        logs->decoding++;
        logs->undelivered = logs->undelivered->next;
    }
}

static void on_page(void *context, uint32_t tag, struct http_answer *answer,
                    const struct log_trouble *trouble) {
    struct ask *ask = context;

    (void)tag;
    if (ask_for_full_tile(ask, answer, CT_TILE_DATA, on_page))
        return;
    if (trouble) {
        fail(ask, trouble);
        return;
    }
    ask->page = page_of(ask, answer);
    if (ask->page)
        ask_deliver(ask);
    else
        fail_as(ask, WANT_UNANSWERED, "no memory");
}

static void ask_for_entries(struct ask *ask) {
    char path[LOG_PATH_MAX];

    snprintf(path, sizeof path, "ct/v1/get-entries?start=%" PRIu64 "&end=%" PRIu64, ask->want.first,
             ask->want.first + ask->want.count - 1);
    request_or_fail(ask, path, LIMIT_GET_ENTRIES_BYTES, on_page);
}

void ask_decoded(struct logs *logs, struct page *page) {
    struct ask *ask = page->owner;

    logs->decoding--;
    switch (page->result) {
    case PAGE_WANTS_ISSUERS:
        ask_for_issuers(ask);
        return;
    case PAGE_DECODED:
        ask->page = NULL;
        page->owner = NULL;
        /* It may wait for long; its records have copies of what they need. */
        buffer_deinit(&page->body);
        buffer_init(&page->body);
        follower_page(ask->log->follower, logs_now_ms(), &ask->want, page);
        succeed(ask);
        return;
    case PAGE_FRESH:
    case PAGE_BROKEN:
        fail_as(ask, WANT_BROKEN, page->error);
        return;
    }
}

/* --- Any want --- */

void ask_begin(struct followed *log, const struct follower_want *want) {
    struct ask *ask = ask_new(log, want);

    if (!ask) {
        follower_failed(log->follower, logs_now_ms(), want, WANT_UNANSWERED, -1, "no memory");
        return;
    }
    switch (want->kind) {
    case WANT_HEAD:
        request_or_fail(ask, log->tiles ? "checkpoint" : "ct/v1/get-sth", LIMIT_CT_HEAD_BYTES,
                        on_head);
        return;
    case WANT_PROOF:
        if (log->tiles)
            ask_for_edge(ask);
        else
            ask_for_proof(ask);
        return;
    case WANT_PAGE:
        if (log->tiles)
            request_wanted_tile(ask, CT_TILE_DATA, on_page);
        else
            ask_for_entries(ask);
        return;
    case WANT_TAIL:
        request_wanted_tile(ask, CT_TILE_HASHES, on_tail);
        return;
    }
}
