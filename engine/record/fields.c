/* The fields of a probe's record, in the order in which they are written. */
#include "engine/record/fields.h"

#include "engine/record/audit_fields.h"
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

/* --- The audit: `a` is what it found --- */

#define AUDIT(name, statement)                                                                     \
    static void get_audit_##name(const struct record *record, uint32_t i, struct value *out) {     \
        const struct audit_fields *fields = probe_of(record)->audit;                               \
        const struct tls_audit_result *a = fields ? &fields->found : NULL;                         \
        (void)i;                                                                                   \
        a ? (statement) : absent(out);                                                             \
    }

#define AUDIT_LIST(name, item, length)                                                             \
    static void get_audit_##name(const struct record *record, uint32_t i, struct value *out) {     \
        const struct audit_fields *fields = probe_of(record)->audit;                               \
        const struct tls_audit_result *a = &fields->found;                                         \
        (void)a;                                                                                   \
        item;                                                                                      \
    }                                                                                              \
    static uint32_t count_audit_##name(const struct record *record) {                              \
        const struct audit_fields *fields = probe_of(record)->audit;                               \
        const struct tls_audit_result *a = fields ? &fields->found : NULL;                         \
        return a ? (length) : 0;                                                                   \
    }

static bool is_offered(const struct tls_audit_version *version) {
    return version->offered == TLS_AUDIT_YES;
}

static bool has_server_order(const struct tls_audit_version *version) {
    return version->order == TLS_AUDIT_ORDER_SERVER;
}

/* Unknown, or offered and not asked to the end. */
static bool is_incomplete(const struct tls_audit_version *version) {
    return version->offered == TLS_AUDIT_UNKNOWN ||
           (is_offered(version) && !version->suites_complete);
}

static uint32_t count_versions(const struct tls_audit_result *a,
                               bool (*wanted)(const struct tls_audit_version *version)) {
    uint32_t count = 0;
    for (size_t i = 0; i < TLS_AUDIT_VERSIONS; i++)
        count += wanted(&a->versions[i]);
    return count;
}

/* The one with so many wanted ones before it. */
static void version_item(struct value *out, const struct tls_audit_result *a, uint32_t before,
                         bool (*wanted)(const struct tls_audit_version *version)) {
    const struct tls_audit_version *version = a->versions;
    while (!wanted(version) || before-- > 0)
        version++;
    words(out, tls_version_name(version->version));
}

static inline void fact(struct value *out, uint8_t value) {
    out->kind = value == TLS_AUDIT_UNKNOWN ? VALUE_ABSENT : VALUE_BOOLEAN;
    out->boolean = value == TLS_AUDIT_YES;
}

static void suite(struct value *out, uint16_t number) {
    code(out, tls_cipher_name(number), number);
}

static void group(struct value *out, uint16_t number) {
    code(out, tls_group_name(number), number);
}

static const char *stop_name(uint8_t stop) {
    static const char *const names[] = {[TLS_AUDIT_OUT_OF_CONNECTIONS] = "out_of_connections",
                                        [TLS_AUDIT_UNREACHABLE] = "unreachable",
                                        [TLS_AUDIT_OUT_OF_MEMORY] = "out_of_memory"};
    return names[stop];
}

AUDIT_LIST(versions, version_item(out, a, i, is_offered), count_versions(a, is_offered))
AUDIT_LIST(tls13_suites, suite(out, a->versions[0].suites[i]), a->versions[0].suite_count)
AUDIT_LIST(tls12_suites, suite(out, a->versions[1].suites[i]), a->versions[1].suite_count)
AUDIT_LIST(tls11_suites, suite(out, a->versions[2].suites[i]), a->versions[2].suite_count)
AUDIT_LIST(tls10_suites, suite(out, a->versions[3].suites[i]), a->versions[3].suite_count)
AUDIT_LIST(ssl30_suites, suite(out, a->versions[4].suites[i]), a->versions[4].suite_count)
AUDIT_LIST(server_order, version_item(out, a, i, has_server_order),
           count_versions(a, has_server_order))
