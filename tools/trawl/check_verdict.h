/* One word on a record, and the words that explain it. A record's own status is of its dates alone;
 * the verdict of a check counts trust, name and strength too. Pure. */
#ifndef TOOLS_TRAWL_CHECK_VERDICT_H
#define TOOLS_TRAWL_CHECK_VERDICT_H

#include "tools/trawl/check_form.h"

/* What a finding counts for: STATUS_OK for one that only informs. */
enum status check_severity(const struct probe_record *record, enum finding finding);

/* The worst of what counts; STATUS_ERROR when there is no certificate to judge, STATUS_UNKNOWN when
 * the probe was cancelled. */
enum status check_verdict(const struct probe_record *record, uint64_t ignored);

/* The record with the worst verdict, the first of several. */
const struct probe_record *check_worst(const struct check_answer *answer, enum status *verdict);

/* Whole days, rounded down: -1 from the moment of expiry on. */
int64_t check_days(double days);
int64_t check_days_until(int64_t not_after, int64_t now_ms);

/* The thresholds in days for the record's certificate. */
void check_thresholds(const struct check_answer *answer, const struct probe_record *record,
                      double *warning, double *critical);

/* "expires in 6 days (2026-11-27), not trusted: unknown issuer", safe on a terminal, one line. */
void check_add_reason(const struct probe_record *record, uint64_t ignored, struct buffer *out);

/* "www.example.org:443", "smtp://mail.example.org:25", or the path of a file. Safe, one word but
 * for blanks of a path. */
void check_add_subject(const struct probe_record *record, struct buffer *out);

/* The certificate's common name, else the first of its names or addresses, else its subject; of the
 * issuer the common name, else the organization. Safe, and cut. */
void check_add_holder(const struct probe_record *record, struct buffer *out);
void check_add_issuer(const struct probe_record *record, struct buffer *out);

bool check_is_file(const struct probe_record *record);

/* A name of the records as words: "unknown_issuer" as "unknown issuer". */
void check_add_words(struct slice name, struct buffer *out);

/* Untrusted text, safe on a terminal and not much longer than a line. */
void check_add_cut(struct slice text, struct buffer *out);

/* Only the date, "2026-11-27". */
void check_add_date(int64_t unix_seconds, struct buffer *out);

#endif
