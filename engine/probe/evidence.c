#include "engine/probe/evidence.h"

#include "engine/probe/prober.h"
#include "engine/record/audit_fields.h"

/* Who issued the leaf, as far as the server has sent it. */
static const struct certificate *issuer_of(const struct probe_record *record,
                                           struct certificate *out) {
    if (!record->chain_count || !record->chain[0].readable ||
        certificate_decode(record->chain[0].der, out) != CERTIFICATE_OK)
        return NULL;
    return out;
}

bool evidence_fill(struct probe_record *record, const struct evidence *evidence,
                   const struct prober_settings *settings) {
    struct arena *arena = &record->head.memory;
    int64_t now = record->time_ms / 1000;
    struct certificate leaf, issuer;
    struct sct_fields_list scts;
    struct ocsp_answer answer;

    if (!record->has_certificate ||
        certificate_decode(record->certificate.der, &leaf) != CERTIFICATE_OK)
        return true;
    struct sct_sources sources = {
        .leaf = &leaf, .issuer = issuer_of(record, &issuer), .in_tls = evidence->sct_list};
    if (evidence->ocsp_response.len) {
        record->ocsp = ocsp_fields_new(evidence->ocsp_response, &leaf, sources.issuer, now, arena);
        if (!record->ocsp)
            return false;
        if (ocsp_read(evidence->ocsp_response, &leaf, sources.issuer, now, &answer) == OCSP_READ)
            sources.in_ocsp = answer.sct_list;
    }
    if (!sct_fields_fill(&sources, settings->logs, settings->log_count, arena, &scts))
        return false;
    record->scts = scts.items;
    record->sct_count = scts.count;
    return true;
}
