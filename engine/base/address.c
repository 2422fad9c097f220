#include "engine/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* The interface after '%': a number or a name of this machine. */
static bool parse_scope(struct slice text, uint32_t *scope) {
    uint64_t number;
    char name[IF_NAMESIZE];

    if (slice_to_u64(text, UINT32_MAX, &number)) {
        *scope = (uint32_t)number;
        return number != 0;
    }
    if (text.len == 0 || text.len >= sizeof name || memchr(text.ptr, 0, text.len))
        return false;
    memcpy(name, text.ptr, text.len);
    name[text.len] = 0;
    *scope = if_nametoindex(name);
    return *scope != 0;
}

bool address_parse(struct slice text, struct address *out) {
    char copy[ADDRESS_TEXT_MAX];
    struct address address = {0};
    const uint8_t *percent = text.len ? memchr(text.ptr, '%', text.len) : NULL;
    size_t len = percent ? (size_t)(percent - text.ptr) : text.len;

    if (len == 0 || len >= sizeof copy || memchr(text.ptr, 0, len))
        return false;
    memcpy(copy, text.ptr, len);
    copy[len] = 0;
    if (!percent && inet_pton(AF_INET, copy, address.bytes) == 1)
        address.family = ADDRESS_V4;
    else if (inet_pton(AF_INET6, copy, address.bytes) == 1)
        address.family = ADDRESS_V6;
    else
        return false;
    if (percent && !parse_scope(slice_from(text, len + 1), &address.scope))
        return false;
    *out = address;
    return true;
}

static char *write_octet(char *at, uint8_t octet) {
    if (octet >= 100)
        *at++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *at++ = (char)('0' + octet / 10 % 10);
    *at++ = (char)('0' + octet % 10);
    return at;
}

static char *write_v4(char *at, const uint8_t bytes[4]) {
    for (size_t i = 0; i < 4; i++) {
        at = write_octet(at, bytes[i]);
        *at++ = '.';
    }
    return at - 1;
}

/* Sections 4.1 and 4.3: no leading zeros, lower case. */
static char *write_group(char *at, unsigned group) {
    int shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0;

    for (; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[group >> shift & 15];
    return at;
}

/* Section 4.2: the longest run of zero groups, the first of several, never a single one. Writes
 * where it starts and returns its length; 0 when there is none. */
static unsigned longest_zeros(const unsigned groups[8], unsigned *start) {
    unsigned best = 1, run = 0;

    for (unsigned i = 0; i < 8; i++) {
        run = groups[i] ? 0 : run + 1;
        if (run > best) {
            best = run;
            *start = i + 1 - run;
        }
    }
    return best > 1 ? best : 0;
}

static char *write_v6(char *at, const uint8_t bytes[16]) {
    static const uint8_t V4_MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    unsigned groups[8], zeros_at = 8;

    if (memcmp(bytes, V4_MAPPED, sizeof V4_MAPPED) == 0) {
        memcpy(at, "::ffff:", 7);
        return write_v4(at + 7, bytes + 12);
    }
    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
    unsigned zeros = longest_zeros(groups, &zeros_at);
    for (unsigned i = 0; i < 8;) {
        if (i == zeros_at) {
            *at++ = ':';
            i += zeros;
            if (i == 8)
                *at++ = ':';
            continue;
        }
        if (i)
            *at++ = ':';
        at = write_group(at, groups[i++]);
    }
    return at;
}

static char *write_scope(char *at, uint32_t scope) {
    char digits[10];
    size_t start = sizeof digits;

    for (; scope; scope /= 10)
        digits[--start] = (char)('0' + scope % 10);
    *at++ = '%';
    memcpy(at, digits + start, sizeof digits - start);
    return at + (sizeof digits - start);
}

size_t address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]) {
    char *end = out;

    if (address->family == ADDRESS_V4)
        end = write_v4(out, address->bytes);
    else if (address->family == ADDRESS_V6)
        end = write_v6(out, address->bytes);
    if (address->family == ADDRESS_V6 && address->scope)
        end = write_scope(end, address->scope);
    *end = 0;
    return (size_t)(end - out);
}

uint32_t address_to_sockaddr(const struct address *address, uint16_t port,
                             struct sockaddr_storage *out) {
    if (address->family == ADDRESS_V4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in->sin_addr, address->bytes, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    *in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = address->scope};
    memcpy(&in6->sin6_addr, address->bytes, 16);
    return sizeof *in6;
}

bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out) {
    *out = (struct address){0};
    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;
        out->family = ADDRESS_V4;
        memcpy(out->bytes, &in->sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;
        out->family = ADDRESS_V6;
        out->scope = in6->sin6_scope_id;
        memcpy(out->bytes, &in6->sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

bool address_equal(const struct address *a, const struct address *b) {
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
