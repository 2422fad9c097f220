/* One message of a certstream feed: JSON in a WebSocket frame, from any of the servers in use
 * (certstream-server-go, CaliDog's, certstream-server-rust), full, lite or domains-only.
 *
 * What the servers disagree about is settled here: members that are missing, null or of another
 * type than expected are empty, fingerprints of nothing (the hash of zero bytes, which a server
 * gives when it has no certificate at hand) count as missing, times may be integers or fractions,
 * and of a member that comes twice the last counts. Whether the values make sense is not judged;
 * all are untrusted.
 *
 * Messages of the usual form are read by hand, in about half the time of a JSON parser, which takes
 * over for all others; the results are the same.
 *
 * Sans-I/O and pure, safe on every thread. */
#ifndef ENGINE_CT_FEED_MESSAGE_H
#define ENGINE_CT_FEED_MESSAGE_H

#include "engine/base/arena.h"

enum feed_message_type {
    FEED_MESSAGE_OTHER = 0,          /* well-formed, of a type that says nothing to us */
    FEED_MESSAGE_CERTIFICATE_UPDATE, /* a log entry */
    FEED_MESSAGE_DNS_ENTRIES,        /* domains-only: no more than leaf.all_domains */
    FEED_MESSAGE_HEARTBEAT,
};

enum feed_update_type {
    FEED_UPDATE_OTHER = 0, /* missing, or unknown */
    FEED_UPDATE_X509,      /* "X509LogEntry" */
    FEED_UPDATE_PRECERT,   /* "PrecertLogEntry"; "PreCertEntry" in old data */
};

enum { FEED_SHA1_BYTES = 20, FEED_SHA256_BYTES = 32 };

/* A distinguished name, as the server took it apart. */
struct feed_name {
    struct slice country, common_name, locality, organization, organizational_unit, state;
    struct slice email;
    struct slice aggregated; /* "/C=GB/CN=www.example.org/…" */
};

struct feed_certificate {
    struct slice_list all_domains; /* SAN dNSNames, mostly with the common name behind them */
    struct slice as_der;           /* base64; empty in lite feeds and for tiled precertificates */
    bool has_sha1, has_sha256;     /* fingerprints that are well-formed and not of nothing */
    uint8_t sha1[FEED_SHA1_BYTES]; /* of "sha1", else of "fingerprint" */
    uint8_t sha256[FEED_SHA256_BYTES];
    struct slice serial; /* hexadecimal digits as sent; their number may be odd */
    struct slice signature_algorithm;
    struct feed_name subject, issuer;
    bool has_not_before, has_not_after;
    int64_t not_before, not_after; /* seconds since 1970 */
    bool has_is_ca, is_ca;
};

/* Slices point into the text or into the arena. */
struct feed_message {
    enum feed_message_type type;
    enum feed_update_type update_type;
    bool has_cert_index;
    uint64_t cert_index;
    struct slice cert_link; /* empty for tiled logs */
    struct slice source_url, source_name;
    bool source_is_tiled; /* source.type is "tiled" */
    bool has_seen;
    int64_t seen_ms; /* since 1970: when the server saw the entry; of a heartbeat its timestamp */
    struct feed_certificate leaf;
    struct slice_list chain; /* as_der of the issuers, base64, in order, those that have one */
};

enum feed_message_result {
    FEED_MESSAGE_OK = 0,
    FEED_MESSAGE_NOT_JSON,
    FEED_MESSAGE_BAD_SHAPE, /* no object, or no message_type */
    FEED_MESSAGE_TOO_LARGE, /* over LIMIT_FEED_MESSAGE_BYTES, which bounds the lists too */
    FEED_MESSAGE_NO_MEMORY,
};

/* `text` must outlive `out`; lists and unescaped strings go into `arena`. `out` is all zero unless
 * all went well. */
enum feed_message_result feed_message_parse(struct slice text, struct arena *arena,
                                            struct feed_message *out)
    __attribute__((warn_unused_result));

/* "the message is not JSON" and the like. */
const char *feed_message_result_text(enum feed_message_result result);

/* The two ways that feed_message_parse goes, for tests and measurements. The quick one returns
 * FEED_MESSAGE_NOT_JSON for anything that it leaves to the other. */
enum feed_message_result feed_message_parse_quick(struct slice text, struct arena *arena,
                                                  struct feed_message *out)
    __attribute__((warn_unused_result));
enum feed_message_result feed_message_parse_any(struct slice text, struct arena *arena,
                                                struct feed_message *out)
    __attribute__((warn_unused_result));

#endif
