/* Log entries in both forms: what is read, what is refused and why, and that a tile goes on behind
 * an entry whose content is off. */
#include "engine/ct/entry.h"
#include "tests/unit/ct/build_entry.h"
#include "tests/unit/x509/build_certificate.h"

#include <openssl/sha.h>
#include <stdlib.h>

#define LEAF_INDEX "\0\0\5\1\2\3\4\5"
#define UNKNOWN    "\7\0\2ab"

static struct buffer leaf_input, extra_data, tile;

static const struct entry_parts CERTIFICATE = {
    .timestamp_ms = 1700000000123,
    .type = CT_X509_ENTRY,
    .signed_entry = {(const uint8_t *)"certificate", 11},
    .chain = {{(const uint8_t *)"issuer", 6}, {(const uint8_t *)"root", 4}},
};
static const struct entry_parts PRECERTIFICATE = {
    .timestamp_ms = UINT64_MAX,
    .type = CT_PRECERT_ENTRY,
    .signed_entry = {(const uint8_t *)"tbs", 3},
    .extensions = {(const uint8_t *)UNKNOWN LEAF_INDEX, 13},
    .precertificate = {(const uint8_t *)"precertificate", 14},
    .fingerprints = {(const uint8_t *)"0123456789abcdef0123456789abcdef"
                                      "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP",
                     64},
    .chain = {{(const uint8_t *)"issuer", 6}},
};

static int init_buffers(void **state) {
    (void)state;
    buffer_init(&leaf_input);
    buffer_init(&extra_data);
    buffer_init(&tile);
    return 0;
}

static int deinit_buffers(void **state) {
    (void)state;
    buffer_deinit(&leaf_input);
    buffer_deinit(&extra_data);
    buffer_deinit(&tile);
    return 0;
}

/* In memory of just its size, so that a sanitizer sees every byte behind it; freed by the caller.
 */
static struct slice exactly(const struct buffer *buffer) {
    uint8_t *copy = malloc(buffer->len ? buffer->len : 1);

    assert_non_null(copy);
    if (buffer->len)
        memcpy(copy, buffer->ptr, buffer->len);
    return (struct slice){copy, buffer->len};
}

static enum ct_entry_error parse(const struct entry_parts *parts, struct ct_entry *out) {
    leaf_input.len = extra_data.len = 0;
    entry_add_leaf_input(&leaf_input, parts);
    entry_add_extra_data(&extra_data, parts);
    return ct_entry_parse(buffer_slice(&leaf_input), buffer_slice(&extra_data), out);
}

static enum ct_entry_error parse_tile(const struct entry_parts *parts, struct ct_entry *out) {
    tile.len = 0;
    entry_add_tile(&tile, parts);
    struct slice rest = buffer_slice(&tile);
    return ct_tile_entry_next(&rest, out);
}

static void test_certificate(void **state) {
    struct ct_entry entry;
    struct slice der;

    (void)state;
    assert_int_equal(parse(&CERTIFICATE, &entry), CT_ENTRY_OK);
    assert_int_equal(entry.type, CT_X509_ENTRY);
    assert_int_equal(entry.timestamp_ms, 1700000000123);
    assert_slice(entry.signed_entry, CERTIFICATE.signed_entry);
    assert_slice(entry.leaf, buffer_slice(&leaf_input));
    assert_int_equal(entry.leaf_zeros, 1);
    assert_null(entry.issuer_key_hash);
    assert_int_equal(entry.precertificate.len, 0);
    assert_false(entry.has_leaf_index);
    struct slice chain = entry.chain;
    assert_true(ct_chain_next(&chain, &der));
    assert_slice(der, CERTIFICATE.chain[0]);
    assert_true(ct_chain_next(&chain, &der));
    assert_slice(der, CERTIFICATE.chain[1]);
    assert_false(ct_chain_next(&chain, &der));
    assert_int_equal(chain.len, 0);
}

