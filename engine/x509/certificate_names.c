/* Subject alternative names and the URLs of revocation: RFC 5280 sections 4.2.1.6, 4.2.1.13 and
 * 4.2.2.1. */
#include "engine/x509/certificate_parts.h"

bool general_name_next(struct slice *names, struct general_name *out) {
    struct slice in = *names, value;
    uint8_t tag;

    if (!der_get_any(&in, &value, &tag) || (tag & 0xc0) != DER_CONTEXT(0))
        return false;
    out->type = tag & 0x1f;
    out->value = value;
    *names = in;
    return true;
}

/* The value of an extension, when it is a subjectAltName. */
static bool get_alternative_names(struct slice extension, struct slice *value) {
    struct slice oid, critical;

    return der_get(&extension, &oid, DER_OID) &&
           slice_equal(oid, (struct slice)OID("\x55\x1d\x11")) && /* 2.5.29.17 */
           der_get_optional(&extension, &critical, DER_BOOLEAN) &&
           der_get(&extension, value, DER_OCTET_STRING);
}

bool certificate_all_alternative_names(const struct certificate *certificate, struct buffer *out) {
    struct slice list, extension, value, names;
    bool all = true;

    if (!certificate_extension_list(certificate, &list))
        return true; /* none */
    while (der_get(&list, &extension, DER_SEQUENCE)) {
        if (!get_alternative_names(extension, &value))
            continue;
        if (!der_get(&value, &names, DER_SEQUENCE)) {
            all = false;
            continue;
        }
        buffer_add_slice(out, names);
        all = all && (value.len == 0 || (value.len == 1 && value.ptr[0] == 0));
    }
    return all;
}

/* `method` is the last arc of the access method under id-ad, 1.3.6.1.5.5.7.48. */
static bool access_url_next(struct slice *access, uint8_t method, struct slice *url) {
    static const uint8_t id_ad[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30};
    struct slice in = *access, description, oid, location;
    uint8_t tag;

    while (in.len) {
        if (!der_get(&in, &description, DER_SEQUENCE) || !der_get(&description, &oid, DER_OID) ||
            !der_get_any(&description, &location, &tag))
            return false;
        *access = in;
        if (oid.len == sizeof id_ad + 1 && memcmp(oid.ptr, id_ad, sizeof id_ad) == 0 &&
            oid.ptr[sizeof id_ad] == method && tag == DER_CONTEXT(GENERAL_NAME_URI)) {
            *url = location;
            return true;
        }
    }
    return false;
}

bool certificate_ocsp_url_next(struct slice *access, struct slice *url) {
    return access_url_next(access, 1, url);
}

bool certificate_ca_issuers_url_next(struct slice *access, struct slice *url) {
    return access_url_next(access, 2, url);
}

/* Steps into the full name of the DistributionPoint that `in` begins with, so that its first
 * GeneralName is next; over the point when it has none. */
static bool enter_point(struct slice *in) {
    struct slice rest = *in, point, name, full_name;

    if (!der_get(&rest, &point, DER_SEQUENCE) ||
        !der_get_optional(&point, &name, DER_CONTEXT_CONSTRUCTED(0)) ||
        !der_get_optional(&name, &full_name, DER_CONTEXT_CONSTRUCTED(0)))
        return false;
    if (full_name.len)
        *in = slice_from(*in, (size_t)(full_name.ptr - in->ptr));
    else
        *in = rest;
    return true;
}

/* The slice is all the state there is, so the points are read as one flat run of elements: the
 * GeneralNames of a point's full name, then what else the point has (reasons [1], cRLIssuer [2],
 * which no URI can be taken for), then the next point, the only SEQUENCE among them. */
bool certificate_crl_url_next(struct slice *points, struct slice *url) {
    struct slice in = *points, value;
    uint8_t tag;

    while (in.len) {
        if (der_next_is(in, DER_SEQUENCE)) {
            if (!enter_point(&in))
                return false;
            continue;
        }
        if (!der_get_any(&in, &value, &tag))
            return false;
        *points = in;
        if (tag == DER_CONTEXT(GENERAL_NAME_URI)) {
            *url = value;
            return true;
        }
    }
    *points = in;
    return false;
}
