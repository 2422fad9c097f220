/* Pages as logs spell them and as JSON allows, and pages that are none. Every page goes both ways,
 * which must agree. */
#include "engine/base/base64.h"
#include "engine/ct/get_entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int open_arena(void **state) {
    (void)state;
    return arena_init(&arena, 4096) ? 0 : -1;
}

static int close_arena(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void assert_same(const struct get_entries *a, const struct get_entries *b) {
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_true(slice_equal(a->entries[i].leaf_input, b->entries[i].leaf_input));
        assert_true(slice_equal(a->entries[i].extra_data, b->entries[i].extra_data));
    }
}

/* In memory of exactly its size. */
static enum get_entries_result parse(struct slice page, uint32_t entries_max,
                                     struct get_entries *out) {
    uint8_t *exact = malloc(page.len + !page.len);
    struct get_entries other;
    assert_non_null(exact);
    memcpy(exact, page.ptr, page.len);
    page.ptr = exact;
    enum get_entries_result any = get_entries_parse_any(page, entries_max, &arena, &other);
    enum get_entries_result quick = get_entries_parse_quick(page, entries_max, &arena, out);
    if (quick != GET_ENTRIES_NOT_JSON) {
        assert_int_equal(quick, any);
        assert_same(out, &other);
    }
    assert_int_equal(get_entries_parse(page, entries_max, &arena, out), any);
    assert_same(out, &other);
    free(exact);
    return any;
}

static bool is_quick(const char *page) {
    struct get_entries out;
    return get_entries_parse_quick(slice_of(page), 10, &arena, &out) == GET_ENTRIES_OK;
}

#define ENTRY "{\"leaf_input\":\"QUJD\",\"extra_data\":\"REVGRw==\"}"

static void assert_entry(const struct get_entries *page, uint32_t i, const char *leaf,
                         const char *extra) {
    assert_true(i < page->count);
    assert_true(slice_is(page->entries[i].leaf_input, leaf));
    assert_true(slice_is(page->entries[i].extra_data, extra));
}

/* What Google's, DigiCert's, Sectigo's and Let's Encrypt's logs send, and a prettier printer. */
static void test_usual(void **state) {
    (void)state;
    static const char *const PAGES[] = {
        "{\"entries\":[" ENTRY ",{\"leaf_input\":\"\",\"extra_data\":\"AA==\"}]}",
        "{\"entries\":[" ENTRY ",{\"leaf_input\":\"\",\"extra_data\":\"AA==\"}]}\n",
        ("{ \"entries\": [ { \"leaf_input\": \"QUJD\", \"extra_data\": \"REVGRw==\" },\n"
         "{ \"extra_data\": \"AA==\", \"leaf_input\": \"\" } ] }"),
        "\r\n\t{\t\"entries\" :\n[\n" ENTRY
        " ,\r{\"leaf_input\" : \"\" , \"extra_data\" : \"AA==\"}"
        "\n]\n}\n",
    };
    struct get_entries out;
    for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++) {
        assert_true(is_quick(PAGES[i]));
        assert_int_equal(parse(slice_of(PAGES[i]), 10, &out), GET_ENTRIES_OK);
        assert_int_equal(out.count, 2);
        assert_entry(&out, 0, "ABC", "DEFG");
        assert_int_equal(out.entries[1].leaf_input.len, 0);
        assert_int_equal(out.entries[1].extra_data.len, 1);
    }
    assert_true(is_quick("{\"entries\":[]}"));
    assert_int_equal(parse(slice_of("{\"entries\":[]}"), 10, &out), GET_ENTRIES_OK);
    assert_int_equal(out.count, 0);
}

/* Whatever else JSON allows. */
static void test_any_spelling(void **state) {
    (void)state;
    static const char *const PAGES[] = {
        ("{\"a\":[{}],\"entries\":[{\"x\":null,\"leaf_input\":\"QUJD\",\"y\":{\"leaf_input\":1},"
         "\"extra_data\":\"REVGRw==\"}],\"b\":1e9}"),
        "{\"\\u0065ntries\":[{\"leaf\\u005finput\":\"QUJD\",\"extra_data\":\"REVGRw==\"}]}",
        "{\"entries\":[{\"leaf_input\":\"\\u0051UJD\",\"extra_data\":\"REVGRw=\\u003d\"}]}",
    };
    struct get_entries out;
    for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++) {
        assert_false(is_quick(PAGES[i]));
        assert_int_equal(parse(slice_of(PAGES[i]), 10, &out), GET_ENTRIES_OK);
        assert_int_equal(out.count, 1);
        assert_entry(&out, 0, "ABC", "DEFG");
    }
    /* PHP and others escape slashes */
    assert_int_equal(parse(slice_of("{\"entries\":[{\"leaf_input\":\"Pz8\\/\"}]}"), 10, &out),
                     GET_ENTRIES_OK);
    assert_entry(&out, 0, "\?\?\?", "");
    assert_int_equal(
        parse(slice_of("{\"entries\":[{\"leaf_input\":\"QUJD\",\"extra_data\":null}]}"), 10, &out),
        GET_ENTRIES_OK);
    assert_entry(&out, 0, "ABC", "");
}

