#include "engine/x509/trust_internal.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>

/* GeneralName, RFC 5280 section 4.2.1.6: the tags of which this file knows what a subtree means. */
enum {
    TAG_EMAIL = CBS_ASN1_CONTEXT_SPECIFIC | 1,
    TAG_DNS = CBS_ASN1_CONTEXT_SPECIFIC | 2,
    TAG_URI = CBS_ASN1_CONTEXT_SPECIFIC | 6,
    TAG_IP = CBS_ASN1_CONTEXT_SPECIFIC | 7,
};

static const CBS_ASN1_TAG TAG_DIRECTORY = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 4;
static const CBS_ASN1_TAG TAG_SUBTREES_PERMITTED =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
static const CBS_ASN1_TAG TAG_SUBTREES_EXCLUDED =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1;

/* Names times subtrees that are compared for one certificate: a certificate of thousands of names
 * under one of thousands of subtrees must not hold a worker. */
enum { COMPARISONS_MAX = 1 << 18, COMPARISONS_PER_DIRECTORY_NAME = 64 };

enum match { NO_MATCH, MATCH, NOT_UNDERSTOOD };

struct constraints {
    CBS permitted, excluded; /* sequences of GeneralSubtree, may be empty */
    unsigned comparisons_left;
};

/* A name to hold against the subtrees. */
struct name {
    CBS_ASN1_TAG tag;
    struct slice value;    /* all but directory names */
    const X509_NAME *name; /* directory names */
};

static struct slice slice_of_cbs(const CBS *cbs) {
    return (struct slice){CBS_data(cbs), CBS_len(cbs)};
}

static struct slice without_final_dot(struct slice name) {
    return name.len && name.ptr[name.len - 1] == '.' ? slice_first(name, name.len - 1) : name;
}

static bool ends_with(struct slice name, struct slice suffix) {
    return name.len >= suffix.len &&
           slice_equal_nocase(slice_from(name, name.len - suffix.len), suffix);
}

/* `name` lies below `base` by at least one label. */
static bool is_below(struct slice name, struct slice base) {
    return name.len > base.len + 1 && ends_with(name, base) &&
           name.ptr[name.len - base.len - 1] == '.';
}

/* A subtree is its base and all below. A base with a leading dot is not in RFC 5280 and in use all
 * the same: it is read in the stricter way, without the base when it permits and with it when it
 * excludes. A wildcard is under an excluded base also when just one of the names that it stands for
 * is. */
static enum match match_dns(struct slice base, struct slice name, bool excluded) {
    if (base.len == 0)
        return MATCH;
    bool only_below = base.ptr[0] == '.' && !excluded;
    if (base.ptr[0] == '.')
        base = slice_from(base, 1);
    base = without_final_dot(base);
    name = without_final_dot(name);
    if (is_below(name, base) || (!only_below && slice_equal_nocase(name, base)))
        return MATCH;
    if (excluded && name.len > 2 && memcmp(name.ptr, "*.", 2) == 0) {
        const uint8_t *dot = base.len ? memchr(base.ptr, '.', base.len) : NULL;
        if (dot &&
            slice_equal_nocase(slice_from(base, (size_t)(dot - base.ptr)), slice_from(name, 1)))
            return MATCH;
    }
    return NO_MATCH;
}

static bool mask_is_contiguous(const uint8_t *mask, size_t len) {
    bool ended = false;
    for (size_t i = 0; i < len * 8; i++) {
        bool bit = (mask[i / 8] >> (7 - i % 8)) & 1;
        if (bit && ended)
            return false;
        ended = ended || !bit;
    }
    return true;
}

/* An address of the other family matches nothing, and so is not permitted. */
static enum match match_ip(struct slice base, struct slice name) {
    if ((base.len != 8 && base.len != 32) || (name.len != 4 && name.len != 16))
        return NOT_UNDERSTOOD;
    const uint8_t *mask = base.ptr + base.len / 2;
    if (!mask_is_contiguous(mask, base.len / 2))
        return NOT_UNDERSTOOD;
    if (name.len != base.len / 2)
        return NO_MATCH;
    for (size_t i = 0; i < name.len; i++) {
        if ((name.ptr[i] & mask[i]) != (base.ptr[i] & mask[i]))
            return NO_MATCH;
    }
    return MATCH;
}

/* ".example.com" is all hosts below, "example.com" just that host: for mail and URIs. */
static enum match match_host(struct slice base, struct slice host) {
    if (base.len == 0)
        return MATCH;
    bool match =
        base.ptr[0] == '.' ? is_below(host, slice_from(base, 1)) : slice_equal_nocase(base, host);
    return match ? MATCH : NO_MATCH;
}

