/* Certificate Transparency against vectors that others have published: entries of real logs, leaf
 * hashes, signed heads, proofs. tests/golden/ct/vectors.json holds them, each with its source. */
#include "engine/base/base64.h"
#include "engine/ct/bind.h"
#include "engine/ct/entry.h"
#include "engine/ct/proof.h"
#include "engine/hash/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <yyjson.h>

enum { VALUE_MAX = 8192 };

static yyjson_val *vectors;

/* A value as bytes of its own. */
struct bytes {
    uint8_t bytes[VALUE_MAX];
    size_t len;
};

static struct slice slice_of_bytes(const struct bytes *bytes) {
    return (struct slice){bytes->bytes, bytes->len};
}

static struct slice text_at(yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);

    assert_true(yyjson_is_str(value));
    return (struct slice){(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
}

static uint64_t number_at(yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);

    assert_true(yyjson_is_uint(value));
    return yyjson_get_uint(value);
}

static struct slice base64_at(yyjson_val *object, const char *name, struct bytes *out) {
    struct slice text = text_at(object, name);

    assert_true(text.len <= VALUE_MAX);
    assert_true(base64_decode(text, out->bytes, &out->len, NULL));
    return slice_of_bytes(out);
}

static struct slice hex(yyjson_val *value, struct bytes *out) {
    const char *text = yyjson_get_str(value);

    assert_non_null(text);
    out->len = yyjson_get_len(value) / 2;
    for (size_t i = 0; i < out->len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out->bytes[i] = (uint8_t)byte;
    }
    return slice_of_bytes(out);
}

static struct ct_hash hex_hash(yyjson_val *value) {
    struct bytes bytes;
    struct ct_hash hash;

    assert_int_equal(hex(value, &bytes).len, CT_HASH_BYTES);
    memcpy(hash.bytes, bytes.bytes, CT_HASH_BYTES);
    return hash;
}

static void assert_hash_base64(const struct ct_hash *hash, yyjson_val *object, const char *name) {
    struct bytes wanted;

    assert_int_equal(base64_at(object, name, &wanted).len, CT_HASH_BYTES);
    assert_memory_equal(hash->bytes, wanted.bytes, CT_HASH_BYTES);
}

static void init_key(struct ct_log_key *key, yyjson_val *object) {
    struct bytes spki;
    struct failure failure = {0};

    assert_int_equal(ct_log_key_init(key, base64_at(object, "key", &spki), &failure), ERROR_NONE);
}

/* --- Entries --- */

static void check_precertificate(const struct ct_entry *entry) {
    struct slice chain = entry->chain, der;
    struct certificate issuer;
    uint8_t hash[SHA256_BYTES];

    assert_int_equal(ct_bind(entry->precertificate, entry->signed_entry), CT_BOUND);
    assert_true(ct_chain_next(&chain, &der));
    assert_int_equal(certificate_decode(der, &issuer), CERTIFICATE_OK);
    certificate_sha256(issuer.spki, hash);
    assert_memory_equal(entry->issuer_key_hash, hash, sizeof hash);
}

static void test_entries(void **state) {
    yyjson_val *list = yyjson_obj_get(vectors, "entries"), *one;
    size_t index, count;

    (void)state;
    yyjson_arr_foreach(list, index, count, one) {
        struct bytes leaf_input, extra_data;
        struct certificate certificate;
        struct ct_entry entry;
        assert_int_equal(ct_entry_parse(base64_at(one, "leaf_input", &leaf_input),
                                        base64_at(one, "extra_data", &extra_data), &entry),
                         CT_ENTRY_OK);
        assert_int_equal(entry.type, number_at(one, "type"));
        assert_false(entry.has_leaf_index);
        assert_int_equal(ct_entry_certificate(&entry, &certificate), CERTIFICATE_OK);
        assert_int_equal(certificate.is_precertificate, entry.type == CT_PRECERT_ENTRY);
        assert_true(certificate.subject_alt_name.len);
        if (entry.type == CT_PRECERT_ENTRY)
            check_precertificate(&entry);
        else
            assert_true(slice_equal(certificate.der, entry.signed_entry));
    }
    assert_int_equal(count, 2);
}

