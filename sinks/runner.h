/* The thread of a sink: takes batches from its queue and writes them, until every worker has closed
 * its side; then completes the sink and closes it.
 *
 *     worker 0 ─▶ ring ─┐
 *     worker 1 ─▶ ring ─┼─▶ runner ─▶ sink->kind->write
 *     worker 2 ─▶ ring ─┘
 *
 * An error that may pass stops this thread from taking more, and by the full queue the sweep: the
 * write is repeated every second until it succeeds or sink_runner_abandon is called. When the
 * reader has left or an error is final, batches are taken and thrown away, counted, so that the
 * workers never hang on a dead sink.
 *
 * A kind that settles later (sink_kind.take) has several batches under way. What becomes of them is
 * told in the order in which they came. One that keeps on disk what it cannot give away
 * (sink.spool) is called also when none is, and at an end in a hurry loses nothing. */
#ifndef SINKS_RUNNER_H
#define SINKS_RUNNER_H

#include "engine/queue/batch_queue.h"
#include "sinks/sink.h"

enum {
    SINK_RETRY_MS = 1000,
    SINK_TICK_MS = 1000,
    SINK_FLIGHTS_MAX = 256,  /* batches under way at once */
    SINK_LOOK_MS = 5,        /* while some are, how often more are looked for */
    SINK_TROUBLE_MS = 10000, /* no trouble of such a kind is told sooner after the last */
};

/* What the owner is told, on the sink's thread; each may be NULL. */
struct sink_runner_hooks {
    /* Once: the reader went away, records are thrown away from here on. */
    void (*on_gone)(void *context);
    /* Once per streak of errors; `final` when records are thrown away from here on. */
    void (*on_trouble)(void *context, const struct failure *failure, bool final);
    /* A streak of passing errors is over. */
    void (*on_recovered)(void *context);
    /* After each write that succeeded: what it held is as safe as the sink makes it. */
    void (*on_written)(void *context, const struct sink *sink, const struct batch *batch);
    /* Instead of it: the other side did not take so many of the batch's records, and this sink does
     * not try again. */
    void (*on_refused)(void *context, const struct sink *sink, const struct batch *batch,
                       uint32_t records, const struct failure *failure);
    /* The last call: the sink is completed and closed, sink_runner_join will not wait. */
    void (*on_done)(void *context);
    struct sink_statistics *statistics; /* to count in; the sink's own part is not touched */
    void *context;
};

struct sink_totals {
    uint64_t records_written, bytes_written; /* as they were encoded, before compression */
    uint64_t records_refused;                /* by the other side */
    uint64_t records_lost;                   /* others that were taken and not written */
    uint64_t records_left_out;               /* by the filter: never encoded */
    uint64_t readers_left;                   /* of a sink with several, before the end */
    struct failure failure; /* code ERROR_NONE when all went well, ERROR_GONE without text */
};

struct sink_runner;

/* Starts the thread; `sink` is the runner's from then on. `sink`, and so its encoding, lives until
 * the queue is closed and empty. `queue` must outlive the runner. On an error both stay with the
 * caller. All signals are blocked on the thread. */
enum error sink_runner_start(struct sink_runner **out, struct sink *sink, struct batch_queue *queue,
                             const struct sink_runner_hooks *hooks, struct failure *failure)
    __attribute__((warn_unused_result));

/* From now on no error is waited out and no slow reader waited for: what cannot be written at once
 * is lost, and counted. For the end of a run that is in a hurry. Any thread, any number of times.
 */
void sink_runner_abandon(struct sink_runner *runner);

/* Waits until the queue is closed and the sink completed, then frees the runner. */
void sink_runner_join(struct sink_runner *runner, struct sink_totals *totals);

#endif
