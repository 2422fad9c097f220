/* What is expected of all_names.der was read with `openssl x509`, sha256sum and sha1sum. */
#include "engine/record/record.h"
#include "engine/x509/certificate.h"

#include "engine/base/limits.h"
#include "engine/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice read_sample(uint8_t space[4096]) {
    FILE *file = fopen("tests/unit/record/all_names.der", "rb");
    assert_non_null(file);
    size_t len = fread(space, 1, 4096, file);
    fclose(file);
    return (struct slice){space, len};
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected) {
    struct buffer out;

    buffer_init(&out);
    text_add_hex(&out, (struct slice){bytes, len});
    assert_true(slice_is(buffer_slice(&out), expected));
    buffer_deinit(&out);
}

static void assert_ip(const struct address *address, const char *expected) {
    char text[ADDRESS_TEXT_MAX];

    address_format(address, text);
    assert_string_equal(text, expected);
}

static void test_all_names(void **state) {
    (void)state;
    static const char NAME[] = "CN=www.example.org,OU=One,O=Pr\xc3\xbc"
                               "fstelle\\, GmbH,C=DE";
    uint8_t space[4096];
    struct slice der = read_sample(space);
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_true(slice_equal(fields.der, der));
    assert_true(slice_is(fields.subject, NAME));
    assert_true(slice_is(fields.issuer, NAME));
    assert_true(slice_is(fields.subject_cn, "www.example.org"));
    assert_true(slice_is(fields.issuer_cn, "www.example.org"));
    assert_true(slice_is(fields.issuer_o, "Pr\xc3\xbc"
                                          "fstelle, GmbH"));
    assert_hex(fields.serial.ptr, fields.serial.len, "00c94401fe");
    assert_int_equal(fields.not_before, 1795237065); /* date -ud "2026-11-21 04:57:45" +%s */
    assert_int_equal(fields.not_after, 1803013065);
    assert_int_equal(fields.lifetime_days, 90);
    assert_hex(fields.fingerprint_sha256, 32,
               "fd7b22bc051084ac652b3e4c372a53a1621821c2a1e0436b2ce8c3ae9635904d");
    assert_hex(fields.fingerprint_sha1, 20, "7179d3adf7e10251536aa803dc363d9b38cd2f9f");
    assert_true(fields.has_tbs_sha256 && fields.has_spki_sha256);
    assert_hex(fields.tbs_sha256, 32,
               "9317de47baaf5917987d1fb73def1acd248fab2b01213dcd416aef9b28a6bf55");
    assert_hex(fields.spki_sha256, 32,
               "5d1de677c247ac6de42156df574e7b4d7b228f7303416738dc895e0765f24c96");
    assert_int_equal(fields.key_bits, 256);
    assert_true(slice_is(fields.signature_algorithm, "ecdsa-with-SHA256"));
    assert_true(fields.is_ca);
    assert_true(fields.self_signed);
    arena_deinit(&arena);
}

static void test_lists(void **state) {
    (void)state;
    uint8_t space[4096];
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(read_sample(space), &certificate), CERTIFICATE_OK);
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_int_equal(fields.dns_names.count, 2);
    assert_true(slice_is(fields.dns_names.items[0], "www.example.org"));
    assert_true(slice_is(fields.dns_names.items[1], "*.example.net"));
    assert_int_equal(fields.emails.count, 1);
    assert_true(slice_is(fields.emails.items[0], "admin@example.org"));
    assert_int_equal(fields.uris.count, 1);
    assert_true(slice_is(fields.uris.items[0], "https://example.org/a?b"));
    assert_int_equal(fields.ip_address_count, 2);
    assert_ip(&fields.ip_addresses[0], "192.0.2.1");
    assert_ip(&fields.ip_addresses[1], "2001:db8::5");
    assert_int_equal(fields.names_total, 7); /* the registered id counts, and is not listed */
    assert_int_equal(fields.ocsp_urls.count, 2);
    assert_true(slice_is(fields.ocsp_urls.items[0], "http://ocsp.example.org/"));
    assert_true(slice_is(fields.ocsp_urls.items[1], "http://ocsp2.example.org/"));
    assert_int_equal(fields.crl_urls.count, 2);
    assert_true(slice_is(fields.crl_urls.items[1], "http://crl.example.org/2.crl"));
    arena_deinit(&arena);
}

