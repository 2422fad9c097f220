/* What the parts of a run share. Part of run.c, run_feeder.c and run_courier.c. */
#ifndef TOOLS_FLEET_RUN_INTERNAL_H
#define TOOLS_FLEET_RUN_INTERNAL_H

#include "engine/queue/mailbox.h"
#include "engine/queue/wake.h"
#include "tools/fleet/assembly.h"
#include "tools/fleet/parcel.h"
#include "tools/fleet/run.h"

#include <pthread.h>

enum { FATES_MAX = 256, FATE_GIVEN_UP = PAGE_FATES };

/* A shard on its way to the feeder, which frees it. */
struct intake {
    struct mailbox_entry entry; /* its first member, as of all that follow */
    struct buffer body;
    struct shard_reader reader; /* points into it */
    bool probed;
};

/* To the courier. */
enum letter_kind { LETTER_PIECE, LETTER_FATES };

struct letter {
    struct mailbox_entry entry;
    enum letter_kind kind;
};

/* A shard as the courier sees it, and whoever takes it when it is done. */
struct piece {
    struct letter letter;
    void *token;
    uint64_t first;
    uint32_t count, attempt;
    struct assembly *assembly;
    uint32_t under_way; /* messages that are not stored yet */
    bool given_up, stored;
};

/* Targets that the pool does not see. */
struct fates {
    struct letter letter;
    uint32_t count;
    struct {
        uint64_t first;
        uint32_t count, fate; /* enum page_fate, or FATE_GIVEN_UP: of the shard that begins there */
    } spans[FATES_MAX];
};

struct run {
    struct run_config config;
    struct fleet *fleet; /* the courier's */
    struct parcel_encoding encoding;
    struct batch_queue *parcels;
    struct pool_outlet outlet; /* to them */
    struct pool *pool;
    pthread_t feeder, courier;
    bool feeder_started, courier_started;

    struct mailbox intakes, letters, done;
    struct wake wake; /* the feeder sleeps there */
    _Atomic bool finishing, stopped, over;
    _Atomic uint32_t share;
    _Atomic uint64_t pace_ns;
    uint64_t capacity; /* of the pool */

    _Atomic uint64_t targets_left_out; /* that the pool does not see */
    _Atomic uint64_t targets_done, pages_stored, bytes_stored;

    /* Of the thread that started it. */
    struct mailbox_entry *taken;                /* from `done` */
    uint64_t targets_given;                     /* in shards that came */
    uint64_t first_ns;                          /* when the first came */
    uint64_t measured_ns, begun_then, a_second; /* how fast it goes */
    uint32_t shards_in_hand, shard_targets;
};

void *run_feeder(void *run);
void *run_courier(void *run);

/* It cannot go on: tells so and ends. Any thread. */
void run_fail(struct run *run, const struct failure *failure);
void run_fail_memory(struct run *run);

void run_free_intake(struct intake *intake);
void run_free_piece(struct piece *piece);

#endif
