#include "tools/monitor/report.h"

#include "engine/base/quote.h"
#include "engine/hash/sha256.h"
#include "engine/probe/judge.h"
#include "sinks/store/record_view.h"
#include "tools/monitor/report_record.h"

#include <ctype.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Texts --- */

static struct slice text_of(yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);
    return json_slice(value);
}

/* "+02:00" in minutes; anything else is UTC. */
static int64_t offset_of(struct slice text) {
    uint64_t hours, minutes;
    bool signed_time = text.len >= 6 && (text.ptr[0] == '+' || text.ptr[0] == '-');

    if (!signed_time || text.ptr[3] != ':' ||
        !slice_to_u64((struct slice){text.ptr + 1, 2}, 23, &hours) ||
        !slice_to_u64((struct slice){text.ptr + 4, 2}, 59, &minutes))
        return 0;
    return (int64_t)(hours * 60 + minutes) * (text.ptr[0] == '-' ? -1 : 1);
}

bool report_time(struct slice text, int64_t *out) {
    char whole[] = "0000-00-00T00:00:00Z";
    size_t seconds = sizeof whole - 2, at = seconds;
    int64_t ms = 0, digit = 100;

    if (text.len < seconds)
        return false;
    memcpy(whole, text.ptr, seconds);
    whole[10] = whole[10] == ' ' ? 'T' : whole[10];
    if (!text_to_time_ms(slice_of(whole), out))
        return false;
    if (at < text.len && text.ptr[at] == '.')
        for (at++; at < text.len && isdigit(text.ptr[at]); at++, digit /= 10)
            ms += (text.ptr[at] - '0') * digit;
    *out += ms - offset_of(slice_from(text, at)) * 60000;
    return true;
}

/* The base64 of PEM, or base64 alone, without its line ends. */
static bool read_der(struct slice text, struct buffer *out) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const uint8_t *head = text.len ? memmem(text.ptr, text.len, begin, strlen(begin)) : NULL;
    struct buffer base64;

    if (head)
        text = slice_from(text, (size_t)(head - text.ptr) + strlen(begin));
    text = slice_first(text, 2 * LIMIT_CERTIFICATE_BYTES);
    buffer_init(&base64);
    for (size_t i = 0; i < text.len && text.ptr[i] != '-'; i++)
        if (text.ptr[i] > ' ')
            buffer_add_byte(&base64, text.ptr[i]);
    bool ok =
        !base64.failed && report_read_base64(buffer_slice(&base64), LIMIT_CERTIFICATE_BYTES, out);
    buffer_deinit(&base64);
    return ok;
}

/* --- Places --- */

/* As target_read wants it, and no member more than an agent may say. */
static void describe_target(yyjson_val *object, struct buffer *out) {
    yyjson_val *ours = yyjson_obj_get(object, "target");
    yyjson_val *from = yyjson_is_obj(ours) ? ours : object;
    yyjson_val *port = yyjson_obj_get(from, yyjson_is_obj(ours) ? "port" : "scan_port");
    struct slice protocol = text_of(from, "protocol"), connect = text_of(from, "connect_address");

    json_open(out, NULL, '{');
    json_text(out, "host", text_of(from, yyjson_is_obj(ours) ? "host" : "scan_host"));
    json_integer(out, "port", yyjson_is_int(port) ? yyjson_get_sint(port) : port ? 0 : 443);
    if (protocol.len)
        json_text(out, "protocol", protocol);
    if (connect.len)
        json_text(out, "connect_address", connect);
    json_close(out, '}');
}

static enum error read_target(yyjson_val *object, struct monitor_target *target,
                              struct failure *failure) {
    struct buffer text;

    buffer_init(&text);
    describe_target(object, &text);
    yyjson_doc *document = text.failed ? NULL : yyjson_read((const char *)text.ptr, text.len, 0);
    target_init(target, TARGET_FROM_AGENT);
    enum error error = document ? target_read(target, yyjson_doc_get_root(document), failure)
                                : failure_set(failure, ERROR_MEMORY, "no memory for a target");
    target->enabled = false; /* it is the agent that probes it */
    yyjson_doc_free(document);
    buffer_deinit(&text);
    return error;
}

/* One of the addresses of a block; of a name that has several, or "". */
static enum error read_endpoint(yyjson_val *object, struct report_item *item,
                                struct failure *failure) {
    struct slice text = text_of(object, "endpoint");
    struct address address;

    item->endpoint[0] = '\0';
    if (text.len && (!address_parse(text, &address) || target_is_forbidden(&address)))
        return failure_set(failure, ERROR_INPUT, "endpoint %s is no address", quote_of(text).text);
    if (text.len)
        address_format(&address, item->endpoint);
    else if (item->target.is_cidr)
        return failure_set(failure, ERROR_INPUT, "%s is a block of addresses", item->target.host);
    return ERROR_NONE;
}

/* --- Records --- */

static enum error fill_certificate(struct probe_record *record, yyjson_val *object,
                                   struct slice der, struct failure *failure) {
    return der.len ? report_fill_der(der, record, failure)
                   : report_fill_told(object, record, failure);
}

