/* The forms in which `trawl check` answers: a verdict for a person or for a monitoring system.
 * Pure: records in, text out. Adding a form: one file with a `const struct check_form`, a line and
 * a name in check_forms.c. */
#ifndef TOOLS_TRAWL_CHECK_FORM_H
#define TOOLS_TRAWL_CHECK_FORM_H

#include "engine/probe/judge.h"
#include "engine/record/encoder.h"
#include "tools/trawl/command.h"

/* PRTG's channel Common Name Check. */
enum name_validation { VALIDATE_NONE, VALIDATE_CN, VALIDATE_CN_SAN };

/* All that an answer is made of. */
struct check_answer {
    struct probe_record *const *records;
    uint32_t count; /* at least 1 */
    const struct judge_policy *policy;
    uint64_t ignored; /* findings that do not count: bits as in a record */
    enum name_validation validation;
    const struct encoding *encoding; /* for the record itself, and whether there is color */
};

enum { CHECK_NOT_FIXED = 255 };

struct check_form {
    const char *name;
    void (*write)(const struct check_answer *answer, struct buffer *out);
    /* What is printed when there is no record, as after wrong usage; NULL: it goes to standard
     * error. `words` is one sentence. */
    void (*write_failure)(const char *words, struct buffer *out);
    uint8_t exit_codes[STATUS_COUNT];
    uint8_t exit_failure; /* or CHECK_NOT_FIXED: by the failure */
};

/* Of the forms whose exit status is the program's own. */
#define CHECK_EXIT_CODES                                                                           \
    {EXIT_FAILED, EXIT_DONE, EXIT_WARNING, EXIT_CRITICAL, EXIT_CRITICAL} /* by enum status */

/* As many as there are names; the names are NULL-terminated. */
extern const struct check_form *const check_forms[];
extern const char *const check_form_names[];
extern const struct check_form check_human, check_json, check_nagios, check_prtg, check_prtg_v2,
    check_prometheus;

enum { CHECK_HUMAN, CHECK_JSON, CHECK_NAGIOS, CHECK_PRTG, CHECK_PRTG_V2, CHECK_PROMETHEUS };

#endif
