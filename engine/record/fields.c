/* The fields of a probe's record, in the order in which they are written. */
#include "engine/record/fields.h"

#include "engine/tls/session.h"

enum { SCHEMA = 1 };

static const struct probe_record *probe_of(const struct record *record) {
    return (const struct probe_record *)record;
}

/* --- Values: each is written in place, for a copy of a value just made would wait for it --- */

static inline void absent(struct value *out) {
    out->kind = VALUE_ABSENT;
}

static inline void bytes(struct value *out, enum value_kind kind, struct slice value) {
    out->kind = value.len ? kind : VALUE_ABSENT;
    out->bytes = value;
}

static inline void text(struct value *out, struct slice value) {
    bytes(out, VALUE_TEXT, value);
}

/* An item of a list, which is there even when it is empty. */
static inline void text_item(struct value *out, struct slice value) {
    out->kind = VALUE_TEXT;
    out->bytes = value;
}

static inline void words(struct value *out, const char *name) {
    text(out, slice_of(name));
}

static inline void number(struct value *out, enum value_kind kind, int64_t value) {
    out->kind = kind;
    out->integer = value;
}

static inline void integer(struct value *out, int64_t value) {
    number(out, VALUE_INTEGER, value);
}

/* A number that is 0 where it is not known. */
static inline void known(struct value *out, enum value_kind kind, int64_t value) {
    number(out, value ? kind : VALUE_ABSENT, value);
}

static inline void microseconds(struct value *out, int64_t us) {
    number(out, us < 0 ? VALUE_ABSENT : VALUE_INTEGER, us);
}

static inline void real(struct value *out, double value) {
    out->kind = VALUE_REAL;
    out->real = value;
}

static inline void boolean(struct value *out, bool value) {
    out->kind = VALUE_BOOLEAN;
    out->boolean = value;
}

static inline void address(struct value *out, const struct address *value) {
    out->kind = value->family == ADDRESS_NONE ? VALUE_ABSENT : VALUE_ADDRESS;
    out->address = value;
}

/* The name of a number of the wire, or the number when nobody has named it. */
static inline void code(struct value *out, const char *name, uint16_t value) {
    if (name)
        words(out, name);
    else
        number(out, VALUE_CODE, value);
}

#define HASH(array) bytes(out, VALUE_HEX, (struct slice){array, sizeof array})

/* --- Getters: `r` is the probe's record, `i` the index of a list's item --- */

#define GETTER(name, statement)                                                                    \
    static void get_##name(const struct record *record, uint32_t i, struct value *out) {           \
        const struct probe_record *r = probe_of(record);                                           \
        (void)r, (void)i;                                                                          \
        statement;                                                                                 \
    }

#define COUNTER(name, expression)                                                                  \
    static uint32_t count_##name(const struct record *record) {                                    \
        const struct probe_record *r = probe_of(record);                                           \
        return (expression);                                                                       \
    }

GETTER(record, words(out, record->kind->name))
GETTER(schema, integer(out, SCHEMA))
GETTER(time, number(out, VALUE_TIME_MS, r->time_ms))
GETTER(host, text(out, r->host))
GETTER(ip, address(out, &r->address))
GETTER(port, integer(out, r->port))
GETTER(protocol, text(out, r->protocol))
GETTER(sni, text(out, r->sni))
GETTER(plan, words(out, plan_name(r->plan)))
GETTER(attempt, integer(out, r->attempt))
GETTER(outcome, words(out, outcome_name(r->outcome)))
GETTER(stage, words(out, stage_name(r->stage)))
GETTER(error, text(out, r->error))
GETTER(addresses, address(out, &r->addresses[i]))
COUNTER(addresses, r->address_count)

GETTER(timing_dns, microseconds(out, r->timing.dns_us))
GETTER(timing_connect, microseconds(out, r->timing.connect_us))
GETTER(timing_starttls, microseconds(out, r->timing.starttls_us))
GETTER(timing_handshake, microseconds(out, r->timing.handshake_us))
GETTER(timing_total, microseconds(out, r->timing.total_us))

