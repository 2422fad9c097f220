/* Keys, certificates and server contexts of the simulated servers. Made once and the same in every
 * process: fixed keys, and signatures that are no matter of chance (RSA PKCS #1, Ed25519). */
#ifndef TESTS_SIM_SIM_PKI_H
#define TESTS_SIM_SIM_PKI_H

#include "engine/base/slice.h"

#include <openssl/ssl.h>

struct trust_store;

enum {
    SIM_LEAVES = 8,  /* of one key and different serial numbers: whose record is whose shows */
    SIM_FILLERS = 4, /* large certificates of nobody's, to make chains long with */
};

/* What the certificates' dates are around; the simulation's clocks start there. */
static const int64_t SIM_EPOCH_SECONDS = 1700000000;

enum sim_server {
    SIM_SERVER_TLS12,
    SIM_SERVER_TLS13,
    SIM_SERVER_TLS13_P256, /* asks BoringSSL's hello for another share: HelloRetryRequest */
    SIM_SERVER_TLS12_ASKS, /* for a client certificate, and goes no further without */
    SIM_SERVER_TLS13_ASKS,
    SIM_SERVER_COUNT,
};

struct sim_pki {
    EVP_PKEY *root_key, *issuer_key, *leaf_key;
    CRYPTO_BUFFER *root, *issuer, *leaves[SIM_LEAVES], *fillers[SIM_FILLERS];
    uint8_t fingerprints[SIM_LEAVES][32]; /* SHA-256 */
    SSL_CTX *servers[SIM_SERVER_COUNT][SIM_LEAVES];
    struct trust_store *roots;
};

/* Ends the program when a library call fails. The leaves are good for *.sim.test. */
void sim_pki_init(struct sim_pki *pki);
void sim_pki_deinit(struct sim_pki *pki);

static inline struct slice sim_der(const CRYPTO_BUFFER *certificate) {
    return (struct slice){CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate)};
}

#endif
