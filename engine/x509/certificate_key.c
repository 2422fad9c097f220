/* Which kind of key a certificate carries, and how long it is. */
#include "engine/x509/certificate_parts.h"

struct key_algorithm {
    struct slice oid;
    enum key_type type;
    uint16_t bits; /* where the algorithm fixes them */
    const char *text;
};

static const struct key_algorithm key_algorithms[] = {
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), KEY_RSA, 0, "rsa"}, /* 1.2.840.113549.1.1.1 */
    {OID("\x2a\x86\x48\xce\x3d\x02\x01"), KEY_EC, 0, "ec"},           /* 1.2.840.10045.2.1 */
    {OID("\x2b\x65\x70"), KEY_ED25519, 256, "ed25519"},               /* 1.3.101.112 */
    {OID("\x2b\x65\x71"), KEY_ED448, 456, "ed448"},                   /* 1.3.101.113 */
    {OID("\x2b\x65\x6e"), KEY_X25519, 253, "x25519"},                 /* 1.3.101.110 */
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), KEY_RSA_PSS, 0,     /* 1.2.840.113549.1.1.10 */
     "rsa-pss"},
    {OID("\x2a\x86\x48\xce\x38\x04\x01"), KEY_DSA, 0, "dsa"},    /* 1.2.840.10040.4.1 */
    {OID("\x2b\x0e\x03\x02\x0c"), KEY_DSA, 0, "dsa"},            /* 1.3.14.3.2.12 */
    {OID("\x60\x86\x48\x01\x65\x03\x04\x03\x11"), KEY_ML_DSA, 0, /* 2.16.840.1.101.3.4.3.17 */
     "ml-dsa-44"},
    {OID("\x60\x86\x48\x01\x65\x03\x04\x03\x12"), KEY_ML_DSA, 0, /* 2.16.840.1.101.3.4.3.18 */
     "ml-dsa-65"},
    {OID("\x60\x86\x48\x01\x65\x03\x04\x03\x13"), KEY_ML_DSA, 0, /* 2.16.840.1.101.3.4.3.19 */
     "ml-dsa-87"},
};

/* Curves, by the last arc of their OID: how many bits the group's order has, as OpenSSL counts. */
struct curve_family {
    struct slice arc; /* all of the OID but its last byte */
    const uint16_t *order_bits;
    size_t count;
};

static const uint16_t ansi_bits[] = {
    [1] = 192, [2] = 192, [3] = 192, [4] = 239, [5] = 239, [6] = 239, [7] = 256,
};

static const uint16_t secg_bits[] = {
    [1] = 163,  [2] = 162,  [3] = 238,  [4] = 113,  [5] = 113,  [6] = 112,  [7] = 110,  [8] = 161,
    [9] = 161,  [10] = 256, [15] = 163, [16] = 281, [17] = 282, [22] = 131, [23] = 131, [24] = 193,
    [25] = 193, [26] = 232, [27] = 233, [28] = 128, [29] = 126, [30] = 161, [31] = 192, [32] = 225,
    [33] = 224, [34] = 384, [35] = 521, [36] = 407, [37] = 409, [38] = 570, [39] = 570,
};

static const uint16_t brainpool_bits[] = {
    [1] = 160, [2] = 160, [3] = 192,  [4] = 192,  [5] = 224,  [6] = 224,  [7] = 256,
    [8] = 256, [9] = 320, [10] = 320, [11] = 384, [12] = 384, [13] = 512, [14] = 512,
};

static const uint16_t chinese_bits[] = {[45] = 256}; /* SM2, 1.2.156.10197.1.301 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct curve_family curve_families[] = {
    {OID("\x2a\x86\x48\xce\x3d\x03\x01"), ansi_bits, COUNT(ansi_bits)}, /* 1.2.840.10045.3.1 */
    {OID("\x2b\x81\x04\x00"), secg_bits, COUNT(secg_bits)},             /* 1.3.132.0 */
    {OID("\x2b\x24\x03\x03\x02\x08\x01\x01"), brainpool_bits,           /* 1.3.36.3.3.2.8.1.1 */
     COUNT(brainpool_bits)},
    {OID("\x2a\x81\x1c\xcf\x55\x01\x82"), chinese_bits, COUNT(chinese_bits)},
};

/* Splits an SPKI; a missing `parameters` is empty. */
static bool read_spki(struct slice spki, struct slice *oid, struct slice *parameters,
                      struct slice *key) {
    struct slice in = spki, content;

    return der_get(&in, &content, DER_SEQUENCE) && der_get(&content, parameters, DER_SEQUENCE) &&
           der_get(parameters, oid, DER_OID) && der_get_bits(&content, key) && content.len == 0;
}

