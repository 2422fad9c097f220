/* A TLS server that sends what a test tells it to, right or wrong, for tests and fuzzing. Its TLS
 * 1.3 side relies on the grab's base-point share: whatever share the server sends is the shared
 * secret, so any content can be sealed for a grab. */
#ifndef TESTS_UNIT_TLS_SCRIPT_SERVER_H
#define TESTS_UNIT_TLS_SCRIPT_SERVER_H

#include "engine/base/buffer.h"
#include "engine/tls/key_schedule.h"
#include "engine/tls/wire.h"

#include <assert.h>
#include <openssl/aead.h>

struct script {
    struct buffer transcript; /* from the ClientHello on */
    struct buffer flight;     /* records for the client */
    const struct tls13_suite *suite;
    struct tls13_keys keys;
};

static inline void script_init(struct script *script, const struct tls13_suite *suite,
                               struct slice client_hello_record) {
    memset(script, 0, sizeof *script);
    buffer_init(&script->transcript);
    buffer_init(&script->flight);
    script->suite = suite;
    buffer_add_slice(&script->transcript, slice_from(client_hello_record, 5));
}

static inline void script_deinit(struct script *script) {
    buffer_deinit(&script->transcript);
    buffer_deinit(&script->flight);
}

static inline void script_u16(struct buffer *out, size_t value) {
    buffer_add_byte(out, (uint8_t)(value >> 8));
    buffer_add_byte(out, (uint8_t)value);
}

static inline void script_u24(struct buffer *out, size_t value) {
    buffer_add_byte(out, (uint8_t)(value >> 16));
    script_u16(out, value & 0xffff);
}

/* A record in the clear. */
static inline void script_record(struct buffer *out, uint8_t type, struct slice content) {
    buffer_add_byte(out, type);
    script_u16(out, 0x0303);
    script_u16(out, content.len);
    buffer_add_slice(out, content);
}

/* A message with its header. */
static inline void script_message(struct buffer *out, uint8_t type, struct slice body) {
    buffer_add_byte(out, type);
    script_u24(out, body.len);
    buffer_add_slice(out, body);
}

/* A ServerHello message with these extensions; without any block of them when `extensions.ptr` is
 * NULL. */
static inline void script_server_hello(struct buffer *out, uint16_t version, uint16_t suite,
                                       const uint8_t random[32], struct slice session_id,
                                       struct slice extensions) {
    struct buffer body;
    buffer_init(&body);
    script_u16(&body, version);
    buffer_add(&body, random, 32);
    buffer_add_byte(&body, (uint8_t)session_id.len);
    buffer_add_slice(&body, session_id);
    script_u16(&body, suite);
    buffer_add_byte(&body, 0);
    if (extensions.ptr) {
        script_u16(&body, extensions.len);
        buffer_add_slice(&body, extensions);
    }
    script_message(out, TLS_MESSAGE_SERVER_HELLO, buffer_slice(&body));
    buffer_deinit(&body);
}

/* A Certificate message with one certificate; in the form of TLS 1.3 when `extensions` is given. */
static inline void script_certificate(struct buffer *out, struct slice der,
                                      const struct slice *extensions) {
    struct buffer body;
    buffer_init(&body);
    if (extensions)
        buffer_add_byte(&body, 0);
    script_u24(&body, 3 + der.len + (extensions ? 2 + extensions->len : 0));
    script_u24(&body, der.len);
    buffer_add_slice(&body, der);
    if (extensions) {
        script_u16(&body, extensions->len);
        buffer_add_slice(&body, *extensions);
    }
    script_message(out, TLS_MESSAGE_CERTIFICATE, buffer_slice(&body));
    buffer_deinit(&body);
}

static inline struct slice script_session_id(const struct script *script) {
    return (struct slice){script->transcript.ptr + 4 + 2 + 32 + 1, script->transcript.ptr[38]};
}

/* Puts a message into the flight, in a record of its own, and into the transcript. */
static inline void script_send(struct script *script, struct slice message) {
    script_record(&script->flight, TLS_CONTENT_HANDSHAKE, message);
    buffer_add_slice(&script->transcript, message);
}

/* A HelloRetryRequest for `group`. The client's second hello must then go to script_second_hello.
 */
