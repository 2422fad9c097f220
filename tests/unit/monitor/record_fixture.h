/* A record of a probe with all that a monitor's has, and all that it says. */
#ifndef TESTS_UNIT_MONITOR_RECORD_FIXTURE_H
#define TESTS_UNIT_MONITOR_RECORD_FIXTURE_H

#include "engine/probe/judge.h"
#include "engine/record/encoder.h"
#include "engine/x509/certificate.h"
#include "engine/x509/revocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795229802123)

static struct slice der; /* of a certificate */
static uint8_t der_bytes[4096];

static inline int read_certificate(void **state) {
    FILE *file = fopen("tests/fuzz/corpus/certificate/final_certificate.der", "rb");

    (void)state;
    if (!file)
        return -1;
    der = (struct slice){der_bytes, fread(der_bytes, 1, sizeof der_bytes, file)};
    return fclose(file);
}

static inline struct probe_record *make_record(bool has_certificate) {
    static const struct address addresses[] = {{.family = ADDRESS_V4, .bytes = {192, 0, 2, 1}},
                                               {.family = ADDRESS_V4, .bytes = {192, 0, 2, 2}}};
    static const struct chain_link links[] = {
        {.readable = true, .not_after = 1900000000, .fingerprint_sha256 = {1, 2, 3}}};
    struct probe_record *record = probe_record_new(4096);
    struct certificate certificate;

    assert_non_null(record);
    record->time_ms = NOW_MS - 5000;
    record->host = slice_of("mail.example.org");
    record->address = addresses[0];
    record->addresses = addresses;
    record->address_count = 2;
    record->port = 25;
    record->protocol = slice_of("smtp");
    record->sni = slice_of("mail.example.org");
    record->attempt = 2;
    record->timing = (struct probe_timing){1, 2, 3, -1, 6};
    record->outcome = has_certificate ? OUTCOME_TLS_ALERT : OUTCOME_STARTTLS_REFUSED;
    record->stage = has_certificate ? STAGE_HANDSHAKE : STAGE_STARTTLS;
    record->error = slice_of("454 \"not\" \x01 now \u00e9");
    if (!has_certificate)
        return record;
    record->has_tls = true;
    record->tls.version = 0x0303;
    record->tls.cipher = 0xc02f;
    record->tls.group = 29;
    record->tls.alpn = slice_of("h2");
    record->tls.client_certificate_known = record->tls.client_certificate_requested = true;
    record->tls.key_proven = true;
    record->tls.sct_count = 2;
    record->tls.alert_received = true;
    record->tls.alert = 40;
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    assert_true(certificate_fields_fill(&certificate, &record->head.memory, &record->certificate));
    record->has_certificate = true;
    record->earliest_not_after = certificate.not_after;
    struct chain_link *chain = arena_take(&record->head.memory, sizeof links);
    *chain = links[0];
    chain->subject = slice_of("CN=An \\, Authority");
    chain->issuer = slice_of("CN=Root");
    record->chain = chain;
    record->chain_count = 1;
    if (chain->not_after < record->earliest_not_after)
        record->earliest_not_after = chain->not_after;
    record->has_trust = record->trust.chain_checked = record->trust.name_checked = true;
    record->trust.error = slice_of("unknown_issuer");
    record->trust.name_matches = true;
    record->trust.matched_name = slice_of("*.example.org");
    record->has_revocation = true;
    record->revocation.status = REVOCATION_REVOKED;
    record->revocation.reason = 4;
    record->revocation.depth = 1;
    record->revocation.revoked_at = 1700000000;
    record->revocation.this_update = 1795000000;
    record->revocation.next_update = 1796000000;
    record->revocation.url = slice_of("http://crl.example/1.crl");
    record->findings = UINT64_C(1) << FINDING_UNTRUSTED | UINT64_C(1) << FINDING_REVOKED;
    const struct judge_policy policy = judge_policy_default();
    judge_record(record, &policy, NOW_MS);
    return record;
}

/* All that a record says, but for its id. */
static inline struct buffer words_of(const struct probe_record *record) {
    struct probe_record same = *record;
    struct field_selection fields;
    struct buffer out;
    memset(same.id, 0, sizeof same.id);

    assert_int_equal(field_selection_init(&fields, &probe_record_kind, NULL, NULL), ERROR_NONE);
    const struct encoding encoding = {&json_encoder, &fields, 0, false};
    buffer_init(&out);
    json_encoder.encode(&encoding, &same.head, &out);
    buffer_add_byte(&out, 0);
    field_selection_deinit(&fields);
    return out;
}

#endif
