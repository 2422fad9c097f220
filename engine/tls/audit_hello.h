/* The hellos of an audit: unlike those of a grab each offers something else. Internal to
 * engine/tls. Pure, safe on every thread. */
#ifndef ENGINE_TLS_AUDIT_HELLO_H
#define ENGINE_TLS_AUDIT_HELLO_H

#include "engine/base/buffer.h"
#include "engine/tls/wire.h"

enum {
    AUDIT_OFFER_SUITES_MAX = 400,
    AUDIT_OFFER_GROUPS_MAX = 64,
    AUDIT_HELLO_MAX = 8192, /* all suites, all groups, all shares */
};

/* What one connection offers. */
struct audit_offer {
    uint16_t version; /* the highest; TLS 1.3 is offered alone */
    bool shares;      /* TLS 1.3: base points for those groups that have one; else none at all */
    uint16_t suite_count, group_count;
    uint16_t suites[AUDIT_OFFER_SUITES_MAX];
    uint16_t groups[AUDIT_OFFER_GROUPS_MAX];
    uint64_t protocols; /* bits 1 << index into audit_protocols */
};

/* A ClientHello record. False when there is no memory. */
bool audit_hello_write(const struct audit_offer *offer, struct slice sni, const uint8_t random[32],
                       struct buffer *out);

/* --- What there is to offer --- */

/* Protocols of ALPN; NULL at the end. */
enum { AUDIT_PROTOCOLS = 36 };
extern const char *const audit_protocols[AUDIT_PROTOCOLS];

/* Those that come with a certificate and are in use, then all others that have a name. */
enum audit_suites { AUDIT_SUITES_USUAL, AUDIT_SUITES_RARE };

/* Writes the suites that a server of this version could take; returns how many. */
size_t audit_suite_list(uint16_t version, enum audit_suites kind,
                        uint16_t out[AUDIT_OFFER_SUITES_MAX]);
/* Likewise groups, post-quantum ones first. */
size_t audit_group_list(uint16_t version, uint16_t out[AUDIT_OFFER_GROUPS_MAX]);

#endif
