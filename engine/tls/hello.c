#include "engine/tls/hello.h"

#include <assert.h>
#include <stdlib.h>

/* Which kind of certificate a suite or a signature algorithm brings, above its number. */
enum kind { R = 1 << 16 /* RSA */, E = 2 << 16 /* ECDSA */, O = 4 << 16 /* others */ };

/* clang-format off */

/* Cipher suites up to TLS 1.2, best first, for servers that follow the client's order. All that
 * come with a certificate and that some server may have as its only ones. Some old servers give up
 * at 128 suites, so variants that never come alone are left out: ARIA and Camellia-SHA256 with DHE,
 * DHE and RSA with a CCM_8 of 256 bits, most of the static Diffie-Hellman ones. */
static const uint32_t suites[] = {
    /* ECDHE and DHE with AEAD */
    E | 0xc02b, R | 0xc02f, E | 0xc02c, R | 0xc030, E | 0xcca9, R | 0xcca8, R | 0x009e, R | 0x009f,
    R | 0xccaa, O | 0x00a2, O | 0x00a3, E | 0xc0ac, E | 0xc0ae, E | 0xc0ad, E | 0xc0af, R | 0xc09e,
    R | 0xc09f, E | 0xcc14, R | 0xcc13, R | 0xcc15,
    /* ECDHE and DHE with AES-CBC */
    E | 0xc009, R | 0xc013, E | 0xc00a, R | 0xc014, E | 0xc023, R | 0xc027, E | 0xc024, R | 0xc028,
    R | 0x0033, R | 0x0039, R | 0x0067, R | 0x006b, O | 0x0032, O | 0x0038, O | 0x0040, O | 0x006a,
    /* RSA key transport, static ECDH and DH with AES */
    R | 0x009c, R | 0x009d, R | 0x002f, R | 0x0035, R | 0x003c, R | 0x003d, R | 0xc09c, R | 0xc09d,
    R | 0xc0a0, E | 0xc02d, E | 0xc02e, E | 0xc004, E | 0xc005, E | 0xc031, E | 0xc032, E | 0xc00e,
    E | 0xc00f, O | 0x0031, O | 0x0037, O | 0x0030, O | 0x0036,
    /* Camellia, ARIA, SEED, IDEA, GOST */
    E | 0xc086, E | 0xc087, R | 0xc08a, R | 0xc08b, E | 0xc072, E | 0xc073, R | 0xc076, R | 0xc077,
    R | 0xc07c, R | 0xc07d, R | 0x0045, R | 0x0088, O | 0x0044, O | 0x0087, R | 0xc07a, R | 0xc07b,
    R | 0x0041, R | 0x0084, E | 0xc05c, E | 0xc05d, R | 0xc060, R | 0xc061, R | 0xc050, R | 0xc051,
    R | 0x009a, O | 0x0099, R | 0x0096, R | 0x0007, O | 0xc100, O | 0xc101, O | 0xc102, O | 0x0081,
    /* 3DES, RC4, DES */
    E | 0xc008, R | 0xc012, R | 0x0016, O | 0x0013, R | 0x000a, E | 0xc003, E | 0xc00d, O | 0x0010,
    O | 0x000d, R | 0xfeff, E | 0xc007, R | 0xc011, E | 0xc002, E | 0xc00c, O | 0x0066, R | 0x0005,
    R | 0x0004, R | 0x0015, O | 0x0012, R | 0x0009, R | 0xfefe,
    /* export grade, no encryption */
    R | 0x0064, R | 0x0062, R | 0x0014, O | 0x0011, R | 0x0008, R | 0x0006, R | 0x0003, E | 0xc006,
    R | 0xc010, R | 0x003b, R | 0x0002, R | 0x0001,
};

/* RFC 8446 section 4.2.3 and RFC 5246 section 7.4.1.4.1, best first; down to SHA-1, MD5 and DSA, so
 * that old TLS 1.2 servers agree. ML-DSA and GOST (RFC 9367) come last: a server that has another
 * certificate as well should show that. */
static const uint32_t signatures[] = {
    E | 0x0403, R | 0x0804, R | 0x0401, E | 0x0503, R | 0x0805, R | 0x0501, E | 0x0603, R | 0x0806,
    R | 0x0601, O | 0x0807, O | 0x0808, R | 0x0809, R | 0x080a, R | 0x080b, E | 0x081a, E | 0x081b,
    E | 0x081c, E | 0x0303, R | 0x0301, E | 0x0203, R | 0x0201, O | 0x0402, O | 0x0502, O | 0x0602,
    O | 0x0302, O | 0x0202, R | 0x0101, O | 0x0904, O | 0x0905, O | 0x0906, O | 0x0840, O | 0x0841,
};

