/* A ct record as bytes and back: what waits for its verdict or its delivery is kept in a store, and
 * must look the same after a restart. Not for others to read: what leaves the program is written by
 * encoders. */
#ifndef ENGINE_RECORD_CT_RECORD_PACK_H
#define ENGINE_RECORD_CT_RECORD_PACK_H

#include "engine/base/buffer.h"
#include "engine/record/ct_record.h"

void ct_record_pack(const struct ct_record *record, struct buffer *out);

/* A record of its own, with one reference; NULL for anything that ct_record_pack has not written,
 * and without memory. */
struct ct_record *ct_record_unpack(struct slice bytes);

#endif
