/* The rows of a certificate and of its chain, the same in the tables of every kind of record. */
#ifndef ENGINE_RECORD_CERTIFICATE_ROWS_H
#define ENGINE_RECORD_CERTIFICATE_ROWS_H

#include "engine/record/field_values.h"

/* NULL when the record has none. */
const struct certificate_fields *record_certificate(const struct record *record);

#define CERTIFICATE_GETTER(name)                                                                   \
    void row_certificate_##name(const struct record *record, uint32_t i, struct value *out)
#define CERTIFICATE_COUNTER(name)                                                                  \
    CERTIFICATE_GETTER(name);                                                                      \
    uint32_t row_certificate_##name##_count(const struct record *record)

CERTIFICATE_GETTER(subject);
CERTIFICATE_GETTER(subject_cn);
CERTIFICATE_GETTER(issuer);
CERTIFICATE_GETTER(issuer_cn);
CERTIFICATE_GETTER(issuer_o);
CERTIFICATE_GETTER(serial);
CERTIFICATE_GETTER(not_before);
CERTIFICATE_GETTER(not_after);
CERTIFICATE_GETTER(lifetime_days);
CERTIFICATE_GETTER(names_total);
CERTIFICATE_GETTER(fingerprint_sha256);
CERTIFICATE_GETTER(fingerprint_sha1);
CERTIFICATE_GETTER(tbs_sha256);
CERTIFICATE_GETTER(spki_sha256);
CERTIFICATE_GETTER(key_type);
CERTIFICATE_GETTER(key_bits);
CERTIFICATE_GETTER(signature_algorithm);
CERTIFICATE_GETTER(is_ca);
CERTIFICATE_GETTER(self_signed);
CERTIFICATE_GETTER(der);
CERTIFICATE_COUNTER(dns_names);
CERTIFICATE_COUNTER(ip_addresses);
CERTIFICATE_COUNTER(emails);
CERTIFICATE_COUNTER(uris);
CERTIFICATE_COUNTER(ocsp_urls);
CERTIFICATE_COUNTER(crl_urls);

