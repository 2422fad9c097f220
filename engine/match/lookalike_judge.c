/* Judging one name against one brand. Every label is looked at, from the one that was registered to
 * the left; the surest finding counts. Scores stand in one table below; what lowers them are brands
 * that are words themselves, labels that nobody had to register, and words in between. */
#include "engine/base/text.h"
#include "engine/match/lookalike_internal.h"

enum {
    LABELS_MAX = 12,     /* of a name, from the right; deeper ones are not looked at */
    SHORT_BRAND = 4,     /* up to here a brand is often a part of other words */
    TYPO_BRAND = 5,      /* from here on every slip counts */
    TWO_TYPOS_BRAND = 9, /* from here on two slips count */
    LURE_BYTES_MIN = 2,
    LURE_BYTES_MAX = 16,

    /* The same letters, or what looks the same. */
    SCORE_HOMOGLYPH = 98,     /* раураl: letters of other alphabets */
    SCORE_CONFUSABLE = 95,    /* paypa1, arnazon */
    SCORE_SWAPPED_IL = 90,    /* paypai: letters that look alike but are letters */
    SCORE_DOMAIN_INSIDE = 95, /* paypal.com.evil.net */
    SCORE_OTHER_TLD = 80,
    SCORE_SUBDOMAIN = 62, /* paypal.evil.net */

    /* Slips of the finger. */
    SCORE_TYPO = 84,     /* a letter left out, doubled, swapped, a key beside the right one */
    SCORE_ODD_TYPO = 66, /* any other letter changed or added */
    SCORE_TWO_TYPOS = 66,
    SCORE_HYPHEN = 84, /* pay-pal */

    /* Words beside the brand. */
    SCORE_LURE = 86,        /* paypal-login, securepaypal */
    SCORE_LURE_MORE = 76,   /* paypal-login-monkey: and words that nobody knows */
    SCORE_DIGITS = 70,      /* paypal24 */
    SCORE_WEAK_LURE = 67,   /* paypalonline */
    SCORE_WORDS = 62,       /* paypal-monkey */
    SCORE_JOINED_LURE = 55, /* paypalmonkeylogin */
    SCORE_JOINED = 40,      /* paypalmonkey */

    /* What is taken away. */
    LESS_BELOW = 12,      /* a label in front of the registered one */
    LESS_WORD = 18,       /* the brand is a word or short */
    LESS_WORD_WORDS = 25, /* and stands among others */
    LESS_FIRST = 12,      /* the first letter is another: eyes begin there */
};

static const struct finding nothing;

static struct finding better(struct finding a, struct finding b) {
    struct finding best = a.score >= b.score ? a : b;
    if (a.score >= LOOKALIKE_SCORE_DEFAULT && b.score >= LOOKALIKE_SCORE_DEFAULT)
        best.kinds = a.kinds | b.kinds;
    return best;
}

