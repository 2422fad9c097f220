#include "engine/probe/auditing.h"

#include "engine/record/audit_fields.h"

#include <stdlib.h>

enum { RANDOM_BYTES = 32 };

struct auditing *auditing_new(struct probe_record *record, struct slice sni) {
    struct auditing *auditing = calloc(1, sizeof *auditing);
    struct tls_audit_options options = {.jarm_name = record->host};

    if (!auditing)
        return NULL;
    auditing->audit = tls_audit_new(sni, &options);
    if (!auditing->audit) {
        free(auditing);
        return NULL;
    }
    buffer_init(&auditing->hello);
    auditing->record = record;
    return auditing;
}

bool auditing_next(struct auditing *auditing, struct random *random) {
    uint8_t bytes[RANDOM_BYTES];

    random_fill(random, bytes, sizeof bytes);
    auditing->hello.len = 0;
    return tls_audit_next(auditing->audit, bytes, &auditing->hello) && !auditing->hello.failed;
}

/* Who issued the leaf, as far as the server has sent it. */
static const struct certificate *issuer_of(const struct probe_record *record,
                                           struct certificate *out) {
    if (!record->chain_count || !record->chain[0].readable ||
        certificate_decode(record->chain[0].der, out) != CERTIFICATE_OK)
        return NULL;
    return out;
}

/* What stands behind the certificate: its SCTs and the stapled response. Nothing is said of them
 * where memory lacks. */
static void fill_evidence(struct probe_record *record, const struct tls_audit_result *result) {
    struct arena *arena = &record->head.memory;
    struct certificate leaf, issuer;
    struct sct_fields_list scts;

    if (!record->has_certificate ||
        certificate_decode(record->certificate.der, &leaf) != CERTIFICATE_OK)
        return;
    struct sct_sources sources = {
        .leaf = &leaf,
        .issuer = issuer_of(record, &issuer),
        .in_tls = result->sct_list,
    };
    if (result->ocsp_response.len)
        record->ocsp = ocsp_fields_new(result->ocsp_response, &leaf, sources.issuer,
                                       record->time_ms / 1000, arena);
    struct ocsp_answer answer;
    if (record->ocsp && ocsp_read(result->ocsp_response, &leaf, sources.issuer,
                                  record->time_ms / 1000, &answer) == OCSP_READ)
        sources.in_ocsp = answer.sct_list;
    if (sct_fields_fill(&sources, NULL, 0, arena, &scts)) {
        record->scts = scts.items;
        record->sct_count = scts.count;
    }
}

struct probe_record *auditing_end(struct auditing *auditing) {
    struct probe_record *record = auditing->record;
    const struct tls_audit_result *result = tls_audit_result(auditing->audit);

    record->plan = PLAN_AUDIT;
    record->audit = audit_fields_new(result, &record->head.memory);
    fill_evidence(record, result);
    tls_audit_free(auditing->audit);
    buffer_deinit(&auditing->hello);
    free(auditing);
    return record;
}
