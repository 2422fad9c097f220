/* The field table: the one place that knows what a record is made of. Encoders walk it, `--fields`
 * picks from it, `trawl list fields` and the documentation print it. Adding a field is one line in
 * a table and one getter. */
#ifndef ENGINE_RECORD_FIELDS_H
#define ENGINE_RECORD_FIELDS_H

#include "engine/base/error.h"
#include "engine/record/record.h"

enum value_kind {
    VALUE_ABSENT = 0, /* null */
    VALUE_TEXT,       /* untrusted bytes, escaped by the encoder */
    VALUE_INTEGER,
    VALUE_REAL, /* written with two decimals; what is not finite as null */
    VALUE_BOOLEAN,
    VALUE_TIME,    /* seconds since 1970, written as RFC 3339 */
    VALUE_TIME_MS, /* milliseconds since 1970 */
    VALUE_HEX,     /* bytes, written as lower-case hexadecimal */
    VALUE_BASE64,  /* bytes, written as base64 */
    VALUE_ADDRESS,
    VALUE_CODE, /* a number of the wire for which there is no name, written as "0x1301"; stands in a
                   field of kind VALUE_TEXT */
};

struct value {
    enum value_kind kind;
    union {
        struct slice bytes; /* TEXT, HEX, BASE64 */
        int64_t integer;    /* INTEGER, TIME, TIME_MS, CODE */
        double real;
        bool boolean;
        const struct address *address; /* of the record */
    };
};

struct field {
    const char
        *name; /* path with at most one dot: "certificate.subject_cn"; of a member, its own name */
    enum value_kind kind; /* of the value, or of each item of a list; VALUE_ABSENT with members */
    const char *summary;  /* one line */
    bool on_request;      /* only written when --fields names it: large or seldom wanted */
    bool always; /* written as null, or as an empty list, when absent; other absent fields and
                    groups are left out */
    /* NULL for a scalar; else how many items this record has */
    uint32_t (*count)(const struct record *record);
    /* The value, or item `index` of a list. Sets VALUE_ABSENT where there is none. */
    void (*get)(const struct record *record, uint32_t index, struct value *out);
    /* For a list of objects: their fields, called with the object's index; `get` is then NULL. */
    const struct field *members;
    uint32_t member_count;
    uint32_t parts; /* of the record that it shows: enum record_part */
    /* Of a field that only ever holds one of some words: the number-th of them, which may be empty
     * for none of them, and NULL behind the last. NULL for other fields. */
    const char *(*word)(uint32_t number);
};

/* The fields of a group ("tls.version", "tls.cipher") stand together in the table. */
struct record_kind {
    const char *name; /* "probe" */
    const struct field *fields;
    uint32_t field_count;
};

enum {
    FIELDS_MAX = 128, /* of a kind, so that an encoder can hold all values of a record at once */
    MEMBERS_MAX = 16, /* of a list's objects */
};

/* The name of a field or group as encoders write it. There are always FIELD_KEY_STEP bytes to read
 * at the start of any step, so that whole steps may be copied. */
struct field_key {
    struct slice name;    /* without its group: "subject_cn"; at most FIELD_NAME_MAX bytes */
    struct slice json;    /* with the comma before it: `,"subject_cn":`, of a group `,"tls":{` */
    struct slice msgpack; /* as a fixstr: a byte with its length before it */
};

enum { FIELD_KEY_STEP = 32, FIELD_NAME_MAX = 31 };

/* A field that is to be written. */
struct picked_field {
    const struct field *field;
    struct field_key key;
    uint32_t group;                     /* index into `groups`; 0 for the record itself */
    const struct picked_field *members; /* as many as field->member_count */
};

/* Which fields to write, in table order. Made once, before the workers start; read-only then. */
struct field_selection {
    const struct record_kind *kind;
    const struct picked_field *fields;
    uint32_t count;
    const struct field_key *groups; /* nested objects; the first stands for the record itself */
    uint32_t parts;                 /* of all that is picked: enum record_part */
    struct arena memory;
};

/* `names` is a list with commas: full names, or the name of a group ("certificate", "tls"), which
 * takes all its fields, those on request too; NULL for the default fields. An unknown name is a
 * usage error that names the nearest one. */
enum error field_selection_init(struct field_selection *selection, const struct record_kind *kind,
                                const char *names, struct failure *failure)
    __attribute__((warn_unused_result));
/* All fields of the kind, those on request too. */
enum error field_selection_init_all(struct field_selection *selection,
                                    const struct record_kind *kind, struct failure *failure)
    __attribute__((warn_unused_result));
void field_selection_deinit(struct field_selection *selection);

/* The field or group whose name is nearest to `word`; empty when none is near. */
struct slice field_nearest(const struct record_kind *kind, struct slice word);

#endif
