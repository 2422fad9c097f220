#include "engine/dns/message.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A message under construction; names are given as on the wire. */
struct message {
    uint8_t bytes[20000];
    size_t len;
};

#define PUT(message, literal) put(message, literal, sizeof(literal) - 1)

static void put(struct message *message, const void *bytes, size_t len) {
    assert_true(message->len + len <= sizeof message->bytes);
    memcpy(message->bytes + message->len, bytes, len);
    message->len += len;
}

/* The header for so many answers, and the question for www.example, of type A. */
static struct message begin(uint8_t answers) {
    struct message message = {.len = 0};

    PUT(&message, "\x12\x34\x81\x80\0\1\0");
    put(&message, &answers, 1);
    PUT(&message, "\0\0\0\0\3www\7example\0\0\1\0\1");
    return message;
}

static void put_a(struct message *message, uint8_t last, uint8_t ttl) {
    PUT(message, "\xc0\x0c\0\1\0\1\0\0\0");
    put(message, &ttl, 1);
    PUT(message, "\0\4\xc0\0\2");
    put(message, &last, 1);
}

/* From memory of its very length, so that a sanitizer sees what is read beyond. */
static struct dns_answer read_type(const struct message *message, enum dns_type type) {
    struct dns_answer answer;
    uint8_t *copy = malloc(message->len ? message->len : 1);

    assert_non_null(copy);
    memcpy(copy, message->bytes, message->len);
    memset(&answer, 0xa5, sizeof answer);
    message_read((struct slice){copy, message->len}, type, &answer);
    for (uint32_t i = 0; type == DNS_TLSA && i < answer.count; i++) {
        struct slice *data = &answer.tlsa[i].data;
        size_t at = (size_t)(data->ptr - copy);
        assert_true(data->len > 0 && at < message->len && data->len <= message->len - at);
        data->ptr = message->bytes + at;
    }
    free(copy);
    assert_true(answer.count <= (type == DNS_TLSA ? LIMIT_TLSA_RECORDS : LIMIT_ADDRESSES));
    assert_true((answer.count > 0) == (answer.result == DNS_FOUND));
    return answer;
}

static struct dns_answer read_v4(const struct message *message) {
    return read_type(message, DNS_A);
}

static void test_addresses(void **state) {
    (void)state;
    struct message message = begin(4);

    put_a(&message, 1, 60);
    put_a(&message, 2, 30);
    put_a(&message, 1, 90); /* the same again */
    PUT(&message, "\3WWW\7Example\0\0\x1c\0\1\0\0\0\x05\0\x10"
                  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
    struct dns_answer answer = read_v4(&message);
    assert_int_equal(answer.result, DNS_FOUND);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.addresses[0].bytes[3], 1);
    assert_int_equal(answer.addresses[1].bytes[3], 2);
    assert_int_equal(answer.ttl_s, 30);
    answer = read_type(&message, DNS_AAAA);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.addresses[0].family, ADDRESS_V6);
    assert_int_equal(answer.addresses[0].bytes[15], 1);
    assert_int_equal(answer.ttl_s, 5);
}

static void test_aliases(void **state) {
    (void)state;
    struct message message = begin(4);

    PUT(&message, "\xc0\x0c\0\5\0\1\0\0\0\x07\0\6\3cdn\xc0\x10"); /* cdn.example at 41 */
    PUT(&message, "\xc0\x29\0\5\0\1\0\0\0\x3c\0\5\2we\xc0\x29");
    put_a(&message, 9, 60); /* of www.example, which is an alias */
    PUT(&message, "\2WE\3cdn\7example\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5");
    struct dns_answer answer = read_v4(&message);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.addresses[0].bytes[3], 5);
    assert_int_equal(answer.ttl_s, 7);

    message = begin(2); /* an alias of itself, twice */
    PUT(&message, "\xc0\x0c\0\5\0\1\0\0\0\x07\0\2\xc0\x0c");
    PUT(&message, "\xc0\x0c\0\5\0\1\0\0\0\x07\0\2\xc0\x0c");
    assert_int_equal(read_v4(&message).result, DNS_NO_RECORD);
}

