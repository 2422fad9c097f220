/* Records out of pieces. */
#include "engine/tls/record_input.h"

#include "engine/base/buffer.h"
#include "engine/base/random.h"
#include "engine/tls/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add_record(struct buffer *out, size_t len) {
    buffer_add(out, (const uint8_t[]){22, 3, 3, (uint8_t)(len >> 8), (uint8_t)len}, 5);
    for (size_t i = 0; i < len; i++)
        buffer_add_byte(out, (uint8_t)(len + i));
}

/* Feeds one piece and appends what can be read, which must be whole records, to `out`. */
static void feed(struct tls_record_input *input, struct slice piece, struct buffer *out) {
    uint8_t *copy = malloc(piece.len); /* so that reads past its end are seen */
    memcpy(copy, piece.ptr, piece.len);
    for (struct slice bytes = {copy, piece.len}, records; bytes.len;) {
        size_t before = bytes.len;
        assert_true(tls_record_input_take(input, &bytes, &records));
        assert_true(bytes.len < before);
        buffer_add_slice(out, records);
        bool some = records.len != 0;
        while (records.len) {
            size_t len = 5u + ((size_t)records.ptr[3] << 8 | records.ptr[4]);
            assert_true(records.len >= len);
            records = slice_from(records, len);
        }
        if (some)
            tls_record_input_drop(input);
    }
    free(copy);
}

static void pieces(void **state) {
    static const size_t lens[] = {0, 1, 4, 600, 0, 0, 250, 251, 252, TLS12_CIPHERTEXT_MAX, 3};
    struct buffer all, out;
    struct random dice;
    (void)state;
    random_init(&dice, 1);
    buffer_init(&all);
    buffer_init(&out);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        add_record(&all, lens[i]);
    for (size_t round = 0; round < 300; round++) {
        struct tls_record_input input = {0};
        out.len = 0;
        for (struct slice rest = buffer_slice(&all); rest.len;) {
            size_t most = round == 0 ? rest.len : round % 8 == 1 ? 1 : 1 + round * 7;
            struct slice piece = slice_first(rest, 1 + (size_t)random_below(&dice, most));
            feed(&input, piece, &out);
            rest = slice_from(rest, piece.len);
            /* What is held has come, and is not there whole. */
            size_t given = all.len - rest.len;
            assert_int_equal(out.len + input.len, given);
            assert_true(input.capacity < input.len + 256);
            assert_true(memcmp(out.ptr ? out.ptr : all.ptr, all.ptr, out.len) == 0);
        }
        assert_null(input.ptr);
        assert_int_equal(out.len, all.len);
    }
    buffer_deinit(&all);
    buffer_deinit(&out);
}

/* A header that cannot be right is passed on at once, with all that came behind it. */
static void wrong_headers(void **state) {
    static const struct {
        const char *bytes;
        size_t len, readable;
    } cases[] = {
        {"\x16\x03\x03\x48\x00zz", 7, 0},
        {"\x16\x03\x03\x48\x01zz", 7, 7},
        {"HTTP/1.1", 8, 8},
        {"HTTP", 4, 0},
        {"\x16\x02\x00\xff\xff", 5, 5},
        {"\x16\x03\x03\xff", 4, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_record_input input = {0};
        struct slice bytes = {(const uint8_t *)cases[i].bytes, cases[i].len}, records;
        size_t held = 0;
        assert_true(tls_record_input_take(&input, &bytes, &records));
        assert_int_equal(records.len, cases[i].readable);
        while (!records.len && bytes.len) {
            held = input.len;
            assert_true(tls_record_input_take(&input, &bytes, &records));
            assert_int_equal(records.len, 0);
            assert_true(input.len > held);
        }
        tls_record_input_drop(&input);
        /* byte by byte the header alone is passed on */
        for (size_t k = 0; k < cases[i].len; k++) {
            bytes = (struct slice){(const uint8_t *)cases[i].bytes + k, 1};
            assert_true(tls_record_input_take(&input, &bytes, &records));
            if (records.len)
                break;
        }
        assert_int_equal(records.len, cases[i].readable ? TLS_RECORD_HEADER_BYTES : 0);
        tls_record_input_drop(&input);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(wrong_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
