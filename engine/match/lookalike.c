/* The set of brands, and the sieve in front of the judge. A name passes it for a brand when it has
 *      enough of the brand's pairs of letters; all of them, for one that contains the brand
 * or when one of its words leaves, with one letter taken out, the same trace as the brand
 *      does: so they are at most one slip apart, whatever the slip
 * Both are asked for all brands at once. Letters that look alike are one class from the start;
 * names with Punycode, or with two letters that look like one, go through a second time, folded. */
#include "engine/match/lookalike.h"

#include "engine/match/lookalike_internal.h"

#include <stdlib.h>

enum {
    HITS_FIRST = 64,
    TRACED_MIN = 4,  /* letters; slips in shorter brands do not count */
    PAIRS_BRAND = 9, /* letters from which on two slips count: those share pairs, and no trace */
    FOLDED_MAX = MATCH_NAME_BYTES_MAX + 1,
};

/* 0x01000193^n modulo 2^32, for every letter of a token; and its inverse. */
static const uint32_t TRACE_POWERS[TOKEN_MAX] = {
    0x00000001, 0x01000193, 0x26027a69, 0x3ee6b34b, 0x502c3f11, 0x46a747c3, 0xfc55f7f9,
    0x34555cfb, 0x5d615f21, 0x2148c0f3, 0x5887be89, 0xe6b0f1ab, 0xd38c7031, 0x37149d23,
    0xd8735e19, 0xd69d215b, 0x345b8241, 0xad0e0c53, 0xc01d66a9, 0x17489c0b, 0xb24da551,
    0x013b3e83, 0x73436839, 0xac1d11bb, 0xacc2e961, 0x57d563b3, 0xf7ebf2c9, 0x116f326b,
    0xdd0c5e71, 0x6b78abe3, 0x11f69659, 0xa02eae1b, 0x447c1481,
};
static const uint32_t TRACE_BASE_INVERSE = 0x359c449b;

/* Flags among the brands of a pair. */
#define FLAG_FOLDS  ((uint64_t)1 << 63) /* two letters that look like one */
#define FLAG_BREAKS ((uint64_t)1 << 62) /* "--": Punycode, maybe */
#define FLAGS       (FLAG_FOLDS | FLAG_BREAKS)

_Static_assert(LOOKALIKE_BRANDS_MAX <= 62, "two bits are flags");

static uint32_t pair_of(uint8_t left, uint8_t right) {
    return (uint32_t)left * CLASSES + right;
}

static uint8_t class_of(uint8_t byte) {
    return lookalike_classes[byte];
}

struct lookalikes *lookalikes_new(uint32_t score_min) {
    struct lookalikes *brands = calloc(1, sizeof *brands);
    if (!brands)
        return NULL;
    brands->score_min = score_min;
    brands->references = 1;
    brands->pairs[pair_of(CLASS_BREAK, CLASS_BREAK)] |= FLAG_BREAKS;
    static const char doubles[][3] = {"rn", "vv", "cl"};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        brands
            ->pairs[pair_of(class_of((uint8_t)doubles[i][0]), class_of((uint8_t)doubles[i][1]))] |=
            FLAG_FOLDS;
    return brands;
}

struct lookalikes *lookalikes_get(struct lookalikes *brands) {
    atomic_fetch_add_explicit(&brands->references, 1, memory_order_relaxed);
    return brands;
}

