/* Names that imitate a brand: what a phisher registers. A set of brands is built once, never
 * changed after, and shared by all workers; each name of a page gets its best hit for each brand.
 *
 *      confusable   paypa1.com, arnazon.com, раураl.com (punycode): looks the same
 *      typo         paypla.com, payppal.com: a slip of the finger away
 *      added words  paypal-login.com, securepaypal.net
 *      other TLD    paypal.xyz
 *      subdomain    paypal.com.evil.net, paypal.evil.net: the brand in front of another domain;
 * also together with one of the others
 *
 * The score says how likely the name is meant to deceive, from 0 to 100. Hits are to be few: a
 * brand that is an ordinary word ("apple") or short ("ing") counts only where it stands as a word
 * of its own, and ordinary words near it ("apply", "pineapple") do not count at all.
 *
 * The cost for an ordinary name hardly depends on the number of brands: pairs of letters are
 * counted for all of them at once, and only names that share enough with a brand are looked at.
 * Pure once it is built, safe on every thread. */
#ifndef ENGINE_MATCH_LOOKALIKE_H
#define ENGINE_MATCH_LOOKALIKE_H

#include "engine/match/watch_list.h"

enum {
    LOOKALIKE_BRANDS_MAX = 60,
    LOOKALIKE_BRAND_BYTES_MIN = 3,
    LOOKALIKE_BRAND_BYTES_MAX = 32,
    LOOKALIKE_SCORE_DEFAULT = 60, /* what hits have at least unless said otherwise */
};

enum lookalike_kind { /* bits */
                      LOOKALIKE_CONFUSABLE = 1,
                      LOOKALIKE_TYPO = 2,
                      LOOKALIKE_ADDED_WORDS = 4,
                      LOOKALIKE_OTHER_TLD = 8,
                      LOOKALIKE_SUBDOMAIN = 16,
};

struct lookalikes;

/* An empty set; hits under `score_min` are not reported. NULL when there is no memory. */
struct lookalikes *lookalikes_new(uint32_t score_min);

/* One reference more, one less. `put` takes NULL too. Safe on every thread. */
struct lookalikes *lookalikes_get(struct lookalikes *brands);
void lookalikes_put(struct lookalikes *brands);

/* Adds a brand: "paypal", "paypal.com", "paypal=paypal.com,paypal.me". The domains are its own:
 * they and what is below them are never hits. ERROR_USAGE says what is wrong. */
enum error lookalikes_add(struct lookalikes *brands, struct slice text, struct failure *failure)
    __attribute__((warn_unused_result));

uint32_t lookalikes_count(const struct lookalikes *brands);
struct slice lookalikes_brand(const struct lookalikes *brands, uint32_t index); /* "paypal" */

struct lookalike_hit {
    uint32_t name; /* index into the names */
    uint16_t brand;
    uint8_t score;
    uint8_t kinds; /* of enum lookalike_kind, one or several */
};

/* In the order of names. */
struct lookalike_hits {
    struct lookalike_hit *items;
    uint32_t count, capacity;
    bool failed; /* no memory: hits are missing */
};

void lookalike_hits_init(struct lookalike_hits *hits);
void lookalike_hits_deinit(struct lookalike_hits *hits);

/* Replaces what `hits` has by what imitates a brand. Names below an entry of `owned` (NULL for
 * none) are never hits. Addresses are passed over; a wildcard counts as what stands behind it. */
void lookalikes_match(const struct lookalikes *brands, const struct match_names *names,
                      const struct watch_list *owned, struct lookalike_hits *hits);

/* "confusable", "typo", "added words", "other tld", "subdomain": of one bit. */
const char *lookalike_kind_name(enum lookalike_kind kind);

#endif
