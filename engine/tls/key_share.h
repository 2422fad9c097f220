/* Key shares of TLS 1.3 (RFC 8446 section 4.2.8), in two sorts: the base point of the group, which
 * costs nothing, and a real one made by BoringSSL.
 *
 * The base point is the public key of the secret scalar 1, so the shared secret is the server's own
 * share: its u-coordinate (X25519, X448), its x-coordinate (the NIST curves), or the number itself
 * (finite fields, generator 2, exponent 1). Anybody who sees the hello can work that secret out:
 * right for reading a certificate, which is public, and for nothing else.
 *
 * Pure functions, safe on every thread. */
#ifndef ENGINE_TLS_KEY_SHARE_H
#define ENGINE_TLS_KEY_SHARE_H

#include "engine/base/slice.h"

struct tls_group {
    uint16_t id;
    uint16_t share_bytes; /* on the wire, ours and theirs */
    /* where in the server's share the secret is, when ours is the base point */
    uint16_t secret_from, secret_bytes;
    const uint8_t *base_point; /* whole, or NULL where it is a small number and zeroes */
    uint8_t base_value;        /* that number */
    uint16_t base_at;          /* and its place */
    int curve;                 /* BoringSSL's number; 0 where it cannot make keys */
};

enum {
    TLS_SHARE_MAX = 1024,      /* ffdhe8192 */
    TLS_SHARE_SECRET_MAX = 66, /* P-521, the largest of those with a curve */
    TLS_SHARE_PRIVATE_MAX = 66,
};

/* NULL for a group that is not supported here. */
const struct tls_group *tls_group_find(uint16_t id);

/* Writes share_bytes bytes. */
void tls_group_base_share(const struct tls_group *group, uint8_t *share);

/* The secret that goes with the base point: a part of `peer`, the server's share. False when that
 * is no share of this group. */
bool tls_group_base_secret(const struct tls_group *group, struct slice peer, struct slice *secret);

/* A real share and its private key; only for groups with a curve. False when there is no memory. */
bool tls_group_real_share(const struct tls_group *group, uint8_t *share,
                          uint8_t private_key[TLS_SHARE_PRIVATE_MAX]);

/* The secret that goes with it; writes secret_bytes bytes. False when `peer` is no share of this
 * group or there is no memory. */
bool tls_group_real_secret(const struct tls_group *group,
                           const uint8_t private_key[TLS_SHARE_PRIVATE_MAX], struct slice peer,
                           uint8_t secret[TLS_SHARE_SECRET_MAX]);

#endif