static inline void script_retry(struct script *script, uint16_t group) {
    static const uint8_t random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                       0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                       0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                       0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    const uint8_t extensions[] = {
        0, 43, 0, 2, 3, 4, 0, 51, 0, 2, (uint8_t)(group >> 8), (uint8_t)group};
    uint8_t digest[TLS13_HASH_MAX];
    struct buffer message;

    buffer_init(&message);
    script_server_hello(&message, 0x0303, script->suite->id, random, script_session_id(script),
                        (struct slice){extensions, sizeof extensions});
    bool ok = tls13_hash(script->suite, buffer_slice(&script->transcript), digest);
    assert(ok);
    (void)ok;
    script->transcript.len = 0;
    script_message(&script->transcript, TLS_MESSAGE_MESSAGE_HASH,
                   (struct slice){digest, script->suite->hash_bytes});
    script_send(script, buffer_slice(&message));
    buffer_deinit(&message);
}

static inline void script_second_hello(struct script *script, struct slice record) {
    buffer_add_slice(&script->transcript, slice_from(record, TLS_RECORD_HEADER_BYTES));
}

/* A TLS 1.3 ServerHello with this share; `secret` is what it and the client's share make. From here
 * on script_seal works. */
static inline void script_server_hello13_of(struct script *script, struct slice session_id,
                                            uint16_t group, struct slice share,
                                            struct slice secret) {
    static const uint8_t random[32] = {7};
    struct buffer extensions, message;
    uint8_t digest[TLS13_HASH_MAX];
    struct tls13_derived derived;

    buffer_init(&extensions);
    buffer_init(&message);
    buffer_add(&extensions, (const uint8_t[]){0, 43, 0, 2, 3, 4, 0, 51}, 8);
    script_u16(&extensions, 4 + share.len);
    script_u16(&extensions, group);
    script_u16(&extensions, share.len);
    buffer_add_slice(&extensions, share);
    script_server_hello(&message, 0x0303, script->suite->id, random, session_id,
                        buffer_slice(&extensions));
    script_send(script, buffer_slice(&message));
    bool ok = tls13_derived_init(&derived) &&
              tls13_hash(script->suite, buffer_slice(&script->transcript), digest) &&
              tls13_server_keys(script->suite, &derived, secret, digest, &script->keys);
    assert(ok);
    (void)ok;
    buffer_deinit(&extensions);
    buffer_deinit(&message);
}

/* The same with an X25519 share for a grab, whose share makes it the secret. */
static inline void script_server_hello13(struct script *script, const uint8_t share[32]) {
    struct slice bytes = {share, 32};
    script_server_hello13_of(script, script_session_id(script), TLS_GROUP_X25519, bytes, bytes);
}

/* A sealed record of this inner content type with `padding` zeroes behind it. */
static inline void script_seal(struct script *script, uint8_t type, struct slice content,
                               size_t padding) {
    EVP_AEAD_CTX context;
    struct buffer inner;
    uint8_t nonce[TLS13_IV_BYTES];
    size_t sealed = content.len + 1 + padding + 16, len;

    buffer_init(&inner);
    buffer_add_slice(&inner, content);
    buffer_add_byte(&inner, type);
    for (size_t i = 0; i < padding; i++)
        buffer_add_byte(&inner, 0);
    memcpy(nonce, script->keys.iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(script->keys.sequence >> (8 * i));
    script->keys.sequence++;
    uint8_t header[5] = {23, 3, 3, (uint8_t)(sealed >> 8), (uint8_t)sealed};
    buffer_add(&script->flight, header, sizeof header);
    uint8_t *at = buffer_reserve(&script->flight, sealed);
    int ok = EVP_AEAD_CTX_init(&context, script->suite->aead(), script->keys.key,
                               script->suite->key_bytes, 16, NULL) &&
             EVP_AEAD_CTX_seal(&context, at, &len, sealed, nonce, sizeof nonce, inner.ptr,
                               inner.len, header, sizeof header);
    assert(ok && len == sealed);
    (void)ok;
    script->flight.len += len;
    EVP_AEAD_CTX_cleanup(&context);
    buffer_deinit(&inner);
}

#endif