/* By which a record is known that comes again: nothing of when it came. */
static void identify(struct probe_record *record, const char *agent, const struct report_item *item,
                     struct slice when) {
    uint8_t hash[SHA256_BYTES];
    struct buffer text;
    uint64_t run;

    buffer_init(&text);
    buffer_add_format(&text, "%s\n%s\n%u\n%s\n%s\n%s\n%s\n", agent, item->target.host,
                      item->target.port, item->target.protocol, item->target.connect_address,
                      item->endpoint, outcome_name(record->outcome));
    buffer_add_slice(&text, when);
    buffer_add(&text, record->certificate.fingerprint_sha256, SHA256_BYTES);
    sha256_one(buffer_slice(&text), hash);
    buffer_deinit(&text);
    memcpy(&run, hash, sizeof run);
    probe_record_identify(record, be64toh(run), 0, 0);
}

static enum error fill(struct report_item *item, yyjson_val *object, bool has_certificate,
                       struct slice der, struct failure *failure) {
    struct probe_record *record = item->record;
    const char *host = item->target.is_cidr ? item->endpoint : item->target.host;

    record->host = arena_copy(&record->head.memory, slice_of(host));
    address_parse(slice_of(item->endpoint[0] ? item->endpoint : host), &record->address);
    record->port = item->target.port;
    record->protocol = slice_of("tls");
    record->plan = PLAN_HANDSHAKE;
    record->attempt = 1;
    record->stage = STAGE_DONE;
    enum error error =
        has_certificate ? fill_certificate(record, object, der, failure) : ERROR_NONE;
    if (!error)
        error = report_fill_record(yyjson_obj_get(object, "record"), record, failure);
    if (!error && !has_certificate && record->outcome == OUTCOME_OK)
        error = failure_set(failure, ERROR_INPUT, "a failure without an outcome");
    if (!error && record->head.memory.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a record");
    return error;
}

struct reading {
    const char *agent;
    struct slice when; /* of the report */
    int64_t now_ms;
};

static enum error read_item(const struct reading *reading, yyjson_val *object, bool has_certificate,
                            struct report_item *item, struct failure *failure) {
    const struct judge_policy policy = judge_policy_default();
    struct slice raw = text_of(object, "raw_certificate"), when = text_of(object, "scan_timestamp");
    struct buffer der;
    enum error error;

    if ((error = read_target(object, &item->target, failure)) ||
        (error = read_endpoint(object, item, failure)))
        return error;
    struct slice exact = text_of(yyjson_obj_get(object, "record"), "time");
    when = exact.len ? exact : when.len ? when : reading->when;
    buffer_init(&der);
    if (has_certificate && raw.len && !read_der(raw, &der))
        error = failure_set(failure, ERROR_INPUT, "raw_certificate is neither PEM nor base64");
    else if (!(item->record = probe_record_new(3 * der.len + 1024)))
        error = failure_set(failure, ERROR_MEMORY, "no memory for a record");
    if (!error)
        error = fill(item, object, has_certificate, buffer_slice(&der), failure);
    if (!error) {
        int64_t *time_ms = &item->record->time_ms;
        if (!report_time(when, time_ms) || *time_ms > reading->now_ms)
            *time_ms = reading->now_ms;
        identify(item->record, reading->agent, item, when);
        judge_record(item->record, &policy, reading->now_ms);
    } else if (item->record) {
        record_put(&item->record->head);
        item->record = NULL;
    }
    buffer_deinit(&der);
    return error;
}

/* --- The whole --- */

static void read_list(const struct reading *reading, yyjson_val *list, bool has_certificate,
                      struct report *report) {
    yyjson_val *value;
    size_t i, count;

    yyjson_arr_foreach(list, i, count, value) {
        struct report_item *item = &report->items[report->count];
        struct failure why = {0};
        if (read_item(reading, value, has_certificate, item, &why) == ERROR_NONE) {
            report->count++;
            continue;
        }
        if (!report->rejected++)
            (void)failure_set(&report->why, why.code, "%.60s: %.400s",
                              quote_of(text_of(value, "scan_host")).text, why.text);
    }
}

static int by_time(const void *a, const void *b) {
    int64_t x = ((const struct report_item *)a)->record->time_ms,
            y = ((const struct report_item *)b)->record->time_ms;
    return x < y ? -1 : x > y;
}

enum error report_read(struct report *report, yyjson_val *object, const char *agent, int64_t now_ms,
                       struct failure *failure) {
    const struct reading reading = {agent, text_of(object, "scan_timestamp"), now_ms};
    yyjson_val *list = yyjson_obj_get(object, "certificates"),
               *failures = yyjson_obj_get(object, "failures"),
               *interval = yyjson_obj_get(object, "scan_interval");
    size_t count = yyjson_arr_size(list) + yyjson_arr_size(failures);

    *report = (struct report){0};
    if (!yyjson_is_arr(list))
        return failure_set(failure, ERROR_INPUT, "the report has no list of certificates");
    if (count > REPORT_ITEMS_MAX)
        return failure_set(failure, ERROR_INPUT, "the report has more than %d certificates",
                           REPORT_ITEMS_MAX);
    report->items = calloc(count + 1, sizeof *report->items);
    if (!report->items)
        return failure_set(failure, ERROR_MEMORY, "no memory for a report");
    if (yyjson_is_uint(interval) && yyjson_get_uint(interval) <= REPORT_INTERVAL_S_MAX)
        report->interval_ms = (int64_t)yyjson_get_uint(interval) * 1000;
    read_list(&reading, list, true, report);
    read_list(&reading, failures, false, report);
    qsort(report->items, report->count, sizeof *report->items, by_time);
    return ERROR_NONE;
}

void report_deinit(struct report *report) {
    for (uint32_t i = 0; i < report->count; i++)
        record_put(&report->items[i].record->head);
    free(report->items);
    *report = (struct report){0};
}
