#include "bench/ctfarm/ctfarm_pki.h"

#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <time.h>

enum { DAY_SECONDS = 24 * 3600, CA_BYTES_MAX = 4096, PART_BYTES_MAX = 512 };

#define OID(name, ...)                                                                             \
    static const uint8_t name##_BYTES[] = {__VA_ARGS__};                                           \
    static const struct slice name = {name##_BYTES, sizeof name##_BYTES}
OID(OID_KEY_USAGE, 0x55, 0x1d, 0x0f);
OID(OID_PURPOSES, 0x55, 0x1d, 0x25);
OID(OID_BASIC, 0x55, 0x1d, 0x13);
OID(OID_AUTHORITY_KEY, 0x55, 0x1d, 0x23);
OID(OID_POLICIES, 0x55, 0x1d, 0x20);
OID(OID_CRL, 0x55, 0x1d, 0x1f);
OID(OID_AUTHORITY_INFO, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01);
#undef OID

#define PUBLIC_OID(name, ...)                                                                      \
    static const uint8_t name##_bytes[] = {__VA_ARGS__};                                           \
    const struct slice name = {name##_bytes, sizeof name##_bytes}
PUBLIC_OID(ctfarm_oid_names, 0x55, 0x1d, 0x11);
PUBLIC_OID(ctfarm_oid_subject_key, 0x55, 0x1d, 0x0e);
PUBLIC_OID(ctfarm_oid_scts, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02);
PUBLIC_OID(ctfarm_oid_poison, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x03);
#undef PUBLIC_OID

/* --- The frame --- */

void ctfarm_write_rdn(struct ctfarm_der *out, uint8_t attribute, struct slice text) {
    size_t mark = ctfarm_der_mark(out);
    const uint8_t oid[] = {0x55, 0x04, attribute};
    uint8_t tag = attribute == CTFARM_RDN_C ? CTFARM_DER_PRINTABLE : CTFARM_DER_UTF8;
    ctfarm_der_value(out, tag, text);
    ctfarm_der_value(out, CTFARM_DER_OID, (struct slice){oid, sizeof oid});
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_der_wrap(out, CTFARM_DER_SET, mark);
}

static void write_time(struct ctfarm_der *out, int64_t unix_seconds) {
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    bool utc = tm.tm_year >= 50 && tm.tm_year < 150; /* RFC 5280 section 4.1.2.5 */
    size_t len = strftime(text, sizeof text, utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
    ctfarm_der_value(out, utc ? CTFARM_DER_UTC_TIME : CTFARM_DER_GENERALIZED_TIME,
                     (struct slice){(const uint8_t *)text, len});
}

void ctfarm_write_validity(struct ctfarm_der *out, int64_t not_before, int64_t not_after) {
    size_t mark = ctfarm_der_mark(out);
    write_time(out, not_after);
    write_time(out, not_before);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

void ctfarm_write_extension(struct ctfarm_der *out, size_t mark, struct slice oid, bool critical) {
    static const uint8_t CRITICAL[] = {CTFARM_DER_BOOLEAN, 1, 0xff};
    ctfarm_der_wrap(out, CTFARM_DER_OCTETS, mark);
    if (critical)
        ctfarm_der_bytes(out, CRITICAL, sizeof CRITICAL);
    ctfarm_der_value(out, CTFARM_DER_OID, oid);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

void ctfarm_write_tbs(struct ctfarm_der *out, size_t mark, const struct ctfarm_frame *frame) {
    static const uint8_t VERSION_3[] = {0xa0, 3, CTFARM_DER_INTEGER, 1, 2};
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_der_wrap(out, 0xa3, mark);
    ctfarm_der_slices(out, frame->spki);
    ctfarm_der_slices(out, frame->subject);
    ctfarm_der_slices(out, frame->validity);
    ctfarm_der_slices(out, frame->issuer);
    ctfarm_der_slices(out, frame->algorithm);
    ctfarm_der_value(out, CTFARM_DER_INTEGER, frame->serial);
    ctfarm_der_bytes(out, VERSION_3, sizeof VERSION_3);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

void ctfarm_write_certificate(struct ctfarm_der *out, struct slice tbs, struct slice algorithm,
                              struct slice signature) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_slices(out, signature);
    ctfarm_der_byte(out, 0); /* no unused bits */
    ctfarm_der_wrap(out, CTFARM_DER_BIT_STRING, mark);
    ctfarm_der_slices(out, algorithm);
    ctfarm_der_slices(out, tbs);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

/* --- Extensions --- */

static void write_authority_key(struct ctfarm_der *out, const struct ctfarm_ca *issuer) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_value(out, 0x80, (struct slice){issuer->key_id, sizeof issuer->key_id});
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_write_extension(out, mark, OID_AUTHORITY_KEY, false);
}

static void write_subject_key(struct ctfarm_der *out, const uint8_t key_id[CTFARM_KEY_ID_BYTES]) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_value(out, CTFARM_DER_OCTETS, (struct slice){key_id, CTFARM_KEY_ID_BYTES});
    ctfarm_write_extension(out, mark, ctfarm_oid_subject_key, false);
}

/* An AccessDescription: `method` is the last byte of id-ad. */
static void write_access(struct ctfarm_der *out, uint8_t method, const char *url) {
    const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method};
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_value(out, 0x86, slice_of(url));
    ctfarm_der_value(out, CTFARM_DER_OID, (struct slice){oid, sizeof oid});
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

static void write_authority_info(struct ctfarm_der *out, const struct ctfarm_ca *ca) {
    char ocsp[64], issuer[64];
    size_t mark = ctfarm_der_mark(out);
    snprintf(ocsp, sizeof ocsp, "http://ocsp.%s", ca->host);
    snprintf(issuer, sizeof issuer, "http://%s/issuer.der", ca->host);
    write_access(out, 2, issuer);
    write_access(out, 1, ocsp);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_write_extension(out, mark, OID_AUTHORITY_INFO, false);
}

static void write_crl(struct ctfarm_der *out, const struct ctfarm_ca *ca) {
    char url[64];
    size_t mark = ctfarm_der_mark(out);
    snprintf(url, sizeof url, "http://crl.%s/1.crl", ca->host);
    ctfarm_der_value(out, 0x86, slice_of(url));
    ctfarm_der_wrap(out, 0xa0, mark);
    ctfarm_der_wrap(out, 0xa0, mark);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_write_extension(out, mark, OID_CRL, false);
}

/* 2.23.140.1.2.1: the domain is validated; with an organisation 2.23.140.1.2.2. */
static void write_policies(struct ctfarm_der *out, bool organisation) {
    const uint8_t oid[] = {0x67, 0x81, 0x0c, 0x01, 0x02, organisation ? 2 : 1};
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_value(out, CTFARM_DER_OID, (struct slice){oid, sizeof oid});
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_write_extension(out, mark, OID_POLICIES, false);
}

/* Values that are always the same. */
static void write_constant(struct ctfarm_der *out, struct slice oid, bool critical,
                           struct slice value) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_slices(out, value);
    ctfarm_write_extension(out, mark, oid, critical);
}
#define CONSTANT(...)                                                                              \
    ((struct slice){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void write_purposes(struct ctfarm_der *out) {
    write_constant(out, OID_PURPOSES, false,
                   CONSTANT(0x30, 0x14, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, /* serverAuth */
                            0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2));           /* clientAuth */
}

static void write_part(struct ctfarm_der *out, const struct ctfarm_ca *ca,
                       enum ctfarm_extension part) {
    switch (part) {
    case CTFARM_EXT_KEY_USAGE: /* digitalSignature */
        write_constant(out, OID_KEY_USAGE, true, CONSTANT(0x03, 2, 7, 0x80));
        break;
    case CTFARM_EXT_PURPOSES:
        write_purposes(out);
        break;
    case CTFARM_EXT_BASIC:
        write_constant(out, OID_BASIC, true, CONSTANT(0x30, 0));
        break;
    case CTFARM_EXT_AUTHORITY_KEY:
        write_authority_key(out, ca);
        break;
    case CTFARM_EXT_AUTHORITY_INFO:
        if (ca->host)
            write_authority_info(out, ca);
        break;
    case CTFARM_EXT_POLICIES:
        write_policies(out, ca->lifetime_days > 300);
        break;
    case CTFARM_EXT_CRL:
        if (ca->host)
            write_crl(out, ca);
        break;
    case CTFARM_EXT_SUBJECT_KEY:
    case CTFARM_EXT_NAMES:
    case CTFARM_EXT_CT:
    case CTFARM_EXT_NONE:
    case CTFARM_EXT_COUNT:
        break; /* different for each leaf */
    }
}

/* --- Authorities --- */

static const uint8_t STYLE_HARBOUR[] = {
    CTFARM_EXT_KEY_USAGE,   CTFARM_EXT_PURPOSES,      CTFARM_EXT_BASIC,
    CTFARM_EXT_SUBJECT_KEY, CTFARM_EXT_AUTHORITY_KEY, CTFARM_EXT_AUTHORITY_INFO,
    CTFARM_EXT_NAMES,       CTFARM_EXT_POLICIES,      CTFARM_EXT_CRL,
    CTFARM_EXT_CT,          CTFARM_EXT_NONE};
static const uint8_t STYLE_MERIDIAN[] = {
    CTFARM_EXT_AUTHORITY_KEY, CTFARM_EXT_SUBJECT_KEY, CTFARM_EXT_NAMES, CTFARM_EXT_POLICIES,
    CTFARM_EXT_KEY_USAGE,     CTFARM_EXT_PURPOSES,    CTFARM_EXT_CRL,   CTFARM_EXT_AUTHORITY_INFO,
    CTFARM_EXT_BASIC,         CTFARM_EXT_CT,          CTFARM_EXT_NONE};
static const uint8_t STYLE_QUAY[] = {
    CTFARM_EXT_KEY_USAGE,   CTFARM_EXT_PURPOSES,      CTFARM_EXT_BASIC,
    CTFARM_EXT_SUBJECT_KEY, CTFARM_EXT_AUTHORITY_KEY, CTFARM_EXT_AUTHORITY_INFO,
    CTFARM_EXT_NAMES,       CTFARM_EXT_POLICIES,      CTFARM_EXT_CT,
    CTFARM_EXT_NONE};
static const uint8_t STYLE_ORCHARD[] = {
    CTFARM_EXT_AUTHORITY_KEY, CTFARM_EXT_SUBJECT_KEY, CTFARM_EXT_KEY_USAGE,      CTFARM_EXT_BASIC,
    CTFARM_EXT_PURPOSES,      CTFARM_EXT_POLICIES,    CTFARM_EXT_AUTHORITY_INFO, CTFARM_EXT_CT,
    CTFARM_EXT_NAMES,         CTFARM_EXT_NONE};

static const struct ca_row {
    const char *name, *organisation, *country, *host, *pem;
    const uint8_t *style;
    enum ctfarm_key_type type;
    int issuer, precert_signer; /* -1 for none */
    uint16_t lifetime_days;
} ROWS[CTFARM_CAS] = {
    [CTFARM_HARBOUR_E] = {"Harbour E5", "Harbour Trust", "US", "e5.harbour.test", NULL,
                          STYLE_HARBOUR, CTFARM_KEY_P256, CTFARM_ROOT_X, -1, 90},
    [CTFARM_HARBOUR_R] = {"Harbour R10", "Harbour Trust", "US", "r10.harbour.test",
                          ctfarm_test_key_harbour, STYLE_HARBOUR, CTFARM_KEY_RSA_2048,
                          CTFARM_ROOT_X, -1, 90},
    [CTFARM_MERIDIAN] = {"Meridian Global TLS RSA SHA256 2024 CA1", "Meridian Inc", "US",
                         "global.meridian.test", ctfarm_test_key_meridian, STYLE_MERIDIAN,
                         CTFARM_KEY_RSA_2048, CTFARM_ROOT_G, -1, 397},
    [CTFARM_QUAY] = {"WQ3", "Quay Trust Services", "US", "wq3.quay.test", NULL, STYLE_QUAY,
                     CTFARM_KEY_P384, CTFARM_ROOT_G, -1, 84},
    [CTFARM_ORCHARD] = {"Orchard ECC Domain Validation Secure Server CA", "Orchard Limited", "GB",
                        "dv.orchard.test", NULL, STYLE_ORCHARD, CTFARM_KEY_P256, CTFARM_ROOT_X,
                        CTFARM_ORCHARD_PRECERT, 199},
    [CTFARM_ELSEWHERE] = {"Elsewhere DV CA 7", "Elsewhere SSL", "PA", "elsewhere.test", NULL,
                          STYLE_QUAY, CTFARM_KEY_P256, CTFARM_ROOT_G, -1, 90},
    [CTFARM_ROOT_X] = {"Harbour Root X1", "Harbour Trust", "US", NULL, ctfarm_test_key_root, NULL,
                       CTFARM_KEY_RSA_4096, -1, -1, 0},
    [CTFARM_ROOT_G] = {"Meridian Global Root G3", "Meridian Inc", "US", NULL, NULL, NULL,
                       CTFARM_KEY_P384, -1, -1, 0},
    [CTFARM_ORCHARD_PRECERT] = {"Orchard Precertificate Signing 1", "Orchard Limited", "GB", NULL,
                                NULL, NULL, CTFARM_KEY_P256, CTFARM_ORCHARD, -1, 0},
};

/* Issuers before those that they issue. */
static const uint8_t ORDER[CTFARM_CAS] = {
    CTFARM_ROOT_X, CTFARM_ROOT_G,  CTFARM_HARBOUR_E, CTFARM_HARBOUR_R,      CTFARM_MERIDIAN,
    CTFARM_QUAY,   CTFARM_ORCHARD, CTFARM_ELSEWHERE, CTFARM_ORCHARD_PRECERT};

static struct slice make_subject(struct ctfarm_der *out, const struct ca_row *row) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_write_rdn(out, CTFARM_RDN_CN, slice_of(row->name));
    ctfarm_write_rdn(out, CTFARM_RDN_O, slice_of(row->organisation));
    ctfarm_write_rdn(out, CTFARM_RDN_C, slice_of(row->country));
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    return ctfarm_der_since(out, mark);
}

static void write_ca_extensions(struct ctfarm_der *out, const struct ctfarm_ca *ca, bool signer) {
    if (signer) /* 1.3.6.1.4.1.11129.2.4.4, RFC 6962 section 3.1 */
        write_constant(out, OID_PURPOSES, true,
                       CONSTANT(0x30, 12, 0x06, 10, 0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 4));
    if (ca->issuer)
        write_authority_key(out, ca->issuer);
    write_subject_key(out, ca->key_id);
    write_constant(out, OID_KEY_USAGE, true, CONSTANT(0x03, 2, 1, 0x06));
    write_constant(out, OID_BASIC, true, CONSTANT(0x30, 3, 1, 1, 0xff)); /* CA */
}

static bool make_certificate(struct ctfarm_ca *ca, bool signer, struct arena *arena) {
    uint8_t room[CA_BYTES_MAX], signature[CTFARM_SIGNATURE_MAX];
    struct ctfarm_der out;
    const struct ctfarm_ca *issuer = ca->issuer ? ca->issuer : ca;
    ctfarm_der_init(&out, room, sizeof room);
    size_t mark = ctfarm_der_mark(&out);
    ctfarm_write_validity(&out, ca->not_before, ca->not_after);
    struct ctfarm_frame frame = {
        .serial = {ca->serial, sizeof ca->serial},
        .issuer = issuer->subject,
        .validity = ctfarm_der_since(&out, mark),
        .subject = ca->subject,
        .spki = ctfarm_signer_spki(&ca->signer),
        .algorithm = ctfarm_signer_algorithm(&issuer->signer),
    };
    mark = ctfarm_der_mark(&out);
    write_ca_extensions(&out, ca, signer);
    ctfarm_write_tbs(&out, mark, &frame);
    struct slice tbs = ctfarm_der_since(&out, mark);
    size_t len = ctfarm_sign(&issuer->signer, tbs, signature);
    mark = ctfarm_der_mark(&out);
    ctfarm_write_certificate(&out, tbs, frame.algorithm, (struct slice){signature, len});
    ca->certificate = arena_copy(arena, ctfarm_der_since(&out, mark));
    SHA256(ca->certificate.ptr, ca->certificate.len, ca->fingerprint);
    SHA1(ca->certificate.ptr, ca->certificate.len, ca->sha1);
    return len && !out.failed && !arena->failed;
}

static bool make_parts(struct ctfarm_ca *ca, struct arena *arena) {
    uint8_t room[PART_BYTES_MAX];
    struct ctfarm_der out;
    for (int part = 0; part < CTFARM_EXT_COUNT; part++) {
        ctfarm_der_init(&out, room, sizeof room);
        write_part(&out, ca, (enum ctfarm_extension)part);
        ca->parts[part] = arena_copy(arena, ctfarm_der_slice(&out));
        if (out.failed)
            return false;
    }
    return !arena->failed;
}

static bool make_ca(struct ctfarm_pki *pki, int number, uint64_t seed, int64_t year_begin) {
    const struct ca_row *row = &ROWS[number];
    struct ctfarm_ca *ca = &pki->cas[number];
    uint8_t room[PART_BYTES_MAX];
    struct ctfarm_der out;
    bool root = row->issuer < 0;
    ca->name = row->name;
    ca->organisation = row->organisation;
    ca->country = row->country;
    ca->host = row->host;
    ca->issuer = root ? NULL : &pki->cas[row->issuer];
    ca->precert_signer = row->precert_signer < 0 ? NULL : &pki->cas[row->precert_signer];
    ca->style = row->style;
    ca->lifetime_days = row->lifetime_days;
    ca->not_before = year_begin - (root ? 10 : 2) * 365 * (int64_t)DAY_SECONDS;
    ca->not_after = year_begin + (root ? 15 : 5) * 365 * (int64_t)DAY_SECONDS;
    if (row->pem ? !ctfarm_signer_init_pem(&ca->signer, row->type, row->pem)
                 : !ctfarm_signer_init_ec(&ca->signer, row->type, seed, row->name))
        return false;
    memcpy(ca->key_id, ca->signer.spki_sha256, sizeof ca->key_id);
    memcpy(ca->serial, ca->signer.spki_sha256 + 16, sizeof ca->serial);
    ca->serial[0] = (ca->serial[0] & 0x3f) | 0x40;
    ctfarm_der_init(&out, room, sizeof room);
    ca->subject = arena_copy(&pki->arena, make_subject(&out, row));
    return make_certificate(ca, number == CTFARM_ORCHARD_PRECERT, &pki->arena) &&
           make_parts(ca, &pki->arena);
}

bool ctfarm_pki_init(struct ctfarm_pki *pki, uint64_t seed, int64_t unix_seconds) {
    enum { YEAR_SECONDS = 31556952 };
    *pki = (struct ctfarm_pki){0};
    bool made = arena_init(&pki->arena, 32 * 1024);
    for (int i = 0; made && i < CTFARM_CAS; i++)
        made = make_ca(pki, ORDER[i], seed, unix_seconds - unix_seconds % YEAR_SECONDS);
    if (!made)
        ctfarm_pki_deinit(pki);
    return made;
}

void ctfarm_pki_deinit(struct ctfarm_pki *pki) {
    for (int i = 0; i < CTFARM_CAS; i++)
        ctfarm_signer_deinit(&pki->cas[i].signer);
    arena_deinit(&pki->arena);
}

uint32_t ctfarm_chain(const struct ctfarm_ca *ca, bool signer,
                      const struct ctfarm_ca *out[CTFARM_CHAIN_MAX]) {
    uint32_t count = 0;
    for (const struct ctfarm_ca *at = signer ? ca->precert_signer : ca; at; at = at->issuer)
        out[count++] = at;
    return count;
}