static void test_precertificate(void **state) {
    struct ct_entry entry;

    (void)state;
    assert_int_equal(parse(&PRECERTIFICATE, &entry), CT_ENTRY_OK);
    assert_int_equal(entry.type, CT_PRECERT_ENTRY);
    assert_true(entry.timestamp_ms == UINT64_MAX);
    assert_slice(entry.signed_entry, PRECERTIFICATE.signed_entry);
    assert_slice(entry.precertificate, PRECERTIFICATE.precertificate);
    assert_memory_equal(entry.issuer_key_hash, ENTRY_KEY_HASH, 32);
    assert_true(entry.has_leaf_index);
    assert_true(entry.leaf_index == UINT64_C(0x0102030405));
    assert_int_equal(entry.fingerprints.len, 0);
}

/* Entries of both kinds one after another, and nothing behind. */
static void test_tile(void **state) {
    struct ct_entry entry;
    struct entry_parts alone = CERTIFICATE;

    (void)state;
    tile.len = 0;
    entry_add_tile(&tile, &PRECERTIFICATE);
    size_t first_len = tile.len;
    entry_add_tile(&tile, &alone);
    struct slice whole = exactly(&tile), rest = whole;

    assert_int_equal(ct_tile_entry_next(&rest, &entry), CT_ENTRY_OK);
    assert_int_equal(entry.type, CT_PRECERT_ENTRY);
    assert_slice(entry.raw, slice_first(whole, first_len));
    assert_slice(entry.signed_entry, PRECERTIFICATE.signed_entry);
    assert_slice(entry.precertificate, PRECERTIFICATE.precertificate);
    assert_slice(entry.fingerprints, PRECERTIFICATE.fingerprints);
    assert_memory_equal(entry.issuer_key_hash, ENTRY_KEY_HASH, 32);
    assert_true(entry.has_leaf_index && entry.leaf_index == UINT64_C(0x0102030405));
    assert_int_equal(entry.leaf_zeros, 3);

    assert_int_equal(ct_tile_entry_next(&rest, &entry), CT_ENTRY_OK);
    assert_int_equal(entry.type, CT_X509_ENTRY);
    assert_slice(entry.raw, slice_from(whole, first_len));
    assert_slice(entry.signed_entry, CERTIFICATE.signed_entry);
    assert_int_equal(entry.chain.len, 0);
    assert_int_equal(rest.len, 0);
    free((void *)(uintptr_t)whole.ptr);
}

/* The same leaf in both forms has the same hash, which is that of RFC 6962 by another library's
 * words. */
static void test_leaf_hash(void **state) {
    const struct entry_parts *const all[] = {&CERTIFICATE, &PRECERTIFICATE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ct_entry entries[2];
        struct ct_hash hashes[2];
        uint8_t wanted[32];
        SHA256_CTX hash;
        assert_int_equal(parse(all[i], &entries[0]), CT_ENTRY_OK);
        assert_int_equal(parse_tile(all[i], &entries[1]), CT_ENTRY_OK);
        SHA256_Init(&hash);
        SHA256_Update(&hash, "\0", 1);
        SHA256_Update(&hash, leaf_input.ptr, leaf_input.len);
        SHA256_Final(wanted, &hash);
        ct_entry_leaf_hashes(entries, 2, hashes);
        assert_memory_equal(hashes[0].bytes, wanted, 32);
        assert_memory_equal(hashes[1].bytes, wanted, 32);
        hashes[0] = ct_entry_leaf_hash(&entries[1]);
        assert_memory_equal(hashes[0].bytes, wanted, 32);
    }
}

