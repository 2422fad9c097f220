/* A packed record, found again: where in its MessagePack the fields are that the store knows.
 *
 * The bytes may be of a stranger's stream: whatever they are, views stay inside them, and what is
 * not of the kind that a field has counts as absent. Pure, safe on every thread. */
#ifndef SINKS_STORE_RECORD_VIEW_H
#define SINKS_STORE_RECORD_VIEW_H

#include "engine/base/arena.h"
#include "engine/base/slice.h"

/* In the order of the table in record_view.c. */
enum view_field {
    VIEW_RECORD,
    VIEW_ID,
    VIEW_TIME,
    VIEW_HOST,
    VIEW_IP,
    VIEW_PORT,
    VIEW_PROTOCOL,
    VIEW_OUTCOME,
    VIEW_STATUS,
    VIEW_DAYS_LEFT,
    VIEW_CHAIN,
    VIEW_CERTIFICATE, /* the group; its members: */
    VIEW_SUBJECT,
    VIEW_ISSUER,
    VIEW_ISSUER_CN,
    VIEW_ISSUER_O,
    VIEW_SERIAL,
    VIEW_NOT_BEFORE,
    VIEW_NOT_AFTER,
    VIEW_DNS_NAMES,
    VIEW_IP_ADDRESSES,
    VIEW_FINGERPRINT_SHA256,
    VIEW_FINGERPRINT_SHA1,
    VIEW_TBS_SHA256,
    VIEW_SPKI_SHA256,
    VIEW_KEY_TYPE,
    VIEW_KEY_BITS,
    VIEW_SIGNATURE_ALGORITHM,
    VIEW_IS_CA,
    VIEW_SELF_SIGNED,
    VIEW_DER,
    VIEW_UPDATE_TYPE, /* from here on of a log's entry */
    VIEW_SOURCE_LOG,
    VIEW_LOG_ID,
    VIEW_INDEX,
    VIEW_SEEN_AT,
    VIEW_ENTRY_TIME,
    VIEW_VERDICT,
    VIEW_SEVERITY,
    VIEW_KNOWN_BY,
    VIEW_ISSUANCE_ID,
    VIEW_FIELDS,
};

struct record_view {
    struct slice bytes;               /* the whole map */
    struct slice values[VIEW_FIELDS]; /* packed; empty when absent */
};

/* Takes the record at the front of `bytes`; false when it is not a whole map. */
bool record_view_take(struct slice *bytes, struct record_view *out);

/* The pairs of a packed map, or the items of a list, one after another. */
struct packed_walk {
    struct slice rest;
    uint32_t left;
    bool is_map;
};
/* False when it is no such value. */
bool packed_walk_init(struct packed_walk *walk, struct slice packed, bool is_map);
/* `key` is the text, `value` packed. False behind the last. */
bool packed_walk_next(struct packed_walk *walk, struct slice *key, struct slice *value);

/* --- Packed values as what they mean; false when they are something else --- */

/* Valid UTF-8 without a zero byte, at most `most` bytes; copied into `arena` where it must be
 * mended, and an empty text when there is no memory. */
bool packed_text(struct slice packed, size_t most, struct arena *arena, struct slice *out);
bool packed_integer(struct slice packed, int64_t *out);
bool packed_real(struct slice packed, double *out); /* finite */
bool packed_boolean(struct slice packed, bool *out);
/* Bytes of a text in hexadecimal or base64, in `arena`. */
bool packed_hex(struct slice packed, struct arena *arena, struct slice *out);
bool packed_base64(struct slice packed, struct arena *arena, struct slice *out);
/* RFC 3339 in UTC, as records have it, in milliseconds since 1970. */
bool packed_time_ms(struct slice packed, int64_t *out);

/* The same of a text: "2026-11-21T03:56:45Z", with three decimals or none. */
bool text_to_time_ms(struct slice text, int64_t *out);

#endif
