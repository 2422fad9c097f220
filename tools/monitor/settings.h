/* What `trawl monitor` can be told. One table of options says it all: each is also a member of the
 * config file (scan_interval for --scan-interval) and a variable (TRAWL_SCAN_INTERVAL). The command
 * line wins over the environment, and that over the file. SSL Scout's file is understood as it is.
 *
 * Made by one thread; constant while the monitor runs. SIGHUP makes another one. */
#ifndef TOOLS_MONITOR_SETTINGS_H
#define TOOLS_MONITOR_SETTINGS_H

#include "engine/base/arena.h"
#include "engine/base/option.h"
#include "tools/monitor/auth.h"
#include "tools/monitor/targets.h"

enum { SETTINGS_DAYS = TARGET_THRESHOLDS, SETTINGS_TARGETS_MAX = 1 << 20 };

struct monitor_settings {
    const char *config; /* the file; NULL for none */
    /* The store, and who may look at it. */
    const char *store, *listen, *tls_cert, *tls_key, *token_file;
    struct option_list hosts; /* by which the server may be asked for, beside its address */
    bool open_metrics;
    /* How targets are probed. */
    uint64_t scan_interval_ms, timeout_ms, concurrency, workers;
    struct option_list days; /* alert_days_before_expiry */
    uint64_t warn_days, crit_days, failures;
    struct option_list ca_add;
    const char *ca_file, *resolver, *ca_folder, *via;
    uint64_t rate;
    int io, addresses; /* indices of their choices */
    bool fetch_issuers, crl;
    /* Whom to tell. */
    struct option_list webhooks, email_to, webhook_headers;
    const char *webhook_secret_file, *webhook_at, *email_at;
    const char *smtp, *email_from, *smtp_user, *smtp_password_file;
    uint64_t digest_ms, retention_ms;
    /* An agent. */
    const char *api_endpoint, *api_key, *api_key_file, *agent_name, *report_secret_file;
    /* The process. */
    const char *log_file, *user;
    const char *scan_host; /* one probe, as `trawl check`; NULL: none */
    uint64_t port;
    bool once, generate_config, ask_health, quiet, websocket_alerts;
    struct option_list watch; /* arguments of `trawl watch`, which then runs inside */

    /* Filled from all of it by settings_read. */
    int32_t threshold_days[SETTINGS_DAYS];
    uint32_t threshold_count;
    struct monitor_target *targets; /* of the file and the command line */
    uint32_t target_count;
    struct auth_token tokens[AUTH_TOKENS_MAX];
    uint32_t token_count;
    struct arena texts; /* of what the file holds */
};

extern const struct option_spec monitor_options[];

/* The defaults, for help. */
void settings_init(struct monitor_settings *settings);
void settings_deinit(struct monitor_settings *settings);

/* Everything: defaults, the file that --config or TRAWL_CONFIG names, the environment, the
 * arguments. What is wrong is ERROR_USAGE; of a file it names line and column. Call deinit whatever
 * comes. */
enum error settings_read(struct monitor_settings *settings, int argc, char *const argv[],
                         struct failure *failure) __attribute__((warn_unused_result));

/* They are large, and stand in the table once they were applied (config_targets.h). */
void settings_forget_targets(struct monitor_settings *settings);

/* A complete file with every member, its default and what it means, as comments. */
void settings_add_sample(struct buffer *out);

#endif
