#include "tools/trawl/watch_metrics.h"

#include "engine/base/clock.h"

enum { STALE_MS = 10 * 60 * 1000 };

/* All sources together. */
struct sources {
    uint32_t count, connected, elsewhere;
    int64_t last_entry_ms;
    uint64_t gaps, lost;
};

static struct sources look_at_sources(const struct watch_feeds *feeds) {
    struct sources sources = {0};

    for (uint32_t i = 0; i < watch_feeds_count(feeds); i++) {
        struct feed_statistics feed;
        watch_feeds_statistics(feeds, i, &feed);
        sources.elsewhere += feed.elsewhere;
        sources.count += !feed.elsewhere;
        sources.connected += feed.connected;
        sources.gaps += feed.gaps;
        sources.lost += feed.lost;
        if (feed.last_entry_ms > sources.last_entry_ms)
            sources.last_entry_ms = feed.last_entry_ms;
    }
    return sources;
}

/* --- Metrics --- */

static void begin(struct buffer *out, const char *name, const char *type, const char *help) {
    buffer_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buffer *out, const char *name, double value, const char *help) {
    begin(out, name, "gauge", help);
    buffer_add_format(out, "%s %.17g\n", name, value);
}

static void counter(struct buffer *out, const char *name, uint64_t value, const char *help) {
    begin(out, name, "counter", help);
    buffer_add_format(out, "%s %llu\n", name, (unsigned long long)value);
}

/* A label's value: backslash, quote and newline are escaped, control characters left out. */
static void add_label(struct buffer *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buffer_add_byte(out, '\\');
        if (text.ptr[i] >= ' ')
            buffer_add_byte(out, text.ptr[i]);
    }
}

static void certwatch_counters(const struct watch_view *view, struct buffer *out) {
    struct decoder_statistics decoded;
    struct ledger_statistics ledger;

    decoder_statistics(view->decoder, &decoded);
    ledger_statistics(view->ledger, &ledger);
    begin(out, "certwatch_ct_messages_total", "counter", "Entries and other messages received.");
    buffer_add_format(out,
                      "certwatch_ct_messages_total{type=\"certificate_update\"} %llu\n"
                      "certwatch_ct_messages_total{type=\"heartbeat\"} %llu\n",
                      (unsigned long long)decoded.entries, (unsigned long long)decoded.heartbeats);
    begin(out, "certwatch_alerts_total", "counter", "Issuances that match, by what they mean.");
    buffer_add_format(out,
                      "certwatch_alerts_total{severity=\"info\"} %llu\n"
                      "certwatch_alerts_total{severity=\"suspicious\"} %llu\n"
                      "certwatch_alerts_total{severity=\"warning\"} %llu\n",
                      (unsigned long long)ledger.verdicts[CT_VERDICT_INFO],
                      (unsigned long long)ledger.verdicts[CT_VERDICT_SUSPICIOUS],
                      (unsigned long long)(ledger.verdicts[CT_VERDICT_MALFORMED] +
                                           ledger.verdicts[CT_VERDICT_LOOKALIKE]));
    gauge(out, "certwatch_dedupe_cache_size", (double)ledger.known,
          "Issuances that are remembered.");
    gauge(out, "trawl_watch_state_ok", !ledger.state_failing, "Whether the state can be written.");
    gauge(out, "trawl_watch_database_ok", !ledger.database_failing,
          "Whether the database answers, where there is one.");
    gauge(out, "trawl_watch_pending", (double)ledger.pending,
          "Issuances that wait for the inventory to learn of them.");
    gauge(out, "trawl_watch_untold", (double)ledger.untold, "Alerts that not all sinks have yet.");
    counter(out, "trawl_watch_delivered_total", ledger.delivered, "Alerts that all sinks have.");
    counter(out, "trawl_watch_refused_total", ledger.refused, "Deliveries that a sink refused.");
    counter(out, "trawl_watch_malformed_total", decoded.malformed, "Entries nobody can read.");
    counter(out, "trawl_watch_unbound_total", decoded.unbound,
            "Precertificates that are not what was logged.");
}

