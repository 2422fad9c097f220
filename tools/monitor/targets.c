#include "tools/monitor/targets.h"

#include "engine/base/random.h"

#include <inttypes.h>
#include <stdio.h>

const char *target_source_name(enum target_source source) {
    static const char *const names[TARGET_SOURCES] = {"api", "config", "agent"};
    return names[source];
}

void target_init(struct monitor_target *target, enum target_source source) {
    *target = (struct monitor_target){.port = 443,
                                      .tags = "[]",
                                      .warn_days = 14,
                                      .crit_days = 3,
                                      .source = source,
                                      .enabled = true};
}

void target_make_id(char out[TARGET_ID_BYTES]) {
    snprintf(out, TARGET_ID_BYTES, "tls_%012" PRIx64, random_seed() & UINT64_C(0xffffffffffff));
}

/* --- Where no probe may go --- */

static const char *const FORBIDDEN[] = {
    "0.0.0.0/8",          /* this network, the unspecified address */
    "169.254.0.0/16",     /* link-local; the metadata services of most clouds */
    "100.100.100.200/32", /* those of Alibaba, Oracle and Azure */
    "192.0.0.192/32",
    "168.63.129.16/32",
    "224.0.0.0/4",   /* multicast */
    "240.0.0.0/4",   /* reserved, broadcast */
    "::/128",        /* unspecified */
    "fe80::/10",     /* link-local */
    "ff00::/8",      /* multicast */
    "fd00:ec2::/32", /* metadata of Amazon and Google */
    "fd20:ce::254/128",
};
enum { FORBIDDEN_COUNT = sizeof FORBIDDEN / sizeof FORBIDDEN[0] };

/* Addresses of IPv6 that lead to one of IPv4, which stands behind so many bits: mapped, NAT64
 * (RFC 6052), compatible, 6to4. */
static const struct {
    const char *prefix;
    unsigned bits;
} EMBEDDED[] = {{"::ffff:0:0", 96}, {"64:ff9b::", 96}, {"::", 96}, {"2002::", 16}};
enum { EMBEDDED_COUNT = sizeof EMBEDDED / sizeof EMBEDDED[0] };

typedef unsigned __int128 number;

struct range {
    uint8_t family;
    number first, last;
};

static struct range range_of(const char *text) {
    struct cidr_block block = {0};
    enum error error = cidr_parse(slice_of(text), &block, NULL);
    number first = error ? 0 : cidr_number(&block.first);

    return (struct range){block.first.family, first, first + block.last_offset};
}

static bool overlaps(const struct range *range) {
    for (unsigned i = 0; i < FORBIDDEN_COUNT; i++) {
        struct range forbidden = range_of(FORBIDDEN[i]);
        if (forbidden.family == range->family && range->first <= forbidden.last &&
            forbidden.first <= range->last)
            return true;
    }
    return false;
}

static number prefix_number(unsigned embedding) {
    struct address address = {0};
    return address_parse(slice_of(EMBEDDED[embedding].prefix), &address) ? cidr_number(&address)
                                                                         : 0;
}

/* Also where the addresses of IPv4 lead that the range disguises. */
static bool is_forbidden_range(const struct range *range) {
    if (overlaps(range))
        return true;
    for (unsigned i = 0; i < EMBEDDED_COUNT && range->family == ADDRESS_V6; i++) {
        unsigned shift = 128 - EMBEDDED[i].bits;
        if (range->first >> shift != prefix_number(i) >> shift ||
            range->last >> shift != prefix_number(i) >> shift)
            continue;
        struct range inner = {ADDRESS_V4, (uint32_t)(range->first >> (shift - 32)),
                              (uint32_t)(range->last >> (shift - 32))};
        /* ::1 looks like an IPv4 address in disguise and is none. */
        bool is_loopback = range->first == 1 && range->last == 1;
        if (!is_loopback && overlaps(&inner))
            return true;
    }
    return false;
}

bool target_is_forbidden(const struct address *address) {
    number at = cidr_number(address);
    return is_forbidden_range(&(struct range){address->family, at, at});
}

typedef enum error visit_block(void *context, const char *block, struct failure *failure);

