/* Certificate Transparency in the monitor: `trawl watch` runs inside (watch_within.h). What it
 * finds becomes an alert and a row of ct_hits, in one transaction of the ledger; what probes have
 * seen is known to it; a source that falls silent is an alert as long as it is. */
#ifndef TOOLS_TRAWL_MONITOR_CT_H
#define TOOLS_TRAWL_MONITOR_CT_H

#include "tools/monitor/ledger.h"
#include "tools/monitor/settings.h"

struct monitor_ct;

struct monitor_ct_config {
    const struct monitor_settings *settings;     /* outlive it, as the URL */
    const char *url;                             /* of the store */
    void (*say)(void *owner, const char *words); /* any thread */
    void *owner;
};

/* Reads the settings' arguments of watch. `*out` is NULL when there are none. */
enum error monitor_ct_new(struct monitor_ct **out, const struct monitor_ct_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));

/* `visit` gets each file and folder that it writes. NULL is fine, here and below. */
enum error monitor_ct_each_path(const struct monitor_ct *ct,
                                enum error (*visit)(void *context, const char *path,
                                                    bool is_folder),
                                void *context) __attribute__((warn_unused_result));

enum error monitor_ct_start(struct monitor_ct *ct, struct monitor_ledger *ledger,
                            struct failure *failure) __attribute__((warn_unused_result));

/* Ends it within seconds; before the ledger. */
void monitor_ct_close(struct monitor_ct *ct);

/* For any thread, once it is started. The member is ",\"watch\":{…}". */
void monitor_ct_metrics(struct monitor_ct *ct, struct buffer *out);
bool monitor_ct_health(struct monitor_ct *ct, struct buffer *out);

#endif
