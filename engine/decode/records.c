/* Records of the entries that are to have one, some at a time, so that their hashes are made
 * together. */
#include "engine/base/limits.h"
#include "engine/ct/bind.h"
#include "engine/decode/worker.h"
#include "engine/hash/sha256.h"

/* --- A draft --- */

/* The item over bytes of the record's own. */
static void keep_item(struct draft *draft, const struct item *item) {
    draft->own_item = *item;
    draft->item = &draft->own_item;
    draft->own_item.der = draft_keep(draft, item->der);
    if (!item->entry)
        return;
    draft->own_entry = *item->entry;
    draft->own_entry.signed_entry = draft_keep(draft, item->entry->signed_entry);
    if (!item->is_unbound)
        draft->own_entry.precertificate = draft_keep(draft, item->entry->precertificate);
    draft->own_item.entry = &draft->own_entry;
}

/* A record that outlives the page. False when there is no memory. */
static bool begin_kept(struct decode_worker *worker, struct draft *draft, const struct item *item) {
    enum { USUAL_TEXT_BYTES = 3072 };

    draft->record = ct_record_new(USUAL_TEXT_BYTES + 2 * item->raw.len);
    if (!draft->record)
        return false;
    draft->memory = &draft->record->head.memory;
    draft->kept = true;
    draft->parts = PARTS_ALL;
    keep_item(draft, item);
    item_certificate(worker, draft->item, draft->memory, &draft->certificate);
    return true;
}

/* A record that is only encoded. */
static void begin_passing(struct decode_worker *worker, struct page *page, struct draft *draft,
                          uint32_t number, struct item *item) {
    draft->record = &worker->records[number];
    *draft->record = (struct ct_record){.head.kind = &ct_record_kind};
    draft->memory = &worker->record_memory;
    draft->kept = false;
    draft->parts = worker->decoder->parts;
    draft->item = item;
    item_examine(worker, page, item, draft->memory, &draft->certificate);
    page->counts.malformed += item->is_malformed;
}

/* --- Hashes --- */

struct jobs {
    struct sha256_job items[3 * RECORDS_AT_ONCE];
    uint32_t count;
};

static void add_job(struct jobs *jobs, struct slice message, uint8_t *out) {
    jobs->items[jobs->count++] = (struct sha256_job){.message = message, .out = out};
}

/* What a log has put into its tree of this certificate, or would. Of a precertificate from a feed
 * that a precertificate signing certificate has issued, the chain begins with that one. */
static struct slice logged_tbs(struct decode_worker *worker, const struct draft *draft) {
    const struct item *item = draft->item;
    const struct ct_record *record = draft->record;
    struct certificate signer;
    bool written;

    if (item->entry && item->is_precertificate)
        return item->entry->signed_entry;
    worker->text.len = 0;
    if (item->is_precertificate && record->chain_count && record->chain[0].der.len &&
        certificate_decode(record->chain[0].der, &signer) == CERTIFICATE_OK &&
        ct_is_precert_signing(&signer))
        written = certificate_tbs_write_final(&draft->certificate, &signer, &worker->text);
    else
        written = certificate_tbs_write(&draft->certificate, &worker->text);
    return written ? arena_copy(&worker->record_memory, buffer_slice(&worker->text))
                   : (struct slice){NULL, 0};
}

static void add_jobs(struct decode_worker *worker, const struct draft *draft, struct jobs *jobs) {
    const struct certificate *certificate = &draft->certificate;
    struct certificate_fields *fields = &draft->record->certificate;

    fields->has_fingerprint_sha256 =
        (draft->parts & PART_FINGERPRINT_SHA256) && certificate->der.len != 0;
    fields->has_spki_sha256 = (draft->parts & PART_SPKI_SHA256) && certificate->spki.len != 0;
    if (fields->has_fingerprint_sha256)
        add_job(jobs, certificate->der, fields->fingerprint_sha256);
    if (fields->has_spki_sha256)
        add_job(jobs, certificate->spki, fields->spki_sha256);
    if (!(draft->parts & PART_TBS_SHA256))
        return;
    struct slice tbs = logged_tbs(worker, draft);
    fields->has_tbs_sha256 = tbs.len != 0;
    if (fields->has_tbs_sha256)
        add_job(jobs, tbs, fields->tbs_sha256);
}

/* --- Filling --- */

/* All but hashes, and what hangs on them. False when there is no memory. */
static bool fill(struct decode_worker *worker, const struct page *page, const struct draft *draft,
                 struct jobs *jobs) {
    enum { TOGETHER = PART_FINGERPRINT_SHA256 | PART_SPKI_SHA256 | PART_TBS_SHA256 };
    const struct item *item = draft->item;
    struct ct_record *record = draft->record;

    fill_source(worker, page, draft);
    if (item->error)
        record->error = slice_of(item->error);
    if (item->keeps_raw)
        record->entry = draft_keep(draft, item->der.len ? item->der : item->raw);
    fill_chain(worker, draft);
    if (!item->has_certificate) {
        if (item->message)
            fill_told(draft);
        return true;
    }
    record->has_certificate = true;
    record->has_fingerprint = draft->certificate.der.len != 0;
    if (!certificate_fields_fill_parts(&draft->certificate, draft->parts & ~(uint32_t)TOGETHER,
                                       draft->memory, &record->certificate))
        return false;
    add_jobs(worker, draft, jobs);
    return true;
}

