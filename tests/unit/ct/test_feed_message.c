/* Messages as each server writes them (their bytes are in the fuzz corpus), and what they must not
 * be taken for. Every message goes both ways, by hand and with the JSON parser, which must agree.
 */
#include "engine/base/base64.h"
#include "engine/base/cpu.h"
#include "engine/base/random.h"
#include "engine/ct/feed_index.h"
#include "engine/ct/feed_message.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
static uint8_t file_bytes[16384];

static int open_arena(void **state) {
    (void)state;
    return arena_init(&arena, 4096) ? 0 : -1;
}

static int close_arena(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void assert_slice(struct slice a, const char *text) {
    if (!slice_is(a, text))
        fail_msg("\"%.*s\" is not \"%s\"", (int)a.len, (const char *)a.ptr, text);
}

static void assert_same_slice(struct slice a, struct slice b) {
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void assert_same_list(struct slice_list a, struct slice_list b) {
    assert_int_equal(a.count, b.count);
    for (uint32_t i = 0; i < a.count; i++)
        assert_same_slice(a.items[i], b.items[i]);
}

static void assert_same_name(const struct feed_name *a, const struct feed_name *b) {
    assert_same_slice(a->country, b->country);
    assert_same_slice(a->common_name, b->common_name);
    assert_same_slice(a->locality, b->locality);
    assert_same_slice(a->organization, b->organization);
    assert_same_slice(a->organizational_unit, b->organizational_unit);
    assert_same_slice(a->state, b->state);
    assert_same_slice(a->email, b->email);
    assert_same_slice(a->aggregated, b->aggregated);
}

static void assert_same(const struct feed_message *a, const struct feed_message *b) {
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->update_type, b->update_type);
    assert_int_equal(a->has_cert_index, b->has_cert_index);
    assert_int_equal(a->cert_index, b->cert_index);
    assert_same_slice(a->cert_link, b->cert_link);
    assert_same_slice(a->source_url, b->source_url);
    assert_same_slice(a->source_name, b->source_name);
    assert_int_equal(a->source_is_tiled, b->source_is_tiled);
    assert_int_equal(a->has_seen, b->has_seen);
    assert_int_equal(a->seen_ms, b->seen_ms);
    assert_same_list(a->chain, b->chain);
    const struct feed_certificate *c = &a->leaf, *d = &b->leaf;
    assert_same_list(c->all_domains, d->all_domains);
    assert_same_slice(c->as_der, d->as_der);
    assert_int_equal(c->has_sha1, d->has_sha1);
    assert_int_equal(c->has_sha256, d->has_sha256);
    assert_memory_equal(c->sha1, d->sha1, sizeof c->sha1);
    assert_memory_equal(c->sha256, d->sha256, sizeof c->sha256);
    assert_same_slice(c->serial, d->serial);
    assert_same_slice(c->signature_algorithm, d->signature_algorithm);
    assert_same_name(&c->subject, &d->subject);
    assert_same_name(&c->issuer, &d->issuer);
    assert_int_equal(c->has_not_before, d->has_not_before);
    assert_int_equal(c->has_not_after, d->has_not_after);
    assert_int_equal(c->not_before, d->not_before);
    assert_int_equal(c->not_after, d->not_after);
    assert_int_equal(c->has_is_ca, d->has_is_ca);
    assert_int_equal(c->is_ca, d->is_ca);
}

/* In memory of exactly its size, kept for the slices of `out` until the program ends. */
static enum feed_message_result parse(struct slice text, struct feed_message *out) {
    struct slice exact = {malloc(text.len + !text.len), text.len};
    struct feed_message other;
    assert_non_null(exact.ptr);
    memcpy((uint8_t *)(uintptr_t)exact.ptr, text.ptr, text.len);
    enum feed_message_result any = feed_message_parse_any(exact, &arena, &other);
    enum feed_message_result quick = feed_message_parse_quick(exact, &arena, out);
    if (quick != FEED_MESSAGE_NOT_JSON) {
        assert_int_equal(quick, any);
        assert_same(out, &other);
    }
    assert_int_equal(feed_message_parse(exact, &arena, out), any);
    assert_same(out, &other);
    /* what must live on is in the arena */
    *out = other;
    free((uint8_t *)(uintptr_t)exact.ptr);
    return any;
}

static struct slice read_file(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "tests/fuzz/corpus/feed_message/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(file_bytes, 1, sizeof file_bytes, file);
    fclose(file);
    assert_true(len < sizeof file_bytes);
    return (struct slice){file_bytes, len};
}

static bool is_quick(struct slice text) {
    struct feed_message out;
    return feed_message_parse_quick(text, &arena, &out) == FEED_MESSAGE_OK;
}

/* The file must be one that is read by hand. */
static void parse_file(const char *name, struct feed_message *out) {
    struct slice text = read_file(name);
    assert_true(is_quick(text));
    assert_int_equal(parse(text, out), FEED_MESSAGE_OK);
}

static void assert_leaf(const struct feed_certificate *leaf, bool full, bool upper_serial_padded) {
    assert_int_equal(leaf->all_domains.count, 3);
    assert_slice(leaf->all_domains.items[0], "www.example.org");
    assert_slice(leaf->all_domains.items[1], "example.org");
    assert_slice(leaf->all_domains.items[2], "*.shop.example.org");
    assert_slice(leaf->serial, upper_serial_padded ? "037A3A72033B9AFF73A4BED5BB4F7CE6746E"
                                                   : "37A3A72033B9AFF73A4BED5BB4F7CE6746E");
    assert_slice(leaf->signature_algorithm, "sha256, rsa");
    assert_slice(leaf->subject.common_name, "www.example.org");
    assert_slice(leaf->subject.aggregated, "/CN=www.example.org");
    assert_int_equal(leaf->subject.organization.len, 0);
    assert_slice(leaf->issuer.country, "GB");
    assert_slice(leaf->issuer.organization, "Example Trust");
    assert_slice(leaf->issuer.common_name, "Example CA 7");
    assert_true(leaf->has_not_before && leaf->has_not_after);
    assert_int_equal(leaf->not_before, 1777593600); /* 2026-05-01T00:00:00Z */
    assert_int_equal(leaf->not_after, 1785455999);  /* 2026-07-30T23:59:59Z */
    assert_int_equal(leaf->as_der.len != 0, full);
}

/* The fingerprints are those of as_der. */
static void assert_fingerprints(const struct feed_certificate *leaf, bool has_sha256) {
    uint8_t der[4096], hash[32];
    size_t len;
    assert_true(base64_decode(leaf->as_der, der, &len, NULL));
    assert_true(leaf->has_sha1);
    assert_memory_equal(leaf->sha1, SHA1(der, len, hash), FEED_SHA1_BYTES);
    assert_int_equal(leaf->has_sha256, has_sha256);
    if (has_sha256)
        assert_memory_equal(leaf->sha256, SHA256(der, len, hash), FEED_SHA256_BYTES);
}

static void assert_chain(const struct feed_message *message) {
    uint8_t der[4096];
    size_t len;
    assert_int_equal(message->chain.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(base64_decode(message->chain.items[i], der, &len, NULL));
        assert_int_equal(der[0], 0x30);
        assert_int_equal(len, 4 + (der[2] << 8 | der[3]));
    }
}

static void test_go(void **state) {
    (void)state;
    static const char *const NAMES[] = {"go-full", "go-lite"};
    struct feed_message message;
    for (uint32_t i = 0; i < 2; i++) {
        parse_file(NAMES[i], &message);
        assert_int_equal(message.type, FEED_MESSAGE_CERTIFICATE_UPDATE);
        assert_int_equal(message.update_type, FEED_UPDATE_X509);
        assert_true(message.has_cert_index);
        assert_int_equal(message.cert_index, 1234567890);
        assert_slice(message.cert_link, "https://ct.example.net/2026h1/ct/v1/"
                                        "get-entries?start=1234567890&end=1234567890");
        assert_slice(message.source_name, "Example 'Log2026h1' log");
        assert_slice(message.source_url, "https://ct.example.net/2026h1/");
        assert_false(message.source_is_tiled);
        assert_true(message.has_seen);
        assert_int_equal(message.seen_ms, 1781913600123);
        assert_leaf(&message.leaf, i == 0, true);
        assert_true(message.leaf.has_is_ca && !message.leaf.is_ca);
        if (i == 0) {
            assert_fingerprints(&message.leaf, true);
            assert_chain(&message);
        } else {
            assert_true(message.leaf.has_sha1 && message.leaf.has_sha256);
            assert_int_equal(message.chain.count, 0);
        }
    }
}

/* No certificate at hand: hashes of nothing are none. */
static void test_go_tiled(void **state) {
    (void)state;
    struct feed_message message;
    parse_file("go-tiled-precert", &message);
    assert_int_equal(message.update_type, FEED_UPDATE_PRECERT);
    assert_true(message.source_is_tiled);
    assert_int_equal(message.cert_link.len, 0);
    assert_leaf(&message.leaf, false, true);
    assert_false(message.leaf.has_sha1);
    assert_false(message.leaf.has_sha256);
}

static void test_rust(void **state) {
    (void)state;
    struct feed_message message;
    parse_file("rust-full", &message);
    assert_int_equal(message.update_type, FEED_UPDATE_PRECERT);
    assert_int_equal(message.seen_ms, 1781913600000);
    assert_slice(message.source_name, "Example Log");
    assert_leaf(&message.leaf, true, true);
    assert_fingerprints(&message.leaf, true);
    assert_chain(&message);
    parse_file("rust-lite", &message);
    assert_leaf(&message.leaf, false, true);
    assert_int_equal(message.chain.count, 0);
}

static void test_calidog(void **state) {
    (void)state;
    struct feed_message message;
    parse_file("calidog-full", &message);
    assert_int_equal(message.update_type, FEED_UPDATE_X509);
    assert_int_equal(message.seen_ms, 1781913600477);
    assert_slice(message.source_url, "ct.example.net/2026h1/");
    assert_leaf(&message.leaf, true, false);
    assert_fingerprints(&message.leaf, false);
    assert_false(message.leaf.has_is_ca);
    assert_chain(&message);
    parse_file("calidog-lite", &message);
    assert_leaf(&message.leaf, false, false);
    assert_true(message.leaf.has_sha1);
}

static void test_small_ones(void **state) {
    (void)state;
    struct feed_message message;
    parse_file("domains", &message);
    assert_int_equal(message.type, FEED_MESSAGE_DNS_ENTRIES);
    assert_int_equal(message.leaf.all_domains.count, 3);
    assert_slice(message.leaf.all_domains.items[2], "*.shop.example.org");
    assert_false(message.has_cert_index);
    parse_file("heartbeat", &message);
    assert_int_equal(message.type, FEED_MESSAGE_HEARTBEAT);
    assert_int_equal(message.seen_ms, 1781913600250);
    parse_file("heartbeat-bare", &message);
    assert_int_equal(message.type, FEED_MESSAGE_HEARTBEAT);
    assert_false(message.has_seen);
    assert_int_equal(parse(slice_of("{\"message_type\":\"welcome\",\"data\":{}}"), &message),
                     FEED_MESSAGE_OK);
    assert_int_equal(message.type, FEED_MESSAGE_OTHER);
}

/* Escapes, UTF-8 and line ends go to the parser and come back as what they mean. */
static void test_unusual(void **state) {
    (void)state;
    struct feed_message message;
    struct slice text = read_file("unusual");
    assert_false(is_quick(text));
    assert_int_equal(parse(text, &message), FEED_MESSAGE_OK);
    assert_int_equal(message.update_type, FEED_UPDATE_PRECERT);
    assert_int_equal(message.leaf.all_domains.count, 3);
    assert_slice(message.leaf.all_domains.items[1], "p\xc5\x99\xc3\xadklad.example");
    assert_slice(message.leaf.all_domains.items[2], "a\\b\"c.example");
    assert_slice(message.leaf.subject.organization, "P\xc5\x99\xc3\xadklad \"A\" s.r.o.");
    assert_slice(message.leaf.subject.email, "a@example.org");
    assert_slice(message.leaf.subject.country, "CZ");
}

static void test_odd_types(void **state) {
    (void)state;
    struct feed_message message;
    assert_int_equal(parse(read_file("odd-types"), &message), FEED_MESSAGE_OK);
    assert_int_equal(message.leaf.all_domains.count, 2);
    assert_slice(message.leaf.all_domains.items[1], "b");
    assert_false(message.leaf.has_sha1);
    assert_int_equal(message.leaf.not_before, -1500);
    assert_int_equal(message.leaf.not_after, 1);
    assert_true(message.leaf.has_is_ca);
    assert_int_equal(message.cert_index, 5);
    assert_false(message.has_seen);
    assert_int_equal(message.chain.count, 1);
    assert_slice(message.chain.items[0], "AAAA");
    assert_int_equal(parse(read_file("twice"), &message), FEED_MESSAGE_OK);
    assert_int_equal(message.type, FEED_MESSAGE_OTHER);
    assert_slice(message.leaf.subject.common_name, "a");
    assert_slice(message.leaf.subject.organization, "b");
    assert_int_equal(message.leaf.all_domains.count, 1);
    assert_slice(message.leaf.all_domains.items[0], "x");
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool has_seen;
        int64_t seen_ms;
    } NUMBERS[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1781913600", true, 1781913600000},
        {"1781913600.9999", true, 1781913600999},
        {"-1.5", true, -1500},
        {"1.781913600123e9", true, 1781913600123},
        {"1781913600123E-3", true, 1781913600123},
        {"0.0000000000000000000000000000000000001", true, 0},
        {"999999999999999", true, 999999999999999000},
        {"1000000000000000", false, 0},
        {"99999999999999999999999999999999999", false, 0},
        {"1e99999999999", false, 0},
        {"1e-99999999999", true, 0},
        {"\"1781913600\"", false, 0},
        {"null", false, 0},
        {"{}", false, 0},
    };
    struct feed_message message;
    char text[128];
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        snprintf(text, sizeof text, "{\"message_type\":\"heartbeat\",\"timestamp\":%s}",
                 NUMBERS[i].text);
        assert_int_equal(parse(slice_of(text), &message), FEED_MESSAGE_OK);
        assert_int_equal(message.has_seen, NUMBERS[i].has_seen);
        assert_int_equal(message.seen_ms, NUMBERS[i].seen_ms);
    }
}

