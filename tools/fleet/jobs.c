#include "tools/fleet/jobs_internal.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PIECE_MAX = 512 * 1024, /* of the options */
    PIECE_MARGIN = 4096,    /* below the server's bound: subject and headers */
    CHANGES_MAX = 256,      /* attempts against others */
    JUST_MADE_MS = 2000,
    PAUSE_MS = 100,
};

_Static_assert(sizeof(((struct job *)0)->options_sha256) == SHA256_DIGEST_LENGTH, "it fits");

enum error jobs_open(struct jobs **out, struct fleet *fleet, struct failure *failure) {
    struct jobs *jobs = calloc(1, sizeof *jobs);
    char bucket[FLEET_SUBJECT_MAX];

    *out = NULL;
    if (!jobs)
        return failure_set(failure, ERROR_MEMORY, "no memory for jobs");
    jobs->fleet = fleet;
    jobs->link = fleet_link(fleet);
    fleet_work_stream(fleet, jobs->work_stream);
    fleet_jobs_bucket(fleet, bucket);
    struct nats_kv_wish wish = {.bucket = bucket, .replicas = fleet_replicas(fleet)};
    enum error error = nats_kv_open(&jobs->bucket, jobs->link, &wish, failure);
    if (error) {
        jobs_close(jobs);
        return error;
    }
    *out = jobs;
    return ERROR_NONE;
}

void jobs_close(struct jobs *jobs) {
    if (!jobs)
        return;
    nats_kv_close(jobs->bucket);
    free(jobs->known);
    free(jobs);
}

/* ---------------------------------------------------------------------------------------------
 * Descriptors
 * ------------------------------------------------------------------------------------------- */

static enum error tell_missing(const struct jobs *jobs, const char *id, struct failure *failure) {
    return failure_set(failure, (enum error)ENOENT,
                       "%.200s: there is no job %s; trawl jobs lists them",
                       fleet_shown(jobs->fleet), quote_of(slice_of(id)).text);
}

/* A descriptor and its revision. */
static enum error get(struct jobs *jobs, const char *id, struct job *out, uint64_t *revision,
                      struct failure *failure) {
    struct buffer bytes;

    if (!job_id_read(slice_of(id), NULL))
        return tell_missing(jobs, id, failure);
    buffer_init(&bytes);
    enum error error = nats_kv_get(jobs->bucket, id, &bytes, revision, failure);
    if (error == (enum error)ENOENT)
        (void)tell_missing(jobs, id, failure);
    else if (!error)
        error = job_read(out, buffer_slice(&bytes), failure);
    if (!error && strcmp(out->id, id) != 0)
        error = failure_set(failure, ERROR_INPUT, "%.200s: the job %s calls itself %s",
                            fleet_shown(jobs->fleet), id, out->id);
    buffer_deinit(&bytes);
    return error;
}

/* In place of `revision`. */
static enum error put(struct jobs *jobs, const struct job *job, uint64_t revision,
                      struct failure *failure) {
    struct buffer bytes;

    buffer_init(&bytes);
    job_write(job, &bytes);
    enum error error = bytes.failed ? failure_set(failure, ERROR_MEMORY, "no memory for a job")
                                    : nats_kv_swap(jobs->bucket, job->id, buffer_slice(&bytes),
                                                   &revision, failure);
    buffer_deinit(&bytes);
    return error;
}

enum error jobs_get(struct jobs *jobs, const char *id, struct job *out, struct failure *failure) {
    uint64_t revision;

    return get(jobs, id, out, &revision, failure);
}

