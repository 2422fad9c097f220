#include "tools/monitor/fleet_record.h"

#include "engine/probe/judge.h"
#include "engine/starttls/dialogue.h"
#include "engine/starttls/dialogues.h"
#include "tools/monitor/report.h"
#include "tools/monitor/report_record.h"

#include <stdio.h>

void fleet_spec(const struct target *target, char out[FLEET_SPEC_BYTES]) {
    char address[ADDRESS_TEXT_MAX + 2] = "", text[ADDRESS_TEXT_MAX];
    bool has_address = target->address.family != ADDRESS_NONE;

    if (has_address) {
        address_format(&target->address, text);
        snprintf(address, sizeof address, strchr(text, ':') ? "[%s]" : "%s", text);
    }
    snprintf(out, FLEET_SPEC_BYTES, "%s://%s%s%s:%u", dialogues[target->protocol]->name,
             target->name, has_address && target->name_len ? "@" : "", address, target->port);
}

enum error fleet_select_fields(struct field_selection *out, struct failure *failure) {
    return report_select_more_fields(out, ",certificate.der", failure);
}

static struct slice text_of(yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);
    return json_slice(value);
}

static enum error read_certificate(yyjson_val *object, struct probe_record *record,
                                   struct failure *failure) {
    struct slice parsed = text_of(yyjson_obj_get(object, "certificate"), "der"),
                 unparsable = text_of(object, "certificate_der");
    struct slice text = parsed.len ? parsed : unparsable;
    struct buffer der;
    enum error error = ERROR_NONE;

    if (!text.len)
        return ERROR_NONE;
    buffer_init(&der);
    if (!report_read_base64(text, LIMIT_CERTIFICATE_BYTES, &der))
        error = failure_set(failure, ERROR_INPUT, "its certificate is no base64");
    else if (parsed.len)
        error = report_fill_der(buffer_slice(&der), record, failure);
    else
        record->unparsable_der = arena_copy(&record->head.memory, buffer_slice(&der));
    buffer_deinit(&der);
    return error;
}

static enum error fill(yyjson_val *object, const struct fleet_expectation *expected,
                       struct probe_record *record, struct failure *failure) {
    const struct judge_policy policy = judge_policy_default();
    yyjson_val *port = yyjson_obj_get(object, "port");
    int64_t *time_ms = &record->time_ms;

    if (!report_read_hex(text_of(object, "id"), record->id, sizeof record->id))
        return failure_set(failure, ERROR_INPUT, "it has no id");
    uint16_t part = probe_record_part(record);
    uint8_t id[RECORD_ID_BYTES];
    memcpy(id, record->id, sizeof id);
    probe_record_identify(record, expected->run, expected->number, part);
    if (memcmp(id, record->id, sizeof id) != 0)
        return failure_set(failure, ERROR_INPUT, "its id is of another target");
    record->host = arena_copy(&record->head.memory,
                              slice_first(text_of(object, "host"), LIMIT_HOST_NAME_BYTES));
    record->port = (uint16_t)(yyjson_is_uint(port) ? yyjson_get_uint(port) : 0);
    record->protocol = slice_of("tls");
    if (!report_time(text_of(object, "time"), time_ms) || *time_ms > expected->now_ms)
        *time_ms = expected->now_ms;
    if (*time_ms < expected->sent_ms)
        *time_ms = expected->sent_ms;
    enum error error = read_certificate(object, record, failure);
    if (!error)
        error = report_fill_record(object, record, failure);
    if (!error && record->head.memory.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a record");
    if (!error)
        judge_record(record, &policy, expected->now_ms);
    return error;
}

enum error fleet_record_read(struct slice json, const struct fleet_expectation *expected,
                             struct probe_record **out, struct failure *failure) {
    yyjson_doc *document = yyjson_read((const char *)json.ptr, json.len, 0);
    yyjson_val *object = yyjson_doc_get_root(document);
    struct probe_record *record = NULL;
    enum error error = ERROR_NONE;

    if (!yyjson_is_obj(object))
        error = failure_set(failure, ERROR_INPUT, "it is no JSON object");
    else if (!(record = probe_record_new(json.len + 1024)))
        error = failure_set(failure, ERROR_MEMORY, "no memory for a record");
    if (!error)
        error = fill(object, expected, record, failure);
    if (error && record) {
        record_put(&record->head);
        record = NULL;
    }
    yyjson_doc_free(document);
    *out = record;
    return error;
}
