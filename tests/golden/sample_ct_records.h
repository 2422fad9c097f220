/* Records of entries of logs, made by hand as sample_records.h makes those of probes. */
#ifndef TESTS_GOLDEN_SAMPLE_CT_RECORDS_H
#define TESTS_GOLDEN_SAMPLE_CT_RECORDS_H

#include "engine/record/ct_record.h"
#include "tests/golden/sample_records.h"

enum { SAMPLE_CT_COUNT = 6 };

static inline struct ct_record *sample_ct_new(const char *log, uint64_t index) {
    struct ct_record *r = ct_record_new(0);
    if (!r)
        abort();
    r->time_ms = 1795233405123; /* 2026-11-21T03:56:45.123Z */
    r->update = CT_UPDATE_X509;
    r->source_log = slice_of(log);
    r->has_index = true;
    r->index = index;
    r->seen_ms = 1795233404999;
    sample_hash(r->issuance_id, sizeof r->issuance_id, (unsigned)index);
    return r;
}

static inline void sample_ct_logged(struct ct_record *r) {
    r->has_log_id = r->has_timestamp = true;
    sample_hash(r->log_id, sizeof r->log_id, 9);
    r->entry_ms = 1795233300001;
}

/* A precertificate that nobody expected, with all that a record can have. */
static inline struct ct_record *sample_ct_suspicious(void) {
    static const uint8_t LINK_DER[60] = {0x30, 58, 9, 8, 7};
    static struct chain_link chain[2] = {
        {.der = {LINK_DER, sizeof LINK_DER},
         .readable = true,
         .subject = {(const uint8_t *)"CN=Example CA 7", 15},
         .issuer = {(const uint8_t *)"CN=Example Root", 15},
         .not_after = 1900000000},
        {.readable = false},
    };
    static struct address addresses[2];
    struct ct_record *r = sample_ct_new("Example 'Oak' log", 4711);

    sample_ct_logged(r);
    sample_hash(chain[0].fingerprint_sha256, 32, 103);
    sample_hash(chain[1].fingerprint_sha256, 32, 104);
    addresses[0] = sample_address("192.0.2.7");
    addresses[1] = sample_address("2001:db8::7");
    r->update = CT_UPDATE_PRECERT;
    r->cert_link = slice_of("https://oak.example.net/2026/tile/data/018");
    r->has_certificate = r->has_fingerprint = true;
    sample_certificate_fields(&r->certificate, 11);
    r->certificate.dns_names =
        SAMPLE_LIST(SAMPLE_ITEM("login.example.org"), SAMPLE_ITEM("*.example.org"));
    r->certificate.emails = SAMPLE_LIST(SAMPLE_ITEM("hostmaster@example.org"));
    r->certificate.uris = SAMPLE_LIST(SAMPLE_ITEM("https://example.org/a b"));
    r->certificate.ip_addresses = addresses;
    r->certificate.ip_address_count = 2;
    r->certificate.names_total = LIMIT_CERTIFICATE_NAMES + 2;
    r->certificate.ocsp_urls = SAMPLE_LIST(SAMPLE_ITEM("http://ocsp.example.net/"));
    r->certificate.crl_urls = SAMPLE_LIST(SAMPLE_ITEM("http://crl.example.net/1.crl"));
    r->chain = chain;
    r->chain_count = 2;
    r->matched_entries = SAMPLE_LIST(SAMPLE_ITEM("Example.ORG"), SAMPLE_ITEM("=login.example.org"));
    r->matched_names = SAMPLE_LIST(SAMPLE_ITEM("login.example.org"), SAMPLE_ITEM("*.example.org"));
    r->verdict = CT_VERDICT_SUSPICIOUS;
    return r;
}

static inline struct ct_record *sample_ct_known(void) {
    struct ct_record *r = sample_ct_new("Example 'Elm' log", 0);

    sample_ct_logged(r);
    r->cert_link = slice_of("https://elm.example.net/ct/v1/get-entries?start=0&end=0");
    r->has_certificate = r->has_fingerprint = true;
    sample_certificate_fields(&r->certificate, 21);
    r->certificate.is_ca = r->certificate.self_signed = true;
    r->matched_entries = SAMPLE_LIST(SAMPLE_ITEM("example.org"));
    r->matched_names = SAMPLE_LIST(SAMPLE_ITEM("www.example.org"));
    r->verdict = CT_VERDICT_INFO;
    r->known_by = CT_KNOWN_TBS;
    return r;
}

