#include "engine/base/cidr.h"

#include "engine/base/quote.h"

unsigned __int128 cidr_number(const struct address *address) {
    unsigned __int128 number = 0;
    for (size_t i = 0; i < address_length(address); i++)
        number = number << 8 | address->bytes[i];
    return number;
}

static void from_number(struct address *address, unsigned __int128 number) {
    for (size_t i = address_length(address); i-- > 0; number >>= 8)
        address->bytes[i] = (uint8_t)number;
}

/* The part before the first `mark`, or all of it. */
static struct slice before(struct slice text, uint8_t mark) {
    const uint8_t *at = text.len ? memchr(text.ptr, mark, text.len) : NULL;
    return at ? slice_first(text, (size_t)(at - text.ptr)) : text;
}

bool cidr_is_block(struct slice text) {
    struct slice first = before(text, '/');
    if (first.len < text.len)
        return !memmem(text.ptr, text.len, "://", 3);
    first = before(text, '-');
    struct address address;
    if (first.len == text.len || !address_parse(first, &address))
        return false;
    if (address.family == ADDRESS_V6)
        return true;
    for (size_t i = first.len + 1; i < text.len; i++)
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.' && text.ptr[i] != ':')
            return false;
    return true;
}

static enum error port_in_block(struct failure *failure) {
    return failure_set(failure, ERROR_USAGE, "a block cannot have a port of its own");
}

static bool contains_colon(struct slice text) {
    return before(text, ':').len < text.len;
}

static enum error parse_prefix(struct slice text, struct slice first, struct cidr_block *out,
                               struct failure *failure) {
    if (!address_parse(first, &out->first))
        return failure_set(failure, ERROR_USAGE,
                           "%s before \"/\" is not an IP address (a path needs https:// in front)",
                           quote_of(first).text);
    struct slice length = slice_from(text, first.len + 1);
    uint64_t width = address_length(&out->first) * 8, prefix;
    if (contains_colon(length))
        return port_in_block(failure);
    if (!slice_to_u64(length, width, &prefix))
        return failure_set(failure, ERROR_USAGE, "prefix length %s is not between 0 and %d",
                           quote_of(length).text, (int)width);
    uint64_t bits = width - prefix;
    out->last_offset = bits == 128 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << bits) - 1;
    from_number(&out->first, cidr_number(&out->first) & ~out->last_offset);
    return ERROR_NONE;
}

static enum error parse_range(struct slice text, struct slice first, struct cidr_block *out,
                              struct failure *failure) {
    struct slice end = slice_from(text, first.len + 1);
    struct address last = {0};
    uint64_t octet;
    if (!address_parse(first, &out->first))
        return failure_set(failure, ERROR_USAGE, "%s is not an IP address", quote_of(first).text);
    out->last_offset = 0;
    if (first.len == text.len)
        return ERROR_NONE;
    if (out->first.family == ADDRESS_V4 && contains_colon(end))
        return port_in_block(failure);
    if (out->first.family == ADDRESS_V4 && slice_to_u64(end, 255, &octet)) {
        last = out->first;
        last.bytes[3] = (uint8_t)octet;
    } else if (!address_parse(end, &last)) {
        return failure_set(failure, ERROR_USAGE, "the range ends in %s, which is not an IP address",
                           quote_of(end).text);
    }
    if (last.family != out->first.family || (last.scope && last.scope != out->first.scope))
        return failure_set(failure, ERROR_USAGE, "the ends of the range are of different kinds");
    unsigned __int128 low = cidr_number(&out->first), high = cidr_number(&last);
    if (high < low)
        return failure_set(failure, ERROR_USAGE, "the range ends before it starts");
    out->last_offset = high - low;
    return ERROR_NONE;
}

enum error cidr_parse(struct slice text, struct cidr_block *out, struct failure *failure) {
    struct slice first = before(text, '/');
    if (first.len < text.len)
        return parse_prefix(text, first, out, failure);
    return parse_range(text, before(text, '-'), out, failure);
}

struct address cidr_address(const struct cidr_block *block, unsigned __int128 offset) {
    struct address address = block->first;
    from_number(&address, cidr_number(&block->first) + offset);
    return address;
}
