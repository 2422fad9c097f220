/* What is done to every byte of a Certificate Transparency log: SHA-256, base64, JSON. Each in the
 * fastest way of this processor and in the plain one. Sizes are those of real logs: leaves of 706
 * bytes, entries of 5 KB of JSON, messages of 5.4 KB. */
#include "bench/micro/micro.h"
#include "engine/base/base64.h"
#include "engine/base/buffer.h"
#include "engine/base/limits.h"
#include "engine/base/random.h"
#include "engine/ct/feed_message.h"
#include "engine/ct/get_entries.h"
#include "engine/hash/sha256.h"

#include <stdlib.h>

enum {
    LEAVES = 256,
    LEAF_SHORTEST = 500,
    LEAF_SPREAD = 413, /* 706 in the middle */
    BASE64_CHARACTERS = 4096,
    PAGE_LEAF_BYTES = 1400,
    PAGE_EXTRA_BYTES = 2380,
    FEED_LEAF_BYTES = 1050,
    FEED_ISSUER_BYTES = 870,
    MESSAGES = 64, /* so that the next one is not in the first cache */
};

struct bytes {
    struct random random;
    struct buffer raw, text;
    bool plain;
    struct sha256_job jobs[LEAVES];
    uint8_t hashes[2 * LEAVES][SHA256_BYTES];
    struct slice messages[MESSAGES];
    struct arena arena;
};

/* --- Making them --- */

static const bool plain = true, best = false;

static void close_bytes(void *state) {
    struct bytes *bytes = state;

    arena_deinit(&bytes->arena);
    buffer_deinit(&bytes->raw);
    buffer_deinit(&bytes->text);
    free(bytes);
}

static struct bytes *open_bytes(const void *argument) {
    struct bytes *bytes = calloc(1, sizeof *bytes);

    if (!bytes || !arena_init(&bytes->arena, 64 * 1024)) {
        free(bytes);
        return NULL;
    }
    bytes->plain = *(const bool *)argument;
    random_init(&bytes->random, 1);
    buffer_init(&bytes->raw);
    buffer_init(&bytes->text);
    return bytes;
}

static void *done(struct bytes *bytes) {
    if (!bytes->raw.failed && !bytes->text.failed)
        return bytes;
    close_bytes(bytes);
    return NULL;
}

static void add_random(struct buffer *out, struct random *random, size_t len) {
    uint8_t *at = buffer_reserve(out, len);
    if (at) {
        random_fill(random, at, len);
        out->len += len;
    }
}

static void add_base64(struct bytes *bytes, size_t len) {
    struct buffer raw;
    uint8_t *at = buffer_reserve(&bytes->text, base64_encoded_size(len));

    buffer_init(&raw);
    add_random(&raw, &bytes->random, len);
    if (at && !raw.failed) {
        base64_encode(buffer_slice(&raw), at);
        bytes->text.len += base64_encoded_size(len);
    }
    buffer_deinit(&raw);
}

static void *open_leaves(const void *argument) {
    struct bytes *bytes = open_bytes(argument);
    if (!bytes)
        return NULL;
    add_random(&bytes->raw, &bytes->random, (LEAF_SHORTEST + LEAF_SPREAD) * LEAVES);
    random_fill(&bytes->random, bytes->hashes, sizeof bytes->hashes);
    const uint8_t *at = bytes->raw.ptr;
    for (uint32_t i = 0; at && i < LEAVES; i++) {
        size_t len = LEAF_SHORTEST + random_below(&bytes->random, LEAF_SPREAD);
        bytes->jobs[i] =
            (struct sha256_job){.message = {at, len}, .out = bytes->hashes[i], .prefix_len = 3};
        at += len;
    }
    return done(bytes);
}

static void *open_base64(const void *argument) {
    struct bytes *bytes = open_bytes(argument);
    if (!bytes)
        return NULL;
    add_base64(bytes, base64_decoded_max(BASE64_CHARACTERS));
    add_random(&bytes->raw, &bytes->random, BASE64_CHARACTERS);
    return done(bytes);
}

static void *open_page(const void *argument) {
    struct bytes *bytes = open_bytes(argument);
    if (!bytes)
        return NULL;
    buffer_add_text(&bytes->text, "{\"entries\":[");
    for (uint32_t i = 0; i < LEAVES; i++) {
        buffer_add_text(&bytes->text, i ? ",{\"leaf_input\":\"" : "{\"leaf_input\":\"");
        add_base64(bytes, PAGE_LEAF_BYTES);
        buffer_add_text(&bytes->text, "\",\"extra_data\":\"");
        add_base64(bytes, PAGE_EXTRA_BYTES);
        buffer_add_text(&bytes->text, "\"}");
    }
    buffer_add_text(&bytes->text, "]}");
    return done(bytes);
}

