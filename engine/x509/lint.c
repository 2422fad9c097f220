#include "engine/x509/lint.h"

#include "engine/base/limits.h"
#include "engine/x509/der.h"

enum { SERIAL_BYTES_MAX = 20 };

static bool serial_is_odd(struct slice serial) {
    bool zero = true;

    for (size_t i = 0; i < serial.len; i++)
        zero = zero && serial.ptr[i] == 0;
    return zero || serial.len > SERIAL_BYTES_MAX || (serial.ptr[0] & 0x80);
}

static bool has_underscore(const struct certificate *certificate) {
    struct slice names = certificate->subject_alt_name;
    struct general_name name;

    for (uint32_t i = 0; i < LIMIT_CERTIFICATE_NAMES && general_name_next(&names, &name); i++)
        if (name.type == GENERAL_NAME_DNS && name.value.len &&
            memchr(name.value.ptr, '_', name.value.len))
            return true;
    return false;
}

static bool oid_is(struct slice oid, const char *bytes, size_t len) {
    return oid.len == len && memcmp(oid.ptr, bytes, len) == 0;
}

/* What a CA may issue for is another matter. */
static bool usage_is_odd(const struct certificate *certificate) {
    struct slice usages = certificate->extended_key_usage, oid;
    bool any = false, server = false;

    if (certificate->is_ca || !usages.len)
        return false;
    while (der_get(&usages, &oid, DER_OID)) {
        any = any || oid_is(oid, "\x55\x1d\x25\x00", 4);                       /* 2.5.29.37.0 */
        server = server || oid_is(oid, "\x2b\x06\x01\x05\x05\x07\x03\x01", 8); /* serverAuth */
    }
    return any || !server;
}

unsigned certificate_lints(const struct certificate *certificate, bool self_signed) {
    bool no_authority = !self_signed && !certificate->has_authority_key_id;
    bool no_subject = certificate->is_ca && !certificate->has_subject_key_id;

    return (no_authority || no_subject ? LINT_KEY_IDENTIFIER : 0u) |
           (serial_is_odd(certificate->serial) ? LINT_SERIAL : 0u) |
           (has_underscore(certificate) ? LINT_UNDERSCORE : 0u) |
           (usage_is_odd(certificate) ? LINT_EXTENDED_KEY_USAGE : 0u);
}
