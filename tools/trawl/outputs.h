/* The sinks of a run: opened from -o, a thread each, joined at its end. */
#ifndef TOOLS_TRAWL_OUTPUTS_H
#define TOOLS_TRAWL_OUTPUTS_H

#include "engine/pool/pool.h"
#include "sinks/runner.h"
#include "sinks/webhook.h"
#include "tools/trawl/console.h"
#include "tools/trawl/output_settings.h"

enum { OUTPUTS_MAX = 16 };

struct outputs;

struct outputs_config {
    const struct output_settings *settings;
    const struct record_kind *kind;
    const struct console *console;
    const struct record_kind *other_kind; /* which records may also be of; NULL for none */
    uint32_t producers;                   /* threads that write to the queues */
    /* Records come as MessagePack: outputs can be that, JSON, or nothing at all. */
    bool packed;
    /* Whether the run can be taken up where it was killed; then these are asked and told. */
    bool resumable;
    /* Where output `number` stood; `file` 0 when it is new. */
    struct sink_position (*position)(void *owner, uint32_t number);
    /* On a sink's thread: a batch with these tickets is written, up to `position`. NULL for none.
     */
    void (*on_written)(void *owner, uint32_t number, const uint64_t *tickets, size_t count,
                       struct sink_position position);
    /* On a sink's thread, instead of it: the other side has not taken all that belongs to these
     * tickets, and will not be asked again. NULL for none. */
    void (*on_refused)(void *owner, uint32_t number, const uint64_t *tickets, size_t count);
    /* On a sink's thread: a reader has left or a sink has failed for good, the run is to end. */
    void (*on_dead)(void *owner);
    /* On a sink's thread: the last of them is done. */
    void (*on_done)(void *owner);
    void *owner;
};

/* How many there are: the settings', or one for standard output. */
uint32_t outputs_count(const struct output_settings *settings);

/* The same run writes to the same places: appends what says so. */
void outputs_describe(const struct output_settings *settings, struct buffer *out);

enum error outputs_open(struct outputs **out, const struct outputs_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));

/* For the pool: valid until outputs_close, outputs_count of them. */
const struct pool_outlet *outputs_outlets(const struct outputs *outputs);

/* The conditions of its filter as text, NULL for none: for those who encode records elsewhere, with
 * the encoding of its outlet. Valid until outputs_close. */
const char *outputs_conditions(const struct outputs *outputs, uint32_t number);

/* Where output `number` stands before the start; `file` 0 where that cannot be said. */
struct sink_position outputs_position(const struct outputs *outputs, uint32_t number);

enum error outputs_start(struct outputs *outputs, struct failure *failure)
    __attribute__((warn_unused_result));

/* False once every sink is completed, or when none was started. */
bool outputs_running(const struct outputs *outputs);

/* What cannot be written at once is given up. */
void outputs_abandon(struct outputs *outputs);

struct outputs_totals {
    uint64_t records_dead, records_waiting; /* of spools: refused in this run; for the next one */
    uint64_t records_lost, records_refused; /* the latter by the other side */
    uint64_t records_left_out;              /* by filters */
    uint64_t readers_left;                  /* of sockets, before the end */
    bool failed; /* one of them could not write everything; a reader that left is none, and what was
                    refused does not count */
    bool left;   /* a reader left before it had everything */
};

/* How many are open; of output `number`, for any thread. `spec` shows nothing secret; `spool` is
 * the name of its spool, NULL when it has none. Valid until outputs_close. */
struct output_view {
    const char *spec, *spool;
    struct sink_statistics statistics;
};
uint32_t outputs_number(const struct outputs *outputs);
/* Records in spools, of all outputs that are behind. */
uint64_t outputs_waiting(const struct outputs *outputs);
struct output_view outputs_view(const struct outputs *outputs, uint32_t number);

/* Appends what there is to say of the outputs: a line each of those that did not just take all, and
 * a JSON array of all. */
void outputs_summary(const struct outputs *outputs, struct buffer *out);
void outputs_stats(const struct outputs *outputs, struct buffer *out);

/* Of all webhooks together; for any thread. */
struct webhook_statistics outputs_webhook_statistics(const struct outputs *outputs);

/* The queues must be closed by the pool's end. */
void outputs_join(struct outputs *outputs, struct outputs_totals *totals);
void outputs_close(struct outputs *outputs);

#endif
