/* What is found out of each entry: its leaf hash, its certificate, its names, what they match. */
#include "engine/ct/bind.h"
#include "engine/decode/worker.h"

bool window_hash(struct decode_worker *worker, struct page *page) {
    ct_entry_leaf_hashes(worker->entries, worker->count, worker->leaves);
    return ct_range_append(&page->range, worker->leaves, worker->count) ||
           page_is_broken(page, "the log is larger than any");
}

/* --- Certificates --- */

static enum certificate_error decode(const struct item *item, struct certificate *out) {
    if (item->entry)
        return ct_entry_certificate(item->entry, out);
    return certificate_decode(item->der, out);
}

/* A certificate has its names in one extension. Of one that has them in several, or with bytes
 * behind them, they are put together. False when there may be more. */
static bool take_all_names(struct decode_worker *worker, struct arena *memory,
                           struct certificate *certificate) {
    if (!certificate->extension_unreadable || !certificate->has_subject_alt_name)
        return true;
    worker->text.len = 0;
    bool all = certificate_all_alternative_names(certificate, &worker->text);
    certificate->subject_alt_name = arena_copy(memory, buffer_slice(&worker->text));
    return all;
}

void item_certificate(struct decode_worker *worker, const struct item *item, struct arena *memory,
                      struct certificate *certificate) {
    if (!item->entry && item->der.len == 0)
        *certificate = (struct certificate){0};
    else if (decode(item, certificate) == CERTIFICATE_OK || certificate->whole)
        take_all_names(worker, memory, certificate);
    if (item->is_unbound)
        certificate->der = (struct slice){NULL, 0};
}

/* --- Precertificates and what was logged of them --- */

/* The certificate behind an entry's, where it is at hand. */
static bool get_issuer(const struct decode_worker *worker, const struct ct_entry *entry,
                       struct slice *der) {
    struct slice chain = entry->chain;

    if (entry->fingerprints.len == 0)
        return ct_chain_next(&chain, der);
    const struct chain_link *link = issuers_find(worker->decoder->issuers, entry->fingerprints.ptr);
    *der = link ? link->der : (struct slice){NULL, 0};
    return der->len != 0;
}

/* Another issuer than the logged one is right only for a precertificate signing certificate. Of a
 * tile's entry the issuer may not be at hand; if there is to be a record, it will be. */
static bool may_have_other_issuer(const struct decode_worker *worker,
                                  const struct ct_entry *entry) {
    struct certificate issuer;
    struct slice der;

    return !get_issuer(worker, entry, &der) ||
           (certificate_decode(der, &issuer) == CERTIFICATE_OK && ct_is_precert_signing(&issuer));
}

static void hold_to_its_tbs(const struct decode_worker *worker, struct page *page,
                            struct item *item) {
    const struct ct_entry *entry = item->entry;

    if (entry->precertificate.len == 0)
        return; /* which is said already */
    enum ct_binding binding = ct_bind(entry->precertificate, entry->signed_entry);
    if (binding == CT_BOUND)
        return;
    if (binding == CT_BOUND_BUT_ISSUER) {
        if (may_have_other_issuer(worker, entry))
            return;
        binding = CT_UNBOUND_DIFFERENT;
    }
    item->error = ct_binding_text(binding);
    item->is_unbound = item->keeps_raw = true;
    page->counts.unbound++;
}

/* --- Items --- */

static void note_error(struct item *item, const char *error) {
    item->error = error;
    item->keeps_raw = true;
}

/* There may be others than those that were read. */
static void note_lost_names(struct item *item) {
    item->is_malformed = true;
    note_error(item, "names of the certificate cannot be read");
}

static void examine_certificate(struct decode_worker *worker, struct page *page, struct item *item,
                                struct arena *memory, struct certificate *certificate) {
    enum certificate_error error = decode(item, certificate);
    item->has_certificate = certificate->whole;
    item->is_malformed |= !certificate->whole;
    if (error != CERTIFICATE_OK)
        note_error(item, certificate_error_text(error));
    if (!take_all_names(worker, memory, certificate))
        note_lost_names(item);
    if (!item->entry)
        item->is_precertificate |= certificate->is_precertificate;
    else if (item->is_precertificate)
        hold_to_its_tbs(worker, page, item);
    if (item->is_unbound)
        certificate->der = (struct slice){NULL, 0};
}

