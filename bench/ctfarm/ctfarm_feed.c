/* What the three servers write differently:
 *
 *                     Go                  CaliDog               Rust
 *     absent          null                null                  left out
 *     hashes          fingerprint, sha1,  fingerprint (SHA-1)   as Go
 *                     sha256
 *     is_ca           yes                 no                    yes
 *     times           integers            floats                integers
 *     serial          whole bytes         without leading 0     whole bytes
 *     email           email_address       emailAddress          email_address
 *     precertificate  PrecertLogEntry     PreCertEntry          PrecertLogEntry
 *     source          name, url,          name, url             as Go
 *                     timestamp, type
 */
#include "bench/ctfarm/ctfarm_feed.h"

#include "bench/ctfarm/ctfarm_entry.h"
#include "bench/ctfarm/ctfarm_json.h"
#include "engine/base/text.h"

#include <openssl/sha.h>
#include <stdio.h>

enum { SEEN_AFTER_MS = 1500 }; /* how long after its timestamp a feed shows an entry */

/* A certificate as feeds see it: a leaf, or one of its chain. */
struct seen {
    const struct ctfarm_issuance *leaf; /* NULL for an authority */
    const struct ctfarm_ca *ca;         /* the authority itself, or who issued the leaf */
    const struct ctfarm_ca *issuer;
    struct slice der;
    bool precert, without_der;
};

/* --- Parts --- */

static void add_colons_lower(struct buffer *out, struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        buffer_add_format(out, i ? ":%02x" : "%02x", bytes.ptr[i]);
}

static void add_nullable(struct buffer *out, const struct ctfarm_feed_style *style, const char *key,
                         struct slice value, bool first) {
    if (value.len == 0 && style->dialect == CTFARM_RUST)
        return;
    buffer_add_format(out, "%s\"%s\":", first ? "" : ",", key);
    if (value.len)
        ctfarm_json_text(out, value);
    else
        buffer_add_text(out, "null");
}

struct subject {
    struct slice c, cn, l, o;
};

static void add_subject(struct buffer *out, const struct ctfarm_feed_style *style,
                        const struct subject *subject) {
    struct buffer aggregated;
    buffer_init(&aggregated);
    const struct {
        const char *key;
        struct slice value;
    } parts[] = {{"C", subject->c}, {"CN", subject->cn}, {"L", subject->l}, {"O", subject->o}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].value.len) {
            buffer_add_format(&aggregated, "/%s=", parts[i].key);
            buffer_add_slice(&aggregated, parts[i].value);
        }
    }
    buffer_add_byte(out, '{');
    add_nullable(out, style, "aggregated", buffer_slice(&aggregated), true);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_nullable(out, style, parts[i].key, parts[i].value, false);
    add_nullable(out, style, "OU", (struct slice){0}, false);
    add_nullable(out, style, "ST", (struct slice){0}, false);
    add_nullable(out, style, style->dialect == CTFARM_CALIDOG ? "emailAddress" : "email_address",
                 (struct slice){0}, false);
    buffer_add_byte(out, '}');
    out->failed |= aggregated.failed;
    buffer_deinit(&aggregated);
}

static struct subject subject_of_ca(const struct ctfarm_ca *ca) {
    return (struct subject){
        .c = slice_of(ca->country), .cn = slice_of(ca->name), .o = slice_of(ca->organisation)};
}

static struct subject subject_of(const struct seen *seen) {
    if (!seen->leaf)
        return subject_of_ca(seen->ca);
    struct subject subject = {0};
    if (seen->leaf->common_name_count)
        subject.cn = seen->leaf->common_names[0];
    if (seen->leaf->organisation)
        subject = (struct subject){slice_of("FR"), subject.cn, slice_of("Beaulieu"),
                                   slice_of(seen->leaf->organisation)};
    return subject;
}

static uint32_t name_count(const struct ctfarm_issuance *leaf) {
    return leaf->kind == CTFARM_NO_SAN ? 0 : leaf->name_count;
}

/* All names of the list, then the common name if it is none of them. */
static void add_domains(struct buffer *out, const struct ctfarm_issuance *leaf) {
    bool known = leaf->common_name_count == 0;
    uint32_t count = name_count(leaf);
    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        ctfarm_json_text(out, leaf->names[i]);
        known = known || slice_equal(leaf->names[i], leaf->common_names[0]);
    }
    if (!known) {
        if (count)
            buffer_add_byte(out, ',');
        ctfarm_json_text(out, leaf->common_names[0]);
    }
    buffer_add_byte(out, ']');
}

