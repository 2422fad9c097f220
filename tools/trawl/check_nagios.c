/* One line for Nagios and all that took over its plugin interface:
 *
 *     TLS WARNING - www.example.org:443: certificate 'www.example.org' from 'Example CA' expires in
 *     6 days (2026-11-27) | days_chain_elem1=6;14;3;; days_chain_elem2=1102;14;3;;
 *
 * Exit status and performance data are those of check_ssl_cert: a server that cannot be reached is
 * critical; unknown is what the check itself could not do. */
#include "tools/trawl/check_verdict.h"

#include "engine/base/text.h"

static const char *const words[STATUS_COUNT] = {
    [STATUS_UNKNOWN] = "UNKNOWN",   [STATUS_OK] = "OK",          [STATUS_WARNING] = "WARNING",
    [STATUS_CRITICAL] = "CRITICAL", [STATUS_ERROR] = "CRITICAL",
};

static void add_element(uint32_t number, int64_t days, double warning, double critical,
                        struct buffer *out) {
    buffer_add_format(out, "%sdays_chain_elem%u=%lld;%.6g;%.6g;;", number == 1 ? "" : " ", number,
                      (long long)days, warning, critical);
}

static void add_performance(const struct check_answer *answer, const struct probe_record *record,
                            struct buffer *out) {
    double warning, critical;
    uint32_t number = 1;

    check_thresholds(answer, record, &warning, &critical);
    add_element(number++, check_days(record->days_left), warning, critical, out);
    for (uint32_t i = 0; i < record->chain_count; i++, number++)
        if (record->chain[i].readable)
            add_element(number, check_days_until(record->chain[i].not_after, record->time_ms),
                        warning, critical, out);
}

/* The bar parts text and performance data. */
static void end_text(struct buffer *out, size_t start) {
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] == '|')
            out->ptr[i] = '/';
}

static void write_line(const struct check_answer *answer, struct buffer *out) {
    enum status verdict;
    const struct probe_record *record = check_worst(answer, &verdict);
    size_t start = out->len;

    buffer_add_format(out, "TLS %s - ", words[verdict]);
    if (answer->count > 1)
        buffer_add_format(out, "%u checked, the worst: ", answer->count);
    check_add_subject(record, out);
    buffer_add_text(out, ": ");
    if (record->has_certificate) {
        buffer_add_text(out, "certificate '");
        check_add_holder(record, out);
        buffer_add_text(out, "' from '");
        check_add_issuer(record, out);
        buffer_add_text(out, "' ");
    }
    check_add_reason(record, answer->ignored, out);
    end_text(out, start);
    if (record->has_certificate) {
        buffer_add_text(out, " | ");
        add_performance(answer, record, out);
    }
    buffer_add_byte(out, '\n');
}

static void write_failure(const char *text, struct buffer *out) {
    size_t start = out->len;

    buffer_add_text(out, "TLS UNKNOWN - ");
    text_add_safe(out, slice_of(text));
    end_text(out, start);
    buffer_add_byte(out, '\n');
}

const struct check_form check_nagios = {
    .name = "nagios",
    .write = write_line,
    .write_failure = write_failure,
    .exit_codes = {[STATUS_UNKNOWN] = 3,
                   [STATUS_OK] = 0,
                   [STATUS_WARNING] = 1,
                   [STATUS_CRITICAL] = 2,
                   [STATUS_ERROR] = 2},
    .exit_failure = 3,
};
