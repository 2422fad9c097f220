#include "engine/tls/audit_jarm.h"

#include "engine/tls/wire.h"

#include <assert.h>
#include <openssl/bytestring.h>
#include <stdio.h>

enum order { FORWARD, REVERSE, TOP_HALF, BOTTOM_HALF, MIDDLE_OUT };

enum {
    SUITES = 69,
    ITEMS_MAX = SUITES,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct jarm_hello {
    uint16_t version;
    uint8_t suite_order, other_order; /* the latter of protocols and versions */
    bool without_tls13_suites;
    bool grease;
    bool rare_protocols;   /* without those of the web */
    uint16_t versions_max; /* of supported_versions; 0 without the extension */
};

static const struct jarm_hello hellos[AUDIT_JARM_HELLOS] = {
    {0x0303, FORWARD, REVERSE, false, false, false, 0x0303},
    {0x0303, REVERSE, FORWARD, false, false, false, 0x0303},
    {0x0303, TOP_HALF, FORWARD, false, false, false, 0},
    {0x0303, BOTTOM_HALF, FORWARD, false, false, true, 0},
    {0x0303, MIDDLE_OUT, REVERSE, false, true, true, 0},
    {0x0302, FORWARD, FORWARD, false, false, false, 0},
    {0x0304, FORWARD, REVERSE, false, false, false, 0x0304},
    {0x0304, REVERSE, FORWARD, false, false, false, 0x0304},
    {0x0304, FORWARD, FORWARD, true, false, false, 0x0304},
    {0x0304, MIDDLE_OUT, REVERSE, false, true, false, 0x0304},
};

static const uint16_t suites[SUITES] = {
    0x0016, 0x0033, 0x0067, 0xc09e, 0xc0a2, 0x009e, 0x0039, 0x006b, 0xc09f, 0xc0a3, 0x009f, 0x0045,
    0x00be, 0x0088, 0x00c4, 0x009a, 0xc008, 0xc009, 0xc023, 0xc0ac, 0xc0ae, 0xc02b, 0xc00a, 0xc024,
    0xc0ad, 0xc0af, 0xc02c, 0xc072, 0xc073, 0xcca9, 0x1302, 0x1301, 0xcc14, 0xc007, 0xc012, 0xc013,
    0xc027, 0xc02f, 0xc014, 0xc028, 0xc030, 0xc060, 0xc061, 0xc076, 0xc077, 0xcca8, 0x1305, 0x1304,
    0x1303, 0xcc13, 0xc011, 0x000a, 0x002f, 0x003c, 0xc09c, 0xc0a0, 0x009c, 0x0035, 0x003d, 0xc09d,
    0xc0a1, 0x009d, 0x0041, 0x00ba, 0x0084, 0x00c0, 0x0007, 0x0004, 0x0005,
};

/* With their lengths: all, and those without http/1.1 and h2. The published list of all lacks a
 * comma: two protocols are one item there and move together. */
static const char *const protocols[] = {"\x08http/0.9", "\x08http/1.0", "\x08http/1.1",
                                        "\x06spdy/1",   "\x06spdy/2",   "\x06spdy/3\x02h2",
                                        "\x03h2c",      "\x02hq"};
static const char *const rare_protocols[] = {
    "\x08http/0.9", "\x08http/1.0", "\x06spdy/1", "\x06spdy/2", "\x06spdy/3", "\x03h2c", "\x02hq"};

/* What the fingerprint calls a suite: its place in this list, from 1. */
static const uint16_t suite_codes[SUITES] = {
    0x0004, 0x0005, 0x0007, 0x000a, 0x0016, 0x002f, 0x0033, 0x0035, 0x0039, 0x003c, 0x003d, 0x0041,
    0x0045, 0x0067, 0x006b, 0x0084, 0x0088, 0x009a, 0x009c, 0x009d, 0x009e, 0x009f, 0x00ba, 0x00be,
    0x00c0, 0x00c4, 0xc007, 0xc008, 0xc009, 0xc00a, 0xc011, 0xc012, 0xc013, 0xc014, 0xc023, 0xc024,
    0xc027, 0xc028, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xc060, 0xc061, 0xc072, 0xc073, 0xc076, 0xc077,
    0xc09c, 0xc09d, 0xc09e, 0xc09f, 0xc0a0, 0xc0a1, 0xc0a2, 0xc0a3, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af,
    0xcc13, 0xcc14, 0xcca8, 0xcca9, 0x1301, 0x1302, 0x1303, 0x1304, 0x1305,
};

/* --- Hellos -------------------------------------------------------------------------------- */

/* Which of `count` items stand where; returns how many there are. */
static size_t arrange(enum order order, size_t count, size_t out[ITEMS_MAX]) {
    size_t filled = 0, middle = count / 2;
    switch (order) {
    case FORWARD:
        for (size_t i = 0; i < count; i++)
            out[filled++] = i;
        break;
    case REVERSE:
        for (size_t i = count; i-- > 0;)
            out[filled++] = i;
        break;
    case TOP_HALF: /* backwards, with the one in the middle */
        for (size_t i = (count + 1) / 2; i-- > 0;)
            out[filled++] = i;
        break;
    case BOTTOM_HALF:
        for (size_t i = (count + 1) / 2; i < count; i++)
            out[filled++] = i;
        break;
    case MIDDLE_OUT:
        if (count % 2)
            out[filled++] = middle;
        for (size_t i = 1; i <= middle; i++) {
            out[filled++] = count % 2 ? middle + i : middle - 1 + i;
            out[filled++] = middle - i;
        }
        break;
    }
    return filled;
}

/* RFC 8701 */
static bool add_grease(CBB *out, uint8_t random) {
    uint16_t byte = (uint16_t)((random & 0xf0) | 0x0a);
    return CBB_add_u16(out, (uint16_t)(byte << 8 | byte));
}

static bool add_suites(CBB *out, const struct jarm_hello *hello, const uint8_t *random) {
    uint16_t chosen[SUITES];
    size_t count = 0, places[ITEMS_MAX];
    CBB list;

    for (size_t i = 0; i < SUITES; i++)
        if (!hello->without_tls13_suites || suites[i] >> 8 != 0x13)
            chosen[count++] = suites[i];
    if (!CBB_add_u16_length_prefixed(out, &list) || (hello->grease && !add_grease(&list, *random)))
        return false;
    count = arrange((enum order)hello->suite_order, count, places);
    for (size_t i = 0; i < count; i++)
        if (!CBB_add_u16(&list, chosen[places[i]]))
            return false;
    return CBB_flush(out);
}

static bool add_protocols(CBB *out, const struct jarm_hello *hello) {
    const char *const *items = hello->rare_protocols ? rare_protocols : protocols;
    size_t count = hello->rare_protocols ? COUNT(rare_protocols) : COUNT(protocols);
    size_t places[ITEMS_MAX];
    CBB body, list;

    if (!CBB_add_u16(out, TLS_EXTENSION_ALPN) || !CBB_add_u16_length_prefixed(out, &body) ||
        !CBB_add_u16_length_prefixed(&body, &list))
        return false;
    count = arrange((enum order)hello->other_order, count, places);
    for (size_t i = 0; i < count; i++) {
        struct slice bytes = slice_of(items[places[i]]);
        if (!CBB_add_bytes(&list, bytes.ptr, bytes.len))
            return false;
    }
    return CBB_flush(out);
}

static bool add_versions(CBB *out, const struct jarm_hello *hello, const uint8_t *random) {
    size_t places[ITEMS_MAX];
    CBB body, list;

    if (!hello->versions_max)
        return true;
    if (!CBB_add_u16(out, TLS_EXTENSION_SUPPORTED_VERSIONS) ||
        !CBB_add_u16_length_prefixed(out, &body) || !CBB_add_u8_length_prefixed(&body, &list) ||
        (hello->grease && !add_grease(&list, *random)))
        return false;
    size_t count = arrange((enum order)hello->other_order,
                           (size_t)(hello->versions_max - TLS_VERSION_SSL30), places);
    for (size_t i = 0; i < count; i++)
        if (!CBB_add_u16(&list, (uint16_t)(TLS_VERSION_TLS10 + places[i])))
            return false;
    return CBB_flush(out);
}

static bool add_share(CBB *out, const struct jarm_hello *hello, const uint8_t *random) {
    uint8_t share[SHA256_DIGEST_LENGTH];
    CBB body, list;

    SHA256(random, SHA256_DIGEST_LENGTH, share);
    return CBB_add_u16(out, TLS_EXTENSION_KEY_SHARE) && CBB_add_u16_length_prefixed(out, &body) &&
           CBB_add_u16_length_prefixed(&body, &list) &&
           (!hello->grease ||
            (add_grease(&list, random[1]) && CBB_add_u16(&list, 1) && CBB_add_u8(&list, 0))) &&
           CBB_add_u16(&list, TLS_GROUP_X25519) && CBB_add_u16(&list, sizeof share) &&
           CBB_add_bytes(&list, share, sizeof share) && CBB_flush(out);
}

/* The name stands there even when it is an address, or empty. */
static bool add_name(CBB *out, struct slice host) {
    CBB body, list, name;
    return CBB_add_u16(out, TLS_EXTENSION_SERVER_NAME) && CBB_add_u16_length_prefixed(out, &body) &&
           CBB_add_u16_length_prefixed(&body, &list) && CBB_add_u8(&list, 0) &&
           CBB_add_u16_length_prefixed(&list, &name) && CBB_add_bytes(&name, host.ptr, host.len) &&
           CBB_flush(out);
}

static bool add_extensions(CBB *out, const struct jarm_hello *hello, struct slice host,
                           const uint8_t *random) {
    /* extended_master_secret, max_fragment_length, renegotiation_info, supported_groups,
       ec_point_formats, session_ticket */
    static const uint8_t before[] = {0, 23, 0,  0,  0,  1, 0, 1, 1,  0xff, 1,  0, 1,
                                     0, 0,  10, 0,  10, 0, 8, 0, 29, 0,    23, 0, 24,
                                     0, 25, 0,  11, 0,  2, 1, 0, 0,  35,   0,  0};
    /* signature_algorithms */
    static const uint8_t behind[] = {0, 13, 0, 20, 0, 18, 4, 3, 8, 4, 4, 1,
                                     5, 3,  8, 5,  5, 1,  8, 6, 6, 1, 2, 1};
    /* psk_key_exchange_modes */
    static const uint8_t modes[] = {0, 45, 0, 2, 1, 1};
    CBB list;

    return CBB_add_u16_length_prefixed(out, &list) &&
           (!hello->grease || (add_grease(&list, random[2]) && CBB_add_u16(&list, 0))) &&
           add_name(&list, host) && CBB_add_bytes(&list, before, sizeof before) &&
           add_protocols(&list, hello) && CBB_add_bytes(&list, behind, sizeof behind) &&
           add_share(&list, hello, random) && CBB_add_bytes(&list, modes, sizeof modes) &&
           add_versions(&list, hello, random + 3) && CBB_flush(out);
}

bool audit_jarm_hello(unsigned number, struct slice host, const uint8_t random[32],
                      struct buffer *out) {
    enum { ROOM = 1024 };
    const struct jarm_hello *hello = &hellos[number];
    bool tls13 = hello->version >= TLS_VERSION_TLS13;
    uint8_t session_id[SHA256_DIGEST_LENGTH];
    uint8_t *at = buffer_reserve(out, ROOM);
    CBB record, message, body, id;
    size_t len;

