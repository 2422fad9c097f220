/* What a TLS conversation with one server has shown so far, however it is held: by a hand-made
 * hello (grab.h) or by BoringSSL (handshake.h). Sans-I/O: bytes from the server go in, bytes for
 * the server come out through `output`, no socket and no clock in here. One owner (a slot of a
 * worker), one thread. */
#ifndef ENGINE_TLS_SESSION_H
#define ENGINE_TLS_SESSION_H

#include "engine/base/buffer.h"
#include "engine/base/limits.h"
#include "engine/base/slice.h"

enum tls_status {
    TLS_MORE = 0, /* wants more bytes from the server */
    TLS_DONE,  /* all there is to learn: the certificate for a grab, a finished handshake otherwise
                */
    TLS_ALERT, /* the server sent a fatal alert: observation.alert */
    TLS_TOO_LARGE, /* a limit of engine/base/limits.h is passed */
    TLS_NOT_TLS,   /* what came first is not TLS at all (HTTP, SSH, SMTP ...) */
    TLS_BROKEN,    /* TLS that breaks its rules */
    TLS_REFUSED,   /* we refuse what the server chose: a version, cipher, group or key that is not
                      supported here */
    TLS_NO_MEMORY,
};

/* Versions, ciphers and groups are the numbers of the wire (IANA "TLS Parameters"); 0 where nothing
 * is known. */
struct tls_observation {
    uint16_t version, cipher, group;
    uint8_t alert; /* description of the fatal alert the server sent */
    bool alert_received;
    bool client_certificate_requested;
    bool ocsp_stapled;
    bool key_proven; /* the server has proven that it holds the certificate's key */
    uint16_t
        sct_count; /* SCTs stapled by TLS extension; those inside the certificate not counted */
    struct slice ocsp_response; /* stapled, as is the SCTs' list by TLS extension; untrusted, alive
                                   as long as the session. A grab asks for neither */
    struct slice sct_list;
    uint8_t alpn_len;
    uint8_t alpn[32];           /* the protocol the server chose, cut at 32 bytes; untrusted */
    uint16_t certificate_count; /* in `certificates` */
    uint16_t
        certificates_sent; /* by the server; more than certificate_count when there were too many */
    struct slice
        certificates[LIMIT_CHAIN_CERTIFICATES]; /* DER, leaf first; alive as long as the session */
};

/* "TLS 1.3", "SSL 3.0"; NULL when unknown. */
const char *tls_version_name(uint16_t version);

/* The number of a version that can be offered, SSL 3.0 to TLS 1.3. Reads tls_version_name's form
 * and what else is in use: "TLSv1.2", "tls1.2", "1.2", "TLSv1", "SSLv3". False for anything else.
 */
bool tls_version_by_name(struct slice name, uint16_t *version);

/* IANA's name, "TLS_AES_128_GCM_SHA256"; NULL when unknown. */
const char *tls_cipher_name(uint16_t cipher);

/* All suites that have a name, by number; 0 behind the last. */
uint16_t tls_cipher_number(size_t index);

/* "X25519", "P-256", "X25519MLKEM768"; NULL when unknown. */
const char *tls_group_name(uint16_t group);

/* RFC 8446 section 6: "handshake_failure"; NULL when unknown. */
const char *tls_alert_name(uint8_t alert);

#endif
