/* IPv4 and IPv6 addresses without a port, in network order. Plain values, copied freely, safe on
 * every thread. */
#ifndef ENGINE_BASE_ADDRESS_H
#define ENGINE_BASE_ADDRESS_H

#include "engine/base/slice.h"

struct sockaddr;
struct sockaddr_storage;

enum address_family { ADDRESS_NONE = 0, ADDRESS_V4 = 4, ADDRESS_V6 = 6 };

struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* the first 4 for IPv4; the rest zero */
    uint32_t scope;    /* interface index of a link-local IPv6 address, 0 when there is none */
};

enum { ADDRESS_TEXT_MAX = 64 };

/* Reads "192.0.2.1", "2001:db8::1" or "fe80::1%eth0"; no brackets, no port, no short IPv4 forms. */
bool address_parse(struct slice text, struct address *out);

/* Writes the one canonical form (RFC 5952) and a terminator; returns its length without the
 * terminator. Only IPv4-mapped addresses end in dotted decimals: "::ffff:192.0.2.1". A scope
 * follows as a number. Nothing for ADDRESS_NONE. */
size_t address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* The address as sockaddr with `port` in host order; returns its length for connect(2). */
uint32_t address_to_sockaddr(const struct address *address, uint16_t port,
                             struct sockaddr_storage *out);

/* From a sockaddr of either family; false for another family. */
bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out);

bool address_equal(const struct address *a, const struct address *b);

/* How many bytes of `bytes` count: 4, 16 or 0. */
static inline size_t address_length(const struct address *address) {
    return address->family == ADDRESS_V4 ? 4 : address->family == ADDRESS_V6 ? 16 : 0;
}

#endif