static void test_not_ours(void **state) {
    (void)state;
    struct message message = begin(3);

    PUT(&message, "\3ftp\7example\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5"); /* another name */
    PUT(&message, "\xc0\x0c\0\1\0\3\0\0\0\x3c\0\4\xc0\0\2\5");         /* another class */
    PUT(&message, "\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\3\2hi");             /* TXT */
    assert_int_equal(read_v4(&message).result, DNS_NO_RECORD);
    message = begin(0);
    assert_int_equal(read_v4(&message).result, DNS_NO_RECORD);
    message = begin(1); /* RFC 2181 section 8 */
    PUT(&message, "\xc0\x0c\0\1\0\1\xff\xff\xff\xff\0\4\xc0\0\2\5");
    assert_int_equal(read_v4(&message).ttl_s, 0);
}

static void test_many(void **state) {
    (void)state;
    struct message message = begin(200);

    for (uint8_t i = 0; i < 200; i++)
        put_a(&message, i, 60);
    struct dns_answer answer = read_v4(&message);
    assert_int_equal(answer.count, LIMIT_ADDRESSES);
    assert_int_equal(answer.addresses[LIMIT_ADDRESSES - 1].bytes[3], LIMIT_ADDRESSES - 1);
}

static void expect_nonsense(const char *record, size_t len) {
    struct message message = begin(1);

    put(&message, record, len);
    assert_int_equal(read_v4(&message).result, DNS_NONSENSE);
}

#define NONSENSE(literal) expect_nonsense(literal, sizeof(literal) - 1)

static void test_nonsense(void **state) {
    (void)state;

    NONSENSE("");
    NONSENSE("\xc0\x1d\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5");    /* a pointer to itself */
    NONSENSE("\1x\xc0\x1d\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5"); /* into its own label */
    NONSENSE("\xff\xff\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5");    /* far beyond the end */
    NONSENSE("\x40x\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5");     /* a kind of label that is none */
    NONSENSE("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\3\xc0\0\2");      /* an address of three bytes */
    NONSENSE("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5\xc0\0\2\5");    /* data beyond the end */
    NONSENSE("\xc0\x0c\0\5\0\1\0\0\0\x3c\0\3\xc0\x0c\0");    /* an alias, and more */
    struct message message = begin(0);
    message.bytes[5] = 2; /* two questions */
    assert_int_equal(read_v4(&message).result, DNS_NONSENSE);
}