/* clang-format on */

/* Groups up to TLS 1.2 may be any, since no key exchange takes place: the server's certificate may
 * need its curve listed here. Those of TLS 1.3 must be ones that a HelloRetryRequest can ask for.
 */
static const uint16_t groups_real[] = {TLS_GROUP_X25519, TLS_GROUP_P256, TLS_GROUP_P384,
                                       TLS_GROUP_P521};
static const uint16_t groups_base_only[] = {TLS_GROUP_X448,      TLS_GROUP_FFDHE2048,
                                            TLS_GROUP_FFDHE3072, TLS_GROUP_FFDHE4096,
                                            TLS_GROUP_FFDHE6144, TLS_GROUP_FFDHE8192};
/* brainpool, secp256k1, then the other curves of RFC 8422's predecessor */
static const uint16_t groups_old[] = {0x001a, 0x001b, 0x001c, 0x0016, 0x0015, 0x0013, 0x0014,
                                      0x0012, 0x0010, 0x0011, 0x000f, 0x000e, 0x000d, 0x000c,
                                      0x000b, 0x000a, 0x0009, 0x0008, 0x0007, 0x0006, 0x0005,
                                      0x0004, 0x0003, 0x0002, 0x0001};

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {
    RENEGOTIATION_SCSV = 0x00ff, /* RFC 5746 section 3.3 */
    RANDOM_AT = TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES + 2,
    SESSION_AT = RANDOM_AT + TLS_RANDOM_BYTES + 1,
    SUITES_MAX = 127,
    NAME_OVERHEAD = 9,
    /* RFC 7685: some load balancers hang on messages of 256 to 511 bytes. */
    PAD_FROM = 256,
    PAD_TO = 512,
};

static_assert(TLS13_SUITE_COUNT + COUNT(suites) + 1 <= SUITES_MAX, "old servers stop at 128");
static_assert(SESSION_AT + TLS_SESSION_ID_BYTES + 2 + 2 * SUITES_MAX + 2 + 2 + 4 + 6 +
                      2 * (COUNT(groups_real) + COUNT(groups_base_only) + COUNT(groups_old)) + 8 +
                      2 * (6 + 2 * COUNT(signatures)) + 5 + 2 * 5 <=
                  TLS_HELLO_HEAD_MAX,
              "the head of every hello fits");

uint16_t tls_hello_suite(size_t index) {
    return index < COUNT(suites) ? (uint16_t)suites[index] : 0;
}

uint16_t tls_hello_signature(size_t index) {
    return index < COUNT(signatures) ? (uint16_t)signatures[index] : 0;
}

struct writer {
    uint8_t *at;
};

static void put_u8(struct writer *out, size_t value) {
    *out->at++ = (uint8_t)value;
}

static void put_u16(struct writer *out, size_t value) {
    put_u8(out, value >> 8);
    put_u8(out, value);
}

static void put_slice(struct writer *out, struct slice bytes) {
    if (bytes.len)
        memcpy(out->at, bytes.ptr, bytes.len);
    out->at += bytes.len;
}

static void put_u16_list(struct writer *out, const uint16_t *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        put_u16(out, list[i]);
}

/* Leaves room for a length of two bytes and returns where; close_u16 fills it. */
static uint8_t *open_u16(struct writer *out) {
    out->at += 2;
    return out->at - 2;
}

static void set_u16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void close_u16(const struct writer *out, uint8_t *length) {
    set_u16(length, (size_t)(out->at - length) - 2);
}

static void put_wanted(struct writer *out, const uint32_t *offers, size_t count,
                       enum tls_signature_wish wish) {
    static const uint32_t kinds[] = {
        [TLS_SIGNATURES_ALL] = R | E | O, [TLS_SIGNATURES_RSA] = R, [TLS_SIGNATURES_ECDSA] = E};
    for (size_t i = 0; i < count; i++)
        if (offers[i] & kinds[wish])
            put_u16(out, offers[i] & UINT16_MAX);
}

static void put_suites(struct writer *out, const struct tls_grab_profile *profile,
                       enum tls_signature_wish wish) {
    uint8_t *length = open_u16(out);
    for (size_t i = 0; profile->offers_tls13 && i < TLS13_SUITE_COUNT; i++)
        put_u16(out, tls13_suites[i].id);
    if (profile->version_min < TLS_VERSION_TLS13) {
        put_wanted(out, suites, COUNT(suites), wish);
        put_u16(out, RENEGOTIATION_SCSV);
    }
    close_u16(out, length);
}

