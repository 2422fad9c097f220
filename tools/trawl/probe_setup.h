/* From the options of a command to the settings of its probes. */
#ifndef TOOLS_TRAWL_PROBE_SETUP_H
#define TOOLS_TRAWL_PROBE_SETUP_H

#include "engine/probe/prober.h"
#include "tools/trawl/console.h"
#include "tools/trawl/known_logs.h"
#include "tools/trawl/scan_settings.h"

/* Owns what the settings point to. Constant once the pool runs. */
struct probe_setup {
    /* Set before by who has such a rule, and still his: as those of struct prober_settings. */
    const struct address_set *forbidden;
    const char *forbidden_words;
    struct prober_settings probe;
    uint32_t workers;
    struct tls_client *client;
    struct tls_grab_profile *profile;
    struct trust_store *roots;
    struct resolver_hosts *hosts;
    struct address_set *excluded;
    struct caps *caps;
    struct fetcher *fetcher;
    struct known_logs known_logs;
};

/* Fills `setup`, which is zeroed but for that; deinit also after a failure. Says on the console
 * when something less than the best is used. */
enum error probe_setup_init(struct probe_setup *setup, const struct scan_settings *settings,
                            const struct console *console, struct failure *failure)
    __attribute__((warn_unused_result));
void probe_setup_deinit(struct probe_setup *setup);

#endif
