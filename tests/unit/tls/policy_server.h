/* A TLS server that does what a policy says and no more than an audit asks: it reads a ClientHello
 * with a reader of its own, which also finds malformed ones, and answers with one flight. Keys and
 * certificates mean nothing here. */
#ifndef TESTS_UNIT_TLS_POLICY_SERVER_H
#define TESTS_UNIT_TLS_POLICY_SERVER_H

#include "tests/unit/tls/script_server.h"

#include <openssl/bytestring.h>

enum { POLICY_LIST_MAX = 512 };

struct policy {
    uint16_t versions[5]; /* that are spoken, in any order; 0 at the end */
    /* What is taken, best first; 0 at the end. */
    const uint16_t *suites, *suites13, *groups12, *groups13;
    const char *const *protocols; /* NULL: knows no ALPN */
    bool strict_protocols;        /* alert 120 when there is none in common */
    bool own_order;               /* of suites and groups: not the client's */
    uint16_t certificate_group;   /* up to TLS 1.2 the client must list it */
    bool needs_share;             /* alert 50 for an empty key_share */
    bool has_scsv, compresses, has_session_ids, asks_certificate;
    uint16_t extensions[8]; /* answered with an empty body up to TLS 1.2, when offered; 0 at end */
    size_t dh_bytes;
    struct slice ca_name, ocsp, scts;
};

/* What a hello offers. */
struct policy_hello {
    uint16_t version; /* 0x0304 when supported_versions says so */
    uint8_t compressions[4];
    size_t compression_count, suite_count, group_count, extension_count;
    uint16_t suites[POLICY_LIST_MAX], groups[POLICY_LIST_MAX], extensions[64];
    CBS protocols, shares;
    bool has_protocols;
};

static inline size_t policy_u16s(CBS list, uint16_t *out) {
    size_t count = 0;
    while (CBS_len(&list)) {
        assert(count < POLICY_LIST_MAX);
        int ok = CBS_get_u16(&list, &out[count++]);
        assert(ok);
        (void)ok;
    }
    return count;
}

static inline bool policy_lists(const uint16_t *list, size_t count, uint16_t number) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

static inline void policy_read_extension(struct policy_hello *hello, uint16_t type, CBS body) {
    CBS list;
    uint16_t version;
    int ok = 1;
    switch (type) {
    case 10:
        ok = CBS_get_u16_length_prefixed(&body, &list);
        hello->group_count = policy_u16s(list, hello->groups);
        break;
    case 16:
        ok = CBS_get_u16_length_prefixed(&body, &hello->protocols);
        hello->has_protocols = true;
        break;
    case 43:
        ok = CBS_get_u8_length_prefixed(&body, &list);
        for (hello->version = 0; CBS_get_u16(&list, &version);)
            if (version <= 0x0304 && version > hello->version)
                hello->version = version;
        break;
    case 51:
        ok = CBS_get_u16_length_prefixed(&body, &hello->shares);
        break;
    default:
        return;
    }
    assert(ok && CBS_len(&body) == 0);
    (void)ok;
}

static inline void policy_read(struct policy_hello *hello, struct slice record) {
    CBS in, message, body, part, list;
    uint8_t type;
    uint16_t version, extension;

    memset(hello, 0, sizeof *hello);
    CBS_init(&in, record.ptr, record.len);
    int ok = CBS_get_u8(&in, &type) && type == 22 && CBS_get_u16(&in, &version) &&
             CBS_get_u16_length_prefixed(&in, &message) && CBS_len(&in) == 0 &&
             CBS_get_u8(&message, &type) && type == 1 &&
             CBS_get_u24_length_prefixed(&message, &body) && CBS_len(&message) == 0 &&
             CBS_get_u16(&body, &hello->version) && CBS_skip(&body, 32) &&
             CBS_get_u8_length_prefixed(&body, &part) && CBS_get_u16_length_prefixed(&body, &list);
    assert(ok);
    hello->suite_count = policy_u16s(list, hello->suites);
    ok = CBS_get_u8_length_prefixed(&body, &part) && CBS_len(&part) <= 4;
    assert(ok && hello->suite_count);
    hello->compression_count = CBS_len(&part);
    memcpy(hello->compressions, CBS_data(&part), CBS_len(&part));
    if (CBS_len(&body) == 0)
        return;
    ok = CBS_get_u16_length_prefixed(&body, &list) && CBS_len(&body) == 0;
    assert(ok);
    while (CBS_len(&list)) {
        ok = CBS_get_u16(&list, &extension) && CBS_get_u16_length_prefixed(&list, &part);
        assert(ok && hello->extension_count < 64);
        for (size_t i = 0; i < hello->extension_count; i++)
            assert(hello->extensions[i] != extension);
        hello->extensions[hello->extension_count++] = extension;
        policy_read_extension(hello, extension, part);
    }
    /* RFC 7685: some load balancers hang on these lengths. JARM's hellos, known by their
       max_fragment_length, are what they are. */
    assert(policy_lists(hello->extensions, hello->extension_count, 1) || record.len - 5 < 256 ||
           record.len - 5 >= 512);
    (void)ok;
}