static void webhook_metrics(const struct watch_view *view, struct buffer *out) {
    struct webhook_statistics webhook = outputs_webhook_statistics(view->outputs);
    uint64_t count = 0;

    begin(out, "certwatch_webhook_total", "counter", "Webhook messages, repetitions included.");
    buffer_add_format(out,
                      "certwatch_webhook_total{result=\"success\"} %llu\n"
                      "certwatch_webhook_total{result=\"failure\"} %llu\n",
                      (unsigned long long)webhook.delivered, (unsigned long long)webhook.refused);
    begin(out, "certwatch_webhook_duration_seconds", "histogram", "How long a message took.");
    for (uint32_t i = 0; i < WEBHOOK_BUCKETS; i++) {
        count += webhook.buckets[i];
        buffer_add_format(out, "certwatch_webhook_duration_seconds_bucket{le=\"%g\"} %llu\n",
                          (double)webhook_bucket_us[i] / 1e6, (unsigned long long)count);
    }
    count += webhook.buckets[WEBHOOK_BUCKETS];
    buffer_add_format(out,
                      "certwatch_webhook_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
                      "certwatch_webhook_duration_seconds_sum %.6f\n"
                      "certwatch_webhook_duration_seconds_count %llu\n",
                      (unsigned long long)count, (double)webhook.duration_us / 1e6,
                      (unsigned long long)count);
}

/* Several outputs can be the same in all that may be told of them: the number keeps them apart. */
static void sink_metrics(const struct watch_view *view, struct buffer *out) {
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"trawl_sink_records_total", "counter", "Records written, or kept in the spool."},
        {"trawl_sink_refused_records_total", "counter", "Records refused, and not kept."},
        {"trawl_sink_lost_records_total", "counter", "Records given up."},
        {"trawl_sink_held_back_seconds_total", "counter", "How long the output held back."},
        {"trawl_sink_delivered_records_total", "counter", "Records that the other side has."},
        {"trawl_sink_spooled_records_total", "counter", "Records that went by way of the spool."},
        {"trawl_sink_dead_records_total", "counter", "Records that became dead letters."},
        {"trawl_sink_spooled_records", "gauge", "Records that wait in the spool."},
        {"trawl_sink_spooled_bytes", "gauge", "Their bytes."},
        {"trawl_sink_spool_oldest_timestamp_seconds", "gauge", "The oldest of them; 0: none."},
        {"trawl_sink_dead_records", "gauge", "Dead letters of this and earlier runs."},
    };

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        begin(out, rows[row].name, rows[row].type, rows[row].help);
        for (uint32_t i = 0; i < outputs_number(view->outputs); i++) {
            struct output_view output = outputs_view(view->outputs, i);
            const struct sink_statistics *sink = &output.statistics;
            const double values[] = {
                (double)sink->taken,         (double)sink->refused,
                (double)sink->lost,          (double)sink->held_ns / 1e9,
                (double)sink->delivered,     (double)sink->spooled,
                (double)sink->dead,          (double)sink->waiting,
                (double)sink->waiting_bytes, (double)sink->oldest_ms / 1e3,
                (double)sink->dead_waiting,
            };
            buffer_add_format(out, "%s{sink=\"", rows[row].name);
            add_label(out, slice_of(output.spec));
            buffer_add_format(out, "\",output=\"%u\"} %.17g\n", i, values[row]);
        }
    }
}

static void source_metrics(const struct watch_view *view, struct buffer *out) {
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"trawl_source_connected", "gauge", "Whether the source answers."},
        {"trawl_source_entries_total", "counter", "Entries received."},
        {"trawl_source_head", "gauge", "Tree size of the newest good head."},
        {"trawl_source_verified", "gauge", "Entries that a signed head covers."},
        {"trawl_source_failures_total", "counter", "Requests or connections that failed."},
        {"trawl_source_gaps_total", "counter", "Entries that the source left out."},
        {"trawl_source_lost_total", "counter", "Messages that could not be kept."},
    };

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        begin(out, rows[row].name, rows[row].type, rows[row].help);
        for (uint32_t i = 0; i < watch_feeds_count(view->feeds); i++) {
            struct feed_statistics feed;
            watch_feeds_statistics(view->feeds, i, &feed);
            const uint64_t values[] = {feed.connected, feed.entries, feed.head, feed.verified,
                                       feed.failures,  feed.gaps,    feed.lost};
            buffer_add_format(out, "%s{source=\"", rows[row].name);
            add_label(out, feed.source->name);
            buffer_add_format(out, "\"} %llu\n", (unsigned long long)values[row]);
        }
    }
}

