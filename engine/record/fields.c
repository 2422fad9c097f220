/* The fields of a probe's record, in the order in which they are written. */
#include "engine/record/certificate_rows.h"

#include "engine/record/audit_fields.h"
#include "engine/record/dane_fields.h"
#include "engine/tls/session.h"
#include "engine/x509/revocation.h"

enum { SCHEMA = 1 };

static const struct probe_record *probe_of(const struct record *record) {
    return (const struct probe_record *)record;
}

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
GETTER(id, bytes(out, VALUE_HEX, ((struct slice){r->id, sizeof r->id})))
GETTER(time, number(out, VALUE_TIME_MS, r->time_ms))
GETTER(host, text(out, r->host))
GETTER(ip, address(out, &r->address))
GETTER(port, known(out, VALUE_INTEGER, r->port)) /* files have none */
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

GETTER(certificate_der, bytes(out, VALUE_BASE64, r->unparsable_der))

GETTER(trust_trusted,
       r->has_trust && r->trust.chain_checked ? boolean(out, r->trust.trusted) : absent(out))
GETTER(trust_error, r->has_trust ? text(out, r->trust.error) : absent(out))
GETTER(trust_name_matches,
       r->has_trust && r->trust.name_checked ? boolean(out, r->trust.name_matches) : absent(out))
GETTER(trust_matched_name, r->has_trust ? text(out, r->trust.matched_name) : absent(out))
GETTER(trust_chain_not_after,
       r->has_trust ? known(out, VALUE_TIME, r->trust.chain_not_after) : absent(out))
GETTER(trust_earliest_not_after, known(out, VALUE_TIME, r->earliest_not_after))

GETTER(trust_fetched_issuers,
       r->trust.fetched_issuers ? integer(out, r->trust.fetched_issuers) : absent(out))

/* What CRLs say. */
#define REVOCATION(name, statement)                                                                \
    GETTER(revocation_##name, r->has_revocation ? (statement) : absent(out))

#define REVOKED(name, statement)                                                                   \
    REVOCATION(name, r->revocation.status == REVOCATION_REVOKED ? (statement) : absent(out))

#define CHECKED(name, statement) REVOCATION(name, r->revocation.status ? (statement) : absent(out))

REVOCATION(checked, boolean(out, r->revocation.status != REVOCATION_UNCHECKED))
CHECKED(status, words(out, revocation_status_name((enum revocation_status)r->revocation.status)))
REVOKED(reason, words(out, crl_reason_name(r->revocation.reason)))
REVOKED(revoked_at, number(out, VALUE_TIME, r->revocation.revoked_at))
CHECKED(depth, integer(out, r->revocation.depth))
REVOCATION(this_update, known(out, VALUE_TIME, r->revocation.this_update))
REVOCATION(next_update, known(out, VALUE_TIME, r->revocation.next_update))
REVOCATION(url, text(out, r->revocation.url))
REVOCATION(error, text(out, r->revocation.error))

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

enum { UNFINISHED_MAX = TLS_AUDIT_VERSIONS + 3 };

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

/* Names what was not found out to its end: versions, and fields of the audit. Returns how many they
 * are; `names` may be NULL. */
static uint32_t list_unfinished(const struct tls_audit_result *a,
                                const char *names[UNFINISHED_MAX]) {
    const struct {
        bool unfinished;
        const char *name;
    } parts[] = {
        {is_offered(&a->versions[0]) && !a->groups13.complete, "tls13_groups"},
        {a->groups12.count && !a->groups12.complete, "tls12_groups"},
        {count_versions(a, is_offered) && !a->protocols_complete, "alpn"},
    };
    const char *unheard[UNFINISHED_MAX];
    uint32_t count = 0;

    names = names ? names : unheard;
    for (size_t i = 0; i < TLS_AUDIT_VERSIONS; i++)
        if (is_incomplete(&a->versions[i]))
            names[count++] = tls_version_name(a->versions[i].version);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].unfinished)
            names[count++] = parts[i].name;
    return count;
}

static void unfinished_item(struct value *out, const struct tls_audit_result *a, uint32_t index) {
    const char *names[UNFINISHED_MAX];

    list_unfinished(a, names);
    words(out, names[index]);
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
                                        [TLS_AUDIT_OUT_OF_MEMORY] = "out_of_memory",
                                        [TLS_AUDIT_OUT_OF_TIME] = "out_of_time",
                                        [TLS_AUDIT_CANCELLED] = "cancelled"};
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
AUDIT_LIST(incomplete, unfinished_item(out, a, i), list_unfinished(a, NULL))
AUDIT(complete, boolean(out, !a->stop && !list_unfinished(a, NULL)))
AUDIT_LIST(tls13_groups, group(out, a->groups13.ids[i]), a->groups13.count)
AUDIT_LIST(tls12_groups, group(out, a->groups12.ids[i]), a->groups12.count)
AUDIT_LIST(alpn, text(out, a->protocols[i]), a->protocol_count)
AUDIT(dh_bits, known(out, VALUE_INTEGER, a->dh_bits))
AUDIT(secure_renegotiation, fact(out, a->secure_renegotiation))
AUDIT(compression, fact(out, a->compression))
AUDIT(session_tickets, fact(out, a->session_tickets))
AUDIT(session_ids, fact(out, a->session_ids))
AUDIT(resumption_tls12_session_id, fact(out, a->resumes_id))
AUDIT(resumption_tls12_ticket, fact(out, a->resumes_ticket))
AUDIT(resumption_tls13, fact(out, a->resumes_tls13))
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

