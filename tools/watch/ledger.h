/* The ledger: the thread that decides what an entry means, remembers it, and tells the sinks.
 *
 *     feeds ── pages in order ──▶ [inbox] ─▶ ledger ─▶ [queue a sink] ─▶ sinks
 *                                              │ ▲                        │
 *                                   state, inventory, database ◀── written ┘
 *
 * Watching, an entry that matched is looked up in the inventory and the database. One that is known
 * gives an `info`; one that is not waits for the grace period, is looked up again, and is
 * `suspicious` then. An issuance is told once, whatever the logs repeat: precertificate and
 * certificate, in any log, before and after a restart.
 *
 * What came in is in the state before the position of its log moves on, and stays there until every
 * sink has it. So whatever is down holds only itself back: without the database, hits wait for
 * their verdict; a sink that is slow gets its alerts later than others, one that refuses them is
 * offered them again. While the state itself cannot be written, nothing is taken in.
 *
 * With `every_entry` there is nothing to decide: the pages' records go to the sinks as they are,
 * and positions move on when the sinks have written them. A slow sink then holds the logs back.
 *
 * The inventory belongs to it while it runs. Blocks on the disk and on the database, for a bounded
 * time; everything else calls it from other threads. */
#ifndef TOOLS_WATCH_LEDGER_H
#define TOOLS_WATCH_LEDGER_H

#include "engine/pool/pool.h"
#include "ingest/ct/feed.h"
#include "sinks/sink.h"
#include "tools/watch/state.h"

struct inventory;
struct ledger;

/* A database beside the state, that others look into: certwatch's. Calls block, on the ledger's
 * thread. An error is tried again until it passes, but for EINVAL: the database can never take this
 * record. `is_known` and `check` are always there; without `add_alert` nothing is written. */
struct ledger_database {
    void *owner;
    enum error (*is_known)(void *owner, const struct ct_record *record, enum ct_known_by *by,
                           struct failure *failure);
    /* Unless it is there. `*delivered`: it is, and was delivered by a run that this state does not
     * know of. EAGAIN: somebody else is about to deliver it; this record is asked for again later,
     * others go on. */
    enum error (*add_alert)(void *owner, const struct ct_record *record, bool *delivered,
                            struct failure *failure);
    /* Every sink has it. NULL: nobody notes that. */
    enum error (*set_delivered)(void *owner, const struct ct_record *record,
                                struct failure *failure);
    /* Forgets alerts that were seen before; some at a time, `*more` when there are others. */
    enum error (*prune)(void *owner, int64_t before_ms, bool *more, struct failure *failure);
    /* Whether it answers. */
    enum error (*check)(void *owner, struct failure *failure);
    /* Whether what add_alert has let pass may still be told; when it may again, add_alert is asked
     * anew. NULL: always. */
    bool (*may_tell)(void *owner);
    const char *name; /* for messages; NULL: "the database" */
};

struct ledger_config {
    struct watch_state *state;              /* the ledger's while it runs */
    struct inventory *inventory;            /* NULL for none */
    const struct ledger_database *database; /* NULL for none */
    const struct pool_outlet *outlets;      /* of one producer, the ledger */
    const struct saved_sink *sinks;         /* as the state has them, one an outlet */
    uint32_t outlet_count;
    uint32_t pages_max; /* that may wait in the inbox */
    bool every_entry;
    int64_t grace_ms;
    int64_t retention_ms; /* how long issuances are remembered at least, and alerts stay in the
                             database; 0: for ever. While its certificate is valid, an issuance is
                             remembered in any case */
    int64_t cleanup_ms;   /* between two rounds of forgetting */
    int64_t refresh_ms;   /* between two looks at what the inventory is read from, and at the
                             database for what waits */
    int64_t save_ms;      /* with every_entry, between two savings of positions */
    uint32_t retry_ms;    /* what fails is tried again after so long, then twice as long, up to a
                             limit; 0: a second */
    /* Something that an operator should hear of: a streak of errors begins (state, database,
     * inventory), or something of which there is no other trace. On the ledger's thread. */
    void (*on_trouble)(void *owner, const struct failure *failure);
    /* The streak of `what` is over. */
    void (*on_recovered)(void *owner, const char *what);
    /* There is room in the inbox again. */
    void (*on_room)(void *owner);
    /* What stands before this position of a log is dealt with: everybody was told of what matched;
     * with every_entry, the sinks have written it. For who keeps positions elsewhere, and hands
     * what stands behind them to another: at the end nothing gets a verdict before its time. NULL:
     * nobody asks. On the ledger's thread, and in ledger_finish. */
    void (*on_safe)(void *owner, const struct ct_source *source,
                    const struct saved_position *position);
    void *owner;
};

enum error ledger_open(struct ledger **out, const struct ledger_config *config,
                       struct failure *failure) __attribute__((warn_unused_result));
enum error ledger_start(struct ledger *ledger, struct failure *failure)
    __attribute__((warn_unused_result));

/* For feed_outlet; `owner` is the ledger. Any thread. */
bool ledger_commit(void *owner, struct page *page);
void ledger_position(void *owner, const struct ct_source *source,
                     const struct log_position *position);

/* A sink's thread: what has these tickets is written, or refused for good (`refused`). In order. */
void ledger_written(struct ledger *ledger, uint32_t outlet, const uint64_t *tickets, size_t count,
                    struct sink_position position, bool refused);

/* No page comes any more. The ledger takes in what it has, hands all alerts to the sinks as they
 * have room, closes their queues and ends; this does not wait for it. What has no verdict yet waits
 * in the state; if that is not kept, it gets its verdict now. */
void ledger_stop(struct ledger *ledger);
/* It ends without waiting for sinks to have room. Any thread, any time after ledger_stop. */
void ledger_abandon(struct ledger *ledger);
/* When the sinks have ended: waits for the thread, and notes what they have written. An error says
 * what could not be remembered. */
enum error ledger_finish(struct ledger *ledger, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void ledger_close(struct ledger *ledger);

/* For any thread. */
struct ledger_statistics {
    uint64_t verdicts[CT_VERDICTS]; /* settled */
    uint64_t hits, repeated; /* entries that matched; of an issuance that was known already */
    uint64_t known, pending, untold; /* issuances in the state; of them, those that wait for the
                                        inventory, and for a sink or the database */
    uint64_t pages_waiting;
    uint64_t delivered;                   /* alerts that all sinks have */
    uint64_t refused;                     /* deliveries, by a sink, for good */
    bool state_failing, database_failing; /* cannot be used at the moment */
};
void ledger_statistics(const struct ledger *ledger, struct ledger_statistics *out);

#endif
