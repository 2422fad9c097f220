/* The decoder: workers that turn pages of log entries into records, in parallel.
 *
 *     page ─▶ inflate, unbase64 ─▶ entries ─▶ leaf hashes ─▶ compact range
 *                                     └─▶ certificates ─▶ bound to what was logged
 *                                              └─▶ names ─▶ watch list, brands ─▶ records
 *
 * Any thread may submit; a page comes back through its own mailbox. The decoder keeps nothing of a
 * log: order, positions and heads are the feed's matter. Nothing here blocks.
 *
 * A certificate is told by what the tree covers. Malformed entries give records whatever is
 * watched; so do entries that match, also when the precertificate beside them is another one: their
 * record then says so, and has no fingerprint. */
#ifndef ENGINE_DECODE_DECODER_H
#define ENGINE_DECODE_DECODER_H

#include "engine/base/error.h"
#include "engine/decode/page.h"
#include "engine/record/encoder.h"
#include "engine/record/filter.h"

struct decoder;
struct lookalikes;
struct watch_list;

struct decoder_config {
    uint32_t workers;  /* at least 1 */
    uint32_t capacity; /* pages that may wait: a power of two */
    bool hash_tree;    /* leaf hashes and ranges; off only where nothing is verified */
    bool every_entry;  /* a record of each entry, encoded into page->outputs, instead of matching */
    /* What the records are encoded for, with every_entry; they outlive the decoder. */
    const struct encoding *const *outlets;
    /* Likewise: which of them each is given, NULL for all. NULL when no outlet has a filter. */
    const struct filter *const *filters;
    uint32_t outlet_count;               /* at most PAGE_OUTLETS_MAX */
    const struct lookalikes *lookalikes; /* NULL for none; outlives the decoder */
};

/* Starts the workers. */
enum error decoder_open(struct decoder **out, const struct decoder_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Ends the workers; no page may be under way. Records show their chains from the decoder's memory,
 * so that they must be gone, too. NULL is fine. */
void decoder_close(struct decoder *decoder);

/* False when the ring is full; the page then stays with the caller. */
bool decoder_submit(struct decoder *decoder, struct page *page);

/* What is watched from the next page on; the decoder takes over the reference. Any thread. */
void decoder_watch(struct decoder *decoder, struct watch_list *list);

/* An answer to PAGE_WANTS_ISSUERS: the certificate of this SHA-256. False when it is another's. */
bool decoder_add_issuer(struct decoder *decoder, const uint8_t fingerprint[32], struct slice der);
/* It is not to be had: records show its fingerprint alone. */
void decoder_no_issuer(struct decoder *decoder, const uint8_t fingerprint[32]);
/* Whether either of these was said already: pages that are decoded at the same time want the same.
 */
bool decoder_has_issuer(const struct decoder *decoder, const uint8_t fingerprint[32]);

/* Sums since the start; any thread. */
struct decoder_statistics {
    uint64_t pages, bytes; /* bytes as they came */
    uint64_t entries, certificates, precertificates, malformed, unbound, misplaced, names, matched,
        heartbeats; /* as in page.h */
};
void decoder_statistics(const struct decoder *decoder, struct decoder_statistics *out);

#endif