#define TLS(name, statement)        GETTER(tls_##name, r->has_tls ? (statement) : absent(out))
#define TLS_CODE(name, table, wire) TLS(name, (wire) ? code(out, table(wire), wire) : absent(out))

TLS_CODE(version, tls_version_name, r->tls.version)
TLS_CODE(cipher, tls_cipher_name, r->tls.cipher)
TLS_CODE(group, tls_group_name, r->tls.group)
TLS(alpn, text(out, r->tls.alpn))
TLS(client_certificate_requested, r->tls.client_certificate_known
                                      ? boolean(out, r->tls.client_certificate_requested)
                                      : absent(out))
TLS(ocsp_stapled, boolean(out, r->tls.ocsp_stapled))
TLS(sct_count, integer(out, r->tls.sct_count))
TLS(key_proven, boolean(out, r->tls.key_proven))
TLS(alert,
    r->tls.alert_received ? code(out, tls_alert_name(r->tls.alert), r->tls.alert) : absent(out))

/* `c` is the leaf certificate */
#define LEAF(name, statement)                                                                      \
    static void get_leaf_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct certificate_fields *c = &probe_of(record)->certificate;                       \
        (void)i;                                                                                   \
        probe_of(record)->has_certificate ? (statement) : absent(out);                             \
    }

#define LEAF_LIST(name, item, length)                                                              \
    static void get_leaf_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct certificate_fields *c = &probe_of(record)->certificate;                       \
        item;                                                                                      \
    }                                                                                              \
    static uint32_t count_leaf_##name(const struct record *record) {                               \
        const struct certificate_fields *c = &probe_of(record)->certificate;                       \
        return probe_of(record)->has_certificate ? (length) : 0;                                   \
    }

LEAF(subject, text(out, c->subject))
LEAF(subject_cn, text(out, c->subject_cn))
LEAF(issuer, text(out, c->issuer))
LEAF(issuer_cn, text(out, c->issuer_cn))
LEAF(issuer_o, text(out, c->issuer_o))
LEAF(serial, bytes(out, VALUE_HEX, c->serial))
LEAF(not_before, number(out, VALUE_TIME, c->not_before))
LEAF(not_after, number(out, VALUE_TIME, c->not_after))
LEAF(lifetime_days, integer(out, c->lifetime_days))
LEAF_LIST(dns_names, text_item(out, c->dns_names.items[i]), c->dns_names.count)
LEAF_LIST(ip_addresses, address(out, &c->ip_addresses[i]), c->ip_address_count)
LEAF_LIST(emails, text_item(out, c->emails.items[i]), c->emails.count)
LEAF_LIST(uris, text_item(out, c->uris.items[i]), c->uris.count)
LEAF(names_total,
     c->names_total > LIMIT_CERTIFICATE_NAMES ? integer(out, c->names_total) : absent(out))
LEAF(fingerprint_sha256, HASH(c->fingerprint_sha256))
LEAF(fingerprint_sha1, HASH(c->fingerprint_sha1))
LEAF(tbs_sha256, c->has_tbs_sha256 ? HASH(c->tbs_sha256) : absent(out))
LEAF(spki_sha256, c->has_spki_sha256 ? HASH(c->spki_sha256) : absent(out))
LEAF(key_type, text(out, c->key_type))
LEAF(key_bits, c->key_bits ? integer(out, c->key_bits) : absent(out))
LEAF(signature_algorithm, text(out, c->signature_algorithm))
LEAF(is_ca, boolean(out, c->is_ca))
LEAF(self_signed, boolean(out, c->self_signed))
LEAF_LIST(ocsp_urls, text_item(out, c->ocsp_urls.items[i]), c->ocsp_urls.count)
LEAF_LIST(crl_urls, text_item(out, c->crl_urls.items[i]), c->crl_urls.count)
LEAF(der, bytes(out, VALUE_BASE64, c->der))