void lookalikes_put(struct lookalikes *brands) {
    if (!brands || atomic_fetch_sub_explicit(&brands->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < brands->count; i++)
        for (uint32_t j = 0; j < brands->brands[i].owned_count; j++)
            free((void *)brands->brands[i].owned[j].ptr);
    free(brands->brands);
    free(brands);
}

/* --- Traces --- */

static uint32_t trace_bit(uint32_t hash) {
    return hash >> (32 - TRACE_BITS_LOG);
}

/* How a token of up to TOKEN_MAX classes hashes, whole and without each of its letters. */
struct token {
    uint32_t sums[TOKEN_MAX + 1]; /* of the first classes */
    uint32_t len;
};

static inline uint32_t without_letter(const struct token *token, uint32_t at) {
    return token->sums[at] + (token->sums[token->len] - token->sums[at + 1]) * TRACE_BASE_INVERSE;
}

static void add_trace(struct lookalikes *brands, uint32_t hash, uint32_t brand) {
    uint32_t at = hash % TRACES_MAX;
    for (; brands->traces[at].brand_plus_1; at = (at + 1) % TRACES_MAX)
        if (brands->traces[at].hash == hash && brands->traces[at].brand_plus_1 == brand + 1)
            return;
    brands->traces[at] = (struct trace){hash, brand + 1};
    brands->trace_filter[trace_bit(hash) / 8] |= (uint8_t)(1 << trace_bit(hash) % 8);
}

static void add_traces(struct lookalikes *brands, struct slice text, uint32_t brand) {
    struct token token = {.len = (uint32_t)text.len};
    for (uint32_t i = 0; i < token.len; i++)
        token.sums[i + 1] = token.sums[i] + class_of(text.ptr[i]) * TRACE_POWERS[i];
    add_trace(brands, token.sums[token.len], brand);
    for (uint32_t i = 0; i < token.len; i++)
        add_trace(brands, without_letter(&token, i), brand);
    brands->token_lengths |= (uint64_t)7 << (token.len - 1);
}

static uint64_t find_trace(const struct lookalikes *brands, uint32_t hash) {
    uint64_t found = 0;
    uint32_t bit = trace_bit(hash);
    if (!(brands->trace_filter[bit / 8] >> bit % 8 & 1))
        return 0;
    for (uint32_t at = hash % TRACES_MAX; brands->traces[at].brand_plus_1;
         at = (at + 1) % TRACES_MAX)
        if (brands->traces[at].hash == hash)
            found |= (uint64_t)1 << (brands->traces[at].brand_plus_1 - 1);
    return found;
}

static inline uint64_t find_traces(const struct lookalikes *brands, const struct token *token) {
    uint64_t found = find_trace(brands, token->sums[token->len]);
    for (uint32_t i = 0; i < token->len; i++)
        found |= find_trace(brands, without_letter(token, i));
    return found;
}

/* --- Pairs --- */

/* Marks the pairs of a brand. How many different ones there are. */
static uint32_t mark_pairs(struct lookalikes *brands, struct slice text, bool with_ends,
                           uint64_t bit) {
    uint8_t marked[CLASSES * CLASSES] = {0};
    uint32_t count = 0;
    uint8_t left = CLASS_BREAK;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t right = i < text.len ? class_of(text.ptr[i]) : CLASS_BREAK;
        bool is_end = i == 0 || i == text.len;
        if (!is_end || with_ends) {
            count += !marked[pair_of(left, right)];
            marked[pair_of(left, right)] = 1;
            brands->pairs[pair_of(left, right)] |= bit;
        }
        left = right;
    }
    return count;
}

/* How many pairs a name must have at least. Short brands count with their ends, for as parts of
 * other words they do not matter. Those that traces do not serve, since two slips count or a hyphen
 * parts them, count with their ends as well: a slip spoils three pairs at most. Of all others the
 * whole must be there, but for a hyphen within. */
static uint32_t enough_pairs(struct lookalikes *brands, struct slice text, uint64_t bit) {
    bool is_long = text.len >= PAIRS_BRAND, is_short = text.len < TRACED_MIN;
    bool has_ends = is_long || is_short || memchr(text.ptr, '-', text.len);
    uint32_t count = mark_pairs(brands, text, has_ends, bit);
    uint32_t spoilt = is_long ? 6 : is_short ? 1 : has_ends ? 3 : text.len > TRACED_MIN;
    return count > spoilt + 1 ? count - spoilt : 1;
}

/* --- Adding a brand --- */

static bool is_brand_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
}

