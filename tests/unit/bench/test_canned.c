/* The canned server over sockets. What must not happen is looked for after a whole exchange with
 * another port, which the server's one thread serves later. */
#include "bench/canned/canned.h"

#include "engine/base/address.h"
#include "tests/unit/bench/canned_client.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static struct canned *canned;
static SSL_CTX *client;

static int set_up(void **state) {
    (void)state;
    struct failure failure = {0};
    if (canned_start(&canned, &failure)) {
        print_error("%s\n", failure.text);
        return -1;
    }
    client = canned_client_new();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    canned_stop(canned);
    canned_stop(NULL);
    SSL_CTX_free(client);
    return 0;
}

/* `host`: the last byte of 127.64.0.x; any will do. Non-blocking sockets are left connecting. */
static int open_to(enum canned_sort sort, uint32_t host, int flags) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(canned_endpoint(canned, sort).port),
                                  .sin_addr.s_addr = htonl(0x7f400000 + host)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(descriptor >= 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static SSL *say_hello(int descriptor) {
    SSL *ssl = SSL_new(client);
    SSL_set_fd(ssl, descriptor);
    SSL_set_connect_state(ssl);
    return ssl;
}

static void exchange(enum canned_sort sort, uint32_t host) {
    int descriptor = open_to(sort, host, 0);
    assert_true(descriptor >= 0);
    SSL *ssl = say_hello(descriptor);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    assert_int_equal(take_reason(), SSL_R_BAD_SIGNATURE);
    SSL_free(ssl);
    close(descriptor);
}

static void test_whole_flights(void **state) {
    (void)state;
    for (int sort = CANNED_TLS12_ECDSA; sort <= CANNED_TLS13_RSA; sort++)
        for (uint32_t host = 0; host < 32; host++)
            exchange((enum canned_sort)sort, host);
}

static void assert_nothing_came(int descriptor) {
    uint8_t byte;
    assert_int_equal(recv(descriptor, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The count is the server thread's: it follows soon. */
static void wait_for_stalled(uint32_t count) {
    while (canned_stalled(canned) != count)
        sched_yield();
}

static void check_half(enum canned_sort half, enum canned_sort whole) {
    uint8_t got[8192];
    uint32_t len = canned_endpoint(canned, half).flight_bytes;
    assert_int_equal(len, canned_endpoint(canned, whole).flight_bytes / 2);

    int descriptor = open_to(half, 1, 0);
    SSL *ssl = say_hello(descriptor);
    BIO *nothing = BIO_new(BIO_s_mem());
    SSL_set0_rbio(ssl, nothing);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    assert_int_equal(SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ);
    assert_int_equal(recv(descriptor, got, len, MSG_WAITALL), len);
    wait_for_stalled(1);
    exchange(whole, 2);
    assert_nothing_came(descriptor);
    SSL_free(ssl);
    close(descriptor);
    wait_for_stalled(0);
}

static void test_half_flights(void **state) {
    (void)state;
    check_half(CANNED_TLS12_HALF, CANNED_TLS12_ECDSA);
    check_half(CANNED_TLS13_HALF, CANNED_TLS13_ECDSA);
}

static void test_hello_byte_by_byte(void **state) {
    (void)state;
    static const uint8_t HELLO[] = {22, 3,  1,  0,  45, 1,  0,  0,    41,   3,  3,  1,  2,
                                    3,  4,  5,  6,  7,  8,  9,  10,   11,   12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23,   24,   25, 26, 27, 28,
                                    29, 30, 31, 32, 0,  0,  2,  0xc0, 0x2f, 1,  0};
    uint8_t got[8192];
    uint32_t len = canned_endpoint(canned, CANNED_TLS12_RSA).flight_bytes;
    int on = 1, descriptor = open_to(CANNED_TLS12_RSA, 3, 0);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (size_t i = 0; i < sizeof HELLO; i++) {
        exchange(CANNED_TLS12_ECDSA, 4);
        assert_nothing_came(descriptor);
        assert_int_equal(send(descriptor, HELLO + i, 1, MSG_NOSIGNAL), 1);
    }
    assert_int_equal(recv(descriptor, got, len, MSG_WAITALL), len);
    assert_int_equal(got[0], 22);
    close(descriptor);
}

static void test_rubbish_ends_the_connection(void **state) {
    (void)state;
    static const uint8_t RUBBISH[] = {22, 3, 1, 0, 4, 99, 0, 0, 0};
    uint8_t byte;
    int descriptor = open_to(CANNED_TLS13_ECDSA, 5, 0);
    assert_int_equal(send(descriptor, RUBBISH, sizeof RUBBISH, MSG_NOSIGNAL), sizeof RUBBISH);
    assert_true(recv(descriptor, &byte, 1, 0) <= 0);
    close(descriptor);
}

static void test_refusing(void **state) {
    (void)state;
    assert_int_equal(open_to(CANNED_REFUSING, 6, 0), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void test_silent(void **state) {
    (void)state;
    struct tcp_info info;
    socklen_t len = sizeof info;
    int descriptor = open_to(CANNED_SILENT, 7, SOCK_NONBLOCK);
    assert_true(descriptor >= 0);
    exchange(CANNED_TLS12_ECDSA, 8);
    assert_int_equal(getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_state, TCP_SYN_SENT);
    close(descriptor);
}

static void test_two_at_once(void **state) {
    (void)state;
    struct canned *other;
    assert_int_equal(canned_start(&other, NULL), ERROR_NONE);
    for (int sort = 0; sort < CANNED_SORT_COUNT; sort++) {
        assert_int_not_equal(canned_endpoint(other, (enum canned_sort)sort).port,
                             canned_endpoint(canned, (enum canned_sort)sort).port);
        assert_non_null(canned_endpoint(other, (enum canned_sort)sort).name);
    }
    canned_stop(other);
    exchange(CANNED_TLS13_RSA, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_flights),
        cmocka_unit_test(test_half_flights),
        cmocka_unit_test(test_hello_byte_by_byte),
        cmocka_unit_test(test_rubbish_ends_the_connection),
        cmocka_unit_test(test_refusing),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_two_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
