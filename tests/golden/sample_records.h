/* Records made by hand, one of every kind that the encoders must get right, for the golden files
 * and what checks them. All of their bytes are static. */
#ifndef TESTS_GOLDEN_SAMPLE_RECORDS_H
#define TESTS_GOLDEN_SAMPLE_RECORDS_H

#include "engine/base/limits.h"
#include "engine/record/audit_fields.h"
#include "engine/record/dane_fields.h"
#include "engine/record/fields.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLE_COUNT = 10, SAMPLE_HUGE_NAMES = 300, SAMPLE_NAME_BYTES = 24 };

/* With a length of its own, so that it may hold zero bytes. */
#define SAMPLE_BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})
#define SAMPLE_ITEM(literal)  {(const uint8_t *)(literal), sizeof(literal) - 1}
#define SAMPLE_LIST(...)                                                                           \
    ({                                                                                             \
        static const struct slice items[] = {__VA_ARGS__};                                         \
        (struct slice_list){items, sizeof items / sizeof items[0]};                                \
    })

static inline struct probe_record *sample_new(const char *host, uint16_t port) {
    struct probe_record *r = probe_record_new(0);
    if (!r)
        abort();
    probe_record_identify(r, 0x1122334455667788, 7, 0);
    r->time_ms = 1795233405123; /* 2026-11-21T03:56:45.123Z */
    r->host = slice_of(host);
    r->port = port;
    r->protocol = slice_of("tls");
    r->attempt = 1;
    return r;
}

static inline struct address sample_address(const char *text) {
    struct address address;
    if (!address_parse(slice_of(text), &address))
        abort();
    return address;
}

static inline void sample_connected(struct probe_record *r, const char *address) {
    r->address = sample_address(address);
    r->timing.connect_us = 11250;
    r->timing.total_us = 48999;
}

static inline void sample_hash(uint8_t *out, size_t len, unsigned first) {
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(first + i * 7);
}

static inline void sample_certificate_fields(struct certificate_fields *c, unsigned first) {
    static const uint8_t DER[100] = {0x30, 0x62, 1, 2, 3, 0xfe, 0xff};

    c->der = (struct slice){DER, sizeof DER};
    c->subject = slice_of("CN=www.example.org,O=Example Ltd,C=GB");
    c->subject_cn = slice_of("www.example.org");
    c->issuer = slice_of("CN=Example CA 7,O=Example Trust,C=US");
    c->issuer_cn = slice_of("Example CA 7");
    c->issuer_o = slice_of("Example Trust");
    c->serial = SAMPLE_BYTES("\x00\xc9\x44\x01\xfe");
    c->not_before = 1793491200; /* 2026-11-01T00:00:00Z */
    c->not_after = 1801267199;  /* 2027-01-29T23:59:59Z */
    c->lifetime_days = 90;
    sample_hash(c->fingerprint_sha256, sizeof c->fingerprint_sha256, first);
    sample_hash(c->fingerprint_sha1, sizeof c->fingerprint_sha1, first + 1);
    sample_hash(c->tbs_sha256, sizeof c->tbs_sha256, first + 2);
    sample_hash(c->spki_sha256, sizeof c->spki_sha256, first + 3);
    c->has_validity = c->has_fingerprint_sha256 = c->has_fingerprint_sha1 = true;
    c->has_tbs_sha256 = c->has_spki_sha256 = true;
    c->key_type = slice_of("ec-p256");
    c->key_bits = 256;
    c->signature_algorithm = slice_of("ecdsa-with-SHA256");
}

static inline void sample_certificate(struct probe_record *r, unsigned first) {
    sample_certificate_fields(&r->certificate, first);
    r->has_certificate = true;
    r->earliest_not_after = r->certificate.not_after;
    r->has_days_left = true;
    r->days_left = 69.8353;
    r->status = STATUS_OK;
}

static inline void sample_tls(struct probe_record *r) {
    r->has_tls = true;
    r->tls.version = 0x0304;
    r->tls.cipher = 0x1301;
    r->tls.group = 0x001d;
    r->tls.client_certificate_known = true;
    r->tls.key_proven = true;
}

