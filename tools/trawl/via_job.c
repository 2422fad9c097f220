#include "tools/trawl/via_internal.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"
#include "engine/base/random.h"
#include "engine/x509/certificate.h"
#include "tools/trawl/feeder.h"
#include "tools/trawl/job_options.h"
#include "tools/trawl/machine.h"
#include "tools/trawl/probe_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LEASE_MS = 30000 };

/* --- What can be found wrong before anything is asked --- */

static const struct trust_store *refuse_roots(void *owner, struct slice path,
                                              struct failure *failure) {
    (void)owner, (void)path;
    failure_set(failure, ERROR_UNSUPPORTED,
                "roots of single targets (ca_file) do not travel with --via: --ca-add gives roots "
                "to all of them");
    return NULL;
}

/* Everything is read as a worker will, so that what is wrong is found here. */
static enum error check_probe(const struct scan_settings *settings, struct failure *failure) {
    struct scan_settings quiet = *settings;
    struct probe_setup setup = {0};
    struct console console = {0};

    quiet.quiet = true;
    enum error error = probe_setup_init(&setup, &quiet, &console, failure);
    probe_setup_deinit(&setup);
    return error;
}

static enum error check_words(const struct scan_settings *settings, struct failure *failure) {
    if (settings->shard)
        return failure_set(failure, ERROR_USAGE,
                           "--shard parts a sweep by hand; --via does that by itself");
    if (settings->label && (!settings->label[0] || !job_label_is_valid(slice_of(settings->label))))
        return failure_set(failure, ERROR_USAGE,
                           "--label '%s' is not of letters, digits, '-', '_' and '.' (%d at most)",
                           settings->label, JOB_LABEL_BYTES - 1);
    return ERROR_NONE;
}

static enum error set_sources(struct via *via, struct failure *failure) {
    const struct scan_settings *settings = via->settings;
    enum error error;

    via->roots = (struct source_roots){refuse_roots, NULL};
    via->sources = (struct source_context){
        .ports = &via->ports,
        .protocols = &protocol_lookup_all,
        .format = settings->input_format,
        .seed = settings->seed ? settings->seed : random_seed(),
        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .roots = &via->roots,
        .no_files = "certificates in files are no part of a sweep with --via: sweep them apart",
    };
    struct feeder_config feeder = {
        .specs = via->specs, .sources = &via->sources, .console = &via->console};
    if ((error = check_words(settings, failure)) ||
        (error =
             ports_parse(&via->ports, slice_of(settings->ports), &protocol_lookup_all, failure)) ||
        (error = feeder_check(&feeder, &via->total, failure)) ||
        (error = check_probe(settings, failure)))
        return error;
    return job_options_collect(settings, &via->options, failure);
}

/* --- The checkpoint --- */

/* With --checkpoint FILE a sweep is known by what it sweeps; else the file is known by the job. */
static bool identify(const struct via *via, struct checkpoint_identity *out) {
    const struct scan_settings *settings = via->settings;
    struct buffer text;

    buffer_init(&text);
    buffer_add_format(&text, "via %s\n", fleet_prefix(via->fleet));
    if (settings->checkpoint && !settings->attach) {
        sweep_describe(settings, via->specs, &text);
    } else {
        buffer_add_format(&text, "job %s\n", via->job.id);
        outputs_describe(&settings->output, &text);
    }
    certificate_sha256(buffer_slice(&text), out->digest);
    bool ok = !text.failed;
    buffer_deinit(&text);
    return ok;
}

char *via_checkpoint_path(const char *job) {
    char *folder = output_state_folder("jobs"), *path = NULL;

    if (folder && asprintf(&path, "%s/%s", folder, job) < 0)
        path = NULL;
    free(folder);
    return path;
}

static enum error default_path(const struct via *via, char **out, struct failure *failure) {
    char *folder = output_state_folder("jobs");

    *out = via_checkpoint_path(via->job.id);
    if (folder)
        machine_make_folder(folder);
    free(folder);
    return *out ? ERROR_NONE
                : failure_set(failure, ERROR_USAGE,
                              "there is no HOME to remember in what is collected: give "
                              "--checkpoint FILE");
}

static enum error open_checkpoint(struct via *via, struct failure *failure) {
    struct checkpoint_identity identity = {
        .seed = random_seed(), /* nobody else knows it: it proves who comes back */
        .run = via->job.run,
        .sinks = outputs_count(&via->settings->output),
        .otherwise = via->settings->attach
                         ? "another job, or of this one with other outputs: give -o, --fields and "
                           "the like as when it was begun, or remove it to have the rest elsewhere"
                         : NULL,
    };
    const char *path = via->settings->checkpoint;
    char *own = NULL;

