#include "engine/x509/certificate.h"

#include "engine/base/limits.h"
#include "engine/x509/certificate_parts.h"
#include "engine/x509/der.h"

/* --- Extensions --- */

/* Sets `field` to the content of the one element of `tag` that `value` consists of. */
static bool take(struct slice *field, struct slice value, uint8_t tag) {
    struct slice content;

    if (field->ptr || !der_get(&value, &content, tag) || value.len != 0)
        return false;
    *field = content;
    return true;
}

/* `constraints` stays between calls, to tell the first from a second one. */
static bool take_basic_constraints(struct certificate *out, struct slice value,
                                   struct slice *constraints) {
    struct slice ca;

    if (!take(constraints, value, DER_SEQUENCE) || !der_get_optional(constraints, &ca, DER_BOOLEAN))
        return false;
    out->is_ca = ca.len == 1 && ca.ptr[0] != 0;
    return true;
}

static bool oid_is(struct slice oid, const char *bytes, size_t len) {
    return oid.len == len && memcmp(oid.ptr, bytes, len) == 0;
}

/* False when the extension is one that is wanted and cannot be read. */
static bool take_extension(struct certificate *out, struct slice oid, struct slice value,
                           struct slice *constraints) {
    if (oid.len == 3 && memcmp(oid.ptr, "\x55\x1d", 2) == 0) { /* 2.5.29 */
        switch (oid.ptr[2]) {
        case 14:
            out->has_subject_key_id = true;
            return true;
        case 15:
            return take(&out->key_usage, value, DER_BIT_STRING);
        case 17:
            out->has_subject_alt_name = true;
            return take(&out->subject_alt_name, value, DER_SEQUENCE);
        case 19:
            return take_basic_constraints(out, value, constraints);
        case 31:
            return take(&out->crl_points, value, DER_SEQUENCE);
        case 35:
            out->has_authority_key_id = true;
            return true;
        case 37:
            return take(&out->extended_key_usage, value, DER_SEQUENCE);
        default:
            return true;
        }
    }
    if (oid_is(oid, "\x2b\x06\x01\x05\x05\x07\x01\x01", 8)) /* 1.3.6.1.5.5.7.1.1 */
        return take(&out->authority_info, value, DER_SEQUENCE);
    if (oid_is(oid, EXTENSION_SCT_LIST, EXTENSION_CT_OID_BYTES))
        return take(&out->sct_list, value, DER_OCTET_STRING);
    if (oid_is(oid, EXTENSION_CT_POISON, EXTENSION_CT_OID_BYTES))
        out->is_precertificate = true;
    return true;
}

static bool read_extensions(struct certificate *out) {
    struct slice list, extension, oid, critical, value, constraints = {NULL, 0};

    if (!certificate_extension_list(out, &list))
        return false;
    while (list.len) {
        if (!der_get(&list, &extension, DER_SEQUENCE) || !der_get(&extension, &oid, DER_OID) ||
            !der_get_optional(&extension, &critical, DER_BOOLEAN) ||
            !der_get(&extension, &value, DER_OCTET_STRING) || extension.len != 0)
            return false;
        if (!take_extension(out, oid, value, &constraints))
            out->extension_unreadable = true;
    }
    return true;
}

bool certificate_extension_list(const struct certificate *certificate, struct slice *list) {
    struct slice element = certificate->extensions, wrapper;

    return der_get(&element, &wrapper, DER_CONTEXT_CONSTRUCTED(3)) &&
           der_get(&wrapper, list, DER_SEQUENCE) && wrapper.len == 0;
}

/* --- The parts of a TBSCertificate, in their order --- */

static bool read_version(struct slice *tbs, struct certificate *out) {
    struct slice wrapper, version;

    out->version = 1;
    if (!der_next_is(*tbs, DER_CONTEXT_CONSTRUCTED(0)))
        return true;
    if (!der_get(tbs, &wrapper, DER_CONTEXT_CONSTRUCTED(0)) ||
        !der_get(&wrapper, &version, DER_INTEGER) || wrapper.len != 0 || version.len != 1 ||
        version.ptr[0] > 127)
        return false;
    out->version = (uint8_t)(version.ptr[0] + 1);
    return true;
}

static bool read_time(struct slice *validity, int64_t *out) {
    struct slice content;
    uint8_t tag;

    return der_get_any(validity, &content, &tag) && der_time(tag, content, out);
}

static bool read_validity(struct slice validity, struct certificate *out) {
    int64_t not_before, not_after;

    if (!read_time(&validity, &not_before) || !read_time(&validity, &not_after) ||
        validity.len != 0)
        return false;
    out->not_before = not_before;
    out->not_after = not_after;
    out->has_validity = true;
    return true;
}

