#include "engine/tls/audit_hello.h"

#include "engine/tls/hello.h"
#include "engine/tls/session.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

/* IANA "TLS Application-Layer Protocol Negotiation (ALPN) Protocol IDs", those of TLS over TCP;
 * what servers of the web take first. */
const char *const audit_protocols[AUDIT_PROTOCOLS] = {
    "h2",          "http/1.1",    "http/1.0",   "http/0.9",   "spdy/3.1",   "spdy/3",
    "spdy/2",      "spdy/1",      "h2c",        "h3",         "imap",       "pop3",
    "smtp",        "managesieve", "ftp",        "nntp",       "nnsp",       "irc",
    "xmpp-client", "xmpp-server", "postgresql", "tds/8.0",    "mqtt",       "coap",
    "dot",         "ntske/1",     "sip/2",      "stun.turn",  "radius/1.0", "radius/1.1",
    "dicom",       "sunrpc",      "smb",        "acme-tls/1", "webrtc",     "c-webrtc",
};

/* RFC 8446, RFC 8998, RFC 9367, RFC 9150, AEGIS */
static const uint16_t suites13[] = {0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0x00c6, 0x00c7, 0xc103,
                                    0xc104, 0xc105, 0xc106, 0xc0b4, 0xc0b5, 0x1306, 0x1307};

static const uint16_t groups13_only[] = {0x11ec, 0x11eb, 0x11ed, 0x11ee, 0x0201, 0x0202, 0x0200,
                                         0x6399, 0x639a, 0xfe31, 0xfe32, 0xfe30, 0x001f, 0x0020,
                                         0x0021, 0x0022, 0x0023, 0x0024, 0x0025, 0x0026, 0x0027,
                                         0x0028, 0x0029, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104};
static const uint16_t groups_common[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e};
static const uint16_t groups12_only[] = {0x001a, 0x001b, 0x001c, 0x0016, 0x0015, 0x0013, 0x0014,
                                         0x0012, 0x0010, 0x0011, 0x000f, 0x000e, 0x000d, 0x000c,
                                         0x000b, 0x000a, 0x0009, 0x0008, 0x0007, 0x0006, 0x0005,
                                         0x0004, 0x0003, 0x0002, 0x0001};

enum {
    SCSV_RENEGOTIATION = 0x00ff,
    SCSV_FALLBACK = 0x5600,
    /* As in hello.c: some load balancers hang on messages of 256 to 511 bytes. */
    PAD_FROM = 256,
    PAD_TO = 512,
    EXTENSION_PSK_KEY_EXCHANGE_MODES = 45,
};

/* --- Lists --- */

static bool name_has(const char *name, const char *part) {
    return strstr(name, part) != NULL;
}

/* RFC 5246 section 1.2 and those after it: AEAD, and MACs with SHA-2; but the PSK suites of RFC
 * 5487 section 3 and RFC 5489 section 3.2 may be of any version. */
static bool needs_tls12(const char *name) {
    if (name_has(name, "GCM") || name_has(name, "CCM") || name_has(name, "POLY1305") ||
        name_has(name, "SM3") || name_has(name, "341112"))
        return true;
    return !name_has(name, "PSK") && (name_has(name, "SHA256") || name_has(name, "SHA384"));
}

static bool is_usual(uint16_t suite) {
    uint16_t usual;
    for (size_t i = 0; (usual = tls_hello_suite(i)); i++)
        if (usual == suite)
            return true;
    return false;
}

static bool is_of_tls13(uint16_t suite) {
    for (size_t i = 0; i < sizeof suites13 / sizeof *suites13; i++)
        if (suites13[i] == suite)
            return true;
    return false;
}

size_t audit_suite_list(uint16_t version, enum audit_suites kind,
                        uint16_t out[AUDIT_OFFER_SUITES_MAX]) {
    size_t count = 0;
    uint16_t suite;

    if (version >= TLS_VERSION_TLS13) {
        if (kind == AUDIT_SUITES_RARE)
            return 0;
        memcpy(out, suites13, sizeof suites13);
        return sizeof suites13 / sizeof *suites13;
    }
    for (size_t i = 0; count < AUDIT_OFFER_SUITES_MAX - 1; i++) {
        suite = kind == AUDIT_SUITES_USUAL ? tls_hello_suite(i) : tls_cipher_number(i);
        if (!suite)
            break;
        const char *name = tls_cipher_name(suite);
        bool out_of_place =
            kind == AUDIT_SUITES_RARE && (is_usual(suite) || is_of_tls13(suite) ||
                                          suite == SCSV_RENEGOTIATION || suite == SCSV_FALLBACK);
        if (!out_of_place && (version >= TLS_VERSION_TLS12 || !name || !needs_tls12(name)))
            out[count++] = suite;
    }
    return count;
}

