#include "engine/tls/strength.h"

#include "engine/tls/session.h"

static bool has_any(const char *name, const char *const *parts) {
    for (; *parts; parts++)
        if (strstr(name, *parts))
            return true;
    return false;
}

/* IANA's names say it all, but for TLS_SHA256_SHA256 and its sister of RFC 9150. */
enum tls_strength tls_suite_strength(uint16_t suite) {
    static const char *const insecure[] = {"_NULL_", "_anon_", "_EXPORT", NULL};
    static const char *const weak[] = {"_RC4_", "_RC2_", "_DES_", "_3DES_", "_IDEA_", "_MD5", NULL};
    const char *name = tls_cipher_name(suite);

    if (suite == 0xc0b4 || suite == 0xc0b5)
        return TLS_INSECURE;
    if (!name)
        return TLS_STRONG;
    return has_any(name, insecure) ? TLS_INSECURE : has_any(name, weak) ? TLS_WEAK : TLS_STRONG;
}

bool tls_suite_has_forward_secrecy(uint16_t suite) {
    static const char *const ephemeral[] = {"_DHE_", "_ECDHE_", "_ECCPWD_", NULL};
    const char *name = tls_cipher_name(suite);

    return suite >> 8 == 0x13 || (name && has_any(name, ephemeral));
}

bool tls_group_is_weak(uint16_t group) {
    return (group >= 1 && group <= 5) || /* sect163k1 to sect193r2 */
           (group >= 15 && group <= 19); /* secp160k1 to secp192r1 */
}
