/* Published vectors, and every way held to the plain one (BoringSSL) over lengths, prefixes,
 * alignments and numbers of messages. */
#include "engine/base/random.h"
#include "engine/hash/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS_MAX = 1100, GUARD = 0x5a };

struct batch {
    struct sha256_job jobs[JOBS_MAX];
    uint8_t got[JOBS_MAX][SHA256_BYTES], want[JOBS_MAX][SHA256_BYTES];
    size_t count;
};

static struct slice hex(const char *text, uint8_t *out) {
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return (struct slice){out, len};
}

/* FIPS 180-4 examples (published by NIST with the standard), the long one with a million times 'a',
 * and the empty message. */
static void test_vectors(void **state) {
    (void)state;
    static const char *const VECTORS[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
         "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    enum { MILLION = 1000000, COPIES = 5, COUNT = 4 };
    uint8_t *long_message = malloc(MILLION), want[SHA256_BYTES];
    assert_non_null(long_message);
    memset(long_message, 'a', MILLION);
    const struct sha256_backend *backend;
    for (uint32_t b = 0; (backend = sha256_backend_at(b)); b++) {
        struct sha256_job jobs[COPIES * (COUNT + 1)];
        uint8_t got[COPIES * (COUNT + 1)][SHA256_BYTES];
        for (uint32_t i = 0; i < COPIES * (COUNT + 1); i++) {
            uint32_t which = i % (COUNT + 1);
            jobs[i] = (struct sha256_job){.out = got[i]};
            jobs[i].message =
                which < COUNT ? slice_of(VECTORS[which][0]) : (struct slice){long_message, MILLION};
        }
        backend->many(jobs, COPIES * (COUNT + 1));
        for (uint32_t i = 0; i < COPIES * (COUNT + 1); i++) {
            uint32_t which = i % (COUNT + 1);
            hex(which < COUNT ? VECTORS[which][1]
                              : "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                want);
            assert_memory_equal(got[i], want, SHA256_BYTES);
        }
    }
    free(long_message);
}

/* RFC 6962: the leaf and the tree of two leaves from the reference implementation's test data
 * ("" and 00). */
static void test_merkle(void **state) {
    (void)state;
    uint8_t leaves[2][SHA256_BYTES], want[SHA256_BYTES], root[SHA256_BYTES], zero = 0;
    struct sha256_job jobs[] = {
        {.out = leaves[0], .prefix_len = 1},
        {.message = {&zero, 1}, .out = leaves[1], .prefix_len = 1},
    };
    sha256_many(jobs, 2);
    hex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", want);
    assert_memory_equal(leaves[0], want, SHA256_BYTES);
    sha256_nodes(leaves[0], 1, root);
    hex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125", want);
    assert_memory_equal(root, want, SHA256_BYTES);
}

static void compare(const struct sha256_backend *backend, struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        batch->jobs[i].out = batch->want[i];
    }
    sha256_backend_at(0)->many(batch->jobs, batch->count);
    memset(batch->got, GUARD, sizeof batch->got);
    for (size_t i = 0; i < batch->count; i++)
        batch->jobs[i].out = batch->got[i];
    backend->many(batch->jobs, batch->count);
    assert_memory_equal(batch->got, batch->want, batch->count * SHA256_BYTES);
    for (size_t i = batch->count * SHA256_BYTES; i < sizeof batch->got; i++)
        assert_int_equal(((uint8_t *)batch->got)[i], GUARD);
}

/* The plain way hashes what the other hashing functions hash: prefix and message as one. */
static void test_plain(void **state) {
    (void)state;
    uint8_t bytes[SHA256_PREFIX_MAX + 300], want[SHA256_BYTES], got[SHA256_BYTES];
    struct random random;
    random_init(&random, 1);
    random_fill(&random, bytes, sizeof bytes);
    for (uint8_t prefix = 0; prefix <= SHA256_PREFIX_MAX; prefix++) {
        for (size_t len = 0; len <= 300; len++) {
            struct sha256_job job = {{bytes + prefix, len}, got, prefix, {0}};
            memcpy(job.prefix, bytes, prefix);
            sha256_backend_at(0)->many(&job, 1);
            sha256_one((struct slice){bytes, prefix + len}, want);
            assert_memory_equal(got, want, SHA256_BYTES);
        }
    }
}

/* All lengths to 300 with every prefix, at every alignment of a word, each message at the end of
 * memory of its own so that nothing behind it is read. */
static void test_lengths(void **state) {
    (void)state;
    static struct batch batch;
    const struct sha256_backend *backend;
    struct random random;
    random_init(&random, 2);
    for (uint32_t b = 1; (backend = sha256_backend_at(b)); b++) {
        for (uint8_t prefix = 0; prefix <= SHA256_PREFIX_MAX; prefix++) {
            uint8_t *owned[301];
            batch.count = 301;
            for (size_t len = 0; len <= 300; len++) {
                size_t shift = len % 8;
                owned[len] = malloc(shift + len + !len);
                assert_non_null(owned[len]);
                random_fill(&random, owned[len], shift + len);
                batch.jobs[len] =
                    (struct sha256_job){.message = {owned[len] + shift, len}, .prefix_len = prefix};
                random_fill(&random, batch.jobs[len].prefix, prefix);
            }
            compare(backend, &batch);
            for (size_t len = 0; len <= 300; len++)
                free(owned[len]);
        }
    }
}

/* Any number of messages of any lengths, now and then a huge one. */
static void test_counts(void **state) {
    (void)state;
    static struct batch batch;
    static uint8_t bytes[200000];
    const struct sha256_backend *backend;
    struct random random;
    random_init(&random, 3);
    random_fill(&random, bytes, sizeof bytes);
    for (uint32_t b = 1; (backend = sha256_backend_at(b)); b++) {
        for (size_t round = 0; round < 60; round++) {
            batch.count = round < 40 ? round : random_below(&random, JOBS_MAX + 1);
            for (size_t i = 0; i < batch.count; i++) {
                size_t most = random_below(&random, 200) == 0 ? sizeof bytes : 2000;
                size_t len = random_below(&random, most);
                size_t at = random_below(&random, sizeof bytes - len);
                batch.jobs[i] = (struct sha256_job){
                    .message = {bytes + at, len},
                    .prefix_len = (uint8_t)random_below(&random, SHA256_PREFIX_MAX + 1)};
                random_fill(&random, batch.jobs[i].prefix, SHA256_PREFIX_MAX);
            }
            compare(backend, &batch);
        }
    }
}

static void test_nodes(void **state) {
    (void)state;
    enum { PAIRS = 70 };
    static uint8_t children[2 * PAIRS * SHA256_BYTES + 1], want[PAIRS * SHA256_BYTES];
    static uint8_t got[PAIRS * SHA256_BYTES + 1], copy[sizeof children];
    const struct sha256_backend *backend;
    struct random random;
    random_init(&random, 4);
    random_fill(&random, children, sizeof children);
    for (uint32_t b = 0; (backend = sha256_backend_at(b)); b++) {
        for (size_t count = 0; count <= PAIRS; count++) {
            const uint8_t *from = children + count % 2;
            for (size_t i = 0; i < count; i++) {
                struct sha256_job job = {{from + 64 * i, 64}, want + 32 * i, 1, {1}};
                sha256_backend_at(0)->many(&job, 1);
            }
            memset(got, GUARD, sizeof got);
            backend->nodes(from, count, got);
            assert_memory_equal(got, want, 32 * count);
            assert_int_equal(got[32 * count], GUARD);
            memcpy(copy, from, 64 * count); /* in place */
            backend->nodes(copy, count, copy);
            assert_memory_equal(copy, want, 32 * count);
        }
    }
}

static void test_backends(void **state) {
    (void)state;
    uint32_t count = 0;
    assert_string_equal(sha256_backend_at(0)->name, "plain");
    while (sha256_backend_at(count))
        count++;
    assert_ptr_equal(sha256_backend_best(), sha256_backend_at(count - 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),  cmocka_unit_test(test_merkle),
        cmocka_unit_test(test_plain),    cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