static struct finding found(int score, int kinds) {
    return (struct finding){(uint8_t)(score > 0 ? score : 0), (uint8_t)kinds};
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool parts_words(uint8_t byte) {
    return byte == '-' || byte == '_' || is_digit(byte);
}

static struct slice text_of(const struct view *view) {
    return (struct slice){view->text, view->len};
}

static struct slice folded_of(const struct view *view) {
    return (struct slice){view->folded, view->folded_len};
}

static struct slice brand_of(const struct brand *brand) {
    return (struct slice){brand->text, brand->len};
}

static struct slice folded_brand(const struct brand *brand) {
    return (struct slice){brand->folded, brand->folded_len};
}

static bool has_digit(const struct view *view) {
    for (size_t i = 0; i < view->len; i++)
        if (is_digit(view->text[i]))
            return true;
    return false;
}

/* How sure a likeness is that shows only when characters are folded. Of a short brand, "i" and "l"
 * alone make other words. */
static int confusable_score(const struct brand *brand, const struct view *view) {
    if (view->is_unicode)
        return SCORE_HOMOGLYPH;
    bool has_i_or_l = memchr(brand->folded, 'i', brand->folded_len) != NULL;
    if (!has_digit(view) && view->len == brand->len && has_i_or_l)
        return brand->len <= SHORT_BRAND ? SCORE_JOINED : SCORE_SWAPPED_IL;
    return brand->len <= SHORT_BRAND ? SCORE_CONFUSABLE - LESS_WORD : SCORE_CONFUSABLE;
}

/* --- The label as a whole --- */

static struct finding judge_whole(const struct brand *brand, const struct view *view,
                                  bool is_below) {
    if (slice_equal(text_of(view), brand_of(brand)) && !view->is_unicode) {
        if (!is_below)
            return found(SCORE_OTHER_TLD - (brand->is_word ? LESS_WORD : 0), LOOKALIKE_OTHER_TLD);
        return found(SCORE_SUBDOMAIN - (brand->is_word ? LESS_WORD : 0), LOOKALIKE_SUBDOMAIN);
    }
    if (!slice_equal(folded_of(view), folded_brand(brand)))
        return nothing;
    return found(confusable_score(brand, view) - (is_below ? LESS_BELOW : 0), LOOKALIKE_CONFUSABLE);
}

/* --- Slips of the finger --- */

static bool are_neighbours(uint8_t a, uint8_t b) {
    static const char *const near[26] = {
        "qwsz",   "vghn",  "xdfv", "serfcx", "wsdr", "drtgvc", "ftyhbv", "gyujnb", "ujko",
        "huikmn", "jiolm", "kop",  "njk",    "bhjm", "iklp",   "ol",     "wa",     "edft",
        "awedxz", "rfgy",  "yhji", "cfgb",   "qase", "zsdc",   "tghu",   "asx",
    };
    static const char vowels[] = "aeiouy";
    if (a < 'a' || a > 'z' || !b)
        return false;
    return strchr(near[a - 'a'], b) || (strchr(vowels, a) && strchr(vowels, b));
}

enum slip { SLIP_NONE, SLIP_TYPICAL, SLIP_OTHER };

/* Whether one edit makes `word` of `brand`, and what kind of edit. `at` gets where. */
static enum slip one_slip(struct slice word, struct slice brand, size_t *at) {
    size_t shorter = word.len < brand.len ? word.len : brand.len, first = 0, last = 0;
    while (first < shorter && word.ptr[first] == brand.ptr[first])
        first++;
    while (last < shorter - first &&
           word.ptr[word.len - 1 - last] == brand.ptr[brand.len - 1 - last])
        last++;
    size_t word_rest = word.len - first - last, brand_rest = brand.len - first - last;
    const uint8_t *w = word.ptr + first, *b = brand.ptr + first;
    *at = first;
    if (word_rest == 0 && brand_rest == 1)
        return SLIP_TYPICAL;
    if (word_rest == 1 && brand_rest == 0) {
        uint8_t before = first ? w[-1] : 0, after = last ? w[1] : 0;
        bool typical =
            *w == before || *w == after || are_neighbours(*w, before) || are_neighbours(*w, after);
        return typical ? SLIP_TYPICAL : SLIP_OTHER;
    }
    if (word_rest == 1 && brand_rest == 1)
        return are_neighbours(*w, *b) ? SLIP_TYPICAL : SLIP_OTHER;
    if (word_rest == 2 && brand_rest == 2 && w[0] == b[1] && w[1] == b[0])
        return SLIP_TYPICAL;
    return SLIP_NONE;
}

/* Of a brand of four letters only what keeps them all counts: swapped or doubled. */
static bool keeps_letters(struct slice word, struct slice brand, size_t at) {
    return word.len == brand.len + 1
               ? (at && word.ptr[at] == word.ptr[at - 1])
               : word.len == brand.len && at + 1 < word.len && word.ptr[at] == brand.ptr[at + 1] &&
                     word.ptr[at + 1] == brand.ptr[at];
}

static int slip_score(const struct brand *brand, struct slice word) {
    size_t at;
    enum slip slip = one_slip(word, brand_of(brand), &at);
    bool is_split = memchr(word.ptr, '-', word.len) && !memchr(brand->text, '-', brand->len);
    if (slip == SLIP_NONE || is_split || lookalike_is_word(word))
        return 0;
    /* "chased", "chaser" */
    if (brand->is_word && at == brand->len)
        return 0;
    if (brand->len < TYPO_BRAND &&
        (brand->len < SHORT_BRAND || brand->is_word || !keeps_letters(word, brand_of(brand), at)))
        return 0;
    int score = slip == SLIP_TYPICAL ? SCORE_TYPO : SCORE_ODD_TYPO;
    bool is_plural = at + 1 == word.len && word.ptr[at] == 's' && word.len > brand->len;
    if (is_plural || (slip == SLIP_OTHER && brand->len <= TYPO_BRAND + 1))
        score = SCORE_ODD_TYPO - LESS_FIRST;
    if (at == 0 && word.ptr[0] != brand->text[0])
        score -= LESS_FIRST;
    return score - (brand->is_word ? LESS_WORD : 0);
}

static int two_slips_score(const struct brand *brand, struct slice word) {
    bool is_near = brand->len >= TWO_TYPOS_BRAND && !brand->is_word && word.len + 2 >= brand->len &&
                   word.len <= brand->len + 2u && word.len && word.ptr[0] == brand->text[0] &&
                   text_distance(word, brand_of(brand)) == 2;
    return is_near && !lookalike_is_word(word) ? SCORE_TWO_TYPOS : 0;
}

/* A slip in what looks like the brand: "paypa1l". */
static int folded_slip_score(const struct brand *brand, const struct view *view) {
    size_t at;
    if (brand->len < TYPO_BRAND || brand->is_word || !(view->is_unicode || has_digit(view)))
        return 0;
    return one_slip(folded_of(view), folded_brand(brand), &at) == SLIP_NONE ? 0 : SCORE_ODD_TYPO;
}

/* The next word of a label, up to a hyphen. */
static struct slice next_word(struct slice *rest) {
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != '-' && rest->ptr[len] != '_')
        len++;
    struct slice word = slice_first(*rest, len);
    *rest = slice_from(*rest, len + 1);
    return word;
}

