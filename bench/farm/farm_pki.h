/* Authorities, and the certificates of endpoints. Within the farm only; for the starting thread. */
#ifndef BENCH_FARM_FARM_PKI_H
#define BENCH_FARM_FARM_PKI_H

#include "bench/farm/farm_profile.h"
#include "engine/base/address.h"
#include "engine/base/buffer.h"

#include <openssl/ssl.h>

struct farm_pki; /* keys and authorities; used by the starting thread only */

/* `unix_seconds`: the time that validity is counted from. NULL when a library call fails. */
struct farm_pki *farm_pki_new(int64_t unix_seconds);
void farm_pki_free(struct farm_pki *pki);

/* Appends the root as PEM. */
bool farm_pki_root_pem(const struct farm_pki *pki, struct buffer *out);

/* A server context with a new certificate for `name` and `address`, as the profile wants it. NULL
 * when a library call fails. */
SSL_CTX *farm_pki_context(struct farm_pki *pki, const struct farm_profile *profile,
                          const char *name, const struct address *address);

/* PEM of fixed keys: making RSA keys takes longer than starting the rest of a farm. */
extern const char farm_test_key_rsa_2048[], farm_test_key_rsa_1024[], farm_test_key_rsa_authority[];

#endif