static void via_metrics(const struct watch_view *view, struct buffer *out) {
    struct watch_via_statistics via;

    if (!view->via)
        return;
    watch_via_statistics(view->via, &via);
    gauge(out, "trawl_watch_cluster_ok", via.is_connected, "Whether the cluster answers.");
    gauge(out, "trawl_watch_members", via.members, "Watchers that share the logs.");
    gauge(out, "trawl_watch_logs", via.wanted, "Logs that are shared.");
    gauge(out, "trawl_watch_logs_held", via.held, "Logs that this watcher follows.");
    counter(out, "trawl_watch_leases_taken_total", via.taken, "Logs that it has taken.");
    counter(out, "trawl_watch_leases_lost_total", via.lost, "Logs that it has lost.");
    counter(out, "trawl_watch_leases_given_total", via.given, "Logs that it has given back.");
}

void watch_metrics(const struct watch_view *view, struct buffer *out) {
    struct sources sources = look_at_sources(view->feeds);
    struct watch_lists_statistics lists = watch_lists_statistics(view->lists);

    certwatch_counters(view, out);
    webhook_metrics(view, out);
    sink_metrics(view, out);
    gauge(out, "certwatch_watch_entries", (double)lists.names, "Names that are watched.");
    gauge(out, "certwatch_last_ct_event_timestamp_seconds", (double)sources.last_entry_ms / 1000,
          "When the last entry came; 0 before the first.");
    gauge(out, "certwatch_ws_connected",
          sources.count != 0 && sources.connected == sources.count ? 1 : 0,
          "Whether all sources are connected.");
    source_metrics(view, out);
    via_metrics(view, out);
}

/* --- Health --- */

/* A source that has just been opened has time to bring something. */
static bool is_fresh(const struct watch_view *view, const struct sources *sources) {
    int64_t since_ms =
        sources->last_entry_ms > view->started_ms ? sources->last_entry_ms : view->started_ms;

    if (sources->count == 0 && sources->elsewhere)
        return true;
    return sources->connected > 0 && clock_unix_ms() - since_ms < STALE_MS;
}

static const char *yes_or_no(bool yes) {
    return yes ? "true" : "false";
}

/* True, too, when none is needed. */
static bool has_cluster(const struct watch_view *view) {
    struct watch_via_statistics via = {.is_connected = true};

    if (view->via)
        watch_via_statistics(view->via, &via);
    return via.is_connected;
}

bool watch_health(const struct watch_view *view, struct buffer *out) {
    struct sources sources = look_at_sources(view->feeds);
    struct watch_lists_statistics lists = watch_lists_statistics(view->lists);
    struct ledger_statistics ledger;

    ledger_statistics(view->ledger, &ledger);
    bool fresh = is_fresh(view, &sources);
    bool shared = has_cluster(view);
    bool ok =
        fresh && shared && !ledger.state_failing && !ledger.database_failing && !lists.is_failing;
    buffer_add_format(out, "{\"ok\":%s,\"watch_entries\":%llu,\"last_ct_event_at\":", yes_or_no(ok),
                      (unsigned long long)lists.names);
    if (sources.last_entry_ms)
        buffer_add_format(out, "%lld", (long long)(sources.last_entry_ms / 1000));
    else
        buffer_add_text(out, "null");
    buffer_add_format(out,
                      ",\"sources\":%u,\"connected\":%u,\"sources_ok\":%s,\"state_ok\":%s,"
                      "\"database_ok\":%s,\"watch_list_ok\":%s,\"cluster_ok\":%s,"
                      "\"pending\":%llu,"
                      "\"undelivered\":%llu,\"gaps\":%llu,\"lost\":%llu}\n",
                      sources.count, sources.connected, yes_or_no(fresh),
                      yes_or_no(!ledger.state_failing), yes_or_no(!ledger.database_failing),
                      yes_or_no(!lists.is_failing), yes_or_no(shared),
                      (unsigned long long)ledger.pending, (unsigned long long)ledger.untold,
                      (unsigned long long)sources.gaps, (unsigned long long)sources.lost);
    return ok;
}
