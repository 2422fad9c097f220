#include "bench/farm/farm_chain.h"

#include "bench/farm/farm_pki.h"
#include "engine/base/clock.h"

#include <openssl/pool.h>
#include <stdio.h>

static bool copy_certificates(struct farm_chain *chain, const SSL_CTX *context) {
    const STACK_OF(CRYPTO_BUFFER) *certificates = SSL_CTX_get0_chain(context);
    size_t count = certificates ? sk_CRYPTO_BUFFER_num(certificates) : 0, at = 0;
    if (count == 0 || count > FARM_CHAIN_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const CRYPTO_BUFFER *der = sk_CRYPTO_BUFFER_value(certificates, i);
        chain->certificates[i].len = CRYPTO_BUFFER_len(der);
        buffer_add(&chain->bytes, CRYPTO_BUFFER_data(der), CRYPTO_BUFFER_len(der));
    }
    if (chain->bytes.failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        chain->certificates[i].ptr = chain->bytes.ptr + at;
        at += chain->certificates[i].len;
    }
    chain->count = (uint32_t)count;
    return true;
}

static bool chain_init(struct farm_chain *chain, struct farm_pki *pki,
                       const struct farm_profile *profile, uint32_t number) {
    static const struct address ADDRESS = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}};
    char name[FARM_NAME_MAX];

    snprintf(name, sizeof name, "%s-%u.farm.test", profile->name, (unsigned)number);
    SSL_CTX *context = farm_pki_context(pki, profile, name, &ADDRESS);
    bool made = context && copy_certificates(chain, context);
    SSL_CTX_free(context);
    return made;
}

bool farm_chains_init(struct farm_chain *chains, uint32_t count, enum farm_kind kind,
                      struct buffer *root_pem) {
    struct farm_profile profile = *farm_profile(kind);

    if (!farm_profile_has_tls(&profile))
        return false;
    profile.has_scts = true;
    struct farm_pki *pki = farm_pki_new(clock_unix_ms() / 1000);
    bool made = pki && (!root_pem || farm_pki_root_pem(pki, root_pem));
    for (uint32_t i = 0; i < count; i++) {
        chains[i] = (struct farm_chain){0};
        buffer_init(&chains[i].bytes);
        made = made && chain_init(&chains[i], pki, &profile, i);
    }
    farm_pki_free(pki);
    if (!made)
        farm_chains_deinit(chains, count);
    return made;
}

void farm_chains_deinit(struct farm_chain *chains, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        buffer_deinit(&chains[i].bytes);
}