#define CERTIFICATE_FIELD(name, getter, kind, ...)                                                 \
    {name, kind, .get = row_certificate_##getter, __VA_ARGS__}
#define CERTIFICATE_LIST_FIELD(name, getter, kind, ...)                                            \
    {name, kind, .get = row_certificate_##getter, .count = row_certificate_##getter##_count,       \
     __VA_ARGS__}

#define CERTIFICATE_ROWS                                                                           \
    CERTIFICATE_FIELD("certificate.subject", subject, VALUE_TEXT,                                  \
                      SUMMARY("subject, as RFC 4514 writes it"), PARTS(PART_SUBJECT)),             \
        CERTIFICATE_FIELD("certificate.subject_cn", subject_cn, VALUE_TEXT,                        \
                          SUMMARY("its common name"), PARTS(PART_SUBJECT)),                        \
        CERTIFICATE_FIELD("certificate.issuer", issuer, VALUE_TEXT,                                \
                          SUMMARY("issuer, as RFC 4514 writes it"), PARTS(PART_ISSUER)),           \
        CERTIFICATE_FIELD("certificate.issuer_cn", issuer_cn, VALUE_TEXT,                          \
                          SUMMARY("its common name"), PARTS(PART_ISSUER)),                         \
        CERTIFICATE_FIELD("certificate.issuer_o", issuer_o, VALUE_TEXT,                            \
                          SUMMARY("its organization"), PARTS(PART_ISSUER)),                        \
        CERTIFICATE_FIELD("certificate.serial", serial, VALUE_HEX,                                 \
                          SUMMARY("serial number, as encoded")),                                   \
        CERTIFICATE_FIELD("certificate.not_before", not_before, VALUE_TIME,                        \
                          SUMMARY("first second of validity")),                                    \
        CERTIFICATE_FIELD("certificate.not_after", not_after, VALUE_TIME,                          \
                          SUMMARY("last second of validity")),                                     \
        CERTIFICATE_FIELD("certificate.lifetime_days", lifetime_days, VALUE_INTEGER,               \
                          SUMMARY("days from the first to the last")),                             \
        CERTIFICATE_LIST_FIELD("certificate.dns_names", dns_names, VALUE_TEXT,                     \
                               SUMMARY("DNS names of the SAN"), PARTS(PART_NAMES)),                \
        CERTIFICATE_LIST_FIELD("certificate.ip_addresses", ip_addresses, VALUE_ADDRESS,            \
                               SUMMARY("IP addresses of the SAN"), PARTS(PART_NAMES)),             \
        CERTIFICATE_LIST_FIELD("certificate.emails", emails, VALUE_TEXT,                           \
                               SUMMARY("e-mail addresses of the SAN"), PARTS(PART_NAMES)),         \
        CERTIFICATE_LIST_FIELD("certificate.uris", uris, VALUE_TEXT, SUMMARY("URIs of the SAN"),   \
                               PARTS(PART_NAMES)),                                                 \
        CERTIFICATE_FIELD(                                                                         \
            "certificate.names_total", names_total, VALUE_INTEGER,                                 \
            SUMMARY("names of the SAN, only when they are too many to be all listed"),             \
            PARTS(PART_NAMES)),                                                                    \
        CERTIFICATE_FIELD("certificate.fingerprint_sha256", fingerprint_sha256, VALUE_HEX,         \
                          SUMMARY("SHA-256 of the certificate"), PARTS(PART_FINGERPRINT_SHA256)),  \
        CERTIFICATE_FIELD("certificate.fingerprint_sha1", fingerprint_sha1, VALUE_HEX,             \
                          SUMMARY("SHA-1 of the certificate"), PARTS(PART_FINGERPRINT_SHA1)),      \
        CERTIFICATE_FIELD("certificate.tbs_sha256", tbs_sha256, VALUE_HEX,                         \
                          SUMMARY("SHA-256 of the RFC 6962 TBS, shared with the precertificate"),  \
                          PARTS(PART_TBS_SHA256)),                                                 \
        CERTIFICATE_FIELD("certificate.spki_sha256", spki_sha256, VALUE_HEX,                       \
                          SUMMARY("SHA-256 of the public key (SPKI)"), PARTS(PART_SPKI_SHA256)),   \
        CERTIFICATE_FIELD("certificate.key_type", key_type, VALUE_TEXT,                            \
                          SUMMARY("\"rsa\", \"ec-p256\" ..."), PARTS(PART_KEY)),                   \
        CERTIFICATE_FIELD("certificate.key_bits", key_bits, VALUE_INTEGER,                         \
                          SUMMARY("size of the key"), PARTS(PART_KEY)),                            \
        CERTIFICATE_FIELD("certificate.signature_algorithm", signature_algorithm, VALUE_TEXT,      \
                          SUMMARY("\"sha256WithRSAEncryption\" ..."), PARTS(PART_KEY)),            \
        CERTIFICATE_FIELD("certificate.is_ca", is_ca, VALUE_BOOLEAN,                               \
                          SUMMARY("it may issue certificates")),                                   \
        CERTIFICATE_FIELD("certificate.self_signed", self_signed, VALUE_BOOLEAN,                   \
                          SUMMARY("signed with its own key"), PARTS(PART_KEY)),                    \
        CERTIFICATE_LIST_FIELD("certificate.ocsp_urls", ocsp_urls, VALUE_TEXT,                     \
                               SUMMARY("OCSP responders"), PARTS(PART_URLS)),                      \
        CERTIFICATE_LIST_FIELD("certificate.crl_urls", crl_urls, VALUE_TEXT,                       \
                               SUMMARY("CRL distribution points"), PARTS(PART_URLS)),              \
        CERTIFICATE_FIELD("certificate.der", der, VALUE_BASE64, SUMMARY("the whole certificate"),  \
                          ON_REQUEST)

enum { CHAIN_LINK_FIELDS = 4 };
extern const struct field row_chain_fields[CHAIN_LINK_FIELDS];
uint32_t row_chain_count(const struct record *record);

#define CHAIN_ROW(words)                                                                           \
    {.name = "chain",                                                                              \
     .summary = (words),                                                                           \
     .count = row_chain_count,                                                                     \
     .members = row_chain_fields,                                                                  \
     .member_count = CHAIN_LINK_FIELDS,                                                            \
     .parts = PART_CHAIN}

#endif