enum error jobs_change(struct jobs *jobs, const char *id,
                       bool (*change)(void *owner, struct job *job), void *owner, struct job *out,
                       struct failure *failure) {
    enum error error = (enum error)EEXIST;
    uint64_t revision;

    for (int i = 0; i < CHANGES_MAX && error == (enum error)EEXIST; i++) {
        if ((error = get(jobs, id, out, &revision, failure)) || !change(owner, out))
            return error;
        error = put(jobs, out, revision, failure);
    }
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * Queues
 * ------------------------------------------------------------------------------------------- */

static enum error open_consumer(struct nats_link *link, const struct nats_pull_wish *wish,
                                struct nats_pull **out, struct failure *failure) {
    struct nats_pull *pull;
    enum error error = nats_pull_open(&pull, link, wish, failure);

    if (error == (enum error)ENOENT)
        (void)failure_set(failure, error, "%.200s: the queue %.64s of this job is gone: it ended",
                          nats_link_name(link), wish->stream);
    if (out)
        *out = error ? NULL : pull;
    else if (!error)
        nats_pull_close(pull);
    return error;
}

static enum error work_consumer(struct jobs *jobs, const char *id, uint64_t lease_ms, bool create,
                                struct nats_pull **out, struct failure *failure) {
    char subject[FLEET_SUBJECT_MAX];

    fleet_work_subject(jobs->fleet, id, subject);
    struct nats_pull_wish wish = {
        .stream = jobs->work_stream,
        .durable = id,
        .filter = subject,
        .ack_wait_ms = lease_ms,
        .max_under_way = JOBS_UNDER_WAY_MAX,
        .create = create,
    };
    return open_consumer(jobs->link, &wish, out, failure);
}

static enum error results_consumer(struct jobs *jobs, const char *id, uint64_t lease_ms,
                                   bool create, struct nats_pull **out, struct failure *failure) {
    char stream[FLEET_SUBJECT_MAX];

    fleet_results_stream(jobs->fleet, id, stream);
    struct nats_pull_wish wish = {
        .stream = stream,
        .durable = JOBS_COLLECTOR,
        .ack_wait_ms = lease_ms < JOBS_COLLECT_WAIT_MS ? lease_ms : JOBS_COLLECT_WAIT_MS,
        .max_under_way = JOBS_UNDER_WAY_MAX,
        .create = create,
    };
    return open_consumer(jobs->link, &wish, out, failure);
}

enum error jobs_open_work(struct jobs *jobs, const char *id, struct nats_pull **out,
                          struct failure *failure) {
    return work_consumer(jobs, id, 0, false, out, failure);
}

enum error jobs_open_results(struct jobs *jobs, const char *id, struct nats_pull **out,
                             struct failure *failure) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    uint64_t until_ns = clock_monotonic_ns() + JUST_MADE_MS * UINT64_C(1000000);
    enum error error;

    /* One that was just made is not always found at once. */
    while ((error = results_consumer(jobs, id, 0, false, out, failure)) == (enum error)ENOENT &&
           clock_monotonic_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    return error;
}

static enum error make_results(struct jobs *jobs, const struct job *job, struct failure *failure) {
    char stream[FLEET_SUBJECT_MAX], subject[FLEET_SUBJECT_MAX];

    fleet_results_stream(jobs->fleet, job->id, stream);
    fleet_results_subject(jobs->fleet, job->id, subject);
    struct nats_stream_wish wish = {
        .name = stream,
        .subject = subject,
        .dedupe_ms = JOBS_DEDUPE_MS,
        .work_queue = true,
    };
    enum error error = fleet_prepare_stream(jobs->fleet, wish, failure);
    return error ? error : results_consumer(jobs, job->id, job->lease_ms, true, NULL, failure);
}

enum error jobs_drop_done(struct jobs *jobs, const char *id, struct failure *failure) {
    struct nats_consumer_state state;
    char subject[FLEET_SUBJECT_MAX];
    enum error error = nats_consumer_state(jobs->link, jobs->work_stream, id, &state, failure);

    if (error || !state.done)
        return error;
    fleet_work_subject(jobs->fleet, id, subject);
    return nats_stream_purge(jobs->link, jobs->work_stream, subject, state.done + 1, failure);
}

enum error jobs_remove_queues(struct jobs *jobs, const char *id, struct failure *failure) {
    char options[NATS_KEY_MAX], subject[FLEET_SUBJECT_MAX], results[FLEET_SUBJECT_MAX];
    enum error error;

    snprintf(options, sizeof options, "%s.options", id);
    fleet_work_subject(jobs->fleet, id, subject);
    fleet_results_stream(jobs->fleet, id, results);
    if ((error = nats_consumer_delete(jobs->link, jobs->work_stream, id, failure)) ||
        (error = nats_stream_purge(jobs->link, jobs->work_stream, subject, 0, failure)) ||
        (error = nats_kv_delete_below(jobs->bucket, options, failure)))
        return error;
    return nats_stream_delete(jobs->link, results, failure);
}

/* ---------------------------------------------------------------------------------------------
 * Options
 * ------------------------------------------------------------------------------------------- */

static void name_piece(const char *id, uint32_t number, char out[NATS_KEY_MAX]) {
    snprintf(out, NATS_KEY_MAX, "%s.options.%u", id, number);
}

static enum error put_options(struct jobs *jobs, struct job *job, struct slice bytes,
                              struct failure *failure) {
    size_t payload = fleet_payload_max(jobs->fleet);
    size_t piece_max = payload > 2 * PIECE_MARGIN ? payload - PIECE_MARGIN : payload / 2;
    enum error error = ERROR_NONE;
    char key[NATS_KEY_MAX];

    piece_max = piece_max < PIECE_MAX ? piece_max : PIECE_MAX;
    if (bytes.len > JOB_OPTIONS_BYTES_MAX || !piece_max)
        return failure_set(failure, ERROR_LIMIT,
                           "options and files of a job may have %d bytes, these have %zu",
                           JOB_OPTIONS_BYTES_MAX, bytes.len);
    SHA256(bytes.ptr, bytes.len, job->options_sha256);
    job->option_pieces = 0;
    while (bytes.len && !error) {
        name_piece(job->id, job->option_pieces++, key);
        error = nats_kv_put(jobs->bucket, key, slice_first(bytes, piece_max), failure);
        bytes = slice_from(bytes, piece_max);
    }
    return error;
}

enum error jobs_get_options(struct jobs *jobs, const struct job *job, struct job_options *out,
                            struct failure *failure) {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    enum error error = ERROR_NONE;
    char key[NATS_KEY_MAX];
    struct buffer bytes;
    uint64_t revision;

    buffer_init(&bytes);
    for (uint32_t i = 0; i < job->option_pieces && !error; i++) {
        name_piece(job->id, i, key);
        error = nats_kv_get(jobs->bucket, key, &bytes, &revision, failure);
        if (!error && bytes.len > JOB_OPTIONS_BYTES_MAX)
            error = failure_set(failure, ERROR_INPUT, "the job %s has too many options", job->id);
        else if (error == (enum error)ENOENT)
            (void)failure_set(failure, error, "the job %s has ended", job->id);
    }
    if (!error) {
        SHA256(bytes.ptr, bytes.len, hash);
        if (memcmp(hash, job->options_sha256, sizeof hash) != 0)
            error =
                failure_set(failure, ERROR_INPUT,
                            "the options of the job %s are not those that were submitted", job->id);
    }
    if (!error)
        error = job_options_read(out, buffer_slice(&bytes), failure);
    buffer_deinit(&bytes);
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * Beginning and end of a job
 * ------------------------------------------------------------------------------------------- */

static enum error submit(struct jobs *jobs, struct job *job, struct slice options,
                         struct failure *failure) {
    enum error error;

    if ((error = make_results(jobs, job, failure)) ||
        (error = put_options(jobs, job, options, failure)) ||
        (error = work_consumer(jobs, job->id, job->lease_ms, true, NULL, failure)))
        return error;
    job->state = JOB_CUTTING;
    return put(jobs, job, 0, failure);
}

enum error jobs_submit(struct jobs *jobs, struct job *job, const struct job_options *options,
                       uint64_t buffer_bytes, struct failure *failure) {
    struct job there;
    uint64_t revision;
    enum error error = get(jobs, job->id, &there, &revision, failure);
    struct buffer bytes;

    if (error == ERROR_NONE || error == ERROR_UNSUPPORTED || error == ERROR_INPUT)
        return failure_set(failure, (enum error)EEXIST, "%.200s: there is a job %s already",
                           fleet_shown(jobs->fleet), job->id);
    if (error != (enum error)ENOENT)
        return error;
    job->buffer_bytes = buffer_bytes;
    buffer_init(&bytes);
    job_options_write(options, &bytes);
    error = bytes.failed ? failure_set(failure, ERROR_MEMORY, "no memory for a job's options")
                         : submit(jobs, job, buffer_slice(&bytes), failure);
    buffer_deinit(&bytes);
    return error;
}

static bool end(void *owner, struct job *job) {
    const enum job_state *state = owner;

    if (jobs_has_ended(job))
        return false;
    job->state = *state;
    return true;
}

enum error jobs_end(struct jobs *jobs, const char *id, enum job_state state,
                    struct failure *failure) {
    struct job job;
    enum error error = jobs_change(jobs, id, end, &state, &job, failure);

    if ((error && error != (enum error)ENOENT) || !job_id_read(slice_of(id), NULL))
        return error;
    enum error removed = jobs_remove_queues(jobs, id, failure);
    if (removed || !error)
        return removed;
    return tell_missing(jobs, id, failure);
}