static void test_many_leaf_hashes(void **state) {
    enum { MANY = 600 };
    struct ct_entry *entries = calloc(MANY, sizeof *entries);
    struct ct_hash *hashes = calloc(MANY, sizeof *hashes);
    struct entry_parts parts = CERTIFICATE;

    (void)state;
    tile.len = 0;
    for (unsigned i = 0; i < MANY; i++) {
        parts.timestamp_ms = i;
        parts.signed_entry.len = 1 + i % 11;
        entry_add_tile(&tile, &parts);
    }
    struct slice rest = buffer_slice(&tile);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(ct_tile_entry_next(&rest, &entries[i]), CT_ENTRY_OK);
    assert_int_equal(rest.len, 0);
    ct_entry_leaf_hashes(entries, MANY, hashes);
    for (unsigned i = 0; i < MANY; i++) {
        struct ct_hash one = ct_entry_leaf_hash(&entries[i]);
        assert_memory_equal(one.bytes, hashes[i].bytes, CT_HASH_BYTES);
    }
    free(entries);
    free(hashes);
}

/* --- What is refused --- */

/* Cut anywhere, nothing is read behind the cut, and a tile says where it could not go on. */
static void test_cut(void **state) {
    const struct entry_parts *const all[] = {&CERTIFICATE, &PRECERTIFICATE};
    struct ct_entry entry;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(parse(all[i], &entry), CT_ENTRY_OK);
        size_t leaf_len = leaf_input.len, extra_len = extra_data.len;
        for (leaf_input.len = 0; leaf_input.len < leaf_len; leaf_input.len++) {
            struct slice cut = exactly(&leaf_input);
            assert_int_equal(ct_entry_parse(cut, buffer_slice(&extra_data), &entry), CT_ENTRY_CUT);
            assert_slice(entry.leaf, cut); /* to go on hashing */
            assert_slice(entry.raw, cut);
            assert_int_equal(entry.leaf_zeros, 1);
            assert_int_equal(entry.signed_entry.len, 0);
            free((void *)(uintptr_t)cut.ptr);
        }
        for (extra_data.len = 0; extra_data.len < extra_len; extra_data.len++) {
            struct slice cut = exactly(&extra_data);
            assert_int_not_equal(ct_entry_parse(buffer_slice(&leaf_input), cut, &entry),
                                 CT_ENTRY_OK);
            assert_slice(entry.signed_entry, all[i]->signed_entry);
            assert_int_equal(entry.chain.len, 0);
            free((void *)(uintptr_t)cut.ptr);
        }

        assert_int_equal(parse_tile(all[i], &entry), CT_ENTRY_OK);
        size_t len = tile.len;
        for (tile.len = 1; tile.len < len; tile.len++) {
            struct slice cut = exactly(&tile), rest = cut;
            assert_int_equal(ct_tile_entry_next(&rest, &entry), CT_ENTRY_CUT);
            assert_true(ct_entry_error_is_framing(CT_ENTRY_CUT));
            assert_slice(rest, cut);
            assert_slice(entry.raw, cut);
            assert_int_equal(entry.leaf.len, 0);
            free((void *)(uintptr_t)cut.ptr);
        }
    }
}

static void test_framing(void **state) {
    struct ct_entry entry;
    struct entry_parts unknown = CERTIFICATE;

    (void)state;
    unknown.type = 0x8000;
    assert_int_equal(parse(&unknown, &entry), CT_ENTRY_UNKNOWN_TYPE);
    assert_slice(entry.leaf, buffer_slice(&leaf_input));
    assert_int_equal(parse_tile(&unknown, &entry), CT_ENTRY_UNKNOWN_TYPE);
    assert_slice(entry.raw, buffer_slice(&tile));

    assert_int_equal(parse(&CERTIFICATE, &entry), CT_ENTRY_OK);
    buffer_add_byte(&leaf_input, 0);
    assert_int_equal(ct_entry_parse(buffer_slice(&leaf_input), buffer_slice(&extra_data), &entry),
                     CT_ENTRY_TRAILING_BYTES);
    leaf_input.len--;
    for (unsigned i = 0; i < 2; i++) {
        leaf_input.ptr[i] = 1;
        assert_int_equal(
            ct_entry_parse(buffer_slice(&leaf_input), buffer_slice(&extra_data), &entry),
            CT_ENTRY_UNKNOWN_VERSION);
        assert_slice(entry.leaf, buffer_slice(&leaf_input));
        leaf_input.ptr[i] = 0;
    }
    buffer_add_byte(&extra_data, 0);
    assert_int_equal(ct_entry_parse(buffer_slice(&leaf_input), buffer_slice(&extra_data), &entry),
                     CT_ENTRY_BAD_CHAIN);
}