static void test_fingerprints(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } TEXTS[] = {
        {"84:E0:18:01:52:93:08:E0:BC:1C:DA:C8:B4:48:64:76:8A:61:56:32", true},
        {"84:e0:18:01:52:93:08:e0:bc:1c:da:c8:b4:48:64:76:8a:61:56:32", true},
        {"84e01801529308e0bc1cdac8b44864768a615632", true},
        {"84:E0:18:01:52:93:08:E0:BC:1C:DA:C8:B4:48:64:76:8A:61:56:3", false},
        {"84:E0:18:01:52:93:08:E0:BC:1C:DA:C8:B4:48:64:76:8A:61:56:3G", false},
        {"84:E0:18:01:52:93:08:E0:BC:1C:DA:C8:B4:48:64:76:8A:61:56-32", false},
        {"84:E0:18:01:52:93:08:E0:BC:1C:DA:C8:B4:48:64:76:8A:61:56:32:", false},
        {"DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09", false},
        {"", false},
    };
    struct feed_message message;
    char text[256];
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        snprintf(text, sizeof text,
                 "{\"message_type\":\"x\",\"data\":{\"leaf_cert\":{\"fingerprint\":\"%s\"}}}",
                 TEXTS[i].text);
        assert_int_equal(parse(slice_of(text), &message), FEED_MESSAGE_OK);
        assert_int_equal(message.leaf.has_sha1, TEXTS[i].good);
        assert_int_equal(message.leaf.sha1[0], TEXTS[i].good ? 0x84 : 0);
        assert_int_equal(message.leaf.sha1[19], TEXTS[i].good ? 0x32 : 0);
    }
}