void item_examine(struct decode_worker *worker, struct page *page, struct item *item,
                  struct arena *memory, struct certificate *certificate) {
    *certificate = (struct certificate){0};
    if (item->entry ? item->entry->signed_entry.len != 0 : item->der.len != 0)
        examine_certificate(worker, page, item, memory, certificate);
    page->counts.certificates += !item->is_precertificate;
    page->counts.precertificates += item->is_precertificate;
}

/* --- Names --- */

/* Common names and addresses come behind the DNS names. False when there may be more. */
static bool add_names(struct decode_worker *worker, const struct certificate *certificate,
                      uint32_t owner) {
    struct match_names *names = &worker->names;
    struct slice rest = certificate->subject_alt_name, common_name;
    struct name_cursor subject = {.name = certificate->subject};
    struct general_name name;

    while (general_name_next(&rest, &name)) {
        if (name.type == GENERAL_NAME_DNS)
            match_names_add_dns(names, name.value, owner);
        else if (name.type == GENERAL_NAME_IP)
            match_names_add_address(names, name.value, owner);
    }
    while (certificate_common_name_next(&subject, &worker->text, &common_name))
        match_names_add_common_name(names, common_name, owner);
    return rest.len == 0;
}

static void add_told_names(struct match_names *names, const struct feed_message *message,
                           uint32_t owner) {
    for (uint32_t i = 0; i < message->leaf.all_domains.count; i++)
        match_names_add_dns(names, message->leaf.all_domains.items[i], owner);
}

/* --- Matching --- */

/* Hits come in the order of names, and so of items. */
static void take_hits(struct decode_worker *worker) {
    for (uint32_t i = 0; i < worker->hits.count; i++) {
        struct item *item = &worker->items[worker->names.items[worker->hits.items[i].name].owner];
        if (item->hit_count++ == 0)
            item->hits = i;
        item->is_recorded = true;
    }
    for (uint32_t i = 0; i < worker->lookalike_hits.count; i++) {
        uint32_t name = worker->lookalike_hits.items[i].name;
        struct item *item = &worker->items[worker->names.items[name].owner];
        if (item->lookalike_count++ == 0)
            item->lookalikes = i;
        item->is_recorded = true;
    }
}

static void match(struct decode_worker *worker) {
    const struct lookalikes *brands = worker->decoder->config.lookalikes;

    worker->hits.count = worker->lookalike_hits.count = 0;
    watch_list_match(worker->watch_list, &worker->names, &worker->hits);
    if (brands)
        lookalikes_match(brands, &worker->names, worker->watch_list, &worker->lookalike_hits);
    take_hits(worker);
}

static void examine(struct decode_worker *worker, struct page *page, uint32_t index) {
    struct item *item = &worker->items[index];
    struct certificate certificate;

    item_examine(worker, page, item, &worker->window_memory, &certificate);
    if (!add_names(worker, &certificate, index))
        note_lost_names(item);
    if (!item->has_certificate && item->message)
        add_told_names(&worker->names, item->message, index);
    item->is_recorded = item->is_malformed; /* nobody can say whom it is for */
    page->counts.malformed += item->is_malformed;
}

bool run_examine(struct decode_worker *worker, struct page *page) {
    uint32_t at = worker->run_start;

    worker->run_end = worker->count;
    if (worker->decoder->config.every_entry)
        return true; /* each is examined as its record is made */
    match_names_clear(&worker->names);
    while (at < worker->count && worker->names.count < RUN_NAMES)
        examine(worker, page, at++);
    worker->run_end = at;
    match(worker);
    page->counts.names += worker->names.count;
    for (at = worker->run_start; at < worker->run_end; at++)
        page->counts.matched += worker->items[at].hit_count != 0;
    return worker_has_memory(worker);
}
