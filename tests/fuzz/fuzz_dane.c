/* Fuzzes engine/x509/dane: any records and any certificates, and what comes of each record must fit
 * the verdict. The input: how many records; each as usage, selector, matching type and data; then
 * certificates. Data and certificates have two bytes with their length before them. */
#include "engine/base/limits.h"
#include "engine/x509/dane.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take(struct slice *in, size_t len) {
    struct slice taken = slice_first(*in, len);

    *in = slice_from(*in, taken.len);
    return taken;
}

static struct slice take_counted(struct slice *in) {
    struct slice head = take(in, 2);

    return take(in, head.len == 2 ? (size_t)(head.ptr[0] << 8 | head.ptr[1]) : 0);
}

static uint32_t read_records(struct slice *in, struct tlsa *out) {
    struct slice count = take(in, 1);
    uint32_t i = 0;

    for (; count.len && i < count.ptr[0] && i < LIMIT_TLSA_RECORDS; i++) {
        struct slice head = take(in, 3);
        if (head.len < 3)
            break;
        out[i] = (struct tlsa){head.ptr[0], head.ptr[1], head.ptr[2], take_counted(in)};
    }
    return i;
}

static void check_verdict(enum dane_verdict verdict, const enum dane_match *matches,
                          uint32_t count) {
    bool matched = false, compared = false;

    for (uint32_t i = 0; i < count; i++) {
        matched = matched || matches[i] == DANE_MATCHES;
        compared = compared || matches[i] != DANE_NOT_COMPARED;
    }
    if (verdict != (matched ? DANE_MATCHED : compared ? DANE_MISMATCHED : DANE_UNUSABLE))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size}, chain[LIMIT_CHAIN_CERTIFICATES];
    struct tlsa records[LIMIT_TLSA_RECORDS];
    enum dane_match matches[LIMIT_TLSA_RECORDS];
    enum dane_verdict verdict;
    struct certificate leaf;
    uint32_t record_count = read_records(&in, records), count = 0;

    while (in.len && count < LIMIT_CHAIN_CERTIFICATES)
        chain[count++] = take_counted(&in);
    if (!count || certificate_decode(chain[0], &leaf) != CERTIFICATE_OK)
        return 0;
    struct trust_checker *checker = trust_checker_new(NULL);
    const struct dane_server server = {.chain = {chain, count},
                                       .uses_pkix = true,
                                       .trusted = true,
                                       .name_matches = true,
                                       .unix_seconds = leaf.not_before + 1};
    if (!checker || !dane_check(&server, checker, records, record_count, matches, &verdict))
        abort();
    check_verdict(verdict, matches, record_count);
    trust_checker_free(checker);
    return 0;
}
