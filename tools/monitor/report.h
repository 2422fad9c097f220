/* SSL Scout's format: reports of certificates as records of probes, and back; certificates of the
 * store as its objects. Our own agents speak it too, with more behind the original's members:
 *
 *     {"scan_timestamp", "daemon_version", "websocket_alerts", "alert_thresholds",   the original's
 *      "certificates": [{scan_host, scan_port, scan_timestamp, subject, issuer, ...,
 *                        "target": {host, port, protocol, connect_address},          ours
 *                        "endpoint": address of a block or of a name,
 *                        "record": the probe's record without its certificate}],
 *      "failures": [those without a certificate, which the original never reports],
 *      "agent", "scan_interval": seconds}
 *
 * What it tells and we do not know is left out; a report's own texts are not believed where the
 * certificate says it. All of a report is hostile: bounded, checked. Pure, safe on every thread. */
#ifndef TOOLS_MONITOR_REPORT_H
#define TOOLS_MONITOR_REPORT_H

#include "engine/record/fields.h"
#include "tools/monitor/routes.h"

enum {
    REPORT_ITEMS_MAX = 20000,
    REPORT_ADDRESSES_MAX = 64,
    REPORT_ERROR_BYTES = 512,
    REPORT_INTERVAL_S_MAX = TARGET_INTERVAL_S_MAX,
};

/* --- Reading --- */

struct report_item {
    struct monitor_target target; /* as a new one would be; no key */
    char endpoint[LEDGER_ENDPOINT_BYTES];
    struct probe_record *record; /* a reference */
};

struct report {
    struct report_item *items; /* by time */
    uint32_t count;
    uint32_t rejected;   /* no certificate, a host that is none, or one forbidden */
    struct failure why;  /* the first of them was */
    int64_t interval_ms; /* between two reports at most; 0: not told */
};

/* Reads a report's object. The ids of the records are of agent, place, time and certificate: a
 * report that comes twice counts once. ERROR_INPUT: it is no report. Call deinit whatever comes. */
enum error report_read(struct report *report, yyjson_val *object, const char *agent, int64_t now_ms,
                       struct failure *failure) __attribute__((warn_unused_result));
void report_deinit(struct report *report);

/* RFC 3339, and what the original writes instead: "2026-11-21T10:00:00.123456+00:00Z". Milliseconds
 * since 1970. */
bool report_time(struct slice text, int64_t *out);

/* --- Writing --- */

/* A certificate as the store knows it, and the place where it was seen. */
struct scout_certificate {
    struct slice host, subject, issuer; /* names in RFC 4514's form */
    struct slice serial, key_type, signature_algorithm, sha256, sha1, der;
    int64_t port, seen_ms, not_before, not_after, days_left, key_bits;
    bool self_signed;
};
void scout_add_certificate(const struct scout_certificate *certificate, struct buffer *out);

extern const struct schema scout_certificate_schema, scout_failure_schema;

/* A result of ours, as an item of `certificates`, or of `failures` when its record has none. */
struct report_result {
    struct slice host, protocol, connect_address, endpoint; /* of the target; may be empty */
    uint16_t port;
    const struct probe_record *record;
};
void report_add_result(const struct report_result *result, const struct field_selection *fields,
                       struct buffer *out);

/* The whole: `certificates` and `failures` are items with commas between them. */
struct report_head {
    const char *agent, *version;
    int64_t now_ms, interval_ms;
    const int32_t *threshold_days;
    uint32_t threshold_count;
    bool websocket_alerts;
};
void report_add_body(const struct report_head *head, struct slice certificates,
                     struct slice failures, struct buffer *out);

/* The fields of `record`: all but the certificate's, which stands beside it. */
enum error report_select_fields(struct field_selection *out, struct failure *failure)
    __attribute__((warn_unused_result));
/* And these, each with a comma before it. */
enum error report_select_more_fields(struct field_selection *out, const char *more,
                                     struct failure *failure) __attribute__((warn_unused_result));

#endif
