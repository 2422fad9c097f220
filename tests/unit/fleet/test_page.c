#include "tools/fleet/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <msgpack/unpack.h>

static const struct page_target TARGETS[] = {
    {.outcome = OUTCOME_OK,
     .status = STATUS_WARNING,
     .renderings = {{.records = 2, .left_out = 1, .bytes = {(const uint8_t *)"a\0c", 3}},
                    {.records = 3}}},
    {.fate = PAGE_EXCLUDED},
    {.fate = PAGE_OVERSIZE, .outcome = OUTCOME_CANCELLED, .status = STATUS_ERROR},
    {.outcome = OUTCOME_TIMEOUT,
     .status = STATUS_ERROR,
     .renderings = {{.left_out = 300}, {.records = 1, .bytes = {(const uint8_t *)"z", 1}}}},
};

enum { COUNT = sizeof TARGETS / sizeof *TARGETS, RENDERINGS = 2 };

static struct buffer written(const char *worker, struct page_span span, uint32_t renderings) {
    struct buffer bytes;
    size_t most = PAGE_HEAD_BYTES_MAX;

    buffer_init(&bytes);
    page_write(worker, span, TARGETS, renderings, &bytes);
    for (uint32_t i = 0; i < span.count; i++)
        most += page_target_bytes_max(&TARGETS[i], renderings);
    assert_false(bytes.failed);
    assert_true(bytes.len <= most);
    return bytes;
}

static enum error read(struct slice bytes, uint32_t renderings, struct page_message *out) {
    struct failure failure = {0};
    enum error error = page_read(out, bytes, renderings, &failure);

    assert_true(!error || failure.text[0]);
    return error;
}

static void a_page_comes_back(void **state) {
    (void)state;
    struct page_span span = {.first = JOB_TARGETS_MAX - 4, .count = COUNT, .page_count = 63};
    struct buffer bytes = written("w1", span, RENDERINGS);
    struct page_message page;

    assert_int_equal(read(buffer_slice(&bytes), RENDERINGS, &page), ERROR_NONE);
    assert_true(slice_is(page.worker, "w1"));
    assert_true(page.span.first == span.first && page.span.count == COUNT);
    assert_int_equal(page.span.page_count, 63);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(page.targets[i].fate, TARGETS[i].fate);
        assert_int_equal(page.targets[i].outcome, TARGETS[i].outcome);
        assert_int_equal(page.targets[i].status, TARGETS[i].status);
        for (uint32_t j = 0; j < RENDERINGS; j++) {
            assert_int_equal(page.targets[i].renderings[j].records,
                             TARGETS[i].renderings[j].records);
            assert_int_equal(page.targets[i].renderings[j].left_out,
                             TARGETS[i].renderings[j].left_out);
            assert_true(
                slice_equal(page.targets[i].renderings[j].bytes, TARGETS[i].renderings[j].bytes));
        }
    }
    buffer_deinit(&bytes);
}

/* Any other reader of MessagePack finds what the header says. */
static void others_can_read_it(void **state) {
    (void)state;
    struct page_span span = {.first = 65, .count = 1, .page_count = 64};
    struct buffer bytes = written("w1", span, 1);
    msgpack_unpacked unpacked;
    char text[256];
    size_t offset = 0;
    FILE *file = fmemopen(text, sizeof text, "w");

    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes.ptr, bytes.len, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, bytes.len);
    msgpack_object_print(file, unpacked.data);
    fclose(file);
    assert_string_equal(text, "[1, \"w1\", 64, 65, [[0, 0, 2, 2, 1, \"a\\x00c\"]]]");
    msgpack_unpacked_destroy(&unpacked);
    buffer_deinit(&bytes);
}

static void names_of_workers_are_cut(void **state) {
    (void)state;
    char name[100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct buffer bytes = written(name, (struct page_span){1, 1, 1}, 0);
    struct page_message page;

    assert_int_equal(read(buffer_slice(&bytes), 0, &page), ERROR_NONE);
    assert_int_equal(page.worker.len, PAGE_WORKER_BYTES - 1);
    buffer_deinit(&bytes);
}

static void only_one_page(void **state) {
    (void)state;
    static const struct page_span BAD[] = {
        {0, 1, 64},                   /* no such number */
        {1, 0, 64},                   /* nothing */
        {62, 4, 64},                  /* over two pages */
        {1, 4, 3},                    /* beyond the page's end */
        {4, 1, 3},                    /* behind it */
        {JOB_TARGETS_MAX + 1, 1, 64}, /* larger than an id of a record */
        {1, 1, 65},
        {1, 1, 0},
    };
    struct page_message page;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct buffer bytes = written("", BAD[i], 1);
        assert_int_equal(read(buffer_slice(&bytes), 1, &page), ERROR_INPUT);
        buffer_deinit(&bytes);
    }
}

static void bad_pages_are_refused(void **state) {
    (void)state;
    /* version 1, "w", 64, 1, one target with one rendering */
    static const uint8_t GOOD[] = {0x95, 1, 0xa1, 'w', 64, 1,    0x91, 0x96,
                                   0,    1, 2,    1,   0,  0xc4, 1,    'x'};
    static const struct {
        size_t at;
        uint8_t byte;
    } BAD[] = {
        {0, 0x94},
        {1, 0},
        {4, 65},
        {5, 0},

        {6, 0x92},
        {6, 0x90},
        {7, 0x95},
        {8, PAGE_FATES},
        {8, PAGE_EXCLUDED},
        {9, OUTCOME_COUNT},
        {9, 0xff},
        {10, STATUS_COUNT},
        {11, 0},
        {12, 0xc0},
        {13, 0xc5},
        {14, 2},
        {14, 0},
    };
    uint8_t bytes[sizeof GOOD + 1] = {0};
    struct page_message page;

    for (size_t len = 0; len <= sizeof GOOD + 1; len++) {
        memcpy(bytes, GOOD, sizeof GOOD);
        assert_int_equal(read((struct slice){bytes, len}, 1, &page),
                         len == sizeof GOOD ? ERROR_NONE : ERROR_INPUT);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        memcpy(bytes, GOOD, sizeof GOOD);
        bytes[BAD[i].at] = BAD[i].byte;
        assert_int_equal(read((struct slice){bytes, sizeof GOOD}, 1, &page), ERROR_INPUT);
    }
    memcpy(bytes, GOOD, sizeof GOOD);
    assert_int_equal(read((struct slice){bytes, sizeof GOOD}, 2, &page), ERROR_INPUT);
    bytes[1] = 2;
    assert_int_equal(read((struct slice){bytes, sizeof GOOD}, 1, &page), ERROR_UNSUPPORTED);
}

static void ids(void **state) {
    (void)state;
    char id[PAGE_ID_BYTES];

    page_id("00c0ffee00abcdef", 65, 64, 0, id);
    assert_string_equal(id, "00c0ffee00abcdef.65-128");
    page_id("00c0ffee00abcdef", 65, 64, 3, id);
    assert_string_equal(id, "00c0ffee00abcdef.65-128.a3");
    page_id("00c0ffee00abcdef", JOB_TARGETS_MAX, 1, UINT32_MAX, id);
    assert_string_equal(id, "00c0ffee00abcdef.281474976710655-281474976710655.a4294967295");
    assert_int_equal(page_of(1), 0);
    assert_int_equal(page_of(64), 0);
    assert_int_equal(page_of(65), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_comes_back),        cmocka_unit_test(others_can_read_it),
        cmocka_unit_test(names_of_workers_are_cut), cmocka_unit_test(only_one_page),
        cmocka_unit_test(bad_pages_are_refused),    cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
