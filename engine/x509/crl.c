#include "engine/x509/crl.h"

#include "engine/base/limits.h"
#include "engine/x509/der.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum { ENUMERATED = 0x0a, CRL_SIGN = 0x02 /* bit 6 of keyUsage, in its first byte */ };

#define ID_CE(last) OID("\x55\x1d" last) /* 2.5.29 */

/* --- Entries --- */

/* revokedCertificates: SEQUENCE { userCertificate, revocationDate, crlEntryExtensions OPTIONAL } */
struct entry {
    struct slice serial; /* without bytes that add nothing */
    int64_t revoked_at;
    struct slice extensions; /* content of SEQUENCE OF Extension */
};

/* Without padding, which some certificates have and their CRL does not. */
static struct slice minimal(struct slice serial) {
    while (serial.len > 1 && serial.ptr[0] == 0 && serial.ptr[1] < 0x80)
        serial = slice_from(serial, 1);
    return serial;
}

static bool get_time(struct slice *in, int64_t *out) {
    struct slice content;
    uint8_t tag;

    return (der_next_is(*in, DER_UTC_TIME) || der_next_is(*in, DER_GENERALIZED_TIME)) &&
           der_get_any(in, &content, &tag) && der_time(tag, content, out);
}

static bool get_entry(struct slice *in, struct entry *out) {
    struct slice content;

    if (!der_get(in, &content, DER_SEQUENCE) || !der_get(&content, &out->serial, DER_INTEGER) ||
        !get_time(&content, &out->revoked_at) ||
        !der_get_optional(&content, &out->extensions, DER_SEQUENCE))
        return false;
    out->serial = minimal(out->serial);
    return out->serial.len && !content.len;
}

struct extension {
    struct slice oid, value;
    bool critical;
};

static bool get_extension(struct slice *in, struct extension *out) {
    struct slice content, critical;

    if (!der_get(in, &content, DER_SEQUENCE) || !der_get(&content, &out->oid, DER_OID) ||
        !der_get_optional(&content, &critical, DER_BOOLEAN) ||
        !der_get(&content, &out->value, DER_OCTET_STRING))
        return false;
    out->critical = critical.len && critical.ptr[0];
    return true;
}

static enum crl_error read_entry_extensions(struct slice list, uint8_t *reason) {
    static const struct slice id_reason = ID_CE("\x15"), id_invalidity = ID_CE("\x18"),
                              id_hold_instruction = ID_CE("\x17"), id_issuer = ID_CE("\x1d");
    struct extension extension;
    struct slice code;

    while (list.len) {
        if (!get_extension(&list, &extension))
            return CRL_MALFORMED;
        if (slice_equal(extension.oid, id_reason)) {
            if (!der_get(&extension.value, &code, ENUMERATED) || code.len != 1)
                return CRL_MALFORMED;
            *reason = code.ptr[0];
        } else if (slice_equal(extension.oid, id_issuer)) {
            return CRL_INDIRECT;
        } else if (extension.critical && !slice_equal(extension.oid, id_invalidity) &&
                   !slice_equal(extension.oid, id_hold_instruction)) {
            return CRL_UNKNOWN_CRITICAL;
        }
    }
    return CRL_OK;
}

