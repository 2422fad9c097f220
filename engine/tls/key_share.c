#include "engine/tls/key_share.h"

#include "engine/tls/wire.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdh.h>
#include <openssl/err.h>
#include <openssl/nid.h>

enum { UNCOMPRESSED_POINT = 4 };

/* The base points, SEC 2 sections 2.4.2, 2.5.1 and 2.6.1, uncompressed */
static const uint8_t base_p256[] = {
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
    0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
    0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
static const uint8_t base_p384[] = {
    0x04, 0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3,
    0x20, 0xad, 0x74, 0x6e, 0x1d, 0x3b, 0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41,
    0xe0, 0x82, 0x54, 0x2a, 0x38, 0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55, 0x29, 0x6c, 0x3a,
    0x54, 0x5e, 0x38, 0x72, 0x76, 0x0a, 0xb7, 0x36, 0x17, 0xde, 0x4a, 0x96, 0x26, 0x2c,
    0x6f, 0x5d, 0x9e, 0x98, 0xbf, 0x92, 0x92, 0xdc, 0x29, 0xf8, 0xf4, 0x1d, 0xbd, 0x28,
    0x9a, 0x14, 0x7c, 0xe9, 0xda, 0x31, 0x13, 0xb5, 0xf0, 0xb8, 0xc0, 0x0a, 0x60, 0xb1,
    0xce, 0x1d, 0x7e, 0x81, 0x9d, 0x7a, 0x43, 0x1d, 0x7c, 0x90, 0xea, 0x0e, 0x5f};
static const uint8_t base_p521[] = {
    0x04, 0x00, 0xc6, 0x85, 0x8e, 0x06, 0xb7, 0x04, 0x04, 0xe9, 0xcd, 0x9e, 0x3e, 0xcb, 0x66,
    0x23, 0x95, 0xb4, 0x42, 0x9c, 0x64, 0x81, 0x39, 0x05, 0x3f, 0xb5, 0x21, 0xf8, 0x28, 0xaf,
    0x60, 0x6b, 0x4d, 0x3d, 0xba, 0xa1, 0x4b, 0x5e, 0x77, 0xef, 0xe7, 0x59, 0x28, 0xfe, 0x1d,
    0xc1, 0x27, 0xa2, 0xff, 0xa8, 0xde, 0x33, 0x48, 0xb3, 0xc1, 0x85, 0x6a, 0x42, 0x9b, 0xf9,
    0x7e, 0x7e, 0x31, 0xc2, 0xe5, 0xbd, 0x66, 0x01, 0x18, 0x39, 0x29, 0x6a, 0x78, 0x9a, 0x3b,
    0xc0, 0x04, 0x5c, 0x8a, 0x5f, 0xb4, 0x2c, 0x7d, 0x1b, 0xd9, 0x98, 0xf5, 0x44, 0x49, 0x57,
    0x9b, 0x44, 0x68, 0x17, 0xaf, 0xbd, 0x17, 0x27, 0x3e, 0x66, 0x2c, 0x97, 0xee, 0x72, 0x99,
    0x5e, 0xf4, 0x26, 0x40, 0xc5, 0x50, 0xb9, 0x01, 0x3f, 0xad, 0x07, 0x61, 0x35, 0x3c, 0x70,
    0x86, 0xa2, 0x72, 0xc2, 0x40, 0x88, 0xbe, 0x94, 0x76, 0x9f, 0xd1, 0x66, 0x50};

/* Montgomery curves are little-endian, finite fields big-endian: hence where the base value is. */
static const struct tls_group groups[] = {
    {TLS_GROUP_X25519, 32, 0, 32, NULL, 9, 0, NID_X25519},
    {TLS_GROUP_P256, 65, 1, 32, base_p256, 0, 0, NID_X9_62_prime256v1},
    {TLS_GROUP_P384, 97, 1, 48, base_p384, 0, 0, NID_secp384r1},
    {TLS_GROUP_P521, 133, 1, 66, base_p521, 0, 0, NID_secp521r1},
    {TLS_GROUP_X448, 56, 0, 56, NULL, 5, 0, NID_undef},
    {TLS_GROUP_FFDHE2048, 256, 0, 256, NULL, 2, 255, NID_undef},
    {TLS_GROUP_FFDHE3072, 384, 0, 384, NULL, 2, 383, NID_undef},
    {TLS_GROUP_FFDHE4096, 512, 0, 512, NULL, 2, 511, NID_undef},
    {TLS_GROUP_FFDHE6144, 768, 0, 768, NULL, 2, 767, NID_undef},
    {TLS_GROUP_FFDHE8192, 1024, 0, 1024, NULL, 2, 1023, NID_undef},
};

static_assert(sizeof base_p256 == 65 && sizeof base_p384 == 97 && sizeof base_p521 == 133,
              "as long as their shares");

const struct tls_group *tls_group_find(uint16_t id) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i].id == id)
            return &groups[i];
    return NULL;
}

