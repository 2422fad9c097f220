/* The probes of one worker: a slab of slots, each the state machine of one target from its name to
 * its record. Runs on the worker's thread, driven by the events of its loop; never blocks.
 *
 *     resolve ─▶ connect ─▶ wait ─▶ handshake or grab ─▶ judge, record ─▶ close
 *
 * Slots that wait for a SYN's answer are many and small; handshakes, which have buffers, keys and
 * cache lines to keep warm, are few: a connected slot waits until one of the conversations is free.
 */
#ifndef ENGINE_PROBE_PROBER_H
#define ENGINE_PROBE_PROBER_H

#include "engine/base/error.h"
#include "engine/probe/judge.h"
#include "engine/probe/target.h"
#include "engine/record/record.h"
#include "engine/x509/trust.h"

#include <stdatomic.h>

struct address_set;
struct caps;
struct fetcher;
struct io_backend;
struct resolver_hosts;
struct sct_log;
struct tls_client;
struct tls_grab_profile;
struct prober;

/* Made before the workers start, read-only then, shared by all of them. */
struct prober_settings {
    const struct io_backend *io; /* what carries the connections */
    void *io_context;            /* for io_config */
    enum plan plan;
    uint64_t run;                       /* which one this is, in the ids of its records */
    uint32_t slots, conversations;      /* of each worker */
    uint64_t connect_interval_ns;       /* between two connections of one worker; 0 for no pace */
    const _Atomic uint64_t *pace_ns;    /* instead of that, when it changes meanwhile; else NULL */
    struct caps *caps;                  /* counted by all workers together; NULL for none */
    const struct address_set *excluded; /* that no name may lead to; NULL for none */
    /* Where no target may lead at all, an address included, whoever asked for it: its record is
       `blocked`, with these words; NULL for nowhere */
    const struct address_set *forbidden;
    const char *forbidden_words;
    uint32_t dns_timeout_ms, connect_timeout_ms, starttls_timeout_ms, handshake_timeout_ms,
        total_timeout_ms;
    bool all_addresses; /* probe every address of a name, not the first that answers */
    bool dane;          /* look up TLSA records too, before connecting */
    bool allow_common_name;
    bool prefer_v4;
    const char *dns_servers; /* NULL for those of resolv.conf */
    const struct resolver_hosts *hosts;
    const struct tls_client *client;        /* for PLAN_HANDSHAKE */
    const struct tls_grab_profile *profile; /* for PLAN_GRAB and the fallback */
    const struct trust_store *roots;        /* NULL: chains are not verified */
    const struct sct_log *logs;             /* against which SCTs are checked; NULL for none */
    uint32_t log_count;
    struct judge_policy policy;
    struct fetcher *fetcher; /* for the next two; NULL when nothing is to be fetched */
    bool fetch_issuers;      /* that the server did not send, and without which it is not trusted */
    bool check_revocation;   /* by CRLs, of all certificates of a trusted path */
    uint32_t fetch_timeout_ms; /* for all that is fetched of one target */
    uint32_t unseen_parts; /* of certificates: PART_HASHES that nobody looks at, not made then */
};

/* Counted by one thread, read by others; all only grow, but for `busy` and `handshakes`. */
struct prober_statistics {
    uint64_t started, finished,
        further; /* targets, records; records beyond the first of a target */
    uint64_t outcomes[OUTCOME_COUNT], statuses[STATUS_COUNT], findings[FINDING_COUNT];
    uint64_t connections, bytes_received, back_pressure, held;
    uint64_t busy, handshakes; /* slots and conversations in use */
    struct trust_statistics trust;
};

_Static_assert(sizeof(struct prober_statistics) % sizeof(uint64_t) == 0, "nothing but counts");

struct prober_config {
    const struct prober_settings *settings;
    uint64_t seed;
    /* Takes over the reference to a finished record. */
    void (*publish)(void *owner, struct probe_record *record);
    void *owner;
};

enum error prober_open(struct prober **out, const struct prober_config *config,
                       struct failure *failure);
/* Nothing may be busy. */
void prober_close(struct prober *prober);

/* True when prober_start may be called, which takes over what belongs to the target. */
bool prober_has_room(const struct prober *prober);
void prober_start(struct prober *prober, const struct target *target);

/* One loop: submits, waits at most `wait_ms` for events, handles them and what is overdue. */
enum error prober_step(struct prober *prober, uint32_t wait_ms);

/* Ends every probe; their records come at once, their slots are free after some steps. */
void prober_cancel(struct prober *prober);

/* A record for a target that is never started. */
void prober_refuse(struct prober *prober, const struct target *target);

uint32_t prober_busy(const struct prober *prober);

/* Ends the wait of prober_step; from any thread. */
void prober_wake(struct prober *prober);

/* Adds this prober's counts to `out`; from any thread. */
void prober_statistics_add(const struct prober *prober, struct prober_statistics *out);

#endif
