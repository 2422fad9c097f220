/* The part of TLS 1.3's key schedule (RFC 8446 section 7.1) that reading a server's handshake
 * messages takes, and the opening of its records (section 5.2). Pure functions, safe on every
 * thread. */
#ifndef ENGINE_TLS_KEY_SCHEDULE_H
#define ENGINE_TLS_KEY_SCHEDULE_H

#include "engine/base/slice.h"
#include "engine/tls/wire.h"

/* BoringSSL's EVP_AEAD and EVP_MD, kept out of the headers of those who hold keys */
struct evp_aead_st;
struct env_md_st;

enum { TLS13_HASH_MAX = 48, TLS13_KEY_MAX = 32, TLS13_IV_BYTES = 12 };

/* A cipher suite of TLS 1.3. */
struct tls13_suite {
    uint16_t id;
    uint8_t key_bytes;
    uint8_t hash_bytes;
    const struct evp_aead_st *(*aead)(void);
    const struct env_md_st *(*hash)(void);
};

/* In our order of preference. */
enum { TLS13_SUITE_COUNT = 3 };
extern const struct tls13_suite tls13_suites[TLS13_SUITE_COUNT];

/* NULL for a suite that is not supported here. */
const struct tls13_suite *tls13_suite_find(uint16_t id);

/* Derive-Secret(Early Secret, "derived", "") without a pre-shared key: the same for every
 * connection, so it is worked out once. */
struct tls13_derived {
    uint8_t sha256[32], sha384[48];
};

/* What opens the server's handshake records. */
struct tls13_keys {
    uint8_t key[TLS13_KEY_MAX], iv[TLS13_IV_BYTES];
    uint64_t sequence; /* of the next record */
};

/* All of these return false when there is no memory. */
bool tls13_derived_init(struct tls13_derived *derived);

/* Writes hash_bytes bytes. */
bool tls13_hash(const struct tls13_suite *suite, struct slice bytes, uint8_t out[TLS13_HASH_MAX]);

/* The server's handshake keys from the shared secret and the hash of ClientHello to ServerHello. */
bool tls13_server_keys(const struct tls13_suite *suite, const struct tls13_derived *derived,
                       struct slice secret, const uint8_t transcript[TLS13_HASH_MAX],
                       struct tls13_keys *out);

/* Opens one record's payload into `out`, which has room for as many bytes; it may be the payload's
 * own place, or must not overlap it. Sets `len` to the bytes of TLSInnerPlaintext. False when the
 * record is not authentic, too. */
bool tls13_open(const struct tls13_suite *suite, struct tls13_keys *keys,
                const uint8_t header[TLS_RECORD_HEADER_BYTES], struct slice payload, uint8_t *out,
                size_t *len);

#endif
