/* What a server answers to a hello of an audit, as far as the question needs. Internal to
 * engine/tls.
 *
 * Everything up to TLS 1.2 comes in the clear. TLS 1.3 is opened when the hello offered base points
 * as shares (key_share.h). Slices point into `messages` and live until the next start. */
#ifndef ENGINE_TLS_AUDIT_ANSWER_H
#define ENGINE_TLS_AUDIT_ANSWER_H

#include "engine/tls/audit_hello.h"
#include "engine/tls/key_schedule.h"
#include "engine/tls/session.h"

/* How far to read. */
enum audit_depth {
    AUDIT_HELLO,        /* the ServerHello or HelloRetryRequest */
    AUDIT_KEY_EXCHANGE, /* up to TLS 1.2 and with an ephemeral key: its group */
    AUDIT_PROTOCOL,     /* the choice by ALPN, in whichever message it is */
    AUDIT_FLIGHT,       /* all that can be read */
};

/* Extensions that the server has answered. */
enum {
    AUDIT_HAS_RENEGOTIATION = 1 << 0,
    AUDIT_HAS_TICKET = 1 << 1,
    AUDIT_HAS_MASTER_SECRET = 1 << 2,
    AUDIT_HAS_ENCRYPT_THEN_MAC = 1 << 3,
    AUDIT_HAS_HEARTBEAT = 1 << 4,
};

struct audit_answer {
    /* --- What was found --- */
    bool greeted; /* it took what was offered: version, suite and the like are set */
    bool whole;   /* the flight was read to its end */
    bool alerted; /* a fatal alert came: `alert` */
    uint8_t alert;
    uint8_t compression;
    bool session_id; /* of the server's own */
    bool certificate_requested;
    uint16_t version, suite;
    uint16_t group;     /* 0 when none was seen */
    uint16_t dh_bits;   /* of a finite-field key exchange up to TLS 1.2 */
    uint8_t extensions; /* AUDIT_HAS_... */
    struct slice protocol;
    struct slice ca_names; /* content of the list: each with two bytes of length before it */
    struct slice ocsp_response, sct_list;

    /* --- The implementation's --- */
    const struct audit_offer *offer;
    enum audit_depth depth;
    enum tls_status status;
    bool encrypted;
    const struct tls13_suite *cipher;
    struct tls13_keys keys;
    uint16_t records;
    uint32_t record_len;   /* bytes of the record so far, its header too */
    uint32_t filled, read; /* ends of: all messages; those that are dealt with */
    uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_CIPHERTEXT_MAX];
    uint8_t messages[AUDIT_HELLO_MAX + LIMIT_FLIGHT_BYTES]; /* ours, then the server's */
};

/* `hello` is the record that was sent; `offer` must stay as it is until the answer is read. */
void audit_answer_start(struct audit_answer *answer, const struct audit_offer *offer,
                        struct slice hello, enum audit_depth depth);

/* TLS_DONE when the depth is reached; after anything but TLS_MORE the same comes again. */
enum tls_status audit_answer_feed(struct audit_answer *answer, struct slice bytes);

#endif
