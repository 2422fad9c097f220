#include "tests/unit/x509/build_certificate.h"

#include "engine/base/limits.h"

#include <stdlib.h>

/* --- Distinguished names --- */

/* AttributeTypeAndValue of a 2.5.4.n type, with a value of fewer than 64 bytes. */
#define PAIR(len, arc, value) "\x30" len "\x06\x03\x55\x04" arc value
#define CN(len, value)        PAIR(len, "\x03", value)

static void test_name_text(void **state) {
    (void)state;
    static const struct {
        struct slice name; /* without its SEQUENCE */
        const char *text;
    } cases[] = {
#define NAME(der, text) {{(const uint8_t *)(der), sizeof(der) - 1}, text}
        NAME("", ""),
        NAME("\x31\x0a" CN("\x08", "\x0c\x01"
                                   "a"),
             "CN=a"),
        /* the most specific stands last in DER and first in text */
        NAME("\x31\x0b" PAIR("\x09", "\x06", "\x13\x02US") "\x31\x0a" CN("\x08", "\x0c\x01"
                                                                                 "a"),
             "CN=a,C=US"),
        NAME("\x31\x14" CN("\x08", "\x0c\x01"
                                   "a") PAIR("\x08", "\x0b",
                                             "\x0c\x01"
                                             "b"),
             "OU=b+CN=a"),
        NAME("\x31\x09" CN("\x07", "\x0c\x00"), "CN="),
        NAME("\x31\x00", ""),
        /* RFC 4514 section 2.4 and the examples of section 4 */
        NAME("\x31\x1f" PAIR("\x1d", "\x0a",
                             "\x0c\x16"
                             "James \"Jim\" Smith, III"),
             "O=James \\\"Jim\\\" Smith\\, III"),
        NAME("\x31\x0f" CN("\x0d", "\x0c\x06"
                                   "a<b>;\\"),
             "CN=a\\<b\\>\\;\\\\"),
        NAME("\x31\x0e" CN("\x0c", "\x0c\x05"
                                   "#a# b"),
             "CN=\\#a# b"),
        NAME("\x31\x0d" CN("\x0b", "\x0c\x04"
                                   " ab "),
             "CN=\\ ab\\ "),
        NAME("\x31\x0a" CN("\x08", "\x0c\x01 "), "CN=\\ "),
        NAME("\x31\x0b" CN("\x09", "\x0c\x02  "), "CN=\\ \\ "),
        NAME("\x31\x0c" CN("\x0a", "\x0c\x03"
                                   "a\x00"
                                   "b"),
             "CN=a\\00b"),
        NAME("\x31\x0c" CN("\x0a", "\x0c\x03"
                                   "a\n\x1b"),
             "CN=a\n\x1b"), /* for encoders to escape */
        NAME("\x31\x0e" CN("\x0c", "\x0c\x05"
                                   "Lu\xc4\x8d"
                                   "i"),
             "CN=Lu\xc4\x8d"
             "i"),
        /* other strings than UTF-8 */
        NAME("\x31\x0d" CN("\x0b", "\x14\x04"
                                   "caf\xe9"),
             "CN=caf\xc3\xa9"),
        NAME("\x31\x0d" CN("\x0b", "\x1e\x04"
                                   "\x01\x41\x20\xac"),
             "CN=\xc5\x81\xe2\x82\xac"),
        NAME("\x31\x0d" CN("\x0b", "\x1e\x04"
                                   "\xd8\x3d\xde\x00"),
             "CN=\xf0\x9f\x98\x80"),
        NAME("\x31\x0d" CN("\x0b", "\x1c\x04"
                                   "\x00\x01\xf6\x00"),
             "CN=\xf0\x9f\x98\x80"),
        /* what is no string, or a broken one */
        NAME("\x31\x0b" CN("\x09", "\x1e\x02"
                                   "\xd8\x3d"),
             "CN=#1e02d83d"),
        NAME("\x31\x0c" CN("\x0a", "\x1e\x03"
                                   "\x00"
                                   "ab"),
             "CN=#1e03006162"),
        NAME("\x31\x0d" CN("\x0b", "\x1c\x04"
                                   "\x00\x11\x00\x00"),
             "CN=#1c0400110000"),
        NAME("\x31\x0b" CN("\x09", "\x03\x02\x00\xff"), "CN=#030200ff"),
        /* types: RFC 4514 section 3, OpenSSL's, and one without a name */
        NAME("\x31\x0a" PAIR("\x08", "\x09",
                             "\x0c\x01"
                             "s"),
             "STREET=s"),
        NAME("\x31\x0a" PAIR("\x08", "\x05",
                             "\x0c\x01"
                             "7"),
             "serialNumber=7"),
        NAME("\x31\x11\x30\x0f\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19\x16\x01"
             "d",
             "DC=d"),
        NAME("\x31\x10\x30\x0e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01\x16\x01"
             "e",
             "emailAddress=e"),
        NAME("\x31\x0a\x30\x08\x06\x03\x2a\x03\x04\x0c\x01"
             "x",
             "1.2.3.4=#0c0178"),
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t der[128];
        struct slice body = cases[i].name;
        struct buffer text;

        der[0] = 0x30;
        der[1] = (uint8_t)body.len;
        memcpy(der + 2, body.ptr, body.len);
        buffer_init(&text);
        buffer_add_text(&text, "before ");
        certificate_name_text((struct slice){der, body.len + 2}, &text);
        assert_slice(slice_from(buffer_slice(&text), 7), slice_of(cases[i].text));
        buffer_deinit(&text);
    }
}

