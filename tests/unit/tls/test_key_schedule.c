/* The key schedule, real key shares and the opening of records against the traces of RFC 8448. */
#include "engine/tls/key_schedule.h"
#include "engine/tls/key_share.h"

#include <openssl/hkdf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Section 3 */
static const char client_hello3[] =
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000061301130313"
    "02010000910000000b0009000006736572766572ff01000100000a00140012001d00170018001901000101010201"
    "03010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e52"
    "9aaf2c002b0003020304000d0020001e040305030603020308040805080604010501060102010402050206020202"
    "002d00020101001c00024001";
static const char server_hello3[] =
    "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e0033"
    "0024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";

/* Section 7 */
static const char client_hello7[] =
    "010000dc03034e640a3f2c2738f09c9418bd78edccd7559d0531199276d4d92a0e9ee9d77d0920a80c165581a8e0"
    "d06c0018d54d3a06dd32cfd4051eb026fad3fd0ba99269e6ef00061301130313020100008d0000000b0009000006"
    "736572766572ff01000100000a00140012001d00170018001901000101010201030104003300260024001d00208e"
    "7292cf3056dbb0d25fcbe55c107dc9bbf83dd9708f39203ba341249a7d9b63002b0003020304000d0020001e0403"
    "05030603020308040805080604010501060102010402050206020202002d00020101001c00024001";
static const char server_hello7[] =
    "020000760303e5dd5948c435f7a38f0f0130708dc322d9df09abd4838117c183a7bb6d994f2c20a80c165581a8e0"
    "d06c0018d54d3a06dd32cfd4051eb026fad3fd0ba99269e6ef130100002e00330024001d00203e30f0f4ba551afd"
    "62768341175f5265e4daf0c8841617aa4fafdd2142320c22002b00020304";
static const char sealed7[] =
    "17030302a248de891d9c3624a67a6c6f0601ab7ac20c1f6a9e14d2e6007e999e130367a8af1bcfea9498fbce19df"
    "4505eece3a25da523cbe55ea1b3bda4e91995e455d500a4faa6227b7111e1c8547e2d7c179db215303d25827f3cd"
    "18f48f6491328cf5c0f814d388150bd9e9264aae491db6995069bea17665d5e0c817284d4ac21880054c3657331e"
    "23a9304dc88a15c04ec80bd3852bf7f9d3c6615b15fac83bbca031c6d2310d9f5d7a4b020a4f7c19062b65c05a1d"
    "3264b557ec9d8e0f7cee27e36f793039de8dd96edfca9009e0651034bff31d7f349eece01d99fcb5fcab840d7707"
    "c72299c3b5d04564e880a33c5e846c762e3d922bb55303d1d87cc0f06573f17dcb9b8ffd35bbd883c1cb3aa24fcc"
    "325005f768ce2fb624ca97b6c4d98e17f35bc2c7940a06100c2d448db7180b2d862164435c9c210e9860394e05aa"
    "b23ff1b0203f662c588da5bc4411477a30b41136c488a0a63fcab5c15ac613226dae827a1d1fe95ece6b30bcee15"
    "60a8d408d264555e760f9bfc624c2c87fd0456c9bfb41bcd1a7b212786d2b67fd57804facfa1eef7cf2919d8b998"
    "c9789f763b4d9caa093a9ded43175d46a76b4d54f0ce0c5d2259b607e30a9d241263874fa59d6f570dc40d83a2d8"
    "3bf9e9850d454c57806535a8998ae0357df92f00b9667344c24114ccc9ef539124b204e7e6e748c30a28a3d1d183"
    "997243eaccbbd33b0c1115a0327106a1e6a75271d4983086f632ff0eb8b4c63102cbcef5bb72dae1279d5de8eb19"
    "096d8cdb07fa8ea989788fac23e66e0488c193f3f3fea8c8838896bf3ae4b6848d42ced4bdf41abe6fc331b44225"
    "e7a1f7d3564147d5458e71aa909cb02be958bbc42e3aa5a27cc6eaf4b6fe51ae4495694d8ab6320aab920183fd5b"
    "31a359042fbd67391ec5e4d1892a2e5210141a494e9301b24a113c474c7f2a73457847";

