#include "engine/ct/feed_fields.h"

/* SHA-1 and SHA-256 of zero bytes. */
static const uint8_t SHA1_OF_NOTHING[FEED_SHA1_BYTES] = {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b,
                                                         0x0d, 0x32, 0x55, 0xbf, 0xef, 0x95, 0x60,
                                                         0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09};
static const uint8_t SHA256_OF_NOTHING[FEED_SHA256_BYTES] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

void feed_begin(struct feed_builder *builder, struct arena *arena, struct feed_message *message,
                bool copies) {
    *message = (struct feed_message){0};
    *builder = (struct feed_builder){.message = message, .arena = arena, .copies = copies};
}

/* --- Names of members --- */

/* With a literal, so that the comparison is a few instructions. */
#define IS(literal) (memcmp(name.ptr, literal, sizeof literal - 1) == 0)

static enum feed_field root_field(struct slice name) {
    switch (name.len) {
    case 4:
        return IS("data") ? FEED_DATA_MEMBER : FEED_NO_FIELD;
    case 9:
        return IS("timestamp") ? FEED_TIMESTAMP : FEED_NO_FIELD;
    case 12:
        return IS("message_type") ? FEED_MESSAGE_TYPE : FEED_NO_FIELD;
    default:
        return FEED_NO_FIELD;
    }
}

static enum feed_field data_field(struct slice name) {
    switch (name.len) {
    case 4:
        return IS("seen") ? FEED_SEEN : FEED_NO_FIELD;
    case 5:
        return IS("chain") ? FEED_CHAIN_MEMBER : FEED_NO_FIELD;
    case 6:
        return IS("source") ? FEED_SOURCE_MEMBER : FEED_NO_FIELD;
    case 9:
        return IS("leaf_cert")   ? FEED_LEAF_MEMBER
               : IS("cert_link") ? FEED_CERT_LINK
                                 : FEED_NO_FIELD;
    case 10:
        return IS("cert_index") ? FEED_CERT_INDEX : FEED_NO_FIELD;
    case 11:
        return IS("update_type") ? FEED_UPDATE_TYPE : FEED_NO_FIELD;
    default:
        return FEED_NO_FIELD;
    }
}

static enum feed_field source_field(struct slice name) {
    switch (name.len) {
    case 3:
        return IS("url") ? FEED_SOURCE_URL : FEED_NO_FIELD;
    case 4:
        return IS("name") ? FEED_SOURCE_NAME : IS("type") ? FEED_SOURCE_TYPE : FEED_NO_FIELD;
    default:
        return FEED_NO_FIELD;
    }
}

static enum feed_field leaf_field(struct slice name) {
    switch (name.len) {
    case 4:
        return IS("sha1") ? FEED_SHA1 : FEED_NO_FIELD;
    case 5:
        return IS("is_ca") ? FEED_IS_CA : FEED_NO_FIELD;
    case 6:
        return IS("as_der")   ? FEED_AS_DER
               : IS("sha256") ? FEED_SHA256
               : IS("issuer") ? FEED_ISSUER_MEMBER
                              : FEED_NO_FIELD;
    case 7:
        return IS("subject") ? FEED_SUBJECT_MEMBER : FEED_NO_FIELD;
    case 9:
        return IS("not_after") ? FEED_NOT_AFTER : FEED_NO_FIELD;
    case 10:
        return IS("not_before") ? FEED_NOT_BEFORE : FEED_NO_FIELD;
    case 11:
        return IS("all_domains")   ? FEED_ALL_DOMAINS
               : IS("fingerprint") ? FEED_FINGERPRINT
                                   : FEED_NO_FIELD;
    case 13:
        return IS("serial_number") ? FEED_SERIAL : FEED_NO_FIELD;
    case 19:
        return IS("signature_algorithm") ? FEED_SIGNATURE_ALGORITHM : FEED_NO_FIELD;
    default:
        return FEED_NO_FIELD;
    }
}

