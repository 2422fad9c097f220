/* ClientHello messages made by hand (RFC 8446 section 4.1.2).
 *
 * A profile holds the hello's bytes that are the same for all connections; a connection fills the
 * holes:
 *
 *     record header · message header · version · RANDOM · SESSION ID · suites · extensions
 *         · key_share: SHARES · cookie: COOKIE · server_name: NAME · padding
 *
 * The profile is read-only once made and shared by all threads. */
#ifndef ENGINE_TLS_HELLO_H
#define ENGINE_TLS_HELLO_H

#include "engine/tls/grab.h"
#include "engine/tls/key_schedule.h"
#include "engine/tls/key_share.h"

/* Shares offered in the first hello: X25519 and P-256, which nearly every server takes. A share for
 * P-384 would make every hello 101 bytes longer to spare the few others their HelloRetryRequest. */
enum { TLS_HELLO_SHARES = 2 };

enum {
    TLS_HELLO_HEAD_MAX = 640, /* see the assertions in hello.c */
    TLS_HELLO_SHARES_BYTES = 2 * 4 + 32 + 65,
    /* A hello is one record. */
    TLS_HELLO_MAX = TLS_RECORD_HEADER_BYTES + TLS_PLAINTEXT_MAX,
    /* The first hello, which has no cookie: head, shares, the longest name, and the padding that
       stops at 512 bytes. */
    TLS_HELLO_FIRST_MAX = TLS_HELLO_HEAD_MAX + 6 + TLS_HELLO_SHARES_BYTES + 9 + 255,
};

struct tls_grab_profile {
    uint16_t version_min, version_max;
    bool random_share;
    bool offers_tls13;
    const struct tls_group *shared[TLS_HELLO_SHARES]; /* groups of the first hello's shares */
    uint8_t shares[TLS_HELLO_SHARES_BYTES];           /* the base points, as key_share entries */
    struct tls13_derived derived;
    uint16_t head_len;
    uint16_t extensions_at; /* of the length of all extensions; 0 when the hello has none */
    uint8_t head[TLS_HELLO_HEAD_MAX];
};

/* What goes into the holes. */
struct tls_hello_parts {
    const uint8_t *random;     /* TLS_RANDOM_BYTES */
    const uint8_t *session_id; /* TLS_SESSION_ID_BYTES; only sent when TLS 1.3 is offered */
    struct slice shares;       /* key_share entries; only sent when TLS 1.3 is offered */
    struct slice cookie;       /* of a HelloRetryRequest, or empty */
    struct slice name;         /* or empty */
};

/* Bytes of the whole record; may be more than TLS_HELLO_MAX, which must then not be written. */
size_t tls_hello_bytes(const struct tls_grab_profile *profile, const struct tls_hello_parts *parts);

/* Writes the record and returns where in its message the name stands; 0 when it has none. */
uint16_t tls_hello_write(const struct tls_grab_profile *profile,
                         const struct tls_hello_parts *parts, uint8_t *out);

/* One key_share entry without its key: 4 bytes. Returns the place of the key. */
uint8_t *tls_hello_share_entry(const struct tls_group *group, uint8_t *out);

/* The suites up to TLS 1.2 that every profile offers, best first, and the signature algorithms; 0
 * behind the last. */
uint16_t tls_hello_suite(size_t index);
uint16_t tls_hello_signature(size_t index);

#endif
