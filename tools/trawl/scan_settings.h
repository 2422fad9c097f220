/* What `trawl scan` can be told, and its option table. */
#ifndef TOOLS_TRAWL_SCAN_SETTINGS_H
#define TOOLS_TRAWL_SCAN_SETTINGS_H

#include "tools/trawl/output_settings.h"

enum { SCAN_SPECS_MAX = 1 << 20 };

struct scan_settings {
    const char *ports;
    int plan, addresses, sigalgs, grab_share, io, input_format; /* indices of their choices */
    struct output_settings output;
    struct option_list exclude, ca_add, crl_files;
    const char *shard, *checkpoint;
    uint64_t rate, max_per_host, max_per_network;
    uint64_t concurrency, workers, seed;
    const char *tls_min, *tls_max, *groups, *alpn;
    const char *log_list, *log_list_signature, *log_list_key;
    const char *via, *attach, *label;
    uint64_t lease_ms, buffer_bytes; /* of --via; 0 for the default */
    const char *resolver, *ca_file, *password_file, *warn, *critical, *stats;
    bool no_verify, allow_cn, dane, fetch_issuers, crl, quiet;
    uint64_t dns_timeout_ms, connect_timeout_ms, starttls_timeout_ms, handshake_timeout_ms,
        timeout_ms, fetch_timeout_ms;
};

/* Indices of choices that code asks for. */
enum { IO_AUTO = 0 };
extern const char *const scan_plans[], *const scan_io[];

/* The defaults; deinit frees what options have put into it. */
void scan_settings_init(struct scan_settings *settings);
void scan_settings_deinit(struct scan_settings *settings);

extern const struct option_spec scan_options[];

/* What --attach can be told: the job has the rest already. ERROR_USAGE names an option that is not
 * at its default. */
enum error scan_settings_check_attach(const struct scan_settings *settings, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
