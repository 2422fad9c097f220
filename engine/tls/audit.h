/* Finds out what a server is willing to do: by many connections, one after another, each with a
 * hand-made ClientHello and none with a handshake that is finished, but for those that ask whether
 * sessions are resumed. Sans-I/O, see session.h.
 *
 *     struct tls_audit *audit = tls_audit_new(sni, &options);
 *     while (tls_audit_next(audit, random, &hello)) {
 *         connect; send `hello`;
 *         on bytes:  until tls_audit_feed(audit, bytes, &out) is not TLS_MORE; send `out`;
 *         on an end before that:  tls_audit_ended(audit, how);
 *         close;
 *     }
 *     read tls_audit_result(audit);
 *
 * How it learns. A server says which suite, group and protocol it takes in its first answer: what
 * it took is left out next time, until it refuses. TLS 1.3 tells suite and group without any key
 * exchange when the hello has no key share (HelloRetryRequest, RFC 8446 section 4.1.4), both at
 * once. What TLS 1.3 encrypts is read as a grab reads it, by the base point as the share.
 *
 * Connections: for each version its suites + 1 (TLS 1.3: the larger of suites and groups, + 2),
 * groups of TLS 1.2 + 1, protocols + 1, a connection for each version that is not offered, one for
 * each version's order and one for its rare suites, one for the fallback SCSV, two for each
 * way to resume a session, ten for JARM. The most telling come first, so that little is lost when
 * the budget ends.
 *
 * What it does not say: whether sessions are resumed by a server that BoringSSL cannot finish a
 * handshake with, SSL 2.0, and protocols by ALPN where TLS 1.3 is the only version and only takes
 * groups without a base point (ML-KEM).
 *
 * An audit takes one allocation of 144 KB, of which only what is used is touched (mostly under 30),
 * and a small arena. One owner, one thread. */
#ifndef ENGINE_TLS_AUDIT_H
#define ENGINE_TLS_AUDIT_H

#include "engine/tls/session.h"

struct tls_audit;
struct tls_client; /* handshake.h */

enum {
    TLS_AUDIT_VERSIONS = 5,
    TLS_AUDIT_SUITES_MAX = 128, /* of one version; a server that takes all that OpenSSL ever had,
                                   takes about 110 */
    TLS_AUDIT_GROUPS_MAX = 48,
    TLS_AUDIT_PROTOCOLS_MAX = 48,
    TLS_AUDIT_CA_NAMES_MAX = 64,
    TLS_AUDIT_CONNECTIONS = 80, /* unless options say otherwise */
    TLS_AUDIT_JARM_CHARS = 62,
};

struct tls_audit_options {
    uint16_t connections_max; /* 0 for TLS_AUDIT_CONNECTIONS; those that fail count too */
    bool without_jarm;
    const struct tls_client *client; /* by which handshakes are finished; outlives the audit. NULL:
                                        nothing is found out about resumption */
    struct slice jarm_name; /* what JARM's hellos name: the host or address as it was given; the SNI
                               when empty */
};

enum tls_audit_fact {
    TLS_AUDIT_UNKNOWN = 0, /* not found out, or of no meaning for this server's versions */
    TLS_AUDIT_NO,
    TLS_AUDIT_YES,
};

enum tls_audit_order {
    TLS_AUDIT_ORDER_UNKNOWN = 0, /* under two suites, or neither of these */
    TLS_AUDIT_ORDER_SERVER,      /* the server's own preference counts */
    TLS_AUDIT_ORDER_CLIENT,
};

/* `suites` in the order in which the server took them: its own, if that is what counts. */
struct tls_audit_version {
    uint16_t version;
    uint8_t offered;      /* enum tls_audit_fact */
    uint8_t order;        /* enum tls_audit_order */
    bool suites_complete; /* every suite with a name was asked for */
    uint8_t suite_count;
    uint16_t suites[TLS_AUDIT_SUITES_MAX];
};

struct tls_audit_groups {
    bool complete;
    uint8_t count;
    uint16_t ids[TLS_AUDIT_GROUPS_MAX];
};

