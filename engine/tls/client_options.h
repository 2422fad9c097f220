/* What handshakes offer, and how it is read from a user's words. Plain values; pure functions, safe
 * on every thread.
 *
 * Groups. The default offers X25519 (with its key share), P-256, P-384 and P-521, and no
 * post-quantum hybrid: BoringSSL sends a share for each hybrid that it lists, which costs every
 * handshake a key of 1.2 KB for an answer that changes nothing about the certificate. One can be
 * named, as far as the BoringSSL at hand has it; the release that Debian ships has only the
 * abandoned draft X25519Kyber768Draft00.
 *
 * ALPN (RFC 7301). The default offers what browsers do, h2 and http/1.1. A server that knows ALPN
 * but neither of them may refuse with alert 120: mail, FTP and database servers do so since the
 * ALPACA attack. Ask those again with tls_client_without_alpn (handshake.h). */
#ifndef ENGINE_TLS_CLIENT_OPTIONS_H
#define ENGINE_TLS_CLIENT_OPTIONS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum { TLS_CLIENT_GROUPS_MAX = 8, TLS_CLIENT_ALPN_MAX = 128 };

struct tls_client_options {
    uint16_t version_min, version_max; /* wire numbers, in order, TLS 1.0 to TLS 1.3 */
    uint8_t group_count, alpn_len;
    uint16_t groups[TLS_CLIENT_GROUPS_MAX]; /* wire numbers, most wanted first, at least one */
    uint8_t alpn[TLS_CLIENT_ALPN_MAX];      /* as on the wire: each protocol behind its length */
};

struct tls_client_options tls_client_options_default(void);

/* Each reads names with commas between and replaces what was there. On an error, ERROR_USAGE,
 * `failure` names the word that is off and what is known, and the options stay as they were. */

/* "X25519,P-256", in any case; at least one, none twice. */
enum error tls_client_options_groups(struct tls_client_options *options, struct slice names,
                                     struct failure *failure) __attribute__((warn_unused_result));

/* "h2,http/1.1"; none at all offers no ALPN. */
enum error tls_client_options_alpn(struct tls_client_options *options, struct slice names,
                                   struct failure *failure) __attribute__((warn_unused_result));

/* BoringSSL's number of a group that it can agree on; 0 for others. */
int tls_client_group_nid(uint16_t group);

#endif
