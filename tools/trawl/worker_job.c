#include "tools/trawl/worker_job.h"

#include "engine/io/io.h"
#include "tools/trawl/job_options.h"
#include "tools/trawl/probe_setup.h"

#include <stdlib.h>

/* What a run needs while it lasts. */
struct worker_job {
    struct scan_settings settings;
    struct probe_setup setup;
    struct port_list ports;
};

static void set_means(struct scan_settings *settings, const struct worker_means *means) {
    settings->workers = means->workers;
    settings->concurrency = means->concurrency;
    settings->io = means->io;
    settings->quiet = true;
    if (!settings->resolver)
        settings->resolver = means->settings->resolver;
}

enum error worker_means_init(struct worker_means *means, const struct worker_settings *settings,
                             const struct worker_policy *policy, struct failure *failure) {
    const struct console console = {0};
    struct scan_settings scan;
    struct probe_setup setup = {0};

    *means = (struct worker_means){.settings = settings, .policy = policy, .io = settings->io};
    scan_settings_init(&scan);
    scan.workers = settings->workers;
    scan.concurrency = settings->concurrency;
    scan.io = settings->io;
    scan.quiet = settings->quiet;
    scan.resolver = settings->resolver;
    scan.no_verify = true; /* roots come with jobs */
    enum error error = probe_setup_init(&setup, &scan, &console, failure);
    if (!error) {
        means->workers = setup.workers;
        means->concurrency = setup.workers * setup.probe.slots;
        for (int i = 0; io_backends[i]; i++)
            if (io_backends[i] == setup.probe.io)
                means->io = i + 1;
    }
    probe_setup_deinit(&setup);
    scan_settings_deinit(&scan);
    return error;
}

static enum error make(struct worker_job *made, const struct worker_means *means,
                       const struct job_options *options, struct job_files *files,
                       struct failure *failure) {
    const struct console console = {0};
    struct scan_settings *settings = &made->settings;
    enum error error;

    if ((error = job_options_apply(options, settings, files, failure)) ||
        (settings->resolver &&
         (error = worker_policy_check_resolver(means->policy, settings->resolver, failure))))
        return error;
    set_means(settings, means);
    made->setup.forbidden = means->policy->forbidden;
    made->setup.forbidden_words = means->policy->words;
    if ((error =
             ports_parse(&made->ports, slice_of(settings->ports), &protocol_lookup_all, failure)))
        return error;
    return probe_setup_init(&made->setup, settings, &console, failure);
}

enum error worker_job_make(void *owner, const struct job_options *options, struct run_config *out,
                           void **token, struct failure *failure) {
    struct worker_job *made = calloc(1, sizeof *made);
    struct job_files files = {0};

    if (!made)
        return failure_set(failure, ERROR_MEMORY, "no memory for a job");
    scan_settings_init(&made->settings);
    enum error error = make(made, owner, options, &files, failure);
    job_files_deinit(&files); /* they are read */
    if (error) {
        worker_job_unmake(owner, made);
        return error;
    }
    out->probe = made->setup.probe;
    out->workers = made->setup.workers;
    out->ports = &made->ports;
    out->excluded = made->setup.excluded;
    *token = made;
    return ERROR_NONE;
}

void worker_job_unmake(void *owner, void *token) {
    struct worker_job *made = token;

    (void)owner;
    probe_setup_deinit(&made->setup);
    ports_free(&made->ports);
    scan_settings_deinit(&made->settings);
    free(made);
}