static void check_content(const struct entry_parts *parts, enum ct_entry_error wanted) {
    struct ct_entry entry;

    tile.len = 0;
    entry_add_tile(&tile, parts);
    size_t len = tile.len;
    entry_add_tile(&tile, &CERTIFICATE);
    struct slice rest = buffer_slice(&tile);
    assert_int_equal(ct_tile_entry_next(&rest, &entry), wanted);
    assert_false(ct_entry_error_is_framing(wanted));
    assert_slice(entry.raw, slice_first(buffer_slice(&tile), len));
    assert_int_equal(entry.type, parts->type);

    leaf_input.len = 0;
    entry_add_timestamped(&leaf_input, parts);
    assert_slice(entry.leaf, buffer_slice(&leaf_input));

    assert_int_equal(ct_tile_entry_next(&rest, &entry), CT_ENTRY_OK); /* it goes on */
    assert_slice(entry.signed_entry, CERTIFICATE.signed_entry);
}

static void test_content(void **state) {
    struct entry_parts parts = PRECERTIFICATE;
    struct ct_entry entry;

    (void)state;
    parts.signed_entry.len = 0;
    check_content(&parts, CT_ENTRY_EMPTY_CERTIFICATE);
    assert_int_equal(parse(&parts, &entry), CT_ENTRY_EMPTY_CERTIFICATE);
    assert_true(entry.chain.len);
    parts = PRECERTIFICATE;
    parts.precertificate.len = 0;
    check_content(&parts, CT_ENTRY_EMPTY_CERTIFICATE);
    parts = PRECERTIFICATE;
    parts.fingerprints.len = 63;
    check_content(&parts, CT_ENTRY_BAD_CHAIN);
    parts = CERTIFICATE;
    parts.fingerprints = PRECERTIFICATE.fingerprints;
    parts.fingerprints.len = 1;
    check_content(&parts, CT_ENTRY_BAD_CHAIN);

    static const struct slice bad[] = {
        {(const uint8_t *)"\0", 1},
        {(const uint8_t *)"\0\0\5\1\2\3\4", 7},
        {(const uint8_t *)"\0\0\4\1\2\3\4", 7},       /* 32 bits */
        {(const uint8_t *)"\0\0\6\1\2\3\4\5\6", 9},   /* 48 bits */
        {(const uint8_t *)LEAF_INDEX LEAF_INDEX, 16}, /* twice */
        {(const uint8_t *)LEAF_INDEX "\7\0\2a", 12},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        parts = CERTIFICATE;
        parts.extensions = bad[i];
        check_content(&parts, CT_ENTRY_BAD_EXTENSIONS);
        assert_int_equal(parse(&parts, &entry), CT_ENTRY_BAD_EXTENSIONS);
        assert_true(entry.chain.len);
    }
    parts.extensions = (struct slice){(const uint8_t *)UNKNOWN UNKNOWN, 10};
    check_content(&parts, CT_ENTRY_OK);

    /* An empty certificate within a chain. */
    assert_int_equal(parse(&CERTIFICATE, &entry), CT_ENTRY_OK);
    assert_int_equal(ct_entry_parse(buffer_slice(&leaf_input),
                                    (struct slice){(const uint8_t *)"\0\0\3\0\0\0", 6}, &entry),
                     CT_ENTRY_BAD_CHAIN);
}

/* --- Certificates --- */