static void test_wrong(void **state) {
    (void)state;
    static const struct {
        enum feed_message_result result;
        const char *text;
    } WRONG[] = {
        {FEED_MESSAGE_NOT_JSON, ""},
        {FEED_MESSAGE_NOT_JSON, " "},
        {FEED_MESSAGE_NOT_JSON, "hello"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\"}}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\" \"a\":1}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":\"\\u12\"}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":\"\\x\"}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":\"\\ud800\"}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":\"\xff\"}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":\"\n\"}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":01}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":1.}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":.5}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":+1}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":-}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":nul}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":[1,]}"},
        {FEED_MESSAGE_NOT_JSON, "{\"message_type\":\"heartbeat\",\"a\":[1}"},
        {FEED_MESSAGE_BAD_SHAPE, "[]"},
        {FEED_MESSAGE_BAD_SHAPE, "\"heartbeat\""},
        {FEED_MESSAGE_BAD_SHAPE, "{}"},
        {FEED_MESSAGE_BAD_SHAPE, "{\"message_type\":null}"},
        {FEED_MESSAGE_BAD_SHAPE, "{\"message_type\":[\"heartbeat\"]}"},
    };
    struct feed_message message;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        enum feed_message_result result = parse(slice_of(WRONG[i].text), &message);
        if (result != WRONG[i].result)
            fail_msg("%s: %s", WRONG[i].text, feed_message_result_text(result));
    }
    struct slice huge = {(const uint8_t *)"", 1u << 30};
    assert_int_equal(feed_message_parse(huge, &arena, &message), FEED_MESSAGE_TOO_LARGE);
}

