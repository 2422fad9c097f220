/* The parts of a sink that loses nothing (spooled.h):
 *
 *     spooled.c          the calls of a kind, opening, the end
 *     spooled_flights.c  batches in memory, and from there into the spool; pauses
 *     spooled_inner.c    batches to the sink, and what became of them
 *
 * All of it belongs to the sink's thread. */
#ifndef SINKS_SPOOLED_INTERNAL_H
#define SINKS_SPOOLED_INTERNAL_H

#include "sinks/spooled.h"

#define MS_NS UINT64_C(1000000)

/* A batch on its way, with bytes of its own: its owner may be told before it is through. */
struct flight {
    struct flight *next;
    struct buffer bytes;
    uint32_t records;
    bool kept; /* in the spool */
    uint64_t sequence;
    struct sink_delivery *outer; /* not told yet; NULL otherwise */
    struct sink_delivery delivery;
    struct sink_leftovers leftovers;
    bool damaged;     /* found so in the spool: for the dead letters */
    bool given, done; /* the sink has it; it is through */
};

/* What may fail with the spool itself; each is tried again by itself. */
enum spool_call { KEEP, BURY, READ, SPOOL_CALLS };

struct spool_trouble {
    struct failure failure; /* code ERROR_NONE: none */
    uint64_t retry_ns;
};

struct spooled {
    struct sink head;
    struct sink_kind kind; /* the inner one's, with calls of ours */
    const struct sink_kind *inner_kind;
    struct sink *inner;        /* NULL: to be opened again */
    struct sink_config config; /* of the inner sink */
    char *spec, *name;
    struct spool *spool;
    bool replays; /* only what is in the spool */
    struct flight *flights, **flights_end;
    uint32_t flight_count;
    uint64_t flight_records;
    struct sink_delivery *inbox, **inbox_end;
    uint32_t inbox_count;
    bool spooling;         /* all goes through the spool until it is empty */
    uint32_t streak;       /* offers that failed, one after another */
    uint64_t paused_ns;    /* until then nothing is offered */
    uint64_t tick_ns;      /* when the next is due */
    bool writing, ticking; /* a call of the inner sink is to be repeated */
    uint64_t farewell_ns;  /* the end of all waiting, once `finish` was called; 0: none yet */
    struct failure inner_trouble;
    struct spool_trouble spool_troubles[SPOOL_CALLS];
};

/* --- Flights, spooled_flights.c --- */

/* A new one at the end. Out of memory in the midst of a run is the end of it, as with workers: what
 * was taken cannot be told otherwise. */
struct flight *spooled_add_flight(struct spooled *spooled, struct slice bytes, uint32_t records);
void spooled_drop_first_flight(struct spooled *spooled);
/* Its owner is told that all is written, once. NULL is fine. */
void spooled_settle_outer(struct sink_delivery **outer);

bool spooled_is_paused(const struct spooled *spooled);
/* The sink has failed: nothing is offered for a while. */
void spooled_pause_offers(struct spooled *spooled, const struct failure *cause);
void spooled_succeed(struct spooled *spooled);

/* Notes how a call of the spool went; true when it failed. */
bool spooled_spool_failed(struct spooled *spooled, enum spool_call call, enum error error,
                          const struct failure *cause);
/* It failed just now: too soon to try again. */
bool spooled_is_blocked(const struct spooled *spooled, enum spool_call call);
/* NULL: none. */
const struct failure *spooled_spool_trouble(const struct spooled *spooled);

/* Puts on disk all that is not there yet, in order; its owners are told. */
void spooled_keep_all(struct spooled *spooled);
/* When it must be. `more_comes`: a few more batches may be waited for. */
void spooled_keep_if_due(struct spooled *spooled, bool more_comes);
/* Batches that are not on disk, and not through. */
size_t spooled_count_unkept(const struct spooled *spooled);

/* --- The sink, spooled_inner.c --- */

enum error spooled_open_inner(struct spooled *spooled, struct failure *failure);
void spooled_close_inner(struct spooled *spooled);
/* Gives it as much as it may have at once. */
void spooled_offer(struct spooled *spooled);
/* Goes on with that, for so long at most. True when there may be more to do at once. */
bool spooled_work(struct spooled *spooled, uint32_t wait_ms);
/* Puts in order what is through: told, dropped from the spool, buried, or to be offered again. */
void spooled_land(struct spooled *spooled);

#endif
