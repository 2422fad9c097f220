#include "engine/ct/bind.h"

#include "engine/x509/certificate_parts.h"

enum { AUTHORITY_KEY_IDENTIFIER = 35 }; /* 2.5.29.35 */

/* --- Byte for byte --- */

/* A precertificate in pieces. */
struct pieces {
    struct slice tbs;        /* content of the TBSCertificate */
    struct slice before;     /* of that, what stands before the extensions */
    struct slice head, tail; /* extensions before and behind the poison */
};

static inline struct slice between(const uint8_t *start, const uint8_t *end) {
    return (struct slice){start, (size_t)(end - start)};
}

/* Takes the extension's id, when it is that of poison. */
static inline bool take_poison(struct slice *extension) {
    static const uint8_t id[2 + EXTENSION_CT_OID_BYTES] = "\x06\x0a" EXTENSION_CT_POISON;

    if (extension->len < sizeof id || memcmp(extension->ptr, id, sizeof id) != 0)
        return false;
    *extension = slice_from(*extension, sizeof id);
    return true;
}

/* Splits the extensions at the poison, of which there must be one. */
static enum ct_binding split_extensions(struct slice list, struct pieces *out) {
    struct slice rest = list, extension, critical;
    const uint8_t *end = list.ptr + list.len;
    bool found = false;

    while (rest.len) {
        const uint8_t *start = rest.ptr;
        if (!der_get(&rest, &extension, DER_SEQUENCE))
            return CT_UNBOUND_UNREADABLE;
        if (!take_poison(&extension))
            continue;
        if (found || !der_get_optional(&extension, &critical, DER_BOOLEAN))
            return CT_UNBOUND_UNREADABLE;
        if (critical.len != 1 || critical.ptr[0] == 0)
            return CT_UNBOUND_POISON_NOT_CRITICAL;
        out->head = between(list.ptr, start);
        out->tail = between(rest.ptr, end);
        found = true;
    }
    return found ? CT_BOUND : CT_UNBOUND_NO_POISON;
}

/* Takes `[3] { SEQUENCE { list } }`, the last element of a TBSCertificate. */
static bool get_extensions(struct slice *tbs, struct slice *list) {
    struct slice wrapper;

    return der_get(tbs, &wrapper, DER_CONTEXT_CONSTRUCTED(3)) &&
           der_get(&wrapper, list, DER_SEQUENCE) && wrapper.len == 0 && tbs->len == 0;
}

static enum ct_binding split(struct slice precertificate, struct pieces *out) {
    struct slice in = precertificate, outer, rest, list, content;
    uint8_t tag;

    if (!der_get(&in, &outer, DER_SEQUENCE) || in.len != 0 ||
        !der_get(&outer, &out->tbs, DER_SEQUENCE))
        return CT_UNBOUND_UNREADABLE;
    for (rest = out->tbs; rest.len && !der_next_is(rest, DER_CONTEXT_CONSTRUCTED(3));)
        if (!der_get_any(&rest, &content, &tag))
            return CT_UNBOUND_UNREADABLE;
    if (rest.len == 0)
        return CT_UNBOUND_NO_POISON;
    out->before = between(out->tbs.ptr, rest.ptr);
    return get_extensions(&rest, &list) ? split_extensions(list, out) : CT_UNBOUND_UNREADABLE;
}

/* Takes `wanted` off `in`. */
static bool take_equal(struct slice *in, struct slice wanted) {
    if (!slice_equal(slice_first(*in, wanted.len), wanted))
        return false;
    *in = slice_from(*in, wanted.len);
    return true;
}

/* True when the pieces make up the logged TBS, whose lengths differ from the precertificate's. */
static bool make_up(const struct pieces *pieces, struct slice tbs) {
    struct slice list;

    if (!take_equal(&tbs, pieces->before))
        return false;
    if (pieces->head.len + pieces->tail.len == 0)
        return tbs.len == 0;
    return get_extensions(&tbs, &list) && take_equal(&list, pieces->head) &&
           take_equal(&list, pieces->tail) && list.len == 0;
}