static void put_groups(struct writer *out, const struct tls_grab_profile *profile) {
    put_u16(out, TLS_EXTENSION_SUPPORTED_GROUPS);
    uint8_t *extension = open_u16(out), *list = open_u16(out);
    put_u16_list(out, groups_real, COUNT(groups_real));
    if (!profile->random_share)
        put_u16_list(out, groups_base_only, COUNT(groups_base_only));
    if (profile->version_min < TLS_VERSION_TLS13)
        put_u16_list(out, groups_old, COUNT(groups_old));
    close_u16(out, list);
    close_u16(out, extension);
}

static void put_signatures(struct writer *out, uint16_t type, enum tls_signature_wish wish) {
    put_u16(out, type);
    uint8_t *extension = open_u16(out), *list = open_u16(out);
    put_wanted(out, signatures, COUNT(signatures), wish);
    close_u16(out, list);
    close_u16(out, extension);
}

static void put_versions(struct writer *out, const struct tls_grab_profile *profile) {
    put_u16(out, TLS_EXTENSION_SUPPORTED_VERSIONS);
    uint8_t *extension = open_u16(out), *list = out->at++;
    for (uint16_t version = profile->version_max; version >= profile->version_min; version--)
        put_u16(out, version);
    *list = (uint8_t)(out->at - list - 1);
    close_u16(out, extension);
}

static void put_extensions(struct writer *out, const struct tls_grab_profile *profile,
                           enum tls_signature_wish wish) {
    /* RFC 7627: servers in FIPS mode turn away clients without it. */
    put_u16(out, TLS_EXTENSION_EXTENDED_MASTER_SECRET);
    put_u16(out, 0);
    put_groups(out, profile);
    if (profile->version_min < TLS_VERSION_TLS13) {
        /* RFC 8422 section 5.1.2: compressed ones too, for certificates with such a key */
        static const uint8_t formats[] = {0, TLS_EXTENSION_EC_POINT_FORMATS, 0, 4, 3, 0, 1, 2};
        put_slice(out, (struct slice){formats, sizeof formats});
    }
    put_signatures(out, TLS_EXTENSION_SIGNATURE_ALGORITHMS, wish);
    /* The wish is for the leaf's key; the chain above it may be signed with anything. */
    if (wish != TLS_SIGNATURES_ALL)
        put_signatures(out, TLS_EXTENSION_SIGNATURE_ALGORITHMS_CERT, TLS_SIGNATURES_ALL);
    if (profile->offers_tls13)
        put_versions(out, profile);
}

static void write_head(struct tls_grab_profile *profile, enum tls_signature_wish wish) {
    struct writer out = {profile->head};
    uint16_t version = profile->version_max;

    put_u8(&out, TLS_CONTENT_HANDSHAKE);
    /* RFC 8446 appendix D.1: 0x0301 is what all servers take in the first record. */
    put_u16(&out, version < TLS_VERSION_TLS10 ? version : TLS_VERSION_TLS10);
    open_u16(&out);
    put_u8(&out, TLS_MESSAGE_CLIENT_HELLO);
    put_u8(&out, 0);
    open_u16(&out);
    put_u16(&out, version < TLS_VERSION_TLS12 ? version : TLS_VERSION_TLS12);
    out.at += TLS_RANDOM_BYTES;
    /* Appendix D.4: a session id for the sake of middleboxes. Older versions get none, lest a
       server take it for a session that it knows. */
    put_u8(&out, profile->offers_tls13 ? TLS_SESSION_ID_BYTES : 0);
    out.at += profile->offers_tls13 ? TLS_SESSION_ID_BYTES : 0;
    put_suites(&out, profile, wish);
    put_u8(&out, 1);
    put_u8(&out, 0); /* no compression */
    if (version > TLS_VERSION_SSL30) {
        profile->extensions_at = (uint16_t)(out.at - profile->head);
        open_u16(&out);
        put_extensions(&out, profile, wish);
    }
    profile->head_len = (uint16_t)(out.at - profile->head);
    assert(profile->head_len <= TLS_HELLO_HEAD_MAX);
}

uint8_t *tls_hello_share_entry(const struct tls_group *group, uint8_t *out) {
    set_u16(out, group->id);
    set_u16(out + 2, group->share_bytes);
    return out + 4;
}

static void write_shares(struct tls_grab_profile *profile) {
    static const uint16_t ids[TLS_HELLO_SHARES] = {TLS_GROUP_X25519, TLS_GROUP_P256};
    uint8_t *at = profile->shares;
    for (size_t i = 0; i < TLS_HELLO_SHARES; i++) {
        const struct tls_group *group = profile->shared[i] = tls_group_find(ids[i]);
        at = tls_hello_share_entry(group, at);
        tls_group_base_share(group, at);
        at += group->share_bytes;
    }
    assert(at == profile->shares + sizeof profile->shares);
}

