#include "engine/dns/message.h"

#include "engine/dns/name.h"

enum {
    HEADER_BYTES = 12,
    NAME_BYTES_MAX = 255, /* RFC 1035 section 2.3.4 */
    LABEL_MAX = 63,
    POINTER_BITS = 0xc0,
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
    CLASS_IN = 1,
    TTL_MAX = INT32_MAX, /* RFC 2181 section 8: what is larger is zero */
};

/* A name as on the wire: labels with their lengths, not compressed, in lower case. */
struct wire_name {
    uint8_t bytes[NAME_BYTES_MAX];
    size_t len;
};

struct record {
    struct wire_name owner;
    uint32_t type, class, ttl;
    size_t data_at, data_len;
};

struct reader {
    struct slice message;
    size_t at;
};

static bool read_number(struct reader *reader, int size, uint32_t *out) {
    if (reader->message.len - reader->at < (size_t)size)
        return false;
    for (*out = 0; size; size--)
        *out = *out << 8 | reader->message.ptr[reader->at++];
    return true;
}

static bool add_label(struct wire_name *name, const uint8_t *label, size_t len) {
    if (name->len + 1 + len > sizeof name->bytes)
        return false;
    name->bytes[name->len++] = (uint8_t)len;
    for (size_t i = 0; i < len; i++)
        name->bytes[name->len++] = name_lower(label[i]);
    return true;
}

/* Each pointer leads to before where the labels that it ends began, so that there is an end. */
static bool read_name(struct reader *reader, struct wire_name *out) {
    const uint8_t *bytes = reader->message.ptr;
    size_t len = reader->message.len, at = reader->at, began = at;
    bool pointed = false;

    for (out->len = 0;;) {
        if (at >= len)
            return false;
        size_t label = bytes[at++];
        if (label >= POINTER_BITS) {
            if (at >= len)
                return false;
            size_t target = (label & ~(size_t)POINTER_BITS) << 8 | bytes[at++];
            if (!pointed)
                reader->at = at;
            pointed = true;
            if (target >= began)
                return false;
            at = began = target;
            continue;
        }
        if (label > LABEL_MAX || label > len - at || !add_label(out, bytes + at, label))
            return false;
        at += label;
        if (label > 0)
            continue;
        if (!pointed)
            reader->at = at;
        return true;
    }
}

static bool same_name(const struct wire_name *a, const struct wire_name *b) {
    return slice_equal((struct slice){a->bytes, a->len}, (struct slice){b->bytes, b->len});
}

static bool read_record(struct reader *reader, struct record *out) {
    uint32_t data_len;

    if (!read_name(reader, &out->owner) || !read_number(reader, 2, &out->type) ||
        !read_number(reader, 2, &out->class) || !read_number(reader, 4, &out->ttl) ||
        !read_number(reader, 2, &data_len) || data_len > reader->message.len - reader->at)
        return false;
    if (out->ttl > TTL_MAX)
        out->ttl = 0;
    out->data_at = reader->at;
    out->data_len = data_len;
    reader->at += data_len;
    return true;
}

static bool read_question(struct reader *reader, uint32_t *answers, struct wire_name *name) {
    uint32_t head, questions, rest;

    return read_number(reader, 4, &head) && read_number(reader, 2, &questions) && questions == 1 &&
           read_number(reader, 2, answers) && read_number(reader, 4, &rest) &&
           read_name(reader, name) && read_number(reader, 4, &rest);
}

static bool read_address(const struct reader *reader, const struct record *record, uint8_t family,
                         struct address *out) {
    *out = (struct address){.family = family};
    if (record->data_len != address_length(out))
        return false;
    memcpy(out->bytes, reader->message.ptr + record->data_at, record->data_len);
    return true;
}

static void add_address(struct dns_answer *answer, const struct address *address) {
    for (uint32_t i = 0; i < answer->count; i++)
        if (address_equal(&answer->addresses[i], address))
            return;
    answer->addresses[answer->count++] = *address;
}

/* One record, if it belongs to `name`; an alias changes that. False when it is no such record. */
static bool take_record(const struct reader *reader, const struct record *record, uint8_t family,
                        struct wire_name *name, struct dns_answer *out) {
    struct address address;

    if (record->class != CLASS_IN || !same_name(&record->owner, name))
        return true;
    if (record->type == TYPE_CNAME) {
        struct reader data = {.message = reader->message, .at = record->data_at};
        if (!read_name(&data, name) || data.at != record->data_at + record->data_len)
            return false;
    } else if (record->type == (family == ADDRESS_V4 ? TYPE_A : TYPE_AAAA)) {
        if (!read_address(reader, record, family, &address))
            return false;
        add_address(out, &address);
    } else {
        return true;
    }
    out->ttl_s = record->ttl < out->ttl_s ? record->ttl : out->ttl_s;
    return true;
}

void message_read(struct slice message, uint8_t family, struct dns_answer *out) {
    struct reader reader = {.message = message};
    struct wire_name name;
    struct record record;
    uint32_t records;

    out->count = 0;
    out->ttl_s = UINT32_MAX;
    bool sound = read_question(&reader, &records, &name);
    for (; sound && records && out->count < LIMIT_ADDRESSES; records--)
        sound = read_record(&reader, &record) && take_record(&reader, &record, family, &name, out);
    if (!sound)
        out->count = 0;
    out->result = !sound ? DNS_NONSENSE : out->count ? DNS_ADDRESSES : DNS_NO_ADDRESS;
}