static enum error set_brand(struct brand *brand, struct slice text, struct failure *failure) {
    if (text.len < LOOKALIKE_BRAND_BYTES_MIN || text.len > LOOKALIKE_BRAND_BYTES_MAX)
        return failure_set(failure, ERROR_USAGE, "a brand has %d to %d characters",
                           LOOKALIKE_BRAND_BYTES_MIN, LOOKALIKE_BRAND_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        byte |= byte >= 'A' && byte <= 'Z' ? 0x20 : 0;
        if (!is_brand_byte(byte))
            return failure_set(failure, ERROR_USAGE,
                               "a brand has letters of a to z, digits and hyphens only");
        brand->text[i] = byte;
    }
    struct slice whole = {brand->text, text.len};
    struct view view;
    bool is_name = brand->text[0] != '-' && brand->text[text.len - 1] != '-';
    if (!is_name || slice_is(slice_first(whole, 4), "xn--"))
        return failure_set(failure, ERROR_USAGE,
                           "a brand is written in plain letters and begins and ends with one");
    brand->len = (uint8_t)text.len;
    lookalike_see(whole, &view);
    brand->folded_len = view.folded_len;
    memcpy(brand->folded, view.folded, view.folded_len);
    brand->is_word = brand->len < TRACED_MIN || lookalike_is_word(whole);
    return ERROR_NONE;
}

