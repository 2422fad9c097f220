/* What the parts of via share. */
#ifndef TOOLS_TRAWL_VIA_INTERNAL_H
#define TOOLS_TRAWL_VIA_INTERNAL_H

#include "tools/fleet/collector.h"
#include "tools/fleet/cutter.h"
#include "tools/trawl/checkpoint.h"
#include "tools/trawl/relay.h"
#include "tools/trawl/via.h"

enum { VIA_RATE_MS = 5000 }; /* how long a rate is measured at least */

/* How far it was at one time. */
struct via_sample {
    uint64_t at_ns, targets;
    uint64_t of_worker[COLLECTOR_WORKERS_MAX];
};

enum via_end {
    VIA_GOES_ON,
    VIA_COMPLETE,   /* every page is written */
    VIA_INCOMPLETE, /* nothing more will come, and something is missing: told */
    VIA_ENDED,      /* somebody else has ended the job: told */
    VIA_STOPPED,    /* it cannot go on here, or somebody else collects it: told */
    VIA_DEAD,       /* an output cannot go on, or its reader has left */
    VIA_INTERRUPTED,
};

struct via {
    const struct scan_settings *settings;
    const struct option_list *specs;
    struct sweep_result *result;
    struct console console;
    /* Where targets come from. */
    struct port_list ports;
    struct source_context sources;
    struct source_roots roots;  /* which refuse */
    uint64_t total;             /* targets; 0 when not known */
    uint64_t bad_lines;         /* the cutter's thread's */
    struct cutter *cutter;      /* NULL when there is nothing to cut */
    struct cutter_totals cut;   /* when last asked */
    _Atomic bool cutter_failed; /* for good */
    /* The job. */
    struct fleet *fleet;
    struct jobs *jobs;
    struct job job;
    struct job_options options;
    bool is_new;                /* to be submitted */
    struct job_progress queues; /* when last asked */
    /* Where records go. */
    struct checkpoint *checkpoint;
    uint64_t identity;             /* of the collector: the checkpoint's */
    int rendering_of[OUTPUTS_MAX]; /* -1: its records are only counted */
    struct outputs *outputs;
    struct relay relay;
    struct collector *collector;
    uint64_t pages_done;  /* all outputs have them, also from earlier runs */
    _Atomic bool is_dead; /* an output that cannot go on */
    /* The loop. */
    enum via_end end;
    uint32_t interrupts;
    uint64_t started_ns, next_show_ns, next_ask_ns;
    uint64_t worked_ns; /* when a worker was seen at work */
    uint32_t attempts;  /* to have pages that never came done again … */
    uint64_t again;     /* … and how many they were */
    uint64_t missing;   /* pages that will never come */
    bool is_troubled, told_idle;
    struct via_sample old, recent;
};

/* --- via_job.c: what is asked of the fleet --- */

/* Checks the options, connects, and finds the job, or makes one, which is not submitted yet. */
enum error via_job_prepare(struct via *via, struct failure *failure)
    __attribute__((warn_unused_result));
/* Outputs, and how records are encoded for them: that becomes part of a new job, and must fit
 * another. */
enum error via_job_open_outputs(struct via *via, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- via_progress.c: what is said --- */

void via_progress_show(struct via *via);
/* Fills the result with what is known at the end. */
void via_progress_result(struct via *via);
/* How to come back to the job. */
void via_progress_tell_left(const struct via *via);

#endif
