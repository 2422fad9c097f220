#include "bench/ctfarm/ctfarm_fault.h"

#include "engine/base/quote.h"

#include <stdlib.h>

static const struct {
    const char *name, *summary;
} FAULTS[CTFARM_FAULT_COUNT] = {
    [CTFARM_FAULT_429] = {"http-429", "too many requests, with Retry-After if `retry` is given"},
    [CTFARM_FAULT_500] = {"http-500", "internal error"},
    [CTFARM_FAULT_503] = {"http-503", "unavailable, with Retry-After if `retry` is given"},
    [CTFARM_FAULT_404] = {"http-404", "not found"},
    [CTFARM_FAULT_HTML] = {"html", "status 200 with a page of some proxy"},
    [CTFARM_FAULT_STALL] = {"stall", "no answer, ever"},
    [CTFARM_FAULT_RESET] = {"reset", "the connection is reset"},
    [CTFARM_FAULT_HUGE] = {"huge", "a body of a gigabyte"},
    [CTFARM_FAULT_CUT] = {"cut", "the connection ends in the middle of the body"},
    [CTFARM_FAULT_DRIP] = {"drip", "16 bytes every 10 ms"},
    [CTFARM_FAULT_WRONG_TYPE] = {"wrong-type", "Content-Type: text/html"},
    [CTFARM_FAULT_SHRINK] = {"shrink", "a head of an earlier, smaller tree, signed now"},
    [CTFARM_FAULT_STALE] = {"stale", "a head that no longer grows, two days old"},
    [CTFARM_FAULT_BAD_SIGNATURE] = {"bad-signature", "a head with a wrong signature"},
    [CTFARM_FAULT_EQUIVOCATE] = {"equivocate", "a head of the same size with another root, signed"},
    [CTFARM_FAULT_SHORT_PAGE] = {"short-page", "get-entries with fewer entries than asked for"},
    [CTFARM_FAULT_WRONG_LEAF] = {"wrong-leaf", "an entry that is not the one in the tree"},
    [CTFARM_FAULT_BAD_FRAMING] = {"bad-framing", "lengths or base64 that do not add up"},
    [CTFARM_FAULT_WRONG_TILE] = {"wrong-tile", "a hash tile with a wrong hash"},
    [CTFARM_FAULT_PARTIAL_GONE] = {"partial-gone", "404 for partial tiles"},
    [CTFARM_FAULT_BROKEN_GZIP] = {"broken-gzip", "a gzip body that cannot be inflated"},
    [CTFARM_FAULT_GZIP_BOMB] = {"gzip-bomb", "a gzip body that inflates to a gigabyte"},
    [CTFARM_FAULT_WRONG_ISSUER] = {"wrong-issuer", "an issuer that does not have that hash"},
    [CTFARM_FAULT_FEED_DROP] = {"feed-drop", "a message is left out"},
    [CTFARM_FAULT_FEED_TWICE] = {"feed-twice", "a message comes twice"},
    [CTFARM_FAULT_FEED_GARBAGE] = {"feed-garbage", "a text that is no JSON in place of a message"},
    [CTFARM_FAULT_FEED_BINARY] = {"feed-binary", "a binary message of random bytes before it"},
    [CTFARM_FAULT_FEED_HUGE] = {"feed-huge", "a frame that says it has a gigabyte"},
    [CTFARM_FAULT_FEED_CLOSE] = {"feed-close", "the server closes, code 1001"},
    [CTFARM_FAULT_FEED_CUT] = {"feed-cut", "the connection ends in the middle of a message"},
    [CTFARM_FAULT_FEED_STALL] = {"feed-stall", "no messages and no heartbeats any more"},
};

static const char *const CLASSES[CTFARM_CLASS_COUNT] = {
    [CTFARM_CLASS_HEADS] = "heads",     [CTFARM_CLASS_PROOFS] = "proofs",
    [CTFARM_CLASS_ENTRIES] = "entries", [CTFARM_CLASS_DATA] = "data",
    [CTFARM_CLASS_TILES] = "tiles",     [CTFARM_CLASS_ISSUERS] = "issuers",
    [CTFARM_CLASS_LIST] = "list",       [CTFARM_CLASS_FEED] = "feed",
    [CTFARM_CLASS_OTHER] = "other",
};

const char *ctfarm_fault_name(enum ctfarm_fault fault) {
    return FAULTS[fault].name;
}

const char *ctfarm_fault_summary(enum ctfarm_fault fault) {
    return FAULTS[fault].summary;
}

const char *ctfarm_class_name(enum ctfarm_class class) {
    return CLASSES[class];
}

void ctfarm_faults_init(struct ctfarm_faults *faults, uint64_t seed) {
    *faults = (struct ctfarm_faults){0};
    random_init(&faults->random, seed);
}

void ctfarm_faults_clear(struct ctfarm_faults *faults) {
    faults->rule_count = 0;
}