/* Both ends belong to the lifetime, so CAs that write a second less mean the same days. */
static void test_lifetime(void **state) {
    (void)state;
    static const struct {
        int64_t not_after;
        int32_t days;
    } CASES[] = {{86400 - 1, 1}, {86400, 1},   {86400 - 2, 0},         {2 * 86400 - 1, 2},
                 {0, 0},         {-86401, -1}, {253402300799, 2932897}};
    uint8_t space[4096];
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(read_sample(space), &certificate), CERTIFICATE_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        certificate.not_before = 0;
        certificate.not_after = CASES[i].not_after;
        assert_true(certificate_fields_fill(&certificate, &arena, &fields));
        assert_int_equal(fields.lifetime_days, CASES[i].days);
    }
    arena_deinit(&arena);
}

/* A certificate of which little could be read. */
static void test_nearly_empty(void **state) {
    (void)state;
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(slice_of("0"), &certificate), CERTIFICATE_BAD_OUTER);
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_int_equal(fields.der.len, 1);
    assert_int_equal(fields.subject.len, 0);
    assert_int_equal(fields.dns_names.count, 0);
    assert_false(fields.has_spki_sha256);
    assert_false(fields.self_signed);
    arena_deinit(&arena);
}

/* Four bytes a name, DNS and address in turn; one in five is an address of a wrong length. */
static void test_too_many_names(void **state) {
    (void)state;
    enum { NAMES = LIMIT_CERTIFICATE_NAMES + 500 };
    uint8_t space[4096], *names = malloc(NAMES * 7), *at = names;
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    assert_non_null(names);
    for (uint32_t i = 0; i < NAMES; i++) {
        uint8_t tag = i % 2 ? 0x87 : 0x82, len = i % 5 ? 4 : 3;
        *at++ = tag;
        *at++ = len;
        memset(at, 'a', len);
        at += len;
    }
    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(read_sample(space), &certificate), CERTIFICATE_OK);
    certificate.subject_alt_name = (struct slice){names, (size_t)(at - names)};
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_int_equal(fields.names_total, NAMES);
    assert_int_equal(fields.dns_names.count, LIMIT_CERTIFICATE_NAMES / 2);
    assert_true(fields.ip_address_count < LIMIT_CERTIFICATE_NAMES / 2);
    assert_ip(&fields.ip_addresses[fields.ip_address_count - 1], "97.97.97.97");

    certificate.subject_alt_name.len -= 1; /* the last one is broken off */
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_int_equal(fields.names_total, NAMES - 1);
    arena_deinit(&arena);
    free(names);
}

/* AccessDescriptions of OCSP responders, one more of them than are listed, "0" to "9" in turn. */
static void test_too_many_urls(void **state) {
    (void)state;
    enum { URLS = LIMIT_CERTIFICATE_URLS + 1 };
    static const uint8_t OCSP[] = {0x30, 13,   0x06, 8,    0x2b, 6,    1,  5,
                                   5,    0x07, 0x30, 0x01, 0x86, 0x01, '0'};
    uint8_t space[4096], access[URLS * sizeof OCSP];
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    for (uint8_t i = 0; i < URLS; i++) {
        memcpy(access + i * sizeof OCSP, OCSP, sizeof OCSP);
        access[(i + 1) * sizeof OCSP - 1] = (uint8_t)('0' + i % 10);
    }
    assert_true(arena_init(&arena, 512));
    assert_int_equal(certificate_decode(read_sample(space), &certificate), CERTIFICATE_OK);
    certificate.authority_info = (struct slice){access, sizeof access};
    assert_true(certificate_fields_fill(&certificate, &arena, &fields));
    assert_int_equal(fields.ocsp_urls.count, LIMIT_CERTIFICATE_URLS);
    for (uint32_t i = 0; i < fields.ocsp_urls.count; i++) {
        assert_int_equal(fields.ocsp_urls.items[i].len, 1);
        assert_int_equal(fields.ocsp_urls.items[i].ptr[0], '0' + i % 10);
    }
    assert_int_equal(fields.crl_urls.count, 2);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_names),      cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lifetime),       cmocka_unit_test(test_nearly_empty),
        cmocka_unit_test(test_too_many_names), cmocka_unit_test(test_too_many_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