static void test_broken_name(void **state) {
    (void)state;
    struct buffer text;

    buffer_init(&text);
    certificate_name_text(BYTES("\x30\x04\x31\x02\x30\x05"), &text);
    assert_slice(buffer_slice(&text), slice_of("#300431023005"));
    text.len = 0;
    certificate_name_text(BYTES(""), &text);
    assert_int_equal(text.len, 0);
    buffer_deinit(&text);
}

/* A Name of `count` attributes of `value_len` bytes each. */
static struct slice large_name(size_t count, size_t value_len, uint8_t *out, size_t capacity) {
    CBB whole, name, set, pair, oid, value;
    uint8_t *bytes;
    size_t len;

    assert_true(CBB_init_fixed(&whole, out, capacity));
    assert_true(CBB_add_asn1(&whole, &name, CBS_ASN1_SEQUENCE));
    for (size_t i = 0; i < count; i++) {
        assert_true(CBB_add_asn1(&name, &set, CBS_ASN1_SET));
        assert_true(CBB_add_asn1(&set, &pair, CBS_ASN1_SEQUENCE));
        assert_true(CBB_add_asn1(&pair, &oid, CBS_ASN1_OBJECT));
        add_part(&oid, BYTES("\x55\x04\x03"));
        assert_true(CBB_add_asn1(&pair, &value, CBS_ASN1_T61STRING));
        assert_true(CBB_add_space(&value, &bytes, value_len));
        memset(bytes, 0xe9, value_len); /* two bytes each as UTF-8 */
        assert_true(CBB_flush(&name));
    }
    assert_true(CBB_finish(&whole, NULL, &len));
    return (struct slice){out, len};
}

static void test_large_names(void **state) {
    (void)state;
    enum { CAPACITY = 100 * 1024 };
    uint8_t *space = malloc(CAPACITY);
    struct buffer text;

    buffer_init(&text);
    struct slice name = large_name(1, 90000, space, CAPACITY);
    certificate_name_text(name, &text);
    assert_int_equal(text.len, LIMIT_NAME_TEXT_BYTES - 1); /* "CN=" is odd, é is not cut in half */
    assert_int_equal(text.ptr[text.len - 1], 0xa9);
    text.len = 0;
    assert_true(certificate_name_common_name(name, &text));
    assert_int_equal(text.len, LIMIT_NAME_TEXT_BYTES);

    text.len = 0; /* 256 times "CN=é", and the commas between them */
    certificate_name_text(large_name(5000, 1, space, CAPACITY), &text);
    assert_int_equal(text.len, 256 * 5 + 255);
    free(space);
    buffer_deinit(&text);
}

