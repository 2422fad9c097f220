/* Records as bytes. An encoder is a constant: it keeps nothing between records but what `struct
 * encoding` holds, so workers encode in parallel, each with its own buffer. Adding a format is one
 * file and one line in encoders.c. */
#ifndef ENGINE_RECORD_ENCODER_H
#define ENGINE_RECORD_ENCODER_H

#include "engine/base/buffer.h"
#include "engine/record/fields.h"

struct encoding {
    const struct encoder *encoder;
    const struct field_selection *fields;
    uint16_t terminal_columns; /* for the table; 0 for no limit */
    bool color;                /* for the table */
};

struct encoder {
    const char *name;         /* "json" */
    const char *suffix;       /* of files: ".jsonl"; NULL when none means this format */
    const char *other_suffix; /* that means it too, or NULL */
    const char *summary;
    bool takes_fields; /* false when --fields means nothing to it */
    uint32_t parts;    /* of a record that it writes whatever the fields: enum record_part */
    /* Appends what stands once at the head of a file or stream; NULL when there is nothing. */
    void (*begin)(const struct encoding *encoding, struct buffer *out);
    /* Appends one record, with its newline if the format has one. Never more than the record's own
     * size times a small factor; a record without anything to write for this format appends
     * nothing. */
    void (*encode)(const struct encoding *encoding, const struct record *record,
                   struct buffer *out);
};

/* What parts of a record are written. */
uint32_t encoding_parts(const struct encoding *encoding);

/* NULL-terminated: json, csv, msgpack, pem, names, table, webhook. */
extern const struct encoder *const encoders[];

extern const struct encoder json_encoder, csv_encoder, msgpack_encoder, pem_encoder, names_encoder,
    table_encoder, webhook_encoder;

/* By name, or by a file's suffix in any case, with ".gz" behind it or not; NULL when there is none.
 */
const struct encoder *encoder_by_name(struct slice name);
const struct encoder *encoder_by_path(struct slice path);

#endif
