/* The thread that pulls the sources, one after another, and hands their targets to the pool; it may
 * block in either. On the way it leaves out other shards, excluded addresses, and what an earlier
 * run has done. */
#ifndef TOOLS_TRAWL_FEEDER_H
#define TOOLS_TRAWL_FEEDER_H

#include "engine/base/address_set.h"
#include "engine/base/option.h"
#include "engine/pool/pool.h"
#include "ingest/source.h"
#include "tools/trawl/checkpoint.h"
#include "tools/trawl/console.h"

/* All of it outlives the feeder. */
struct feeder_config {
    const struct option_list *specs; /* the arguments that name targets */
    const struct source_context *sources;
    const struct console *console;
    const struct address_set *excluded; /* NULL for none */
    struct checkpoint *checkpoint;      /* NULL for none */
    const char *password;               /* of PKCS#12 files; NULL for none */
    uint32_t shard_number, shard_count; /* every shard_count-th target from shard_number on,
                                           which counts from 1; a count of 0 for all */
};

struct feeder_totals {
    uint64_t bad_lines, excluded, done_before;
    bool failed; /* a source could not be opened or read to its end */
};

struct feeder;

/* Opens every source once, so that a wrong argument ends a sweep before it has done anything.
 * `total` is how many targets they will give in all, 0 when that cannot be known. */
enum error feeder_check(const struct feeder_config *config, uint64_t *total,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Ends with pool_finish. */
enum error feeder_start(struct feeder **out, const struct feeder_config *config, struct pool *pool,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Targets so far that were excluded or done before; for any thread. */
uint64_t feeder_left_out(const struct feeder *feeder);

/* Waits for its end: soon after pool_stop and a signal on source_context.stop_fd. */
void feeder_join(struct feeder *feeder, struct feeder_totals *totals);

#endif