    if (identity.sinks > CHECKPOINT_SINKS_MAX || !identify(via, &identity))
        return failure_set(failure, ERROR_USAGE, "too many outputs (-o)");
    enum error error = path ? ERROR_NONE : default_path(via, &own, failure);
    if (!error)
        error = checkpoint_open(&via->checkpoint, path ? path : own, &identity, failure);
    free(own);
    if (error)
        return error;
    via->identity = identity.seed;
    via->job.run = identity.run;
    via->pages_done = checkpoint_done_before(via->checkpoint);
    return ERROR_NONE;
}

/* --- The job --- */

static void set_id(struct job *job, uint64_t run) {
    job->run = run;
    job_id_write(run, job->id);
}

static void describe_job(struct via *via) {
    const struct scan_settings *settings = via->settings;
    struct job *job = &via->job;
    char host[64] = "";
    struct buffer title;

    job->state = JOB_CUTTING;
    job->created_ms = clock_unix_ms();
    job->seed = via->sources.seed;
    job->lease_ms = settings->lease_ms ? settings->lease_ms : LEASE_MS;
    (void)gethostname(host, sizeof host - 1);
    snprintf(job->by, sizeof job->by, "%s pid %d", host, (int)getpid());
    snprintf(job->label, sizeof job->label, "%s", settings->label ? settings->label : "");
    buffer_init(&title);
    for (uint32_t i = 0; i < via->specs->count && title.len < sizeof job->title; i++)
        buffer_add_format(&title, "%s%s", i ? " " : "", via->specs->items[i]);
    quote_bare(job->title, sizeof job->title, buffer_slice(&title));
    buffer_deinit(&title);
}

static enum error tell_ended(const struct via *via, struct failure *failure) {
    return failure_set(failure, ERROR_STOPPED, "job %s %s: there is nothing to collect any more",
                       via->job.id,
                       via->job.state == JOB_CANCELLED ? "was cancelled" : "has ended");
}

/* What the cluster knows of a job that may be there already. */
static enum error look_up(struct via *via, struct failure *failure) {
    struct job known;
    enum error error = jobs_get(via->jobs, via->job.id, &known, failure);

    if (error == (enum error)ENOENT && !via->settings->attach && via->pages_done == 0) {
        via->is_new = true;
        describe_job(via);
        return ERROR_NONE;
    }
    if (error == (enum error)ENOENT)
        return failure_set(failure, ERROR_STOPPED,
                           "there is no job %s at %.200s (any more): `trawl jobs` lists them",
                           via->job.id, fleet_shown(via->fleet));
    if (error)
        return error;
    via->job = known;
    via->sources.seed = known.seed;
    if (known.state == JOB_CANCELLED || known.state == JOB_DONE)
        return tell_ended(via, failure);
    job_options_deinit(&via->options);
    job_options_init(&via->options);
    return jobs_get_options(via->jobs, &known, &via->options, failure);
}

static enum error read_id(struct via *via, struct failure *failure) {
    const char *id = via->settings->attach;

    if (!job_id_read(slice_of(id), &via->job.run))
        return failure_set(failure, ERROR_USAGE,
                           "--attach %s is not the ID of a job, 16 digits: `trawl jobs` lists them",
                           quote_of(slice_of(id)).text);
    return scan_settings_check_attach(via->settings, failure);
}

/* --- Outputs --- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The width of a terminal may have changed since; the table is as wide as it was. */
static int find_rendering(const struct job_options *options, const struct job_rendering *wanted) {
    for (uint32_t i = 0; i < options->rendering_count; i++) {
        const struct job_rendering *rendering = &options->renderings[i];
        if (same_text(rendering->encoder, wanted->encoder) &&
            same_text(rendering->fields, wanted->fields) &&
            same_text(rendering->only, wanted->only))
            return (int)i;
    }
    return -1;
}

static void describe_renderings(const struct job_options *options, struct buffer *out) {
    for (uint32_t i = 0; i < options->rendering_count; i++) {
        const struct job_rendering *rendering = &options->renderings[i];
        buffer_add_format(out, "%s%s", i ? "; " : "", rendering->encoder);
        if (rendering->only)
            buffer_add_format(out, " (%s)", rendering->only);
    }
    if (!options->rendering_count)
        buffer_add_text(out, "nothing but counts");
    buffer_add_byte(out, 0);
}