static enum match match_email(struct slice base, struct slice name) {
    const uint8_t *at = name.len ? memrchr(name.ptr, '@', name.len) : NULL;
    if (!at)
        return NOT_UNDERSTOOD;
    size_t local_bytes = (size_t)(at - name.ptr);
    struct slice host = slice_from(name, local_bytes + 1);
    const uint8_t *base_at = base.len ? memrchr(base.ptr, '@', base.len) : NULL;
    if (!base_at)
        return match_host(base, host);
    size_t base_local_bytes = (size_t)(base_at - base.ptr);
    bool same = slice_equal(slice_first(base, base_local_bytes), slice_first(name, local_bytes)) &&
                slice_equal_nocase(slice_from(base, base_local_bytes + 1), host);
    return same ? MATCH : NO_MATCH;
}

/* The host of scheme://user@host:port/path; empty for an IPv6 address or when there is none. */
static struct slice uri_host(struct slice uri) {
    const uint8_t *slashes = memmem(uri.ptr, uri.len, "://", 3);
    if (!slashes)
        return (struct slice){NULL, 0};
    struct slice host = slice_from(uri, (size_t)(slashes - uri.ptr) + 3);
    size_t len = 0;
    while (len < host.len && !memchr("/?#\\", host.ptr[len], 4))
        len++;
    host = slice_first(host, len);
    const uint8_t *at = host.len ? memrchr(host.ptr, '@', host.len) : NULL;
    if (at)
        host = slice_from(host, (size_t)(at - host.ptr) + 1);
    if (host.len && host.ptr[0] == '[')
        return (struct slice){NULL, 0};
    const uint8_t *colon = host.len ? memchr(host.ptr, ':', host.len) : NULL;
    return colon ? slice_first(host, (size_t)(colon - host.ptr)) : host;
}

/* RFC 5280: a URI whose authority is no host name breaks any constraint. */
static enum match match_uri(struct slice base, struct slice name) {
    struct slice host = without_final_dot(uri_host(name));
    return host.len == 0 ? NOT_UNDERSTOOD : match_host(base, host);
}

static X509_NAME *parse_name(struct slice der) {
    const uint8_t *at = der.ptr;
    X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)der.len);
    if (name && at != der.ptr + der.len) {
        X509_NAME_free(name);
        return NULL;
    }
    return name;
}

/* The first RDNs of `name` are those of `base`. Cutting `name` to the length of `base` makes a name
 * that BoringSSL compares by the rules of RFC 5280 section 7.1. */
static enum match match_directory(struct slice base_der, const X509_NAME *name) {
    X509_NAME *base = parse_name(base_der);
    if (!base)
        return NOT_UNDERSTOOD;
    int wanted = X509_NAME_entry_count(base);
    int count = X509_NAME_entry_count(name);
    enum match match = NO_MATCH;
    if (wanted == 0) {
        match = MATCH;
    } else if (count >= wanted) {
        bool cuts_rdn =
            count > wanted && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, wanted - 1)) ==
                                  X509_NAME_ENTRY_set(X509_NAME_get_entry(name, wanted));
        X509_NAME *head = cuts_rdn ? NULL : X509_NAME_dup((X509_NAME *)name);
        while (head && X509_NAME_entry_count(head) > wanted)
            X509_NAME_ENTRY_free(X509_NAME_delete_entry(head, X509_NAME_entry_count(head) - 1));
        if (!head && !cuts_rdn)
            match = NOT_UNDERSTOOD;
        else if (head && X509_NAME_cmp(head, base) == 0)
            match = MATCH;
        X509_NAME_free(head);
    }
    X509_NAME_free(base);
    return match;
}

static enum match match_name(struct slice base, const struct name *name, bool excluded) {
    if (name->tag == TAG_DIRECTORY)
        return match_directory(base, name->name);
    switch (name->tag) {
    case TAG_DNS:
        return match_dns(base, name->value, excluded);
    case TAG_IP:
        return match_ip(base, name->value);
    case TAG_EMAIL:
        return match_email(base, name->value);
    case TAG_URI:
        return match_uri(base, name->value);
    default:
        return NOT_UNDERSTOOD;
    }
}

/* Holds `name` against a list of GeneralSubtree: `any` tells whether one of its kind is there. */
static enum match match_subtrees(struct constraints *constraints, CBS subtrees,
                                 const struct name *name, bool excluded, bool *any) {
    *any = false;
    unsigned cost = name->tag == TAG_DIRECTORY ? COMPARISONS_PER_DIRECTORY_NAME : 1;
    while (CBS_len(&subtrees)) {
        CBS subtree, base;
        CBS_ASN1_TAG tag;
        /* `minimum` is 0 and left out, `maximum` is absent: RFC 5280 knows nothing else. */
        if (!CBS_get_asn1(&subtrees, &subtree, CBS_ASN1_SEQUENCE) ||
            !CBS_get_any_asn1(&subtree, &base, &tag) || CBS_len(&subtree) != 0)
            return NOT_UNDERSTOOD;
        if (tag != name->tag)
            continue;
        *any = true;
        if (constraints->comparisons_left < cost)
            return NOT_UNDERSTOOD;
        constraints->comparisons_left -= cost;
        enum match match = match_name(slice_of_cbs(&base), name, excluded);
        if (match != NO_MATCH)
            return match;
    }
    return NO_MATCH;
}

