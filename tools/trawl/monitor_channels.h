/* From the options of `trawl monitor` to whom it tells what. */
#ifndef TOOLS_TRAWL_MONITOR_CHANNELS_H
#define TOOLS_TRAWL_MONITOR_CHANNELS_H

#include "tools/monitor/channel.h"
#include "tools/monitor/ledger.h"
#include "tools/monitor/settings.h"

/* As outbox and ledger want them; they point into each other and into the settings, so it is not to
 * be moved. */
struct monitor_channels {
    struct ledger_channel subscriptions[LEDGER_CHANNELS];
    struct channel_config items[LEDGER_CHANNELS];
    char names[LEDGER_CHANNELS][24]; /* "webhook", "webhook:2", "email" */
    uint32_t count;
};

/* Also puts the NULL behind the settings' lists that channels read. */
enum error monitor_channels_init(struct monitor_channels *channels,
                                 struct monitor_settings *settings, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
