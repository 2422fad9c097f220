/* Distinguished names as text, RFC 4514. */
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/x509/certificate_parts.h"

/* Attributes of one name that are shown. Real names have under 20; one of 100 KB has thousands. */
enum { ATTRIBUTES_MAX = 256 };

struct attribute {
    struct slice oid, value;
    uint8_t tag;
    struct slice element; /* the value with its header */
    bool first;           /* of its RelativeDistinguishedName */
};

/* --- Short names --- */

/* 2.5.4.n, X.520. RFC 4514 section 3 names CN, L, ST, O, OU, C and STREET; the others are
 * OpenSSL's. */
static const char *const x520_names[] = {
    [3] = "CN",
    [4] = "SN",
    [5] = "serialNumber",
    [6] = "C",
    [7] = "L",
    [8] = "ST",
    [9] = "STREET",
    [10] = "O",
    [11] = "OU",
    [12] = "title",
    [13] = "description",
    [14] = "searchGuide",
    [15] = "businessCategory",
    [16] = "postalAddress",
    [17] = "postalCode",
    [18] = "postOfficeBox",
    [19] = "physicalDeliveryOfficeName",
    [20] = "telephoneNumber",
    [21] = "telexNumber",
    [22] = "teletexTerminalIdentifier",
    [23] = "facsimileTelephoneNumber",
    [24] = "x121Address",
    [25] = "internationaliSDNNumber",
    [26] = "registeredAddress",
    [27] = "destinationIndicator",
    [28] = "preferredDeliveryMethod",
    [41] = "name",
    [42] = "GN",
    [43] = "initials",
    [44] = "generationQualifier",
    [45] = "x500UniqueIdentifier",
    [46] = "dnQualifier",
    [49] = "distinguishedName",
    [50] = "uniqueMember",
    [51] = "houseIdentifier",
    [54] = "dmdName",
    [65] = "pseudonym",
    [72] = "role",
    [97] = "organizationIdentifier",
    [98] = "c3",
    [99] = "n3",
    [100] = "dnsName",
};

