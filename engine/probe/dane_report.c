#include "engine/probe/dane_report.h"

#include "engine/record/dane_fields.h"

#include <stdlib.h>

void tlsa_answer_deinit(struct tlsa_answer *answer) {
    free(answer->set);
    *answer = (struct tlsa_answer){0};
}

static void compare(struct probe_record *record, struct dane_fields *fields,
                    const struct tlsa_set *set, struct slice_list chain,
                    struct trust_checker *checker, int64_t unix_seconds) {
    struct dane_server server = {
        .chain = chain,
        .uses_pkix = record->trust.chain_checked && !slice_is(record->protocol, "smtp"),
        .trusted = record->trust.chain_checked && record->trust.trusted,
        .name_matches = record->trust.name_matches,
        .unix_seconds = unix_seconds,
    };

    fields->compared =
        dane_check(&server, checker, set->records, set->count, fields->matches, &fields->verdict);
    if (!fields->compared)
        fields->error = slice_of("no memory to compare them");
}

static enum dane_status status_of(const struct dane_fields *fields) {
    if (fields->error.len)
        return DANE_STATUS_FAILED;
    if (!fields->count)
        return DANE_STATUS_ABSENT;
    if (!fields->secure)
        return DANE_STATUS_INSECURE;
    if (!fields->compared)
        return DANE_STATUS_OPEN;
    return fields->verdict == DANE_MATCHED      ? DANE_STATUS_MATCHED
           : fields->verdict == DANE_MISMATCHED ? DANE_STATUS_MISMATCHED
                                                : DANE_STATUS_UNUSABLE;
}

bool dane_report(struct probe_record *record, const struct tlsa_answer *answer,
                 struct slice_list chain, struct trust_checker *checker, int64_t unix_seconds) {
    struct dane_fields *fields = arena_take(&record->head.memory, sizeof *fields);
    const struct tlsa_set *set = answer->set;

    if (!fields)
        return false;
    *fields = (struct dane_fields){.secure = answer->secure};
    if (answer->error)
        fields->error = slice_of(answer->error);
    for (uint32_t i = 0; set && i < set->count; i++) {
        struct tlsa *shown = &fields->records[fields->count++];
        *shown = set->records[i];
        shown->data = arena_copy(&record->head.memory,
                                 slice_first(set->records[i].data, DANE_DATA_SHOWN_BYTES));
    }
    if (set && record->has_certificate)
        compare(record, fields, set, chain, checker, unix_seconds);
    fields->status = status_of(fields);
    record->dane = fields;
    return true;
}