static enum feed_field name_field(struct slice name) {
    switch (name.len) {
    case 1:
        return IS("C")   ? FEED_NAME_C
               : IS("L") ? FEED_NAME_L
               : IS("O") ? FEED_NAME_O
                         : FEED_NO_FIELD;
    case 2:
        return IS("CN")   ? FEED_NAME_CN
               : IS("OU") ? FEED_NAME_OU
               : IS("ST") ? FEED_NAME_ST
                          : FEED_NO_FIELD;
    case 10:
        return IS("aggregated") ? FEED_NAME_AGGREGATED : FEED_NO_FIELD;
    case 12: /* CaliDog's server */
        return IS("emailAddress") ? FEED_NAME_EMAIL : FEED_NO_FIELD;
    case 13:
        return IS("email_address") ? FEED_NAME_EMAIL : FEED_NO_FIELD;
    default:
        return FEED_NO_FIELD;
    }
}

enum feed_field feed_field_of(enum feed_place place, struct slice name) {
    switch (place) {
    case FEED_ROOT:
        return root_field(name);
    case FEED_DATA:
        return data_field(name);
    case FEED_SOURCE:
        return source_field(name);
    case FEED_LEAF:
        return leaf_field(name);
    case FEED_SUBJECT:
    case FEED_ISSUER:
        return name_field(name);
    case FEED_CHAIN_CERTIFICATE:
        return name.len == 6 && IS("as_der") ? FEED_CHAIN_DER : FEED_NO_FIELD;
    case FEED_NOWHERE:
    case FEED_DOMAIN_LIST:
    case FEED_CHAIN:
        break;
    }
    return FEED_NO_FIELD;
}

enum feed_place feed_enter_object(enum feed_field field) {
    switch ((int)field) {
    case FEED_DATA_MEMBER:
        return FEED_DATA;
    case FEED_SOURCE_MEMBER:
        return FEED_SOURCE;
    case FEED_LEAF_MEMBER:
        return FEED_LEAF;
    case FEED_SUBJECT_MEMBER:
        return FEED_SUBJECT;
    case FEED_ISSUER_MEMBER:
        return FEED_ISSUER;
    default:
        return FEED_NOWHERE;
    }
}

enum feed_place feed_enter_array(struct feed_builder *builder, enum feed_field field) {
    switch ((int)field) {
    case FEED_DATA_MEMBER: /* of a message with domains only */
    case FEED_ALL_DOMAINS:
        builder->domains.count = 0;
        return FEED_DOMAIN_LIST;
    case FEED_CHAIN_MEMBER:
        builder->chain.count = 0;
        return FEED_CHAIN;
    default:
        return FEED_NOWHERE;
    }
}

/* --- Values --- */

static struct slice keep(struct feed_builder *builder, struct slice text) {
    if (!builder->copies || !text.len)
        return text;
    struct slice copy = arena_copy(builder->arena, text);
    builder->out_of_memory |= !copy.ptr;
    return copy;
}

static void list_add(struct feed_builder *builder, struct feed_list *list, struct slice text) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct slice *items = arena_take(builder->arena, capacity * sizeof *items);
        if (!items) {
            builder->out_of_memory = true;
            return;
        }
        if (list->count)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = text;
}

static enum feed_message_type message_type(struct slice text) {
    return slice_is(text, "certificate_update") ? FEED_MESSAGE_CERTIFICATE_UPDATE
           : slice_is(text, "dns_entries")      ? FEED_MESSAGE_DNS_ENTRIES
           : slice_is(text, "heartbeat")        ? FEED_MESSAGE_HEARTBEAT
                                                : FEED_MESSAGE_OTHER;
}

static enum feed_update_type update_type(struct slice text) {
    return slice_is(text, "X509LogEntry") ? FEED_UPDATE_X509
           : slice_is(text, "PrecertLogEntry") || slice_is(text, "PreCertEntry")
               ? FEED_UPDATE_PRECERT
               : FEED_UPDATE_OTHER;
}