enum tls_audit_stop {
    TLS_AUDIT_FINISHED = 0,
    TLS_AUDIT_OUT_OF_CONNECTIONS, /* the budget ended before the questions did */
    TLS_AUDIT_UNREACHABLE,        /* several connections in a row could not be made, or hung */
    TLS_AUDIT_OUT_OF_MEMORY,
    TLS_AUDIT_OUT_OF_TIME, /* only by tls_audit_stop, as is the next */
    TLS_AUDIT_CANCELLED,
};

/* Slices live as long as the audit. */
struct tls_audit_result {
    struct tls_audit_version versions[TLS_AUDIT_VERSIONS]; /* TLS 1.3 first, SSL 3.0 last */
    struct tls_audit_groups groups13, groups12;            /* of TLS 1.3; of its predecessors */
    struct slice protocols[TLS_AUDIT_PROTOCOLS_MAX];       /* by ALPN; static text */
    uint8_t protocol_count;
    bool protocols_complete;
    uint16_t
        dh_bits; /* of the smallest finite-field group in a key exchange; 0 when none was seen */

    /* enum tls_audit_fact */
    uint8_t secure_renegotiation;   /* RFC 5746 */
    uint8_t compression;            /* takes DEFLATE: CRIME */
    uint8_t session_tickets;        /* answers the extension of RFC 5077 */
    uint8_t session_ids;            /* gives its session an id */
    uint8_t extended_master_secret; /* RFC 7627 */
    uint8_t encrypt_then_mac;       /* RFC 7366; only known when a CBC suite was taken */
    uint8_t heartbeat;              /* RFC 6520 */
    uint8_t fallback_scsv;          /* RFC 7507; unknown with one version only */
    uint8_t client_certificate;     /* requested */
    uint8_t resumes_id;             /* a session is resumed: up to TLS 1.2 by its id ... */
    uint8_t resumes_ticket;         /* ... or by a ticket; */
    uint8_t resumes_tls13;          /* in TLS 1.3 */

    struct slice ca_names[TLS_AUDIT_CA_NAMES_MAX]; /* of the request: Names as DER, untrusted */
    uint8_t ca_name_count;
    uint16_t ca_names_total;
    struct slice ocsp_response; /* stapled; DER, untrusted; empty when there is none */
    struct slice sct_list;      /* by TLS extension: a SignedCertificateTimestampList */

    char
        jarm[TLS_AUDIT_JARM_CHARS + 1]; /* empty when not asked for, or not all ten were answered */
    uint16_t connections;
    uint8_t stop; /* enum tls_audit_stop */
};

/* `sni` may be empty; both it and the options are copied. NULL when there is no memory, or a name
 * is longer than LIMIT_HOST_NAME_BYTES. */
struct tls_audit *tls_audit_new(struct slice sni, const struct tls_audit_options *options);
void tls_audit_free(struct tls_audit *audit);

/* Begins the next connection: appends its ClientHello to `hello`. False when there is nothing more
 * to ask: result.stop says why. `random` should be. */
bool tls_audit_next(struct tls_audit *audit, const uint8_t random[32], struct buffer *hello);

/* Bytes as they came, split anywhere; appends what must be sent to `out`. TLS_MORE wants more;
 * after anything else the connection is to be closed, and nothing needs to be said of how it ended.
 */
enum tls_status tls_audit_feed(struct tls_audit *audit, struct slice bytes, struct buffer *out);

/* True while all that the connection still waits for comes at once, or not at all: TIMED_OUT after
 * a second or two is an answer then. */
bool tls_audit_lingers(const struct tls_audit *audit);

/* The connection ended, or never was, while feed wanted more. */
enum tls_audit_end {
    TLS_AUDIT_CLOSED,        /* by the server, in order or by reset */
    TLS_AUDIT_TIMED_OUT,     /* connected, but no whole answer in time */
    TLS_AUDIT_NOT_CONNECTED, /* refused, unreachable or timed out; the question is asked again */
};
void tls_audit_ended(struct tls_audit *audit, enum tls_audit_end how);

/* Ends the audit before it has ended by itself; nothing is learned from a connection that is under
 * way. */
void tls_audit_stop(struct tls_audit *audit, enum tls_audit_stop why);

const struct tls_audit_result *tls_audit_result(const struct tls_audit *audit);

#endif