/* The first of `mine` that is in `theirs`, or the other way round; 0 when there is none. */
static inline uint16_t policy_choose(const uint16_t *mine, const uint16_t *theirs, size_t count,
                                     bool own_order) {
    size_t mine_count = 0;
    while (mine && mine[mine_count])
        mine_count++;
    const uint16_t *first = own_order ? mine : theirs, *second = own_order ? theirs : mine;
    for (size_t i = 0; i < (own_order ? mine_count : count); i++)
        if (policy_lists(second, own_order ? count : mine_count, first[i]))
            return first[i];
    return 0;
}

static inline void policy_alert(struct buffer *flight, uint8_t alert) {
    script_record(flight, TLS_CONTENT_ALERT, (struct slice){(const uint8_t[]){2, alert}, 2});
}

/* NULL when none is in common. */
static inline const char *policy_protocol(const struct policy *policy,
                                          const struct policy_hello *hello) {
    for (size_t i = 0; policy->protocols && policy->protocols[i]; i++) {
        CBS list = hello->protocols, name;
        while (CBS_get_u8_length_prefixed(&list, &name))
            if (CBS_mem_equal(&name, (const uint8_t *)policy->protocols[i],
                              strlen(policy->protocols[i])))
                return policy->protocols[i];
    }
    return NULL;
}

static inline void policy_add_extension(struct buffer *out, uint16_t type, struct slice body) {
    script_u16(out, type);
    script_u16(out, body.len);
    buffer_add_slice(out, body);
}

static inline void policy_add_protocol(struct buffer *out, const char *protocol) {
    if (!protocol)
        return;
    script_u16(out, 16);
    script_u16(out, 3 + strlen(protocol));
    script_u16(out, 1 + strlen(protocol));
    buffer_add_byte(out, (uint8_t)strlen(protocol));
    buffer_add_text(out, protocol);
}

/* A CertificateStatus, as a message and as an extension of TLS 1.3. */
static inline void policy_add_status(struct buffer *out, struct slice ocsp) {
    buffer_add_byte(out, 1);
    script_u24(out, ocsp.len);
    buffer_add_slice(out, ocsp);
}

static inline bool policy_is_elliptic(uint16_t suite) {
    return (suite >= 0xc006 && suite <= 0xc019) || (suite >= 0xc023 && suite <= 0xc032) ||
           (suite >= 0xcca8 && suite <= 0xcca9) || (suite >= 0xc0ac && suite <= 0xc0af);
}

static inline bool policy_is_finite(uint16_t suite) {
    return suite == 0x0033 || suite == 0x0039 || suite == 0x009e || suite == 0x0034;
}