static inline void sample_suites(struct tls_audit_version *version, uint16_t number, uint8_t order,
                                 uint8_t count, const uint16_t *suites) {
    version->version = number;
    version->offered = TLS_AUDIT_YES;
    version->suites_complete = number != 0x0301;
    version->order = order;
    version->suite_count = count;
    memcpy(version->suites, suites, count * sizeof *suites);
}

/* All that an audit can find, with numbers that nobody has named and names from a stranger. */
static inline void sample_audit(struct probe_record *r) {
    static struct audit_fields fields;
    static const struct ocsp_fields ocsp = {OCSP_READ,
                                            {.status = OCSP_REVOKED,
                                             .signature = OCSP_SIGNATURE_VALID,
                                             .this_update = 1795176000,
                                             .revoked_at = 1794000000}};
    static struct sct_fields scts[2] = {
        {SCT_EMBEDDED, SCT_VALID, {0}, 1793491200123, SAMPLE_ITEM("Example 'One' log")},
        {SCT_IN_TLS, SCT_UNKNOWN_LOG, {0}, INT64_MAX, {NULL, 0}}};
    struct tls_audit_result *a = &fields.found;

    sample_hash(scts[0].log_id, SCT_LOG_ID_BYTES, 132);
    sample_hash(scts[1].log_id, SCT_LOG_ID_BYTES, 133);
    r->scts = scts;
    r->sct_count = 2;
    r->ocsp = &ocsp;
    r->audit = &fields;
    sample_suites(&a->versions[0], 0x0304, TLS_AUDIT_ORDER_CLIENT, 2,
                  (const uint16_t[]){0x1302, 0xfafa});
    sample_suites(&a->versions[1], 0x0303, TLS_AUDIT_ORDER_SERVER, 2,
                  (const uint16_t[]){0xc030, 0x009d});
    a->versions[2] = (struct tls_audit_version){.version = 0x0302, .offered = TLS_AUDIT_NO};
    sample_suites(&a->versions[3], 0x0301, TLS_AUDIT_ORDER_SERVER, 1, (const uint16_t[]){0x0035});
    a->versions[4] = (struct tls_audit_version){.version = 0x0300};
    a->groups13 = (struct tls_audit_groups){true, 2, {0x11ec, 0x001d}};
    a->groups12 = (struct tls_audit_groups){false, 1, {0xfe00}};
    a->protocols[0] = slice_of("h2");
    a->protocol_count = 1;
    a->dh_bits = 1024;
    a->secure_renegotiation = a->extended_master_secret = a->client_certificate = TLS_AUDIT_YES;
    a->compression = a->session_tickets = a->heartbeat = TLS_AUDIT_NO;
    a->resumes_id = TLS_AUDIT_NO;
    a->resumes_tls13 = TLS_AUDIT_YES;
    fields.ca_names =
        SAMPLE_LIST(SAMPLE_ITEM("CN=Root,O=\x1b[2J\xff"), SAMPLE_ITEM(""), SAMPLE_ITEM("CN=Two"));
    memcpy(a->jarm, "27d40d40d29d40d1dc42d43d00041d4689ee210389f4f6b4b5b1b93f92252d", 63);
    a->connections = 80;
    a->stop = TLS_AUDIT_OUT_OF_CONNECTIONS;
}

/* A record that fits, one that does not, and one that nobody understands. */
static inline void sample_dane(struct probe_record *r) {
    static const uint8_t DIGEST[32] = {0x8f, 0x00, 0xff};
    static const struct dane_fields dane = {
        .status = DANE_STATUS_MATCHED,
        .secure = true,
        .compared = true,
        .verdict = DANE_MATCHED,
        .count = 3,
        .records = {{DANE_EE, DANE_SPKI, DANE_SHA2_256, {DIGEST, sizeof DIGEST}},
                    {DANE_TA, DANE_CERT, DANE_FULL, {DIGEST, 1}},
                    {255, 254, 253, {DIGEST, 2}}},
        .matches = {DANE_MATCHES, DANE_DIFFERS, DANE_NOT_COMPARED},
    };

    r->dane = &dane;
}

/* Nothing is known of them. */
static inline void sample_dane_failed(struct probe_record *r) {
    static struct dane_fields dane = {.status = DANE_STATUS_FAILED};

    dane.error = slice_of("the DNS server failed");
    r->dane = &dane;
}