/* --- Leaf hashes --- */

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

/* The MerkleTreeLeaf of a certificate as RFC 6962 section 3.4 has it. */
static void write_leaf(yyjson_val *one, struct buffer *out) {
    struct bytes der, issuer_der;
    struct certificate certificate, issuer;
    struct buffer tbs;
    bool is_precert = yyjson_obj_get(one, "precertificate");

    buffer_init(&tbs);
    buffer_add(out, "\0\0", 2);
    add_number(out, number_at(one, "timestamp"), 8);
    add_number(out, is_precert, 2);
    base64_at(one, is_precert ? "precertificate" : "certificate", &der);
    assert_int_equal(certificate_decode(slice_of_bytes(&der), &certificate), CERTIFICATE_OK);
    if (is_precert) {
        uint8_t hash[SHA256_BYTES];
        base64_at(one, "issuer", &issuer_der);
        assert_int_equal(certificate_decode(slice_of_bytes(&issuer_der), &issuer), CERTIFICATE_OK);
        certificate_sha256(issuer.spki, hash);
        buffer_add(out, hash, sizeof hash);
        assert_true(certificate_tbs_write(&certificate, &tbs));
        assert_int_equal(ct_bind(certificate.der, buffer_slice(&tbs)), CT_BOUND);
    } else {
        buffer_add_slice(&tbs, certificate.der);
    }
    add_number(out, tbs.len, 3);
    buffer_add_slice(out, buffer_slice(&tbs));
    add_number(out, 0, 2);
    buffer_deinit(&tbs);
}

static void test_leaf_hashes(void **state) {
    yyjson_val *list = yyjson_obj_get(vectors, "leaves"), *one;
    size_t index, count;

    (void)state;
    yyjson_arr_foreach(list, index, count, one) {
        static const uint8_t no_precert[6] = {0}; /* or chain, of which the hash knows nothing */
        bool is_precert = yyjson_obj_get(one, "precertificate");
        struct ct_entry entry;
        struct buffer leaf;
        buffer_init(&leaf);
        write_leaf(one, &leaf);
        assert_int_equal(ct_entry_parse(buffer_slice(&leaf),
                                        (struct slice){no_precert, is_precert ? 6 : 3}, &entry),
                         is_precert ? CT_ENTRY_EMPTY_CERTIFICATE : CT_ENTRY_OK);
        struct ct_hash hash = ct_entry_leaf_hash(&entry);
        assert_hash_base64(&hash, one, "leaf_hash");

        /* The same in a tile, which leaves out what is always zero. */
        entry.leaf = slice_from(entry.leaf, 2);
        entry.leaf_zeros = 3;
        ct_entry_leaf_hashes(&entry, 1, &hash);
        assert_hash_base64(&hash, one, "leaf_hash");
        buffer_deinit(&leaf);
    }
    assert_int_equal(count, 2);
}

/* --- Heads and signatures --- */

static void test_heads(void **state) {
    yyjson_val *list = yyjson_obj_get(vectors, "heads"), *one;
    size_t index, count;

    (void)state;
    yyjson_arr_foreach(list, index, count, one) {
        yyjson_val *sth = yyjson_obj_get(one, "sth");
        struct ct_log_key key;
        struct ct_head head;
        size_t len;
        char *json = yyjson_val_write(sth, 0, &len);
        init_key(&key, one);
        assert_int_equal(ct_head_parse_sth((struct slice){(uint8_t *)json, len}, &key, &head),
                         CT_HEAD_OK);
        assert_int_equal(head.tree_size, number_at(sth, "tree_size"));
        assert_int_equal(head.timestamp_ms, number_at(sth, "timestamp"));
        assert_hash_base64(&head.root, sth, "sha256_root_hash");
        free(json);
        ct_log_key_deinit(&key);
    }
    assert_int_equal(count, 2);
}

