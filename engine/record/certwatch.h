/* The payload that certwatch sends to its webhook, and what we know beyond it. Part of webhook.c.
 * Pure, safe on every thread. */
#ifndef ENGINE_RECORD_CERTWATCH_H
#define ENGINE_RECORD_CERTWATCH_H

#include "engine/base/buffer.h"
#include "engine/record/ct_record.h"

/* Appends a JSON object but for its closing brace. certwatch's own members come first, all of them,
 * always: times are seconds since 1970, a text that is not known is empty, a number null. Of ours
 * those that are not known are left out. */
void certwatch_add(const struct ct_record *record, struct buffer *out);

#endif
