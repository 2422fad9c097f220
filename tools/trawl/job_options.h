/* Which options of `trawl scan` travel with a job of a fleet, in both directions: what is probed
 * how travels, but for what its shards say; what concerns the machine or the outputs of the one who
 * asks does not. Pure but for files, and the same on every thread. */
#ifndef TOOLS_TRAWL_JOB_OPTIONS_H
#define TOOLS_TRAWL_JOB_OPTIONS_H

#include "tools/fleet/job.h"
#include "tools/trawl/scan_settings.h"

/* What becomes of an option. Every row of scan_options has one (tests/unit/tools). */
enum job_option_travel {
    TRAVEL_UNKNOWN, /* there is no such option */
    TRAVEL_NOT,     /* it stays with the one who asks, or is the worker's own affair */
    TRAVEL_VALUE,   /* as it is */
    TRAVEL_FILE,    /* names a file: what is in it travels */
    TRAVEL_ROOTS,   /* names a PEM file, or a folder of them */
    TRAVEL_EXCLUDE, /* a value, or "@" and a file */
};
enum job_option_travel job_option_travel(const char *name);

/* For the asker: adds every option that travels and is not at its default; reads the files. */
enum error job_options_collect(const struct scan_settings *settings, struct job_options *out,
                               struct failure *failure) __attribute__((warn_unused_result));

/* Files of a job on the worker: in memory, under names that only this process can open. */
struct job_files {
    struct {
        int fd;
        char path[32]; /* "@/proc/self/fd/N" */
    } *items;
    uint32_t count;
};

/* For the worker: sets `settings`, which have their defaults. Texts point into `options` and
 * `files`, which outlive the settings; `files` is zeroed, and freed by job_files_deinit, also after
 * a failure. ERROR_UNSUPPORTED: an option that this version does not know, or that may not travel;
 * ERROR_INPUT: a value that is none. */
enum error job_options_apply(const struct job_options *options, struct scan_settings *settings,
                             struct job_files *files, struct failure *failure)
    __attribute__((warn_unused_result));
void job_files_deinit(struct job_files *files);

#endif