/* However deep, nothing recurses without end; and what does not matter is skipped. */
static void test_deep(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    static char text[2 * DEPTH + 100];
    struct feed_message message;
    size_t len = (size_t)sprintf(text, "{\"message_type\":\"heartbeat\",\"a\":");
    memset(text + len, '[', DEPTH);
    memset(text + len + DEPTH, ']', DEPTH);
    text[len + 2 * DEPTH] = '}';
    assert_int_equal(parse((struct slice){(uint8_t *)text, len + 2 * DEPTH + 1}, &message),
                     FEED_MESSAGE_OK);
    assert_int_equal(message.type, FEED_MESSAGE_HEARTBEAT);
}

/* A message that is cut anywhere, or has one byte changed, is read alike both ways. */
static void test_damage(void **state) {
    (void)state;
    static const uint8_t NASTY[] = "\"\\{}[]:,0-.e \n\x80u";
    static const char *const NAMES[] = {"go-lite", "calidog-lite", "odd-types", "twice", "domains"};
    struct feed_message message;
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct slice text = read_file(NAMES[i]);
        for (size_t len = 0; len + 2 < text.len; len++)
            assert_int_equal(parse(slice_first(text, len), &message), FEED_MESSAGE_NOT_JSON);
        for (uint32_t round = 0; round < 2000; round++) {
            size_t at = random_below(&random, text.len);
            uint8_t was = file_bytes[at];
            file_bytes[at] = NASTY[random_below(&random, sizeof NASTY - 1)];
            (void)!parse(text, &message);
            file_bytes[at] = was;
        }
        close_arena(NULL);
        open_arena(NULL);
    }
}