static inline void policy_flight12(const struct policy *policy, const struct policy_hello *hello,
                                   uint16_t suite, uint16_t group, struct buffer *out) {
    struct buffer body;
    buffer_init(&body);
    script_certificate(out, slice_of("certificate"), NULL);
    if (policy->ocsp.len && policy_lists(hello->extensions, hello->extension_count, 5)) {
        policy_add_status(&body, policy->ocsp);
        script_message(out, 22, buffer_slice(&body));
    }
    body.len = 0;
    if (policy_is_elliptic(suite)) {
        buffer_add_byte(&body, 3);
        script_u16(&body, group);
    } else if (policy_is_finite(suite)) {
        script_u16(&body, policy->dh_bytes + 1); /* with a zero before it */
        buffer_add_byte(&body, 0);
        for (size_t i = 0; i < policy->dh_bytes; i++)
            buffer_add_byte(&body, 0xff);
    }
    if (body.len)
        script_message(out, 12, buffer_slice(&body));
    body.len = 0;
    if (policy->asks_certificate) {
        buffer_add(&body, (const uint8_t[]){1, 1}, 2);
        if (hello->version >= 0x0303)
            buffer_add(&body, (const uint8_t[]){0, 2, 4, 1}, 4);
        script_u16(&body, policy->ca_name.len ? 2 + policy->ca_name.len : 0);
        if (policy->ca_name.len) {
            script_u16(&body, policy->ca_name.len);
            buffer_add_slice(&body, policy->ca_name);
        }
        script_message(out, 13, buffer_slice(&body));
    }
    script_message(out, 14, (struct slice){NULL, 0});
    buffer_deinit(&body);
}

