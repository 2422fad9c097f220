/* The monitor's side of a fleet: what travels with its jobs, and what is told of them. */
#ifndef TOOLS_TRAWL_MONITOR_FLEET_H
#define TOOLS_TRAWL_MONITOR_FLEET_H

#include "tools/monitor/schedule.h"
#include "tools/monitor/settings.h"
#include "tools/trawl/scan_settings.h"

struct monitor_fleet {
    struct fleet_probes_config config;
    const struct monitor_settings *settings;
    const struct scan_settings *scan;
};

/* Fills `fleet`, which outlives the schedule, as the settings do. NULL without --via. */
const struct fleet_probes_config *monitor_fleet_init(struct monitor_fleet *fleet,
                                                     const struct monitor_settings *settings,
                                                     const struct scan_settings *scan);

/* Where a target's ca_file lies: from the API a bare name comes, which stands for a file of
 * --ca-folder. */
enum error monitor_ca_path(const struct monitor_settings *settings, const char *ca_file,
                           char out[LIMIT_PATH_BYTES + 1], struct failure *failure)
    __attribute__((warn_unused_result));

/* Samples and members for /metrics and /healthz; nothing without a fleet, or a schedule. */
void monitor_fleet_metrics(struct schedule *schedule, struct buffer *out);
void monitor_fleet_health(struct schedule *schedule, struct buffer *out);

#endif
