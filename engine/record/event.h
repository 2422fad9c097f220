/* A probe's record as an event: an envelope that those who pass on messages understand, around the
 * record's own fields. Part of webhook.c. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_EVENT_H
#define ENGINE_RECORD_EVENT_H

#include "engine/record/encoder.h"

/* Appends a JSON object but for its closing brace: schema_version, event, ts (seconds since 1970),
 * title and message for a person, priority (low, normal, high, urgent), then the selected fields of
 * the record. */
void event_add(const struct encoding *encoding, const struct probe_record *record,
               struct buffer *out);

#endif
