#include "tools/fleet/jobs_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------
 * Lists
 * ------------------------------------------------------------------------------------------- */

struct ids {
    char (*items)[JOB_ID_BYTES];
    size_t prefix; /* of the names of which they are the end */
    uint32_t count, capacity;
    bool failed;
};

static void collect(void *owner, const char *name) {
    struct ids *ids = owner;
    struct slice id = slice_from(slice_of(name), ids->prefix);

    if (!job_id_read(id, NULL) || ids->failed)
        return;
    if (ids->count == ids->capacity) {
        uint32_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        void *items = realloc(ids->items, capacity * sizeof *ids->items);
        ids->failed = !items;
        if (!items)
            return;
        ids->items = items;
        ids->capacity = capacity;
    }
    snprintf(ids->items[ids->count++], JOB_ID_BYTES, "%.*s", (int)id.len, (const char *)id.ptr);
}

static enum error list_ids(struct jobs *jobs, struct ids *out, struct failure *failure) {
    enum error error = nats_kv_keys(jobs->bucket, collect, out, failure);

    if (!error && out->failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a list of jobs");
    return error;
}

static int by_age(const void *a, const void *b) {
    const struct job *one = a, *other = b;

    if (one->created_ms != other->created_ms)
        return one->created_ms < other->created_ms ? -1 : 1;
    return strcmp(one->id, other->id);
}

/* An ended job never changes, and its id is never used again. */
static const struct job *find_ended(const struct jobs *jobs, const char *id) {
    for (uint32_t i = 0; i < jobs->known_count; i++)
        if (strcmp(jobs->known[i].id, id) == 0)
            return jobs_has_ended(&jobs->known[i]) ? &jobs->known[i] : NULL;
    return NULL;
}

struct listing {
    struct job *jobs; /* room for all */
    uint32_t count;
    bool has_odd;
    void (*on_odd)(void *owner, const char *id, const struct failure *failure);
    void *owner;
};

static enum error read_all(struct jobs *jobs, const struct ids *ids, struct listing *out,
                           struct failure *failure) {
    for (uint32_t i = 0; i < ids->count; i++) {
        const struct job *ended = find_ended(jobs, ids->items[i]);
        enum error error = ERROR_NONE;
        if (ended)
            out->jobs[out->count] = *ended;
        else
            error = jobs_get(jobs, ids->items[i], &out->jobs[out->count], failure);
        if (error == ERROR_NONE) {
            out->count++;
        } else if (error == ERROR_UNSUPPORTED || error == ERROR_INPUT) {
            out->has_odd = true;
            out->on_odd(out->owner, ids->items[i], failure);
        } else if (error != (enum error)ENOENT) { /* deleted in the meantime */
            return error;
        }
    }
    return ERROR_NONE;
}

/* Reads what may have changed into jobs->known. */
static enum error refresh(struct jobs *jobs, struct listing *listing, struct failure *failure) {
    struct nats_kv_version version;
    struct ids ids = {0};
    enum error error = nats_kv_version(jobs->bucket, &version, failure);

    if (error || (jobs->is_complete && version.written == jobs->version.written &&
                  version.there == jobs->version.there))
        return error;
    error = list_ids(jobs, &ids, failure);
    if (!error && !(listing->jobs = calloc(ids.count + 1, sizeof *listing->jobs)))
        error = failure_set(failure, ERROR_MEMORY, "no memory for a list of jobs");
    if (!error)
        error = read_all(jobs, &ids, listing, failure);
    free(ids.items);
    if (error) {
        free(listing->jobs);
        return error;
    }
    qsort(listing->jobs, listing->count, sizeof *listing->jobs, by_age);
    free(jobs->known);
    jobs->known = listing->jobs;
    jobs->known_count = listing->count;
    jobs->is_complete = !listing->has_odd;
    jobs->version = version;
    return ERROR_NONE;
}

enum error jobs_list(struct jobs *jobs, struct job **out, uint32_t *count,
                     void (*on_odd)(void *owner, const char *id, const struct failure *failure),
                     void *owner, struct failure *failure) {
    struct listing listing = {.on_odd = on_odd, .owner = owner};
    enum error error = refresh(jobs, &listing, failure);

    *out = NULL;
    *count = 0;
    if (error || !jobs->known_count)
        return error;
    *out = calloc(jobs->known_count, sizeof **out);
    if (!*out)
        return failure_set(failure, ERROR_MEMORY, "no memory for a list of jobs");
    *count = jobs->known_count;
    memcpy(*out, jobs->known, *count * sizeof **out);
    return ERROR_NONE;
}

enum error jobs_progress(struct jobs *jobs, const char *id, struct job_progress *out,
                         struct failure *failure) {
    struct nats_consumer_state work = {0}, results = {0};
    struct nats_stream_state stream = {0};
    char name[FLEET_SUBJECT_MAX];
    enum error error;

