#include "engine/dns/message.h"

#include "engine/dns/name.h"

enum {
    NAME_BYTES_MAX = 255, /* RFC 1035 section 2.3.4 */
    LABEL_MAX = 63,
    POINTER_BITS = 0xc0,
    TYPE_CNAME = 5,
    CLASS_IN = 1,
    TTL_MAX = INT32_MAX, /* RFC 2181 section 8: what is larger is zero */
    FLAG_AD = 0x20,      /* in the fourth byte; RFC 4035 section 3.2.3 */
    RCODE_BITS = 0x0f,
    TLSA_HEAD_BYTES = 3, /* usage, selector, matching type */
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

/* The header's flags, how many records answer, and the name that was asked for. */
static bool read_question(struct reader *reader, uint32_t *flags, uint32_t *answers,
                          struct wire_name *name) {
    uint32_t id, questions, rest;

    return read_number(reader, 2, &id) && read_number(reader, 2, flags) &&
           read_number(reader, 2, &questions) && questions == 1 &&
           read_number(reader, 2, answers) && read_number(reader, 4, &rest) &&
           read_name(reader, name) && read_number(reader, 4, &rest);
}

static bool read_address(struct slice data, enum dns_type type, struct address *out) {
    *out = (struct address){.family = type == DNS_A ? ADDRESS_V4 : ADDRESS_V6};
    if (data.len != address_length(out))
        return false;
    memcpy(out->bytes, data.ptr, data.len);
    return true;
}

static bool add_address(struct dns_answer *answer, enum dns_type type, struct slice data) {
    struct address address;

    if (!read_address(data, type, &address))
        return false;
    for (uint32_t i = 0; i < answer->count; i++)
        if (address_equal(&answer->addresses[i], &address))
            return true;
    answer->addresses[answer->count++] = address;
    return true;
}

static bool add_tlsa(struct dns_answer *answer, struct slice data) {
    if (data.len <= TLSA_HEAD_BYTES)
        return false;
    answer->tlsa[answer->count++] = (struct tlsa){.usage = data.ptr[0],
                                                  .selector = data.ptr[1],
                                                  .matching_type = data.ptr[2],
                                                  .data = slice_from(data, TLSA_HEAD_BYTES)};
    return true;
}

/* One record, if it belongs to `name`; an alias changes that. False when it is no such record. */
static bool take_record(const struct reader *reader, const struct record *record,
                        enum dns_type type, struct wire_name *name, struct dns_answer *out) {
    struct slice data = {reader->message.ptr + record->data_at, record->data_len};

    if (record->class != CLASS_IN || !same_name(&record->owner, name))
        return true;
    if (record->type == TYPE_CNAME) {
        struct reader alias = {.message = reader->message, .at = record->data_at};
        if (!read_name(&alias, name) || alias.at != record->data_at + record->data_len)
            return false;
    } else if (record->type != type) {
        return true;
    } else if (!(type == DNS_TLSA ? add_tlsa(out, data) : add_address(out, type, data))) {
        return false;
    }
    out->ttl_s = record->ttl < out->ttl_s ? record->ttl : out->ttl_s;
    return true;
}

static enum dns_result result_of_code(uint32_t code) {
    static const uint8_t RESULTS[] = {DNS_NO_RECORD, DNS_NONSENSE, DNS_FAILED,
                                      DNS_NO_NAME,   DNS_REFUSED,  DNS_REFUSED};

    return code < sizeof RESULTS ? (enum dns_result)RESULTS[code] : DNS_NONSENSE;
}

static bool is_too_large(const struct dns_answer *answer, uint32_t records_left) {
    size_t bytes = 0;

    for (uint32_t i = 0; i < answer->count; i++)
        bytes += answer->tlsa[i].data.len;
    return bytes > LIMIT_TLSA_BYTES || (answer->count == LIMIT_TLSA_RECORDS && records_left);
}

void message_read(struct slice message, enum dns_type type, struct dns_answer *out) {
    const uint32_t most = type == DNS_TLSA ? LIMIT_TLSA_RECORDS : LIMIT_ADDRESSES;
    struct reader reader = {.message = message};
    struct wire_name name;
    struct record record;
    uint32_t flags, records;

    out->count = 0;
    out->ttl_s = UINT32_MAX;
    out->authentic = false;
    out->result = DNS_NONSENSE;
    if (!read_question(&reader, &flags, &records, &name))
        return;
    out->authentic = (flags & FLAG_AD) != 0;
    out->result = result_of_code(flags & RCODE_BITS);
    if (out->result != DNS_NO_RECORD)
        return;
    bool sound = true;
    for (; sound && records && out->count < most; records--)
        sound = read_record(&reader, &record) && take_record(&reader, &record, type, &name, out);
    if (!sound)
        out->result = DNS_NONSENSE;
    else if (type == DNS_TLSA && is_too_large(out, records))
        out->result = DNS_TOO_LARGE;
    else if (out->count)
        out->result = DNS_FOUND;
    if (out->result != DNS_FOUND)
        out->count = 0;
}
