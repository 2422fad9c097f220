/* What entries of Certificate Transparency logs cost at least: the hashing and unpacking that
 * nobody can leave out, over entries that lie in memory ready to be read.
 *
 *     tiles        SHA-256 of each leaf of static-ct data tiles, and of the tree over each tile
 *     get-entries  base64 of the answers of RFC 6962 logs, then the same hashes
 *     feed         base64 of the certificates in full messages of a certstream feed
 *
 * They use the fastest ways that engine has. Nothing is parsed, searched or received, nor is JSON
 * read: where everything lies was found out before. One thread. */
#ifndef BENCH_FLOORS_ENTRIES_H
#define BENCH_FLOORS_ENTRIES_H

#include "engine/base/error.h"

#include <stdint.h>

struct entries_floor;

/* NULL when there is no floor of this name. */
const struct entries_floor *entries_floor_find(const char *name);

/* Makes the first `count` entries of a generated log, whole pages of 256, and works on `total`,
 * beginning anew at the end. Then the hashes of a page are compared with what the log knows. */
enum error entries_floor_run(const struct entries_floor *floor, uint32_t count, uint64_t total,
                             struct failure *failure) __attribute__((warn_unused_result));

#endif
