/* A piece of a job: some thousand targets that one worker does. A message of the stream of work;
 * MessagePack. Pure.
 *
 *     [version, first, count, [[spec, skip, count], …], attempt]
 *
 * A spec is what could stand in a line of a list: "192.0.2.0/24", "example.com:8443",
 * "smtp://mx.example.org". Read with the ports and the seed of the job it gives the same targets in
 * the same order everywhere, of which the item means `count` from number `skip` on. Targets of the
 * shard are numbered from `first` on, which is one more than a multiple of PAGE_TARGETS. The
 * attempt is 0, but for a shard that is to be done again since the cluster has lost pages of it. */
#ifndef TOOLS_FLEET_SHARD_H
#define TOOLS_FLEET_SHARD_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "tools/fleet/page.h"

enum {
    SHARD_VERSION = 2,
    SHARD_ATTEMPTS_MAX = 99,
    SHARD_TARGETS_MAX = 1 << 17,
    SHARD_BYTES_MAX = 512 * 1024, /* of the message; the cutter ends a shard before */
    SHARD_SPEC_BYTES_MAX = 4096,
};

struct shard_item {
    struct slice spec; /* points into the message */
    uint64_t skip;
    uint32_t count;
};

/* Being written, by one thread. */
struct shard_writer {
    struct buffer items; /* but for the last, which may still grow */
    struct buffer spec;  /* of the last one, and the next two */
    uint64_t skip;
    uint32_t item_targets;
    uint64_t first;
    uint32_t count, item_count; /* of all */
};
void shard_writer_init(struct shard_writer *writer, uint64_t first);
void shard_writer_deinit(struct shard_writer *writer);
/* Empties it, for the next shard. */
void shard_writer_reset(struct shard_writer *writer, uint64_t first);
/* Joins what goes on where the last item ended. SHARD_TARGETS_MAX and SHARD_SPEC_BYTES_MAX are the
 * caller's to keep. */
void shard_writer_add(struct shard_writer *writer, struct slice spec, uint64_t skip,
                      uint32_t count);
/* How long the message would be, at most, with one more item of such a spec. */
size_t shard_writer_bytes_with(const struct shard_writer *writer, size_t spec_bytes);
/* Appends the message. Memory that was short shows as `failed` of *out. */
void shard_writer_finish(const struct shard_writer *writer, struct buffer *out);

/* Being read. `bytes` outlive it. */
struct shard_reader {
    struct slice rest;
    uint64_t first;
    uint32_t count, items_left, attempt;
};
/* Checks all of it. ERROR_UNSUPPORTED: of a newer version. */
enum error shard_read(struct shard_reader *reader, struct slice bytes, struct failure *failure)
    __attribute__((warn_unused_result));
bool shard_next(struct shard_reader *reader, struct shard_item *out);
/* Appends the message of the same shard for another attempt; before the first shard_next. */
void shard_again(const struct shard_reader *reader, uint32_t attempt, struct buffer *out);

#endif