struct tls_grab_profile *tls_grab_profile_new(const struct tls_grab_options *options) {
    struct tls_grab_profile *profile = calloc(1, sizeof *profile);
    if (!profile)
        return NULL;
    profile->version_min = options->version_min ? options->version_min : TLS_VERSION_SSL30;
    profile->version_max = options->version_max ? options->version_max : TLS_VERSION_TLS13;
    assert(profile->version_min >= TLS_VERSION_SSL30 &&
           profile->version_min <= profile->version_max &&
           profile->version_max <= TLS_VERSION_TLS13);
    profile->random_share = options->random_share;
    profile->offers_tls13 = profile->version_max >= TLS_VERSION_TLS13;
    write_head(profile, options->signatures);
    write_shares(profile);
    if (!tls13_derived_init(&profile->derived)) {
        free(profile);
        return NULL;
    }
    return profile;
}

void tls_grab_profile_free(struct tls_grab_profile *profile) {
    free(profile);
}

/* The hello without the padding. */
static size_t bare_bytes(const struct tls_grab_profile *profile,
                         const struct tls_hello_parts *parts) {
    size_t len = profile->head_len;
    if (!profile->extensions_at)
        return len;
    if (profile->offers_tls13)
        len += 6 + parts->shares.len;
    if (parts->cookie.len)
        len += 6 + parts->cookie.len;
    if (parts->name.len)
        len += NAME_OVERHEAD + parts->name.len;
    return len;
}

/* The padding extension: 0, or at least 5, since some servers choke on an empty extension at the
 * end. */
static size_t padding_bytes(const struct tls_grab_profile *profile, size_t bare) {
    size_t message = bare - TLS_RECORD_HEADER_BYTES;
    if (!profile->extensions_at || message < PAD_FROM || message >= PAD_TO)
        return 0;
    return PAD_TO - message < 5 ? 5 : PAD_TO - message;
}

size_t tls_hello_bytes(const struct tls_grab_profile *profile,
                       const struct tls_hello_parts *parts) {
    size_t bare = bare_bytes(profile, parts);
    return bare + padding_bytes(profile, bare);
}

static void put_name(struct writer *out, struct slice name) { /* RFC 6066 section 3 */
    put_u16(out, TLS_EXTENSION_SERVER_NAME);
    put_u16(out, 5 + name.len);
    put_u16(out, 3 + name.len);
    put_u8(out, 0); /* host_name */
    put_u16(out, name.len);
    put_slice(out, name);
}

uint16_t tls_hello_write(const struct tls_grab_profile *profile,
                         const struct tls_hello_parts *parts, uint8_t *record) {
    struct writer out = {record};
    uint16_t name_at = 0;

    put_slice(&out, (struct slice){profile->head, profile->head_len});
    memcpy(record + RANDOM_AT, parts->random, TLS_RANDOM_BYTES);
    if (profile->offers_tls13) {
        memcpy(record + SESSION_AT, parts->session_id, TLS_SESSION_ID_BYTES);
        put_u16(&out, TLS_EXTENSION_KEY_SHARE);
        put_u16(&out, 2 + parts->shares.len);
        put_u16(&out, parts->shares.len);
        put_slice(&out, parts->shares);
    }
    if (parts->cookie.len) {
        put_u16(&out, TLS_EXTENSION_COOKIE);
        put_u16(&out, 2 + parts->cookie.len);
        put_u16(&out, parts->cookie.len);
        put_slice(&out, parts->cookie);
    }
    if (parts->name.len && profile->extensions_at) {
        put_name(&out, parts->name);
        name_at = (uint16_t)(out.at - parts->name.len - record - TLS_RECORD_HEADER_BYTES);
    }
    size_t padding = padding_bytes(profile, (size_t)(out.at - record));
    if (padding) {
        put_u16(&out, TLS_EXTENSION_PADDING);
        put_u16(&out, padding - 4);
        memset(out.at, 0, padding - 4);
        out.at += padding - 4;
    }
    size_t len = (size_t)(out.at - record);
    set_u16(record + 3, len - TLS_RECORD_HEADER_BYTES);
    set_u16(record + 7, len - TLS_RECORD_HEADER_BYTES - TLS_MESSAGE_HEADER_BYTES);
    if (profile->extensions_at)
        set_u16(record + profile->extensions_at, len - profile->extensions_at - 2);
    return name_at;
}
