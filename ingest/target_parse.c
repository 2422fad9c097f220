#include "ingest/target_parse.h"

#include "engine/base/cidr.h"
#include "engine/base/quote.h"

#include <idn2.h>

/* What stands before and after the first `mark`; false when there is none. */
static bool split(struct slice text, uint8_t mark, struct slice *before, struct slice *after) {
    const uint8_t *at = text.len ? memchr(text.ptr, mark, text.len) : NULL;
    if (!at)
        return false;
    *before = slice_first(text, (size_t)(at - text.ptr));
    *after = slice_from(text, before->len + 1);
    return true;
}

static bool contains(struct slice text, uint8_t byte) {
    return text.len && memchr(text.ptr, byte, text.len);
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

/* The form of a byte of a host name in `target->name`; 0 when it cannot be in one. */
static char name_byte(uint8_t byte) {
    if ((byte >= 'a' && byte <= 'z') || is_digit(byte) || byte == '-' || byte == '_')
        return (char)byte;
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : '\0';
}

/* Copies an ASCII name in lower case and checks it (RFC 1035 2.3.4). */
static enum error set_ascii_name(struct target *target, struct slice name,
                                 struct failure *failure) {
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!name.len)
        return failure_set(failure, ERROR_USAGE, "the host is missing");
    if (name.len > LIMIT_HOST_NAME_BYTES)
        return failure_set(failure, ERROR_USAGE, "a host name of more than %d bytes",
                           LIMIT_HOST_NAME_BYTES);
    size_t label = 0; /* where the label at hand starts */
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.ptr[i] != '.') {
            target->name[i] = name_byte(name.ptr[i]);
            if (!target->name[i])
                return failure_set(failure, ERROR_USAGE, "%s cannot be in a host name",
                                   quote_of((struct slice){name.ptr + i, 1}).text);
            continue;
        }
        if (i == label)
            return failure_set(failure, ERROR_USAGE, "an empty label in the host name");
        if (i - label > 63)
            return failure_set(failure, ERROR_USAGE, "a label of more than 63 bytes");
        target->name[i] = i < name.len ? '.' : '\0';
        label = i + 1;
    }
    target->name_len = (uint8_t)name.len;
    return ERROR_NONE;
}

/* A name outside ASCII: through libidn2 into A-labels. */
static enum error set_idn_name(struct target *target, struct slice name, struct failure *failure) {
    /* A name that fits cannot be longer: UTF-8 takes at most four bytes a character. */
    char terminated[LIMIT_HOST_NAME_BYTES * 4 + 1];
    if (name.len >= sizeof terminated)
        return failure_set(failure, ERROR_USAGE, "a host name of more than %d bytes",
                           LIMIT_HOST_NAME_BYTES);
    if (contains(name, 0))
        return failure_set(failure, ERROR_USAGE, "a zero byte in the host name");
    memcpy(terminated, name.ptr, name.len);
    terminated[name.len] = '\0';

    uint8_t *ascii = NULL;
    int result =
        idn2_lookup_u8((const uint8_t *)terminated, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result != IDN2_OK)
        return failure_set(failure, result == IDN2_MALLOC ? ERROR_MEMORY : ERROR_USAGE,
                           "not an internationalized name (%s)", idn2_strerror(result));
    enum error error = set_ascii_name(target, slice_of((const char *)ascii), failure);
    idn2_free(ascii);
    return error;
}

/* "192.0.2.300" and "10.1" are no names: no top-level domain is a number, and resolvers disagree
 * about them. */
static bool ends_in_number(const struct target *target) {
    size_t i = target->name_len;
    while (i && is_digit((uint8_t)target->name[i - 1]))
        i--;
    return i < target->name_len && (i == 0 || target->name[i - 1] == '.');
}

enum error target_set_name(struct target *target, struct slice name, struct failure *failure) {
    bool ascii = true;
    for (size_t i = 0; i < name.len; i++)
        ascii = ascii && name.ptr[i] < 0x80;
    enum error error =
        ascii ? set_ascii_name(target, name, failure) : set_idn_name(target, name, failure);
    if (!error && ends_in_number(target))
        return failure_set(failure, ERROR_USAGE, "%s is neither a host name nor an IPv4 address",
                           quote_of(name).text);
    return error;
}

static enum error set_port(struct target *target, struct slice text, struct failure *failure) {
    uint64_t port;
    if (!text.len)
        return failure_set(failure, ERROR_USAGE, "the port after \":\" is missing");
    if (!slice_to_u64(text, 65535, &port) || port == 0)
        return failure_set(failure, ERROR_USAGE, "port %s is not between 1 and 65535",
                           quote_of(text).text);
    target->port = (uint16_t)port;
    return ERROR_NONE;
}

/* "[v6]" or "[v6]:port". */
static enum error set_bracketed(struct target *target, struct slice text, struct failure *failure) {
    struct slice inside, behind;
    if (!split(slice_from(text, 1), ']', &inside, &behind))
        return failure_set(failure, ERROR_USAGE, "\"[\" without \"]\"");
    if (!address_parse(inside, &target->address) || target->address.family != ADDRESS_V6)
        return failure_set(failure, ERROR_USAGE, "%s in brackets is not an IPv6 address",
                           quote_of(inside).text);
    if (!behind.len)
        return ERROR_NONE;
    if (behind.ptr[0] != ':')
        return failure_set(failure, ERROR_USAGE, "%s after \"]\" is not a port",
                           quote_of(behind).text);
    return set_port(target, slice_from(behind, 1), failure);
}