static void finish(struct decode_worker *worker, const struct draft *draft) {
    const struct item *item = draft->item;

    if (item->is_malformed && item->hit_count == 0 && item->lookalike_count == 0)
        draft->record->verdict = CT_VERDICT_MALFORMED;
    fill_issuance_id(worker, draft);
    fill_matches(worker, draft);
}

/* --- Out of here --- */

static bool encode(struct decode_worker *worker, struct page *page,
                   const struct ct_record *record) {
    const struct decoder_config *config = &worker->decoder->config;

    for (uint32_t i = 0; i < config->outlet_count; i++) {
        const struct encoding *encoding = config->outlets[i];
        struct batch *batch = page->outputs[i];
        if (!batch) {
            batch = page->outputs[i] = batch_new();
            if (!batch)
                return false;
            buffer_reserve(&batch->bytes, worker->usual_output[i]);
        }
        const struct filter *filter = decoder_filter(worker->decoder, i);
        if (filter && !filter_matches(filter, &record->head)) {
            batch->left_out++;
            continue;
        }
        if (encoding->encoder)
            encoding->encoder->encode(encoding, &record->head, &batch->bytes);
        batch->records++;
        worker->usual_output[i] = batch->bytes.len;
        if (batch->bytes.failed)
            return false;
    }
    return true;
}

/* Takes over a kept record. */
static bool hand_out(struct decode_worker *worker, struct page *page, struct draft *draft) {
    if (!draft->kept)
        return encode(worker, page, draft->record);
    struct ct_record *record = draft->record;
    draft->record = NULL;
    if (!record->head.memory.failed)
        return page_add_record(page, record);
    record_put(&record->head);
    return false;
}

static void drop(struct draft *drafts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (drafts[i].kept && drafts[i].record)
            record_put(&drafts[i].record->head);
}

/* --- Some at a time --- */

struct drafts {
    struct draft items[RECORDS_AT_ONCE];
    uint32_t count;
};

static bool begin(struct decode_worker *worker, struct page *page, uint32_t at,
                  struct drafts *drafts) {
    struct draft *draft = &drafts->items[drafts->count];

    draft->index = page->first + page->entries + at;
    if (worker->decoder->config.every_entry)
        begin_passing(worker, page, draft, drafts->count, &worker->items[at]);
    else if (!begin_kept(worker, draft, &worker->items[at]))
        return false;
    drafts->count++;
    return true;
}

static bool finish_all(struct decode_worker *worker, struct page *page, struct drafts *drafts) {
    struct jobs jobs;
    bool ok = true;

    jobs.count = 0;
    for (uint32_t i = 0; i < drafts->count && ok; i++)
        ok = fill(worker, page, &drafts->items[i], &jobs);
    sha256_many(jobs.items, ok ? jobs.count : 0);
    for (uint32_t i = 0; i < drafts->count && ok; i++) {
        finish(worker, &drafts->items[i]);
        ok = worker_has_memory(worker) && hand_out(worker, page, &drafts->items[i]);
    }
    drop(drafts->items, drafts->count);
    drafts->count = 0;
    return ok;
}

static bool record_marked(struct decode_worker *worker, struct page *page) {
    bool all = worker->decoder->config.every_entry, ok = true;
    struct drafts drafts;

    drafts.count = 0;
    for (uint32_t at = worker->run_start; at < worker->run_end && ok; at++) {
        if (!all && !worker->items[at].is_recorded)
            continue;
        ok = begin(worker, page, at, &drafts);
        if (ok && drafts.count == RECORDS_AT_ONCE) {
            ok = finish_all(worker, page, &drafts);
            arena_reset(&worker->record_memory);
        }
    }
    ok = ok ? finish_all(worker, page, &drafts) : ok;
    drop(drafts.items, drafts.count);
    return ok;
}

/* --- Issuers --- */

enum { MISSING_MAX = 64 }; /* at a time; the rest is shown without */

static bool is_listed(const struct page *page, const uint8_t *sha256) {
    for (uint32_t i = 0; i < page->missing_count; i++)
        if (memcmp(page->missing[i], sha256, 32) == 0)
            return true;
    return false;
}

/* Lists those of an entry that nobody knows. */
static void list_missing(struct decode_worker *worker, struct page *page,
                         const struct ct_entry *entry) {
    struct slice fingerprints = slice_first(entry->fingerprints, 32 * LIMIT_CHAIN_CERTIFICATES);

    for (; fingerprints.len; fingerprints = slice_from(fingerprints, 32)) {
        if (issuers_find(worker->decoder->issuers, fingerprints.ptr) ||
            page->missing_count == MISSING_MAX || is_listed(page, fingerprints.ptr))
            continue;
        if (!page->missing)
            page->missing = arena_take(&page->memory, MISSING_MAX * sizeof *page->missing);
        if (!page->missing)
            return;
        memcpy((uint8_t *)page->missing[page->missing_count++], fingerprints.ptr, 32);
    }
}

static bool wants_issuers(struct decode_worker *worker, struct page *page) {
    bool all = worker->decoder->config.every_entry;

    if (page->asked_for_issuers || (all && !(worker->decoder->parts & PART_CHAIN)))
        return false;
    for (uint32_t i = worker->run_start; i < worker->run_end; i++)
        if (worker->items[i].entry && (all || worker->items[i].is_recorded))
            list_missing(worker, page, worker->items[i].entry);
    return page->missing_count != 0;
}

bool run_record(struct decode_worker *worker, struct page *page) {
    if (wants_issuers(worker, page))
        return !page->memory.failed; /* it will be decoded again */
    bool ok = record_marked(worker, page);
    arena_reset(&worker->record_memory);
    return ok;
}
