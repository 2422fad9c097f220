/* Keys that follow from a seed, and signatures that follow from key and message, so that a log made
 * twice is the same to the last byte. They keep no secret. Within the farm only. Constant once
 * made, then safe on every thread. */
#ifndef BENCH_CTFARM_CTFARM_KEYS_H
#define BENCH_CTFARM_CTFARM_KEYS_H

#include "bench/ctfarm/ctfarm_der.h"

#include <openssl/base.h>

enum { CTFARM_HASH_BYTES = 32, CTFARM_SIGNATURE_MAX = 512 };

enum ctfarm_key_type {
    CTFARM_KEY_P256,
    CTFARM_KEY_P384,
    CTFARM_KEY_RSA_2048,
    CTFARM_KEY_RSA_4096,
    CTFARM_KEY_ED25519,
    CTFARM_KEY_TYPES
};

/* Of truth lines: "ec-p256". */
const char *ctfarm_key_name(enum ctfarm_key_type type);

/* A key that signs: of an authority, or of a log. */
struct ctfarm_signer {
    enum ctfarm_key_type type; /* elliptic curves and RSA, all with SHA-256 */
    EVP_PKEY *key;
    uint8_t *spki;
    size_t spki_len;
    uint8_t spki_sha256[CTFARM_HASH_BYTES]; /* of a log: its id; of an authority: issuer_key_hash */
};

/* False when a library call fails; nothing is left behind then. `label` tells keys of one seed
 * apart. */
bool ctfarm_signer_init_ec(struct ctfarm_signer *signer, enum ctfarm_key_type type, uint64_t seed,
                           const char *label) __attribute__((warn_unused_result));
bool ctfarm_signer_init_pem(struct ctfarm_signer *signer, enum ctfarm_key_type type,
                            const char *pem) __attribute__((warn_unused_result));
void ctfarm_signer_deinit(struct ctfarm_signer *signer);

static inline struct slice ctfarm_signer_spki(const struct ctfarm_signer *signer) {
    return (struct slice){signer->spki, signer->spki_len};
}

/* Signs with SHA-256. Returns the length, 0 when the library fails. */
size_t ctfarm_sign(const struct ctfarm_signer *signer, struct slice message,
                   uint8_t out[CTFARM_SIGNATURE_MAX]);

/* The AlgorithmIdentifier of its signatures. */
struct slice ctfarm_signer_algorithm(const struct ctfarm_signer *signer);
/* The signature algorithm of TLS 1.2: 3 for ECDSA, 1 for RSA. */
uint8_t ctfarm_signer_tls(const struct ctfarm_signer *signer);

/* Public keys for certificates that nobody proves anything with. Elliptic curve points lie on their
 * curve; RSA moduli are random numbers. */
struct ctfarm_key_pool {
    struct ctfarm_spki {
        uint8_t bytes[128];
        uint8_t len;
    } *points; /* CTFARM_POINTS of P-256, then CTFARM_POINTS_P384 */
};

enum { CTFARM_POINTS = 512, CTFARM_POINTS_P384 = 16, CTFARM_SPKI_MAX = 600 };

bool ctfarm_key_pool_init(struct ctfarm_key_pool *pool, uint64_t seed)
    __attribute__((warn_unused_result));
void ctfarm_key_pool_deinit(struct ctfarm_key_pool *pool);

/* Writes the SubjectPublicKeyInfo number `number` of a type. RSA and Ed25519 keys are different for
 * each number, points repeat when the pool is through. */
void ctfarm_key_write(const struct ctfarm_key_pool *pool, enum ctfarm_key_type type,
                      uint64_t number, struct ctfarm_der *out);
/* A P-256 key of its own, slower; false when a library call fails. */
bool ctfarm_key_write_own(uint64_t seed, uint64_t number, struct ctfarm_der *out)
    __attribute__((warn_unused_result));

/* PEM of fixed RSA keys: a root (4096 bits), two authorities, a log, and who signs log lists. */
extern const char ctfarm_test_key_root[], ctfarm_test_key_harbour[], ctfarm_test_key_meridian[],
    ctfarm_test_key_log[], ctfarm_test_key_list[];

#endif