void tls_group_base_share(const struct tls_group *group, uint8_t *share) {
    if (group->base_point) {
        memcpy(share, group->base_point, group->share_bytes);
    } else {
        memset(share, 0, group->share_bytes);
        share[group->base_at] = group->base_value;
    }
}

bool tls_group_base_secret(const struct tls_group *group, struct slice peer, struct slice *secret) {
    if (peer.len != group->share_bytes || (group->secret_from && peer.ptr[0] != UNCOMPRESSED_POINT))
        return false;
    *secret = (struct slice){peer.ptr + group->secret_from, group->secret_bytes};
    /* RFC 8446 section 7.4.2: all zeroes is the mark of a point of low order. */
    for (size_t i = 0; i < secret->len; i++)
        if (secret->ptr[i])
            return true;
    return false;
}

bool tls_group_real_share(const struct tls_group *group, uint8_t *share,
                          uint8_t private_key[TLS_SHARE_PRIVATE_MAX]) {
    if (group->curve == NID_X25519) {
        X25519_keypair(share, private_key);
        return true;
    }
    EC_KEY *key = EC_KEY_new_by_curve_name(group->curve);
    bool ok = key && EC_KEY_generate_key(key) &&
              EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
                                 POINT_CONVERSION_UNCOMPRESSED, share, group->share_bytes,
                                 NULL) == group->share_bytes &&
              BN_bn2bin_padded(private_key, group->secret_bytes, EC_KEY_get0_private_key(key));
    EC_KEY_free(key);
    return ok;
}

bool tls_group_real_secret(const struct tls_group *group,
                           const uint8_t private_key[TLS_SHARE_PRIVATE_MAX], struct slice peer,
                           uint8_t secret[TLS_SHARE_SECRET_MAX]) {
    if (peer.len != group->share_bytes)
        return false;
    if (group->curve == NID_X25519)
        return X25519(secret, private_key, peer.ptr);
    if (peer.ptr[0] != UNCOMPRESSED_POINT)
        return false;
    EC_KEY *key = EC_KEY_new_by_curve_name(group->curve);
    BIGNUM *scalar = BN_bin2bn(private_key, group->secret_bytes, NULL);
    EC_POINT *point = key ? EC_POINT_new(EC_KEY_get0_group(key)) : NULL;
    bool ok =
        point && scalar && EC_KEY_set_private_key(key, scalar) &&
        EC_POINT_oct2point(EC_KEY_get0_group(key), point, peer.ptr, peer.len, NULL) &&
        ECDH_compute_key(secret, group->secret_bytes, point, key, NULL) == (int)group->secret_bytes;
    EC_POINT_free(point);
    BN_free(scalar);
    EC_KEY_free(key);
    if (!ok)
        ERR_clear_error(); /* the thread's next user must not find ours */
    return ok;
}