static void add_alternative_names(struct buffer *out, const struct ctfarm_issuance *leaf) {
    struct buffer text;
    buffer_init(&text);
    for (uint32_t i = 0; i < name_count(leaf); i++) {
        buffer_add_text(&text, i ? ", DNS:" : "DNS:");
        buffer_add_slice(&text, leaf->names[i]);
    }
    if (leaf->kind == CTFARM_SAN_OTHER_NAMES)
        buffer_add_text(&text, ", IP Address:192.0.2.1, IP Address:2001:db8::, "
                               "email:hostmaster@example.net, URI:https://example.net/a");
    ctfarm_json_text(out, buffer_slice(&text));
    out->failed |= text.failed;
    buffer_deinit(&text);
}

static void add_extensions(struct buffer *out, const struct seen *seen) {
    struct slice key_id = {seen->leaf ? seen->leaf->key_id : seen->ca->key_id, CTFARM_KEY_ID_BYTES};
    buffer_add_text(out, "{");
    if (seen->leaf)
        buffer_add_format(
            out,
            "\"authorityInfoAccess\":\"CA Issuers - URI:http://%s/issuer.der\\nOCSP - "
            "URI:http://ocsp.%s\\n\",",
            seen->ca->host, seen->ca->host);
    buffer_add_text(out, "\"authorityKeyIdentifier\":\"keyid:");
    add_colons_lower(out, (struct slice){seen->issuer->key_id, CTFARM_KEY_ID_BYTES});
    buffer_add_format(out, "\",\"basicConstraints\":\"CA:%s\",", seen->leaf ? "FALSE" : "TRUE");
    if (seen->leaf)
        buffer_add_format(out,
                          "\"certificatePolicies\":\"Policy: 2.23.140.1.2.%d\",%s"
                          "\"extendedKeyUsage\":\"TLS Web server authentication, TLS Web client "
                          "authentication\",",
                          seen->leaf->organisation ? 2 : 1,
                          seen->precert ? "\"ctlPoisonByte\":true," : "");
    buffer_add_format(out, "\"keyUsage\":\"%s\",",
                      seen->leaf ? "Digital Signature" : "Certificate Signing, CRL Signing");
    if (seen->leaf) {
        buffer_add_text(out, "\"subjectAltName\":");
        add_alternative_names(out, seen->leaf);
        buffer_add_byte(out, ',');
    }
    buffer_add_text(out, "\"subjectKeyIdentifier\":\"");
    add_colons_lower(out, key_id);
    buffer_add_text(out, "\"}");
}

static void add_fingerprints(struct buffer *out, const struct ctfarm_feed_style *style,
                             const struct seen *seen) {
    uint8_t sha1[SHA_DIGEST_LENGTH], sha256[SHA256_DIGEST_LENGTH];
    size_t len = seen->without_der ? 0 : seen->der.len; /* the hashes of nothing */
    SHA1(seen->der.ptr, len, sha1);
    buffer_add_text(out, ",\"fingerprint\":");
    ctfarm_json_colons(out, (struct slice){sha1, sizeof sha1});
    if (style->dialect == CTFARM_CALIDOG)
        return;
    SHA256(seen->der.ptr, len, sha256);
    buffer_add_text(out, ",\"sha1\":");
    ctfarm_json_colons(out, (struct slice){sha1, sizeof sha1});
    buffer_add_text(out, ",\"sha256\":");
    ctfarm_json_colons(out, (struct slice){sha256, sizeof sha256});
}

static void add_serial(struct buffer *out, const struct ctfarm_feed_style *style,
                       const struct seen *seen) {
    static const char DIGITS[] = "0123456789ABCDEF";
    struct slice serial =
        seen->leaf ? seen->leaf->serial : (struct slice){seen->ca->serial, sizeof seen->ca->serial};
    buffer_add_text(out, ",\"serial_number\":\"");
    for (size_t i = 0; i < serial.len; i++) {
        if (i || serial.ptr[0] >> 4 || style->dialect != CTFARM_CALIDOG)
            buffer_add_byte(out, (uint8_t)DIGITS[serial.ptr[i] >> 4]);
        buffer_add_byte(out, (uint8_t)DIGITS[serial.ptr[i] & 15]);
    }
    buffer_add_byte(out, '"');
}

static void add_certificate(struct buffer *out, const struct ctfarm_feed_style *style,
                            const struct seen *seen) {
    const char *fraction = style->dialect == CTFARM_CALIDOG ? ".0" : "";
    struct subject subject = subject_of(seen), issuer = subject_of_ca(seen->issuer);
    bool rsa = ctfarm_signer_tls(&seen->issuer->signer) == 1;
    buffer_add_text(out, "{\"all_domains\":");
    if (seen->leaf)
        add_domains(out, seen->leaf);
    else
        buffer_add_text(out, "[]");
    if (style->detail == CTFARM_FULL && !seen->without_der) {
        buffer_add_text(out, ",\"as_der\":\"");
        text_add_base64(out, seen->der);
        buffer_add_byte(out, '"');
    }
    buffer_add_text(out, ",\"extensions\":");
    add_extensions(out, seen);
    add_fingerprints(out, style, seen);
    buffer_add_format(
        out, ",\"not_after\":%lld%s,\"not_before\":%lld%s",
        (long long)(seen->leaf ? seen->leaf->not_after : seen->ca->not_after), fraction,
        (long long)(seen->leaf ? seen->leaf->not_before : seen->ca->not_before), fraction);
    add_serial(out, style, seen);
    buffer_add_format(
        out, ",\"signature_algorithm\":\"sha256, %s\",\"subject\":", rsa ? "rsa" : "ecdsa");
    add_subject(out, style, &subject);
    buffer_add_text(out, ",\"issuer\":");
    add_subject(out, style, &issuer);
    if (style->dialect != CTFARM_CALIDOG)
        buffer_add_format(out, ",\"is_ca\":%s", seen->leaf ? "false" : "true");
    buffer_add_byte(out, '}');
}

