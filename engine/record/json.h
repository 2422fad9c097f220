/* Pieces of JSON for other formats that nest it. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_JSON_H
#define ENGINE_RECORD_JSON_H

#include "engine/base/buffer.h"
#include "engine/record/fields.h"

/* Appends a string, quoted; what is not UTF-8 as U+FFFD. */
void json_add_text(struct slice text, struct buffer *out);

/* Appends the items of a list field as a JSON array. */
void json_add_list(const struct picked_field *picked, const struct record *record, uint32_t count,
                   struct buffer *out);

#endif
