/* What the files of `watch --via` share.
 *
 *     watch_via.c          the thread: its steps, opening and closing
 *     watch_via_leases.c   leases: kept, given back, taken; on that thread
 *     watch_via_logs.c     what the threads of logs and ledger tell and ask */
#ifndef TOOLS_TRAWL_WATCH_VIA_INTERNAL_H
#define TOOLS_TRAWL_WATCH_VIA_INTERNAL_H

#include "engine/base/clock.h"
#include "engine/queue/wake.h"
#include "tools/fleet/lease.h"
#include "tools/trawl/watch_position.h"
#include "tools/trawl/watch_via.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    VIA_ORPHAN_LEASES = 2, /* between two looks for logs that nobody has */
    VIA_CALM_LEASES = 20,  /* nothing is given back for so long when nobody took what was */
    VIA_NAME_BYTES = 128,
};

#define VIA_MS UINT64_C(1000000)

struct shared_log {
    uint8_t id[32];
    char name[VIA_NAME_BYTES];
    _Atomic uint64_t until_ns; /* the lease counts as held; 0: it is not */
    atomic_bool is_wanted;     /* false: the log list has dropped it */

    /* With the mutex. */
    uint64_t term, seen_term;   /* 0: not followed here; what the logs' thread was told last */
    uint64_t told;              /* committed by the logs' thread */
    bool has_committed;         /* a page, in this term */
    struct watch_position safe; /* the newest before which all is dealt with */
    bool is_newer;              /* than what the lease has */

    /* Of the thread of via. */
    struct lease *lease; /* NULL: never tried */
    struct buffer value; /* of the lease */
    bool is_held, is_returning, is_lapsed, is_odd;
    uint64_t give_by_ns; /* of one that is returning */
    uint64_t gave_ns;    /* when it was given back to somebody; 0: never */
};

struct watch_via {
    struct watch_via_config config;
    struct logs_sharing sharing;
    struct fleet *fleet;
    struct nats_kv *bucket;
    struct watch_members *members;
    char prefix[LEASE_KEY_MAX], member_prefix[LEASE_KEY_MAX], holder[LEASE_HOLDER_MAX];
    pthread_t thread;
    bool is_started;
    atomic_bool is_ending, is_stopping;
    struct wake wake;
    uint64_t orphans_ns, calm_until_ns; /* when they are looked for; monotonic */
    bool is_troubled;                   /* and an operator knows */

    pthread_mutex_t mutex; /* of what a log has with it, and of this */
    uint64_t terms;        /* so far */

    /* By number of the source; NULL: not told of yet. They come from the logs' thread. */
    struct shared_log *_Atomic logs[LOGS_MAX];
    _Atomic uint32_t count;
    _Atomic uint64_t taken, lost, given;
};

void via_say(struct watch_via *via, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The lease counts as held: it was written not too long ago. */
static inline bool via_is_in_time(const struct shared_log *log) {
    return clock_monotonic_ns() < atomic_load(&log->until_ns);
}

/* It is held, and not on its way back. */
static inline bool via_is_followed(const struct shared_log *log) {
    return log && log->is_held && !log->is_returning;
}

/* --- watch_via_logs.c --- */

struct logs_sharing via_sharing(struct watch_via *via);
void via_log_free(struct shared_log *log);

/* --- watch_via_leases.c --- */

enum error via_keep_all(struct watch_via *via, struct failure *failure);
/* Those that could not be kept in time: nothing of them is committed any more. */
void via_note_lapsed(struct watch_via *via);

void via_return_some(struct watch_via *via, uint32_t count);
void via_return_unwanted(struct watch_via *via);
/* Those that are ready for it. */
enum error via_give_returning(struct watch_via *via, struct failure *failure);
/* All, as they are. */
enum error via_give_all(struct watch_via *via, struct failure *failure);

/* `are_orphans`: though this one has its share. */
enum error via_take_some(struct watch_via *via, uint32_t most, bool are_orphans,
                         struct failure *failure);

#endif
