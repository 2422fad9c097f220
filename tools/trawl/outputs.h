/* The sinks of a run: opened from -o, a thread each, joined at its end. */
#ifndef TOOLS_TRAWL_OUTPUTS_H
#define TOOLS_TRAWL_OUTPUTS_H

#include "engine/pool/pool.h"
#include "sinks/runner.h"
#include "tools/trawl/checkpoint.h"
#include "tools/trawl/console.h"
#include "tools/trawl/scan_settings.h"

enum { OUTPUTS_MAX = CHECKPOINT_SINKS_MAX };

struct outputs;

struct outputs_config {
    const struct scan_settings *settings;
    const struct console *console;
    struct checkpoint *checkpoint; /* NULL for none */
    uint32_t workers;              /* of the pool that will write */
    /* On a sink's thread: a reader has left or a sink has failed for good, the run is to end. */
    void (*on_dead)(void *owner);
    /* On a sink's thread: the last of them is done. */
    void (*on_done)(void *owner);
    void *owner;
};

/* How many there are: the settings', or one for standard output. */
uint32_t outputs_count(const struct scan_settings *settings);

/* The same sweep writes to the same places: appends what says so. */
void outputs_describe(const struct scan_settings *settings, struct buffer *out);

enum error outputs_open(struct outputs **out, const struct outputs_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));

/* For the pool: valid until outputs_close, outputs_count of them. */
const struct pool_outlet *outputs_outlets(const struct outputs *outputs);

enum error outputs_start(struct outputs *outputs, struct failure *failure)
    __attribute__((warn_unused_result));

/* False once every sink is completed, or when none was started. */
bool outputs_running(const struct outputs *outputs);

/* What cannot be written at once is given up. */
void outputs_abandon(struct outputs *outputs);

struct outputs_totals {
    uint64_t records_lost;
    bool failed; /* one of them could not write everything; a reader that left is none */
    bool left;   /* a reader left before it had everything */
};

/* The queues must be closed by the pool's end. */
void outputs_join(struct outputs *outputs, struct outputs_totals *totals);
void outputs_close(struct outputs *outputs);

#endif