GETTER(certificate_der, bytes(out, VALUE_BASE64, r->unparsable_der))

COUNTER(chain, r->chain_count)
GETTER(link_subject, text(out, r->chain[i].subject))
GETTER(link_issuer, text(out, r->chain[i].issuer))
GETTER(link_not_after,
       r->chain[i].readable ? number(out, VALUE_TIME, r->chain[i].not_after) : absent(out))
GETTER(link_fingerprint_sha256, HASH(r->chain[i].fingerprint_sha256))

GETTER(trust_trusted,
       r->has_trust && r->trust.chain_checked ? boolean(out, r->trust.trusted) : absent(out))
GETTER(trust_error, r->has_trust ? text(out, r->trust.error) : absent(out))
GETTER(trust_name_matches,
       r->has_trust && r->trust.name_checked ? boolean(out, r->trust.name_matches) : absent(out))
GETTER(trust_matched_name, r->has_trust ? text(out, r->trust.matched_name) : absent(out))
GETTER(trust_chain_not_after,
       r->has_trust ? known(out, VALUE_TIME, r->trust.chain_not_after) : absent(out))
GETTER(trust_earliest_not_after, known(out, VALUE_TIME, r->earliest_not_after))

GETTER(days_left, r->has_days_left ? real(out, r->days_left) : absent(out))
GETTER(status, words(out, status_name(r->status)))

static uint64_t known_findings(const struct probe_record *record) {
    return record->findings & ((UINT64_C(1) << FINDING_COUNT) - 1);
}

COUNTER(findings, (uint32_t)__builtin_popcountll(known_findings(r)))

static void get_findings(const struct record *record, uint32_t i, struct value *out) {
    uint64_t left = known_findings(probe_of(record));

    while (i--)
        left &= left - 1; /* without its lowest bit */
    words(out, finding_name((enum finding)__builtin_ctzll(left)));
}

/* --- The table --- */