/* 255 bytes are the most that a name may have. */
static void test_long_names(void **state) {
    (void)state;
    uint8_t label[64] = {63};

    for (size_t last = 60; last <= 63; last++) {
        struct message message = {.len = 0};
        PUT(&message, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0");
        memset(label + 1, 'a', 63);
        for (int i = 0; i < 3; i++)
            put(&message, label, 64);
        put(&message, &(uint8_t){(uint8_t)last}, 1);
        put(&message, label + 1, last);
        PUT(&message, "\0\0\1\0\1");
        put_a(&message, 1, 60);
        assert_int_equal(read_v4(&message).result, last <= 61 ? DNS_FOUND : DNS_NONSENSE);
    }
}

static void put_tlsa(struct message *message, uint8_t usage, size_t data_len) {
    static const uint8_t DATA[3000] = {0xd2, 0xab, 0xde};

    PUT(message, "\xc0\x0c\0\x34\0\1\0\0\0\x3c");
    put(message, (uint8_t[]){(uint8_t)((data_len + 3) >> 8), (uint8_t)(data_len + 3)}, 2);
    put(message, (uint8_t[]){usage, 1, 2}, 3);
    put(message, DATA, data_len);
}

static void test_tlsa(void **state) {
    (void)state;
    struct message message = begin(3);

    put_tlsa(&message, 3, 32);
    put_a(&message, 1, 60);
    put_tlsa(&message, 255, 1);
    struct dns_answer answer = read_type(&message, DNS_TLSA);
    assert_int_equal(answer.result, DNS_FOUND);
    assert_int_equal(answer.count, 2);
    assert_false(answer.authentic);
    assert_int_equal(answer.ttl_s, 60);
    assert_int_equal(answer.tlsa[0].usage, 3);
    assert_int_equal(answer.tlsa[0].selector, 1);
    assert_int_equal(answer.tlsa[0].matching_type, 2);
    assert_int_equal(answer.tlsa[0].data.len, 32);
    assert_memory_equal(answer.tlsa[0].data.ptr, "\xd2\xab\xde", 4);
    assert_int_equal(answer.tlsa[1].usage, 255);
    assert_int_equal(answer.tlsa[1].data.len, 1);
    assert_int_equal(read_v4(&message).count, 1);
    message.bytes[3] |= 0x20;
    assert_true(read_type(&message, DNS_TLSA).authentic);

    message = begin(1); /* no data; then not even a matching type */
    put_tlsa(&message, 3, 0);
    assert_int_equal(read_type(&message, DNS_TLSA).result, DNS_NONSENSE);
    message = begin(1);
    PUT(&message, "\xc0\x0c\0\x34\0\1\0\0\0\x3c\0\2\3\1");
    assert_int_equal(read_type(&message, DNS_TLSA).result, DNS_NONSENSE);
}

/* As many as are kept, and one more. */
static void test_many_tlsa(void **state) {
    (void)state;
    struct message message = begin(LIMIT_TLSA_RECORDS);

    for (int i = 0; i < LIMIT_TLSA_RECORDS; i++)
        put_tlsa(&message, 2, 32);
    assert_int_equal(read_type(&message, DNS_TLSA).count, LIMIT_TLSA_RECORDS);
    message.bytes[7]++;
    put_tlsa(&message, 2, 32);
    assert_int_equal(read_type(&message, DNS_TLSA).result, DNS_TOO_LARGE);

    message = begin(6);
    for (int i = 0; i < 5; i++)
        put_tlsa(&message, 2, 3000);
    put_tlsa(&message, 2, LIMIT_TLSA_BYTES - 5 * 3000);
    assert_int_equal(read_type(&message, DNS_TLSA).count, 6);
    message.bytes[7]++;
    put_tlsa(&message, 2, 1);
    assert_int_equal(read_type(&message, DNS_TLSA).result, DNS_TOO_LARGE);
}

static void test_codes(void **state) {
    (void)state;
    static const enum dns_result RESULTS[16] = {
        DNS_FOUND,    DNS_NONSENSE, DNS_FAILED,   DNS_NO_NAME,  DNS_REFUSED,  DNS_REFUSED,
        DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE,
        DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE, DNS_NONSENSE};
    struct message message = begin(1);

    put_tlsa(&message, 3, 32);
    for (uint8_t code = 0; code < 16; code++) {
        message.bytes[3] = 0xa0 | code;
        struct dns_answer answer = read_type(&message, DNS_TLSA);
        assert_int_equal(answer.result, RESULTS[code]);
        assert_true(answer.authentic);
    }
}

/* Whatever the bytes: no reading beyond them (a sanitizer tells), and an end. */
static void test_hostile_bytes(void **state) {
    (void)state;
    struct message whole = begin(4), message;
    struct random random;

    PUT(&whole, "\xc0\x0c\0\5\0\1\0\0\0\x07\0\6\3cdn\xc0\x10");
    PUT(&whole, "\xc0\x29\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\5");
    PUT(&whole, "\xc0\x29\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\6");
    put_tlsa(&whole, 3, 32);
    assert_int_equal(read_v4(&whole).count, 2);
    for (size_t len = 0; len < whole.len; len++) {
        message = whole;
        message.len = len;
        assert_int_equal(read_v4(&message).result, DNS_NONSENSE);
    }
    random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        message = whole;
        for (uint64_t changes = 1 + random_below(&random, 8); changes; changes--)
            message.bytes[4 + random_below(&random, message.len - 4)] =
                (uint8_t)random_u64(&random);
        read_v4(&message);
        read_type(&message, DNS_AAAA);
        read_type(&message, DNS_TLSA);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_not_ours),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_nonsense),  cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_tlsa),      cmocka_unit_test(test_many_tlsa),
        cmocka_unit_test(test_codes),     cmocka_unit_test(test_hostile_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