static inline struct probe_record *sample_good(void) {
    static const uint8_t LINK_DER[49] = {0x30, 47, 9, 8, 7};
    static struct chain_link chain[2] = {
        {.der = {LINK_DER, sizeof LINK_DER},
         .readable = true,
         .subject = {(const uint8_t *)"CN=Example CA 7", 15},
         .issuer = {(const uint8_t *)"CN=Example Root", 15},
         .not_after = 1900000000},
        {.der = {LINK_DER, 48}, .readable = false},
    };
    static struct address addresses[3];
    struct probe_record *r = sample_new("www.example.org", 443);

    sample_hash(chain[0].fingerprint_sha256, 32, 101);
    sample_hash(chain[1].fingerprint_sha256, 32, 102);
    addresses[0] = sample_address("192.0.2.17");
    addresses[1] = sample_address("192.0.2.18");
    addresses[2] = sample_address("2001:db8::17");
    sample_connected(r, "192.0.2.17");
    r->sni = r->host;
    r->stage = STAGE_DONE;
    r->addresses = addresses;
    r->address_count = 3;
    r->timing.dns_us = 900;
    r->timing.handshake_us = 30001;
    sample_tls(r);
    r->tls.alpn = slice_of("h2");
    r->tls.ocsp_stapled = true;
    r->tls.sct_count = 2;
    sample_certificate(r, 1);
    r->certificate.dns_names =
        SAMPLE_LIST(SAMPLE_ITEM("www.example.org"), SAMPLE_ITEM("example.org"),
                    SAMPLE_ITEM("*.Example.org"), SAMPLE_ITEM("WWW.example.org"));
    r->certificate.names_total = 4;
    r->certificate.ocsp_urls = SAMPLE_LIST(SAMPLE_ITEM("http://ocsp.example.net/a?b=1,2"));
    r->certificate.crl_urls =
        SAMPLE_LIST(SAMPLE_ITEM("http://crl.example.net/1.crl"), SAMPLE_ITEM("ldap:///cn=a b"));
    r->chain = chain;
    r->chain_count = 2;
    r->has_trust = true;
    r->trust.chain_checked = r->trust.trusted = true;
    r->trust.name_checked = r->trust.name_matches = true;
    r->trust.matched_name = slice_of("www.example.org");
    r->trust.chain_not_after = 1801267199;
    r->findings = 1u << FINDING_CHAIN_UNREADABLE;
    sample_audit(r);
    sample_dane(r);
    return r;
}

static inline struct probe_record *sample_dns_failed(void) {
    struct probe_record *r = sample_new("no-such-host.example", 8443);

    r->sni = r->host;
    r->outcome = OUTCOME_DNS_FAILED;
    r->stage = STAGE_DNS;
    r->error = slice_of("no such name");
    r->timing.dns_us = 31000;
    r->timing.total_us = 31007;
    r->status = STATUS_ERROR;
    return r;
}

/* The certificate came, the end of the handshake did not. */
static inline struct probe_record *sample_timeout(void) {
    struct probe_record *r = sample_new("slow.example.org", 443);

    sample_connected(r, "192.0.2.99");
    r->sni = r->host;
    r->outcome = OUTCOME_TIMEOUT;
    r->stage = STAGE_HANDSHAKE;
    r->attempt = 2;
    sample_tls(r);
    r->tls.version = 0x0302;
    r->tls.cipher = 0x002f;
    r->tls.group = 0;
    r->tls.client_certificate_known = false;
    r->tls.key_proven = false;
    sample_certificate(r, 31);
    r->certificate.not_after = 1794182400;
    r->certificate.self_signed = r->certificate.is_ca = true;
    r->certificate.key_type = slice_of("rsa");
    r->certificate.key_bits = 1024;
    r->certificate.signature_algorithm = slice_of("sha1WithRSAEncryption");
    r->certificate.dns_names = SAMPLE_LIST(SAMPLE_ITEM("other.example.org"));
    r->has_trust = true;
    r->trust.chain_checked = r->trust.name_checked = true;
    r->trust.error = slice_of("self_signed");
    r->days_left = -12.164;
    r->status = STATUS_CRITICAL;
    r->findings = 1u << FINDING_EXPIRED | 1u << FINDING_SELF_SIGNED | 1u << FINDING_UNTRUSTED |
                  1u << FINDING_NAME_MISMATCH | 1u << FINDING_WEAK_KEY |
                  1u << FINDING_WEAK_SIGNATURE | 1u << FINDING_OLD_PROTOCOL;
    return r;
}