/* --- Messages --- */

/* Without the root, so that messages are about as long as those of public feeds. */
static void add_chain(struct buffer *out, const struct ctfarm_feed_style *style,
                      const struct ctfarm_entry *entry) {
    buffer_add_text(out, ",\"chain\":[");
    for (uint32_t i = 0; i < entry->chain_count && entry->chain[i]->issuer; i++) {
        const struct ctfarm_ca *ca = entry->chain[i];
        struct seen seen = {.ca = ca, .issuer = ca->issuer, .der = ca->certificate};
        if (i)
            buffer_add_byte(out, ',');
        add_certificate(out, style, &seen);
    }
    buffer_add_byte(out, ']');
}

static void add_source(struct buffer *out, const struct ctfarm_feed_style *style,
                       int64_t timestamp_ms) {
    buffer_add_text(out, ",\"source\":{\"name\":");
    ctfarm_json_text(out, slice_of(style->name));
    buffer_add_text(out, ",\"url\":");
    ctfarm_json_text(out, slice_of(style->url));
    if (style->dialect != CTFARM_CALIDOG)
        buffer_add_format(out, ",\"timestamp\":%lld.%03d,\"type\":\"%s\"",
                          (long long)(timestamp_ms / 1000), (int)(timestamp_ms % 1000),
                          style->tiled ? "tiled" : "rfc6962");
    buffer_add_byte(out, '}');
}

static void add_update(struct buffer *out, const struct ctfarm_feed_style *style,
                       const struct ctfarm_entry *entry, uint64_t index) {
    const char *precert = style->dialect == CTFARM_CALIDOG ? "PreCertEntry" : "PrecertLogEntry";
    int64_t seen_ms = entry->timestamp_ms + SEEN_AFTER_MS;
    struct seen leaf = {.leaf = &entry->issuance,
                        .ca = entry->issuance.ca,
                        .issuer = entry->issuance.ca,
                        .der = entry->certificate,
                        .precert = entry->precert,
                        .without_der = style->tiled && entry->precert};
    buffer_add_format(out,
                      "{\"message_type\":\"certificate_update\",\"data\":{\"cert_index\":%llu,"
                      "\"cert_link\":\"",
                      (unsigned long long)index);
    if (!style->tiled)
        buffer_add_format(out, "%sct/v1/get-entries?start=%llu&end=%llu", style->url,
                          (unsigned long long)index, (unsigned long long)index);
    buffer_add_byte(out, '"');
    if (style->detail == CTFARM_FULL && !leaf.without_der)
        add_chain(out, style, entry);
    buffer_add_text(out, ",\"leaf_cert\":");
    add_certificate(out, style, &leaf);
    buffer_add_format(out, ",\"seen\":%lld.%03d", (long long)(seen_ms / 1000),
                      (int)(seen_ms % 1000));
    add_source(out, style, entry->timestamp_ms);
    buffer_add_format(out, ",\"update_type\":\"%s\"}}", entry->precert ? precert : "X509LogEntry");
}

bool ctfarm_feed_add(const struct ctfarm_entry *entry, uint64_t index,
                     const struct ctfarm_feed_style *style, struct buffer *out) {
    if (!ctfarm_entry_is_parsable(entry))
        return false;
    if (style->detail == CTFARM_DOMAINS) {
        buffer_add_text(out, "{\"data\":");
        add_domains(out, &entry->issuance);
        buffer_add_text(out, ",\"message_type\":\"dns_entries\"}");
    } else {
        add_update(out, style, entry, index);
    }
    return true;
}

void ctfarm_feed_add_heartbeat(enum ctfarm_dialect dialect, int64_t unix_ms, struct buffer *out) {
    buffer_add_text(out, "{\"message_type\":\"heartbeat\"");
    if (dialect != CTFARM_GO)
        buffer_add_format(out, ",\"timestamp\":%lld.%03d", (long long)(unix_ms / 1000),
                          (int)(unix_ms % 1000));
    buffer_add_byte(out, '}');
}