/* --- But for the issuer --- */

static bool is_authority_key(struct slice element) {
    struct slice extension, oid;

    return der_get(&element, &extension, DER_SEQUENCE) && der_get(&extension, &oid, DER_OID) &&
           oid.len == 3 && memcmp(oid.ptr, "\x55\x1d", 2) == 0 &&
           oid.ptr[2] == AUTHORITY_KEY_IDENTIFIER;
}

/* Takes the extensions of `ours` off `logged` one by one; authority key identifiers need not be the
 * same. */
static bool take_extensions(struct slice ours, struct slice *logged) {
    struct slice mine, theirs;

    while (ours.len) {
        if (!der_get_element(&ours, &mine, DER_SEQUENCE) ||
            !der_get_element(logged, &theirs, DER_SEQUENCE))
            return false;
        if (!slice_equal(mine, theirs) && !(is_authority_key(mine) && is_authority_key(theirs)))
            return false;
    }
    return true;
}

/* Takes what stands before the issuer: version, serial number, algorithm. */
static bool get_before_issuer(struct slice *tbs, struct slice *before) {
    const uint8_t *start = tbs->ptr;
    struct slice content;

    if (!der_get_optional(tbs, &content, DER_CONTEXT_CONSTRUCTED(0)) ||
        !der_get(tbs, &content, DER_INTEGER) || !der_get(tbs, &content, DER_SEQUENCE))
        return false;
    *before = between(start, tbs->ptr);
    return true;
}

static bool make_up_but_issuer(const struct pieces *pieces, struct slice logged) {
    struct slice ours = pieces->before, our_start, their_start, our_issuer, their_issuer, list;

    if (!get_before_issuer(&ours, &our_start) || !get_before_issuer(&logged, &their_start) ||
        !slice_equal(our_start, their_start) || !der_get(&ours, &our_issuer, DER_SEQUENCE) ||
        !der_get(&logged, &their_issuer, DER_SEQUENCE) || !take_equal(&logged, ours))
        return false;
    if (pieces->head.len + pieces->tail.len == 0)
        return logged.len == 0;
    return get_extensions(&logged, &list) && take_extensions(pieces->head, &list) &&
           take_extensions(pieces->tail, &list) && list.len == 0;
}

enum ct_binding ct_bind(struct slice precertificate, struct slice tbs) {
    struct slice content;
    struct pieces pieces;

    enum ct_binding binding = split(precertificate, &pieces);
    if (binding != CT_BOUND)
        return binding;
    if (!der_get(&tbs, &content, DER_SEQUENCE) || tbs.len != 0)
        return CT_UNBOUND_UNREADABLE;
    if (make_up(&pieces, content))
        return CT_BOUND;
    return make_up_but_issuer(&pieces, content) ? CT_BOUND_BUT_ISSUER : CT_UNBOUND_DIFFERENT;
}

const char *ct_binding_text(enum ct_binding binding) {
    switch (binding) {
    case CT_BOUND:
        return "bound";
    case CT_BOUND_BUT_ISSUER:
        return "bound, but for the issuer";
    case CT_UNBOUND_UNREADABLE:
        return "precertificate or its logged TBS cannot be read";
    case CT_UNBOUND_NO_POISON:
        return "precertificate has no poison extension";
    case CT_UNBOUND_POISON_NOT_CRITICAL:
        return "poison extension is not critical";
    case CT_UNBOUND_DIFFERENT:
        return "precertificate differs from the logged TBS";
    }
    return "unknown binding";
}

bool ct_is_precert_signing(const struct certificate *issuer) {
    static const struct slice wanted =
        OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x04"); /* 1.3.6.1.4.1.11129.2.4.4 */
    struct slice purposes = issuer->extended_key_usage, oid;

    while (der_get(&purposes, &oid, DER_OID))
        if (slice_equal(oid, wanted))
            return true;
    return false;
}
