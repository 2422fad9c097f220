/* The events hub: what the monitor tells those who look on (WebSocket readers), live and after an
 * interruption.
 *
 *     ledger ── committed ──▶ ring of the newest ──▶ readers, each at its own place
 *                 │                                    │ fell behind: "from .. to is missing"
 *                 └──▶ monitor_events (seq, kind, body) ◀── events_replay
 *
 * Events that must not be missed have a number `seq`, one after the other without holes, and stand
 * in the table. Live ones (progress of a scan) have none and are only for who is there. A reader
 * that is slow costs nothing but what it misses: it is told which numbers, and may read them in the
 * table as long as they stand there.
 *
 * Publishing is the ledger's; everything else may be called by any thread. */
#ifndef TOOLS_MONITOR_EVENTS_H
#define TOOLS_MONITOR_EVENTS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

struct database;
struct event_hub;
struct event_reader;

enum {
    EVENT_RING = 4096,        /* events that a reader may be behind, a power of two */
    EVENT_TABLE_ROWS = 50000, /* newest ones that stay in the table */
    EVENT_BODY_BYTES = 64 * 1024,
    EVENT_READERS = 256,
};

/* Constant once published, shared by reference count. */
struct event {
    uint64_t seq; /* 0: a live one */
    int64_t at_ms;
    struct slice kind; /* "alert", "target", "result", "scan", "agent", "ct" */
    struct slice body; /* a JSON object */
};

/* `seq` of the last event in the table; 0 for none. */
enum error event_hub_open(struct event_hub **out, uint64_t seq, struct failure *failure)
    __attribute__((warn_unused_result));
/* All readers are closed. NULL is fine. */
void event_hub_close(struct event_hub *hub);

/* The last number that was published. */
uint64_t event_hub_seq(const struct event_hub *hub);

/* --- Publishing --- */

/* A live event from any thread. Without memory it is dropped, and counted. */
void events_publish_live(struct event_hub *hub, const char *kind, struct slice body);

/* The ledger's, after the commit: `seq` is that of the last one plus 1. */
void events_publish(struct event_hub *hub, uint64_t seq, int64_t at_ms, const char *kind,
                    struct slice body);

/* --- Reading --- */

/* From here on; ERROR_LIMIT when there are too many. `wake` is called, on the publisher's thread,
 * when there is something for a reader that had nothing; it must not block, nor call the hub. */
enum error event_reader_open(struct event_reader **out, struct event_hub *hub,
                             void (*wake)(void *owner), void *owner, struct failure *failure)
    __attribute__((warn_unused_result));
/* No wake is under way or follows when it returns. NULL is fine. */
void event_reader_close(struct event_reader *reader);

/* Behind this number, for a reader that was here before (`since`): numbers that the ring does not
 * hold any more come as EVENT_GAP. Before the first event_reader_next. A number that is yet to
 * come counts as the last: the store is a new one. */
void event_reader_seek(struct event_reader *reader, uint64_t since);

enum event_next { EVENT_NONE, EVENT_TAKEN, EVENT_GAP };

struct event_gap {
    uint64_t from, to; /* numbers that were missed, both included; from > to: only live ones were */
    uint64_t lost;     /* events, live ones included, as far as that is known */
};

/* The next one. EVENT_TAKEN: `*out` is the reader's until event_put. One thread at a time. */
enum event_next event_reader_next(struct event_reader *reader, const struct event **out,
                                  struct event_gap *gap);
void event_put(const struct event *event);

/* --- The table --- */

/* Calls `visit` with events of the table from `from` to `to`, at most `limit`, in order. What was
 * pruned is passed over. Valid during the call. */
typedef enum error event_visit(void *context, const struct event *event, struct failure *failure);
enum error events_replay(struct database *database, uint64_t from, uint64_t to, uint32_t limit,
                         event_visit *visit, void *context, struct failure *failure)
    __attribute__((warn_unused_result));

struct event_statistics {
    uint64_t published, live, dropped; /* dropped: no memory */
    uint64_t missed;                   /* by readers, events times readers */
    uint32_t readers;
};
void event_statistics(const struct event_hub *hub, struct event_statistics *out);

#endif