size_t audit_group_list(uint16_t version, uint16_t out[AUDIT_OFFER_GROUPS_MAX]) {
    bool tls13 = version >= TLS_VERSION_TLS13;
    const uint16_t *only = tls13 ? groups13_only : groups12_only;
    size_t bytes = tls13 ? sizeof groups13_only : sizeof groups12_only;

    memcpy(out, groups_common, sizeof groups_common);
    memcpy(out + sizeof groups_common / sizeof *groups_common, only, bytes);
    return (sizeof groups_common + bytes) / sizeof *out;
}

/* --- The hello --- */

/* An extension's header; what follows goes into `body`. Who opens one flushes `out` before `body`
 * goes out of scope. */
static bool open_extension(CBB *out, uint16_t type, CBB *body) {
    return CBB_add_u16(out, type) && CBB_add_u16_length_prefixed(out, body);
}

static bool add_extension(CBB *out, uint16_t type, struct slice content) {
    CBB body;
    return open_extension(out, type, &body) && CBB_add_bytes(&body, content.ptr, content.len) &&
           CBB_flush(out);
}

#define CONTENT(...)                                                                               \
    ((struct slice){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static bool add_name(CBB *out, struct slice sni) {
    CBB body, list, name;
    return !sni.len || (open_extension(out, TLS_EXTENSION_SERVER_NAME, &body) &&
                        CBB_add_u16_length_prefixed(&body, &list) && CBB_add_u8(&list, 0) &&
                        CBB_add_u16_length_prefixed(&list, &name) &&
                        CBB_add_bytes(&name, sni.ptr, sni.len) && CBB_flush(out));
}

static bool add_groups(CBB *out, const struct audit_offer *offer) {
    CBB body, list;
    if (!open_extension(out, TLS_EXTENSION_SUPPORTED_GROUPS, &body) ||
        !CBB_add_u16_length_prefixed(&body, &list))
        return false;
    for (size_t i = 0; i < offer->group_count; i++)
        if (!CBB_add_u16(&list, offer->groups[i]))
            return false;
    return CBB_flush(out);
}

static bool add_signatures(CBB *out) {
    CBB body, list;
    uint16_t signature;
    if (!open_extension(out, TLS_EXTENSION_SIGNATURE_ALGORITHMS, &body) ||
        !CBB_add_u16_length_prefixed(&body, &list))
        return false;
    for (size_t i = 0; (signature = tls_hello_signature(i)); i++)
        if (!CBB_add_u16(&list, signature))
            return false;
    return CBB_flush(out);
}

static bool add_protocols(CBB *out, uint64_t protocols) {
    CBB body, list, item;
    if (!protocols)
        return true;
    if (!open_extension(out, TLS_EXTENSION_ALPN, &body) ||
        !CBB_add_u16_length_prefixed(&body, &list))
        return false;
    for (size_t i = 0; i < AUDIT_PROTOCOLS; i++) {
        struct slice name = slice_of(audit_protocols[i]);
        if ((protocols >> i & 1) && (!CBB_add_u8_length_prefixed(&list, &item) ||
                                     !CBB_add_bytes(&item, name.ptr, name.len)))
            return false;
    }
    return CBB_flush(out);
}

/* Section 4.2.8: an empty list asks for a HelloRetryRequest. */
static bool add_shares(CBB *out, const struct audit_offer *offer) {
    CBB body, list;
    uint8_t *at;
    if (!open_extension(out, TLS_EXTENSION_KEY_SHARE, &body) ||
        !CBB_add_u16_length_prefixed(&body, &list))
        return false;
    for (size_t i = 0; offer->shares && i < offer->group_count; i++) {
        const struct tls_group *group = tls_group_find(offer->groups[i]);
        if (!group)
            continue;
        if (!CBB_add_space(&list, &at, 4 + (size_t)group->share_bytes))
            return false;
        tls_group_base_share(group, tls_hello_share_entry(group, at));
    }
    return CBB_flush(out);
}

static bool add_extensions12(CBB *out, const struct audit_offer *offer) {
    return add_extension(out, TLS_EXTENSION_RENEGOTIATION_INFO, CONTENT(0)) &&
           add_extension(out, TLS_EXTENSION_EC_POINT_FORMATS, CONTENT(3, 0, 1, 2)) &&
           add_extension(out, TLS_EXTENSION_HEARTBEAT, CONTENT(1)) &&
           add_extension(out, TLS_EXTENSION_SESSION_TICKET, (struct slice){NULL, 0}) &&
           add_extension(out, TLS_EXTENSION_ENCRYPT_THEN_MAC, (struct slice){NULL, 0}) &&
           add_protocols(out, offer->protocols);
}

static bool add_extensions13(CBB *out, const struct audit_offer *offer) {
    return add_extension(out, TLS_EXTENSION_SUPPORTED_VERSIONS, CONTENT(2, 3, 4)) &&
           add_extension(out, EXTENSION_PSK_KEY_EXCHANGE_MODES, CONTENT(1, 1)) &&
           add_protocols(out, offer->protocols) && add_shares(out, offer);
}

static bool add_padding(CBB *out, size_t message) {
    CBB body;
    size_t bytes = message + 4 < PAD_TO ? PAD_TO - message - 4 : 1;
    return message < PAD_FROM || message >= PAD_TO ||
           (open_extension(out, TLS_EXTENSION_PADDING, &body) && CBB_add_zeros(&body, bytes) &&
            CBB_flush(out));
}

static bool add_extensions(CBB *out, const struct audit_offer *offer, struct slice sni) {
    static const struct slice empty = {NULL, 0};
    bool tls13 = offer->version >= TLS_VERSION_TLS13;
    size_t before = TLS_MESSAGE_HEADER_BYTES + CBB_len(out) + 2;
    CBB list;

    return CBB_add_u16_length_prefixed(out, &list) && add_name(&list, sni) &&
           add_extension(&list, TLS_EXTENSION_EXTENDED_MASTER_SECRET, empty) &&
           add_extension(&list, TLS_EXTENSION_STATUS_REQUEST, CONTENT(1, 0, 0, 0, 0)) &&
           add_extension(&list, TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP, empty) &&
           add_groups(&list, offer) && add_signatures(&list) &&
           (tls13 ? add_extensions13 : add_extensions12)(&list, offer) &&
           add_padding(&list, before + CBB_len(&list)) && CBB_flush(out);
}

/* All that stands before the extensions. TLS 1.3 gets a session id for the sake of middleboxes; the
 * others none, so that one in the answer is the server's own. */
static bool add_head(CBB *out, const struct audit_offer *offer, const uint8_t random[32]) {
    uint8_t session_id[SHA256_DIGEST_LENGTH];
    bool tls13 = offer->version >= TLS_VERSION_TLS13;
    CBB id, suites, compressions;

    SHA256(random, TLS_RANDOM_BYTES, session_id);
    if (!CBB_add_u16(out, tls13 ? TLS_VERSION_TLS12 : offer->version) ||
        !CBB_add_bytes(out, random, TLS_RANDOM_BYTES) || !CBB_add_u8_length_prefixed(out, &id) ||
        !CBB_add_bytes(&id, session_id, tls13 ? sizeof session_id : 0) ||
        !CBB_add_u16_length_prefixed(out, &suites))
        return false;
    for (size_t i = 0; i < offer->suite_count; i++)
        if (!CBB_add_u16(&suites, offer->suites[i]))
            return false;
    if (offer->version == TLS_VERSION_SSL30 && !CBB_add_u16(&suites, SCSV_RENEGOTIATION))
        return false;
    return CBB_add_u8_length_prefixed(out, &compressions) &&
           (tls13 || CBB_add_u8(&compressions, 1)) && CBB_add_u8(&compressions, 0) &&
           CBB_flush(out);
}

bool audit_hello_write(const struct audit_offer *offer, struct slice sni, const uint8_t random[32],
                       struct buffer *out) {
    uint8_t *at = buffer_reserve(out, AUDIT_HELLO_MAX);
    CBB record, message, body;
    size_t len;

    if (!at || !CBB_init_fixed(&record, at, AUDIT_HELLO_MAX))
        return false;
    bool old = offer->version < TLS_VERSION_TLS10;
    bool ok = CBB_add_u8(&record, TLS_CONTENT_HANDSHAKE) &&
              CBB_add_u16(&record, old ? offer->version : TLS_VERSION_TLS10) &&
              CBB_add_u16_length_prefixed(&record, &message) &&
              CBB_add_u8(&message, TLS_MESSAGE_CLIENT_HELLO) &&
              CBB_add_u24_length_prefixed(&message, &body) && add_head(&body, offer, random) &&
              (old || add_extensions(&body, offer, sni)) && CBB_finish(&record, NULL, &len);
    if (ok)
        out->len += len;
    else
        CBB_cleanup(&record);
    return ok;
}