#define SAN                                                                                        \
    "\x30\x10\x06\x03\x55\x1d\x11\x04\x09\x30\x07\x82\x05"                                         \
    "a.com"
#define SCTS "\x30\x10\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02\x04\x02\x04\x00"
#define POISON                                                                                     \
    "\x30\x13\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03\x01\x01\xff\x04\x02\x05\x00"

/* A precertificate and its final certificate: one TBS hash, their own fingerprints. */
static void test_joined(void **state) {
    uint8_t der[3][8192], hashes[2][32], wanted[32];
    struct certificate_parts parts = usual_parts();
    struct certificate plain, certificate;
    struct ct_entry entry = {.type = CT_PRECERT_ENTRY};

    (void)state;
    parts.extensions = BYTES(SAN);
    assert_int_equal(certificate_decode(build_certificate(&parts, der[0]), &plain), CERTIFICATE_OK);
    SHA256(plain.tbs.ptr, plain.tbs.len, wanted);

    parts.extensions = BYTES(SAN POISON);
    entry.precertificate = build_certificate(&parts, der[1]);
    entry.signed_entry = plain.tbs;
    assert_int_equal(ct_entry_certificate(&entry, &certificate), CERTIFICATE_OK);
    assert_true(certificate.is_precertificate);
    assert_slice(certificate.der, entry.precertificate);
    assert_slice(certificate.tbs, plain.tbs);
    assert_slice(certificate.subject_alt_name, plain.subject_alt_name);
    assert_slice(certificate.spki, plain.spki);
    assert_slice(certificate.signature_algorithm, BYTES(ED25519_ALGORITHM));
    assert_int_equal(certificate.signature.len, 0);
    assert_int_equal(certificate.not_after, plain.not_after);
    assert_true(ct_entry_tbs_sha256(&entry, &certificate, hashes[0]));

    parts.extensions = BYTES(SAN SCTS);
    entry =
        (struct ct_entry){.type = CT_X509_ENTRY, .signed_entry = build_certificate(&parts, der[2])};
    assert_int_equal(ct_entry_certificate(&entry, &certificate), CERTIFICATE_OK);
    assert_false(certificate.is_precertificate);
    assert_slice(certificate.der, entry.signed_entry);
    assert_true(ct_entry_tbs_sha256(&entry, &certificate, hashes[1]));
    assert_memory_equal(hashes[0], wanted, 32);
    assert_memory_equal(hashes[1], wanted, 32);
}

static void test_bad_tbs(void **state) {
    uint8_t der[8192], copy[8192];
    struct certificate_parts parts = usual_parts();
    struct certificate whole, out;

    (void)state;
    assert_int_equal(certificate_decode(build_certificate(&parts, der), &whole), CERTIFICATE_OK);
    assert_int_equal(certificate_decode_tbs(whole.tbs, &out), CERTIFICATE_OK);
    assert_int_equal(out.der.len, 0);
    assert_int_equal(certificate_decode_tbs(whole.der, &out), CERTIFICATE_BAD_SERIAL);
    memcpy(copy, whole.tbs.ptr, whole.tbs.len + 1);
    assert_int_equal(certificate_decode_tbs((struct slice){copy, whole.tbs.len + 1}, &out),
                     CERTIFICATE_BAD_OUTER);
    assert_int_equal(certificate_decode_tbs((struct slice){copy, whole.tbs.len - 1}, &out),
                     CERTIFICATE_BAD_OUTER);
    assert_int_equal(certificate_decode_tbs((struct slice){NULL, 0}, &out), CERTIFICATE_BAD_OUTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_precertificate),
        cmocka_unit_test(test_tile),
        cmocka_unit_test(test_leaf_hash),
        cmocka_unit_test(test_many_leaf_hashes),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_bad_tbs),
    };

    return cmocka_run_group_tests_name("entry", tests, init_buffers, deinit_buffers);
}