AUDIT_LIST(incomplete, version_item(out, a, i, is_incomplete), count_versions(a, is_incomplete))
AUDIT_LIST(tls13_groups, group(out, a->groups13.ids[i]), a->groups13.count)
AUDIT_LIST(tls12_groups, group(out, a->groups12.ids[i]), a->groups12.count)
AUDIT_LIST(alpn, text(out, a->protocols[i]), a->protocol_count)
AUDIT(dh_bits, known(out, VALUE_INTEGER, a->dh_bits))
AUDIT(secure_renegotiation, fact(out, a->secure_renegotiation))
AUDIT(compression, fact(out, a->compression))
AUDIT(session_tickets, fact(out, a->session_tickets))
AUDIT(session_ids, fact(out, a->session_ids))
AUDIT(extended_master_secret, fact(out, a->extended_master_secret))
AUDIT(encrypt_then_mac, fact(out, a->encrypt_then_mac))
AUDIT(heartbeat, fact(out, a->heartbeat))
AUDIT(fallback_scsv, fact(out, a->fallback_scsv))
AUDIT(client_certificate, fact(out, a->client_certificate))
AUDIT_LIST(ca_names, text_item(out, fields->ca_names.items[i]), fields->ca_names.count)
AUDIT(jarm, words(out, a->jarm))
AUDIT(connections, integer(out, a->connections))
AUDIT(stopped, a->stop ? words(out, stop_name(a->stop)) : absent(out))

/* `o` is what the response says of the certificate */
#define OCSP(name, statement)                                                                      \
    static void get_ocsp_##name(const struct record *record, uint32_t i, struct value *out) {      \
        const struct ocsp_fields *fields = probe_of(record)->ocsp;                                 \
        const struct ocsp_answer *o = fields ? &fields->answer : NULL;                             \
        (void)i;                                                                                   \
        o && fields->result == OCSP_READ ? (statement) : absent(out);                              \
    }

OCSP(status, words(out, ocsp_status_name((enum ocsp_status)o->status)))
OCSP(signature, words(out, ocsp_signature_name((enum ocsp_signature)o->signature)))
OCSP(this_update, known(out, VALUE_TIME, o->this_update))
OCSP(next_update, known(out, VALUE_TIME, o->next_update))
OCSP(revoked_at, known(out, VALUE_TIME, o->revoked_at))
GETTER(ocsp_error, r->ocsp && r->ocsp->result != OCSP_READ
                       ? words(out, ocsp_result_name(r->ocsp->result))
                       : absent(out))

COUNTER(scts, r->sct_count)
GETTER(sct_source, words(out, sct_source_name((enum sct_source)r->scts[i].source)))
GETTER(sct_verdict, words(out, sct_verdict_name((enum sct_verdict)r->scts[i].verdict)))
GETTER(sct_log_id, HASH(r->scts[i].log_id))
GETTER(sct_time, number(out, VALUE_TIME_MS, r->scts[i].time_ms))

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

