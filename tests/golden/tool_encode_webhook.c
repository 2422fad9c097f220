/* Writes what webhooks are sent, a line each, to standard output: alerts that resemble the example
 * of certwatch's documentation, one with everything, one with next to nothing, an entry without a
 * verdict, then the sample records as events.
 *
 *     tool_encode_webhook [FIELDS]      FIELDS of the events
 */
#include "engine/record/ct_record.h"
#include "engine/record/encoder.h"
#include "tests/golden/sample_records.h"

#include <string.h>

static struct ct_record *alert_new(void) {
    struct ct_record *r = ct_record_new(0);
    if (!r)
        abort();
    r->time_ms = 1761918776999;
    r->seen_ms = 1761918776900;
    return r;
}

/* certwatch's own example, as far as it is written out. */
static struct ct_record *example(void) {
    static const uint8_t SERIAL[] = {0x00, 0xB7, 0x59, 0x15, 0x41, 0x94, 0xBB, 0xEA, 0x62,
                                     0x11, 0x72, 0xF2, 0xF8, 0x1C, 0x10, 0x17, 0xCD};
    struct ct_record *r = alert_new();
    struct certificate_fields *c = &r->certificate;

    r->update = CT_UPDATE_PRECERT;
    r->source_log = slice_of("Google 'Argon2026h1' log");
    r->cert_link = slice_of("https://ct.googleapis.com/...");
    r->verdict = CT_VERDICT_SUSPICIOUS;
    r->matched_entries = SAMPLE_LIST(SAMPLE_ITEM("ethereum.org"));
    r->matched_names = SAMPLE_LIST(SAMPLE_ITEM("foo.ethereum.org"));
    r->has_certificate = r->has_fingerprint = true;
    c->has_fingerprint_sha1 = c->has_validity = true;
    c->dns_names = SAMPLE_LIST(SAMPLE_ITEM("foo.ethereum.org"), SAMPLE_ITEM("bar.example.com"));
    c->issuer_o = slice_of("Google Trust Services");
    c->issuer_cn = slice_of("WE1");
    c->not_before = 1761915088;
    c->not_after = 1769694679;
    c->serial = (struct slice){SERIAL, sizeof SERIAL};
    sample_hash(c->fingerprint_sha1, sizeof c->fingerprint_sha1, 0x94);
    return r;
}

static struct ct_record *everything(void) {
    static const uint8_t SERIAL[] = {0x0a};
    struct ct_record *r = alert_new();
    struct certificate_fields *c = &r->certificate;

    r->update = CT_UPDATE_X509;
    r->source_log = slice_of("log \"of\" \x1b[2J \xff\xe2\x80\xae");
    r->cert_link = slice_of("https://ct.example/?a=1&b=\\");
    r->verdict = CT_VERDICT_LOOKALIKE;
    r->known_by = CT_KNOWN_KEY;
    r->matched_entries = SAMPLE_LIST(SAMPLE_ITEM(""), SAMPLE_ITEM("\x00"));
    r->has_certificate = r->has_fingerprint = r->has_log_id = r->has_index = r->has_timestamp =
        true;
    r->index = 12345678901;
    r->entry_ms = 1761915089123;
    r->brand = slice_of("paypal");
    r->lookalike = slice_of("confusable added-word");
    r->lookalike_score = 87;
    r->error = slice_of("the precertificate is not the one that was logged");
    c->subject_cn = slice_of("p\xc3\xa4ypal.example");
    c->issuer_cn = slice_of("\xf0\x9f\x90\x9f");
    c->not_before = 1769694679;
    c->not_after = 1769694679 - 131328; /* 1.52 days before it begins */
    c->serial = (struct slice){SERIAL, sizeof SERIAL};
    c->has_tbs_sha256 = c->has_spki_sha256 = c->has_validity = true;
    c->has_fingerprint_sha1 = c->has_fingerprint_sha256 = true;
    sample_hash(c->fingerprint_sha1, sizeof c->fingerprint_sha1, 1);
    sample_hash(c->fingerprint_sha256, sizeof c->fingerprint_sha256, 2);
    sample_hash(c->tbs_sha256, sizeof c->tbs_sha256, 3);
    sample_hash(c->spki_sha256, sizeof c->spki_sha256, 4);
    sample_hash(r->log_id, sizeof r->log_id, 5);
    sample_hash(r->issuance_id, sizeof r->issuance_id, 6);
    return r;
}

static struct ct_record *next_to_nothing(void) {
    struct ct_record *r = alert_new();

    r->verdict = CT_VERDICT_MALFORMED;
    return r;
}

static struct ct_record *without_verdict(uint64_t index) {
    struct ct_record *r = example();

    r->verdict = CT_VERDICT_NONE;
    r->has_index = true;
    r->index = index;
    return r;
}

int main(int argc, char **argv) {
    struct ct_record *alerts[] = {example(), everything(), next_to_nothing(), without_verdict(7),
                                  without_verdict(8)};
    struct probe_record *records[SAMPLE_COUNT];
    struct field_selection selection;
    struct failure failure;
    struct buffer out;
    struct encoding encoding = {.encoder = &webhook_encoder, .fields = &selection};

    if (field_selection_init(&selection, &probe_record_kind, argc > 1 ? argv[1] : NULL, &failure)) {
        fprintf(stderr, "%s\n", failure.text);
        return 2;
    }
    buffer_init(&out);
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        webhook_encoder.encode(&encoding, &alerts[i]->head, &out);
        record_put(&alerts[i]->head);
    }
    sample_records_new(records);
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        webhook_encoder.encode(&encoding, &records[i]->head, &out);
    sample_records_put(records);
    size_t written = fwrite(out.ptr, 1, out.len, stdout);
    bool ok = !out.failed && written == out.len && fflush(stdout) == 0;
    buffer_deinit(&out);
    field_selection_deinit(&selection);
    return ok ? 0 : 1;
}