/* --- Rules as text --- */

/* Takes what stands before `separator`, which is taken too, or all. */
static struct slice take_until(struct slice *rest, uint8_t separator) {
    const uint8_t *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = at ? slice_first(*rest, (size_t)(at - rest->ptr)) : *rest;
    *rest = at ? slice_from(*rest, part.len + 1) : (struct slice){0};
    return part;
}

static bool parse_probability(struct slice text, double *out) {
    char copy[32], *end;
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    *out = strtod(copy, &end);
    return *end == 0 && *out >= 0 && *out <= 1;
}

static bool parse_small(struct slice text, uint32_t *out) {
    uint64_t number;
    if (!slice_to_u64(text, UINT32_MAX, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool parse_range(struct slice text, uint64_t *first, uint64_t *last) {
    struct slice low = take_until(&text, '-');
    return slice_to_u64(low, UINT64_MAX - 1, first) &&
           slice_to_u64(text.len ? text : low, UINT64_MAX - 1, last) && *first <= *last;
}

static bool parse_class(struct slice text, struct ctfarm_rule *rule) {
    for (int class = 0; class < CTFARM_CLASS_COUNT; class ++) {
        if (slice_is(text, CLASSES[class])) {
            rule->only_class = true;
            rule->class = (enum ctfarm_class) class;
            return true;
        }
    }
    return false;
}

static bool parse_pair(struct slice pair, struct ctfarm_rule *rule) {
    struct slice key = take_until(&pair, '=');
    if (slice_is(key, "p"))
        return parse_probability(pair, &rule->probability);
    if (slice_is(key, "at"))
        return parse_range(pair, &rule->first, &rule->last);
    if (slice_is(key, "on"))
        return parse_class(pair, rule);
    if (slice_is(key, "times"))
        return slice_to_u64(pair, UINT64_MAX - 1, &rule->times);
    if (slice_is(key, "retry"))
        return parse_small(pair, &rule->retry_seconds);
    return slice_is(key, "over") && parse_small(pair, &rule->over);
}

static bool find_fault(struct slice name, enum ctfarm_fault *out) {
    for (int fault = 0; fault < CTFARM_FAULT_COUNT; fault++) {
        if (slice_is(name, FAULTS[fault].name)) {
            *out = (enum ctfarm_fault)fault;
            return true;
        }
    }
    return false;
}

enum error ctfarm_faults_add(struct ctfarm_faults *faults, struct slice text,
                             struct failure *failure) {
    struct ctfarm_rule rule = {.probability = 1, .last = UINT64_MAX, .times = UINT64_MAX};
    struct slice rest = text, name = take_until(&rest, ',');
    if (!find_fault(name, &rule.fault))
        return failure_set(failure, ERROR_USAGE, "there is no fault %s", quote_of(name).text);
    while (rest.len) {
        struct slice pair = take_until(&rest, ',');
        if (!parse_pair(pair, &rule))
            return failure_set(failure, ERROR_USAGE, "%s of fault %s cannot be understood",
                               quote_of(pair).text, FAULTS[rule.fault].name);
    }
    if (faults->rule_count == CTFARM_RULES_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d faults", (int)CTFARM_RULES_MAX);
    faults->rules[faults->rule_count++] = rule;
    return ERROR_NONE;
}

/* --- Occasions --- */

static bool applies(const struct ctfarm_rule *rule, enum ctfarm_fault fault,
                    const struct ctfarm_occasion *occasion) {
    if (rule->fault != fault || rule->times == 0 || occasion->class == CTFARM_CLASS_OTHER)
        return false;
    if (rule->only_class && rule->class != occasion->class)
        return false;
    if (rule->over && occasion->requests_second <= rule->over)
        return false;
    if (rule->first == 0 && rule->last == UINT64_MAX)
        return true;
    return occasion->has_entries && occasion->first <= rule->last && occasion->last >= rule->first;
}

const struct ctfarm_rule *ctfarm_fault_happens(struct ctfarm_faults *faults,
                                               enum ctfarm_fault fault,
                                               const struct ctfarm_occasion *occasion) {
    for (uint32_t i = 0; i < faults->rule_count; i++) {
        struct ctfarm_rule *rule = &faults->rules[i];
        if (!applies(rule, fault, occasion))
            continue;
        if (rule->probability < 1 &&
            (double)(random_u64(&faults->random) >> 11) * 0x1p-53 >= rule->probability)
            continue;
        if (rule->times != UINT64_MAX)
            rule->times--;
        faults->counts[fault]++;
        return rule;
    }
    return NULL;
}

bool ctfarm_faults_any(const struct ctfarm_faults *faults, enum ctfarm_fault first,
                       enum ctfarm_fault last) {
    for (uint32_t i = 0; i < faults->rule_count; i++)
        if (faults->rules[i].fault >= first && faults->rules[i].fault <= last)
            return true;
    return false;
}