static const struct field SCT_FIELDS[] = {
    FIELD("source", sct_source, VALUE_TEXT, SUMMARY("embedded, ocsp or tls")),
    FIELD("verdict", sct_verdict, VALUE_TEXT,
          SUMMARY("valid, invalid, unknown_log, or unchecked when the issuer is not known")),
    FIELD("log_id", sct_log_id, VALUE_HEX, SUMMARY("SHA-256 of the log's key")),
    FIELD("time", sct_time, VALUE_TIME_MS, SUMMARY("when the log signed")),
};

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

    FIELD("ocsp.status", ocsp_status, VALUE_TEXT,
          SUMMARY("what the stapled response says: good, revoked or unknown")),
    FIELD("ocsp.signature", ocsp_signature, VALUE_TEXT,
          SUMMARY("valid, invalid, or unchecked when the issuer is not known")),
    FIELD("ocsp.this_update", ocsp_this_update, VALUE_TIME, SUMMARY("since when it says so")),
    FIELD("ocsp.next_update", ocsp_next_update, VALUE_TIME, SUMMARY("until when, if it says")),
    FIELD("ocsp.revoked_at", ocsp_revoked_at, VALUE_TIME, SUMMARY("when it was revoked")),
    FIELD("ocsp.error", ocsp_error, VALUE_TEXT,
          SUMMARY("why it says nothing: malformed, unsuccessful, other_certificate")),

    {.name = "scts",
     .summary = "signed certificate timestamps: source, verdict, log_id, time",
     .count = count_scts,
     .members = SCT_FIELDS,
     .member_count = sizeof SCT_FIELDS / sizeof SCT_FIELDS[0]},

    LIST("audit.versions", audit_versions, VALUE_TEXT, SUMMARY("versions that the server speaks")),
    LIST("audit.tls13_suites", audit_tls13_suites, VALUE_TEXT,
         SUMMARY("cipher suites of TLS 1.3, the server's favourite first if it has one")),
    LIST("audit.tls12_suites", audit_tls12_suites, VALUE_TEXT, SUMMARY("of TLS 1.2")),
    LIST("audit.tls11_suites", audit_tls11_suites, VALUE_TEXT, SUMMARY("of TLS 1.1")),
    LIST("audit.tls10_suites", audit_tls10_suites, VALUE_TEXT, SUMMARY("of TLS 1.0")),
    LIST("audit.ssl30_suites", audit_ssl30_suites, VALUE_TEXT, SUMMARY("of SSL 3.0")),
    LIST("audit.server_order", audit_server_order, VALUE_TEXT,
         SUMMARY("versions in which the server's order of suites counts, not the client's")),
    LIST("audit.incomplete", audit_incomplete, VALUE_TEXT,
         SUMMARY("versions about which not everything was found out")),
    LIST("audit.tls13_groups", audit_tls13_groups, VALUE_TEXT,
         SUMMARY("key exchange groups of TLS 1.3, post-quantum ones too")),
    LIST("audit.tls12_groups", audit_tls12_groups, VALUE_TEXT,
         SUMMARY("elliptic groups up to TLS 1.2")),
    LIST("audit.alpn", audit_alpn, VALUE_TEXT, SUMMARY("protocols that it takes by ALPN")),
    FIELD("audit.dh_bits", audit_dh_bits, VALUE_INTEGER,
          SUMMARY("size of the smallest finite-field group up to TLS 1.2")),
    FIELD("audit.secure_renegotiation", audit_secure_renegotiation, VALUE_BOOLEAN,
          SUMMARY("RFC 5746 is followed")),
    FIELD("audit.compression", audit_compression, VALUE_BOOLEAN,
          SUMMARY("TLS compression is taken (CRIME)")),
    FIELD("audit.session_tickets", audit_session_tickets, VALUE_BOOLEAN,
          SUMMARY("session tickets are offered, up to TLS 1.2")),
    FIELD("audit.session_ids", audit_session_ids, VALUE_BOOLEAN,
          SUMMARY("sessions get an id, up to TLS 1.2")),
    FIELD("audit.extended_master_secret", audit_extended_master_secret, VALUE_BOOLEAN,
          SUMMARY("RFC 7627 is followed")),
    FIELD("audit.encrypt_then_mac", audit_encrypt_then_mac, VALUE_BOOLEAN,
          SUMMARY("RFC 7366 is followed")),
    FIELD("audit.heartbeat", audit_heartbeat, VALUE_BOOLEAN, SUMMARY("RFC 6520 is offered")),
    FIELD("audit.fallback_scsv", audit_fallback_scsv, VALUE_BOOLEAN,
          SUMMARY("downgrades are refused (RFC 7507)")),
    FIELD("audit.client_certificate", audit_client_certificate, VALUE_BOOLEAN,
          SUMMARY("a client certificate is requested")),
    LIST("audit.ca_names", audit_ca_names, VALUE_TEXT,
         SUMMARY("by whom client certificates should be issued, as RFC 4514 writes it")),
    FIELD("audit.jarm", audit_jarm, VALUE_TEXT, SUMMARY("JARM fingerprint")),
    FIELD("audit.connections", audit_connections, VALUE_INTEGER,
          SUMMARY("connections that the audit made")),
    FIELD("audit.stopped", audit_stopped, VALUE_TEXT,
          SUMMARY("why before its end: out_of_connections, unreachable, out_of_memory")),
};

_Static_assert(sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0] <= FIELDS_MAX, "too many fields");
_Static_assert(FINDING_COUNT < 64, "findings are bits of 64");

const struct record_kind probe_record_kind = {
    .name = "probe",
    .fields = PROBE_FIELDS,
    .field_count = sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0],
};