#define DANE(name, statement) GETTER(dane_##name, r->dane ? (statement) : absent(out))

DANE(status, r->dane->status != DANE_STATUS_OPEN ? words(out, dane_status_name(r->dane->status))
                                                 : absent(out))
DANE(secure, boolean(out, r->dane->secure))
DANE(checked, boolean(out, r->dane->compared))
DANE(error, text(out, r->dane->error))
COUNTER(dane_records, r->dane ? r->dane->count : 0)
DANE(usage, integer(out, r->dane->records[i].usage))
DANE(selector, integer(out, r->dane->records[i].selector))
DANE(matching_type, integer(out, r->dane->records[i].matching_type))
DANE(data, bytes(out, VALUE_HEX, r->dane->records[i].data))
DANE(matched, r->dane->matches[i] != DANE_NOT_COMPARED
                  ? boolean(out, r->dane->matches[i] == DANE_MATCHES)
                  : absent(out))

COUNTER(scts, r->sct_count)
GETTER(sct_source, words(out, sct_source_name((enum sct_source)r->scts[i].source)))
GETTER(sct_verdict, words(out, sct_verdict_name((enum sct_verdict)r->scts[i].verdict)))
GETTER(sct_log, text(out, r->scts[i].log))
GETTER(sct_log_id, HASH(r->scts[i].log_id))
GETTER(sct_time, number(out, VALUE_TIME_MS, r->scts[i].time_ms))

/* --- The table --- */

static const struct field TLSA_FIELDS[] = {
    FIELD("usage", dane_usage, VALUE_INTEGER,
          SUMMARY("0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE")),
    FIELD("selector", dane_selector, VALUE_INTEGER, SUMMARY("0 the certificate, 1 its key")),
    FIELD("matching_type", dane_matching_type, VALUE_INTEGER,
          SUMMARY("0 all of it, 1 SHA-256, 2 SHA-512")),
    FIELD("data", dane_data, VALUE_HEX, SUMMARY("that, its first 64 bytes")),
    FIELD("matched", dane_matched, VALUE_BOOLEAN,
          SUMMARY("the server fits it; absent when it was not compared")),
};

static const struct field SCT_FIELDS[] = {
    FIELD("source", sct_source, VALUE_TEXT, SUMMARY("embedded, ocsp or tls")),
    FIELD("verdict", sct_verdict, VALUE_TEXT,
          SUMMARY("valid, invalid, unknown_log, or unchecked when the issuer is not known")),
    FIELD("log", sct_log, VALUE_TEXT, SUMMARY("its name, when it is known")),
    FIELD("log_id", sct_log_id, VALUE_HEX, SUMMARY("SHA-256 of the log's key")),
    FIELD("time", sct_time, VALUE_TIME_MS, SUMMARY("when the log signed")),
};

WORD_TABLE(plan, plan_name, PLAN_COUNT)
WORD_TABLE(outcome, outcome_name, OUTCOME_COUNT)
WORD_TABLE(stage, stage_name, STAGE_COUNT)
WORD_TABLE(status, status_name, STATUS_COUNT)
WORD_TABLE(finding, finding_name, FINDING_COUNT)

