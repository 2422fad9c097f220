/* The targets of config file and command line, and those of the store: after a start and after each
 * SIGHUP they are the same. */
#ifndef TOOLS_MONITOR_CONFIG_TARGETS_H
#define TOOLS_MONITOR_CONFIG_TARGETS_H

#include "tools/monitor/ledger.h"
#include "tools/monitor/settings.h"

struct config_changes {
    uint32_t added, changed, removed;
};

/* Adds what is new, changes what is different, removes what is gone; targets that were added by the
 * API are left alone. One transaction on the ledger's thread. */
enum error config_targets_apply(struct monitor_ledger *ledger,
                                const struct monitor_settings *settings, struct config_changes *out,
                                struct failure *failure) __attribute__((warn_unused_result));

#endif