static inline struct probe_record *sample_unparsable(void) {
    struct probe_record *r = sample_new("odd.example.org", 443);

    sample_connected(r, "192.0.2.100");
    r->plan = PLAN_GRAB;
    r->outcome = OUTCOME_CERTIFICATE_UNPARSABLE;
    r->stage = STAGE_HANDSHAKE;
    r->error = slice_of("validity cannot be read");
    sample_tls(r);
    r->tls.key_proven = false;
    r->unparsable_der = SAMPLE_BYTES("\x30\x05\x00\xff\xfe\x80\x01");
    r->status = STATUS_ERROR;
    return r;
}

/* Everything that a stranger may put into a certificate to harm who reads about it. */
static inline struct probe_record *sample_hostile(void) {
    struct probe_record *r = sample_new("hostile.example.org", 443);

    sample_connected(r, "192.0.2.101");
    r->stage = STAGE_DONE;
    r->error = SAMPLE_BYTES("peer said \"\x1b[2J\x1b]0;pwned\x07\"\r\n\t\\ and \x00 more");
    sample_tls(r);
    r->tls.alpn = SAMPLE_BYTES("h2\xff\x00\"");
    sample_certificate(r, 51);
    r->certificate.subject = SAMPLE_BYTES("CN=\"a, b\"\n-----BEGIN CERTIFICATE-----\n\xc2\x9b"
                                          "31m,O=\xe2\x80\xaegro.elpmaxe\xe2\x80\xac\xe2\x80\xa8");
    r->certificate.subject_cn = SAMPLE_BYTES("=HYPERLINK(\"http://evil.example\",\"x\")");
    r->certificate.issuer =
        SAMPLE_BYTES("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82|\xf0\x9f\x98\x80|\x7f|\xff");
    r->certificate.issuer_cn = SAMPLE_BYTES("@\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e CA \xd8\x9c!");
    r->certificate.issuer_o = SAMPLE_BYTES(" ,\xef\xbb\xbf\xf3\xa0\x80\x81,");
    r->certificate.dns_names =
        SAMPLE_LIST(SAMPLE_ITEM("-rf.example.org"), SAMPLE_ITEM("ok.example.org\0.evil.example"),
                    SAMPLE_ITEM("$(reboot).example.org"), SAMPLE_ITEM("two words.example.org"),
                    SAMPLE_ITEM("192.0.2.1"), SAMPLE_ITEM("a.*.example.org"), SAMPLE_ITEM("*"),
                    SAMPLE_ITEM("f*.example.org"), SAMPLE_ITEM(""), SAMPLE_ITEM("end.example.org."),
                    SAMPLE_ITEM("a..b"), SAMPLE_ITEM("\xc3\xa4.example.org"),
                    SAMPLE_ITEM("_dmarc.Xn--4CA.example.org"));
    r->certificate.emails = SAMPLE_LIST(SAMPLE_ITEM("+cmd|' /C calc'!A0@example.org"));
    r->certificate.uris = SAMPLE_LIST(SAMPLE_ITEM("javascript:alert(1)//</script>"));
    r->has_trust = true;
    r->trust.chain_checked = r->trust.name_checked = true;
    r->trust.error = slice_of("unknown_issuer");
    r->status = STATUS_CRITICAL;
    r->findings = 1u << FINDING_UNTRUSTED | 1u << FINDING_NAME_MISMATCH;
    return r;
}

