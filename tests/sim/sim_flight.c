#include "tests/sim/sim_flight.h"

#include "tests/unit/tls/script_server.h"

#include <openssl/pool.h>
#include <stdlib.h>

enum {
    SUITE_OLD = 0x002f, /* TLS_RSA_WITH_AES_128_CBC_SHA, which all versions before TLS 1.3 have */
    CHAIN_MAX = 32,
    COOKIE_BYTES = 40000,
};

static const uint8_t server_random[32] = {3, 1, 4, 1, 5};

/* Splits handshake messages into records of at most `piece` bytes. */
static void add_records(struct buffer *out, struct slice messages, size_t piece) {
    while (messages.len) {
        struct slice part = slice_first(messages, piece);
        script_record(out, TLS_CONTENT_HANDSHAKE, part);
        messages = slice_from(messages, part.len);
    }
}

static void add_certificates(struct buffer *out, const struct slice *chain, size_t count) {
    struct buffer list, body;

    buffer_init(&list);
    buffer_init(&body);
    for (size_t i = 0; i < count; i++) {
        script_u24(&list, chain[i].len);
        buffer_add_slice(&list, chain[i]);
    }
    script_u24(&body, list.len);
    buffer_add_slice(&body, buffer_slice(&list));
    script_message(out, TLS_MESSAGE_CERTIFICATE, buffer_slice(&body));
    buffer_deinit(&body);
    buffer_deinit(&list);
}

/* ServerHello, Certificate and ServerHelloDone of `version`, at most TLS 1.2. */
static void add_old_flight(struct buffer *out, uint16_t version, const struct slice *chain,
                           size_t count, size_t piece) {
    struct buffer messages;

    buffer_init(&messages);
    script_server_hello(&messages, version, SUITE_OLD, server_random, (struct slice){NULL, 0},
                        (struct slice){NULL, 0});
    add_certificates(&messages, chain, count);
    script_message(&messages, TLS_MESSAGE_SERVER_HELLO_DONE, (struct slice){NULL, 0});
    size_t at = out->len;
    add_records(out, buffer_slice(&messages), piece);
    for (; at < out->len; at += 5 + ((size_t)out->ptr[at + 3] << 8 | out->ptr[at + 4])) {
        out->ptr[at + 1] = (uint8_t)(version >> 8);
        out->ptr[at + 2] = (uint8_t)version;
    }
    buffer_deinit(&messages);
}

/* The leaf, the issuer, and the same large certificates again and again. */
static void add_long_flight(const struct sim_pki *pki, struct buffer *out, size_t leaf,
                            size_t count) {
    struct slice chain[CHAIN_MAX] = {sim_der(pki->leaves[leaf]), sim_der(pki->issuer)};

    assert(count <= CHAIN_MAX);
    for (size_t i = 2; i < count; i++)
        chain[i] = count > 16 ? sim_der(pki->issuer) : sim_der(pki->fillers[i % SIM_FILLERS]);
    add_old_flight(out, TLS_VERSION_TLS12, chain, count, TLS_PLAINTEXT_MAX);
}

static void add_tls13_flight(struct buffer *out, struct slice hello, struct slice leaf) {
    static const uint8_t SHARE[32] = {9, 8, 7}, NO_EXTENSIONS[2];
    const struct slice no_extensions = {NULL, 0};
    struct script script;
    struct buffer message;

    if (hello.len < 80)
        return;
    script_init(&script, &tls13_suites[0], hello);
    script_server_hello13(&script, SHARE);
    buffer_init(&message);
    script_message(&message, TLS_MESSAGE_ENCRYPTED_EXTENSIONS, (struct slice){NO_EXTENSIONS, 2});
    script_seal(&script, TLS_CONTENT_HANDSHAKE, buffer_slice(&message), 0);
    message.len = 0;
    script_certificate(&message, leaf, &no_extensions);
    script_seal(&script, TLS_CONTENT_HANDSHAKE, buffer_slice(&message), 100);
    buffer_add_slice(out, buffer_slice(&script.flight));
    buffer_deinit(&message);
    script_deinit(&script);
}