static enum error tell_unfit(const struct via *via, const struct job_rendering *wanted,
                             uint32_t number, struct failure *failure) {
    struct buffer text;

    buffer_init(&text);
    describe_renderings(&via->options, &text);
    enum error error = failure_set(
        failure, ERROR_USAGE,
        "the records of job %s were encoded for other outputs: %.200s would need %s%s%.60s with "
        "these fields, and there is: %.150s; give the outputs (-o, --fields) that it was begun "
        "with",
        via->job.id, outputs_view(via->outputs, number).spec, wanted->encoder,
        wanted->only ? " of " : "", wanted->only ? wanted->only : "",
        text.failed ? "" : (const char *)text.ptr);
    buffer_deinit(&text);
    return error;
}

/* An output that only counts needs no records, unless it counts some of them. */
static bool needs_rendering(const struct via *via, uint32_t number) {
    return outputs_outlets(via->outputs)[number].encoding->encoder ||
           outputs_conditions(via->outputs, number);
}

static enum error add_rendering(struct via *via, uint32_t number, struct failure *failure) {
    struct encoding encoding = *outputs_outlets(via->outputs)[number].encoding;
    const char *conditions = outputs_conditions(via->outputs, number);
    int *out = &via->rendering_of[number];
    struct job_options wanted;

    if (!encoding.encoder)
        encoding.encoder = &json_encoder;
    if (via->is_new) {
        *out = job_options_add_rendering(&via->options, &encoding, conditions);
        return *out >= 0 ? ERROR_NONE
                         : failure_set(failure, ERROR_USAGE,
                                       "records can be encoded in at most %d ways at once",
                                       JOB_RENDERINGS_MAX);
    }
    job_options_init(&wanted);
    if (job_options_add_rendering(&wanted, &encoding, conditions) != 0) {
        job_options_deinit(&wanted);
        return failure_set(failure, ERROR_MEMORY, "no memory for the outputs");
    }
    *out = find_rendering(&via->options, &wanted.renderings[0]);
    enum error error =
        *out >= 0 ? ERROR_NONE : tell_unfit(via, &wanted.renderings[0], number, failure);
    job_options_deinit(&wanted);
    return error;
}

static struct sink_position position_of(void *owner, uint32_t number) {
    return checkpoint_position(((struct via *)owner)->checkpoint, number);
}

/* On a sink's thread, as the next ones. */
static void on_written(void *owner, uint32_t number, const uint64_t *tickets, size_t count,
                       struct sink_position position) {
    struct via *via = owner;

    checkpoint_mark(via->checkpoint, number, tickets, count, position);
    relay_dealt_with(&via->relay, number, count);
}

/* It was counted and told, and would be refused again. */
static void on_refused(void *owner, uint32_t number, const uint64_t *tickets, size_t count) {
    on_written(owner, number, tickets, count, (struct sink_position){0});
}

static void on_dead(void *owner) {
    atomic_store(&((struct via *)owner)->is_dead, true);
}

static void on_done(void *owner) {
    (void)owner;
}

enum error via_job_open_outputs(struct via *via, struct failure *failure) {
    struct outputs_config config = {
        .settings = &via->settings->output,
        .kind = &probe_record_kind,
        .console = &via->console,
        .producers = 1,
        .resumable = true,
        .position = position_of,
        .on_written = on_written,
        .on_refused = on_refused,
        .on_dead = on_dead,
        .on_done = on_done,
        .owner = via,
    };
    enum error error = outputs_open(&via->outputs, &config, failure);

    for (uint32_t i = 0; !error && i < outputs_number(via->outputs); i++) {
        via->rendering_of[i] = -1;
        if (needs_rendering(via, i))
            error = add_rendering(via, i, failure);
    }
    if (!error)
        relay_init(&via->relay, via->outputs);
    return error;
}

/* --- All of it --- */

enum error via_job_prepare(struct via *via, struct failure *failure) {
    const struct scan_settings *settings = via->settings;
    enum error error;

    if (settings->attach)
        error = read_id(via, failure);
    else
        error = set_sources(via, failure);
    set_id(&via->job, settings->attach ? via->job.run : random_seed());
    if (error || (error = fleet_open(&via->fleet, settings->via, "trawl scan", failure)) ||
        (error = jobs_open(&via->jobs, via->fleet, failure)))
        return error;
    /* A job that is not there leaves no file behind. */
    if (settings->attach && (error = look_up(via, failure)))
        return error;
    if ((error = open_checkpoint(via, failure)))
        return error;
    set_id(&via->job, via->job.run);
    return settings->attach ? ERROR_NONE : look_up(via, failure);
}
