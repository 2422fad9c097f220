#include "engine/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
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

size_t address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]) {
    int family = address->family == ADDRESS_V4 ? AF_INET : AF_INET6;

    out[0] = 0;
    if (address->family == ADDRESS_NONE ||
        !inet_ntop(family, address->bytes, out, ADDRESS_TEXT_MAX))
        return 0;
    size_t len = strlen(out);
    if (address->scope)
        len += (size_t)snprintf(out + len, ADDRESS_TEXT_MAX - len, "%%%u", address->scope);
    return len;
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
