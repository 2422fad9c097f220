#include "engine/x509/dane.h"

#include "engine/base/limits.h"
#include "engine/x509/der.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

enum {
    /* Records of usage 2 may name several certificates of one path; each round finds the nearest.
     */
    ROUNDS_MAX = 4,
    ANCHOR_REST_BYTES = 128, /* of one that is made: all but name and key */
    ANCHORS_BYTES = 2048,    /* of all that are made: about */
};

struct check {
    const struct dane_server *server;
    struct trust_checker *checker;
    const struct tlsa *records;
    uint32_t count;
    enum dane_match *matches;
    struct buffer path; /* certificates, as trust_check_path tells them */
};

/* --- One record --- */

static struct slice spki_of(struct slice der) {
    struct certificate certificate;

    return certificate_decode(der, &certificate) == CERTIFICATE_OK ? certificate.spki
                                                                   : (struct slice){NULL, 0};
}

static bool is_sequence(struct slice der) {
    struct slice element;

    return der_get_element(&der, &element, DER_SEQUENCE) && der.len == 0;
}

static bool data_is_sound(const struct tlsa *record) {
    switch (record->matching_type) {
    case DANE_FULL:
        return record->selector == DANE_SPKI ? is_sequence(record->data)
                                             : spki_of(record->data).len > 0;
    case DANE_SHA2_256:
        return record->data.len == SHA256_DIGEST_LENGTH;
    case DANE_SHA2_512:
        return record->data.len == SHA512_DIGEST_LENGTH;
    default:
        return false;
    }
}

static bool is_usable(const struct check *check, const struct tlsa *record) {
    bool pkix = record->usage == DANE_PKIX_TA || record->usage == DANE_PKIX_EE;

    return record->usage <= DANE_EE && record->selector <= DANE_SPKI && data_is_sound(record) &&
           (check->server->uses_pkix || !pkix);
}

static bool is_overruled(const struct check *check, const struct tlsa *record) {
    for (uint32_t i = 0; i < check->count && record->matching_type == DANE_SHA2_256; i++) {
        const struct tlsa *other = &check->records[i];
        if (other->usage == record->usage && other->selector == record->selector &&
            other->matching_type == DANE_SHA2_512 && is_usable(check, other))
            return true;
    }
    return false;
}

static bool record_fits(const struct tlsa *record, struct slice der) {
    struct slice selected = record->selector == DANE_SPKI ? spki_of(der) : der;
    uint8_t digest[SHA512_DIGEST_LENGTH];

    if (!selected.len)
        return false;
    if (record->matching_type == DANE_FULL)
        return slice_equal(selected, record->data);
    if (record->matching_type == DANE_SHA2_256)
        SHA256(selected.ptr, selected.len, digest);
    else
        SHA512(selected.ptr, selected.len, digest);
    return slice_equal((struct slice){digest, record->data.len}, record->data);
}

/* --- Usages 1 and 3 --- */

static void check_leaf(struct check *check, enum dane_usage usage) {
    for (uint32_t i = 0; i < check->count; i++)
        if (check->matches[i] == DANE_DIFFERS && check->records[i].usage == usage &&
            record_fits(&check->records[i], check->server->chain.items[0]))
            check->matches[i] = DANE_MATCHES;
}

/* --- Usages 0 and 2 --- */

static bool wants(const struct check *check, enum dane_usage usage) {
    for (uint32_t i = 0; i < check->count; i++)
        if (check->matches[i] == DANE_DIFFERS && check->records[i].usage == usage)
            return true;
    return false;
}

/* Marks the records that an issuer on the path fits; true when there is a new one. */
static bool mark_path(struct check *check, enum dane_usage usage) {
    struct slice rest = buffer_slice(&check->path), issuer;
    bool marked = false;

    if (!der_get_element(&rest, &issuer, DER_SEQUENCE)) /* the leaf */
        return false;
    while (der_get_element(&rest, &issuer, DER_SEQUENCE)) {
        for (uint32_t i = 0; i < check->count; i++) {
            if (check->matches[i] != DANE_DIFFERS || check->records[i].usage != usage ||
                !record_fits(&check->records[i], issuer))
                continue;
            check->matches[i] = DANE_MATCHES;
            marked = true;
        }
    }
    return marked;
}

/* False when there is no memory. */
static bool check_trusted_path(struct check *check) {
    const struct dane_server *server = check->server;

    if (!wants(check, DANE_PKIX_TA))
        return true;
    struct trust_verdict verdict =
        trust_check_path(check->checker, server->chain, NULL, server->unix_seconds, &check->path);
    if (verdict.error == TRUST_OK)
        mark_path(check, DANE_PKIX_TA);
    return verdict.error != TRUST_NO_MEMORY;
}

struct anchors {
    struct slice items[TRUST_ANCHORS_MAX];
    uint32_t count;
    struct arena memory; /* of those that are made here */
};

static void add_anchor(struct anchors *anchors, struct slice der) {
    if (anchors->count < TRUST_ANCHORS_MAX)
        anchors->items[anchors->count++] = der;
}

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})
#define ECDSA          "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"

static bool put(CBB *out, struct slice bytes) {
    return CBB_add_bytes(out, bytes.ptr, bytes.len);
}

