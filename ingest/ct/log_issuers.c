/* The issuers that pages of static-ct logs want: each is fetched once, however many pages wait for
 * it, and is kept by the decoder. */
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "ingest/ct/logs_internal.h"

#include <stdlib.h>
#include <string.h>

enum { HTTP_NOT_FOUND = 404, WAITED_MAX = 64 };

static bool is_fetched(const struct followed *log, const uint8_t fingerprint[32]) {
    for (const struct issuer_fetch *fetch = log->logs->issuer_fetches; fetch; fetch = fetch->next)
        if (fetch->log == log && memcmp(fetch->fingerprint, fingerprint, 32) == 0)
            return true;
    return false;
}

static void drop_fetch(struct issuer_fetch *fetch) {
    struct issuer_fetch **at = &fetch->log->logs->issuer_fetches;

    while (*at != fetch)
        at = &(*at)->next;
    *at = fetch->next;
    free(fetch);
}

/* Takes it off what the page waits for; true when that was the last. */
static bool has_all_but(struct ask *ask, const uint8_t fingerprint[32]) {
    uint64_t before = ask->issuers_waited;

    for (uint32_t i = 0; before && i < ask->page->missing_count && i < WAITED_MAX; i++)
        if (memcmp(ask->page->missing[i], fingerprint, 32) == 0)
            ask->issuers_waited &= ~((uint64_t)1 << i);
    return before && !ask->issuers_waited;
}

/* A page goes on when all of them have come, or failed to. */
static void release_pages(const struct followed *log, const uint8_t fingerprint[32]) {
    for (struct ask *ask = log->logs->asks; ask; ask = ask->older)
        if (ask->log == log && has_all_but(ask, fingerprint))
            ask_deliver(ask);
}

static void on_issuer(void *context, uint32_t tag, struct http_answer *answer,
                      const struct log_trouble *trouble) {
    struct issuer_fetch *fetch = context;
    struct followed *log = fetch->log;
    struct decoder *decoder = log->logs->config.decoder;
    uint8_t fingerprint[32];

    (void)tag;
    memcpy(fingerprint, fetch->fingerprint, sizeof fingerprint);
    drop_fetch(fetch);
    if (!trouble && !decoder_add_issuer(decoder, fingerprint, buffer_slice(&answer->body)))
        log_incident(log, FEED_PAGE_BROKEN, "an issuer is not the one that was asked for");
    else if (trouble && answer->status == HTTP_NOT_FOUND)
        decoder_no_issuer(decoder, fingerprint);
    release_pages(log, fingerprint);
}

static bool fetch_issuer(struct followed *log, const uint8_t fingerprint[32]) {
    struct issuer_fetch *fetch = malloc(sizeof *fetch);
    struct log_request request = {
        .done = on_issuer, .context = fetch, .body_max = LIMIT_CERTIFICATE_BYTES};
    struct buffer hex;

    if (!fetch)
        return false;
    buffer_init(&hex);
    buffer_add_text(&hex, "issuer/");
    text_add_hex(&hex, (struct slice){fingerprint, 32});
    bool asked = !hex.failed && hex.len < sizeof request.path;
    if (asked) {
        memcpy(request.path, hex.ptr, hex.len);
        asked = log_request(log, &request);
    }
    buffer_deinit(&hex);
    if (!asked) {
        free(fetch);
        return false;
    }
    fetch->log = log;
    memcpy(fetch->fingerprint, fingerprint, sizeof fetch->fingerprint);
    fetch->next = log->logs->issuer_fetches;
    log->logs->issuer_fetches = fetch;
    return true;
}

void ask_for_issuers(struct ask *ask) {
    const struct decoder *decoder = ask->log->logs->config.decoder;
    const struct page *page = ask->page;

    for (uint32_t i = 0; i < page->missing_count && i < WAITED_MAX; i++) {
        const uint8_t *fingerprint = page->missing[i];
        if (is_fetched(ask->log, fingerprint) ||
            (!decoder_has_issuer(decoder, fingerprint) && fetch_issuer(ask->log, fingerprint)))
            ask->issuers_waited |= (uint64_t)1 << i;
    }
    if (!ask->issuers_waited)
        ask_deliver(ask);
}

void logs_drop_issuers(struct logs *logs) {
    while (logs->issuer_fetches)
        drop_fetch(logs->issuer_fetches);
}
