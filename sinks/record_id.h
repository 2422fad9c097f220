/* The id that stands in an encoded record, as its last member (fields.c). Pure. */
#ifndef SINKS_RECORD_ID_H
#define SINKS_RECORD_ID_H

#include "engine/base/slice.h"

enum { RECORD_ID_MAX = 64 }; /* with the terminator */

/* Of a line of JSON without its end, or of a MessagePack map. Without an id there, 128 bits of
 * SHA-256 over the record. */
void record_id_of_json(struct slice record, char out[RECORD_ID_MAX]);
void record_id_of_msgpack(struct slice record, char out[RECORD_ID_MAX]);

#endif
