#include "engine/record/certificate_rows.h"

#include "engine/base/limits.h"
#include "engine/record/ct_record.h"

const struct certificate_fields *record_certificate(const struct record *record) {
    const struct probe_record *probe = probe_record_of(record);
    const struct ct_record *entry = ct_record_of(record);

    if (probe)
        return probe->has_certificate ? &probe->certificate : NULL;
    return entry && entry->has_certificate ? &entry->certificate : NULL;
}

/* `c` is the certificate, `i` the index of a list's item */
#define CERTIFICATE(name, statement)                                                               \
    void row_certificate_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct certificate_fields *c = record_certificate(record);                           \
        (void)i;                                                                                   \
        c ? (statement) : absent(out);                                                             \
    }

#define CERTIFICATE_LIST(name, item, length)                                                       \
    void row_certificate_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct certificate_fields *c = record_certificate(record);                           \
        item;                                                                                      \
    }                                                                                              \
    uint32_t row_certificate_##name##_count(const struct record *record) {                         \
        const struct certificate_fields *c = record_certificate(record);                           \
        return c ? (length) : 0;                                                                   \
    }

CERTIFICATE(subject, text(out, c->subject))
CERTIFICATE(subject_cn, text(out, c->subject_cn))
CERTIFICATE(issuer, text(out, c->issuer))
CERTIFICATE(issuer_cn, text(out, c->issuer_cn))
CERTIFICATE(issuer_o, text(out, c->issuer_o))
CERTIFICATE(serial, bytes(out, VALUE_HEX, c->serial))
CERTIFICATE(not_before, c->has_validity ? number(out, VALUE_TIME, c->not_before) : absent(out))
CERTIFICATE(not_after, c->has_validity ? number(out, VALUE_TIME, c->not_after) : absent(out))
CERTIFICATE(lifetime_days, c->has_validity ? integer(out, c->lifetime_days) : absent(out))
CERTIFICATE_LIST(dns_names, text_item(out, c->dns_names.items[i]), c->dns_names.count)
CERTIFICATE_LIST(ip_addresses, address(out, &c->ip_addresses[i]), c->ip_address_count)
CERTIFICATE_LIST(emails, text_item(out, c->emails.items[i]), c->emails.count)
CERTIFICATE_LIST(uris, text_item(out, c->uris.items[i]), c->uris.count)
CERTIFICATE(names_total,
            c->names_total > LIMIT_CERTIFICATE_NAMES ? integer(out, c->names_total) : absent(out))
CERTIFICATE(fingerprint_sha256,
            c->has_fingerprint_sha256 ? HASH(c->fingerprint_sha256) : absent(out))
CERTIFICATE(fingerprint_sha1, c->has_fingerprint_sha1 ? HASH(c->fingerprint_sha1) : absent(out))
CERTIFICATE(tbs_sha256, c->has_tbs_sha256 ? HASH(c->tbs_sha256) : absent(out))
CERTIFICATE(spki_sha256, c->has_spki_sha256 ? HASH(c->spki_sha256) : absent(out))
CERTIFICATE(key_type, text(out, c->key_type))
CERTIFICATE(key_bits, c->key_bits ? integer(out, c->key_bits) : absent(out))
CERTIFICATE(signature_algorithm, text(out, c->signature_algorithm))
CERTIFICATE(is_ca, c->told ? absent(out) : boolean(out, c->is_ca))
CERTIFICATE(self_signed, c->told ? absent(out) : boolean(out, c->self_signed))
CERTIFICATE_LIST(ocsp_urls, text_item(out, c->ocsp_urls.items[i]), c->ocsp_urls.count)
CERTIFICATE_LIST(crl_urls, text_item(out, c->crl_urls.items[i]), c->crl_urls.count)
CERTIFICATE(der, bytes(out, VALUE_BASE64, c->der))

/* --- The chain behind it --- */

static const struct chain_link *link_of(const struct record *record, uint32_t i) {
    const struct probe_record *probe = probe_record_of(record);
    return probe ? &probe->chain[i] : &ct_record_of(record)->chain[i];
}

uint32_t row_chain_count(const struct record *record) {
    const struct probe_record *probe = probe_record_of(record);
    return probe ? probe->chain_count : ct_record_of(record)->chain_count;
}

/* `l` is the certificate of the chain */
#define LINK(name, statement)                                                                      \
    static void get_link_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct chain_link *l = link_of(record, i);                                           \
        statement;                                                                                 \
    }

LINK(subject, text(out, l->subject))
LINK(issuer, text(out, l->issuer))
LINK(not_after, l->readable ? number(out, VALUE_TIME, l->not_after) : absent(out))
LINK(fingerprint_sha256, HASH(l->fingerprint_sha256))

const struct field row_chain_fields[CHAIN_LINK_FIELDS] = {
    FIELD("subject", link_subject, VALUE_TEXT, SUMMARY("subject, as RFC 4514 writes it")),
    FIELD("issuer", link_issuer, VALUE_TEXT, SUMMARY("issuer, likewise")),
    FIELD("not_after", link_not_after, VALUE_TIME, SUMMARY("last second of validity")),
    FIELD("fingerprint_sha256", link_fingerprint_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the certificate")),
};

_Static_assert((int)CHAIN_LINK_FIELDS <= (int)MEMBERS_MAX, "too many members");