static void add_fingerprint(struct bytes *bytes, const char *name, uint32_t len) {
    buffer_add_format(&bytes->text, "\"%s\":\"", name);
    for (uint32_t i = 0; i < len; i++)
        buffer_add_format(&bytes->text, "%s%02X", i ? ":" : "",
                          (uint32_t)random_below(&bytes->random, 256));
    buffer_add_text(&bytes->text, "\",");
}

/* As certstream-server-go writes it. */
static void add_certificate(struct bytes *bytes, size_t der_len) {
    struct buffer *text = &bytes->text;

    buffer_add_text(text, "{\"all_domains\":[\"www.example.org\",\"example.org\"],");
    if (der_len) {
        buffer_add_text(text, "\"as_der\":\"");
        add_base64(bytes, der_len);
        buffer_add_text(text, "\",");
    }
    buffer_add_text(text,
                    "\"extensions\":{\"authorityInfoAccess\":\"URI:http://r1.ca.example.net/, "
                    "URI:http://r1.ocsp.example.net\",");
    add_fingerprint(bytes, "authorityKeyIdentifier", 20);
    buffer_add_text(text, "\"basicConstraints\":\"CA:FALSE\",\"keyUsage\":\"Digital Signature\","
                          "\"subjectAltName\":\"DNS:www.example.org, DNS:example.org\",");
    add_fingerprint(bytes, "subjectKeyIdentifier", 20);
    buffer_add_text(text, "\"ctlPoisonByte\":true},");
    add_fingerprint(bytes, "fingerprint", 20);
    add_fingerprint(bytes, "sha1", 20);
    add_fingerprint(bytes, "sha256", 32);
    buffer_add_text(
        text, "\"not_after\":1785455999,\"not_before\":1777593600,\"serial_number\":"
              "\"037A3A72033B9AFF73A4BED5BB4F7CE6746E\",\"signature_algorithm\":\"sha256, "
              "rsa\",\"subject\":{\"C\":null,\"CN\":\"www.example.org\",\"L\":null,\"O\":null,"
              "\"OU\":null,\"ST\":null,\"aggregated\":\"/CN=www.example.org\","
              "\"email_address\":null},\"issuer\":{\"C\":\"GB\",\"CN\":\"Example CA 7\","
              "\"L\":null,\"O\":\"Example Trust\",\"OU\":null,\"ST\":null,\"aggregated\":"
              "\"/C=GB/CN=Example CA 7/O=Example Trust\",\"email_address\":null},"
              "\"is_ca\":false}");
}

static void add_message(struct bytes *bytes, bool full) {
    struct buffer *text = &bytes->text;

    buffer_add_text(text,
                    "{\"data\":{\"cert_index\":1234567890,\"cert_link\":\"https://ct.example.net"
                    "/2026h1/ct/v1/get-entries?start=1234567890&end=1234567890\",");
    if (full) {
        buffer_add_text(text, "\"chain\":[");
        add_certificate(bytes, FEED_ISSUER_BYTES);
        buffer_add_text(text, "],");
    }
    buffer_add_text(text, "\"leaf_cert\":");
    add_certificate(bytes, full ? FEED_LEAF_BYTES : 0);
    buffer_add_text(text,
                    ",\"seen\":1781913600.123,\"source\":{\"name\":\"Example 'Log2026h1' log\","
                    "\"url\":\"https://ct.example.net/2026h1/\",\"timestamp\":1781913590.5,"
                    "\"type\":\"rfc6962\"},\"update_type\":\"PrecertLogEntry\"},"
                    "\"message_type\":\"certificate_update\"}\n");
}

static void add_domains(struct bytes *bytes) {
    buffer_add_text(&bytes->text, "{\"data\":[\"www.example.org\",\"example.org\",\"shop.example."
                                  "org\"],\"message_type\":\"dns_entries\"}");
}

enum feed { FULL, LITE, DOMAINS };

static void *open_feed(const bool *argument, enum feed feed) {
    struct bytes *bytes = open_bytes(argument);
    size_t ends[MESSAGES + 1] = {0};

    if (!bytes)
        return NULL;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (feed == DOMAINS)
            add_domains(bytes);
        else
            add_message(bytes, feed == FULL);
        ends[i + 1] = bytes->text.len;
    }
    for (uint32_t i = 0; i < MESSAGES && !bytes->text.failed; i++)
        bytes->messages[i] = (struct slice){bytes->text.ptr + ends[i], ends[i + 1] - ends[i]};
    return done(bytes);
}

