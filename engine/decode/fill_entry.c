/* What a record says of the entry itself: where it comes from, and the chain behind it. */
#include "engine/base/base64.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/ct/tile.h"
#include "engine/decode/worker.h"

/* --- Where it can be read --- */

/* A page's entries are mostly of one tile. */
static struct slice link_to_tile(struct decode_worker *worker, const struct page *page,
                                 const struct draft *draft) {
    uint64_t index = draft->index / CT_TILE_WIDTH;
    char path[CT_TILE_PATH_MAX];

    if (worker->link.len == 0 || worker->link_tile != index) {
        const struct ct_tile tile = {.kind = CT_TILE_DATA, .width = CT_TILE_WIDTH, .index = index};
        ct_tile_path(&tile, path);
        worker->text.len = 0;
        buffer_add_slice(&worker->text, page->source->url);
        buffer_add_byte(&worker->text, '/');
        buffer_add_text(&worker->text, path);
        worker->link = arena_copy(&worker->page_memory, buffer_slice(&worker->text));
        worker->link_tile = index;
    }
    return draft_keep(draft, worker->link);
}

static struct slice link_to_answer(struct decode_worker *worker, const struct page *page,
                                   const struct draft *draft) {
    worker->text.len = 0;
    buffer_add_slice(&worker->text, page->source->url);
    buffer_add_text(&worker->text, "/ct/v1/get-entries?start=");
    text_add_integer(&worker->text, (int64_t)draft->index);
    buffer_add_text(&worker->text, "&end=");
    text_add_integer(&worker->text, (int64_t)draft->index);
    return arena_copy(draft->memory, buffer_slice(&worker->text));
}

/* --- Where it comes from --- */

static void fill_message(const struct draft *draft) {
    const struct feed_message *message = draft->item->message;
    struct ct_record *record = draft->record;

    if (message->update_type == FEED_UPDATE_OTHER && !draft->item->has_certificate)
        record->update = CT_UPDATE_UNKNOWN;
    record->has_index = message->has_cert_index;
    record->index = message->cert_index;
    record->cert_link = draft_keep(draft, message->cert_link);
    if (message->source_name.len)
        record->source_log = draft_keep(draft, message->source_name);
    if (message->has_seen)
        record->seen_ms = message->seen_ms;
}

void fill_source(struct decode_worker *worker, const struct page *page, const struct draft *draft) {
    const struct ct_source *source = page->source;
    const struct ct_entry *entry = draft->item->entry;
    struct ct_record *record = draft->record;

    record->time_ms = worker->now_ms;
    record->seen_ms = page->received_ms;
    record->update = draft->item->is_precertificate ? CT_UPDATE_PRECERT : CT_UPDATE_X509;
    record->source_log = source->name;
    if (!entry) {
        fill_message(draft);
        return;
    }
    record->has_index = record->has_timestamp = true;
    record->index = draft->index;
    record->entry_ms = entry->timestamp_ms < CT_RECORD_TIME_MAX ? (int64_t)entry->timestamp_ms
                                                                : CT_RECORD_TIME_MAX;
    record->has_log_id = source->has_log_id;
    memcpy(record->log_id, source->log_id, sizeof record->log_id);
    if (draft->parts & PART_LINK)
        record->cert_link = page->kind == PAGE_TILE ? link_to_tile(worker, page, draft)
                                                    : link_to_answer(worker, page, draft);
}

/* --- The chain --- */

/* An issuer that the decoder does not keep: its hash alone. */
static struct chain_link stranger(struct slice der, const uint8_t *sha256) {
    struct chain_link link = {0};

    if (sha256)
        memcpy(link.fingerprint_sha256, sha256, sizeof link.fingerprint_sha256);
    else
        certificate_sha256(der, link.fingerprint_sha256);
    return link;
}

/* The chain that is being walked, in whatever form it came. */
struct chain {
    struct slice fingerprints, ders;
    const struct slice *texts;
    uint32_t text_count;
};

static struct chain chain_of(const struct item *item) {
    if (item->entry)
        return (struct chain){.fingerprints = item->entry->fingerprints,
                              .ders = item->entry->chain};
    return (struct chain){.texts = item->message->chain.items,
                          .text_count = item->message->chain.count};
}

static bool next_fingerprint(struct chain *chain, const uint8_t **sha256) {
    if (chain->fingerprints.len < CERTIFICATE_SHA256_BYTES)
        return false;
    *sha256 = chain->fingerprints.ptr;
    chain->fingerprints = slice_from(chain->fingerprints, CERTIFICATE_SHA256_BYTES);
    return true;
}

/* What is no base64 is an empty certificate. */
static bool next_text(struct decode_worker *worker, struct chain *chain, struct slice *der) {
    if (chain->text_count == 0)
        return false;
    struct slice text = *chain->texts++;
    uint8_t *bytes = arena_take(&worker->record_memory, base64_decoded_max(text.len) + 1);
    size_t len;

    chain->text_count--;
    *der = (struct slice){NULL, 0};
    if (bytes && base64_decode(text, bytes, &len, NULL))
        *der = (struct slice){bytes, len};
    return true;
}

static bool next_link(struct decode_worker *worker, struct chain *chain, struct chain_link *out) {
    struct issuers *issuers = worker->decoder->issuers;
    const struct chain_link *known;
    const uint8_t *sha256 = NULL;
    struct slice der = {NULL, 0};

    if (next_fingerprint(chain, &sha256))
        known = issuers_find(issuers, sha256);
    else if (ct_chain_next(&chain->ders, &der) || next_text(worker, chain, &der))
        known = issuers_of(issuers, der);
    else
        return false;
    *out = known ? *known : stranger(der, sha256);
    return true;
}

/* Links point into the decoder's memory. */
void fill_chain(struct decode_worker *worker, const struct draft *draft) {
    bool for_tbs = !draft->item->entry && draft->item->is_precertificate;
    struct chain chain = chain_of(draft->item);
    struct chain_link links[LIMIT_CHAIN_CERTIFICATES];
    uint32_t count = 0;

    if (!(draft->parts & (PART_CHAIN | (for_tbs ? PART_TBS_SHA256 : 0u))))
        return;
    while (count < LIMIT_CHAIN_CERTIFICATES && next_link(worker, &chain, &links[count]))
        count++;
    struct chain_link *own = arena_take(draft->memory, count * sizeof *own);
    if (!own)
        return;
    if (count)
        memcpy(own, links, count * sizeof *own);
    draft->record->chain = own;
    draft->record->chain_count = count;
}