static void test_common_name(void **state) {
    (void)state;
    struct slice name = BYTES("\x30\x24\x31\x0a" CN("\x08", "\x0c\x01"
                                                            "a") /* least specific */
                              "\x31\x0a" CN("\x08", "\x13\x01"
                                                    "b") "\x31\x0a" PAIR("\x08", "\x0a",
                                                                         "\x0c\x01"
                                                                         "o"));
    struct buffer text;

    buffer_init(&text);
    assert_true(certificate_name_common_name(name, &text));
    assert_slice(buffer_slice(&text), slice_of("b"));
    assert_true(certificate_name_organization(name, &text)); /* appends */
    assert_slice(buffer_slice(&text), slice_of("bo"));
    assert_false(certificate_name_common_name(BYTES("\x30\x00"), &text));
    assert_false(certificate_name_common_name(BYTES(""), &text));
    assert_false(certificate_name_common_name(
        BYTES("\x30\x0b\x31\x09\x30\x07\x06\x03\x55\x04\x03\x05\x00"), &text)); /* NULL */
    assert_int_equal(text.len, 2);
    buffer_deinit(&text);
}

/* --- General names --- */

static void test_general_names(void **state) {
    (void)state;
    struct slice names = BYTES("\x82\x01"
                               "a"
                               "\x81\x03"
                               "b@c"
                               "\x87\x04\xc0\x00\x02\x01"
                               "\x86\x02x:"
                               "\xa4\x02\x30\x00"
                               "\x88\x02\x2a\x03"
                               "\xa0\x00"
                               "\x82\x02"
                               "\0z");
    static const struct {
        uint8_t type;
        struct slice value;
    } expected[] = {
        {GENERAL_NAME_DNS, {(const uint8_t *)"a", 1}},
        {GENERAL_NAME_EMAIL, {(const uint8_t *)"b@c", 3}},
        {GENERAL_NAME_IP, {(const uint8_t *)"\xc0\x00\x02\x01", 4}},
        {GENERAL_NAME_URI, {(const uint8_t *)"x:", 2}},
        {4, {(const uint8_t *)"\x30\x00", 2}},
        {8, {(const uint8_t *)"\x2a\x03", 2}},
        {0, {NULL, 0}},
        {GENERAL_NAME_DNS, {(const uint8_t *)"\0z", 2}},
    };
    struct general_name name;

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(general_name_next(&names, &name));
        assert_int_equal(name.type, expected[i].type);
        assert_slice(name.value, expected[i].value);
    }
    assert_false(general_name_next(&names, &name));
    assert_int_equal(names.len, 0);

    struct slice broken[] = {BYTES("\x82\x05"
                                   "abc"),
                             BYTES("\x82"),
                             BYTES("\x0c\x01"
                                   "a"),
                             BYTES("\x82\x80\x00\x00")};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        assert_false(general_name_next(&broken[i], &name));
        assert_int_not_equal(broken[i].len, 0);
    }
}

/* --- URLs --- */

#define ID_AD "\x2b\x06\x01\x05\x05\x07\x30"

static void assert_urls(struct slice rest, bool (*next)(struct slice *, struct slice *),
                        const char *const *expected) {
    struct slice url;

    for (; *expected; expected++) {
        assert_true(next(&rest, &url));
        assert_slice(url, slice_of(*expected));
    }
    assert_false(next(&rest, &url));
    assert_int_equal(rest.len, 0);
}

/* --- Several subjectAltName extensions --- */

#define SAN_ID "\x06\x03\x55\x1d\x11"
#define SAN_OF_A                                                                                   \
    "\x30\x0c" SAN_ID "\x04\x05\x30\x03\x82\x01"                                                   \
    "a"
#define SAN_OF_B                                                                                   \
    "\x30\x0f" SAN_ID "\x01\x01\xff\x04\x05\x30\x03\x82\x01"                                       \
    "b"
#define SAN_ZERO                                                                                   \
    "\x30\x0d" SAN_ID "\x04\x06\x30\x03\x82\x01"                                                   \
    "z\x00"
#define SAN_RUBBISH                                                                                \
    "\x30\x0d" SAN_ID "\x04\x06\x30\x03\x82\x01"                                                   \
    "r\x01"
#define SAN_NONE                                                                                   \
    "\x30\x0c" SAN_ID "\x04\x05\x31\x03\x82\x01"                                                   \
    "n"
#define OTHER "\x30\x09\x06\x03\x55\x1d\x63\x04\x02\x30\x00"

