/* What `trawl scan` can be told, and its option table. */
#ifndef TOOLS_TRAWL_SCAN_SETTINGS_H
#define TOOLS_TRAWL_SCAN_SETTINGS_H

#include "engine/base/option.h"

enum { SCAN_SPECS_MAX = 1 << 20 };

struct scan_settings {
    const char *ports;
    int plan, addresses, format, sigalgs, grab_share, io,
        input_format; /* indices of their choices */
    struct option_list outputs, exclude;
    const char *shard, *checkpoint;
    uint64_t rate, max_per_host, max_per_network;
    const char *fields, *print;
    uint64_t concurrency, workers, seed;
    const char *tls_min, *tls_max, *groups, *alpn;
    const char *resolver, *ca_file, *warn, *critical, *stats;
    bool no_verify, allow_cn, gzip, append, quiet;
    uint64_t dns_timeout_ms, connect_timeout_ms, starttls_timeout_ms, handshake_timeout_ms,
        timeout_ms;
    uint64_t rotate_bytes, rotate_ms;
};

/* Indices of choices that code asks for. */
enum { FORMAT_BY_OUTPUT = 0, FORMAT_TABLE = 6, IO_AUTO = 0 };
extern const char *const scan_formats[], *const scan_plans[], *const scan_io[];

/* The defaults; deinit frees what options have put into it. */
void scan_settings_init(struct scan_settings *settings);
void scan_settings_deinit(struct scan_settings *settings);

extern const struct option_spec scan_options[];

#endif
