/* What the files of lookalike share.
 *
 *      lookalike.c         the set of brands; the sieve, which lets few names pass; the hits
 *      lookalike_fold.c    a label as it looks: confusable characters folded into one
 *      lookalike_judge.c   whether a name imitates a brand, how, and how surely
 *      lookalike_words.c   words that phishers add, and ordinary words */
#ifndef ENGINE_MATCH_LOOKALIKE_INTERNAL_H
#define ENGINE_MATCH_LOOKALIKE_INTERNAL_H

#include "engine/match/lookalike.h"
#include "engine/match/names_internal.h"

#include <stdatomic.h>

enum {
    LABEL_BYTES_MAX = 63,
    OWNED_MAX = 64, /* domains of one brand */

    /* Classes of the sieve: letters, with those that look alike in one, and all that parts words.
     */
    CLASS_BREAK = 0,
    CLASSES = 32,

    PAIR_LEVELS = 6, /* how many pairs of a brand are counted */
    TRACES_MAX = 4096,
    TRACE_BITS_LOG = 15,
    TRACE_BITS = 1 << TRACE_BITS_LOG,
    TOKEN_MAX = LOOKALIKE_BRAND_BYTES_MAX + 1,
};

struct brand {
    uint8_t text[LOOKALIKE_BRAND_BYTES_MAX], folded[LOOKALIKE_BRAND_BYTES_MAX];
    uint8_t len, folded_len;
    bool is_word; /* an ordinary word too, or so short that it often is a part of one */
    uint32_t owned_count;
    struct slice owned[OWNED_MAX]; /* copies */
};

/* What is left of a brand or a token when one letter is taken out, as a hash. */
struct trace {
    uint32_t hash;
    uint32_t brand_plus_1; /* 0: empty */
};

struct lookalikes {
    struct brand *brands;
    uint32_t count, score_min;
    _Atomic uint32_t references;
    uint64_t pairs[CLASSES * CLASSES]; /* which brands have this pair of classes; and flags */
    uint64_t wanted[PAIR_LEVELS];      /* [n - 1]: brands for which n pairs are enough */
    uint64_t token_lengths;            /* bit n: tokens of n letters may be slips */
    uint8_t trace_filter[TRACE_BITS / 8];
    struct trace traces[TRACES_MAX];
};

/* A label as a person sees it. */
struct view {
    uint8_t text[LABEL_BYTES_MAX];   /* lower-case; what is not ASCII as the letter it looks like */
    uint8_t folded[LABEL_BYTES_MAX]; /* and then what looks alike in ASCII as one */
    uint8_t origin[LABEL_BYTES_MAX + 1]; /* where in `text` each byte of `folded` begins */
    uint8_t len, folded_len;
    bool is_unicode; /* holds other than ASCII letters */
};

/* The class of a byte of a lower-case name; two that look alike have one. */
extern const uint8_t lookalike_classes[256];

/* False for a label that is empty or too long. Folded is one letter for each class, "m" for "rn",
 * "w" for "vv", "d" for "cl". */
bool lookalike_see(struct slice label, struct view *view);

/* Words with which phishers surround a brand: 2 for those that ask for trust or money, 1 for those
 * that ordinary sites use as well, 0 for all others. */
int lookalike_lure(struct slice word);

/* Whether it is a common English word, or the plural of one. */
bool lookalike_is_word(struct slice word);

struct finding {
    uint8_t score, kinds;
};

/* How a name imitates a brand; score 0 when it does not. */
struct finding lookalike_judge(const struct brand *brand, struct slice name);

#endif