/* "pay-pal", "p-aypal" */
static bool is_brand_with_hyphens(const struct brand *brand, struct slice text) {
    size_t matched = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-')
            continue;
        if (matched == brand->len || text.ptr[i] != brand->text[matched])
            return false;
        matched++;
    }
    return matched == brand->len && text.len > brand->len && brand->len > SHORT_BRAND;
}

/* A slip in one of several words counts when the others are lures. */
static struct finding judge_words(const struct brand *brand, struct slice label) {
    struct slice rest = label;
    int score = 0, lures = 0;
    while (rest.len) {
        struct slice word = next_word(&rest);
        int here = slip_score(brand, word);
        score = here > score ? here : score;
        lures += here == 0 && lookalike_lure(word) == 2;
    }
    return lures && score ? found(score, LOOKALIKE_TYPO | LOOKALIKE_ADDED_WORDS) : nothing;
}

static struct finding judge_typo(const struct brand *brand, const struct view *view,
                                 bool is_below) {
    struct slice text = text_of(view);
    int less = is_below ? LESS_BELOW : 0, kinds = LOOKALIKE_TYPO;
    int score = is_brand_with_hyphens(brand, text)
                    ? SCORE_HYPHEN - (brand->is_word ? LESS_WORD_WORDS : 0)
                    : slip_score(brand, text);
    if (!score && !is_below)
        score = two_slips_score(brand, text);
    if (!score) {
        score = folded_slip_score(brand, view);
        kinds |= LOOKALIKE_CONFUSABLE;
    }
    if (score)
        return found(score - less, view->is_unicode ? kinds | LOOKALIKE_CONFUSABLE : kinds);
    if (!memchr(text.ptr, '-', text.len))
        return nothing;
    struct finding finding = judge_words(brand, text);
    return finding.score ? found(finding.score - less, finding.kinds) : nothing;
}

/* --- Words beside the brand --- */

struct company {
    int lures, weak_lures, unknown, digits;
};

/* Whether a run of letters is nothing but lures, one after another: "customerservice". All ways to
 * part it are tried, from the left: `ends[n]` has what the first n letters are made of. */
