/* Fetches a server's Certificate message and no more, from SSL 3.0 to TLS 1.3, in one connection
 * and without any public-key operation. Sans-I/O, see session.h.
 *
 * One hand-made ClientHello offers every version and nearly every cipher suite ever used (hello.h).
 * A server that picks TLS 1.2 or older sends its Certificate in the clear. One that picks TLS 1.3
 * encrypts it to our key share, which is the base point of the group, so that the server's own
 * share is the shared secret (key_share.h), and HKDF and AEAD are all that is left to do. The grab
 * carries no data and ends there, so nothing is lost by a secret that is none; and it proves
 * nothing: key_proven stays false.
 *
 * No ALPN is offered: it would not change the certificate, and some servers refuse over it.
 *
 * Shares for X25519 and P-256 go out at once; P-384, P-521, X448 and the finite fields follow when
 * a HelloRetryRequest asks for them.
 *
 *     struct tls_grab grab;
 *     tls_grab_start(&grab, profile, storage, sizeof storage, sni, random, out);
 *     send `out`;
 *     on bytes:  status = tls_grab_feed(&grab, bytes, out);  send `out` when it is not empty;
 *     until status is not TLS_MORE;  then read grab.seen.
 *
 * How it ends:
 *     TLS_DONE       seen.certificates is set. What a server sends after its Certificate is not
 *                    read, so up to TLS 1.2 client_certificate_requested is not known here.
 *     TLS_ALERT      a fatal alert or close_notify came; other warnings are passed over.
 *     TLS_NOT_TLS    the first bytes are no TLS record: HTTP, SSH, a greeting, SSL 2.0.
 *     TLS_REFUSED    the server picked a version, a TLS 1.3 suite or group that was not offered, or
 *                    a key exchange that comes without a certificate (anonymous, pre-shared key).
 *     TLS_TOO_LARGE  the flight is over LIMIT_FLIGHT_BYTES or LIMIT_FLIGHT_RECORDS, or over the
 *                    storage.
 *     TLS_BROKEN     the flight breaks the rules of TLS. Certificates that could be read before
 *                    the fault stay in seen.certificates.
 *
 * A struct tls_grab owns nothing that needs freeing and may be dropped at any time. */
#ifndef ENGINE_TLS_GRAB_H
#define ENGINE_TLS_GRAB_H

#include "engine/tls/key_schedule.h"
#include "engine/tls/key_share.h"
#include "engine/tls/session.h"

enum tls_signature_wish { TLS_SIGNATURES_ALL = 0, TLS_SIGNATURES_RSA, TLS_SIGNATURES_ECDSA };

/* What all grabs of a sweep share; made once, read-only, shared by all workers. */
struct tls_grab_profile;

struct tls_grab_options {
    enum tls_signature_wish signatures; /* which kind of certificate to ask for */
    bool random_share; /* a real key share, for those who must look ordinary: costs public-key work,
                          and leaves X448 and the finite fields out */
    uint16_t version_min, version_max; /* wire numbers, in order; 0 for SSL 3.0 and for TLS 1.3 */
};

/* NULL when there is no memory. */
struct tls_grab_profile *tls_grab_profile_new(const struct tls_grab_options *options);
void tls_grab_profile_free(struct tls_grab_profile *profile);

enum {
    TLS_GRAB_HELLO_MAX = 1024,
    /* The hello, the largest flight, and the record that is being read behind it. Touched only as
       far as it is needed: under 1 KB more than the server's flight. */
    TLS_GRAB_STORAGE_BYTES = TLS_GRAB_HELLO_MAX + LIMIT_FLIGHT_BYTES + TLS_CIPHERTEXT_MAX,
    TLS_GRAB_RANDOM_BYTES = TLS_RANDOM_BYTES + TLS_SESSION_ID_BYTES,
};

struct tls_grab {
    struct tls_observation seen; /* certificates point into the storage */

    /* the rest is the implementation's */
    const struct tls_grab_profile *profile;
    const struct tls13_suite *suite;   /* of TLS 1.3; NULL until it is known */
    const struct tls_group *retry;     /* the only group of a second hello; NULL before */
    uint8_t *storage;                  /* transcript so far · messages · record being read */
    uint32_t capacity;                 /* of the storage */
    uint32_t hello_at;                 /* of the last hello */
    uint32_t transcript, filled, read; /* ends of: hellos; messages; messages that are dealt with */
    uint32_t record_len, record_have;
    uint16_t records;
    uint16_t name_at; /* of the name in the first hello */
    uint8_t name_len;
    uint8_t status, state;
    bool retried, encrypted;
    uint8_t header_len;
    uint8_t header[TLS_RECORD_HEADER_BYTES];
    struct tls13_keys keys;
    uint8_t private_keys[2][TLS_SHARE_PRIVATE_MAX]; /* only set for real shares */
};

/* `sni` may be empty; at most LIMIT_HOST_NAME_BYTES. `storage` stays with the grab until it is
 * dropped; TLS_GRAB_STORAGE_BYTES take any flight, less take less. Appends the ClientHello record
 * to `out`. False when the name or the hello is too long, or there is no memory. */
bool tls_grab_start(struct tls_grab *grab, const struct tls_grab_profile *profile, uint8_t *storage,
                    size_t storage_bytes, struct slice sni,
                    const uint8_t random[TLS_GRAB_RANDOM_BYTES], struct buffer *out);

/* Bytes as they came, split anywhere. Appends what must be sent (a second ClientHello after a
 * HelloRetryRequest) to `out`. After any other answer than TLS_MORE the same answer comes again. */
enum tls_status tls_grab_feed(struct tls_grab *grab, struct slice bytes, struct buffer *out);

#endif