/* Host or address, with or without a port; with `address_only` behind a "host@". */
static enum error set_endpoint(struct target *target, struct slice text, bool address_only,
                               struct failure *failure) {
    if (text.len && text.ptr[0] == '[')
        return set_bracketed(target, text, failure);

    struct slice host = text, port = {0};
    bool has_port = split(text, ':', &host, &port);
    if (has_port && contains(port, ':')) { /* two colons or more */
        if (address_parse(text, &target->address))
            return ERROR_NONE;
        return failure_set(failure, ERROR_USAGE, "%s is not an IPv6 address (with port: [v6]:port)",
                           quote_of(text).text);
    }
    if (has_port) {
        enum error error = set_port(target, port, failure);
        if (error)
            return error;
    }
    /* An IPv4 address ends in a digit; most names do not. */
    if (host.len && is_digit(host.ptr[host.len - 1]) && address_parse(host, &target->address))
        return ERROR_NONE;
    if (address_only)
        return failure_set(failure, ERROR_USAGE, "%s after \"@\" is not an IP address",
                           quote_of(host).text);
    return target_set_name(target, host, failure);
}

/* Everything but a scheme and what belongs to it. */
static enum error set_host(struct target *target, struct slice text, struct failure *failure) {
    struct slice name, endpoint;
    if (!split(text, '@', &name, &endpoint))
        return set_endpoint(target, text, false, failure);

    struct address address;
    if (contains(name, ':') || address_parse(name, &address))
        return failure_set(failure, ERROR_USAGE, "%s before \"@\" is not a host name",
                           quote_of(name).text);
    enum error error = target_set_name(target, name, failure);
    return error ? error : set_endpoint(target, endpoint, true, failure);
}

static enum error set_url(struct target *target, struct slice scheme, struct slice rest,
                          const struct protocol_lookup *protocols, struct failure *failure) {
    bool https = slice_equal_nocase(scheme, slice_of("https"));
    uint16_t default_port = 0;
    int protocol = protocols->by_name(https ? slice_of("tls") : scheme, &default_port);
    if (protocol < 0)
        return failure_set(failure, ERROR_USAGE, "unknown protocol %s", quote_of(scheme).text);

    size_t authority = 0; /* RFC 3986 3.2: ends at the first of these */
    while (authority < rest.len && rest.ptr[authority] != '/' && rest.ptr[authority] != '?' &&
           rest.ptr[authority] != '#')
        authority++;
    rest.len = authority;
    if (https) { /* user and password; a browser takes the last "@" */
        struct slice user;
        while (split(rest, '@', &user, &rest))
            ;
    }
    enum error error = set_host(target, rest, failure);
    if (target->port == 0)
        target->port = https ? 443 : default_port;
    target->protocol = (uint8_t)protocol;
    return error;
}

bool target_is_file(struct slice text, struct slice *path) {
    static const size_t scheme = sizeof "file:" - 1;
    uint64_t port;
    if (!slice_equal_nocase(slice_first(text, scheme), slice_of("file:")))
        return false;
    *path = slice_from(text, scheme);
    if (slice_to_u64(*path, 65535, &port))
        return false;                                      /* of a host that is called file */
    if (path->len > 2 && memcmp(path->ptr, "///", 3) == 0) /* RFC 8089: an empty authority */
        *path = slice_from(*path, 2);
    return true;
}

enum error target_parse(struct slice text, const struct protocol_lookup *protocols,
                        struct target *out, struct failure *failure) {
    *out = (struct target){0};

    struct slice scheme, rest;
    if (split(text, ':', &scheme, &rest) && rest.len >= 2 && memcmp(rest.ptr, "//", 2) == 0)
        return set_url(out, scheme, slice_from(rest, 2), protocols, failure);
    enum error error = set_host(out, text, failure);
    if (out->port)
        out->protocol = protocol_of_port(protocols, out->port);
    return error;
}

void target_write(const struct target *target, const struct protocol_lookup *protocols,
                  struct buffer *out) {
    bool has_address = target->address.family != ADDRESS_NONE;
    bool bracketed = target->address.family == ADDRESS_V6;
    char address[ADDRESS_TEXT_MAX];

    /* "192.0.2.1-20:443" would be meant as a block; behind a protocol it is a name. */
    bool is_odd = !has_address && cidr_is_block(target_name(target));
    if (target->port && (is_odd || target->protocol != protocol_of_port(protocols, target->port)))
        buffer_add_format(out, "%s://", protocols->name_of(target->protocol));
    buffer_add_slice(out, target_name(target));
    if (has_address) {
        address_format(&target->address, address);
        buffer_add_format(out, "%s%s%s%s", target->name_len ? "@" : "", bracketed ? "[" : "",
                          address, bracketed ? "]" : "");
    }
    if (target->port)
        buffer_add_format(out, ":%u", target->port);
}