static bool is_all_lures(struct slice run, struct company *company) {
    struct company ends[LABEL_BYTES_MAX + 1];
    bool reached[LABEL_BYTES_MAX + 1] = {true};
    if (run.len > LABEL_BYTES_MAX)
        return false;
    ends[0] = (struct company){0};
    for (size_t at = 0; at < run.len; at++) {
        for (size_t len = LURE_BYTES_MIN; reached[at] && len <= LURE_BYTES_MAX; len++) {
            struct slice word = {run.ptr + at, len};
            int lure = at + len <= run.len && !reached[at + len] ? lookalike_lure(word) : 0;
            if (!lure)
                continue;
            reached[at + len] = true;
            ends[at + len] = ends[at];
            ends[at + len].lures += lure == 2;
            ends[at + len].weak_lures += lure == 1;
        }
    }
    if (!reached[run.len])
        return false;
    company->lures += ends[run.len].lures;
    company->weak_lures += ends[run.len].weak_lures;
    return true;
}

/* What stands on one side of the brand. */
static void look_at_side(struct slice side, struct company *company) {
    size_t start = 0;
    if (!side.len)
        return;
    for (size_t i = 0; i <= side.len; i++) {
        if (i < side.len && !parts_words(side.ptr[i]))
            continue;
        struct slice run = {side.ptr + start, i - start};
        if (run.len && !is_all_lures(run, company))
            company->unknown++;
        company->digits += i < side.len && is_digit(side.ptr[i]);
        start = i + 1;
    }
}

/* `is_parted`: on both sides the brand ends where a word ends. */
static int company_score(const struct brand *brand, struct company company, bool is_parted) {
    int score;
    if (company.unknown && is_parted)
        score = company.lures ? SCORE_LURE_MORE : SCORE_WORDS;
    else if (company.unknown)
        score = company.lures ? SCORE_JOINED_LURE : SCORE_JOINED;
    else if (company.lures)
        score = SCORE_LURE;
    else
        score = company.weak_lures ? SCORE_WEAK_LURE : company.digits ? SCORE_DIGITS : SCORE_WORDS;
    if (!brand->is_word)
        return score;
    if (!is_parted && brand->len <= SHORT_BRAND)
        score -= LESS_WORD;
    return score - (company.lures && !company.unknown ? LESS_WORD : LESS_WORD_WORDS);
}

/* The brand, or what looks like it, in the `len` bytes at `at` of a label. */
static int judge_place(const struct brand *brand, struct slice label, size_t at, size_t len) {
    struct slice left = slice_first(label, at), right = slice_from(label, at + len);
    struct company company = {0};
    bool is_parted = (!left.len || parts_words(left.ptr[left.len - 1])) &&
                     (!right.len || parts_words(right.ptr[0]));
    look_at_side(left, &company);
    look_at_side(right, &company);
    /* "bank" in front of "ing", "pine" in front of "apple": the ends of words. */
    if (!is_parted && brand->len < SHORT_BRAND && left.len)
        return 0;
    return company_score(brand, company, is_parted);
}

/* The best of all places where the brand stands in a label, as it is. */
static int judge_places(const struct brand *brand, struct slice label) {
    int best = 0;
    for (size_t at = 0; at + brand->len <= label.len; at++) {
        if (memcmp(label.ptr + at, brand->text, brand->len) != 0)
            continue;
        int score = judge_place(brand, label, at, brand->len);
        best = score > best ? score : best;
    }
    return best;
}

/* And of those where it looks like it. */
static int judge_folded_places(const struct brand *brand, const struct view *view) {
    int best = 0;
    for (size_t at = 0; at + brand->folded_len <= view->folded_len; at++) {
        if (memcmp(view->folded + at, brand->folded, brand->folded_len) != 0)
            continue;
        size_t from = view->origin[at], end = view->origin[at + brand->folded_len];
        int score = judge_place(brand, text_of(view), from, end - from);
        best = score > best ? score : best;
    }
    return best;
}