static void test_wrong(void **state) {
    (void)state;
    static const struct {
        enum get_entries_result result;
        const char *page;
    } WRONG[] = {
        {GET_ENTRIES_NOT_JSON, ""},
        {GET_ENTRIES_NOT_JSON, "<html>429 Too Many Requests</html>"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[" ENTRY "]}}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[" ENTRY ",]}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[" ENTRY " " ENTRY "]}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[{\"leaf_input\":\"QU\nJD\"}]}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[{\"leaf_input\":'QUJD'}]}"},
        {GET_ENTRIES_NOT_JSON,
         "{\"entries\":[{\"leaf_input\"\"extra_data\":\"\",\"leaf_input\":\"\"}]}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[" ENTRY "]}{\"entries\":[]}"},
        {GET_ENTRIES_NOT_JSON, "{\"entries\":[{\"leaf_input\":\"QUJD\xff\"}]}"},
        {GET_ENTRIES_BAD_SHAPE, "null"},
        {GET_ENTRIES_BAD_SHAPE, "[" ENTRY "]"},
        {GET_ENTRIES_BAD_SHAPE, "{}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":null}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":{}}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[],\"entries\":[]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[1]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[0,0,0,0,0,0,0,0,0]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{\"extra_data\":\"AAAA\"}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{\"leaf_input\":null}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{\"leaf_input\":7}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{\"leaf_input\":\"\",\"extra_data\":7}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"entries\":[{\"leaf_input\":\"\",\"leaf_input\":\"\"}]}"},
        {GET_ENTRIES_BAD_SHAPE, "{\"error_message\":\"start beyond the tree\",\"success\":false}"},
        {GET_ENTRIES_BAD_BASE64, "{\"entries\":[{\"leaf_input\":\"QUJ\"}]}"},
        {GET_ENTRIES_BAD_BASE64, "{\"entries\":[{\"leaf_input\":\"QUJD\\n\"}]}"},
        {GET_ENTRIES_BAD_BASE64,
         "{\"entries\":[{\"leaf_input\":\"QUJD QUJD\",\"extra_data\":\"\"}]}"},
        {GET_ENTRIES_BAD_BASE64, "{\"entries\":[{\"leaf_input\":\"QR==\",\"extra_data\":\"\"}]}"},
        {GET_ENTRIES_BAD_BASE64,
         "{\"entries\":[{\"leaf_input\":\"QUJD\",\"extra_data\":\"_w==\"}]}"},
    };
    struct get_entries out;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        enum get_entries_result result = parse(slice_of(WRONG[i].page), 10, &out);
        if (result != WRONG[i].result)
            fail_msg("%s: %s", WRONG[i].page, get_entries_result_text(result));
        assert_int_equal(out.count, 0);
    }
}

/* A page that is cut anywhere is no page. */
static void test_cut(void **state) {
    (void)state;
    static const char PAGE[] = "{\"entries\":[" ENTRY "," ENTRY "]}";
    struct get_entries out;
    for (size_t len = 0; len + 1 < sizeof PAGE; len++)
        assert_int_equal(parse((struct slice){(const uint8_t *)PAGE, len}, 10, &out),
                         GET_ENTRIES_NOT_JSON);
    assert_int_equal(parse(slice_of(PAGE), 10, &out), GET_ENTRIES_OK);
}

static void test_limits(void **state) {
    (void)state;
    struct get_entries out;
    assert_int_equal(parse(slice_of("{\"entries\":[" ENTRY "," ENTRY "]}"), 2, &out),
                     GET_ENTRIES_OK);
    assert_int_equal(parse(slice_of("{\"entries\":[" ENTRY "," ENTRY "]}"), 1, &out),
                     GET_ENTRIES_TOO_LARGE);
    assert_int_equal(out.count, 0);
    /* not read at all */
    struct slice huge = {(const uint8_t *)"", 1u << 30};
    assert_int_equal(get_entries_parse(huge, 10, &arena, &out), GET_ENTRIES_TOO_LARGE);
    /* the shortest entries there are */
    static char page[3000 * 18 + 100];
    size_t len = (size_t)sprintf(page, "{\"entries\":[");
    for (uint32_t i = 0; i < 3000; i++)
        len += (size_t)sprintf(page + len, "%s{\"leaf_input\":\"\"}", i ? "," : "");
    len += (size_t)sprintf(page + len, "]}");
    assert_int_equal(parse((struct slice){(uint8_t *)page, len}, 3000, &out), GET_ENTRIES_OK);
    assert_int_equal(out.count, 3000);
}

/* Entries of all lengths, so that strings begin and end at every place of a wide block. */
static void test_lengths(void **state) {
    (void)state;
    enum { ENTRIES = 300 };
    static uint8_t bytes[2 * ENTRIES], page[2 * ENTRIES * ENTRIES * 2];
    struct get_entries out;
    size_t len = (size_t)sprintf((char *)page, "{\"entries\":[");
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 >> 3);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        len += (size_t)sprintf((char *)page + len, "%s{\"leaf_input\":\"", i ? "," : "");
        base64_encode((struct slice){bytes + i, i}, page + len);
        len += base64_encoded_size(i);
        len += (size_t)sprintf((char *)page + len, "\",\"extra_data\":\"");
        base64_encode((struct slice){bytes, ENTRIES - i}, page + len);
        len += base64_encoded_size(ENTRIES - i);
        len += (size_t)sprintf((char *)page + len, "\"}");
    }
    len += (size_t)sprintf((char *)page + len, "]}");
    assert_true(len < sizeof page);
    assert_int_equal(parse((struct slice){page, len}, ENTRIES, &out), GET_ENTRIES_OK);
    assert_int_equal(out.count, ENTRIES);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_true(slice_equal(out.entries[i].leaf_input, (struct slice){bytes + i, i}));
        assert_true(slice_equal(out.entries[i].extra_data, (struct slice){bytes, ENTRIES - i}));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_usual),  TEST(test_any_spelling),
                                       TEST(test_wrong),  TEST(test_cut),
                                       TEST(test_limits), TEST(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