static const struct key_algorithm *find_algorithm(struct slice oid) {
    for (size_t i = 0; i < COUNT(key_algorithms); i++) {
        if (slice_equal(key_algorithms[i].oid, oid))
            return &key_algorithms[i];
    }
    return NULL;
}

static uint16_t to_bits(size_t bits) {
    return bits > UINT16_MAX ? UINT16_MAX : (uint16_t)bits;
}

static uint16_t named_curve_bits(struct slice oid) {
    struct slice name = oid;

    for (size_t i = 0; i < COUNT(curve_families); i++) {
        const struct curve_family *family = &curve_families[i];
        if (name.len != family->arc.len + 1 ||
            !slice_equal(slice_first(name, family->arc.len), family->arc))
            continue;
        uint8_t last = name.ptr[name.len - 1];
        return last < family->count ? family->order_bits[last] : 0;
    }
    return 0;
}

/* ECParameters of RFC 3279 section 2.3.5: a curve by name, or one spelled out in full. */
static uint16_t ec_bits(struct slice parameters) {
    struct slice oid, content, ignored, order;

    if (der_get(&parameters, &oid, DER_OID))
        return named_curve_bits(oid);
    if (!der_get(&parameters, &content, DER_SEQUENCE) ||
        !der_get(&content, &ignored, DER_INTEGER) || !der_get(&content, &ignored, DER_SEQUENCE) ||
        !der_get(&content, &ignored, DER_SEQUENCE) ||
        !der_get(&content, &ignored, DER_OCTET_STRING) || !der_get(&content, &order, DER_INTEGER))
        return 0;
    return to_bits(der_integer_bits(order));
}

/* The first INTEGER of a SEQUENCE: an RSA key's modulus, or the prime of DSA's parameters. */
static uint16_t first_integer_bits(struct slice in) {
    struct slice content, number;

    if (!der_get(&in, &content, DER_SEQUENCE) || !der_get(&content, &number, DER_INTEGER))
        return 0;
    return to_bits(der_integer_bits(number));
}

bool certificate_describe_key(struct certificate *certificate) {
    struct slice oid, parameters, key;

    if (!read_spki(certificate->spki, &oid, &parameters, &key))
        return false;
    const struct key_algorithm *algorithm = find_algorithm(oid);
    if (!algorithm)
        return true;
    certificate->key_type = (uint8_t)algorithm->type;
    certificate->key_bits = algorithm->bits;
    if (algorithm->type == KEY_RSA || algorithm->type == KEY_RSA_PSS)
        certificate->key_bits = first_integer_bits(key);
    else if (algorithm->type == KEY_EC)
        certificate->key_bits = ec_bits(parameters);
    else if (algorithm->type == KEY_DSA)
        certificate->key_bits = first_integer_bits(parameters);
    return true;
}

bool certificate_public_key(const struct certificate *certificate, struct slice *key) {
    struct slice oid, parameters;

    return read_spki(certificate->spki, &oid, &parameters, key);
}

static const char *ec_text(struct slice parameters) {
    static const struct {
        struct slice oid;
        const char *text;
    } names[] = {
        {OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"), "ec-p256"}, /* 1.2.840.10045.3.1.7 */
        {OID("\x2b\x81\x04\x00\x22"), "ec-p384"},             /* 1.3.132.0.34 */
        {OID("\x2b\x81\x04\x00\x23"), "ec-p521"},             /* 1.3.132.0.35 */
        {OID("\x2b\x81\x04\x00\x21"), "ec-p224"},             /* 1.3.132.0.33 */
        {OID("\x2b\x81\x04\x00\x0a"), "ec-secp256k1"},        /* 1.3.132.0.10 */
    };
    struct slice oid;

    if (!der_get(&parameters, &oid, DER_OID))
        return "ec";
    for (size_t i = 0; i < COUNT(names); i++) {
        if (slice_equal(names[i].oid, oid))
            return names[i].text;
    }
    return "ec";
}

const char *certificate_key_type_text(const struct certificate *certificate) {
    struct slice oid, parameters, key;

    if (!read_spki(certificate->spki, &oid, &parameters, &key))
        return "unknown";
    const struct key_algorithm *algorithm = find_algorithm(oid);
    if (!algorithm)
        return "unknown";
    return algorithm->type == KEY_EC ? ec_text(parameters) : algorithm->text;
}
