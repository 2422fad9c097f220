/* The daemon from end to end: store, ledger, outbox, schedule, server, and this thread, which hears
 * signals. */
#ifndef TOOLS_TRAWL_MONITOR_H
#define TOOLS_TRAWL_MONITOR_H

#include "tools/monitor/settings.h"

/* Runs until SIGINT or SIGTERM, or under `once` until all targets are probed and what there is to
 * tell is told. `argc` and `argv` are those that the settings were read from: SIGHUP reads them
 * again. */
enum error monitor_run(struct monitor_settings *settings, int argc, char *const argv[],
                       struct failure *failure) __attribute__((warn_unused_result));

#endif