/* The Certificate message of both */
static const char certificate[] =
    "0b0001b9000001b50001b0308201ac30820115a003020102020102300d06092a864886f70d01010b0500300e310c"
    "300a06035504031303727361301e170d3136303733303031323335395a170d3236303733303031323335395a300e"
    "310c300a0603550403130372736130819f300d06092a864886f70d010101050003818d0030818902818100b4bb49"
    "8f8279303d980836399b36c6988c0c68de55e1bdb826d3901a2461eafd2de49a91d015abbc9a95137ace6c1af19e"
    "aa6af98c7ced43120998e187a80ee0ccb0524b1b018c3e0b63264d449a6d38e22a5fda430846748030530ef0461c"
    "8ca9d9efbfae8ea6d1d03e2bd193eff0ab9a8002c47428a6d35a8d88d79f7f1e3f0203010001a31a301830090603"
    "551d1304023000300b0603551d0f0404030205a0300d06092a864886f70d01010b05000381810085aad2a0e5b927"
    "6b908c65f73a7267170618a54c5f8a7b337d2df7a594365417f2eae8f8a58c8f8172f9319cf36b7fd6c55b80f21a"
    "03015156726096fd335e5e67f2dbf102702e608ccae6bec1fc63a42a99be5c3eb7107c3c54e9b9eb2bd5203b1c3b"
    "84e0a8b2f759409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4de10000";

struct bytes {
    uint8_t data[1024];
    size_t len;
};