static enum error visit_embedded(const char *text, visit_block *visit, void *context,
                                 struct failure *failure) {
    struct cidr_block block = {0};
    enum error error = cidr_parse(slice_of(text), &block, failure);
    unsigned tail = 0; /* bits behind the block's own prefix */

    if (error || block.first.family != ADDRESS_V4)
        return error;
    for (number rest = block.last_offset; rest; rest >>= 1)
        tail++;
    for (unsigned i = 0; i < EMBEDDED_COUNT && !error; i++) {
        unsigned shift = 96 - EMBEDDED[i].bits;
        number first = prefix_number(i) | cidr_number(&block.first) << shift;
        struct address address = {.family = ADDRESS_V6};
        char words[ADDRESS_TEXT_MAX], whole[ADDRESS_TEXT_MAX + 8];

        /* The first of them holds ::1: it is left out, no machine uses such addresses any more. */
        if (first >> 32 == 0)
            continue;
        for (unsigned byte = 0; byte < 16; byte++)
            address.bytes[byte] = (uint8_t)(first >> (120 - 8 * byte));
        address_format(&address, words);
        snprintf(whole, sizeof whole, "%s/%u", words, EMBEDDED[i].bits + 32 - tail);
        error = visit(context, whole, failure);
    }
    return error;
}

enum error target_each_forbidden(visit_block *visit, void *context, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (unsigned i = 0; i < FORBIDDEN_COUNT && !error; i++) {
        error = visit(context, FORBIDDEN[i], failure);
        if (!error)
            error = visit_embedded(FORBIDDEN[i], visit, context, failure);
    }
    return error;
}

static enum error add_forbidden(void *context, const char *block, struct failure *failure) {
    return address_set_add_text(context, slice_of(block), failure);
}

enum error target_forbidden_set(struct address_set **out, struct failure *failure) {
    enum error error = address_set_open(out, NULL, failure);

    if (!error)
        error = target_each_forbidden(add_forbidden, *out, failure);
    if (error) {
        address_set_free(*out);
        *out = NULL;
    }
    return error;
}

/* --- The whole --- */

static enum error refuse_address(const char *text, struct failure *failure) {
    return failure_set(failure, ERROR_USAGE,
                       "%s is not to be watched: link-local, metadata, multicast and unspecified "
                       "addresses are refused",
                       text);
}

static enum error check_block(struct monitor_target *target, struct failure *failure) {
    struct cidr_block block;
    enum error error = cidr_parse(slice_of(target->host), &block, failure);

    if (error)
        return error;
    if (block.last_offset >= TARGET_CIDR_ADDRESSES)
        return failure_set(failure, ERROR_USAGE, "%s has more than %d addresses", target->host,
                           TARGET_CIDR_ADDRESSES);
    number first = cidr_number(&block.first);
    struct range range = {block.first.family, first, first + block.last_offset};
    if (is_forbidden_range(&range))
        return refuse_address(target->host, failure);
    if (target->connect_address[0])
        return failure_set(failure, ERROR_USAGE, "a block of addresses has no connect_address");
    return ERROR_NONE;
}

enum error target_check_via(const struct monitor_target *target, bool has_fleet,
                            struct failure *failure) {
    return !target->via[0] || has_fleet
               ? ERROR_NONE
               : failure_set(failure, ERROR_USAGE,
                             "%s is to be probed via \"%s\", and this monitor has no workers: it "
                             "was started without --via",
                             target->host, target->via);
}

enum error target_check(struct monitor_target *target, struct failure *failure) {
    struct address address;

    if (!target->host[0] || target->port == 0)
        return failure_set(failure, ERROR_USAGE, TARGET_INVALID);
    if (target->crit_days > target->warn_days)
        target->crit_days = target->warn_days;
    if (target->is_cidr)
        return check_block(target, failure);
    if (address_parse(slice_of(target->host), &address) && target_is_forbidden(&address))
        return refuse_address(target->host, failure);
    if (!target->connect_address[0])
        return ERROR_NONE;
    if (!address_parse(slice_of(target->connect_address), &address))
        return failure_set(failure, ERROR_USAGE, "connect_address is no IP address");
    return target_is_forbidden(&address) ? refuse_address(target->connect_address, failure)
                                         : ERROR_NONE;
}
