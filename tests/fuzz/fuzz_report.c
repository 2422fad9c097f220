/* Any JSON as a report: what is taken has what the ledger needs, and can be reported again. */
#include "engine/record/encoder.h"
#include "tools/monitor/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static void report_again(const struct report_item *item, const struct field_selection *fields,
                         struct buffer *out) {
    const struct report_result result = {.host = slice_of(item->target.host),
                                         .port = item->target.port,
                                         .protocol = slice_of(item->target.protocol),
                                         .connect_address = slice_of(item->target.connect_address),
                                         .endpoint = slice_of(item->endpoint),
                                         .record = item->record};

    out->len = 0;
    report_add_result(&result, fields, out);
    yyjson_doc *document = yyjson_read((const char *)out->ptr, out->len, 0);
    require(document != NULL);
    yyjson_doc_free(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    yyjson_doc *document = yyjson_read((const char *)data, size, 0);
    const int64_t now_ms = INT64_C(1795229802123);
    struct field_selection fields;
    struct failure failure;
    struct report report = {0};
    struct buffer out;

    if (!document)
        return 0;
    require(report_select_fields(&fields, NULL) == ERROR_NONE);
    buffer_init(&out);
    if (report_read(&report, yyjson_doc_get_root(document), "agent", now_ms, &failure) ==
        ERROR_NONE) {
        for (uint32_t i = 0; i < report.count; i++) {
            const struct report_item *item = &report.items[i];
            require(item->target.host[0] && item->target.port && !item->target.enabled);
            require(item->record->time_ms <= now_ms);
            require(!i || item[-1].record->time_ms <= item->record->time_ms);
            require(item->record->has_certificate || item->record->outcome != OUTCOME_OK);
            report_again(item, &fields, &out);
        }
    }
    report_deinit(&report);
    buffer_deinit(&out);
    field_selection_deinit(&fields);
    yyjson_doc_free(document);
    return 0;
}