/* What a feed tells without a certificate, of a name that only looks like another. */
static inline struct ct_record *sample_ct_lookalike(void) {
    struct ct_record *r = sample_ct_new("Oak\x1b[31m 2026", UINT64_C(9007199254740993));

    r->update = CT_UPDATE_PRECERT;
    r->cert_link = slice_of("javascript:alert(\"1\")");
    r->has_certificate = r->has_fingerprint = true;
    r->certificate = (struct certificate_fields){
        .told = true,
        .subject_cn = slice_of("xn--xample-9uf.org"),
        .issuer_cn = slice_of("Example CA 7"),
        .serial = SAMPLE_BYTES("\x0a\xbc"),
        .dns_names = SAMPLE_LIST(SAMPLE_ITEM("xn--xample-9uf.org"), SAMPLE_ITEM("\xd0\xb5|\xff")),
        .signature_algorithm = slice_of("sha256, rsa"),
        .has_fingerprint_sha1 = true,
    };
    sample_hash(r->certificate.fingerprint_sha1, sizeof r->certificate.fingerprint_sha1, 31);
    r->matched_names = SAMPLE_LIST(SAMPLE_ITEM("xn--xample-9uf.org"));
    r->brand = slice_of("example");
    r->lookalike = slice_of("confusable, added words");
    r->lookalike_score = 95;
    r->verdict = CT_VERDICT_LOOKALIKE;
    return r;
}

static inline struct ct_record *sample_ct_malformed(void) {
    struct ct_record *r = sample_ct_new("Example 'Oak' log", 4712);

    sample_ct_logged(r);
    r->cert_link = slice_of("https://oak.example.net/2026/tile/data/018");
    r->entry = SAMPLE_BYTES("\x00\x00\x01\x9a\xff\x30\x05\x00");
    r->error = slice_of("not a certificate, cut short, or with bytes behind its end");
    r->verdict = CT_VERDICT_MALFORMED;
    return r;
}

/* Of all entries, without a verdict; the precertificate beside the logged TBS is another one. */
static inline struct ct_record *sample_ct_unbound(void) {
    struct ct_record *r = sample_ct_new("Example 'Oak' log", 4713);

    sample_ct_logged(r);
    r->update = CT_UPDATE_PRECERT;
    r->has_certificate = true;
    sample_certificate_fields(&r->certificate, 41);
    r->certificate.der = (struct slice){NULL, 0};
    r->certificate.has_fingerprint_sha256 = r->certificate.has_fingerprint_sha1 = false;
    r->certificate.has_validity = false;
    r->certificate.dns_names = SAMPLE_LIST(SAMPLE_ITEM("=cmd.example.org"), SAMPLE_ITEM("b"));
    r->entry = SAMPLE_BYTES("\xff\xff\xff\xff");
    r->error = slice_of("precertificate differs from the logged TBS");
    return r;
}

/* A feed of names alone. */
static inline struct ct_record *sample_ct_names(void) {
    struct ct_record *r = sample_ct_new("wss://feed.example.net/domains-only", 0);

    r->update = CT_UPDATE_UNKNOWN;
    r->has_index = false;
    r->has_certificate = true;
    r->certificate.told = true;
    r->certificate.dns_names = SAMPLE_LIST(SAMPLE_ITEM("example.org"));
    r->matched_entries = r->matched_names = r->certificate.dns_names;
    r->verdict = CT_VERDICT_SUSPICIOUS;
    return r;
}

static inline void sample_ct_records_new(struct ct_record *records[SAMPLE_CT_COUNT]) {
    records[0] = sample_ct_suspicious();
    records[1] = sample_ct_known();
    records[2] = sample_ct_lookalike();
    records[3] = sample_ct_malformed();
    records[4] = sample_ct_unbound();
    records[5] = sample_ct_names();
}

static inline void sample_ct_records_put(struct ct_record *records[SAMPLE_CT_COUNT]) {
    for (size_t i = 0; i < SAMPLE_CT_COUNT; i++)
        record_put(&records[i]->head);
}

#endif