/* RFC 8446 section 4.1.4, with a cookie of `cookie` bytes. */
static void add_retry(struct buffer *out, struct slice hello, size_t cookie) {
    static const uint8_t RETRY_RANDOM[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                             0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                             0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                             0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    struct buffer extensions, message;
    const size_t session_at = 5 + 4 + 2 + 32;

    if (hello.len < session_at + 33)
        return;
    buffer_init(&extensions);
    buffer_init(&message);
    buffer_add(&extensions, (const uint8_t[]){0, TLS_EXTENSION_SUPPORTED_VERSIONS, 0, 2, 3, 4}, 6);
    buffer_add(&extensions, (const uint8_t[]){0, TLS_EXTENSION_COOKIE}, 2);
    script_u16(&extensions, cookie + 2);
    script_u16(&extensions, cookie);
    for (size_t i = 0; i < cookie; i++)
        buffer_add_byte(&extensions, (uint8_t)i);
    script_server_hello(&message, TLS_VERSION_TLS12, 0x1301, RETRY_RANDOM,
                        slice_first(slice_from(hello, session_at + 1), hello.ptr[session_at]),
                        buffer_slice(&extensions));
    add_records(out, buffer_slice(&message), TLS_PLAINTEXT_MAX);
    buffer_deinit(&message);
    buffer_deinit(&extensions);
}

/* A ServerHello, and a Certificate of 16 MB that begins. */
static void add_giant_message(struct buffer *out) {
    struct buffer messages;

    buffer_init(&messages);
    script_server_hello(&messages, TLS_VERSION_TLS12, SUITE_OLD, server_random,
                        (struct slice){NULL, 0}, (struct slice){NULL, 0});
    buffer_add(&messages, (const uint8_t[]){TLS_MESSAGE_CERTIFICATE, 0xff, 0xff, 0xff}, 4);
    add_records(out, buffer_slice(&messages), TLS_PLAINTEXT_MAX);
    buffer_deinit(&messages);
}

static void add_noise(struct buffer *out, const struct persona *persona) {
    struct random random;
    uint8_t noise[600];

    random_init(&random, persona->think_ns);
    random_fill(&random, noise, sizeof noise);
    memcpy(noise, (const uint8_t[]){TLS_CONTENT_HANDSHAKE, 3, 3, 1, 0}, 5);
    buffer_add(out, noise, sizeof noise);
}

/* A second hello comes behind a change_cipher_spec. */
static struct slice hello_of(struct slice sent) {
    while (sent.len >= 5 && sent.ptr[0] == TLS_CONTENT_CHANGE_CIPHER_SPEC)
        sent = slice_from(sent, 5 + ((size_t)sent.ptr[3] << 8 | sent.ptr[4]));
    return sent;
}

static const struct text {
    uint8_t service;
    const char *bytes;
    size_t len;
} texts[] = {
#define TEXT(service, literal) {service, literal, sizeof(literal) - 1}
    TEXT(SERVICE_ALERT, "\x15\x03\x01\x00\x02\x02\x28"),
    TEXT(SERVICE_NO_PROTOCOL, "\x15\x03\x01\x00\x02\x02\x78"),
    TEXT(SERVICE_CLOSE_NOTIFY, "\x15\x03\x01\x00\x02\x01\x00"),
    TEXT(SERVICE_HTTP, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    TEXT(SERVICE_GREETING, "220 mail.sim.test ESMTP\r\n"),
#undef TEXT
};

void sim_flight_answer(const struct sim_pki *pki, const struct persona *persona, struct slice sent,
                       struct buffer *out) {
    struct slice chain[] = {sim_der(pki->leaves[persona->leaf]), sim_der(pki->issuer)};
    struct slice none = slice_of("0\x03no certificate at all");

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].service == persona->service)
            buffer_add(out, texts[i].bytes, texts[i].len);
    switch ((enum service)persona->service) {
    case SERVICE_SSL30:
        add_old_flight(out, TLS_VERSION_SSL30, chain, 2, TLS_PLAINTEXT_MAX);
        break;
    case SERVICE_TLS10:
        add_old_flight(out, TLS_VERSION_TLS10, chain, 2, TLS_PLAINTEXT_MAX);
        break;
    case SERVICE_TLS12:
        add_old_flight(out, TLS_VERSION_TLS12, chain, 2, TLS_PLAINTEXT_MAX);
        break;
    case SERVICE_TLS13:
        add_tls13_flight(out, hello_of(sent), chain[0]);
        break;
    case SERVICE_SMALL_RECORDS: /* few enough of them */
        add_old_flight(out, TLS_VERSION_TLS12, chain, 2, 7);
        break;
    case SERVICE_LONG_CHAIN:
        add_long_flight(pki, out, persona->leaf, 24);
        break;
    case SERVICE_HUGE_CHAIN:
        add_long_flight(pki, out, persona->leaf, 15);
        break;
    case SERVICE_UNPARSABLE:
        add_old_flight(out, TLS_VERSION_TLS12, &none, 1, TLS_PLAINTEXT_MAX);
        break;
    case SERVICE_NOISE:
        add_noise(out, persona);
        break;
    case SERVICE_ECHO:
        buffer_add_slice(out, sent);
        break;
    case SERVICE_GIANT_MESSAGE:
        add_giant_message(out);
        break;
    case SERVICE_RETRIES:
        add_retry(out, hello_of(sent), 8);
        break;
    case SERVICE_LONG_COOKIE:
        add_retry(out, hello_of(sent), COOKIE_BYTES);
        break;
    default:
        break;
    }
}

struct slice sim_flight_forever(enum service service) {
    static const uint8_t WARNING[] = {TLS_CONTENT_ALERT, 3, 3, 0, 2, 1, 112};
    static const uint8_t CIPHER_CHANGE[] = {TLS_CONTENT_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
    static const uint8_t EMPTY[] = {TLS_CONTENT_HANDSHAKE, 3, 3, 0, 0};
    static const uint8_t HELLO_REQUEST[] = {TLS_CONTENT_HANDSHAKE, 3, 3, 0, 4, 0, 0, 0, 0};
    static const uint8_t DATA[5 + 1024] = {TLS_CONTENT_APPLICATION_DATA, 3, 3, 4, 0};
    static const uint8_t HANDSHAKE[5 + 4096] = {TLS_CONTENT_HANDSHAKE, 3, 3, 16, 0};

    switch (service) {
    case SERVICE_WARNINGS:
        return (struct slice){WARNING, sizeof WARNING};
    case SERVICE_CIPHER_CHANGES:
        return (struct slice){CIPHER_CHANGE, sizeof CIPHER_CHANGE};
    case SERVICE_EMPTY_RECORDS:
        return (struct slice){EMPTY, sizeof EMPTY};
    case SERVICE_HELLO_REQUESTS:
        return (struct slice){HELLO_REQUEST, sizeof HELLO_REQUEST};
    case SERVICE_DATA:
        return (struct slice){DATA, sizeof DATA};
    case SERVICE_GIANT_MESSAGE:
        return (struct slice){HANDSHAKE, sizeof HANDSHAKE};
    default:
        return (struct slice){NULL, 0};
    }
}