static enum error add_owned(struct brand *brand, struct slice text, struct failure *failure) {
    uint8_t ascii[NAMES_IDNA_BYTES];
    const char *why;
    if (brand->owned_count == OWNED_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d domains of a brand", OWNED_MAX);
    size_t len = names_to_ascii(slice_trim(text), ascii, &why);
    if (!len || !memchr(ascii, '.', len))
        return failure_set(failure, ERROR_USAGE, "a domain of the brand is none: %s",
                           len ? "it needs two labels" : why);
    uint8_t *copy = malloc(len);
    if (!copy)
        return failure_set(failure, ERROR_MEMORY, "no memory for the brands");
    memcpy(copy, ascii, len);
    for (size_t i = 0; i < len; i++)
        copy[i] |= copy[i] >= 'A' && copy[i] <= 'Z' ? 0x20 : 0;
    brand->owned[brand->owned_count++] = (struct slice){copy, len};
    return ERROR_NONE;
}

/* "paypal", "paypal.com", "paypal=paypal.com,paypal.me" */
static enum error read_brand(struct brand *brand, struct slice text, struct failure *failure) {
    const uint8_t *equals = text.len ? memchr(text.ptr, '=', text.len) : NULL;
    struct slice word = equals ? slice_first(text, (size_t)(equals - text.ptr)) : text;
    struct slice owned = equals ? slice_from(text, word.len + 1) : (struct slice){NULL, 0};
    const uint8_t *dot = word.len ? memchr(word.ptr, '.', word.len) : NULL;
    enum error error = ERROR_NONE;
    if (dot) {
        error = add_owned(brand, word, failure);
        word = slice_first(word, (size_t)(dot - word.ptr));
    }
    if (!error)
        error = set_brand(brand, slice_trim(word), failure);
    while (!error && owned.len) {
        const uint8_t *comma = memchr(owned.ptr, ',', owned.len);
        size_t len = comma ? (size_t)(comma - owned.ptr) : owned.len;
        error = add_owned(brand, slice_first(owned, len), failure);
        owned = slice_from(owned, len + 1);
    }
    return error;
}

/* Both as it is and with "m" for "rn": names come in both forms. */
static void put_into_sieve(struct lookalikes *brands, uint32_t index) {
    const struct brand *brand = &brands->brands[index];
    struct slice text = {brand->text, brand->len}, folded = {brand->folded, brand->folded_len};
    uint64_t bit = (uint64_t)1 << index;
    uint32_t enough = enough_pairs(brands, text, bit);
    if (folded.len != text.len) {
        uint32_t other = enough_pairs(brands, folded, bit);
        enough = other < enough ? other : enough;
    }
    enough = enough > PAIR_LEVELS ? PAIR_LEVELS : enough;
    brands->wanted[enough - 1] |= bit;
    if (text.len < TRACED_MIN)
        return;
    add_traces(brands, text, index);
    if (folded.len != text.len)
        add_traces(brands, folded, index);
}

enum error lookalikes_add(struct lookalikes *brands, struct slice text, struct failure *failure) {
    struct brand brand = {0};
    if (brands->count == LOOKALIKE_BRANDS_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d brands", LOOKALIKE_BRANDS_MAX);
    enum error error = read_brand(&brand, text, failure);
    struct brand *grown =
        error ? NULL : realloc(brands->brands, (brands->count + 1) * sizeof *grown);
    if (!error && !grown)
        error = failure_set(failure, ERROR_MEMORY, "no memory for the brands");
    if (error) {
        for (uint32_t i = 0; i < brand.owned_count; i++)
            free((void *)brand.owned[i].ptr);
        return error;
    }
    brands->brands = grown;
    grown[brands->count] = brand;
    put_into_sieve(brands, brands->count++);
    return ERROR_NONE;
}

uint32_t lookalikes_count(const struct lookalikes *brands) {
    return brands->count;
}

struct slice lookalikes_brand(const struct lookalikes *brands, uint32_t index) {
    return (struct slice){brands->brands[index].text, brands->brands[index].len};
}

/* --- The sieve --- */

/* The brands that have enough of their pairs in the text. Counts for all of them at once: `seen[n]`
 * has those of which n + 1 pairs were seen. Leaves the classes of the text, with a break at the
 * end.
 */
static inline uint64_t count_pairs(const struct lookalikes *brands, struct slice text,
                                   uint8_t classes[FOLDED_MAX + 1]) {
    uint64_t seen[PAIR_LEVELS] = {0}, found;
    uint8_t left = CLASS_BREAK;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t right = i < text.len ? class_of(text.ptr[i]) : CLASS_BREAK;
        uint64_t pair = brands->pairs[pair_of(left, right)];
        seen[5] |= seen[4] & pair;
        seen[4] |= seen[3] & pair;
        seen[3] |= seen[2] & pair;
        seen[2] |= seen[1] & pair;
        seen[1] |= seen[0] & pair;
        seen[0] |= pair;
        classes[i] = left = right;
    }
    found = seen[0] & FLAGS;
    for (int n = 0; n < PAIR_LEVELS; n++)
        found |= seen[n] & brands->wanted[n];
    return found;
}

_Static_assert(PAIR_LEVELS == 6, "count_pairs has a line for each");

/* The brands that a word of the text is a slip away from. */
static inline uint64_t compare_words(const struct lookalikes *brands,
                                     const uint8_t classes[FOLDED_MAX + 1], size_t len) {
    struct token token;
    uint64_t found = 0;
    token.sums[0] = 0;
    token.len = 0;
    for (size_t i = 0; i <= len; i++) {
        if (classes[i] != CLASS_BREAK) {
            if (token.len < TOKEN_MAX)
                token.sums[token.len + 1] =
                    token.sums[token.len] + classes[i] * TRACE_POWERS[token.len];
            token.len++;
            continue;
        }
        if (token.len < 64 && brands->token_lengths >> token.len & 1)
            found |= find_traces(brands, &token);
        token.len = 0;
    }
    return found;
}

/* The brands that a text may imitate, and FLAGS. */
static uint64_t sieve(const struct lookalikes *brands, struct slice text) {
    uint8_t classes[FOLDED_MAX + 1];
    uint64_t found = count_pairs(brands, text, classes);
    return found | compare_words(brands, classes, text.len);
}

/* A name with its labels folded and Punycode decoded, as far as it fits. */
static struct slice fold_name(struct slice name, uint8_t out[FOLDED_MAX]) {
    size_t start = FOLDED_MAX;
    for (size_t end = name.len; end != SIZE_MAX;) {
        struct slice label = names_label_before(name, &end);
        struct view view;
        if (!lookalike_see(label, &view))
            view.folded_len = 0;
        if (start < view.folded_len + 1u)
            break;
        start -= view.folded_len;
        memcpy(out + start, view.folded, view.folded_len);
        out[--start] = '.';
    }
    return (struct slice){out + start, FOLDED_MAX - start};
}

/* --- The hits --- */

void lookalike_hits_init(struct lookalike_hits *hits) {
    *hits = (struct lookalike_hits){0};
}

void lookalike_hits_deinit(struct lookalike_hits *hits) {
    free(hits->items);
    *hits = (struct lookalike_hits){0};
}

static void add_hit(struct lookalike_hits *hits, struct lookalike_hit hit) {
    if (hits->count == hits->capacity) {
        uint32_t capacity = hits->capacity ? hits->capacity * 2 : HITS_FIRST;
        struct lookalike_hit *items = realloc(hits->items, capacity * sizeof *items);
        if (!items) {
            hits->failed = true;
            return;
        }
        hits->items = items;
        hits->capacity = capacity;
    }
    hits->items[hits->count++] = hit;
}

static bool is_below(struct slice name, struct slice domain) {
    if (name.len < domain.len)
        return false;
    size_t start = name.len - domain.len;
    return (start == 0 || name.ptr[start - 1] == '.') &&
           memcmp(name.ptr + start, domain.ptr, domain.len) == 0;
}

static bool is_own(const struct brand *brand, struct slice name) {
    for (uint32_t i = 0; i < brand->owned_count; i++)
        if (is_below(name, brand->owned[i]))
            return true;
    return false;
}

/* Judges a name for the brands that it passed the sieve for. */
static void judge(const struct lookalikes *brands, struct slice name, uint32_t index,
                  uint64_t candidates, const struct watch_list *owned,
                  struct lookalike_hits *hits) {
    bool asked = false;
    for (; candidates; candidates &= candidates - 1) {
        uint32_t which = (uint32_t)__builtin_ctzll(candidates);
        const struct brand *brand = &brands->brands[which];
        struct finding finding = lookalike_judge(brand, name);
        if (!finding.score || finding.score < brands->score_min || is_own(brand, name))
            continue;
        if (!asked && owned && watch_list_covers(owned, name))
            return;
        asked = true;
        add_hit(hits, (struct lookalike_hit){index, (uint16_t)which, finding.score, finding.kinds});
    }
}

/* Nobody imitates a brand by a top-level domain. */
static struct slice without_tld(struct slice name) {
    while (name.len && name.ptr[name.len - 1] != '.')
        name.len--;
    return slice_first(name, name.len ? name.len - 1 : 0);
}

void lookalikes_match(const struct lookalikes *brands, const struct match_names *names,
                      const struct watch_list *owned, struct lookalike_hits *hits) {
    hits->count = 0;
    hits->failed = false;
    if (!brands->count)
        return;
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = match_names_text(names, i);
        uint8_t folded[FOLDED_MAX];
        if (names->items[i].kind == MATCH_NAME_ADDRESS)
            continue;
        if (names->items[i].kind == MATCH_NAME_WILDCARD)
            name = slice_from(name, 2);
        uint64_t found = sieve(brands, without_tld(name));
        if (found & FLAGS)
            found |= sieve(brands, without_tld(fold_name(name, folded)));
        found &= ~FLAGS;
        if (found)
            judge(brands, name, i, found, owned, hits);
    }
}

const char *lookalike_kind_name(enum lookalike_kind kind) {
    switch (kind) {
    case LOOKALIKE_CONFUSABLE:
        return "confusable";
    case LOOKALIKE_TYPO:
        return "typo";
    case LOOKALIKE_ADDED_WORDS:
        return "added words";
    case LOOKALIKE_OTHER_TLD:
        return "other tld";
    case LOOKALIKE_SUBDOMAIN:
        return "subdomain";
    }
    return "unknown";
}
