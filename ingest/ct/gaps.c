#include "ingest/ct/gaps.h"

#include <stdlib.h>

enum {
    LOGS_MAX = 256,
    URL_MAX = 256,
    WINDOW = 4096, /* indices behind the newest that may still come; a power of two */
    WORDS = WINDOW / 64,
};

struct log {
    char url[URL_MAX];
    size_t url_len;
    bool begun;
    uint64_t oldest;      /* the window is [oldest, oldest + WINDOW) */
    uint64_t seen[WORDS]; /* of index i: bit i % WINDOW */
};

struct gaps {
    struct log *logs[LOGS_MAX];
    uint32_t count;
};

struct gaps *gaps_new(void) {
    return calloc(1, sizeof(struct gaps));
}

void gaps_free(struct gaps *gaps) {
    for (uint32_t i = 0; gaps && i < gaps->count; i++)
        free(gaps->logs[i]);
    free(gaps);
}

static struct log *log_of(struct gaps *gaps, struct slice url) {
    for (uint32_t i = 0; i < gaps->count; i++)
        if (slice_equal(url, (struct slice){(uint8_t *)gaps->logs[i]->url, gaps->logs[i]->url_len}))
            return gaps->logs[i];
    struct log *log = gaps->count < LOGS_MAX && url.len <= URL_MAX ? calloc(1, sizeof *log) : NULL;
    if (!log)
        return NULL;
    memcpy(log->url, url.ptr, url.len);
    log->url_len = url.len;
    gaps->logs[gaps->count++] = log;
    return log;
}

static bool take_bit(struct log *log, uint64_t index) {
    uint64_t *word = &log->seen[index % WINDOW / 64], bit = UINT64_C(1) << (index % 64);
    bool was_set = *word & bit;

    *word &= ~bit;
    return was_set;
}

/* What leaves the window without having been seen is missing. */
static uint64_t move_window(struct log *log, uint64_t oldest) {
    uint64_t missing = 0;

    if (oldest - log->oldest >= WINDOW) { /* all of the window, and what was never in it */
        for (uint64_t i = 0; i < WINDOW; i++)
            missing += !take_bit(log, log->oldest + i);
        missing += oldest - log->oldest - WINDOW;
        log->oldest = oldest;
        return missing;
    }
    for (; log->oldest < oldest; log->oldest++)
        missing += !take_bit(log, log->oldest);
    return missing;
}

uint64_t gaps_note(struct gaps *gaps, struct slice log_url, uint64_t index) {
    struct log *log = log_of(gaps, log_url);
    uint64_t missing = 0;

    if (!log || index > UINT64_MAX / 2)
        return 0;
    if (!log->begun)
        log->oldest = index;
    log->begun = true;
    if (index < log->oldest)
        return 0; /* late, or before the beginning */
    if (index - log->oldest >= WINDOW)
        missing = move_window(log, index - WINDOW + 1);
    log->seen[index % WINDOW / 64] |= UINT64_C(1) << (index % 64);
    return missing;
}
