/* Targets of sources, written as shards. What follows each other in a block, or on the ports of a
 * host, is one item, and takes constant time; other targets have an item each. Reads sources, which
 * may block, and nothing else. */
#ifndef TOOLS_FLEET_CUT_H
#define TOOLS_FLEET_CUT_H

#include "ingest/source.h"
#include "tools/fleet/shard.h"

struct cut {
    struct shard_writer shard; /* being filled */
    const struct source_context *context;
    uint32_t shard_targets;
    bool grows;         /* with `taken` */
    uint64_t taken;     /* targets in finished shards, those of an earlier cutter too */
    size_t bytes_max;   /* of a message */
    uint64_t pass_over; /* so many targets are in shards of an earlier cutter */
    struct buffer text;
};

/* Between PAGE_TARGETS and 65,536, a multiple of PAGE_TARGETS: about a hundredth of the whole for
 * few, the most for very many. `total` 0: it is not known, and shards begin with 1,024 targets and
 * grow with what was cut so far. */
uint32_t cut_shard_targets(uint64_t total);

/* Goes on behind `pages` pages with `targets` targets. `shard_targets` 0: they grow. */
void cut_init(struct cut *cut, const struct source_context *context, uint32_t shard_targets,
              size_t bytes_max, uint64_t pages, uint64_t targets);
void cut_deinit(struct cut *cut);

/* Takes the target that `source` gave, and what follows it, into the shard, which must not be full.
 * ERROR_USAGE: it cannot travel, and is left out; ERROR_LIMIT: too many; ERROR_MEMORY. */
enum error cut_take(struct cut *cut, struct source *source, const struct target *target,
                    struct failure *failure) __attribute__((warn_unused_result));

/* The shard is to be finished before more is taken. */
bool cut_is_full(const struct cut *cut);

/* What a shard holds. */
struct cut_shard {
    uint64_t first;
    uint32_t targets, pages;
};

/* Appends the shard as a message, and begins the next, with the next page. */
struct cut_shard cut_finish(struct cut *cut, struct buffer *out);

#endif
