#include "ingest/spec.h"
#include "tools/fleet/run_internal.h"

#include <stdlib.h>

enum {
    SHARE_WAIT_MS = 2,        /* between two looks at how many are under way */
    UNBOUNDED_TARGETS = 4096, /* between two looks at the share, when the pool is the bound */
    IDLE_WAIT_MS = 100,
};

struct feeder {
    struct run *run;
    struct source_context context;
    struct fates *fates; /* being filled; NULL for none */
    uint32_t allowance;  /* targets that may go without a look at the share */
};

/* --- What the pool does not see --- */

static void hand_on_fates(struct feeder *feeder) {
    if (feeder->fates)
        mailbox_put(&feeder->run->letters, &feeder->fates->letter.entry);
    feeder->fates = NULL;
}

static void note_fate(struct feeder *feeder, uint64_t first, uint32_t count, uint32_t fate) {
    if (!feeder->fates) {
        feeder->fates = calloc(1, sizeof *feeder->fates);
        if (!feeder->fates) {
            run_fail_memory(feeder->run);
            return;
        }
        feeder->fates->letter.kind = LETTER_FATES;
    }
    struct fates *fates = feeder->fates;
    fates->spans[fates->count].first = first;
    fates->spans[fates->count].count = count;
    fates->spans[fates->count].fate = fate;
    atomic_fetch_add(&feeder->run->targets_left_out, count);
    if (++fates->count == FATES_MAX)
        hand_on_fates(feeder);
}

/* --- Targets --- */

static uint64_t under_way(const struct run *run) {
    struct pool_statistics statistics;

    pool_statistics(run->pool, &statistics);
    uint64_t ended = statistics.probe.finished - statistics.probe.further;
    return statistics.targets_submitted > ended ? statistics.targets_submitted - ended : 0;
}

/* Waits until the run's share lets one more target go. False when the run is to end. */
static bool wait_for_share(struct feeder *feeder) {
    struct run *run = feeder->run;

    while (!feeder->allowance) {
        uint64_t share = atomic_load_explicit(&run->share, memory_order_relaxed);
        uint64_t flying = share < run->capacity ? under_way(run) : 0;
        if (atomic_load(&run->stopped))
            return false;
        if (share >= run->capacity) {
            feeder->allowance = UNBOUNDED_TARGETS;
        } else if (flying < share) {
            feeder->allowance = (uint32_t)(share - flying);
        } else {
            hand_on_fates(feeder);
            wake_wait(&run->wake, wake_ticket(&run->wake), SHARE_WAIT_MS);
        }
    }
    feeder->allowance--;
    return true;
}

/* False when the run is to end. */
static bool feed_target(struct feeder *feeder, struct target *target, uint64_t number) {
    struct run *run = feeder->run;
    const struct address_set *excluded = run->config.excluded;

    if (excluded && target->address.family != ADDRESS_NONE &&
        address_set_contains(excluded, &target->address)) {
        note_fate(feeder, number, 1, PAGE_EXCLUDED);
        return true;
    }
    target->number = target->ticket = number;
    return wait_for_share(feeder) && pool_submit(run->pool, target) == ERROR_NONE;
}

/* What an item promises and does not give has no record, and is told. */
static bool feed_item(struct feeder *feeder, const struct shard_item *item, uint64_t number) {
    struct spec spec = {0};
    struct failure failure;
    uint32_t given = 0;
    bool readable =
        spec_read(&spec, &feeder->context, slice_trim(item->spec), &failure) == ERROR_NONE &&
        !spec.file.len;

    if (readable)
        spec_begin(&spec, &feeder->context);
    if (readable && spec_skip(&spec, item->skip) == item->skip) {
        struct target target;
        for (; given < item->count && spec_next(&spec, &target); given++)
            if (!feed_target(feeder, &target, number + given))
                return false;
    }
    if (given < item->count)
        note_fate(feeder, number + given, item->count - given, PAGE_UNREADABLE);
    return true;
}

/* False when the run is to end. */
static bool feed_shard(struct feeder *feeder, struct intake *intake) {
    uint64_t number = intake->reader.first;
    struct shard_item item;

    while (shard_next(&intake->reader, &item)) {
        if (!feed_item(feeder, &item, number))
            return false;
        number += item.count;
    }
    hand_on_fates(feeder);
    feeder->run->config.on_news(feeder->run->config.owner);
    return true;
}

/* --- The thread --- */

/* Shards that come after the end was asked for are given up as they are. */
static void feed_shards(struct feeder *feeder, struct mailbox_entry *entries) {
    struct run *run = feeder->run;

    while (entries) {
        struct intake *intake = (struct intake *)entries;
        entries = entries->next;
        if (atomic_load(&run->finishing))
            note_fate(feeder, intake->reader.first, intake->reader.count, FATE_GIVEN_UP);
        else if (!intake->probed)
            note_fate(feeder, intake->reader.first, intake->reader.count, PAGE_UNREADABLE);
        else
            (void)feed_shard(feeder, intake); /* it ends soon when it is to end */
        run_free_intake(intake);
    }
    hand_on_fates(feeder);
}

void *run_feeder(void *owner) {
    struct run *run = owner;
    struct feeder feeder = {
        .run = run,
        .context =
            {
                .ports = run->config.ports,
                .protocols = &protocol_lookup_all,
                .seed = run->config.job->seed,
                .stop_fd = -1,
                .no_files = "files do not travel",
            },
    };

    for (;;) {
        uint32_t ticket = wake_ticket(&run->wake);
        bool finishing = atomic_load(&run->finishing);
        struct mailbox_entry *entries = mailbox_take_all(&run->intakes);
        feed_shards(&feeder, entries);
        if (!entries && finishing)
            break;
        if (!entries)
            wake_wait(&run->wake, ticket, IDLE_WAIT_MS);
    }
    pool_finish(run->pool);
    return NULL;
}