static void test_checkpoints(void **state) {
    yyjson_val *list = yyjson_obj_get(vectors, "checkpoints"), *one;
    size_t index, count;

    (void)state;
    yyjson_arr_foreach(list, index, count, one) {
        struct ct_log_key key;
        struct bytes id;
        struct ct_head head;
        struct slice origin;
        init_key(&key, one);
        assert_int_equal(base64_at(one, "log_id", &id).len, CT_LOG_ID_BYTES);
        assert_memory_equal(key.id, id.bytes, CT_LOG_ID_BYTES);
        assert_int_equal(ct_head_parse_checkpoint(text_at(one, "note"), &key, &head, &origin),
                         CT_HEAD_OK);
        assert_true(slice_equal(origin, text_at(one, "origin")));
        assert_int_equal(head.tree_size, number_at(one, "tree_size"));
        assert_int_equal(head.timestamp_ms, number_at(one, "timestamp"));
        assert_hash_base64(&head.root, one, "root");
        ct_log_key_deinit(&key);
    }
    assert_int_equal(count, 1);
}

/* SCTs, which are signed as heads are: by ECDSA and by RSA. */
static void test_signatures(void **state) {
    yyjson_val *list = yyjson_obj_get(vectors, "signatures"), *one;
    size_t index, count;

    (void)state;
    yyjson_arr_foreach(list, index, count, one) {
        struct ct_log_key key;
        struct bytes signature;
        struct buffer leaf;
        buffer_init(&leaf);
        write_leaf(one, &leaf); /* which has the same bytes but for what the second 00 means */
        init_key(&key, one);
        struct slice digitally_signed = base64_at(one, "signature", &signature);
        assert_int_equal(ct_log_key_verify(&key, digitally_signed, buffer_slice(&leaf)),
                         CT_SIGNATURE_GOOD);
        leaf.ptr[20] ^= 1;
        assert_int_equal(ct_log_key_verify(&key, digitally_signed, buffer_slice(&leaf)),
                         CT_SIGNATURE_WRONG);
        leaf.ptr[20] ^= 1;
        signature.bytes[1] ^= 2;
        assert_int_equal(ct_log_key_verify(&key, digitally_signed, buffer_slice(&leaf)),
                         CT_SIGNATURE_ALGORITHM);
        buffer_deinit(&leaf);
        ct_log_key_deinit(&key);
    }
    assert_int_equal(count, 2);
}

/* --- Trees and proofs --- */

enum { LEAVES = 8 };

static void read_leaves(struct ct_hash leaves[LEAVES]) {
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(vectors, "merkle"), "leaves");

    assert_int_equal(yyjson_arr_size(list), LEAVES);
    for (size_t i = 0; i < LEAVES; i++) {
        struct bytes data;
        leaves[i] = ct_leaf_hash(hex(yyjson_arr_get(list, i), &data));
    }
}

static struct ct_hash root_of(uint64_t size) {
    return hex_hash(
        yyjson_arr_get(yyjson_obj_get(yyjson_obj_get(vectors, "merkle"), "roots"), size - 1));
}

static void read_proof(yyjson_val *one, struct ct_proof *out) {
    yyjson_val *list = yyjson_obj_get(one, "proof"), *hash;
    size_t index, count;

    yyjson_arr_foreach(list, index, count, hash) {
        out->hashes[index] = hex_hash(hash);
    }
    out->count = (uint32_t)count;
}

static void test_roots(void **state) {
    struct ct_hash leaves[LEAVES];
    struct ct_range range;

    (void)state;
    read_leaves(leaves);
    ct_range_init(&range, 0);
    for (size_t i = 0; i < LEAVES; i++) {
        assert_true(ct_range_append(&range, &leaves[i], 1));
        struct ct_hash root = ct_range_root(&range), wanted = root_of(i + 1);
        assert_memory_equal(root.bytes, wanted.bytes, CT_HASH_BYTES);
    }
}