/* Where the text of a field goes; NULL for fields that hold something else. */
static struct slice *text_field(struct feed_builder *builder, enum feed_place place,
                                enum feed_field field) {
    struct feed_message *message = builder->message;
    struct feed_name *name = place == FEED_SUBJECT ? &message->leaf.subject : &message->leaf.issuer;

    switch ((int)field) {
    case FEED_CERT_LINK:
        return &message->cert_link;
    case FEED_SOURCE_URL:
        return &message->source_url;
    case FEED_SOURCE_NAME:
        return &message->source_name;
    case FEED_AS_DER:
        return &message->leaf.as_der;
    case FEED_FINGERPRINT:
        return &builder->fingerprint;
    case FEED_SHA1:
        return &builder->sha1;
    case FEED_SHA256:
        return &builder->sha256;
    case FEED_SERIAL:
        return &message->leaf.serial;
    case FEED_SIGNATURE_ALGORITHM:
        return &message->leaf.signature_algorithm;
    case FEED_NAME_C:
        return &name->country;
    case FEED_NAME_CN:
        return &name->common_name;
    case FEED_NAME_L:
        return &name->locality;
    case FEED_NAME_O:
        return &name->organization;
    case FEED_NAME_OU:
        return &name->organizational_unit;
    case FEED_NAME_ST:
        return &name->state;
    case FEED_NAME_AGGREGATED:
        return &name->aggregated;
    case FEED_NAME_EMAIL:
        return &name->email;
    default:
        return NULL;
    }
}

void feed_string(struct feed_builder *builder, enum feed_place place, enum feed_field field,
                 struct slice text) {
    struct slice *into = text_field(builder, place, field);

    if (into) {
        *into = keep(builder, text);
    } else if (field == FEED_MESSAGE_TYPE) {
        builder->message->type = message_type(text);
        builder->has_type = true;
    } else if (field == FEED_UPDATE_TYPE) {
        builder->message->update_type = update_type(text);
    } else if (field == FEED_SOURCE_TYPE) {
        builder->message->source_is_tiled = slice_is(text, "tiled");
    } else if (field == FEED_CHAIN_DER) {
        list_add(builder, &builder->chain, keep(builder, text));
    }
}