static struct finding judge_company(const struct brand *brand, const struct view *view,
                                    bool is_below) {
    int less = is_below ? LESS_BELOW : 0;
    int score = judge_places(brand, text_of(view));
    if (score)
        return found(score - less, view->is_unicode ? LOOKALIKE_ADDED_WORDS | LOOKALIKE_CONFUSABLE
                                                    : LOOKALIKE_ADDED_WORDS);
    score = judge_folded_places(brand, view);
    if (score && !view->is_unicode && brand->len <= SHORT_BRAND)
        score -= LESS_WORD_WORDS;
    return score ? found(score - less, LOOKALIKE_ADDED_WORDS | LOOKALIKE_CONFUSABLE) : nothing;
}

/* --- The name --- */

/* What lies under a suffix like these belongs to whoever asked for it. Without the public suffix
 * list: "co.uk" and the like by their form, and hosts where anybody gets a name for nothing. */
static bool is_free_suffix(struct slice suffix) {
    static const char *const suffixes[] = {
        "github.io",         "gitlab.io",         "pages.dev",     "workers.dev",
        "netlify.app",       "vercel.app",        "web.app",       "firebaseapp.com",
        "herokuapp.com",     "blogspot.com",      "wordpress.com", "weebly.com",
        "wixsite.com",       "webflow.io",        "glitch.me",     "repl.co",
        "onrender.com",      "fly.dev",           "surge.sh",      "duckdns.org",
        "azurewebsites.net", "000webhostapp.com", "square.site",   "r2.dev",
        "ngrok.io",          "ngrok-free.app",    "myshopify.com", "godaddysites.com",
    };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (slice_is(suffix, suffixes[i]))
            return true;
    return false;
}

static bool is_second_level(struct slice label) {
    static const char *const labels[] = {"co", "com", "net", "org",  "gov", "edu", "ac",  "or",
                                         "ne", "go",  "gob", "gouv", "nom", "web", "sch", "in"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (slice_is(label, labels[i]))
            return true;
    return false;
}

/* How many labels, from the right, nobody registers. */
static uint32_t suffix_labels(const struct slice *labels, uint32_t count) {
    if (count < 3)
        return 1;
    struct slice two = {labels[1].ptr, labels[1].len + 1 + labels[0].len};
    return (labels[0].len == 2 && is_second_level(labels[1])) || is_free_suffix(two) ? 2 : 1;
}

/* Whether a domain of the brand stands in the name, with another behind it. */
static bool holds_domain(const struct brand *brand, struct slice name) {
    for (uint32_t i = 0; i < brand->owned_count; i++) {
        struct slice domain = brand->owned[i];
        for (size_t at = 0; at + domain.len < name.len; at++) {
            bool begins = at == 0 || name.ptr[at - 1] == '.' || name.ptr[at - 1] == '-';
            if (begins && name.ptr[at + domain.len] == '.' &&
                memcmp(name.ptr + at, domain.ptr, domain.len) == 0)
                return true;
        }
    }
    return false;
}

static struct finding judge_label(const struct brand *brand, struct slice label, bool is_below) {
    struct view view;
    if (!lookalike_see(label, &view) || view.folded_len + 2 < brand->folded_len)
        return nothing;
    struct finding finding = judge_whole(brand, &view, is_below);
    if (!finding.score)
        finding = better(judge_typo(brand, &view, is_below), judge_company(brand, &view, is_below));
    if (finding.score && is_below)
        finding.kinds |= LOOKALIKE_SUBDOMAIN;
    return finding;
}

struct finding lookalike_judge(const struct brand *brand, struct slice name) {
    struct slice labels[LABELS_MAX];
    uint32_t count = 0;
    for (size_t end = name.len; end != SIZE_MAX && count < LABELS_MAX; count++)
        labels[count] = names_label_before(name, &end);
    uint32_t registered = suffix_labels(labels, count);
    struct finding best = nothing;
    if (holds_domain(brand, name))
        best = found(SCORE_DOMAIN_INSIDE, LOOKALIKE_SUBDOMAIN);
    for (uint32_t i = registered; i < count; i++)
        best = better(best, judge_label(brand, labels[i], i > registered));
    return best;
}