static void test_inclusion(void **state) {
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(vectors, "merkle"), "inclusion"), *one;
    struct ct_hash leaves[LEAVES];
    size_t at, count;

    (void)state;
    read_leaves(leaves);
    yyjson_arr_foreach(list, at, count, one) {
        uint64_t index = number_at(one, "index"), size = number_at(one, "size");
        struct ct_hash root = root_of(size);
        struct ct_proof path;
        read_proof(one, &path);
        assert_true(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
        assert_false(ct_inclusion_verify(&path, &leaves[index], index + 1, size, &root));
        assert_false(ct_inclusion_verify(&path, &leaves[index], index ^ 2, size, &root));
        assert_false(ct_inclusion_verify(&path, &leaves[index], index, size * 2, &root));
        assert_false(ct_inclusion_verify(&path, &leaves[index], index, size / 2, &root));
        assert_false(ct_inclusion_verify(&path, &leaves[index ^ 1], index, size, &root));
        for (uint32_t i = 0; i < path.count; i++) {
            path.hashes[i].bytes[0] ^= 8;
            assert_false(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
            path.hashes[i].bytes[0] ^= 8;
        }
        path.hashes[path.count++] = root;
        assert_false(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
        path.count -= 2;
        assert_false(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
    }
    assert_int_equal(count, 4);
}

static void test_consistency(void **state) {
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(vectors, "merkle"), "consistency"), *one;
    size_t at, count;

    (void)state;
    yyjson_arr_foreach(list, at, count, one) {
        struct ct_head first = {.tree_size = number_at(one, "first")};
        struct ct_head second = {.tree_size = number_at(one, "second")};
        struct ct_proof proof;
        first.root = root_of(first.tree_size);
        second.root = root_of(second.tree_size);
        read_proof(one, &proof);
        assert_true(ct_consistency_verify(&proof, &first, &second));
        assert_false(ct_consistency_verify(&proof, &second, &first));
        struct ct_head other = first;
        other.root = second.root;
        assert_false(ct_consistency_verify(&proof, &other, &second));
        assert_false(ct_consistency_verify(
            &proof, &(struct ct_head){.tree_size = first.tree_size ^ 2, .root = first.root},
            &second));
        for (uint32_t i = 0; i < proof.count; i++) {
            proof.hashes[i].bytes[0] ^= 16;
            assert_false(ct_consistency_verify(&proof, &first, &second));
            proof.hashes[i].bytes[0] ^= 16;
        }
        proof.count--;
        assert_false(ct_consistency_verify(&proof, &first, &second));
        proof.count = 0;
        assert_false(ct_consistency_verify(&proof, &first, &second));
    }
    assert_int_equal(count, 4);
}

static void test_answers(void **state) {
    yyjson_val *one = yyjson_arr_get(yyjson_obj_get(vectors, "answers"), 0);
    struct ct_proof proof;
    struct ct_entry entry;
    struct buffer leaf_input;
    size_t len;

    (void)state;
    char *json = yyjson_val_write(yyjson_obj_get(one, "consistency"), 0, &len);
    assert_true(ct_proof_parse_consistency((struct slice){(uint8_t *)json, len}, &proof));
    assert_int_equal(proof.count, 2);
    assert_int_equal(proof.hashes[0].bytes[0], 0x22); /* "Iqlr..." */
    free(json);

    buffer_init(&leaf_input);
    json = yyjson_val_write(yyjson_obj_get(one, "entry_and_proof"), 0, &len);
    assert_true(ct_proof_parse_entry((struct slice){(uint8_t *)json, len}, &proof, &leaf_input));
    assert_true(proof.count > 1);
    assert_int_equal(ct_entry_parse(buffer_slice(&leaf_input), (struct slice){NULL, 0}, &entry),
                     CT_ENTRY_BAD_CHAIN); /* none was asked for */
    assert_int_equal(entry.timestamp_ms, UINT64_C(0x161c3c513b5));
    free(json);
    buffer_deinit(&leaf_input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),    cmocka_unit_test(test_leaf_hashes),
        cmocka_unit_test(test_heads),      cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_roots),
        cmocka_unit_test(test_inclusion),  cmocka_unit_test(test_consistency),
        cmocka_unit_test(test_answers),
    };
    yyjson_doc *doc = yyjson_read_file("tests/golden/ct/vectors.json", 0, NULL, NULL);

    if (!doc) {
        fprintf(stderr, "tests/golden/ct/vectors.json cannot be read\n");
        return 1;
    }
    vectors = yyjson_doc_get_root(doc);
    int failed = cmocka_run_group_tests_name("ct_vectors", tests, NULL, NULL);
    yyjson_doc_free(doc);
    return failed;
}
