/* Ids of encoded records: the one that stands last in it, else a hash, and nothing that a peer put
 * into a text. */
#include "sinks/record_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void of_json(void **state) {
    /* Hashes by `printf %s '...' | sha256sum`. */
    static const struct {
        const char *record, *id;
    } cases[] = {
        {"{\"a\":1,\"id\":\"00ff-x_Y\"}", "00ff-x_Y"},
        {"{\"id\":\"7\"}", "7"},
        {"{}", "44136fa355b3678a1146ad16f7e8649e"},
        {"", "e3b0c44298fc1c149afbf4c8996fb924"},
        {"{\"a\":{\"id\":\"7\"}}", "7a5bfc477493979b7e8099590e78e0dc"},
        {"{\"a\":\"\\\"id\\\":\\\"7\"}", "a"},
        {"{\"xid\":\"7\"}", "a"},
        {"{\"id\":\"\"}", "a"},
        {"{\"id\":\"7 8\"}", "a"},
        {"{\"id\":\"7\\r\\n\"}", "a"},
        {"{\"id\":7}", "a"},
        {"{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", "a"},
    };
    char id[RECORD_ID_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        record_id_of_json(slice_of(cases[i].record), id);
        if (strcmp(cases[i].id, "a") == 0 ? strlen(id) != 32 : strcmp(id, cases[i].id) != 0)
            fail_msg("%s: %s", cases[i].record, id);
    }
    record_id_of_json(
        slice_of("{\"id\":\"012345678901234567890123456789012345678901234567890123456789012\"}"),
        id);
    assert_int_equal(strlen(id), 63);
}

static void of_msgpack(void **state) {
    static const uint8_t small[] = {0x82, 0xa1, 'a', 1, 0xa2, 'i', 'd', 0xa3, '7', '-', 'f'};
    static const uint8_t number[] = {0x81, 0xa2, 'i', 'd', 7};
    static const uint8_t other[] = {0x81, 0xa3, 'x', 'i', 'd', 0xa1, '7'};
    static const uint8_t blank[] = {0x81, 0xa2, 'i', 'd', 0xa1, ' '};
    uint8_t large[64] = {0x81, 0xa2, 'i', 'd', 0xd9, 32};
    char id[RECORD_ID_MAX];
    (void)state;

    record_id_of_msgpack((struct slice){small, sizeof small}, id);
    assert_string_equal(id, "7-f");
    memset(large + 6, 'e', 32);
    record_id_of_msgpack((struct slice){large, 38}, id);
    assert_string_equal(id, "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    record_id_of_msgpack((struct slice){number, sizeof number}, id);
    assert_int_equal(strlen(id), 32);
    record_id_of_msgpack((struct slice){other, sizeof other}, id);
    assert_int_equal(strlen(id), 32);
    record_id_of_msgpack((struct slice){blank, sizeof blank}, id);
    assert_int_equal(strlen(id), 32);
    for (size_t len = 0; len <= sizeof small; len++)
        record_id_of_msgpack((struct slice){small, len}, id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_json),
        cmocka_unit_test(of_msgpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