static bool name_is_allowed(struct constraints *constraints, const struct name *name) {
    bool any = false;
    if (match_subtrees(constraints, constraints->excluded, name, true, &any) != NO_MATCH)
        return false;
    enum match match = match_subtrees(constraints, constraints->permitted, name, false, &any);
    return match == MATCH || (match == NO_MATCH && !any);
}

/* --- The names of one certificate --- */

static bool text_is_dns_name(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '*';
        if (!known)
            return false;
    }
    return text.len > 0;
}

/* Attributes of the subject that stand for names: the e-mail address always, the common name in a
 * leaf without subjectAltName, which some clients still take for its host. */
static bool attributes_are_allowed(struct constraints *constraints, const X509_NAME *subject,
                                   int nid, CBS_ASN1_TAG tag) {
    for (int i = X509_NAME_get_index_by_NID(subject, nid, -1); i >= 0;
         i = X509_NAME_get_index_by_NID(subject, nid, i)) {
        uint8_t *text = NULL;
        int len =
            ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
        if (len < 0)
            return false;
        struct name name = {.tag = tag, .value = {text, (size_t)len}};
        bool skip = tag == TAG_DNS && !text_is_dns_name(name.value);
        bool allowed = skip || name_is_allowed(constraints, &name);
        OPENSSL_free(text);
        if (!allowed)
            return false;
    }
    return true;
}

static bool alternative_names_are_allowed(struct constraints *constraints, struct slice extension) {
    CBS cbs, names;
    CBS_init(&cbs, extension.ptr, extension.len);
    if (!CBS_get_asn1(&cbs, &names, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0)
        return false;
    while (CBS_len(&names)) {
        CBS value;
        struct name name = {0};
        if (!CBS_get_any_asn1(&names, &value, &name.tag))
            return false;
        name.value = slice_of_cbs(&value);
        X509_NAME *directory = name.tag == TAG_DIRECTORY ? parse_name(name.value) : NULL;
        name.name = directory;
        bool allowed = (name.tag != TAG_DIRECTORY || directory) && //
                       name_is_allowed(constraints, &name);
        X509_NAME_free(directory);
        if (!allowed)
            return false;
    }
    return true;
}

static bool certificate_is_allowed(struct constraints *constraints,
                                   const struct trust_certificate *certificate, bool is_leaf) {
    const X509_NAME *subject = X509_get_subject_name(certificate->x509);
    struct name name = {.tag = TAG_DIRECTORY, .name = subject};
    if (X509_NAME_entry_count(subject) > 0 && !name_is_allowed(constraints, &name))
        return false;
    if (!attributes_are_allowed(constraints, subject, NID_pkcs9_emailAddress, TAG_EMAIL))
        return false;
    if (certificate->subject_alt_name.ptr)
        return alternative_names_are_allowed(constraints, certificate->subject_alt_name);
    return !is_leaf || attributes_are_allowed(constraints, subject, NID_commonName, TAG_DNS);
}

static bool read_constraints(struct slice extension, CBS *permitted, CBS *excluded) {
    CBS cbs, content;
    CBS_init(&cbs, extension.ptr, extension.len);
    CBS_init(permitted, NULL, 0);
    CBS_init(excluded, NULL, 0);
    return CBS_get_asn1(&cbs, &content, CBS_ASN1_SEQUENCE) && CBS_len(&cbs) == 0 &&
           CBS_get_optional_asn1(&content, permitted, NULL, TAG_SUBTREES_PERMITTED) &&
           CBS_get_optional_asn1(&content, excluded, NULL, TAG_SUBTREES_EXCLUDED) &&
           CBS_len(&content) == 0;
}

bool trust_constraints_allow(const struct trust_certificate *constraints_of,
                             struct trust_certificate *const *path, size_t count) {
    if (!constraints_of->name_constraints.ptr)
        return true;
    struct constraints constraints;
    if (!read_constraints(constraints_of->name_constraints, &constraints.permitted,
                          &constraints.excluded))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && path[i]->self_issued)
            continue; /* RFC 5280 section 6.1.4: a CA's own key rollover is exempt */
        constraints.comparisons_left = COMPARISONS_MAX;
        if (!certificate_is_allowed(&constraints, path[i], i == 0))
            return false;
    }
    return true;
}
