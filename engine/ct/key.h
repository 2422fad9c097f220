/* The public key of a log: who it is, and what it has signed.
 *
 * Read once, then constant: verifying is safe on several threads at once. Allocates; BoringSSL's
 * types stay behind it. */
#ifndef ENGINE_CT_KEY_H
#define ENGINE_CT_KEY_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum { CT_LOG_ID_BYTES = 32 };

struct ct_log_key {
    uint8_t id[CT_LOG_ID_BYTES]; /* LogID: SHA-256 of the SubjectPublicKeyInfo */
    struct evp_pkey_st *public_key;
};

/* Reads a DER SubjectPublicKeyInfo: ECDSA on P-256 or P-384, or RSA of 2048 to 8192 bits (RFC 6962
 * section 2.1.4, and a little more). `spki` is not needed after. */
enum error ct_log_key_init(struct ct_log_key *key, struct slice spki, struct failure *failure)
    __attribute__((warn_unused_result));
void ct_log_key_deinit(struct ct_log_key *key);

enum ct_signature {
    CT_SIGNATURE_GOOD = 0,
    CT_SIGNATURE_UNREADABLE, /* no DigitallySigned (RFC 5246 section 4.7), or bytes behind it */
    CT_SIGNATURE_ALGORITHM,  /* not SHA-256 with the algorithm of the key */
    CT_SIGNATURE_WRONG,      /* not the log's, or not over these bytes */
};

/* `digitally_signed`: hash, algorithm, u16 length, signature. */
enum ct_signature ct_log_key_verify(const struct ct_log_key *key, struct slice digitally_signed,
                                    struct slice message);

#endif
