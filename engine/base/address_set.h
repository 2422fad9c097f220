/* A set of addresses, such as those that a sweep must not touch (`--exclude`). It holds ranges,
 * merged and in order, and finds an address by binary search.
 *
 * Built before the sweep by one thread, then constant: lookups are safe on every thread. An
 * IPv4-mapped IPv6 address (::ffff:192.0.2.1) is the IPv4 address; the interface of a link-local
 * address does not count. */
#ifndef ENGINE_BASE_ADDRESS_SET_H
#define ENGINE_BASE_ADDRESS_SET_H

#include "engine/base/address.h"
#include "engine/base/error.h"

struct address_set;

/* A set with what the file lists, or an empty one when `path` is NULL. */
enum error address_set_open(struct address_set **out, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* Takes NULL too. */
void address_set_free(struct address_set *set);

/* Adds a file with one address, CIDR block or range a line; "#" begins a comment. A line that is
 * none of them (a host name, say) fails with its number: what was to be left alone must not be
 * swept because of a slip. */
enum error address_set_add_file(struct address_set *set, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* Adds one address, block or range, without blanks around it. Sorts anew: many belong in a file.
 * After any failure but ERROR_USAGE, address_set_free is all that may follow. */
enum error address_set_add_text(struct address_set *set, struct slice text, struct failure *failure)
    __attribute__((warn_unused_result));

/* Adds what is no unicast address of the Internet at large (RFC 6890), and where IPv6 hides an IPv4
 * address (RFC 6052, RFC 3056, RFC 4380). Failures as above. */
enum error address_set_add_private(struct address_set *set, struct failure *failure)
    __attribute__((warn_unused_result));

/* From now on it holds what it did not hold, and nothing else. Failures as above. */
enum error address_set_invert(struct address_set *set, struct failure *failure)
    __attribute__((warn_unused_result));

bool address_set_contains(const struct address_set *set, const struct address *address);

#endif
