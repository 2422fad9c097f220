/* The floors do what they say to every address, once: they are what budgets are counted from. */
#include "bench/floors/floors.h"

#include "bench/canned/canned.h"
#include "bench/farm/farm.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <liburing.h>

enum { FIRST = 0x7f400000 /* 127.64.0.0 */ };

static struct canned *canned;

static int set_up(void **state) {
    (void)state;
    return canned_start(&canned, NULL) ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    canned_stop(canned);
    return 0;
}

static struct floor_result run(const struct floor_kind *kind, const struct floor_config *config) {
    struct floor_result result;
    struct failure failure = {0};
    if (floor_run(kind, config, &result, &failure))
        fail_msg("%s", failure.text);
    return result;
}

static struct floor_config to(enum canned_sort sort) {
    struct canned_endpoint endpoint = canned_endpoint(canned, sort);
    return (struct floor_config){.first = FIRST,
                                 .count = 100,
                                 .total = 300,
                                 .in_flight = 16,
                                 .port = endpoint.port,
                                 .flight_bytes = endpoint.flight_bytes};
}

static void test_tcp(void **state) {
    (void)state;
    struct floor_config config = to(CANNED_TLS12_ECDSA);
    assert_int_equal(run(&tcp_floor, &config).ended[FLOOR_DONE], 300);
    config = to(CANNED_REFUSING);
    struct floor_result result = run(&tcp_floor, &config);
    assert_int_equal(result.ended[FLOOR_REFUSED], 300);
    assert_int_equal(result.ended[FLOOR_DONE] + result.ended[FLOOR_FAILED], 0);
}

static void test_hello(void **state) {
    (void)state;
    for (int sort = CANNED_TLS12_ECDSA; sort <= CANNED_TLS13_RSA; sort++) {
        struct floor_config config = to((enum canned_sort)sort);
        assert_int_equal(run(&hello_floor, &config).ended[FLOOR_DONE], 300);
    }
    /* Fewer connections than slots, and a port where nobody is. */
    struct floor_config config = to(CANNED_TLS13_ECDSA);
    config.total = 3;
    assert_int_equal(run(&hello_floor, &config).ended[FLOOR_DONE], 3);
    config.port = canned_endpoint(canned, CANNED_REFUSING).port;
    assert_int_equal(run(&hello_floor, &config).ended[FLOOR_REFUSED], 3);
}

static void test_handshake(void **state) {
    (void)state;
    const enum farm_kind kinds[] = {FARM_GOOD_ECDSA, FARM_GOOD_RSA_CHAIN, FARM_TLS12_ONLY};
    for (int i = 0; i < 3; i++) {
        struct farm *farm;
        struct farm_options options = {.endpoints = 8, .kinds = FARM_KIND_BIT(kinds[i])};
        assert_int_equal(farm_start(&farm, &options, NULL), ERROR_NONE);
        struct floor_config config = {.first = 0x7f4d0001,
                                      .count = 8,
                                      .total = 64,
                                      .in_flight = 16,
                                      .port = farm_endpoint(farm, 0).port};
        assert_int_equal(run(&handshake_floor, &config).ended[FLOOR_DONE], 64);
        farm_stop(farm);
    }
}

/* Nobody holds the key: a handshake that stops before the signature would count it as done. */
static void test_handshake_goes_to_the_end(void **state) {
    (void)state;
    for (int sort = CANNED_TLS12_ECDSA; sort <= CANNED_TLS13_RSA; sort++) {
        struct floor_config config = to((enum canned_sort)sort);
        config.total = 20;
        assert_int_equal(run(&handshake_floor, &config).ended[FLOOR_FAILED], 20);
    }
}

int main(void) {
    struct io_uring ring;
    int result = io_uring_queue_init(4, &ring, 0);
    if (result == -ENOSYS || result == -EPERM) {
        print_message("SKIPPED: no io_uring here, and floors run on nothing else\n");
        return 77;
    }
    if (result == 0)
        io_uring_queue_exit(&ring);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_handshake_goes_to_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