static const struct field PROBE_FIELDS[] = {
    FIELD("record", record, VALUE_TEXT, SUMMARY("kind of record: \"probe\"")),
    FIELD("schema", schema, VALUE_INTEGER, SUMMARY("version of this record's layout: 1")),
    FIELD("time", time, VALUE_TIME_MS, SUMMARY("when the probe began")),
    FIELD("host", host, VALUE_TEXT, SUMMARY("name or address, as it was given")),
    FIELD("ip", ip, VALUE_ADDRESS, SUMMARY("address that was connected to"), ALWAYS),
    FIELD("port", port, VALUE_INTEGER, SUMMARY("TCP port")),
    FIELD("protocol", protocol, VALUE_TEXT, SUMMARY("\"tls\", or the protocol of the STARTTLS")),
    FIELD("sni", sni, VALUE_TEXT, SUMMARY("server name that was sent, if any")),
    FIELD("plan", plan, VALUE_TEXT, SUMMARY("how the result was got: handshake or grab"),
          WORDS(plan)),
    FIELD("attempt", attempt, VALUE_INTEGER, SUMMARY("number of the connection, from 1")),
    FIELD("outcome", outcome, VALUE_TEXT, SUMMARY("how the probe ended: ok, refused, timeout ..."),
          WORDS(outcome)),
    FIELD("stage", stage, VALUE_TEXT,
          SUMMARY("where it ended: dns, connect, starttls, handshake, done"), WORDS(stage)),
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

    CERTIFICATE_ROWS,

    FIELD("certificate_der", certificate_der, VALUE_BASE64,
          SUMMARY("the server's certificate when it could not be parsed")),

    CHAIN_ROW("certificates sent behind the server's own: subject, issuer, not_after, "
              "fingerprint_sha256"),

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
    FIELD("trust.fetched_issuers", trust_fetched_issuers, VALUE_INTEGER,
          SUMMARY("certificates that the server did not send, and that were fetched")),

    FIELD("revocation.checked", revocation_checked, VALUE_BOOLEAN,
          SUMMARY("CRLs were looked at: only where a path leads to a trusted root")),
    FIELD("revocation.status", revocation_status, VALUE_TEXT,
          SUMMARY("good, revoked, unknown, or stale: the CRL should have been replaced")),
    FIELD("revocation.reason", revocation_reason, VALUE_TEXT,
          SUMMARY("why it was revoked: key_compromise, superseded ...")),
    FIELD("revocation.revoked_at", revocation_revoked_at, VALUE_TIME,
          SUMMARY("when it was revoked")),
    FIELD("revocation.depth", revocation_depth, VALUE_INTEGER,
          SUMMARY("which certificate it is about: 0 the server's own, 1 its issuer ...")),
    FIELD("revocation.this_update", revocation_this_update, VALUE_TIME,
          SUMMARY("since when its CRL says so")),
    FIELD("revocation.next_update", revocation_next_update, VALUE_TIME,
          SUMMARY("until when, if it says")),
    FIELD("revocation.url", revocation_url, VALUE_TEXT,
          SUMMARY("where the CRL is from; absent for a local one")),
    FIELD("revocation.error", revocation_error, VALUE_TEXT, SUMMARY("why it is unknown")),

    FIELD("days_left", days_left, VALUE_REAL,
          SUMMARY("days until the certificate expires, negative afterwards"), ALWAYS),
    FIELD("status", status, VALUE_TEXT, SUMMARY("unknown, ok, warning, critical or error"),
          WORDS(status)),
    LIST("findings", findings, VALUE_TEXT, SUMMARY("what is wrong: expired, self_signed ..."),
         ALWAYS, WORDS(finding)),

    FIELD("dane.status", dane_status, VALUE_TEXT,
          SUMMARY("matched, mismatched, insecure, absent, unusable or failed")),
    FIELD("dane.secure", dane_secure, VALUE_BOOLEAN,
          SUMMARY("the resolver has validated the DNS answer (AD)")),
    FIELD("dane.checked", dane_checked, VALUE_BOOLEAN,
          SUMMARY("the certificate was compared with the TLSA records")),
    {.name = "dane.records",
     .summary = "TLSA records: usage, selector, matching_type, data, matched",
     .count = count_dane_records,
     .members = TLSA_FIELDS,
     .member_count = sizeof TLSA_FIELDS / sizeof TLSA_FIELDS[0]},
    FIELD("dane.error", dane_error, VALUE_TEXT, SUMMARY("why the records are not known")),

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
     .summary = "signed certificate timestamps: source, verdict, log, log_id, time",
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
    LIST(
        "audit.incomplete", audit_incomplete, VALUE_TEXT,
        SUMMARY("versions, tls13_groups, tls12_groups, alpn: of which more may be accepted than is "
                "listed")),
    FIELD("audit.complete", audit_complete, VALUE_BOOLEAN,
          SUMMARY("nothing is incomplete, and the audit came to its end")),
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
    FIELD("audit.resumption_tls12_session_id", audit_resumption_tls12_session_id, VALUE_BOOLEAN,
          SUMMARY("a session is resumed by its id, up to TLS 1.2")),
    FIELD("audit.resumption_tls12_ticket", audit_resumption_tls12_ticket, VALUE_BOOLEAN,
          SUMMARY("by a ticket, up to TLS 1.2")),
    FIELD("audit.resumption_tls13", audit_resumption_tls13, VALUE_BOOLEAN,
          SUMMARY("in TLS 1.3; absent when the server says nothing behind the handshake")),
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
          SUMMARY("why before its end: out_of_connections, unreachable, out_of_memory, "
                  "out_of_time, cancelled")),
    /* The last of all: webhook.c counts on it. */
    FIELD("id", id, VALUE_HEX, SUMMARY("names this record; the same when it is repeated")),
};

_Static_assert(sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0] <= FIELDS_MAX, "too many fields");
_Static_assert(FINDING_COUNT < 64, "findings are bits of 64");

const struct record_kind probe_record_kind = {
    .name = "probe",
    .fields = PROBE_FIELDS,
    .field_count = sizeof PROBE_FIELDS / sizeof PROBE_FIELDS[0],
};
