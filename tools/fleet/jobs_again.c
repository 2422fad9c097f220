#include "tools/fleet/jobs_internal.h"

#include "engine/base/clock.h"
#include "engine/nats/publisher.h"
#include "tools/fleet/shard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    STEP_MS = 100,
    ACKNOWLEDGEMENT_MS = 5000, /* until a shard is sent again */
};

struct again {
    const struct jobs_missing *missing;
    struct nats_publisher *publisher;
    struct buffer shard, marked; /* as it lies there; as it is published */
    bool is_out;                 /* not stored yet */
    struct failure refusal;
};

static void on_stored(void *context, void *item, struct slice body, const struct failure *refusal) {
    struct again *again = context;

    (void)item, (void)body;
    again->is_out = false;
    if (refusal)
        again->refusal = *refusal;
}

/* Until it is stored. */
static enum error publish(struct again *again, const char *id, struct failure *failure) {
    const struct jobs_missing *missing = again->missing;
    uint64_t until_ns = clock_monotonic_ns() + NATS_LINK_PATIENCE_MS * UINT64_C(1000000);

    if (again->marked.failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for a shard");
    again->is_out = true;
    nats_publisher_add(again->publisher, buffer_slice(&again->marked), id, NULL);
    while (again->is_out) {
        enum error error = nats_publisher_step(again->publisher, STEP_MS, failure);
        if (again->is_out && error && clock_monotonic_ns() > until_ns)
            return error;
        if (!missing->goes_on(missing->owner))
            return failure_set(failure, ERROR_STOPPED, "stopped");
    }
    *failure = again->refusal;
    return failure->code;
}

static uint64_t count_missing(const struct jobs_missing *missing,
                              const struct shard_reader *shard) {
    uint64_t count = 0, last = page_of(shard->first + shard->count - 1);

    for (uint64_t page = page_of(shard->first); page <= last; page++)
        count += missing->is_missing(missing->owner, page);
    return count;
}

/* Those of an attempt are passed over, and so is what workers could not read either. */
static enum error look_at_shard(struct again *again, const char *job, uint32_t attempt,
                                uint64_t *pages, struct failure *failure) {
    struct shard_reader shard;
    char id[NATS_ID_MAX];

    if (shard_read(&shard, buffer_slice(&again->shard), failure) || shard.attempt)
        return ERROR_NONE;
    uint64_t count = count_missing(again->missing, &shard);
    if (!count)
        return ERROR_NONE;
    again->marked.len = 0;
    shard_again(&shard, attempt, &again->marked);
    snprintf(id, sizeof id, "%.16s.s%" PRIu64 ".a%u", job, shard.first, attempt);
    *pages += count;
    return publish(again, id, failure);
}

/* What is there now: not what is put there by this. */
static enum error walk(struct jobs *jobs, struct again *again, const char *job, uint32_t attempt,
                       uint64_t *pages, struct failure *failure) {
    const struct jobs_missing *missing = again->missing;
    struct nats_stream_state state;
    char subject[FLEET_SUBJECT_MAX];
    enum error error = nats_stream_state(jobs->link, jobs->work_stream, &state, failure);

    fleet_work_subject(jobs->fleet, job, subject);
    for (uint64_t at = 0; !error && at < state.last_sequence;) {
        if (!missing->goes_on(missing->owner))
            return failure_set(failure, ERROR_STOPPED, "stopped");
        again->shard.len = 0;
        error = nats_stream_next(jobs->link, jobs->work_stream, subject, at + 1, &at, &again->shard,
                                 failure);
        if (error == (enum error)ENOENT)
            return ERROR_NONE;
        if (!error)
            error = look_at_shard(again, job, attempt, pages, failure);
    }
    return error;
}

enum error jobs_again(struct jobs *jobs, const char *id, uint32_t attempt,
                      const struct jobs_missing *missing, uint64_t *pages,
                      struct failure *failure) {
    struct again again = {.missing = missing};
    char subject[FLEET_SUBJECT_MAX];
    const struct nats_publisher_config config = {
        .link = jobs->link,
        .subject = subject,
        .stream = jobs->work_stream,
        .window = 1,
        .timeout_ms = ACKNOWLEDGEMENT_MS,
        .done = on_stored,
        .context = &again,
    };

    *pages = 0;
    fleet_work_subject(jobs->fleet, id, subject);
    enum error error = nats_publisher_open(&again.publisher, &config, failure);
    if (error)
        return error;
    buffer_init(&again.shard);
    buffer_init(&again.marked);
    error = walk(jobs, &again, id, attempt, pages, failure);
    nats_publisher_close(again.publisher);
    buffer_deinit(&again.shard);
    buffer_deinit(&again.marked);
    return error;
}