/* A certificate of version 3 for a CA of this name and key, from nobody, valid for ever. The
 * signature of an anchor is never looked at. */
static bool put_anchor(CBB *out, struct slice name, struct slice spki) {
    const struct slice version_and_serial = BYTES("\xa0\x03\x02\x01\x02\x02\x01\x01"),
                       nobody = BYTES("\x30\x00"),
                       validity = BYTES("\x30\x20\x17\x0d"
                                        "700101000000Z\x18\x0f"
                                        "99991231235959Z"),
                       is_ca = BYTES("\xa3\x13\x30\x11\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff"
                                     "\x04\x05\x30\x03\x01\x01\xff");
    CBB certificate, tbs;

    return CBB_add_asn1(out, &certificate, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&certificate, &tbs, CBS_ASN1_SEQUENCE) && put(&tbs, version_and_serial) &&
           put(&tbs, BYTES(ECDSA)) && put(&tbs, nobody) && put(&tbs, validity) && put(&tbs, name) &&
           put(&tbs, spki) && put(&tbs, is_ca) && put(&certificate, BYTES(ECDSA "\x03\x01\x00")) &&
           CBB_flush(out); /* its parts are ours */
}

/* The bare key as an anchor under the name of whoever issued `der`. */
static void add_bare_key(struct anchors *anchors, struct slice der, struct slice spki) {
    struct certificate certificate;
    CBB out;

    if (certificate_decode(der, &certificate) != CERTIFICATE_OK)
        return;
    size_t len = certificate.issuer.len + spki.len + ANCHOR_REST_BYTES;
    uint8_t *bytes = arena_take(&anchors->memory, len);
    if (bytes && CBB_init_fixed(&out, bytes, len) && put_anchor(&out, certificate.issuer, spki) &&
        CBB_finish(&out, NULL, &len))
        add_anchor(anchors, (struct slice){bytes, len});
}

static void add_anchors_of(struct anchors *anchors, const struct tlsa *record,
                           const struct slice_list *chain) {
    bool full = record->matching_type == DANE_FULL;

    if (full && record->selector == DANE_CERT)
        add_anchor(anchors, record->data);
    for (uint32_t i = 0; i < chain->count; i++) {
        if (full && record->selector == DANE_SPKI)
            add_bare_key(anchors, chain->items[i], record->data);
        if (i > 0 && record_fits(record, chain->items[i]))
            add_anchor(anchors, chain->items[i]);
    }
}

/* Looks for a path to what the records name that no path was found to. False when there is no
 * memory; `found` when a record was marked. */
static bool check_anchors(struct check *check, struct anchors *anchors, bool *found) {
    const struct dane_server *server = check->server;
    struct trust_verdict verdict;

    *found = false;
    anchors->count = 0;
    for (uint32_t i = 0; i < check->count; i++)
        if (check->matches[i] == DANE_DIFFERS && check->records[i].usage == DANE_TA)
            add_anchors_of(anchors, &check->records[i], &server->chain);
    if (anchors->memory.failed)
        return false;
    if (!anchors->count)
        return true;
    struct slice_list list = {anchors->items, anchors->count};
    verdict =
        trust_check_path(check->checker, server->chain, &list, server->unix_seconds, &check->path);
    *found = verdict.error == TRUST_OK && mark_path(check, DANE_TA);
    return verdict.error != TRUST_NO_MEMORY;
}

/* False when there is no memory. */
static bool check_anchored_paths(struct check *check) {
    struct anchors anchors;
    bool found = true, whole = true;

    if (!wants(check, DANE_TA))
        return true;
    if (!arena_init(&anchors.memory, ANCHORS_BYTES))
        return false;
    for (int round = 0; round < ROUNDS_MAX && whole && found; round++)
        whole = check_anchors(check, &anchors, &found);
    arena_deinit(&anchors.memory);
    return whole;
}

/* --- All --- */

static enum dane_verdict verdict_of(const struct check *check) {
    enum dane_verdict verdict = DANE_UNUSABLE;

    for (uint32_t i = 0; i < check->count; i++) {
        if (check->matches[i] == DANE_MATCHES)
            return DANE_MATCHED;
        if (check->matches[i] == DANE_DIFFERS)
            verdict = DANE_MISMATCHED;
    }
    return verdict;
}

bool dane_check(const struct dane_server *server, struct trust_checker *checker,
                const struct tlsa *records, uint32_t count, enum dane_match *matches,
                enum dane_verdict *verdict) {
    struct check check = {server, checker, records, count, matches, .path = {0}};
    bool whole = true;

    for (uint32_t i = 0; i < count; i++) {
        bool counts = is_usable(&check, &records[i]) && !is_overruled(&check, &records[i]);
        matches[i] = counts ? DANE_DIFFERS : DANE_NOT_COMPARED;
    }
    buffer_init(&check.path);
    check_leaf(&check, DANE_EE);
    if (server->name_matches)
        whole = check_anchored_paths(&check);
    if (server->name_matches && server->trusted) {
        check_leaf(&check, DANE_PKIX_EE);
        whole = check_trusted_path(&check) && whole;
    }
    buffer_deinit(&check.path);
    *verdict = verdict_of(&check);
    return whole;
}
