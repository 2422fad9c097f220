/* RFC 4648's vectors, what Python's base64 module wrote, and all ways held to one another, on texts
 * that are right and on texts that are not. */
#include "engine/base/base64.h"
#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GUARD = 0x5a, GUARD_BYTES = 80, BYTES_MAX = 400 };

static const struct base64_backend *backend;
static uint32_t backend_count;

#define EACH_BACKEND                                                                               \
    for (backend_count = 0; (backend = base64_backend_at(backend_count)); backend_count++)

/* Decodes with the backend into memory of exactly the promised size, with guards behind it. */
static struct base64_run decode(struct slice text, uint8_t *out) {
    size_t room = base64_decoded_max(text.len);
    uint8_t *text_copy = malloc(text.len + !text.len), *exact = malloc(room + GUARD_BYTES);
    assert_non_null(text_copy);
    assert_non_null(exact);
    memcpy(text_copy, text.ptr, text.len);
    memset(exact, GUARD, room + GUARD_BYTES);
    struct base64_run run = backend->decode_run((struct slice){text_copy, text.len}, exact);
    assert_true(run.read <= text.len && run.read % 4 == 0 && run.written <= room);
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(exact[room + i], GUARD);
    memcpy(out, exact, run.written);
    free(text_copy);
    free(exact);
    return run;
}

static size_t encode(struct slice bytes, uint8_t *out) {
    size_t room = base64_encoded_size(bytes.len);
    uint8_t *copy = malloc(bytes.len + !bytes.len), *exact = malloc(room + GUARD_BYTES);
    assert_non_null(copy);
    assert_non_null(exact);
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    memset(exact, GUARD, room + GUARD_BYTES);
    backend->encode((struct slice){copy, bytes.len}, exact);
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(exact[room + i], GUARD);
    memcpy(out, exact, room);
    free(copy);
    free(exact);
    return room;
}

static void test_vectors(void **state) {
    (void)state;
    static const char *const VECTORS[][2] = {
        /* RFC 4648 section 10 */
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        /* all digits */
        {"\x01\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71"
         "\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e"
         "\xbb\xf3\xdf\xbf",
         "ARCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"},
    };
    uint8_t out[64];
    EACH_BACKEND {
        for (size_t i = 0; i < sizeof VECTORS / sizeof *VECTORS; i++) {
            struct slice bytes = slice_of(VECTORS[i][0]), text = slice_of(VECTORS[i][1]);
            assert_int_equal(encode(bytes, out), text.len);
            assert_memory_equal(out, text.ptr, text.len);
            struct base64_run run = decode(text, out);
            assert_int_equal(run.read, text.len);
            assert_int_equal(run.written, bytes.len);
            assert_memory_equal(out, bytes.ptr, bytes.len);
        }
    }
}

/* base64.b64encode(bytes((i * i + 7 * i) % 251 for i in range(200))) */
static void test_python(void **state) {
    (void)state;
    static const char TEXT[] =
        "AAgSHiw8TmJ4kKrG5AkrT3Wdx/MmVoi88i9ppeMoaq70QYvXKnrMJXvTMo7sUbMcgupZxTioH5MOhgWBBIQLjxqi"
        "Mb1Q4HcQpkPdfiHBaBG3ZBO/cifZkk0KxIVIDc+YYzD6y55zSiP51rWWeV5FLhkG8OHUycC5tLGwsbS5wMnU4fAG"
        "GS5FXnmWtdb5I0pznsv6MGOYzw1IhcQKTZLZJ3K/E2S3EWjBIX7dQ6YQd+BQvTGiGo8LhASBBYYOkx+oOMVZ6oIc"
        "s1E=";
    uint8_t bytes[200], out[sizeof TEXT];
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((i * i + 7 * i) % 251);
    EACH_BACKEND {
        assert_int_equal(encode((struct slice){bytes, sizeof bytes}, out), sizeof TEXT - 1);
        assert_memory_equal(out, TEXT, sizeof TEXT - 1);
        struct base64_run run = decode(slice_of(TEXT), out);
        assert_int_equal(run.read, sizeof TEXT - 1);
        assert_int_equal(run.written, sizeof bytes);
        assert_memory_equal(out, bytes, sizeof bytes);
    }
}

static void test_lengths(void **state) {
    (void)state;
    uint8_t bytes[BYTES_MAX], text[2 * BYTES_MAX], out[2 * BYTES_MAX];
    struct random random;
    random_init(&random, 1);
    EACH_BACKEND {
        for (size_t len = 0; len <= sizeof bytes; len++) {
            random_fill(&random, bytes, len);
            struct slice encoded = {text, encode((struct slice){bytes, len}, text)};
            base64_backend_at(0)->encode((struct slice){bytes, len}, out);
            assert_memory_equal(text, out, encoded.len);
            struct base64_run run = decode(encoded, out);
            assert_int_equal(run.read, encoded.len);
            assert_int_equal(run.written, len);
            assert_memory_equal(out, bytes, len);
        }
    }
}

/* Every byte value at places in every part of a wide block: what is not a digit ends the run before
 * its group. */