    assert(number < AUDIT_JARM_HELLOS);
    SHA256(random, TLS_RANDOM_BYTES, session_id);
    if (!at || !CBB_init_fixed(&record, at, ROOM))
        return false;
    bool ok = CBB_add_u8(&record, TLS_CONTENT_HANDSHAKE) &&
              CBB_add_u16(&record, tls13 ? TLS_VERSION_TLS10 : hello->version) &&
              CBB_add_u16_length_prefixed(&record, &message) &&
              CBB_add_u8(&message, TLS_MESSAGE_CLIENT_HELLO) &&
              CBB_add_u24_length_prefixed(&message, &body) &&
              CBB_add_u16(&body, tls13 ? TLS_VERSION_TLS12 : hello->version) &&
              CBB_add_bytes(&body, random, TLS_RANDOM_BYTES) &&
              CBB_add_u8_length_prefixed(&body, &id) &&
              CBB_add_bytes(&id, session_id, sizeof session_id) && CBB_flush(&body) &&
              add_suites(&body, hello, random) && CBB_add_u8(&body, 1) && CBB_add_u8(&body, 0) &&
              add_extensions(&body, hello, host, random) && CBB_finish(&record, NULL, &len);
    if (ok)
        out->len += len;
    else
        CBB_cleanup(&record);
    return ok;
}

/* --- Answers ------------------------------------------------------------------------------- */

/* Offsets in an answer's first record, where a session id of no bytes is taken for granted. */
enum {
    MESSAGE_TYPE_AT = 5,
    VERSION_AT = 9,
    SESSION_LEN_AT = 43,
    SUITE_AT = 44,
    EXTENSIONS_LEN_AT = 47,
    EXTENSIONS_AT = 49,
};

bool audit_jarm_is_whole(struct slice answer) {
    return answer.len >= AUDIT_JARM_ANSWER_MAX ||
           (answer.len >= TLS_RECORD_HEADER_BYTES &&
            answer.len >= TLS_RECORD_HEADER_BYTES + ((size_t)answer.ptr[3] << 8 | answer.ptr[4]));
}

/* The published reader takes these bytes for a ServerHello without extensions. */
static bool looks_bare(struct slice answer, size_t session_len) {
    static const uint8_t by_session[] = {0x0e, 0xac, 0x0b}, at_82[] = {0x0f, 0xf0, 0x0b};
    struct slice a = slice_first(slice_from(answer, session_len + 50), 3);
    struct slice b = slice_first(slice_from(answer, 82), 3);
    return answer.ptr[session_len + EXTENSIONS_LEN_AT] == TLS_MESSAGE_CERTIFICATE ||
           slice_equal(a, (struct slice){by_session, 3}) ||
           slice_equal(b, (struct slice){at_82, 3});
}

struct extensions {
    struct slice list, protocol;
};

/* False when they go on behind the end of the answer. */
static bool find_extensions(struct slice answer, size_t session_len, struct extensions *out) {
    struct slice rest = slice_from(answer, session_len + EXTENSIONS_LEN_AT);
    CBS cbs, list, body;
    uint16_t type;

    *out = (struct extensions){0};
    if (looks_bare(answer, session_len))
        return true;
    CBS_init(&cbs, rest.ptr, rest.len);
    if (!CBS_get_u16_length_prefixed(&cbs, &list))
        return false;
    out->list = (struct slice){CBS_data(&list), CBS_len(&list)};
    while (CBS_len(&list)) {
        if (!CBS_get_u16(&list, &type) || !CBS_get_u16_length_prefixed(&list, &body))
            return false;
        if (type == TLS_EXTENSION_ALPN && !out->protocol.ptr)
            out->protocol = slice_from((struct slice){CBS_data(&body), CBS_len(&body)}, 3);
    }
    return true;
}

/* The chosen protocol, and the types in the order in which they came: "ff01-0000-0010". */
static void hash_extensions(struct audit_jarm *jarm, const struct extensions *extensions) {
    CBS list, body;
    uint16_t type;
    char text[6];

    if (extensions->protocol.len)
        SHA256_Update(&jarm->hash, extensions->protocol.ptr, extensions->protocol.len);
    CBS_init(&list, extensions->list.ptr, extensions->list.len);
    for (bool first = true; CBS_get_u16(&list, &type) && CBS_get_u16_length_prefixed(&list, &body);
         first = false) {
        int len = snprintf(text, sizeof text, "%s%04x", first ? "" : "-", type);
        SHA256_Update(&jarm->hash, text, (size_t)len);
    }
}

/* A suite that is not in the list has the number behind its end. */
static unsigned suite_code(uint16_t suite) {
    unsigned i = 0;
    while (i < SUITES && suite_codes[i] != suite)
        i++;
    return i + 1;
}

void audit_jarm_init(struct audit_jarm *jarm) {
    *jarm = (struct audit_jarm){0};
    SHA256_Init(&jarm->hash);
}

void audit_jarm_answer(struct audit_jarm *jarm, struct slice answer) {
    char *text = jarm->text + 3 * jarm->answers++;
    struct extensions extensions;

    assert(jarm->answers <= AUDIT_JARM_HELLOS);
    memcpy(text, "000", 4);
    answer = slice_first(answer, AUDIT_JARM_ANSWER_MAX);
    if (answer.len <= SESSION_LEN_AT || answer.ptr[0] != TLS_CONTENT_HANDSHAKE ||
        answer.ptr[MESSAGE_TYPE_AT] != TLS_MESSAGE_SERVER_HELLO)
        return;
    size_t session_len = answer.ptr[SESSION_LEN_AT];
    if (answer.len <= session_len + EXTENSIONS_LEN_AT ||
        !find_extensions(answer, session_len, &extensions))
        return;
    const uint8_t *suite = answer.ptr + session_len + SUITE_AT;
    unsigned minor = answer.ptr[VERSION_AT + 1] & 0x0f;
    if (minor > 5)
        return;
    snprintf(text, 4, "%02x%c", suite_code((uint16_t)(suite[0] << 8 | suite[1])),
             (char)('a' + minor));
    hash_extensions(jarm, &extensions);
    jarm->any = true;
}

void audit_jarm_finish(struct audit_jarm *jarm) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char *text = jarm->text + 3 * AUDIT_JARM_HELLOS;

    if (!jarm->any) {
        memset(jarm->text, '0', AUDIT_JARM_CHARS);
        jarm->text[AUDIT_JARM_CHARS] = 0;
        return;
    }
    SHA256_Final(digest, &jarm->hash);
    for (size_t i = 0; i < sizeof digest / 2; i++, text += 2)
        snprintf(text, 3, "%02x", digest[i]);
}