static int compare_serials(struct slice a, struct slice b) {
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

/* One that was read before. */
static struct entry entry_at(const struct crl *crl, uint32_t offset) {
    const uint8_t *end = crl->signature.bytes.ptr + crl->signature.bytes.len;
    struct slice in = {crl->der + offset, (size_t)(end - crl->der) - offset};
    struct entry entry = {0};

    (void)get_entry(&in, &entry);
    return entry;
}

static int compare_entries(const void *a, const void *b, void *crl) {
    return compare_serials(entry_at(crl, *(const uint32_t *)a).serial,
                           entry_at(crl, *(const uint32_t *)b).serial);
}

/* Checks every entry and notes where it begins. Lists are long: they are counted first, and sorted
 * only when their issuer has not done it. */
static enum crl_error read_entries(struct crl *crl, struct slice list) {
    struct slice in = list, last = {NULL, 0};
    struct entry entry;
    bool sorted = true;
    uint32_t count = 0;
    uint8_t reason;

    for (; in.len; count++) {
        if (!get_entry(&in, &entry))
            return CRL_MALFORMED;
        enum crl_error error = read_entry_extensions(entry.extensions, &reason);
        if (error != CRL_OK)
            return error;
        sorted = sorted && compare_serials(last, entry.serial) <= 0;
        last = entry.serial;
    }
    if (count == 0)
        return CRL_OK;
    uint32_t *entries = malloc(count * sizeof *entries);
    if (!entries)
        return CRL_NO_MEMORY;
    crl->entries = entries;
    crl->revoked_count = count;
    crl->memory_bytes += count * sizeof *entries;
    for (in = list; in.len;) {
        *entries++ = (uint32_t)(in.ptr - crl->der);
        if (!get_entry(&in, &entry))
            return CRL_MALFORMED;
    }
    if (!sorted)
        qsort_r((void *)crl->entries, count, sizeof *crl->entries, compare_entries, crl);
    return CRL_OK;
}

/* --- The list --- */

static bool get_flag(struct slice *in, uint8_t tag, bool *out) {
    struct slice content;

    if (!der_get_optional(in, &content, tag))
        return false;
    *out = content.len && content.ptr[0];
    return true;
}

/* IssuingDistributionPoint ::= SEQUENCE { [0] DistributionPointName, [1] onlyContainsUserCerts,
 * [2] onlyContainsCACerts, [3] onlySomeReasons, [4] indirectCRL, [5] onlyContainsAttributeCerts }
 */
static enum crl_error read_point(struct crl *crl, struct slice value) {
    struct slice point, name, reasons;
    bool indirect;

    if (!der_get(&value, &point, DER_SEQUENCE) || value.len)
        return CRL_MALFORMED;
    crl->has_point = der_next_is(point, DER_CONTEXT_CONSTRUCTED(0));
    if (!der_get_optional(&point, &name, DER_CONTEXT_CONSTRUCTED(0)) ||
        !der_get_optional(&name, &crl->point_names, DER_CONTEXT_CONSTRUCTED(0)) ||
        !get_flag(&point, DER_CONTEXT(1), &crl->only_users) ||
        !get_flag(&point, DER_CONTEXT(2), &crl->only_cas))
        return CRL_MALFORMED;
    crl->some_reasons = der_next_is(point, DER_CONTEXT(3));
    if (!der_get_optional(&point, &reasons, DER_CONTEXT(3)) ||
        !get_flag(&point, DER_CONTEXT(4), &indirect) ||
        !get_flag(&point, DER_CONTEXT(5), &crl->only_attributes) || point.len)
        return CRL_MALFORMED;
    return indirect ? CRL_INDIRECT : CRL_OK;
}

static enum crl_error read_extensions(struct crl *crl, struct slice list) {
    static const struct slice id_point = ID_CE("\x1c"), id_delta = ID_CE("\x1b"),
                              id_number = ID_CE("\x14"), id_authority_key = ID_CE("\x23");
    struct extension extension;

    while (list.len) {
        enum crl_error error = CRL_OK;
        if (!get_extension(&list, &extension))
            return CRL_MALFORMED;
        if (slice_equal(extension.oid, id_point))
            error = read_point(crl, extension.value);
        else if (slice_equal(extension.oid, id_delta))
            error = CRL_DELTA;
        else if (extension.critical && !slice_equal(extension.oid, id_number) &&
                 !slice_equal(extension.oid, id_authority_key))
            error = CRL_UNKNOWN_CRITICAL;
        if (error != CRL_OK)
            return error;
    }
    return CRL_OK;
}

/* TBSCertList */
static enum crl_error read_tbs(struct crl *crl) {
    struct slice element = crl->signature.bytes, tbs, version, algorithm;
    struct slice entries, wrapped, extensions = {NULL, 0};

    if (!der_get(&element, &tbs, DER_SEQUENCE) || !der_get_optional(&tbs, &version, DER_INTEGER) ||
        !der_get_element(&tbs, &algorithm, DER_SEQUENCE) ||
        !slice_equal(algorithm, crl->signature.algorithm) ||
        !der_get_element(&tbs, &crl->issuer, DER_SEQUENCE) || !get_time(&tbs, &crl->this_update))
        return CRL_MALFORMED;
    bool has_next = der_next_is(tbs, DER_UTC_TIME) || der_next_is(tbs, DER_GENERALIZED_TIME);
    if ((has_next && !get_time(&tbs, &crl->next_update)) ||
        !der_get_optional(&tbs, &entries, DER_SEQUENCE) ||
        !der_get_optional(&tbs, &wrapped, DER_CONTEXT_CONSTRUCTED(0)) || tbs.len ||
        (wrapped.len && (!der_get(&wrapped, &extensions, DER_SEQUENCE) || wrapped.len)))
        return CRL_MALFORMED;
    enum crl_error error = read_extensions(crl, extensions);
    return error ? error : read_entries(crl, entries);
}

static enum crl_error read_der(struct crl *crl, struct slice der) {
    struct slice in, list;

    crl->der = malloc(der.len ? der.len : 1);
    if (!crl->der)
        return CRL_NO_MEMORY;
    memcpy(crl->der, der.ptr, der.len);
    crl->memory_bytes = sizeof *crl + der.len;
    in = (struct slice){crl->der, der.len};
    if (!der_get(&in, &list, DER_SEQUENCE) || in.len ||
        !der_get_element(&list, &crl->signature.bytes, DER_SEQUENCE) ||
        !der_get_element(&list, &crl->signature.algorithm, DER_SEQUENCE) ||
        !der_get_bits(&list, &crl->signature.value) || list.len)
        return CRL_MALFORMED;
    return read_tbs(crl);
}

/* The first CRL among the PEM blocks; to be freed with OPENSSL_free. */
static uint8_t *decode_pem(struct slice text, long *len) {
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;

    while (bio && !der && PEM_read_bio(bio, &name, &header, &der, len)) {
        if (strcmp(name, PEM_STRING_X509_CRL) != 0) {
            OPENSSL_free(der);
            der = NULL;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
    }
    BIO_free(bio);
    ERR_clear_error();
    return der;
}

static enum crl_error read_any(struct crl *crl, struct slice bytes) {
    long len = 0;

    if (der_next_is(bytes, DER_SEQUENCE))
        return read_der(crl, bytes);
    uint8_t *der = decode_pem(bytes, &len);
    enum crl_error error = der ? read_der(crl, (struct slice){der, (size_t)len}) : CRL_MALFORMED;
    OPENSSL_free(der);
    return error;
}

enum crl_error crl_read(struct slice bytes, struct crl **out) {
    if (bytes.len > LIMIT_CRL_BYTES)
        return CRL_TOO_LARGE;
    struct crl *crl = calloc(1, sizeof *crl);
    enum crl_error error = crl ? read_any(crl, bytes) : CRL_NO_MEMORY;

    if (error == CRL_OK)
        *out = crl;
    else
        crl_free(crl);
    return error;
}

void crl_free(struct crl *crl) {
    if (!crl)
        return;
    free((void *)crl->entries);
    free(crl->der);
    free(crl);
}

const char *crl_error_text(enum crl_error error) {
    static const char *const texts[] = {
        [CRL_OK] = "no error",
        [CRL_TOO_LARGE] = "the CRL is too large",
        [CRL_MALFORMED] = "the CRL is malformed",
        [CRL_DELTA] = "it is a delta CRL",
        [CRL_INDIRECT] = "it is an indirect CRL",
        [CRL_UNKNOWN_CRITICAL] = "the CRL has a critical extension that is not known",
        [CRL_NO_MEMORY] = "no memory for the CRL",
    };
    return texts[error];
}

/* --- Questions --- */

/* Names that differ in string types, case and blanks only are the same (section 7.1). */
static bool same_name(struct slice a, struct slice b) {
    if (slice_equal(a, b))
        return true;
    X509_NAME *left = d2i_X509_NAME(NULL, &a.ptr, (long)a.len);
    X509_NAME *right = d2i_X509_NAME(NULL, &b.ptr, (long)b.len);
    bool same = left && right && X509_NAME_cmp(left, right) == 0;
    X509_NAME_free(left);
    X509_NAME_free(right);
    ERR_clear_error();
    return same;
}

/* Whether one of the URLs of the certificate's distribution points is one of the list's. Names of
 * other kinds are not compared. */
static bool shares_point(const struct crl *crl, const struct certificate *certificate) {
    struct slice points = certificate->crl_points, url;
    struct general_name name;

    while (certificate_crl_url_next(&points, &url))
        for (struct slice names = crl->point_names; general_name_next(&names, &name);)
            if (name.type == GENERAL_NAME_URI && slice_equal(name.value, url))
                return true;
    return false;
}

bool crl_covers(const struct crl *crl, const struct certificate *certificate) {
    return same_name(crl->issuer, certificate->issuer) && !crl->only_attributes &&
           !(certificate->is_ca ? crl->only_users : crl->only_cas) &&
           (!crl->has_point || shares_point(crl, certificate));
}

static bool may_sign_crls(const struct certificate *issuer) {
    struct slice usage = issuer->key_usage; /* its unused-bits byte first */
    return usage.len == 0 || (usage.len > 1 && usage.ptr[1] & CRL_SIGN);
}

bool crl_is_signed_by(const struct crl *crl, const struct certificate *issuer) {
    return same_name(crl->issuer, issuer->subject) && may_sign_crls(issuer) &&
           !signature_algorithm_is_weak(crl->signature.algorithm) &&
           signature_verify(&crl->signature, issuer);
}

bool crl_find(const struct crl *crl, struct slice serial, struct crl_entry *out) {
    uint32_t low = 0, high = crl->revoked_count;

    serial = minimal(serial);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct entry entry = entry_at(crl, crl->entries[middle]);
        int order = compare_serials(entry.serial, serial);
        if (order == 0) {
            *out = (struct crl_entry){.revoked_at = entry.revoked_at};
            return read_entry_extensions(entry.extensions, &out->reason) == CRL_OK;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

const char *crl_reason_name(uint8_t reason) {
    static const char *const names[] = {
        "unspecified",     "key_compromise",         "ca_compromise",    "affiliation_changed",
        "superseded",      "cessation_of_operation", "certificate_hold", "unspecified",
        "remove_from_crl", "privilege_withdrawn",    "aa_compromise"};
    return names[reason < sizeof names / sizeof names[0] ? reason : 0];
}
