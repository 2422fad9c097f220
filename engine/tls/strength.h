/* What protects little: suites and groups that nobody should take any more, by number. Pure, safe
 * on every thread. */
#ifndef ENGINE_TLS_STRENGTH_H
#define ENGINE_TLS_STRENGTH_H

#include <stdbool.h>
#include <stdint.h>

enum tls_strength {
    TLS_STRONG,   /* or not known here */
    TLS_WEAK,     /* RC4 (RFC 7465), RC2, and blocks of 64 bits: DES, 3DES (Sweet32), IDEA; MD5 */
    TLS_INSECURE, /* encrypts nothing, proves nothing of the server, or has a key of export size */
};

enum tls_strength tls_suite_strength(uint16_t suite);

/* Whether what was recorded stays secret when the server's key becomes known. */
bool tls_suite_has_forward_secrecy(uint16_t suite);

/* Curves under 224 bits. */
bool tls_group_is_weak(uint16_t group);

/* Finite fields of fewer bits are too small (RFC 9325 section 4.1: Logjam). */
enum { TLS_DH_BITS_MIN = 2048 };

#endif