/* `digits` times 10^decimals, cut to an integer; false when that is over 18 digits. */
static bool to_integer(struct slice digits, int32_t decimals, int64_t *out) {
    bool negative = digits.ptr[0] == '-', fraction = false;
    uint64_t number = 0;
    int64_t exponent = decimals, written = 0;
    size_t i = negative;

    for (; i < digits.len && (digits.ptr[i] | 0x20) != 'e'; i++) {
        if (digits.ptr[i] == '.') {
            fraction = true;
        } else if (number < 100000000000000000u) { /* under 18 digits */
            number = 10 * number + (digits.ptr[i] - '0');
            exponent -= fraction;
        } else {
            exponent += !fraction;
        }
    }
    if (i < digits.len) {
        bool minus = digits.ptr[++i] == '-';
        for (i += minus || digits.ptr[i] == '+'; i < digits.len && written < 1000; i++)
            written = 10 * written + (digits.ptr[i] - '0');
        exponent += minus ? -written : written;
    }
    for (; exponent < 0 && number; exponent++)
        number /= 10;
    for (; exponent > 0 && number; exponent--) {
        if (number >= 100000000000000000u)
            return false;
        number *= 10;
    }
    *out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

void feed_number(struct feed_builder *builder, enum feed_field field, struct slice digits) {
    struct feed_message *message = builder->message;
    struct feed_certificate *leaf = &message->leaf;
    int64_t number;

    switch ((int)field) {
    case FEED_CERT_INDEX:
        message->has_cert_index = to_integer(digits, 0, &number) && number >= 0;
        message->cert_index = message->has_cert_index ? (uint64_t)number : 0;
        break;
    case FEED_SEEN:
    case FEED_TIMESTAMP:
        message->has_seen = to_integer(digits, 3, &number);
        message->seen_ms = message->has_seen ? number : 0;
        break;
    case FEED_NOT_BEFORE:
        leaf->has_not_before = to_integer(digits, 0, &number);
        leaf->not_before = leaf->has_not_before ? number : 0;
        break;
    case FEED_NOT_AFTER:
        leaf->has_not_after = to_integer(digits, 0, &number);
        leaf->not_after = leaf->has_not_after ? number : 0;
        break;
    default:
        break;
    }
}

void feed_boolean(struct feed_builder *builder, enum feed_field field, bool value) {
    if (field == FEED_IS_CA) {
        builder->message->leaf.has_is_ca = true;
        builder->message->leaf.is_ca = value;
    }
}

void feed_item(struct feed_builder *builder, enum feed_place place, struct slice text) {
    if (place == FEED_DOMAIN_LIST)
        list_add(builder, &builder->domains, keep(builder, text));
}

/* --- Fingerprints --- */

#define HEX(c)                                                                                     \
    (uint8_t)((c) >= '0' && (c) <= '9'   ? (c) - '0'                                               \
              : (c) >= 'A' && (c) <= 'F' ? (c) - 'A' + 10                                          \
              : (c) >= 'a' && (c) <= 'f' ? (c) - 'a' + 10                                          \
                                         : 0xff)
#define HEX_4(c)  HEX(c), HEX((c) + 1), HEX((c) + 2), HEX((c) + 3)
#define HEX_16(c) HEX_4(c), HEX_4((c) + 4), HEX_4((c) + 8), HEX_4((c) + 12)
#define HEX_64(c) HEX_16(c), HEX_16((c) + 16), HEX_16((c) + 32), HEX_16((c) + 48)
static const uint8_t HEX_VALUES[256] = {HEX_64(0), HEX_64(64), HEX_64(128), HEX_64(192)};

/* Pairs of digits, `step` characters from one to the next, with a colon in between when it is 3. */
static inline bool read_pairs(const uint8_t *text, size_t step, uint8_t *out, size_t len) {
    uint32_t wrong = 0; /* bits that no digit has; bits that no colon has */

    for (size_t i = 0; i < len; i++, text += step) {
        uint32_t high = HEX_VALUES[text[0]], low = HEX_VALUES[text[1]];
        wrong |= high | low;
        if (step == 3 && i + 1 < len)
            wrong |= (uint32_t)(text[2] ^ ':') << 4;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return wrong < 16;
}

/* Exactly `len` bytes, with or without colons. */
static bool read_fingerprint(struct slice text, uint8_t *out, size_t len, const uint8_t *nothing) {
    bool good = text.len == 3 * len - 1 ? read_pairs(text.ptr, 3, out, len)
                                        : text.len == 2 * len && read_pairs(text.ptr, 2, out, len);
    return good && memcmp(out, nothing, len) != 0;
}

enum feed_message_result feed_end(struct feed_builder *builder) {
    struct feed_message *message = builder->message;
    struct feed_certificate *leaf = &message->leaf;
    enum feed_message_result result = builder->out_of_memory ? FEED_MESSAGE_NO_MEMORY
                                      : !builder->has_type   ? FEED_MESSAGE_BAD_SHAPE
                                                             : FEED_MESSAGE_OK;

    if (result != FEED_MESSAGE_OK) {
        *message = (struct feed_message){0};
        return result;
    }
    leaf->has_sha1 =
        read_fingerprint(builder->sha1, leaf->sha1, FEED_SHA1_BYTES, SHA1_OF_NOTHING) ||
        read_fingerprint(builder->fingerprint, leaf->sha1, FEED_SHA1_BYTES, SHA1_OF_NOTHING);
    leaf->has_sha256 =
        read_fingerprint(builder->sha256, leaf->sha256, FEED_SHA256_BYTES, SHA256_OF_NOTHING);
    if (!leaf->has_sha1)
        memset(leaf->sha1, 0, sizeof leaf->sha1);
    if (!leaf->has_sha256)
        memset(leaf->sha256, 0, sizeof leaf->sha256);
    leaf->all_domains = (struct slice_list){builder->domains.items, builder->domains.count};
    message->chain = (struct slice_list){builder->chain.items, builder->chain.count};
    return FEED_MESSAGE_OK;
}