/* More domains and more special bytes than one filling of the index takes. */
static void test_many(void **state) {
    (void)state;
    enum { DOMAINS = 5000 };
    static char text[DOMAINS * 16 + 100];
    struct feed_message message;
    for (uint32_t shift = 0; shift < 70; shift++) {
        size_t len =
            (size_t)sprintf(text, "%*s{\"message_type\":\"dns_entries\",\"x\":\"", (int)shift, "");
        for (uint32_t i = 0; i < 1100; i++)
            len += (size_t)sprintf(text + len, "%s", i % 3 ? "\\\\" : "\\\"");
        len += (size_t)sprintf(text + len, "\",\"data\":[");
        for (uint32_t i = 0; i < DOMAINS; i++)
            len += (size_t)sprintf(text + len, "%s\"n%u\"", i ? "," : "", i);
        len += (size_t)sprintf(text + len, "]}");
        struct slice slice = {(uint8_t *)text, len};
        assert_true(is_quick(slice));
        assert_int_equal(parse(slice, &message), FEED_MESSAGE_OK);
        assert_int_equal(message.leaf.all_domains.count, DOMAINS);
        assert_slice(message.leaf.all_domains.items[4321], "n4321");
        close_arena(NULL);
        open_arena(NULL);
    }
}

/* All positions that the index gives, one filling after another. */
static size_t all_positions(struct slice text, void (*fill)(struct feed_index *), uint32_t *out) {
    static struct feed_index index;
    size_t count = 0;
    index.text = text;
    index.done = 0;
    do {
        fill(&index);
        assert_true(index.count > 0);
        for (uint32_t i = 0; i < index.count; i++)
            out[count++] = index.positions[i];
    } while (out[count - 1] != text.len);
    return count;
}

static void test_index(void **state) {
    (void)state;
    enum { BYTES = 5000 };
    static uint32_t want[BYTES + 1], got[BYTES + 1];
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 600; round++) {
        size_t len = round < 200 ? round : random_below(&random, BYTES), count = 0;
        uint8_t *bytes = malloc(len + 1);
        assert_non_null(bytes);
        random_fill(&random, bytes, len);
        for (size_t i = 0; i < len; i++) {
            if (round % 3 == 0)
                bytes[i] = 'a';
            else if (round % 3 == 1)
                bytes[i] = (uint8_t)"\"\\\x1f\x80\xff\x01"[bytes[i] % 6];
            uint8_t c = bytes[i];
            if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
                want[count++] = (uint32_t)i;
        }
        want[count++] = (uint32_t)len;
        assert_int_equal(all_positions((struct slice){bytes, len}, feed_index_fill_plain, got),
                         count);
        assert_memory_equal(got, want, count * sizeof *want);
        assert_int_equal(all_positions((struct slice){bytes, len}, feed_index_fill, got), count);
        assert_memory_equal(got, want, count * sizeof *want);
        free(bytes);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_go),           TEST(test_go_tiled), TEST(test_rust),      TEST(test_calidog),
        TEST(test_small_ones),   TEST(test_unusual),  TEST(test_odd_types), TEST(test_numbers),
        TEST(test_fingerprints), TEST(test_wrong),    TEST(test_deep),      TEST(test_damage),
        TEST(test_many),         TEST(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
