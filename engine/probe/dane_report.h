/* From the TLSA records of a name and what its server showed to what a record says of them. Runs on
 * the worker, before the record is judged. */
#ifndef ENGINE_PROBE_DANE_REPORT_H
#define ENGINE_PROBE_DANE_REPORT_H

#include "engine/base/tlsa.h"
#include "engine/record/record.h"

struct trust_checker;

/* What DNS says. Owns `set`. */
struct tlsa_answer {
    struct tlsa_set *set; /* NULL when there are no records */
    bool secure;          /* by the word of the resolver, also of their absence */
    const char *error;    /* static words when nothing is known; else NULL */
};

void tlsa_answer_deinit(struct tlsa_answer *answer);

/* Fills record->dane; certificate, name and trust are in the record already. `chain` is what the
 * server sent; `checker` need not have roots. False when there is no memory. */
bool dane_report(struct probe_record *record, const struct tlsa_answer *answer,
                 struct slice_list chain, struct trust_checker *checker, int64_t unix_seconds);

#endif