static void add_hex(struct bytes *out, const char *hex) {
    for (; *hex; hex += 2) {
        const char digits[3] = {hex[0], hex[1], 0};
        assert_true(out->len < sizeof out->data);
        out->data[out->len++] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static struct bytes unhex(const char *hex) {
    struct bytes out = {.len = 0};
    add_hex(&out, hex);
    return out;
}

static void assert_hex(const uint8_t *bytes, const char *hex) {
    struct bytes expected = unhex(hex);
    assert_memory_equal(bytes, expected.data, expected.len);
}

static void transcript_of(const char *client_hello, const char *server_hello,
                          uint8_t digest[TLS13_HASH_MAX]) {
    struct bytes messages = unhex(client_hello);
    add_hex(&messages, server_hello);
    assert_true(tls13_hash(&tls13_suites[0], (struct slice){messages.data, messages.len}, digest));
}

static void section_3(void **state) {
    struct tls13_derived derived;
    struct tls13_keys keys;
    uint8_t digest[TLS13_HASH_MAX];
    struct bytes secret = unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
    (void)state;
    assert_true(tls13_derived_init(&derived));
    assert_hex(derived.sha256, "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba");
    /* not in the RFC: by Python's hmac and hashlib */
    assert_hex(derived.sha384, "1591dac5cbbf0330a4a84de9c753330e92d01f0a88214b4464972fd668049e93e52"
                               "f2b16fad922fdc0584478428f282b");
    transcript_of(client_hello3, server_hello3, digest);
    assert_hex(digest, "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
    assert_true(tls13_server_keys(&tls13_suites[0], &derived,
                                  (struct slice){secret.data, secret.len}, digest, &keys));
    assert_hex(keys.key, "3fce516009c21727d0f2e4e86ee403bc");
    assert_hex(keys.iv, "5d313eb2671276ee13000b30");
}

static void section_7(void **state) {
    struct tls13_derived derived;
    struct tls13_keys keys;
    uint8_t digest[TLS13_HASH_MAX], secret[TLS_SHARE_SECRET_MAX], plain[1024];
    struct bytes private_key =
        unhex("dea00b45695dc781f19d34a62c1afd31ab4369af1e855a3bbb258d8442cde6d7");
    struct bytes share = unhex("3e30f0f4ba551afd62768341175f5265e4daf0c8841617aa4fafdd2142320c22");
    struct bytes record = unhex(sealed7);
    size_t len;
    (void)state;
    assert_true(tls13_derived_init(&derived));
    assert_true(tls_group_real_secret(tls_group_find(TLS_GROUP_X25519), private_key.data,
                                      (struct slice){share.data, share.len}, secret));
    transcript_of(client_hello7, server_hello7, digest);
    assert_true(
        tls13_server_keys(&tls13_suites[0], &derived, (struct slice){secret, 32}, digest, &keys));
    assert_hex(keys.key, "041091fdab29f2c8abfb156dc5fc8d54");
    assert_hex(keys.iv, "7464d791685de05998fcbadb");

    /* opened elsewhere, then in its own place */
    struct slice payload = {record.data + 5, record.len - 5};
    assert_true(tls13_open(&tls13_suites[0], &keys, record.data, payload, plain, &len));
    struct bytes expected = unhex(certificate);
    const uint8_t *found = memmem(plain, len, expected.data, expected.len);
    assert_non_null(found);
    assert_int_equal(plain[0], TLS_MESSAGE_ENCRYPTED_EXTENSIONS);
    assert_int_equal(plain[len - 1], TLS_CONTENT_HANDSHAKE);
    assert_int_equal(keys.sequence, 1);
    keys.sequence = 0;
    assert_true(tls13_open(&tls13_suites[0], &keys, record.data, payload, record.data + 5, &len));
    assert_memory_equal(record.data + 5, plain, len);

    /* not authentic: another number, another header, another byte */
    record = unhex(sealed7);
    keys.sequence = 1;
    assert_false(tls13_open(&tls13_suites[0], &keys, record.data, payload, plain, &len));
    keys.sequence = 0;
    record.data[2] ^= 1;
    assert_false(tls13_open(&tls13_suites[0], &keys, record.data, payload, plain, &len));
    record.data[2] ^= 1;
    record.data[100] ^= 1;
    keys.sequence = 0;
    assert_false(tls13_open(&tls13_suites[0], &keys, record.data, payload, plain, &len));
}

/* Two real shares agree, and the base point's secret is what the real computation gives. */
static void shares_agree(void **state) {
    static const uint16_t ids[] = {TLS_GROUP_X25519, TLS_GROUP_P256, TLS_GROUP_P384,
                                   TLS_GROUP_P521};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct tls_group *group = tls_group_find(ids[i]);
        uint8_t private_a[TLS_SHARE_PRIVATE_MAX], private_b[TLS_SHARE_PRIVATE_MAX];
        uint8_t a[TLS_SHARE_MAX], b[TLS_SHARE_MAX], base[TLS_SHARE_MAX];
        uint8_t secret_a[TLS_SHARE_SECRET_MAX], secret_b[TLS_SHARE_SECRET_MAX];
        struct slice secret;
        assert_true(tls_group_real_share(group, a, private_a));
        assert_true(tls_group_real_share(group, b, private_b));
        assert_true(tls_group_real_secret(group, private_a, (struct slice){b, group->share_bytes},
                                          secret_a));
        assert_true(tls_group_real_secret(group, private_b, (struct slice){a, group->share_bytes},
                                          secret_b));
        assert_memory_equal(secret_a, secret_b, group->secret_bytes);

        tls_group_base_share(group, base);
        assert_true(tls_group_real_secret(group, private_a,
                                          (struct slice){base, group->share_bytes}, secret_a));
        assert_true(tls_group_base_secret(group, (struct slice){a, group->share_bytes}, &secret));
        assert_int_equal(secret.len, group->secret_bytes);
        assert_memory_equal(secret.ptr, secret_a, secret.len);

        /* too short, and for the curves not on it */
        assert_false(tls_group_real_secret(group, private_a,
                                           (struct slice){b, group->share_bytes - 1u}, secret_a));
        assert_false(
            tls_group_base_secret(group, (struct slice){b, group->share_bytes - 1u}, &secret));
        if (ids[i] == TLS_GROUP_X25519)
            continue;
        b[5] ^= 1;
        assert_false(tls_group_real_secret(group, private_a, (struct slice){b, group->share_bytes},
                                           secret_a));
        b[0] = 2;
        assert_false(tls_group_base_secret(group, (struct slice){b, group->share_bytes}, &secret));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(section_3),
        cmocka_unit_test(section_7),
        cmocka_unit_test(shares_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