static void *open_full(const void *argument) {
    return open_feed(argument, FULL);
}

static void *open_lite(const void *argument) {
    return open_feed(argument, LITE);
}

static void *open_domains(const void *argument) {
    return open_feed(argument, DOMAINS);
}

/* --- Working on them --- */

static const struct sha256_backend *hasher(const struct bytes *bytes) {
    return bytes->plain ? sha256_backend_at(0) : sha256_backend_best();
}

static const struct base64_backend *coder(const struct bytes *bytes) {
    return bytes->plain ? base64_backend_at(0) : base64_backend_best();
}

static void run_leaves(void *state, uint64_t times) {
    struct bytes *bytes = state;

    while (times) {
        uint64_t some = times < LEAVES ? times : LEAVES;
        hasher(bytes)->many(bytes->jobs, some);
        micro_keep(bytes->hashes);
        times -= some;
    }
}

static void run_nodes(void *state, uint64_t times) {
    struct bytes *bytes = state;

    while (times) {
        uint64_t some = times < LEAVES ? times : LEAVES;
        hasher(bytes)->nodes(bytes->hashes[0], some, bytes->hashes[0]);
        micro_keep(bytes->hashes);
        times -= some;
    }
}

static void run_decode(void *state, uint64_t times) {
    struct bytes *bytes = state;
    struct slice text = {bytes->text.ptr, BASE64_CHARACTERS};

    for (; times; times--)
        if (coder(bytes)->decode_run(text, bytes->raw.ptr).read != text.len)
            abort();
}

static void run_encode(void *state, uint64_t times) {
    struct bytes *bytes = state;
    struct slice raw = {bytes->raw.ptr, base64_decoded_max(BASE64_CHARACTERS)};

    for (; times; times--) {
        coder(bytes)->encode(raw, bytes->text.ptr);
        micro_keep(bytes->text.ptr);
    }
}

/* A page is parsed as a whole; what is asked for beyond whole pages is a part of one more. */
static void run_page(void *state, uint64_t times) {
    struct bytes *bytes = state;
    struct get_entries page;

    for (uint64_t i = 0; i < times; i += LEAVES) {
        arena_reset(&bytes->arena);
        enum get_entries_result result =
            (bytes->plain ? get_entries_parse_any : get_entries_parse_quick)(
                buffer_slice(&bytes->text), LIMIT_GET_ENTRIES, &bytes->arena, &page);
        if (result != GET_ENTRIES_OK || page.count != LEAVES)
            abort();
    }
}

static void run_feed(void *state, uint64_t times) {
    struct bytes *bytes = state;
    struct feed_message message;

    for (uint64_t i = 0; i < times; i++) {
        arena_reset(&bytes->arena);
        enum feed_message_result result =
            (bytes->plain ? feed_message_parse_any : feed_message_parse_quick)(
                bytes->messages[i % MESSAGES], &bytes->arena, &message);
        if (result != FEED_MESSAGE_OK)
            abort();
        micro_keep(&message);
    }
}

const struct micro_case byte_cases[] = {
    {"hash.leaf", "a leaf", open_leaves, run_leaves, close_bytes, &best},
    {"hash.leaf-plain", "a leaf", open_leaves, run_leaves, close_bytes, &plain},
    {"hash.node", "a node", open_leaves, run_nodes, close_bytes, &best},
    {"hash.node-plain", "a node", open_leaves, run_nodes, close_bytes, &plain},
    {"base64.decode", "4 KB of text", open_base64, run_decode, close_bytes, &best},
    {"base64.decode-plain", "4 KB of text", open_base64, run_decode, close_bytes, &plain},
    {"base64.encode", "4 KB of text", open_base64, run_encode, close_bytes, &best},
    {"base64.encode-plain", "4 KB of text", open_base64, run_encode, close_bytes, &plain},
    {"page.entry", "an entry", open_page, run_page, close_bytes, &best},
    {"page.entry-parser", "an entry", open_page, run_page, close_bytes, &plain},
    {"feed.full", "a message", open_full, run_feed, close_bytes, &best},
    {"feed.full-parser", "a message", open_full, run_feed, close_bytes, &plain},
    {"feed.lite", "a message", open_lite, run_feed, close_bytes, &best},
    {"feed.lite-parser", "a message", open_lite, run_feed, close_bytes, &plain},
    {"feed.domains", "a message", open_domains, run_feed, close_bytes, &best},
    {"feed.domains-parser", "a message", open_domains, run_feed, close_bytes, &plain},
    {0},
};