static const struct {
    struct slice oid;
    const char *name;
} other_names[] = {
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress"}, /* 1.2.840.113549.1.9.1 */
    {OID("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC"},       /* 0.9.2342.19200300.100.1.25 */
    {OID("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID"},
    {OID("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x03"), "mail"},
    {OID("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01"), /* 1.3.6.1.4.1.311.60.2.1.1 */
     "jurisdictionL"},
    {OID("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02"), "jurisdictionST"},
    {OID("\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03"), "jurisdictionC"},
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"), "unstructuredName"},
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08"), "unstructuredAddress"},
    {OID("\x2a\x85\x03\x03\x81\x03\x01\x01"), "INN"}, /* 1.2.643.3.131.1.1 */
    {OID("\x2a\x85\x03\x64\x01"), "OGRN"},            /* 1.2.643.100.1 */
    {OID("\x2a\x85\x03\x64\x03"), "SNILS"},           /* 1.2.643.100.3 */
};

static const char *short_name(struct slice oid) {
    if (oid.len == 3 && memcmp(oid.ptr, "\x55\x04", 2) == 0) {
        size_t arc = oid.ptr[2];
        return arc < sizeof x520_names / sizeof x520_names[0] ? x520_names[arc] : NULL;
    }
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (slice_equal(other_names[i].oid, oid))
            return other_names[i].name;
    }
    return NULL;
}

/* --- Values --- */

/* Takes a big-endian number of `len` bytes. */
static bool get_number(struct slice *in, size_t len, uint32_t *number) {
    if (in->len < len)
        return false;
    *number = 0;
    for (size_t i = 0; i < len; i++)
        *number = *number << 8 | in->ptr[i];
    *in = slice_from(*in, len);
    return true;
}

static bool is_between(uint32_t code, uint32_t first, uint32_t last) {
    return code >= first && code <= last;
}

/* Takes the next character off a BMPString (as UTF-16, which some put there) or UniversalString. */
static bool get_wide(struct slice *in, uint8_t tag, uint32_t *code) {
    uint32_t low;

    if (tag == DER_UNIVERSAL_STRING)
        return get_number(in, 4, code) && *code <= 0x10ffff && !is_between(*code, 0xd800, 0xdfff);
    if (!get_number(in, 2, code) || is_between(*code, 0xdc00, 0xdfff))
        return false;
    if (!is_between(*code, 0xd800, 0xdbff))
        return true;
    if (!get_number(in, 2, &low) || !is_between(low, 0xdc00, 0xdfff))
        return false;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t put_utf8(uint32_t code, uint8_t *at) {
    if (code < 0x80) {
        at[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        at[0] = (uint8_t)(0xc0 | code >> 6);
        at[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        at[0] = (uint8_t)(0xe0 | code >> 12);
        at[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        at[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    at[0] = (uint8_t)(0xf0 | code >> 18);
    at[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    at[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    at[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* Appends a value as UTF-8; false, with nothing appended, when it is no string or a broken one. */
static bool add_utf8(uint8_t tag, struct slice value, struct buffer *out) {
    uint8_t *start = buffer_reserve(out, 2 * value.len); /* one byte becomes two at most */
    uint8_t *at = start;
    uint32_t code;

    if (!start)
        return false;
    switch (tag) {
    case DER_UTF8_STRING:
        buffer_add_slice(out, value);
        return true;
    case DER_PRINTABLE_STRING:
    case DER_IA5_STRING:
    case DER_T61_STRING:
    case DER_NUMERIC_STRING:
    case DER_VISIBLE_STRING:
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
        for (size_t i = 0; i < value.len; i++)
            at += put_utf8(value.ptr[i], at);
        break;
    case DER_BMP_STRING:
    case DER_UNIVERSAL_STRING:
        while (value.len) {
            if (!get_wide(&value, tag, &code))
                return false;
            at += put_utf8(code, at);
        }
        break;
    default:
        return false;
    }
    out->len += (size_t)(at - start);
    return true;
}

static bool is_special(uint8_t byte) {
    return byte == '"' || byte == '+' || byte == ',' || byte == ';' || byte == '<' || byte == '>' ||
           byte == '\\' || byte == 0;
}

/* Escapes what lies behind `start`, RFC 4514 section 2.4. */
static void escape_from(struct buffer *out, size_t start) {
    size_t len = out->len - start, extra = 0;

    for (size_t i = start; i < out->len; i++)
        extra += is_special(out->ptr[i]) ? (out->ptr[i] ? 1 : 2) : 0;
    bool first = len && (out->ptr[start] == ' ' || out->ptr[start] == '#');
    bool last = len > 1 && out->ptr[out->len - 1] == ' ';
    extra += (size_t)first + (size_t)last;
    if (extra == 0 || !buffer_reserve(out, extra))
        return;

    /* From the end, so that it can be done in place. */
    uint8_t *from = out->ptr + out->len, *to = from + extra;
    out->len += extra;
    while (from > out->ptr + start) {
        uint8_t byte = *--from;
        bool at_edge = (first && from == out->ptr + start) || (last && to == out->ptr + out->len);
        if (byte == 0) {
            *--to = '0';
            *--to = '0';
        } else {
            *--to = byte;
        }
        if (at_edge || is_special(byte))
            *--to = '\\';
    }
}

static void add_attribute(const struct attribute *attribute, struct buffer *out) {
    const char *name = short_name(attribute->oid);
    char dotted[256];

    if (name) {
        buffer_add_text(out, name);
    } else if (der_oid_text(attribute->oid, dotted, sizeof dotted)) {
        buffer_add_text(out, dotted);
    } else {
        buffer_add_byte(out, '#');
        text_add_hex(out, attribute->oid);
    }
    buffer_add_byte(out, '=');

    size_t start = out->len;
    if (name && add_utf8(attribute->tag, attribute->value, out)) {
        escape_from(out, start);
    } else {
        buffer_add_byte(out, '#');
        text_add_hex(out, slice_first(attribute->element, LIMIT_NAME_TEXT_BYTES));
    }
}

/* --- Whole names --- */

struct name_walk {
    struct slice names, set; /* what is left of the Name, and of the RDN in hand */
};

static bool walk_begin(struct name_walk *walk, struct slice name) {
    walk->set = (struct slice){NULL, 0};
    return der_get(&name, &walk->names, DER_SEQUENCE);
}

/* False at the end, and at what cannot be read; the end it was when both parts are then empty. */
static bool walk_next(struct name_walk *walk, struct attribute *out) {
    struct slice pair;

    out->first = false;
    while (walk->set.len == 0) {
        if (!der_get(&walk->names, &walk->set, DER_SET))
            return false;
        out->first = true;
    }
    if (!der_get(&walk->set, &pair, DER_SEQUENCE) || !der_get(&pair, &out->oid, DER_OID))
        return false;
    out->element = pair;
    return der_get_any(&pair, &out->value, &out->tag) && pair.len == 0;
}

static bool walk_ended(const struct name_walk *walk) {
    return walk->names.len == 0 && walk->set.len == 0;
}

/* Cuts what lies behind `start` to the limit, not within a UTF-8 sequence. */
static void cut_text(struct buffer *out, size_t start) {
    size_t end = start + LIMIT_NAME_TEXT_BYTES;

    if (out->len <= end)
        return;
    while (end > start && (out->ptr[end] & 0xc0) == 0x80)
        end--;
    out->len = end;
}

void certificate_name_text(struct slice name, struct buffer *out) {
    struct attribute last[ATTRIBUTES_MAX]; /* a ring */
    struct name_walk walk;
    size_t start = out->len, count = 0;

    bool readable = walk_begin(&walk, name);
    while (readable && walk_next(&walk, &last[count % ATTRIBUTES_MAX]))
        count++;
    if (!readable || !walk_ended(&walk)) {
        if (name.len) {
            buffer_add_byte(out, '#');
            text_add_hex(out, slice_first(name, LIMIT_NAME_TEXT_BYTES));
        }
        cut_text(out, start);
        return;
    }
    for (size_t i = 0; i < count && i < ATTRIBUTES_MAX; i++) {
        const struct attribute *attribute = &last[(count - 1 - i) % ATTRIBUTES_MAX];
        add_attribute(attribute, out);
        if (out->len - start > LIMIT_NAME_TEXT_BYTES)
            break;
        if (i + 1 < count && i + 1 < ATTRIBUTES_MAX)
            buffer_add_byte(out, attribute->first ? ',' : '+');
    }
    cut_text(out, start);
}

/* The last value of the type 2.5.4.`arc` that is a string. */
static bool add_most_specific(struct slice name, uint8_t arc, struct buffer *out) {
    struct name_walk walk;
    struct attribute attribute, found;
    bool any = false;

    if (!walk_begin(&walk, name))
        return false;
    while (walk_next(&walk, &attribute)) {
        const uint8_t *oid = attribute.oid.ptr;
        if (attribute.oid.len == 3 && oid[0] == 0x55 && oid[1] == 0x04 && oid[2] == arc) {
            found = attribute;
            any = true;
        }
    }
    size_t start = out->len;
    if (!any || !add_utf8(found.tag, found.value, out))
        return false;
    cut_text(out, start);
    return true;
}

bool certificate_name_common_name(struct slice name, struct buffer *out) {
    return add_most_specific(name, 3, out);
}

bool certificate_name_organization(struct slice name, struct buffer *out) {
    return add_most_specific(name, 10, out);
}

static bool is_common_name(const struct attribute *attribute) {
    return slice_equal(attribute->oid, (struct slice)OID("\x55\x04\x03"));
}

bool certificate_common_name_next(struct name_cursor *cursor, struct buffer *scratch,
                                  struct slice *value) {
    struct name_walk walk = {cursor->rdns, cursor->pairs};
    struct attribute attribute;
    bool found = false;

    if (!cursor->begun && !walk_begin(&walk, cursor->name))
        return false;
    while (!found && walk_next(&walk, &attribute)) {
        if (!is_common_name(&attribute))
            continue;
        *value = attribute.value;
        found = true;
        if (attribute.tag == DER_BMP_STRING || attribute.tag == DER_UNIVERSAL_STRING) {
            scratch->len = 0;
            found = add_utf8(attribute.tag, attribute.value, scratch);
            *value = buffer_slice(scratch);
        }
    }
    *cursor = (struct name_cursor){cursor->name, walk.names, walk.set, true};
    return found;
}
