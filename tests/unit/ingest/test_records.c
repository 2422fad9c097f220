/* Records out of a stream that is cut anywhere. */
#include "ingest/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t STREAM[] = {0x81, 0xa1, 'a',  0x01,             /* {"a":1} */
                                 0x82, 0xa1, 'b',  0x92, 0xc3, 0xc0, /* {"b":[true,null], */
                                 0xa1, 'c',  0x81, 0xa1, 'd',  0xa2, 'x', 'y', /* "c":{"d":"xy"}} */
                                 0x80};                                        /* {} */
static const size_t LENGTHS[] = {4, 14, 1};
static const char *const LINES[] = {"{\"a\":1}\n", "{\"b\":[true,null],\"c\":{\"d\":\"xy\"}}\n",
                                    "{}\n"};

static void add(struct records *records, const uint8_t *bytes, size_t len) {
    uint8_t *at = records_room(records, len + 1);

    assert_non_null(at);
    memcpy(at, bytes, len);
    records_add(records, len);
}

static void pieces_of_any_size(void **state) {
    (void)state;
    for (size_t step = 1; step <= sizeof STREAM; step++) {
        struct records records;
        size_t begin = 0;
        records_init(&records);
        for (size_t at = 0; at < sizeof STREAM; at += step) {
            struct packed_record record;
            struct failure failure;
            bool found = true;
            add(&records, STREAM + at, at + step < sizeof STREAM ? step : sizeof STREAM - at);
            while (found) {
                size_t number = (size_t)records.count;
                assert_int_equal(records_next(&records, &record, &found, &failure), 0);
                if (!found)
                    break;
                assert_int_equal(record.packed.len, LENGTHS[number]);
                assert_memory_equal(record.packed.ptr, STREAM + begin, LENGTHS[number]);
                assert_true(slice_is(record.line, LINES[number]));
                begin += LENGTHS[number];
            }
        }
        uint64_t offset;
        assert_int_equal(records.count, 3);
        assert_int_equal(records_cut(&records, &offset), 0);
        records_deinit(&records);
    }
}

static void an_end_within_a_record(void **state) {
    struct packed_record record;
    struct records records;
    struct failure failure;
    uint64_t offset;
    bool found;

    (void)state;
    records_init(&records);
    add(&records, STREAM, 10);
    assert_int_equal(records_next(&records, &record, &found, &failure), 0);
    assert_true(found);
    assert_int_equal(records_next(&records, &record, &found, &failure), 0);
    assert_false(found);
    assert_int_equal(records_cut(&records, &offset), 6);
    assert_int_equal(offset, 4);
    records_restart(&records);
    assert_int_equal(records.count, 0);
    add(&records, STREAM, 4);
    assert_int_equal(records_next(&records, &record, &found, &failure), 0);
    assert_true(found && slice_is(record.line, LINES[0]));
    records_deinit(&records);
}

static void other_streams_are_refused(void **state) {
    static const uint8_t wrong[] = {0x80, 0xc1}, gzip[] = {0x1f, 0x8b, 8};
    struct packed_record record;
    struct records records;
    struct failure failure;
    bool found;

    (void)state;
    records_init(&records);
    add(&records, wrong, sizeof wrong);
    assert_int_equal(records_next(&records, &record, &found, &failure), 0);
    assert_true(found);
    assert_int_equal(records_next(&records, &record, &found, &failure), ERROR_INPUT);
    assert_non_null(strstr(failure.text, "at byte 1: not MessagePack"));
    records_restart(&records);
    add(&records, gzip, sizeof gzip);
    assert_int_equal(records_next(&records, &record, &found, &failure), ERROR_INPUT);
    assert_non_null(strstr(failure.text, "gzip -dc"));
    records_deinit(&records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size),
        cmocka_unit_test(an_end_within_a_record),
        cmocka_unit_test(other_streams_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
