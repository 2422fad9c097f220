#include "engine/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_texts(void **state) {
    (void)state;

    assert_string_equal(error_text(ERROR_NONE), "no error");
    assert_string_equal(error_text(ENOENT), "No such file or directory");
    assert_string_equal(error_text(ECONNREFUSED), "Connection refused");
    assert_string_equal(error_text(4095), "unknown error");
    for (enum error code = ERROR_USAGE; code <= ERROR_INTERNAL; code++) {
        assert_string_not_equal(error_text(code), "unknown error");
        for (enum error other = ERROR_USAGE; other < code; other++)
            assert_string_not_equal(error_text(code), error_text(other));
    }
    assert_string_equal(error_text(ERROR_INTERNAL + 1), "unknown error");
}

static void test_failure(void **state) {
    (void)state;
    struct failure failure = {0};

    assert_int_equal(failure_set(&failure, ERROR_INPUT, "line %d: %s", 7, "no port"), ERROR_INPUT);
    assert_int_equal(failure.code, ERROR_INPUT);
    assert_string_equal(failure.text, "line 7: no port");
    assert_int_equal(failure_set(&failure, EACCES, "x"), EACCES);
    assert_int_equal(failure.code, EACCES);
    assert_string_equal(failure.text, "x");
    assert_int_equal(failure_set(NULL, ERROR_MEMORY, "%s", "nobody listens"), ERROR_MEMORY);
}

static void test_too_long(void **state) {
    (void)state;
    char words[FAILURE_TEXT_MAX * 2];
    struct failure failure;

    memset(words, 'w', sizeof words);
    for (int len = FAILURE_TEXT_MAX - 2; len < FAILURE_TEXT_MAX + 2; len++) {
        memset(&failure, '!', sizeof failure);
        assert_int_equal(failure_set(&failure, ERROR_LIMIT, "%.*s", len, words), ERROR_LIMIT);
        size_t expected = len < FAILURE_TEXT_MAX ? (size_t)len : FAILURE_TEXT_MAX - 1;
        assert_int_equal(strlen(failure.text), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