static void test_all_alternative_names(void **state) {
    static const struct {
        struct slice extensions, names;
        bool all, unreadable;
    } cases[] = {
#define CASE(extensions, names, ...) {BYTES_OF(extensions), BYTES_OF(names), __VA_ARGS__}
#define BYTES_OF(literal)            {(const uint8_t *)(literal), sizeof(literal) - 1}
        CASE(SAN_OF_A,
             "\x82\x01"
             "a",
             true, false),
        CASE(OTHER, "", true, false),
        CASE(SAN_OF_A OTHER SAN_OF_B,
             "\x82\x01"
             "a\x82\x01"
             "b",
             true, true),
        CASE(SAN_ZERO,
             "\x82\x01"
             "z",
             true, true),
        CASE(SAN_ZERO SAN_OF_A,
             "\x82\x01"
             "z\x82\x01"
             "a",
             true, true),
        CASE(SAN_RUBBISH,
             "\x82\x01"
             "r",
             false, true),
        CASE(SAN_NONE SAN_OF_A,
             "\x82\x01"
             "a",
             false, true),
    };
    uint8_t der[8192];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct certificate_parts parts = usual_parts();
        struct certificate certificate;
        struct buffer names;
        buffer_init(&names);
        parts.extensions = cases[i].extensions;
        assert_int_equal(certificate_decode(build_certificate(&parts, der), &certificate),
                         CERTIFICATE_OK);
        assert_int_equal(certificate.extension_unreadable, cases[i].unreadable);
        assert_int_equal(certificate_all_alternative_names(&certificate, &names), cases[i].all);
        assert_true(slice_equal(buffer_slice(&names), cases[i].names));
        buffer_deinit(&names);
    }
}

static void test_access_urls(void **state) {
    (void)state;
    struct slice access = BYTES("\x30\x0d\x06\x08" ID_AD "\x01\x86\x01"
                                "a"
                                "\x30\x0d\x06\x08" ID_AD "\x02\x86\x01"
                                "b"
                                "\x30\x0e\x06\x08" ID_AD "\x01\xa4\x02\x30\x00" /* no URL */
                                "\x30\x0d\x06\x08" ID_AD "\x01\x86\x01"
                                "c"
                                "\x30\x0d\x06\x08" ID_AD "\x03\x86\x01"
                                "d");

    assert_urls(access, certificate_ocsp_url_next, (const char *[]){"a", "c", NULL});
    assert_urls(access, certificate_ca_issuers_url_next, (const char *[]){"b", NULL});
    assert_urls(BYTES(""), certificate_ocsp_url_next, (const char *[]){NULL});

    struct slice broken = BYTES("\x30\x0d\x06\x08" ID_AD "\x01\x86\x01"
                                "a\x30\x7f"),
                 url;
    assert_true(certificate_ocsp_url_next(&broken, &url));
    assert_false(certificate_ocsp_url_next(&broken, &url));
    assert_int_equal(broken.len, 2);
}

static void test_crl_urls(void **state) {
    (void)state;
    /* two URLs and a directory name, reasons, cRLIssuer with a URL of its own */
    struct slice points = BYTES("\x30\x19\xa0\x0e\xa0\x0c\x86\x01"
                                "a\xa4\x02\x30\x00\x86\x03"
                                "bcd"
                                "\x81\x02\x01\x06"
                                "\xa2\x03\x86\x01"
                                "x"
                                "\x30\x06\xa0\x04\xa1\x02\x30\x00" /* a relative name */
                                "\x30\x05\xa2\x03\x86\x01"
                                "y" /* only an issuer */
                                "\x30\x00"
                                /* an otherName that looks like a point's name */
                                "\x30\x0e\xa0\x0c\xa0\x0a\xa0\x05\xa0\x03\x86\x01"
                                "z\x86\x01"
                                "e");
    struct slice outgrown = BYTES("\x30\x07\xa0\x05\xa0\x09\x86\x01"
                                  "a\x86\x01"
                                  "b"),
                 url;

    assert_urls(points, certificate_crl_url_next, (const char *[]){"a", "bcd", "e", NULL});
    assert_urls(BYTES(""), certificate_crl_url_next, (const char *[]){NULL});
    assert_false(
        certificate_crl_url_next(&outgrown, &url)); /* the inner is longer than the outer */
    assert_int_not_equal(outgrown.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_text),
        cmocka_unit_test(test_broken_name),
        cmocka_unit_test(test_large_names),
        cmocka_unit_test(test_common_name),
        cmocka_unit_test(test_general_names),
        cmocka_unit_test(test_access_urls),
        cmocka_unit_test(test_all_alternative_names),
        cmocka_unit_test(test_crl_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
