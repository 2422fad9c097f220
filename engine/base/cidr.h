/* Blocks of addresses as text: CIDR (192.0.2.0/24, 2001:db8::/120), ranges (192.0.2.1-192.0.2.20,
 * 192.0.2.1-20, v6 likewise) and single addresses. First and last address of an IPv4 block count
 * like all others: the Internet has hosts on them. Plain values, safe on every thread. */
#ifndef ENGINE_BASE_CIDR_H
#define ENGINE_BASE_CIDR_H

#include "engine/base/address.h"
#include "engine/base/error.h"

struct cidr_block {
    struct address first;
    unsigned __int128 last_offset; /* number of addresses less one: ::/0 has 2^128 of them */
};

/* True when `text` is meant as a block of several addresses, though perhaps a wrong one. Names may
 * hold "-" and URLs "/": "192.0.2.1-static.example" and "https://example.com/a" are no blocks. */
bool cidr_is_block(struct slice text);

/* Bits behind the prefix are ignored. */
enum error cidr_parse(struct slice text, struct cidr_block *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* The address `offset` behind the first; `offset` is at most last_offset. */
struct address cidr_address(const struct cidr_block *block, unsigned __int128 offset);

/* An address as a number: 32 bits of IPv4, 128 of IPv6. */
unsigned __int128 cidr_number(const struct address *address);

#endif
