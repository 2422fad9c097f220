#include "tools/trawl/monitor_fleet.h"

#include "tools/trawl/job_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LEASE_MIN_MS = 2000, LEASE_MAX_MS = 60 * 1000, MARGIN_MS = 1000 };

enum error monitor_ca_path(const struct monitor_settings *settings, const char *ca_file,
                           char out[LIMIT_PATH_BYTES + 1], struct failure *failure) {
    const char *folder = settings->ca_folder;
    bool is_bare = !strchr(ca_file, '/');

    if (is_bare && !folder)
        return failure_set(failure, ERROR_USAGE,
                           "ca_file %s: --ca-folder says where such files are", ca_file);
    snprintf(out, LIMIT_PATH_BYTES + 1, "%s%s%s", is_bare ? folder : "", is_bare ? "/" : "",
             ca_file);
    return ERROR_NONE;
}

/* --- What travels --- */

/* A worker leads no name where the monitor would not. */
static enum error exclude(void *context, const char *block, struct failure *failure) {
    return job_options_add(context, "exclude", block, false)
               ? ERROR_NONE
               : failure_set(failure, ERROR_MEMORY, "no memory for the options of a job");
}

/* Names are looked up where the worker is, by its resolvers. */
static enum error collect(void *owner, const char *ca_file, struct job_options *out,
                          struct failure *failure) {
    const struct monitor_fleet *fleet = owner;
    struct scan_settings scan = *fleet->scan;
    char path[LIMIT_PATH_BYTES + 1];
    enum error error = ERROR_NONE;

    scan.resolver = NULL;
    if (ca_file[0]) {
        error = monitor_ca_path(fleet->settings, ca_file, path, failure);
        scan.ca_file = path;
        option_list_init(&scan.ca_add);
    }
    if (!error)
        error = job_options_collect(&scan, out, failure);
    return error ? error : target_each_forbidden(exclude, out, failure);
}

const struct fleet_probes_config *monitor_fleet_init(struct monitor_fleet *fleet,
                                                     const struct monitor_settings *settings,
                                                     const struct scan_settings *scan) {
    uint64_t timeout_ms = settings->timeout_ms, lease_ms = timeout_ms;

    lease_ms = lease_ms < LEASE_MIN_MS ? LEASE_MIN_MS : lease_ms;
    lease_ms = lease_ms > LEASE_MAX_MS ? LEASE_MAX_MS : lease_ms;
    *fleet = (struct monitor_fleet){
        .settings = settings,
        .scan = scan,
        .config = {.via = settings->via,
                   .lease_ms = lease_ms,
                   /* One worker dies at the end of its probe, the next needs as long as that. */
                   .patience_ms = 2 * timeout_ms + lease_ms + MARGIN_MS,
                   .must_connect = settings->once,
                   .options = collect,
                   .owner = fleet},
    };
    return settings->via ? &fleet->config : NULL;
}

/* --- What is told --- */

void monitor_fleet_metrics(struct schedule *schedule, struct buffer *out) {
    struct fleet_statistics fleet;

    if (!schedule || !schedule_fleet_statistics(schedule, &fleet))
        return;
    buffer_add_format(
        out,
        "# HELP trawl_fleet_targets_total Targets for workers of the fleet, by fate.\n"
        "# TYPE trawl_fleet_targets_total counter\n"
        "trawl_fleet_targets_total{fate=\"given\"} %" PRIu64 "\n"
        "trawl_fleet_targets_total{fate=\"answered\"} %" PRIu64 "\n"
        "trawl_fleet_targets_total{fate=\"passed_over\"} %" PRIu64 "\n"
        "trawl_fleet_targets_total{fate=\"rejected\"} %" PRIu64 "\n"
        "# HELP trawl_fleet_targets_under_way Targets that workers are asked for.\n"
        "# TYPE trawl_fleet_targets_under_way gauge\n"
        "trawl_fleet_targets_under_way %" PRIu64 "\n"
        "# HELP trawl_fleet_labels Labels of targets, each with roots of its own.\n"
        "# TYPE trawl_fleet_labels gauge\n"
        "trawl_fleet_labels %" PRIu64 "\n"
        "# HELP trawl_fleet_labels_silent Of which no worker answers.\n"
        "# TYPE trawl_fleet_labels_silent gauge\n"
        "trawl_fleet_labels_silent %" PRIu64 "\n",
        fleet.given, fleet.answered, fleet.passed_over, fleet.rejected, fleet.under_way,
        fleet.sites, fleet.silent);
}

void monitor_fleet_health(struct schedule *schedule, struct buffer *out) {
    struct fleet_statistics fleet;

    if (schedule && schedule_fleet_statistics(schedule, &fleet))
        buffer_add_format(out, ",\"fleet_labels\":%" PRIu64 ",\"fleet_labels_silent\":%" PRIu64,
                          fleet.sites, fleet.silent);
}
