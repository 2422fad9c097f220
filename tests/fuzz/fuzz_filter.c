/* Any text as the spec of an output, up to a zero byte, and any bytes behind it as the MessagePack
 * of a record. What is cut out of a spec is never lost: conditions and the rest together hold its
 * bytes but for separators. A filter that is taken gives an answer of any record, and the opposite
 * one when it is the only condition and negated. */
#include "engine/record/ct_record.h"
#include "engine/record/filter.h"
#include "engine/record/msgpack_token.h"

#include <assert.h>
#include <stdlib.h>

static const struct record_kind *const KINDS[] = {&probe_record_kind, &ct_record_kind, NULL};

static void ask(const struct filter *filter, const struct filter *opposite, struct slice bytes) {
    struct probe_record probe = {.head.kind = &probe_record_kind, .host = {(uint8_t *)"host", 4}};
    struct ct_record entry = {.head.kind = &ct_record_kind};
    size_t len = msgpack_value_length(bytes);
    bool of_probe = filter_matches(filter, &probe.head);
    bool of_entry = filter_matches(filter, &entry.head);
    bool packed = filter_matches_packed(filter, slice_first(bytes, len));

    if (!opposite)
        return;
    assert(of_probe != filter_matches(opposite, &probe.head));
    assert(of_entry != filter_matches(opposite, &entry.head));
    assert(packed != filter_matches_packed(opposite, slice_first(bytes, len)));
}

static struct filter *negate(const char *conditions) {
    struct filter *opposite = NULL;
    size_t size = strlen(conditions) + 2;
    char *text = malloc(size);
    struct failure failure;

    assert(text);
    text[0] = '!';
    memcpy(text + 1, conditions, size - 1);
    if (strchr(conditions, '&') || conditions[0] == '!' ||
        filter_new(&opposite, KINDS, text, &failure) != ERROR_NONE)
        opposite = NULL;
    free(text);
    return opposite;
}

static void check_cut(const char *text, const char *spec, const char *conditions) {
    char *again, *more;
    struct failure failure;

    if (!conditions)
        assert(strcmp(text, spec) == 0);
    else
        assert(strlen(spec) + strlen(conditions) < strlen(text));
    assert(filter_cut(spec, &again, &more, &failure) == ERROR_NONE);
    free(again);
    free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *spec, *conditions;
    struct filter *filter = NULL;
    struct failure failure = {0};

    assert(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    struct slice bytes = slice_from((struct slice){data, size}, strlen(text) + 1);
    assert(filter_cut(text, &spec, &conditions, &failure) == ERROR_NONE);
    check_cut(text, spec, conditions);
    if (conditions && filter_new(&filter, KINDS, conditions, &failure) == ERROR_NONE) {
        struct filter *opposite = negate(conditions);
        ask(filter, opposite, bytes);
        filter_free(opposite);
        filter_free(filter);
    } else {
        assert(!conditions || failure.text[0]);
    }
    free(spec);
    free(conditions);
    free(text);
    return 0;
}