/* The unique identifiers of old certificates, which nobody uses, and the extensions. */
static bool read_tail(struct slice *tbs, struct certificate *out) {
    struct slice ignored;

    if (!der_get_optional(tbs, &ignored, DER_CONTEXT(1)) ||
        !der_get_optional(tbs, &ignored, DER_CONTEXT_CONSTRUCTED(1)) ||
        !der_get_optional(tbs, &ignored, DER_CONTEXT(2)) ||
        !der_get_optional(tbs, &ignored, DER_CONTEXT_CONSTRUCTED(2)))
        return false;
    if (tbs->len == 0)
        return true;
    return der_get_element(tbs, &out->extensions, DER_CONTEXT_CONSTRUCTED(3)) && tbs->len == 0 &&
           read_extensions(out);
}

/* What is wrong within a part that has an end does not keep from reading those behind it: whoever
 * watches names wants them whatever the dates are. The first error counts. */
static enum certificate_error read_parts(struct slice tbs, struct certificate *out) {
    struct slice inner_algorithm; /* the same as the outer one, or nobody's loss */
    struct slice validity;
    enum certificate_error error = CERTIFICATE_OK;

    if (!read_version(&tbs, out))
        return CERTIFICATE_BAD_VERSION;
    if (!der_get(&tbs, &out->serial, DER_INTEGER))
        return CERTIFICATE_BAD_SERIAL;
    if (out->serial.len == 0)
        error = CERTIFICATE_BAD_SERIAL;
    if (!der_get_element(&tbs, &inner_algorithm, DER_SEQUENCE))
        return error ? error : CERTIFICATE_BAD_ALGORITHM;
    if (out->signature_algorithm.len == 0)
        out->signature_algorithm = inner_algorithm;
    if (!der_get_element(&tbs, &out->issuer, DER_SEQUENCE))
        return error ? error : CERTIFICATE_BAD_ISSUER;
    if (!der_get(&tbs, &validity, DER_SEQUENCE))
        return error ? error : CERTIFICATE_BAD_VALIDITY;
    if (!read_validity(validity, out) && !error)
        error = CERTIFICATE_BAD_VALIDITY;
    if (!der_get_element(&tbs, &out->subject, DER_SEQUENCE))
        return error ? error : CERTIFICATE_BAD_SUBJECT;
    if (!der_get_element(&tbs, &out->spki, DER_SEQUENCE))
        return error ? error : CERTIFICATE_BAD_KEY;
    if (!certificate_describe_key(out) && !error)
        error = CERTIFICATE_BAD_KEY;
    out->whole = read_tail(&tbs, out);
    return error ? error : out->whole ? CERTIFICATE_OK : CERTIFICATE_BAD_EXTENSIONS;
}

static enum certificate_error read_tbs(struct certificate *out) {
    struct slice element = out->tbs, tbs;

    return der_get(&element, &tbs, DER_SEQUENCE) ? read_parts(tbs, out) : CERTIFICATE_BAD_OUTER;
}

static bool read_outer(struct certificate *out) {
    struct slice in = out->der, outer;

    if (!der_get(&in, &outer, DER_SEQUENCE) || in.len != 0 ||
        !der_get_element(&outer, &out->tbs, DER_SEQUENCE) ||
        !der_get_element(&outer, &out->signature_algorithm, DER_SEQUENCE) ||
        !der_get_bits(&outer, &out->signature) || outer.len != 0)
        return false;
    return true;
}

enum certificate_error certificate_decode(struct slice der, struct certificate *out) {
    *out = (struct certificate){.der = der};
    if (der.len > LIMIT_CERTIFICATE_BYTES)
        return CERTIFICATE_TOO_LARGE;
    if (!read_outer(out))
        return CERTIFICATE_BAD_OUTER;
    return read_tbs(out);
}

enum certificate_error certificate_decode_tbs(struct slice tbs, struct certificate *out) {
    struct slice in = tbs;

    *out = (struct certificate){0};
    if (tbs.len > LIMIT_CERTIFICATE_BYTES)
        return CERTIFICATE_TOO_LARGE;
    if (!der_get_element(&in, &out->tbs, DER_SEQUENCE) || in.len != 0)
        return CERTIFICATE_BAD_OUTER;
    return read_tbs(out);
}

const char *certificate_error_text(enum certificate_error error) {
    switch (error) {
    case CERTIFICATE_OK:
        return "no error";
    case CERTIFICATE_TOO_LARGE:
        return "certificate is too large";
    case CERTIFICATE_BAD_OUTER:
        return "not a certificate, cut short, or with bytes behind its end";
    case CERTIFICATE_BAD_VERSION:
        return "version cannot be read";
    case CERTIFICATE_BAD_SERIAL:
        return "serial number cannot be read";
    case CERTIFICATE_BAD_ALGORITHM:
        return "signature algorithm cannot be read";
    case CERTIFICATE_BAD_ISSUER:
        return "issuer cannot be read";
    case CERTIFICATE_BAD_VALIDITY:
        return "validity dates cannot be read";
    case CERTIFICATE_BAD_SUBJECT:
        return "subject cannot be read";
    case CERTIFICATE_BAD_KEY:
        return "public key cannot be read";
    case CERTIFICATE_BAD_EXTENSIONS:
        return "extensions cannot be read";
    }
    return "unknown error";
}
