/* A page: the records of up to PAGE_TARGETS targets that follow each other, whole, as a message of
 * the queue of results. MessagePack. Pure.
 *
 *     [version, worker, page's count, first, [target, …]]
 *     target: [fate, outcome, status, records, left out, bytes, records, left out, bytes, …]
 *
 * A target says what became of it, and has three values for each rendering of the job: how many
 * records it has, how many a filter left out, and the records, one behind the other. Page n of a
 * job are the targets n × PAGE_TARGETS + 1 to (n + 1) × PAGE_TARGETS, as far as the shard goes: the
 * page's count says how far, so that a reader knows when it has all of it. One that does not fit
 * into a message travels as two halves, which may be halved again; a target whose records alone do
 * not fit travels with none, as PAGE_OVERSIZE. Who does a shard anew may part its pages at other
 * places, as the records may be larger or smaller then.
 *
 * The id of the message is "JOB.FIRST-LAST": the same, whoever made it; "JOB.FIRST-LAST.aN" when
 * the shard is done again, for the Nth time, as the server may remember ids of what it has lost. */
#ifndef TOOLS_FLEET_PAGE_H
#define TOOLS_FLEET_PAGE_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/record/outcome.h"
#include "tools/fleet/job.h"

enum {
    PAGE_VERSION = 1,
    PAGE_TARGETS = 64,
    PAGE_WORKER_BYTES = 64,
    PAGE_ID_BYTES = 64,            /* with a terminator */
    PAGE_RECORDS_MAX = UINT16_MAX, /* of a target, in a rendering */
};

/* What became of a target beside its records. */
enum page_fate {
    PAGE_PROBED,
    PAGE_EXCLUDED,   /* the job excludes its address: no record */
    PAGE_UNREADABLE, /* the worker cannot make sense of it: no record */
    PAGE_OVERSIZE,   /* its records are too large for the cluster: left out */
    PAGE_FATES,
};

static inline uint64_t page_of(uint64_t number) {
    return (number - 1) / PAGE_TARGETS;
}

struct page_target {
    enum page_fate fate;
    enum outcome outcome; /* of its last record, and the status; without one OUTCOME_OK … */
    enum status status;   /* … and STATUS_UNKNOWN */
    struct {
        uint32_t records, left_out; /* by the filter */
        struct slice bytes;
    } renderings[JOB_RENDERINGS_MAX];
};

void page_id(const char *job, uint64_t first, uint32_t count, uint32_t attempt,
             char out[PAGE_ID_BYTES]);

/* Which targets a message has. */
struct page_span {
    uint64_t first;
    uint32_t count;
    uint32_t page_count; /* targets of the whole page */
};

/* Writes the targets of `span`. A longer name of the worker is cut. */
void page_write(const char *worker, struct page_span span, const struct page_target *targets,
                uint32_t renderings, struct buffer *out);

/* No message is longer than its head and the sum of its targets. */
enum { PAGE_HEAD_BYTES_MAX = PAGE_WORKER_BYTES + 48 };
size_t page_target_bytes_max(const struct page_target *target, uint32_t renderings);

struct page_message {
    struct slice worker; /* points into the message */
    struct page_span span;
    struct page_target targets[PAGE_TARGETS];
};

/* Checks all of it: within one page, as many renderings as the job has. ERROR_UNSUPPORTED: of a
 * newer version. */
enum error page_read(struct page_message *out, struct slice bytes, uint32_t renderings,
                     struct failure *failure) __attribute__((warn_unused_result));

#endif
