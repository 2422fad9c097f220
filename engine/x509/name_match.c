#include "engine/x509/name_match.h"

#include "engine/base/limits.h"

/* The part behind the first dot; empty when there is none. */
static struct slice parent_of(struct slice name) {
    const uint8_t *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;

    return dot ? slice_from(name, (size_t)(dot - name.ptr) + 1) : (struct slice){NULL, 0};
}

/* A final label of digits is how every form of IPv4 address ends, and no top-level domain. */
static bool ends_in_number(struct slice host) {
    size_t i = host.len;

    while (i && host.ptr[i - 1] >= '0' && host.ptr[i - 1] <= '9')
        i--;
    return i < host.len && (i == 0 || host.ptr[i - 1] == '.');
}

/* Whether `host` (without a final dot) can be asked for at all. Letters outside ASCII are not
 * refused, but do not match anything either: certificates hold A-labels. */
static bool is_host(struct slice host) {
    if (host.len == 0 || host.len > LIMIT_HOST_NAME_BYTES || ends_in_number(host))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t byte = host.ptr[i];
        bool empty_label = byte == '.' && (i == 0 || host.ptr[i - 1] == '.');
        if (byte <= ' ' || byte >= 0x7f || byte == '*' || byte == ':' || empty_label)
            return false;
    }
    return true;
}

static struct slice without_final_dot(struct slice host) {
    return host.len && host.ptr[host.len - 1] == '.' ? slice_first(host, host.len - 1) : host;
}

/* RFC 9525 section 6.3. As browsers and OpenSSL do, a wildcard needs two labels behind it: "*.com"
 * matches nothing. */
static bool matches(struct slice presented, struct slice host) {
    if (slice_equal_nocase(presented, host))
        return true;
    if (presented.len < 2 || presented.ptr[0] != '*' || presented.ptr[1] != '.')
        return false;
    struct slice domain = slice_from(presented, 2);
    return parent_of(domain).len && slice_equal_nocase(domain, parent_of(host));
}

static bool match_common_name(const struct certificate *certificate, struct slice host,
                              struct buffer *scratch, struct slice *matched) {
    size_t start = scratch->len;

    if (!certificate_name_common_name(certificate->subject, scratch) || scratch->failed)
        return false;
    struct slice name = slice_from(buffer_slice(scratch), start);
    if (!matches(name, host))
        return false;
    if (matched)
        *matched = name;
    return true;
}

bool name_match_host(const struct certificate *certificate, struct slice host,
                     const struct name_match_options *options, struct buffer *scratch,
                     struct slice *matched) {
    struct slice names = certificate->subject_alt_name;
    struct general_name name;

    host = without_final_dot(host);
    if (!is_host(host))
        return false;
    while (general_name_next(&names, &name)) {
        if (name.type == GENERAL_NAME_DNS && matches(name.value, host)) {
            if (matched)
                *matched = name.value;
            return true;
        }
    }
    return options->allow_common_name && !certificate->has_subject_alt_name &&
           match_common_name(certificate, host, scratch, matched);
}

bool name_match_address(const struct certificate *certificate, const struct address *address,
                        struct slice *matched) {
    struct slice wanted = {address->bytes, address_length(address)};
    struct slice names = certificate->subject_alt_name;
    struct general_name name;

    while (wanted.len && general_name_next(&names, &name)) {
        if (name.type == GENERAL_NAME_IP && slice_equal(name.value, wanted)) {
            if (matched)
                *matched = name.value;
            return true;
        }
    }
    return false;
}
