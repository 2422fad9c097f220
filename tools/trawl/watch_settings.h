/* What `trawl watch` can be told, and its option table. */
#ifndef TOOLS_TRAWL_WATCH_SETTINGS_H
#define TOOLS_TRAWL_WATCH_SETTINGS_H

#include "tools/trawl/output_settings.h"

struct watch_settings {
    const char *watch; /* a file, or "-" */
    struct option_list domains, brands, inventory, logs;
    const char *log_list, *log_list_key, *log_key, *from, *state;
    const char *contact, *ca_file, *stats, *postgres, *listen;
    const char *via, *watch_group;
    bool all, to_the_end, known_keys, tiles, quiet;
    uint64_t lookalike_score, workers, per_operator, page_entries;
    uint64_t grace_ms, retention_ms, cleanup_ms, refresh_ms, head_interval_ms, partial_after_ms,
        retry_ms, duration_ms, lease_ms;
    struct output_settings output;
};

/* The defaults; deinit frees what options have put into it. */
void watch_settings_init(struct watch_settings *settings);
void watch_settings_deinit(struct watch_settings *settings);

extern const struct option_spec watch_options[];

#endif
