/* The reporting side of an agent: this machine's results go to another monitor, as SSL Scout's
 * daemon would report them (report.h), at least once and in order.
 *
 *     ledger ── with the result, in its transaction ──▶ monitor_reports
 *                                                            │ oldest first, in batches
 *     another monitor ◀── POST, X-API-Key, signed ── agent (thread)
 *                  └─ 2xx: the rows are deleted, by the ledger
 *
 * While the other side is away they wait in the table; attempts pause for 1, 4, 16, 60 seconds, or
 * as long as it asks. What it refuses in words (400, 413, 422) is halved until one result is left,
 * which is then given up, and told. Without results a report without any goes out once an interval:
 * a sign of life.
 *
 * A thread of its own with a database for reading; rows are deleted by the ledger. */
#ifndef TOOLS_MONITOR_AGENT_H
#define TOOLS_MONITOR_AGENT_H

#include "tools/monitor/ledger.h"

struct agent;

enum {
    AGENT_URL_BYTES = 2048,
    AGENT_BATCH = 200,                   /* results of a report */
    AGENT_BATCH_BYTES = 4 * 1024 * 1024, /* of them, but for a single one */
    AGENT_WAITING_MAX = 1000 * 1000,     /* results; the oldest are given up beyond, and told */
};

/* Texts are copied but for what says otherwise. */
struct agent_config {
    const char *store_url; /* of the ledger's store */
    struct monitor_ledger *ledger;
    const char *url;               /* https://…; "/api/sslscout/report" is added without a path */
    const char *key, *key_file;    /* X-API-Key; at most one, NULL for none */
    const char *secret_file;       /* signs as Standard Webhooks; NULL: not */
    const char *name;              /* as it is known there; NULL: this host's */
    const char *version;           /* outlives the agent */
    const char *ca_file;           /* roots of https; NULL: the system's */
    const int32_t *threshold_days; /* that are told along */
    uint32_t threshold_count;
    bool websocket_alerts;
    int64_t interval_ms;     /* between two reports at most */
    uint32_t first_pause_ms; /* 0: a second */
    uint32_t linger_ms;      /* to gather results of one report; 0: half a second */
    /* On the agent's thread: reporting begins to fail, or works again (`failure` NULL). */
    void (*on_trouble)(void *owner, const struct failure *failure);
    void *owner;
};

enum error agent_open(struct agent **out, const struct agent_config *config,
                      struct failure *failure) __attribute__((warn_unused_result));
/* Before the ledger. What is not reported waits in the table. NULL is fine. */
void agent_close(struct agent *agent);

/* For ledger_config.on_report. Any thread. */
void agent_wake(struct agent *agent);

struct agent_statistics {
    uint64_t reports, results; /* taken by the other side */
    uint64_t failed;           /* attempts */
    uint64_t given_up;         /* results: refused, or too many */
    bool failing;
};
/* For any thread. */
void agent_statistics(const struct agent *agent, struct agent_statistics *out);

#endif
