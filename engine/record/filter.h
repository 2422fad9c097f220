/* Which records a sink wants, as a user writes it behind its name:
 *
 *     -o 'results.jsonl#only=status:critical,warning&only=plan:grab'
 *     -o 'webhook+https://hooks.example.org/in?key=1&only=!outcome:ok'
 *
 * A condition names a field and what it may be; a list matches when any of its items does, a field
 * or group that a record lacks does not match; "!" turns the answer round. All conditions must
 * hold.
 *
 * A filter is built once from the field tables and never changes: any number of threads may ask it
 * at the same time. Records come as they are made, or as the MessagePack that was made of one. */
#ifndef ENGINE_RECORD_FILTER_H
#define ENGINE_RECORD_FILTER_H

#include "engine/record/fields.h"

enum {
    FILTER_KINDS_MAX = 2, /* kinds of records: "probe", "ct" */
    FILTER_CONDITIONS_MAX = 16,
    FILTER_VALUES_MAX = 256, /* of one condition */
};

struct filter;

/* Parts a spec into what the sink is given (`spec`) and its conditions, joined by "&"
 * (`conditions`, NULL when there are none). `only=` begins behind the "?" or "#" of a spec, or
 * behind "&" or, behind
 * "#", a comma; it reaches to the next "&" or "#". What does not begin like that stays as it is.
 * Both texts are the caller's to free. */
enum error filter_cut(const char *text, char **spec, char **conditions, struct failure *failure)
    __attribute__((warn_unused_result));

/* `kinds` are those that records may be of, NULL-terminated; a field of any of them is known. A
 * field that there is not, or a word that it never holds, is a usage error that names the nearest
 * one. In values "%2C" and the like stand for bytes that mean something here. */
enum error filter_new(struct filter **out, const struct record_kind *const *kinds,
                      const char *conditions, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void filter_free(struct filter *filter);

bool filter_matches(const struct filter *filter, const struct record *record);

/* The same of a record packed with all its fields. `record` is whole (msgpack_value_length); what
 * is no map matches as a record without any field does. */
bool filter_matches_packed(const struct filter *filter, struct slice record);

/* What parts of a record it looks at: enum record_part. */
uint32_t filter_parts(const struct filter *filter);

#endif
