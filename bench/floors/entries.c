#include "bench/floors/entries.h"

#include "bench/ctfarm/ctfarm_feed.h"
#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/hash/sha256.h"

#include <stdlib.h>

enum { PAGE = CTFARM_TILE };

/* Bytes to work on, and whose they are. */
struct span {
    size_t at, len;
    uint32_t entry;
};

struct entries_floor {
    const char *name;
    bool base64, hashed; /* the first span of an entry is its leaf */
    void (*add)(const struct ctfarm_entry *entry, uint32_t index, struct buffer *bytes,
                struct buffer *spans);
};

struct work {
    const struct entries_floor *floor;
    struct ctfarm_log *log;
    struct buffer bytes, spans;
    uint32_t *first_spans; /* of each entry, and behind the last */
    uint32_t count;
    uint8_t *decoded; /* all that one page decodes to */
    uint8_t hashes[PAGE][SHA256_BYTES];
};

/* --- Making entries --- */

static void add_span(struct buffer *spans, uint32_t entry, size_t at, size_t len) {
    const struct span span = {at, len, entry};
    buffer_add(spans, &span, sizeof span);
}

/* Version and type of the leaf do not stand in a tile. */
static void add_tile_entry(const struct ctfarm_entry *entry, uint32_t index, struct buffer *bytes,
                           struct buffer *spans) {
    add_span(spans, index, bytes->len, ctfarm_entry_leaf(entry).len - 2);
    ctfarm_entry_add_tile(entry, bytes);
}

static void add_base64(struct slice raw, uint32_t index, struct buffer *bytes,
                       struct buffer *spans) {
    add_span(spans, index, bytes->len, base64_encoded_size(raw.len));
    text_add_base64(bytes, raw);
}

static void add_json_entry(const struct ctfarm_entry *entry, uint32_t index, struct buffer *bytes,
                           struct buffer *spans) {
    struct buffer extra;

    buffer_init(&extra);
    ctfarm_entry_add_extra(entry, &extra);
    bytes->failed |= extra.failed;
    buffer_add_text(bytes, "{\"leaf_input\":\"");
    add_base64(ctfarm_entry_leaf(entry), index, bytes, spans);
    buffer_add_text(bytes, "\",\"extra_data\":\"");
    add_base64(buffer_slice(&extra), index, bytes, spans);
    buffer_add_text(bytes, "\"},");
    buffer_deinit(&extra);
}

static void add_message(const struct ctfarm_entry *entry, uint32_t index, struct buffer *bytes,
                        struct buffer *spans) {
    static const char key[] = "\"as_der\":\"";
    const struct ctfarm_feed_style style = {.url = "https://log.example.net/", .name = "Example"};
    size_t at = bytes->len;
    const uint8_t *found, *end;

    if (!ctfarm_feed_add(entry, index, &style, bytes) || bytes->failed)
        return;
    while ((found = memmem(bytes->ptr + at, bytes->len - at, key, sizeof key - 1))) {
        at = (size_t)(found - bytes->ptr) + sizeof key - 1;
        end = memchr(bytes->ptr + at, '"', bytes->len - at);
        if (!end)
            return;
        add_span(spans, index, at, (size_t)(end - bytes->ptr) - at);
    }
}

static const struct entries_floor FLOORS[] = {
    {"tiles", .hashed = true, .add = add_tile_entry},
    {"get-entries", .base64 = true, .hashed = true, .add = add_json_entry},
    {"feed", .base64 = true, .add = add_message},
};

static const struct span *span_at(const struct work *work, uint32_t number) {
    return (const struct span *)(const void *)work->spans.ptr + number;
}

/* Where the spans of each entry begin, and room for what the longest page decodes to. */
static bool index_spans(struct work *work) {
    uint32_t number = 0, spans = (uint32_t)(work->spans.len / sizeof(struct span));
    size_t page_bytes = 0, most = 0;

    work->first_spans = calloc(work->count + 1, sizeof *work->first_spans);
    for (uint32_t i = 0; work->first_spans && i < work->count; i++) {
        work->first_spans[i] = number;
        if (i % PAGE == 0)
            page_bytes = 0;
        for (; number < spans && span_at(work, number)->entry == i; number++)
            page_bytes += span_at(work, number)->len;
        most = page_bytes > most ? page_bytes : most;
    }
    if (work->first_spans)
        work->first_spans[work->count] = number;
    work->decoded = malloc(most + 1);
    return work->first_spans && work->decoded;
}

