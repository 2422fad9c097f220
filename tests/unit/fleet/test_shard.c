#include "tools/fleet/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_item(struct shard_reader *reader, const char *spec, uint64_t skip,
                        uint32_t count) {
    struct shard_item item;

    assert_true(shard_next(reader, &item));
    assert_true(slice_is(item.spec, spec));
    assert_true(item.skip == skip);
    assert_int_equal(item.count, count);
}

static void items_come_back(void **state) {
    (void)state;
    struct shard_writer writer;
    struct shard_reader reader;
    struct shard_item item;
    struct failure failure;
    struct buffer bytes;

    buffer_init(&bytes);
    shard_writer_init(&writer, 129);
    shard_writer_add(&writer, slice_of("192.0.2.0/24"), 5, 1);
    shard_writer_add(&writer, slice_of("192.0.2.0/24"), 6, 250); /* goes on */
    shard_writer_add(&writer, slice_of("192.0.2.0/24"), 6, 1);   /* does not */
    shard_writer_add(&writer, slice_of("a.example:8443"), 0, 1);
    shard_writer_add(&writer, slice_of("a.example:844"), 1, 1);
    shard_writer_add(&writer, slice_of("b.example"), 0xfffffffffff0, 7);
    size_t most = shard_writer_bytes_with(&writer, 0);
    shard_writer_finish(&writer, &bytes);
    assert_false(bytes.failed);
    assert_true(bytes.len <= most);
    assert_int_equal(shard_read(&reader, buffer_slice(&bytes), &failure), ERROR_NONE);
    assert_int_equal(reader.first, 129);
    assert_int_equal(reader.count, 261);
    assert_item(&reader, "192.0.2.0/24", 5, 251);
    assert_item(&reader, "192.0.2.0/24", 6, 1);
    assert_item(&reader, "a.example:8443", 0, 1);
    assert_item(&reader, "a.example:844", 1, 1);
    assert_item(&reader, "b.example", 0xfffffffffff0, 7);
    assert_false(shard_next(&reader, &item));
    shard_writer_deinit(&writer);
    buffer_deinit(&bytes);
}

static void a_writer_begins_anew(void **state) {
    (void)state;
    struct shard_writer writer;
    struct shard_reader reader;
    struct failure failure;
    struct buffer bytes;

    buffer_init(&bytes);
    shard_writer_init(&writer, 1);
    shard_writer_add(&writer, slice_of("a"), 0, 64);
    shard_writer_add(&writer, slice_of("b"), 0, 64);
    shard_writer_reset(&writer, 129);
    shard_writer_add(&writer, slice_of("b"), 64, 3);
    shard_writer_finish(&writer, &bytes);
    assert_int_equal(shard_read(&reader, buffer_slice(&bytes), &failure), ERROR_NONE);
    assert_int_equal(reader.first, 129);
    assert_int_equal(reader.count, 3);
    assert_item(&reader, "b", 64, 3);
    shard_writer_deinit(&writer);
    buffer_deinit(&bytes);
}

static void another_attempt_is_the_same_shard(void **state) {
    (void)state;
    struct shard_writer writer;
    struct shard_reader reader, again;
    struct buffer first, second;
    struct shard_item item;
    struct failure failure;

    buffer_init(&first);
    buffer_init(&second);
    shard_writer_init(&writer, 65);
    shard_writer_add(&writer, slice_of("192.0.2.0/24"), 5, 200);
    shard_writer_add(&writer, slice_of("a.example:8443"), 0, 1);
    shard_writer_finish(&writer, &first);
    assert_int_equal(shard_read(&reader, buffer_slice(&first), &failure), ERROR_NONE);
    assert_int_equal(reader.attempt, 0);
    shard_again(&reader, SHARD_ATTEMPTS_MAX, &second);
    assert_int_equal(second.len, first.len);
    assert_int_equal(shard_read(&again, buffer_slice(&second), &failure), ERROR_NONE);
    assert_int_equal(again.attempt, SHARD_ATTEMPTS_MAX);
    assert_int_equal(again.first, 65);
    assert_int_equal(again.count, 201);
    assert_item(&again, "192.0.2.0/24", 5, 200);
    assert_item(&again, "a.example:8443", 0, 1);
    assert_false(shard_next(&again, &item));
    shard_writer_deinit(&writer);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

/* The bytes as the format says, by hand. */
static const uint8_t GOOD[] = {0x95, 2, 65,   3,    0x92, 0x93, 0xa1, 'a',
                               0,    1, 0x93, 0xa1, 'b',  9,    2,    7};

static enum error read_changed(size_t at, uint8_t byte, size_t len) {
    uint8_t bytes[sizeof GOOD + 1] = {0};
    struct shard_reader reader;
    struct failure failure;

    memcpy(bytes, GOOD, sizeof GOOD);
    bytes[at] = byte;
    return shard_read(&reader, (struct slice){bytes, len}, &failure);
}

static void bad_shards_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } BAD[] = {
        {0, 0x94}, {0, 0x85}, {1, 0},     {1, 0xff}, {2, 0},    {2, 64},   {2, 66},    {3, 2},
        {3, 4},    {3, 0},    {4, 0x91},  {4, 0x93}, {5, 0x92}, {6, 0xa0}, {8, 0xc0},  {9, 0},
        {9, 0xff}, {9, 2},    {13, 0xa0}, {6, 0xcb}, {2, 0xc3}, {15, 100}, {15, 0xc0},
    };

    assert_int_equal(read_changed(0, 0x95, sizeof GOOD), ERROR_NONE);
    assert_int_equal(read_changed(1, 1, sizeof GOOD), ERROR_INPUT);
    assert_int_equal(read_changed(1, 3, sizeof GOOD), ERROR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(read_changed(BAD[i].at, BAD[i].byte, sizeof GOOD), ERROR_INPUT);
    for (size_t len = 0; len < sizeof GOOD; len++)
        assert_int_equal(read_changed(0, 0x95, len), ERROR_INPUT);
    assert_int_equal(read_changed(0, 0x95, sizeof GOOD + 1), ERROR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_back),
        cmocka_unit_test(a_writer_begins_anew),
        cmocka_unit_test(another_attempt_is_the_same_shard),
        cmocka_unit_test(bad_shards_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
