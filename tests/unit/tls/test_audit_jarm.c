/* JARM against another implementation of it (pyjarm 0.0.5), with all that is random set. */
#include "engine/tls/audit_jarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void to_hex(const uint8_t *bytes, size_t len, char *out) {
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

static struct slice from_hex(const char *hex, uint8_t *out) {
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return (struct slice){out, len};
}

/* SHA-256 of pyjarm's hellos to "a.test", where the random is zeroes, session id and key share are
 * its SHA-256, and every GREASE value is 0x0a0a. */
static void test_hellos(void **state) {
    static const char *const expected[AUDIT_JARM_HELLOS] = {
        "25e1fb9686c61a41f9947c595cf16b47ad9b8d3a67068af081ed990496c336c6",
        "34ea9e8888093be9abc3d96c905c1901c95d8ec863d39e2cd5bd05961ce4ea49",
        "a0eb928ec6bc41ebf193aeff08dd86dc3c09834a2ba0463e30cc4cc6323b197b",
        "a0624b52180f66f61807caef4672af50cbf3d5d8215b523d54ade994a15df6e9",
        "09284d47d2f234425e62817e379bd9d63450da69ae8a1c73df444484dd997307",
        "56e7767da56be105f3ed60a8727a1c6ff12e3414cc68508dae1725d0a6a619c5",
        "47c9c2e5401a8524d3baf7850c3a87bc65240e7157f8bec0f40ed84ae6f5fa42",
        "f5db04c70c116b49da1f518b0e1b12af829823ef38f03f84f27d9cae9c52d3c4",
        "1b627abeaebc34b7b375af46c08ab234da8a08befc3915ccadd38870b7cf5e6e",
        "5ecad4b9075c7c51972c4e84eddcfa6573f0d6b28d89900cdd3f617a10a1355e",
    };
    static const uint8_t random[32];
    (void)state;
    for (unsigned i = 0; i < AUDIT_JARM_HELLOS; i++) {
        uint8_t digest[SHA256_DIGEST_LENGTH];
        char text[2 * sizeof digest + 1];
        struct buffer hello;
        buffer_init(&hello);
        assert_true(audit_jarm_hello(i, slice_of("a.test"), random, &hello));
        SHA256(hello.ptr, hello.len, digest);
        to_hex(digest, sizeof digest, text);
        assert_string_equal(text, expected[i]);
        buffer_deinit(&hello);
    }
}

/* ServerHellos with and without extensions, an alert, a closed connection, HTTP, and bytes that the
 * published reader stumbles over. */
static void test_answers(void **state) {
    static const char *const answers[AUDIT_JARM_HELLOS] = {
        "1603030046020000420303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00c0"
        "2f00001aff01000100000b00040300010200230000001000050003026832",
        "1603030064020000600303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2073"
        "73737373737373737373737373737373737373737373737373737373737373c030000018ff0100010000170000"
        "0010000b000908687474702f312e31",
        "15030300020228",
        "16030300310200002d0303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000"
        "ff000005ff01000100",
        "1603030031020000260303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000"
        "9c000b000003000000",
        "1603020035020000310302000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00c0"
        "13000009ff0100010000000000",
        "160303007a020000760303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2074"
        "74747474747474747474747474747474747474747474747474747474747474130200002e002b00020304003300"
        "24001d00206b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b",
        "",
        "1603030034020000300303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00cc"
        "a80000080eac00040b0b0b0b",
        "485454502f312e31203430302042616420526571756573740d0a0d0a",
    };
    struct audit_jarm jarm;
    uint8_t bytes[256];

    (void)state;
    audit_jarm_init(&jarm);
    for (size_t i = 0; i < AUDIT_JARM_HELLOS; i++)
        audit_jarm_answer(&jarm, from_hex(answers[i], bytes));
    audit_jarm_finish(&jarm);
    assert_string_equal(jarm.text,
                        "29d2ad00046d13d21c42d0003fd000bbe528b5d3d87f0b4e8a060db2cbdb2b");
}

static void test_no_answer(void **state) {
    struct audit_jarm jarm;
    (void)state;
    audit_jarm_init(&jarm);
    for (size_t i = 0; i < AUDIT_JARM_HELLOS; i++)
        audit_jarm_answer(&jarm, (struct slice){NULL, 0});
    audit_jarm_finish(&jarm);
    assert_string_equal(jarm.text,
                        "00000000000000000000000000000000000000000000000000000000000000");
}

/* Cut anywhere, an answer is read without a step beyond its end; the sanitizers watch. */
static void test_cut_answers(void **state) {
    uint8_t whole[64];
    struct slice answer =
        from_hex("16030300310200002d0303000102030405060708090a0b0c0d0e0f1011121314"
                 "15161718191a1b1c1d1e1f0000ff000005ff01000100",
                 whole);
    (void)state;
    for (size_t len = 0; len <= answer.len; len++) {
        uint8_t *piece = malloc(len ? len : 1);
        struct audit_jarm jarm;
        memcpy(piece, answer.ptr, len);
        audit_jarm_init(&jarm);
        audit_jarm_answer(&jarm, (struct slice){piece, len});
        assert_int_equal(audit_jarm_is_whole((struct slice){piece, len}), len == answer.len);
        assert_int_equal(jarm.any, len == answer.len);
        free(piece);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hellos),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_cut_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
