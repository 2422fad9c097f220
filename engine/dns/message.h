/* The addresses or TLSA records in a DNS answer (RFC 1035 section 4). Every byte of it is hostile:
 * names that point forward or to themselves, counts and lengths beyond the end. Pure, safe on every
 * thread. */
#ifndef ENGINE_DNS_MESSAGE_H
#define ENGINE_DNS_MESSAGE_H

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/base/tlsa.h"

/* What is asked for. */
enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_TLSA = 52 };

/* Of two that tell about the same name, the first is told. */
enum dns_result {
    DNS_FOUND,
    DNS_NO_NAME,     /* NXDOMAIN */
    DNS_FAILED,      /* SERVFAIL */
    DNS_REFUSED,     /* REFUSED, NOTIMP */
    DNS_NONSENSE,    /* a message that breaks RFC 1035, FORMERR included */
    DNS_TOO_LARGE,   /* more TLSA records than are kept */
    DNS_UNREACHABLE, /* no such host, or nobody at the port */
    DNS_NO_MEMORY,
    DNS_SILENT,    /* no answer in time */
    DNS_NO_RECORD, /* the name exists, without records of the type */
};

struct dns_answer {
    enum dns_result result;
    bool authentic;        /* the AD flag: the server says that it has validated all of it */
    uint32_t count, ttl_s; /* of the records that led to what was found */
    union {
        struct address addresses[LIMIT_ADDRESSES]; /* each once, in the order of the answer */
        struct tlsa tlsa[LIMIT_TLSA_RECORDS];      /* slices into the message */
    };
};

/* Follows the aliases from the name in the question, in the order of the records, as servers send
 * them, and takes its records of one type. TLSA records too short to hold any data are nonsense. */
void message_read(struct slice message, enum dns_type type, struct dns_answer *out);

#endif