#define FIELD(name, getter, kind, ...) {name, kind, .get = get_##getter, __VA_ARGS__}
#define LIST(name, getter, kind, ...)                                                              \
    {name, kind, .get = get_##getter, .count = count_##getter, __VA_ARGS__}

#define SUMMARY(words) .summary = words
#define ALWAYS         .always = true
#define ON_REQUEST     .on_request = true

static const struct field LINK_FIELDS[] = {
    FIELD("subject", link_subject, VALUE_TEXT, SUMMARY("subject, as RFC 4514 writes it")),
    FIELD("issuer", link_issuer, VALUE_TEXT, SUMMARY("issuer, likewise")),
    FIELD("not_after", link_not_after, VALUE_TIME, SUMMARY("last second of validity")),
    FIELD("fingerprint_sha256", link_fingerprint_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the certificate")),
};

_Static_assert(sizeof LINK_FIELDS / sizeof LINK_FIELDS[0] <= MEMBERS_MAX, "too many members");

static const struct field PROBE_FIELDS[] = {
    FIELD("record", record, VALUE_TEXT, SUMMARY("kind of record: \"probe\"")),
    FIELD("schema", schema, VALUE_INTEGER, SUMMARY("version of this record's layout: 1")),
    FIELD("time", time, VALUE_TIME_MS, SUMMARY("when the probe began")),
    FIELD("host", host, VALUE_TEXT, SUMMARY("name or address, as it was given")),
    FIELD("ip", ip, VALUE_ADDRESS, SUMMARY("address that was connected to"), ALWAYS),
    FIELD("port", port, VALUE_INTEGER, SUMMARY("TCP port")),
    FIELD("protocol", protocol, VALUE_TEXT, SUMMARY("\"tls\", or the protocol of the STARTTLS")),
    FIELD("sni", sni, VALUE_TEXT, SUMMARY("server name that was sent, if any")),
    FIELD("plan", plan, VALUE_TEXT, SUMMARY("how the result was got: handshake or grab")),
    FIELD("attempt", attempt, VALUE_INTEGER, SUMMARY("number of the connection, from 1")),
    FIELD("outcome", outcome, VALUE_TEXT, SUMMARY("how the probe ended: ok, refused, timeout ...")),
    FIELD("stage", stage, VALUE_TEXT,
          SUMMARY("where it ended: dns, connect, starttls, handshake, done")),
    FIELD("error", error, VALUE_TEXT, SUMMARY("what went wrong, for a person")),
    LIST("addresses", addresses, VALUE_ADDRESS, SUMMARY("all addresses of the name"), ALWAYS),

    FIELD("timing_us.dns", timing_dns, VALUE_INTEGER, SUMMARY("microseconds to resolve the name")),
    FIELD("timing_us.connect", timing_connect, VALUE_INTEGER, SUMMARY("to connect")),
    FIELD("timing_us.starttls", timing_starttls, VALUE_INTEGER, SUMMARY("for STARTTLS")),
    FIELD("timing_us.handshake", timing_handshake, VALUE_INTEGER, SUMMARY("for the handshake")),
    FIELD("timing_us.total", timing_total, VALUE_INTEGER, SUMMARY("from start to end")),

    FIELD("tls.version", tls_version, VALUE_TEXT, SUMMARY("\"TLS 1.3\"")),
    FIELD("tls.cipher", tls_cipher, VALUE_TEXT, SUMMARY("cipher suite, by its IANA name")),
    FIELD("tls.group", tls_group, VALUE_TEXT, SUMMARY("key exchange group: \"X25519\"")),
    FIELD("tls.alpn", tls_alpn, VALUE_TEXT, SUMMARY("protocol that the server chose by ALPN")),
    FIELD("tls.client_certificate_requested", tls_client_certificate_requested, VALUE_BOOLEAN,
          SUMMARY("the server asked for a client certificate; absent when unknown")),
    FIELD("tls.ocsp_stapled", tls_ocsp_stapled, VALUE_BOOLEAN,
          SUMMARY("an OCSP response was stapled")),
    FIELD("tls.sct_count", tls_sct_count, VALUE_INTEGER,
          SUMMARY("SCTs stapled, those in the certificate not counted")),
    FIELD("tls.key_proven", tls_key_proven, VALUE_BOOLEAN,
          SUMMARY("the server proved that it holds the certificate's key")),
    FIELD("tls.alert", tls_alert, VALUE_TEXT, SUMMARY("fatal alert that the server sent")),

    FIELD("certificate.subject", leaf_subject, VALUE_TEXT,
          SUMMARY("subject, as RFC 4514 writes it")),
    FIELD("certificate.subject_cn", leaf_subject_cn, VALUE_TEXT, SUMMARY("its common name")),
    FIELD("certificate.issuer", leaf_issuer, VALUE_TEXT, SUMMARY("issuer, as RFC 4514 writes it")),
    FIELD("certificate.issuer_cn", leaf_issuer_cn, VALUE_TEXT, SUMMARY("its common name")),
    FIELD("certificate.issuer_o", leaf_issuer_o, VALUE_TEXT, SUMMARY("its organization")),
    FIELD("certificate.serial", leaf_serial, VALUE_HEX, SUMMARY("serial number, as encoded")),
    FIELD("certificate.not_before", leaf_not_before, VALUE_TIME,
          SUMMARY("first second of validity")),
    FIELD("certificate.not_after", leaf_not_after, VALUE_TIME, SUMMARY("last second of validity")),
    FIELD("certificate.lifetime_days", leaf_lifetime_days, VALUE_INTEGER,
          SUMMARY("days from the first to the last")),
    LIST("certificate.dns_names", leaf_dns_names, VALUE_TEXT, SUMMARY("DNS names of the SAN")),
    LIST("certificate.ip_addresses", leaf_ip_addresses, VALUE_ADDRESS,
         SUMMARY("IP addresses of the SAN")),
    LIST("certificate.emails", leaf_emails, VALUE_TEXT, SUMMARY("e-mail addresses of the SAN")),
    LIST("certificate.uris", leaf_uris, VALUE_TEXT, SUMMARY("URIs of the SAN")),
    FIELD("certificate.names_total", leaf_names_total, VALUE_INTEGER,
          SUMMARY("names of the SAN, only when they are too many to be all listed")),
    FIELD("certificate.fingerprint_sha256", leaf_fingerprint_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the certificate")),
    FIELD("certificate.fingerprint_sha1", leaf_fingerprint_sha1, VALUE_HEX,
          SUMMARY("SHA-1 of the certificate")),
    FIELD("certificate.tbs_sha256", leaf_tbs_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the RFC 6962 TBS, shared with the precertificate")),
    FIELD("certificate.spki_sha256", leaf_spki_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the public key (SPKI)")),
    FIELD("certificate.key_type", leaf_key_type, VALUE_TEXT, SUMMARY("\"rsa\", \"ec-p256\" ...")),
    FIELD("certificate.key_bits", leaf_key_bits, VALUE_INTEGER, SUMMARY("size of the key")),
    FIELD("certificate.signature_algorithm", leaf_signature_algorithm, VALUE_TEXT,
          SUMMARY("\"sha256WithRSAEncryption\" ...")),
    FIELD("certificate.is_ca", leaf_is_ca, VALUE_BOOLEAN, SUMMARY("it may issue certificates")),
    FIELD("certificate.self_signed", leaf_self_signed, VALUE_BOOLEAN,
          SUMMARY("signed with its own key")),
    LIST("certificate.ocsp_urls", leaf_ocsp_urls, VALUE_TEXT, SUMMARY("OCSP responders")),
    LIST("certificate.crl_urls", leaf_crl_urls, VALUE_TEXT, SUMMARY("CRL distribution points")),
    FIELD("certificate.der", leaf_der, VALUE_BASE64, SUMMARY("the whole certificate"), ON_REQUEST),

    FIELD("certificate_der", certificate_der, VALUE_BASE64,
          SUMMARY("the server's certificate when it could not be parsed")),

    {.name = "chain",
     .summary = "certificates sent behind the server's own: subject, issuer, not_after, "
                "fingerprint_sha256",
     .count = count_chain,
     .members = LINK_FIELDS,
     .member_count = sizeof LINK_FIELDS / sizeof LINK_FIELDS[0]},

    FIELD("trust.trusted", trust_trusted, VALUE_BOOLEAN,
          SUMMARY("a path leads to a trusted root; absent when not verified")),
    FIELD("trust.error", trust_error, VALUE_TEXT, SUMMARY("why not: unknown_issuer, expired ...")),
    FIELD("trust.name_matches", trust_name_matches, VALUE_BOOLEAN,
          SUMMARY("the certificate is for this host (RFC 9525)")),
    FIELD("trust.matched_name", trust_matched_name, VALUE_TEXT, SUMMARY("name that matched")),
    FIELD("trust.chain_not_after", trust_chain_not_after, VALUE_TIME,
          SUMMARY("earliest end on the verified path")),
    FIELD("trust.earliest_not_after", trust_earliest_not_after, VALUE_TIME,
          SUMMARY("earliest end of all certificates sent")),

    FIELD("days_left", days_left, VALUE_REAL,
          SUMMARY("days until the certificate expires, negative afterwards"), ALWAYS),
    FIELD("status", status, VALUE_TEXT, SUMMARY("unknown, ok, warning, critical or error")),
    LIST("findings", findings, VALUE_TEXT, SUMMARY("what is wrong: expired, self_signed ..."),
         ALWAYS),
};

_Static_assert(sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0] <= FIELDS_MAX, "too many fields");
_Static_assert(FINDING_COUNT < 64, "findings are bits of 64");

const struct record_kind probe_record_kind = {
    .name = "probe",
    .fields = PROBE_FIELDS,
    .field_count = sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0],
};
