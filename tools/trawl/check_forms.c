#include "tools/trawl/check_form.h"

const struct check_form *const check_forms[] = {
    &check_human, &check_json, &check_nagios, &check_prtg, &check_prtg_v2, &check_prometheus,
};

const char *const check_form_names[] = {"human",   "json",       "nagios", "prtg",
                                        "prtg-v2", "prometheus", NULL};

static void write_json(const struct check_answer *answer, struct buffer *out) {
    for (uint32_t i = 0; i < answer->count; i++)
        json_encoder.encode(answer->encoding, &answer->records[i]->head, out);
}

const struct check_form check_json = {
    .name = "json",
    .write = write_json,
    .exit_codes = CHECK_EXIT_CODES,
    .exit_failure = CHECK_NOT_FIXED,
};