static void test_foreign_bytes(void **state) {
    (void)state;
    static const uint8_t PLACES[] = {0, 1, 2, 3, 4, 15, 16, 47, 62, 63, 64, 65, 127, 128, 163, 199};
    uint8_t text[200], out[200];
    EACH_BACKEND {
        for (size_t p = 0; p < sizeof PLACES; p++) {
            for (uint32_t c = 0; c < 256; c++) {
                bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                             (c >= '0' && c <= '9') || c == '+' || c == '/';
                memset(text, 'A', sizeof text);
                text[PLACES[p]] = (uint8_t)c;
                struct base64_run run = decode((struct slice){text, sizeof text}, out);
                size_t end = digit ? sizeof text : PLACES[p] / 4u * 4u;
                if (c == '=' && PLACES[p] % 4 == 3)
                    end += 4;
                assert_int_equal(run.read, end);
            }
        }
    }
}

/* A run ends where the base64 does: at a quote, say. */
static void test_runs(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t read, written;
    } RUNS[] = {
        {"\"", 0, 0},       {"QUJD\",\"x\"", 4, 3}, {"QQ==\"", 4, 1},     {"QUI=\"", 4, 2},
        {"QQ==QUJD", 4, 1}, {"QUJDQQ==", 8, 4},     {"QUJDQ", 4, 3},      {"QUJDQQ", 4, 3},
        {"QUJDQQ=", 4, 3},  {"QUJDQR==", 4, 3},     {"QUJDQUJ=", 4, 3},   {"QUJDQ===", 4, 3},
        {"QUJD====", 4, 3}, {"QUJD QUJD", 4, 3},    {"QUJD\nQUJD", 4, 3}, {"QU=D", 0, 0},
        {"QQ=A", 0, 0},     {"=QQQ", 0, 0},         {"QUJ-", 0, 0},       {"QUJ_", 0, 0},
    };
    uint8_t out[300], text[300];
    EACH_BACKEND {
        for (size_t i = 0; i < sizeof RUNS / sizeof *RUNS; i++) {
            for (size_t before = 0; before <= 200; before += 4) {
                size_t len = before + strlen(RUNS[i].text);
                memset(text, 'B', before);
                memcpy(text + before, RUNS[i].text, len - before);
                struct base64_run run = decode((struct slice){text, len}, out);
                assert_int_equal(run.read, before + RUNS[i].read);
                assert_int_equal(run.written, before / 4 * 3 + RUNS[i].written);
            }
        }
    }
}

static void test_positions(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t position;
    } WRONG[] = {
        {"A", 1},         {"AA", 2},     {"AAA", 3},      {"AAAAA", 5},    {"AA=", 3},
        {"=", 0},         {"A=", 1},     {"A===", 1},     {"====", 0},     {"AB==", 1},
        {"AAB=", 2},      {"AA=A", 3},   {"AA==A", 4},    {"AA====", 4},   {"AAA=AAAA", 4},
        {"AAAA AAAA", 4}, {"AAAA\n", 4}, {"AAAAA-AA", 5}, {"AAAAAA_A", 6}, {"AAAAAAA\x80", 7},
        {"AAA=\n", 4},    {" AAAA", 0},  {"AA\0A", 2},
    };
    uint8_t out[64];
    size_t written, position;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        assert_false(base64_decode(slice_of(WRONG[i].text), out, &written, &position));
        assert_int_equal(position, WRONG[i].position);
        assert_false(base64_decode(slice_of(WRONG[i].text), out, &written, NULL));
    }
    assert_true(base64_decode(slice_of("AAA="), out, &written, &position));
    assert_int_equal(written, 2);
    assert_true(base64_decode((struct slice){NULL, 0}, out, &written, &position));
    assert_int_equal(written, 0);
}

/* Texts with a few bytes changed: all ways go equally far and give the same bytes. */
static void test_agreement(void **state) {
    (void)state;
    static const uint8_t NASTY[] = "=\"\\ \n-_\x7f\x80\xff/+Az09";
    uint8_t text[512], want[512], got[512];
    struct random random;
    random_init(&random, 2);
    EACH_BACKEND {
        for (uint32_t round = 0; round < 20000; round++) {
            size_t len = random_below(&random, sizeof text + 1);
            base64_backend_at(0)->encode((struct slice){want, len / 4 * 3}, text);
            len -= random_below(&random, 2) ? len % 4 : 0;
            for (uint64_t changes = random_below(&random, 4); changes && len; changes--)
                text[random_below(&random, len)] = NASTY[random_below(&random, sizeof NASTY - 1)];
            struct base64_run plain =
                base64_backend_at(0)->decode_run((struct slice){text, len}, want);
            struct base64_run run = decode((struct slice){text, len}, got);
            assert_int_equal(run.read, plain.read);
            assert_int_equal(run.written, plain.written);
            assert_memory_equal(got, want, run.written);
            random_fill(&random, want, sizeof want);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_python),
        cmocka_unit_test(test_lengths),   cmocka_unit_test(test_foreign_bytes),
        cmocka_unit_test(test_runs),      cmocka_unit_test(test_positions),
        cmocka_unit_test(test_agreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
