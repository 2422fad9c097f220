#include "tools/trawl/feeder.h"

#include "engine/base/quote.h"
#include "engine/base/thread.h"
#include "engine/probe/local_chain.h"
#include "tools/trawl/local.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_NS = 1000000,
    LOCAL_BYTES_MAX = 64 * 1024 * 1024, /* of files, that the workers have not judged yet */
};

struct feeder {
    struct feeder_config config;
    struct pool *pool;
    pthread_t thread;
    uint64_t given;    /* by the sources */
    uint64_t numbered; /* targets */
    struct feeder_totals totals;
    _Atomic uint64_t left_out;  /* excluded or done before; read by others */
    _Atomic size_t local_bytes; /* that workers have still to judge and free */
};

/* Counts what the source gave. */
static bool of_another_shard(struct feeder *feeder) {
    const struct feeder_config *config = &feeder->config;
    uint64_t number = feeder->given++;

    return config->shard_count && number % config->shard_count != config->shard_number - 1;
}

/* True when the target is of another shard or an excluded address. */
static bool leave_out(struct feeder *feeder, const struct target *target) {
    const struct feeder_config *config = &feeder->config;

    if (of_another_shard(feeder))
        return true;
    if (!config->excluded || target->address.family == ADDRESS_NONE ||
        !address_set_contains(config->excluded, &target->address))
        return false;
    feeder->totals.excluded++;
    atomic_fetch_add_explicit(&feeder->left_out, 1, memory_order_relaxed);
    return true;
}

static void wait_a_moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

/* True when an earlier run has done it. Waits while the checkpoint's window is
 * full; after a stop the pool takes no more anyway. */
static bool done_before(struct feeder *feeder, struct target *target) {
    struct checkpoint *checkpoint = feeder->config.checkpoint;

    target->ticket = target->number;
    if (checkpoint_is_done(checkpoint, target->ticket)) {
        feeder->totals.done_before++;
        atomic_fetch_add_explicit(&feeder->left_out, 1, memory_order_relaxed);
        return true;
    }
    while (!checkpoint_has_room(checkpoint, target->ticket) && !pool_is_stopped(feeder->pool))
        wait_a_moment();
    return false;
}

/* False when the sweep is to end. */
static bool feed_target(struct feeder *feeder, struct target *target) {
    target->ticket = 0;
    if (leave_out(feeder, target))
        return true;
    target->number = ++feeder->numbered;
    if (feeder->config.checkpoint && done_before(feeder, target))
        return true;
    return pool_submit(feeder->pool, target) == ERROR_NONE;
}

/* --- What is said --- */

static void tell_failed(struct feeder *feeder, const struct failure *failure) {
    console_say(feeder->config.console, failure->text);
    feeder->totals.failed = true;
}

/* --- What the sources give --- */

/* False when the sweep is to end. Takes over what `target` has. */
static bool feed_local(struct feeder *feeder, struct target *target) {
    struct local_chain *chain = target->local;

    while (atomic_load_explicit(&feeder->local_bytes, memory_order_relaxed) > LOCAL_BYTES_MAX &&
           !pool_is_stopped(feeder->pool))
        wait_a_moment();
    atomic_fetch_add_explicit(&feeder->local_bytes, chain->bytes, memory_order_relaxed);
    chain->in_flight = &feeder->local_bytes;
    target->number = ++feeder->numbered;
    if (pool_submit(feeder->pool, target) == ERROR_NONE)
        return true;
    local_chain_free(chain);
    return false;
}

/* All chains of a path. For shards it counts as one: how many certificates there are on another
 * machine must not decide about servers. False when the sweep is to end. */
static bool feed_file(struct feeder *feeder, struct slice file, struct target *target) {
    char path[LIMIT_PATH_BYTES + 1];
    bool go_on = true;

    target->ticket = 0;
    if (of_another_shard(feeder))
        return true;
    memcpy(path, file.ptr, file.len);
    path[file.len] = '\0';
    struct local_reader *reader = local_open(path, feeder->config.password);
    bool failed = !reader;
    while (go_on && !failed) {
        failed = local_next(reader, &target->local) != ERROR_NONE;
        if (!target->local)
            break;
        go_on = feed_local(feeder, target);
    }
    local_close(reader);
    if (failed) {
        struct failure failure;
        failure_set(&failure, ERROR_MEMORY, "no memory to read %s", quote_of(file).text);
        tell_failed(feeder, &failure);
    }
    return go_on;
}

/* False when the sweep is to end. */
static bool feed_source(struct feeder *feeder, struct source *source) {
    struct failure failure = {0};
    struct target target;

    for (;;) {
        switch (source_next(source, &target, &failure)) {
        case SOURCE_TARGET:
            if (!feed_target(feeder, &target))
                return false;
            break;
        case SOURCE_FILE:
            if (!feed_file(feeder, source->file, &target))
                return false;
            break;
        case SOURCE_BAD_LINE:
            console_say_bad_line(feeder->config.console, feeder->totals.bad_lines++, failure.text);
            break;
        case SOURCE_FAILED:
            tell_failed(feeder, &failure);
            return true;
        case SOURCE_END:
            return true;
        case SOURCE_STOPPED:
            return false;
        }
    }
}

static void *run(void *owner) {
    struct feeder *feeder = owner;
    const struct option_list *specs = feeder->config.specs;
    bool go_on = true;

    for (uint32_t i = 0; go_on && i < specs->count; i++) {
        struct failure failure = {0};
        struct source *source;
        if (source_open(&source, feeder->config.sources, specs->items[i], &failure) != ERROR_NONE) {
            tell_failed(feeder, &failure);
            continue;
        }
        go_on = feed_source(feeder, source);
        source_close(source);
    }
    pool_finish(feeder->pool);
    return NULL;
}

enum error feeder_start(struct feeder **out, const struct feeder_config *config, struct pool *pool,
                        struct failure *failure) {
    struct feeder *feeder = calloc(1, sizeof *feeder);

    if (!feeder)
        return failure_set(failure, ERROR_MEMORY, "no memory for the sources");
    feeder->config = *config;
    feeder->pool = pool;
    enum error error = thread_start(&feeder->thread, "feeder", run, feeder, failure);
    if (error != ERROR_NONE) {
        free(feeder);
        return error;
    }
    *out = feeder;
    return ERROR_NONE;
}

uint64_t feeder_left_out(const struct feeder *feeder) {
    return atomic_load_explicit(&feeder->left_out, memory_order_relaxed);
}

void feeder_join(struct feeder *feeder, struct feeder_totals *totals) {
    pthread_join(feeder->thread, NULL);
    *totals = feeder->totals;
    free(feeder);
}

enum error feeder_check(const struct feeder_config *config, uint64_t *total,
                        struct failure *failure) {
    uint64_t sum = 0;
    bool known = true;

    for (uint32_t i = 0; i < config->specs->count; i++) {
        const char *spec = config->specs->items[i];
        struct source *source;
        /* A pipe can be opened only once. */
        if (strcmp(spec, "-") == 0 || spec[0] == '@') {
            known = false;
            if (spec[0] == '@' && access(spec + 1, R_OK) != 0)
                return failure_set(failure, (enum error)errno, "%s cannot be read: %s", spec + 1,
                                   error_text((enum error)errno));
            continue;
        }
        enum error error = source_open(&source, config->sources, spec, failure);
        if (error != ERROR_NONE)
            return error;
        uint64_t more = source_total(source);
        known = known && more && !__builtin_add_overflow(sum, more, &sum);
        source_close(source);
    }
    *total = !known ? 0 : config->shard_count ? sum / config->shard_count : sum;
    return ERROR_NONE;
}
