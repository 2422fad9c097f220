/* What the members of a certstream message mean. Two readers walk a message in its own order, one
 * by hand and one with a JSON parser, and report what they find; what becomes of it is decided here
 * for both. Internal to engine/ct. */
#ifndef ENGINE_CT_FEED_FIELDS_H
#define ENGINE_CT_FEED_FIELDS_H

#include "engine/ct/feed_message.h"

/* Where a reader is: in which object, or in which array. */
enum feed_place {
    FEED_NOWHERE = 0, /* nothing in here matters */
    FEED_ROOT,
    FEED_DATA,
    FEED_SOURCE,
    FEED_LEAF,
    FEED_SUBJECT,
    FEED_ISSUER,
    FEED_CHAIN_CERTIFICATE,
    FEED_DOMAIN_LIST, /* arrays from here on */
    FEED_CHAIN,
};

enum feed_field {
    FEED_NO_FIELD = 0,
    FEED_MESSAGE_TYPE,
    FEED_TIMESTAMP,
    FEED_DATA_MEMBER,
    FEED_UPDATE_TYPE,
    FEED_CERT_INDEX,
    FEED_CERT_LINK,
    FEED_SEEN,
    FEED_SOURCE_MEMBER,
    FEED_LEAF_MEMBER,
    FEED_CHAIN_MEMBER,
    FEED_SOURCE_URL,
    FEED_SOURCE_NAME,
    FEED_SOURCE_TYPE,
    FEED_ALL_DOMAINS,
    FEED_AS_DER,
    FEED_FINGERPRINT,
    FEED_SHA1,
    FEED_SHA256,
    FEED_NOT_BEFORE,
    FEED_NOT_AFTER,
    FEED_SERIAL,
    FEED_SIGNATURE_ALGORITHM,
    FEED_SUBJECT_MEMBER,
    FEED_ISSUER_MEMBER,
    FEED_IS_CA,
    FEED_NAME_C,
    FEED_NAME_CN,
    FEED_NAME_L,
    FEED_NAME_O,
    FEED_NAME_OU,
    FEED_NAME_ST,
    FEED_NAME_AGGREGATED,
    FEED_NAME_EMAIL,
    FEED_CHAIN_DER,
};

/* A list that grows in the arena. */
struct feed_list {
    struct slice *items;
    uint32_t count, capacity;
};

struct feed_builder {
    struct feed_message *message;
    struct arena *arena;
    bool copies; /* strings do not outlive the reader */
    bool has_type, out_of_memory;
    struct slice sha1, sha256, fingerprint; /* as text */
    struct feed_list domains, chain;
};

void feed_begin(struct feed_builder *builder, struct arena *arena, struct feed_message *message,
                bool copies);

/* The member of that name of an object at `place`. */
enum feed_field feed_field_of(enum feed_place place, struct slice name);

/* Where one is inside an object or array that is the value of a member. To be called when it
 * begins. */
enum feed_place feed_enter_object(enum feed_field field);
enum feed_place feed_enter_array(struct feed_builder *builder, enum feed_field field);

/* The value of a member: a string without its escapes, a number as it is written (JSON's grammar
 * has been checked), a boolean. Null is not reported. */
void feed_string(struct feed_builder *builder, enum feed_place place, enum feed_field field,
                 struct slice text);
void feed_number(struct feed_builder *builder, enum feed_field field, struct slice digits);
void feed_boolean(struct feed_builder *builder, enum feed_field field, bool value);

/* A string in an array at `place`. */
void feed_item(struct feed_builder *builder, enum feed_place place, struct slice text);

/* After the last byte of a well-formed message. */
enum feed_message_result feed_end(struct feed_builder *builder);

#endif