static bool make_entries(struct work *work) {
    const struct ctfarm_config config = {
        .seed = 1, .entries = work->count, .first_ms = 1790000000000, .step_us = 10000};
    struct ctfarm_entry *entry = ctfarm_entry_new();
    bool made = entry && !ctfarm_log_new(&work->log, &config, NULL);

    for (uint32_t i = 0; made && i < work->count; i++) {
        ctfarm_entry_make(work->log, i, false, entry);
        work->floor->add(entry, i, &work->bytes, &work->spans);
    }
    ctfarm_entry_free(entry);
    return made && !work->bytes.failed && !work->spans.failed && index_spans(work);
}

/* --- Working on them --- */

static bool decode_entry(struct work *work, uint32_t entry, struct sha256_job *job, uint8_t **out) {
    for (uint32_t i = work->first_spans[entry]; i < work->first_spans[entry + 1]; i++) {
        const struct span *span = span_at(work, i);
        size_t len;
        if (!base64_decode((struct slice){work->bytes.ptr + span->at, span->len}, *out, &len, NULL))
            return false;
        if (i == work->first_spans[entry])
            job->message = (struct slice){*out, len};
        *out += len;
    }
    return true;
}

/* Nodes over a full page, up to the one that covers it. */
static void hash_tree(struct work *work) {
    for (size_t nodes = PAGE / 2; nodes; nodes /= 2)
        sha256_nodes(work->hashes[0], nodes, work->hashes[0]);
}

static bool work_on_page(struct work *work, uint32_t first, uint32_t count) {
    struct sha256_job jobs[PAGE];
    uint8_t *out = work->decoded;

    for (uint32_t i = 0; i < count; i++) {
        jobs[i] = (struct sha256_job){.out = work->hashes[i], .prefix_len = 1};
        if (work->floor->base64) {
            if (!decode_entry(work, first + i, &jobs[i], &out))
                return false;
        } else {
            const struct span *leaf = span_at(work, work->first_spans[first + i]);
            jobs[i].message = (struct slice){work->bytes.ptr + leaf->at, leaf->len};
            jobs[i].prefix_len = 3;
        }
    }
    if (!work->floor->hashed)
        return true;
    sha256_many(jobs, count);
    if (count == PAGE)
        hash_tree(work);
    return true;
}

/* The last page of the log, against what the log says of it. */
static bool is_right(struct work *work) {
    uint32_t page = work->count / PAGE - 1;

    return work_on_page(work, page * PAGE, PAGE) &&
           (!work->floor->hashed ||
            memcmp(work->hashes[0], ctfarm_level_hash(work->log, 1, page), SHA256_BYTES) == 0);
}

static enum error run(struct work *work, uint64_t total, struct failure *failure) {
    if (!make_entries(work))
        return failure_set(failure, ERROR_MEMORY, "no memory for %u entries", work->count);
    for (uint32_t first = 0; total; first = (first + PAGE) % work->count) {
        uint32_t count = total < PAGE ? (uint32_t)total : PAGE;
        if (!work_on_page(work, first, count))
            return failure_set(failure, ERROR_INTERNAL, "an entry is not base64");
        total -= count;
    }
    return is_right(work) ? ERROR_NONE
                          : failure_set(failure, ERROR_INTERNAL, "the hashes are wrong");
}

/* --- From outside --- */

const struct entries_floor *entries_floor_find(const char *name) {
    for (size_t i = 0; i < sizeof FLOORS / sizeof *FLOORS; i++)
        if (strcmp(FLOORS[i].name, name) == 0)
            return &FLOORS[i];
    return NULL;
}

enum error entries_floor_run(const struct entries_floor *floor, uint32_t count, uint64_t total,
                             struct failure *failure) {
    struct work *work = calloc(1, sizeof *work);

    if (!work)
        return failure_set(failure, ERROR_MEMORY, "no memory for the floor '%s'", floor->name);
    work->floor = floor;
    work->count = count < PAGE ? PAGE : count / PAGE * PAGE;
    buffer_init(&work->bytes);
    buffer_init(&work->spans);
    enum error error = run(work, total, failure);
    ctfarm_log_free(work->log);
    buffer_deinit(&work->bytes);
    buffer_deinit(&work->spans);
    free(work->first_spans);
    free(work->decoded);
    free(work);
    return error;
}