    fleet_results_stream(jobs->fleet, id, name);
    if (((error = nats_consumer_state(jobs->link, jobs->work_stream, id, &work, failure)) &&
         error != (enum error)ENOENT) ||
        ((error = nats_consumer_state(jobs->link, name, JOBS_COLLECTOR, &results, failure)) &&
         error != (enum error)ENOENT) ||
        ((error = nats_stream_state(jobs->link, name, &stream, failure)) &&
         error != (enum error)ENOENT))
        return error;
    *out = (struct job_progress){
        .shards_waiting = work.waiting,
        .shards_under_way = work.under_way,
        .pages_waiting = results.waiting,
        .pages_under_way = results.under_way,
        .result_bytes = stream.bytes,
    };
    return ERROR_NONE;
}

/* ---------------------------------------------------------------------------------------------
 * Forgetting
 * ------------------------------------------------------------------------------------------- */

static enum error forget_ended(struct jobs *jobs, const char *id, int64_t before_ms,
                               struct failure *failure) {
    char leases[FLEET_SUBJECT_MAX], key[NATS_KEY_MAX];
    struct job job;
    enum error error = jobs_get(jobs, id, &job, failure);

    if (error || !jobs_has_ended(&job) || job.created_ms >= before_ms)
        return error == (enum error)ENOENT || error == ERROR_UNSUPPORTED || error == ERROR_INPUT
                   ? ERROR_NONE
                   : error;
    fleet_leases_bucket(jobs->fleet, leases);
    snprintf(key, sizeof key, JOBS_COLLECT_LEASE, id);
    if ((error = jobs_remove_queues(jobs, id, failure)) ||
        (error = nats_kv_delete_in(jobs->link, leases, key, failure)))
        return error;
    return nats_kv_delete(jobs->bucket, id, 0, failure);
}

/* What has a results stream, but no descriptor. */
static enum error forget_orphan(struct jobs *jobs, const char *id, int64_t before_ms,
                                struct failure *failure) {
    struct nats_stream_state state;
    char stream[FLEET_SUBJECT_MAX];
    struct job job;
    enum error error = jobs_get(jobs, id, &job, failure);

    if (error == ERROR_NONE || error == ERROR_UNSUPPORTED || error == ERROR_INPUT)
        return ERROR_NONE;
    if (error != (enum error)ENOENT)
        return error;
    fleet_results_stream(jobs->fleet, id, stream);
    error = nats_stream_state(jobs->link, stream, &state, failure);
    if (!error && state.created_ms < before_ms)
        error = jobs_remove_queues(jobs, id, failure);
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

static enum error forget_orphans(struct jobs *jobs, int64_t before_ms, struct failure *failure) {
    char pattern[FLEET_SUBJECT_MAX], stream[FLEET_SUBJECT_MAX];
    struct ids ids = {0};

    fleet_results_subject(jobs->fleet, "*", pattern);
    fleet_results_stream(jobs->fleet, "", stream);
    ids.prefix = strlen(stream);
    enum error error = nats_stream_list(jobs->link, pattern, collect, &ids, failure);
    for (uint32_t i = 0; i < ids.count && !error; i++)
        error = forget_orphan(jobs, ids.items[i], before_ms, failure);
    free(ids.items);
    return error;
}

enum error jobs_forget(struct jobs *jobs, int64_t before_ms, struct failure *failure) {
    struct ids ids = {0};
    enum error error = list_ids(jobs, &ids, failure);

    for (uint32_t i = 0; i < ids.count && !error; i++)
        error = forget_ended(jobs, ids.items[i], before_ms, failure);
    free(ids.items);
    return error ? error : forget_orphans(jobs, before_ms, failure);
}