static inline struct probe_record *sample_ipv6(void) {
    static struct address addresses[3];
    struct probe_record *r = sample_new("2001:db8::25", 25);

    addresses[0] = sample_address("2001:db8::25");
    addresses[1] = sample_address("192.0.2.25");
    addresses[2] = sample_address("::ffff:192.0.2.1");
    sample_connected(r, "2001:db8::25");
    r->protocol = slice_of("smtp");
    r->stage = STAGE_DONE;
    r->addresses = addresses;
    r->address_count = 1;
    r->timing.starttls_us = 0;
    sample_tls(r);
    r->tls.group = 0x11ec;
    r->tls.client_certificate_requested = true;
    sample_certificate(r, 71);
    r->certificate.subject = r->certificate.subject_cn = (struct slice){NULL, 0};
    r->certificate.ip_addresses = addresses;
    r->certificate.ip_address_count = 3;
    r->certificate.names_total = 3;
    r->findings = 1u << FINDING_CLIENT_CERTIFICATE_REQUESTED | 1u << FINDING_DANE_FAILED;
    sample_dane_failed(r);
    return r;
}

static inline struct probe_record *sample_huge(void) {
    static char texts[SAMPLE_HUGE_NAMES][SAMPLE_NAME_BYTES];
    static struct slice names[SAMPLE_HUGE_NAMES];
    struct probe_record *r =
        sample_new("a-host-with-a-name-that-is-much-longer-than-a-column.example.net", 65535);

    for (unsigned i = 0; i < SAMPLE_HUGE_NAMES; i++) {
        snprintf(texts[i], sizeof texts[i], "n%u.example.net", (i * 7) % SAMPLE_HUGE_NAMES);
        names[i] = slice_of(texts[i]);
    }
    sample_connected(r, "198.51.100.200");
    r->stage = STAGE_DONE;
    sample_tls(r);
    sample_certificate(r, 91);
    r->certificate.dns_names = (struct slice_list){names, SAMPLE_HUGE_NAMES};
    r->certificate.names_total = LIMIT_CERTIFICATE_NAMES + 1000;
    r->certificate.not_after = 253402300799; /* 9999-12-31T23:59:59Z, RFC 5280 section 4.1.2.5 */
    r->certificate.lifetime_days = 2912126;
    r->days_left = 2912105.8353;
    return r;
}

static inline struct probe_record *sample_cancelled(void) {
    struct probe_record *r = sample_new("192.0.2.250", 443);

    r->outcome = OUTCOME_CANCELLED;
    r->stage = STAGE_CONNECT;
    return r;
}

/* Numbers that nobody has named. */
static inline struct probe_record *sample_alert(void) {
    struct probe_record *r = sample_new("picky.example.org", 443);

    sample_connected(r, "192.0.2.102");
    r->outcome = OUTCOME_TLS_ALERT;
    r->stage = STAGE_HANDSHAKE;
    r->error = slice_of("fatal alert 255");
    r->has_tls = true;
    r->tls.version = 0x7f1c;
    r->tls.cipher = 0xfafa;
    r->tls.group = 0xfe00;
    r->tls.alert_received = true;
    r->tls.alert = 255;
    r->status = STATUS_ERROR;
    return r;
}

static inline struct probe_record *sample_expires_soon(void) {
    struct probe_record *r = sample_new("b\xc3\xbc"
                                        "cher.\xe4\xbe\x8b\xe3\x81\x88.example",
                                        993);

    sample_connected(r, "127.0.0.1");
    r->sni = slice_of("xn--bcher-kva.xn--r8jz45g.example");
    r->stage = STAGE_DONE;
    sample_tls(r);
    sample_certificate(r, 111);
    r->certificate.dns_names = SAMPLE_LIST(SAMPLE_ITEM("xn--bcher-kva.xn--r8jz45g.example"));
    r->days_left = 6.995;
    r->status = STATUS_WARNING;
    r->findings = 1u << FINDING_EXPIRES_SOON;
    return r;
}

static inline void sample_records_new(struct probe_record *records[SAMPLE_COUNT]) {
    records[0] = sample_good();
    records[1] = sample_dns_failed();
    records[2] = sample_timeout();
    records[3] = sample_unparsable();
    records[4] = sample_hostile();
    records[5] = sample_ipv6();
    records[6] = sample_huge();
    records[7] = sample_cancelled();
    records[8] = sample_alert();
    records[9] = sample_expires_soon();
}

static inline void sample_records_put(struct probe_record *records[SAMPLE_COUNT]) {
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        record_put(&records[i]->head);
}

#endif