static inline void policy_answer12(const struct policy *policy, const struct policy_hello *hello,
                                   uint16_t version, struct buffer *flight) {
    static const uint8_t random[32] = {5};
    struct buffer extensions, messages;
    const char *protocol = policy_protocol(policy, hello);
    uint16_t group =
        policy_choose(policy->groups12, hello->groups, hello->group_count, policy->own_order);
    uint16_t usable[POLICY_LIST_MAX] = {0};
    size_t usable_count = 0;

    if (!hello->extension_count && policy->groups12)
        group = policy->groups12[0];
    bool certified = !policy->certificate_group || !hello->group_count ||
                     policy_lists(hello->groups, hello->group_count, policy->certificate_group);
    for (size_t i = 0; i < hello->suite_count && certified; i++)
        if (group || !policy_is_elliptic(hello->suites[i]))
            usable[usable_count++] = hello->suites[i];
    uint16_t suite = policy_choose(policy->suites, usable, usable_count, policy->own_order);
    if (!suite) {
        policy_alert(flight, 40);
        return;
    }
    if (policy->strict_protocols && hello->has_protocols && !protocol) {
        policy_alert(flight, 120);
        return;
    }
    buffer_init(&extensions);
    buffer_init(&messages);
    for (size_t i = 0; policy->extensions[i]; i++)
        if (policy_lists(hello->extensions, hello->extension_count, policy->extensions[i]))
            policy_add_extension(&extensions, policy->extensions[i], (struct slice){NULL, 0});
    if (hello->has_protocols)
        policy_add_protocol(&extensions, protocol);
    if (policy->scts.len && policy_lists(hello->extensions, hello->extension_count, 18))
        policy_add_extension(&extensions, 18, policy->scts);
    script_server_hello(&messages, version, suite, random,
                        slice_of(policy->has_session_ids ? "session" : ""),
                        buffer_slice(&extensions));
    /* script_server_hello writes compression 0, before the extensions, if there are any */
    if (policy->compresses && memchr(hello->compressions, 1, hello->compression_count))
        messages.ptr[messages.len - extensions.len - (extensions.ptr ? 3 : 1)] = 1;
    policy_flight12(policy, hello, suite, group, &messages);
    script_record(flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
    buffer_deinit(&extensions);
    buffer_deinit(&messages);
}

/* What follows a ServerHello with an X25519 share. */
static inline void policy_flight13(const struct policy *policy, const char *protocol,
                                   struct script *script) {
    struct buffer body, extensions, message;
    buffer_init(&body);
    buffer_init(&extensions);
    buffer_init(&message);
    policy_add_protocol(&extensions, protocol);
    script_u16(&body, extensions.len);
    buffer_add_slice(&body, buffer_slice(&extensions));
    script_message(&message, 8, buffer_slice(&body));
    extensions.len = body.len = 0;
    if (policy->asks_certificate) {
        if (policy->ca_name.len) {
            script_u16(&extensions, 47);
            script_u16(&extensions, 4 + policy->ca_name.len);
            script_u16(&extensions, 2 + policy->ca_name.len);
            script_u16(&extensions, policy->ca_name.len);
            buffer_add_slice(&extensions, policy->ca_name);
        }
        buffer_add_byte(&body, 0);
        script_u16(&body, extensions.len);
        buffer_add_slice(&body, buffer_slice(&extensions));
        script_message(&message, 13, buffer_slice(&body));
    }
    extensions.len = body.len = 0;
    if (policy->ocsp.len) {
        policy_add_status(&body, policy->ocsp);
        policy_add_extension(&extensions, 5, buffer_slice(&body));
    }
    if (policy->scts.len)
        policy_add_extension(&extensions, 18, policy->scts);
    struct slice leaf = buffer_slice(&extensions);
    script_certificate(&message, slice_of("certificate"), &leaf);
    script_seal(script, TLS_CONTENT_HANDSHAKE, buffer_slice(&message), 7);
    buffer_deinit(&body);
    buffer_deinit(&extensions);
    buffer_deinit(&message);
}

static inline void policy_answer13(const struct policy *policy, const struct policy_hello *hello,
                                   struct slice record, struct buffer *flight) {
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                      0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                      0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    static const uint8_t share[32] = {8, 7, 6};
    const struct tls13_suite *sealed = NULL;
    uint16_t suite =
        policy_choose(policy->suites13, hello->suites, hello->suite_count, policy->own_order);
    uint16_t group =
        policy_choose(policy->groups13, hello->groups, hello->group_count, policy->own_order);
    const char *protocol = policy_protocol(policy, hello);
    struct script script;
    struct buffer extensions, message;
    bool has_share = CBS_len(&hello->shares) != 0;

    for (size_t i = 0; i < TLS13_SUITE_COUNT; i++)
        if (tls13_suites[i].id == suite)
            sealed = &tls13_suites[i];
    if (policy->needs_share && !has_share) {
        policy_alert(flight, 50);
    } else if (!suite || !group) {
        policy_alert(flight, 40);
    } else if (policy->strict_protocols && hello->has_protocols && !protocol) {
        policy_alert(flight, 120);
    } else if (has_share && group == 29 && sealed) {
        script_init(&script, sealed, record);
        script_server_hello13(&script, share);
        policy_flight13(policy, protocol, &script);
        buffer_add_slice(flight, buffer_slice(&script.flight));
        script_deinit(&script);
    } else {
        buffer_init(&extensions);
        buffer_init(&message);
        policy_add_extension(&extensions, 43, (struct slice){(const uint8_t[]){3, 4}, 2});
        const uint8_t id[2] = {(uint8_t)(group >> 8), (uint8_t)group};
        policy_add_extension(&extensions, 51, (struct slice){id, 2});
        script_server_hello(&message, 0x0303, suite, retry,
                            (struct slice){record.ptr + 44, record.ptr[43]},
                            buffer_slice(&extensions));
        script_record(flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&message));
        buffer_deinit(&extensions);
        buffer_deinit(&message);
    }
}

/* Appends the answer to one ClientHello. */
static inline void policy_answer(const struct policy *policy, struct slice record,
                                 struct buffer *flight) {
    struct policy_hello hello;
    uint16_t newest = 0, version = 0;

    policy_read(&hello, record);
    for (size_t i = 0; i < 5 && policy->versions[i]; i++) {
        uint16_t spoken = policy->versions[i];
        if (spoken > newest)
            newest = spoken;
        if (spoken <= hello.version && spoken > version &&
            (hello.version < 0x0304 || spoken == 0x0304))
            version = spoken;
    }
    if (policy->has_scsv && policy_lists(hello.suites, hello.suite_count, 0x5600) &&
        hello.version < newest)
        policy_alert(flight, 86);
    else if (!version)
        policy_alert(flight, 70);
    else if (version >= 0x0304)
        policy_answer13(policy, &hello, record, flight);
    else
        policy_answer12(policy, &hello, version, flight);
}

#endif
