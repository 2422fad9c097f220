/* The addresses in a DNS answer (RFC 1035 section 4). Every byte of it is hostile: names that point
 * forward or to themselves, counts and lengths beyond the end. Pure, safe on every thread. */
#ifndef ENGINE_DNS_MESSAGE_H
#define ENGINE_DNS_MESSAGE_H

#include "engine/base/address.h"
#include "engine/base/limits.h"

/* Of two that tell about the same name, the first is told. */
enum dns_result {
    DNS_ADDRESSES,
    DNS_NO_NAME,     /* NXDOMAIN */
    DNS_FAILED,      /* SERVFAIL */
    DNS_REFUSED,     /* REFUSED, NOTIMP */
    DNS_NONSENSE,    /* a message that breaks RFC 1035, FORMERR included */
    DNS_UNREACHABLE, /* no such host, or nobody at the port */
    DNS_NO_MEMORY,
    DNS_SILENT,     /* no answer in time */
    DNS_NO_ADDRESS, /* the name exists, without addresses of the family */
};

struct dns_answer {
    enum dns_result result;
    uint32_t count, ttl_s;                     /* of the records that led to the addresses */
    struct address addresses[LIMIT_ADDRESSES]; /* each once, in the order of the answer */
};

/* Follows the aliases from the name in the question, in the order of the records, as servers send
 * them, and takes its addresses of one family (ADDRESS_V4 or ADDRESS_V6). The result is
 * DNS_ADDRESSES, DNS_NO_ADDRESS or DNS_NONSENSE; response codes are not looked at. */
void message_read(struct slice message, uint8_t family, struct dns_answer *out);

#endif
