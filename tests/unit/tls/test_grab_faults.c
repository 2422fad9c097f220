/* The grab against servers that do wrong or odd things: scripted flights, damaged and cut ones,
 * noise, and what is no TLS at all. */
#include "engine/tls/grab.h"

#include "engine/base/random.h"
#include "engine/tls/hello.h"
#include "tests/unit/tls/memory_server.h"
#include "tests/unit/tls/script_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint8_t storage[TLS_GRAB_STORAGE_BYTES];
static struct random dice;
static struct tls_grab_profile *profile;
static const uint8_t random_bytes[TLS_GRAB_RANDOM_BYTES] = {1, 2, 3};
static const uint8_t share[32] = {5, 6, 7};

/* A grab and the server that talks to it. */
struct talk {
    struct tls_grab grab;
    struct script script;
    struct buffer sent; /* all that the grab has sent, first hello first */
};

static void talk_init_from(struct talk *talk, const struct tls_grab_profile *from, size_t suite,
                           size_t storage_bytes) {
    buffer_init(&talk->sent);
    assert_true(tls_grab_start(&talk->grab, from, storage, storage_bytes, slice_of("a.test"),
                               random_bytes, &talk->sent));
    script_init(&talk->script, &tls13_suites[suite], buffer_slice(&talk->sent));
}

static void talk_init(struct talk *talk, size_t suite) {
    talk_init_from(talk, profile, suite, sizeof storage);
}

static void talk_deinit(struct talk *talk) {
    script_deinit(&talk->script);
    buffer_deinit(&talk->sent);
}

/* Feeds what the script has written, first in one piece and then, to another grab, byte by byte:
 * the answers must agree. Only for talks without a second hello. */
static enum tls_status play(struct talk *talk) {
    struct buffer out;
    struct slice flight = buffer_slice(&talk->script.flight);
    struct tls_grab again = talk->grab;
    enum tls_status status = TLS_MORE;
    uint8_t *copy = malloc(sizeof storage);

    memcpy(copy, storage, sizeof storage);
    buffer_init(&out);
    again.storage = copy;
    for (size_t i = 0; i < flight.len; i++)
        status = tls_grab_feed(&again, (struct slice){flight.ptr + i, 1}, &out);
    assert_int_equal(status, tls_grab_feed(&talk->grab, flight, &out));
    if (status != TLS_MORE) /* and it stays so */
        assert_int_equal(status, tls_grab_feed(&talk->grab, flight, &out));
    assert_int_equal(again.seen.certificates_sent, talk->grab.seen.certificates_sent);
    assert_int_equal(again.seen.alert, talk->grab.seen.alert);
    free(copy);
    buffer_deinit(&out);
    talk->script.flight.len = 0;
    return status;
}

static enum tls_status play_bytes(const void *bytes, size_t len) {
    struct talk talk;
    talk_init(&talk, 0);
    buffer_add(&talk.script.flight, bytes, len);
    enum tls_status status = play(&talk);
    talk_deinit(&talk);
    return status;
}

#define PLAY(literal) play_bytes(literal, sizeof(literal) - 1)

static void not_tls(void **state) {
    (void)state;
    assert_int_equal(PLAY("HTTP/1.1 400 Bad Request\r\n\r\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("SSH-2.0-OpenSSH_9.2\r\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("220 mail.example.test ESMTP\r\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("+OK\r\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("* OK IMAP\r\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("\x80\x1b\x04\x00\x01\x00\x02"), TLS_NOT_TLS); /* SSL 2.0 SERVER-HELLO */
    assert_int_equal(PLAY("\x80\x03\x00\x00\x01"), TLS_NOT_TLS);         /* SSL 2.0 ERROR */
    assert_int_equal(PLAY("N"), TLS_NOT_TLS);
    assert_int_equal(PLAY("\x15\n"), TLS_NOT_TLS);
    assert_int_equal(PLAY("\x16\x02\x00\x00\x04"), TLS_NOT_TLS);
    assert_int_equal(PLAY("\x16\xfe\xff\x00\x04"), TLS_NOT_TLS); /* DTLS */
    assert_int_equal(PLAY("\x16\x03"), TLS_MORE);
    assert_int_equal(PLAY(""), TLS_MORE);
}

static void bad_records(void **state) {
    (void)state;
    assert_int_equal(PLAY("\x16\x03\x03\x00\x00"), TLS_BROKEN);           /* empty */
    assert_int_equal(PLAY("\x16\x03\x03\x40\x01"), TLS_BROKEN);           /* too long */
    assert_int_equal(PLAY("\x17\x03\x03\x40\x00zz"), TLS_MORE);           /* not yet known */
    assert_int_equal(PLAY("\x17\x03\x03\x41\x01"), TLS_BROKEN);           /* too long, sealed */
    assert_int_equal(PLAY("\x17\x03\x03\x00\x03yes"), TLS_BROKEN);        /* sealed, without keys */
    assert_int_equal(PLAY("\x14\x03\x03\x00\x01\x01"), TLS_BROKEN);       /* before any hello */
    assert_int_equal(PLAY("\x16\x03\x03\x00\x04\x0e\0\0\0"), TLS_BROKEN); /* no ServerHello */
    assert_int_equal(PLAY("\x15\x03\x01\x00\x02\x01\x70HTTP"), TLS_BROKEN); /* TLS, then not */
}

static void alerts(void **state) {
    struct talk talk;
    (void)state;
    talk_init(&talk, 0);
    buffer_add(&talk.script.flight, "\x15\x03\x01\x00\x02\x02\x28", 7);
    assert_int_equal(play(&talk), TLS_ALERT);
    assert_true(talk.grab.seen.alert_received);
    assert_string_equal(tls_alert_name(talk.grab.seen.alert), "handshake_failure");
    talk_deinit(&talk);
    /* "unrecognized_name" as a warning, and then close_notify */
    talk_init(&talk, 0);
    buffer_add(&talk.script.flight, "\x15\x03\x01\x00\x02\x01\x70", 7);
    assert_int_equal(play(&talk), TLS_MORE);
    talk_deinit(&talk);
    talk_init(&talk, 0);
    buffer_add(&talk.script.flight, "\x15\x03\x01\x00\x02\x01\x70\x15\x03\x01\x00\x02\x01\x00", 14);
    assert_int_equal(play(&talk), TLS_ALERT);
    assert_int_equal(talk.grab.seen.alert, 0);
    talk_deinit(&talk);
    assert_int_equal(PLAY("\x15\x03\x01\x00\x01\x02"), TLS_BROKEN);
    assert_int_equal(PLAY("\x15\x03\x01\x00\x03\x02\x28\x00"), TLS_BROKEN);
}

static void endless_trickles(void **state) {
    struct talk talk;
    (void)state;
    talk_init(&talk, 0); /* of warnings */
    for (int i = 0; i < LIMIT_FLIGHT_RECORDS; i++)
        buffer_add(&talk.script.flight, "\x15\x03\x01\x00\x02\x01\x70", 7);
    assert_int_equal(play(&talk), TLS_MORE);
    talk_deinit(&talk);
    talk_init(&talk, 0);
    for (int i = 0; i <= LIMIT_FLIGHT_RECORDS; i++)
        buffer_add(&talk.script.flight, "\x15\x03\x01\x00\x02\x01\x70", 7);
    assert_int_equal(play(&talk), TLS_TOO_LARGE);
    talk_deinit(&talk);
    talk_init(&talk, 0); /* of change_cipher_spec */
    script_server_hello13(&talk.script, share);
    for (int i = 0; i <= LIMIT_FLIGHT_RECORDS; i++)
        buffer_add(&talk.script.flight, "\x14\x03\x03\x00\x01\x01", 6);
    assert_int_equal(play(&talk), TLS_TOO_LARGE);
    talk_deinit(&talk);
    talk_init(&talk, 0); /* a message that says it is too long */
    buffer_add(&talk.script.flight, "\x16\x03\x03\x00\x04\x02\xff\xff\xff", 9);
    assert_int_equal(play(&talk), TLS_TOO_LARGE);
    talk_deinit(&talk);
}

static const struct slice leaf = {(const uint8_t *)"a certificate", 13};
static const struct slice none = {NULL, 0};

/* ServerHello and Certificate of this version in the clear, each in a record of its own or both in
 * one. */
static enum tls_status play_old(uint16_t version, uint8_t second_type, bool together,
                                const struct tls_grab_profile *from, struct talk *talk) {
    struct buffer messages;
    static const uint8_t extensions[] = {0xff, 1, 0, 1, 0};
    buffer_init(&messages);
    talk_init_from(talk, from, 0, sizeof storage);
    script_server_hello(&messages, version, 0x000a, random_bytes, none,
                        version > 0x0300 ? (struct slice){extensions, sizeof extensions} : none);
    if (!together) {
        script_record(&talk->script.flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
        messages.len = 0;
    }
    if (second_type == TLS_MESSAGE_CERTIFICATE)
        script_certificate(&messages, leaf, NULL);
    else
        script_message(&messages, second_type, none);
    script_record(&talk->script.flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
    buffer_deinit(&messages);
    return play(talk);
}

static void versions_in_the_clear(void **state) {
    struct tls_grab_options options = {.version_min = TLS_VERSION_TLS11,
                                       .version_max = TLS_VERSION_TLS12};
    struct tls_grab_profile *narrow = tls_grab_profile_new(&options);
    (void)state;
    for (uint16_t version = 0x02fe; version <= 0x0306; version++)
        for (int together = 0; together < 2; together++) {
            struct talk talk;
            enum tls_status status =
                play_old(version, TLS_MESSAGE_CERTIFICATE, together, profile, &talk);
            assert_int_equal(status,
                             version >= 0x0300 && version <= 0x0303 ? TLS_DONE : TLS_REFUSED);
            assert_int_equal(talk.grab.seen.version, version);
            if (status == TLS_DONE) {
                assert_true(slice_equal(talk.grab.seen.certificates[0], leaf));
                assert_int_equal(talk.grab.seen.cipher, 0x000a);
            }
            talk_deinit(&talk);
            status = play_old(version, TLS_MESSAGE_CERTIFICATE, together, narrow, &talk);
            assert_int_equal(status,
                             version == 0x0302 || version == 0x0303 ? TLS_DONE : TLS_REFUSED);
            talk_deinit(&talk);
        }
    tls_grab_profile_free(narrow);
}

static void no_certificate(void **state) {
    struct talk talk;
    (void)state;
    assert_int_equal(play_old(0x0303, TLS_MESSAGE_SERVER_KEY_EXCHANGE, true, profile, &talk),
                     TLS_REFUSED);
    talk_deinit(&talk);
    assert_int_equal(play_old(0x0301, TLS_MESSAGE_SERVER_HELLO_DONE, false, profile, &talk),
                     TLS_REFUSED);
    talk_deinit(&talk);
    assert_int_equal(play_old(0x0303, 20, false, profile, &talk), TLS_BROKEN);
    talk_deinit(&talk);
    assert_int_equal(play_old(0x0303, TLS_MESSAGE_CERTIFICATE_REQUEST, false, profile, &talk),
                     TLS_BROKEN);
    talk_deinit(&talk);
}

/* Certificate messages of TLS 1.2 that are off, from their body on. */
static void broken_certificate_messages(void **state) {
    static const struct {
        const char *body;
        size_t len;
        unsigned kept;
    } bodies[] = {
        {"", 0, 0},
        {"\0\0\0", 3, 0},               /* no certificate */
        {"\0\0\3\0\0\0", 6, 0},         /* an empty one */
        {"\0\0\4\0\0\1x!", 8, 0},       /* something behind the list */
        {"\0\0\4\0\0\2x", 7, 0},        /* longer than the list */
        {"\0\0\5\0\0\1x", 7, 0},        /* a list longer than the message */
        {"\0\0\6\0\0\1x\0\0", 9, 1},    /* cut behind the leaf */
        {"\0\0\7\0\0\1x\0\0\0", 10, 1}, /* an empty one behind the leaf */
        {"\0\0\x0a\0\0\1x\0\0\3yyy!\0\0\0", 17, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct talk talk;
        struct buffer messages;
        buffer_init(&messages);
        talk_init(&talk, 0);
        script_server_hello(&messages, 0x0303, 0xc02f, random_bytes, none, none);
        script_message(&messages, TLS_MESSAGE_CERTIFICATE,
                       (struct slice){(const uint8_t *)bodies[i].body, bodies[i].len});
        script_record(&talk.script.flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
        assert_int_equal(play(&talk), TLS_BROKEN);
        assert_int_equal(talk.grab.seen.certificate_count, bodies[i].kept);
        buffer_deinit(&messages);
        talk_deinit(&talk);
    }
}

/* Seals EncryptedExtensions, then what else the test wants. */
static void begin13(struct talk *talk, size_t suite) {
    talk_init(talk, suite);
    script_server_hello13(&talk->script, share);
    script_seal(&talk->script, TLS_CONTENT_HANDSHAKE,
                (struct slice){(const uint8_t *)"\x08\0\0\2\0\0", 6}, 0);
}

static void seal_certificate(struct talk *talk, struct slice extensions, size_t padding) {
    struct buffer message;
    buffer_init(&message);
    script_certificate(&message, leaf, &extensions);
    script_seal(&talk->script, TLS_CONTENT_HANDSHAKE, buffer_slice(&message), padding);
    buffer_deinit(&message);
}

static void sealed_flights(void **state) {
    (void)state;
    for (size_t suite = 0; suite < TLS13_SUITE_COUNT; suite++)
        for (size_t padding = 0; padding < 300; padding += 100) {
            struct talk talk;
            begin13(&talk, suite);
            buffer_add(&talk.script.flight, "\x14\x03\x03\x00\x01\x01", 6);
            seal_certificate(&talk, none, padding);
            assert_int_equal(play(&talk), TLS_DONE);
            assert_true(slice_equal(talk.grab.seen.certificates[0], leaf));
            assert_false(talk.grab.seen.ocsp_stapled);
            assert_int_equal(talk.grab.seen.sct_count, 0);
            talk_deinit(&talk);
        }
}

/* One byte a record: the number of a record goes past one byte, too. */
static void sealed_crumbs(void **state) {
    static const char large[300];
    struct talk talk;
    struct buffer message;
    (void)state;
    buffer_init(&message);
    script_certificate(&message, (struct slice){(const uint8_t *)large, sizeof large}, &none);
    begin13(&talk, 0);
    for (size_t i = 0; i < message.len; i++)
        script_seal(&talk.script, TLS_CONTENT_HANDSHAKE, (struct slice){message.ptr + i, 1}, 0);
    assert_int_equal(play(&talk), TLS_DONE);
    assert_int_equal(talk.grab.seen.certificates[0].len, sizeof large);
    talk_deinit(&talk);
    buffer_deinit(&message);
}

/* A request and a certificate that are each within the limit, together are not. */
static void sealed_flight_too_large(void **state) {
    static const char large[LIMIT_FLIGHT_BYTES / 2];
    struct slice half = {(const uint8_t *)large, sizeof large};
    (void)state;
    for (size_t less = 0; less <= 400; less += 400) {
        struct talk talk;
        struct buffer messages;
        buffer_init(&messages);
        script_message(&messages, TLS_MESSAGE_CERTIFICATE_REQUEST, half);
        script_certificate(&messages, slice_from(half, less), &none);
        begin13(&talk, 0);
        for (struct slice rest = buffer_slice(&messages); rest.len; rest = slice_from(rest, 16000))
            script_seal(&talk.script, TLS_CONTENT_HANDSHAKE, slice_first(rest, 16000), 0);
        assert_int_equal(play(&talk), less ? TLS_DONE : TLS_TOO_LARGE);
        talk_deinit(&talk);
        buffer_deinit(&messages);
    }
}

static void leaf_extensions(void **state) {
    static const struct {
        const char *extensions;
        size_t len;
        enum tls_status status;
        bool ocsp;
        unsigned scts;
    } cases[] = {
        {"\0\5\0\5\1\0\0\1x", 9, TLS_DONE, true, 0},
        {"\0\x12\0\7\0\5\0\1a\0\0", 11, TLS_DONE, false, 2},
        {"\0\x12\0\5\0\3\0\1a\0\5\0\5\1\0\0\1x", 18, TLS_DONE, true, 1},
        {"\xab\xcd\0\1z", 5, TLS_DONE, false, 0},
        {"\0\x12\0\5\0\3\0\2a", 9, TLS_BROKEN, false, 0},
        {"\0\x12\0\5\0\2\0\1a", 9, TLS_BROKEN, false, 0},
        {"\0\x12\0\6\0", 5, TLS_BROKEN, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        begin13(&talk, 0);
        seal_certificate(&talk, (struct slice){(const uint8_t *)cases[i].extensions, cases[i].len},
                         0);
        assert_int_equal(play(&talk), cases[i].status);
        assert_int_equal(talk.grab.seen.ocsp_stapled, cases[i].ocsp);
        assert_int_equal(talk.grab.seen.sct_count, cases[i].scts);
        assert_int_equal(talk.grab.seen.certificate_count, 1);
        talk_deinit(&talk);
    }
}

/* What may and may not stand between the TLS 1.3 ServerHello and the Certificate. */
static void sealed_order(void **state) {
    static const struct {
        uint8_t type;
        const char *content;
        size_t len;
        enum tls_status status;
    } cases[] = {
        {TLS_CONTENT_HANDSHAKE, "\x0d\0\0\3\0\0\0", 7, TLS_DONE},       /* CertificateRequest */
        {TLS_CONTENT_HANDSHAKE, "\x0d\0\0\0\x0d\0\0\0", 8, TLS_BROKEN}, /* two of them */
        {TLS_CONTENT_HANDSHAKE, "\x08\0\0\0", 4, TLS_BROKEN},
        {TLS_CONTENT_HANDSHAKE, "\x0c\0\0\0", 4, TLS_BROKEN},
        {TLS_CONTENT_HANDSHAKE, "\x14\0\0\0", 4, TLS_BROKEN},
        {TLS_CONTENT_HANDSHAKE, "\x19\0\0\0", 4, TLS_BROKEN}, /* CompressedCertificate */
        {TLS_CONTENT_HANDSHAKE, "", 0, TLS_BROKEN},
        {TLS_CONTENT_ALERT, "\2\x28", 2, TLS_ALERT},
        {TLS_CONTENT_ALERT, "\1\x74", 2, TLS_ALERT}, /* section 6: all are fatal */
        {TLS_CONTENT_ALERT, "\2", 1, TLS_BROKEN},
        {TLS_CONTENT_APPLICATION_DATA, "x", 1, TLS_BROKEN},
        {TLS_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, TLS_BROKEN},
        {0, "", 0, TLS_BROKEN}, /* all padding */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        begin13(&talk, 0);
        script_seal(&talk.script, cases[i].type,
                    (struct slice){(const uint8_t *)cases[i].content, cases[i].len}, 0);
        seal_certificate(&talk, none, 0);
        assert_int_equal(play(&talk), cases[i].status);
        assert_int_equal(talk.grab.seen.certificate_count, cases[i].status == TLS_DONE);
        assert_int_equal(talk.grab.seen.client_certificate_requested, i < 2);
        talk_deinit(&talk);
    }
}

static void clear_after_keys(void **state) {
    struct talk talk;
    struct buffer messages;
    (void)state;
    buffer_init(&messages);
    script_message(&messages, TLS_MESSAGE_ENCRYPTED_EXTENSIONS, slice_of("\x01"));
    script_certificate(&messages, leaf, &none);
    /* handshake in the clear, in a record of its own */
    talk_init(&talk, 0);
    script_server_hello13(&talk.script, share);
    script_record(&talk.script.flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
    assert_int_equal(play(&talk), TLS_BROKEN);
    talk_deinit(&talk);
    /* in the ServerHello's record */
    talk_init(&talk, 0);
    script_server_hello13(&talk.script, share);
    size_t len = talk.script.flight.len - 5 + messages.len;
    talk.script.flight.ptr[3] = (uint8_t)(len >> 8);
    talk.script.flight.ptr[4] = (uint8_t)len;
    buffer_add_slice(&talk.script.flight, buffer_slice(&messages));
    assert_int_equal(play(&talk), TLS_BROKEN);
    talk_deinit(&talk);
    /* an alert in the clear is believed: the server could not make its keys */
    talk_init(&talk, 0);
    script_server_hello13(&talk.script, share);
    buffer_add(&talk.script.flight, "\x15\x03\x03\x00\x02\x02\x32", 7);
    assert_int_equal(play(&talk), TLS_ALERT);
    talk_deinit(&talk);
    /* a change_cipher_spec of another form */
    talk_init(&talk, 0);
    script_server_hello13(&talk.script, share);
    buffer_add(&talk.script.flight, "\x14\x03\x03\x00\x01\x02", 6);
    assert_int_equal(play(&talk), TLS_BROKEN);
    talk_deinit(&talk);
    buffer_deinit(&messages);
}

/* A ServerHello of TLS 1.3 with these extensions, with or without our session id. */
static enum tls_status play_hello13(uint16_t legacy, uint16_t suite, bool echo,
                                    const char *extensions, size_t len) {
    struct talk talk;
    struct buffer message;
    buffer_init(&message);
    talk_init(&talk, 0);
    script_server_hello(&message, legacy, suite, random_bytes,
                        echo ? script_session_id(&talk.script) : none,
                        (struct slice){(const uint8_t *)extensions, len});
    script_record(&talk.script.flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&message));
    enum tls_status status = play(&talk);
    buffer_deinit(&message);
    talk_deinit(&talk);
    return status;
}

#define V13   "\0\x2b\0\2\3\4"
#define KEY32 "abcdefghijklmnopqrstuvwxyz012345"
#define SHARE "\0\x33\0\x24\0\x1d\0\x20" KEY32
#define HELLO13(legacy, suite, echo, extensions)                                                   \
    play_hello13(legacy, suite, echo, extensions, sizeof(extensions) - 1)

static void server_hello13_rules(void **state) {
    (void)state;
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 SHARE), TLS_MORE);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, SHARE V13 "\xab\xcd\0\0"), TLS_MORE);
    assert_int_equal(HELLO13(0x0304, 0x1301, true, V13 SHARE), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, false, V13 SHARE), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1304, true, V13 SHARE), TLS_REFUSED);
    assert_int_equal(HELLO13(0x0303, 0xc02f, true, V13 SHARE), TLS_REFUSED);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, "\0\x2b\0\2\3\3" SHARE), TLS_REFUSED);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, "\0\x2b\0\2\x7f\x1c" SHARE), TLS_REFUSED);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 V13 SHARE), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 SHARE SHARE), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x33\0\2\0\x18"), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x33\0\5\0\x18\0\1x"), TLS_REFUSED);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x33\0\5\0\x17\0\1x"), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x33\0\x24\0\x1d\0\x1f" KEY32),
                     TLS_BROKEN);
    static const char low_order[] = V13 "\0\x33\0\x24\0\x1d\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_int_equal(HELLO13(0x0303, 0x1301, true, low_order), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x2c\0\2\0\0" SHARE), TLS_BROKEN);
    assert_int_equal(HELLO13(0x0303, 0x1301, true, V13 "\0\x33"), TLS_BROKEN);
}

static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* Feeds a ServerHello or HelloRetryRequest with these extensions; the talk goes on. */
static enum tls_status feed_hello(struct talk *talk, const uint8_t random[32], uint16_t suite,
                                  struct slice extensions) {
    struct buffer message, record;
    uint8_t session_id[32];
    buffer_init(&message);
    buffer_init(&record);
    memcpy(session_id, random_bytes + 32, 32);
    script_server_hello(&message, 0x0303, suite, random, (struct slice){session_id, 32},
                        extensions);
    script_record(&record, TLS_CONTENT_HANDSHAKE, buffer_slice(&message));
    enum tls_status status = tls_grab_feed(&talk->grab, buffer_slice(&record), &talk->sent);
    buffer_deinit(&message);
    buffer_deinit(&record);
    return status;
}

static enum tls_status feed_retry(struct talk *talk, struct slice extensions) {
    return feed_hello(talk, retry_random, 0x1301, extensions);
}

static enum tls_status play_retry(struct talk *talk, const char *extensions, size_t len) {
    talk_init(talk, 0);
    return feed_retry(talk, (struct slice){(const uint8_t *)extensions, len});
}

#define RETRY(talk, extensions) play_retry(talk, extensions, sizeof(extensions) - 1)

/* Every group that we know can be asked for, and the second hello has its base point; what was
 * offered at once, or never, cannot. */
static void retry_groups(void **state) {
    static const uint16_t ids[] = {0x0018, 0x0019, 0x001e, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104};
    struct talk talk;
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char extensions[] = V13 "\0\x33\0\2__";
        extensions[sizeof extensions - 3] = (char)(ids[i] >> 8);
        extensions[sizeof extensions - 2] = (char)ids[i];
        talk_init(&talk, 0);
        size_t first = talk.sent.len;
        assert_int_equal(
            feed_retry(&talk, (struct slice){(uint8_t *)extensions, sizeof extensions - 1}),
            TLS_MORE);
        const struct tls_group *group = tls_group_find(ids[i]);
        uint8_t expected[TLS_SHARE_MAX];
        tls_group_base_share(group, expected);
        assert_non_null(
            memmem(talk.sent.ptr + first, talk.sent.len - first, expected, group->share_bytes));
        talk_deinit(&talk);
    }
    assert_int_equal(RETRY(&talk, V13 "\0\x33\0\2\0\x1d"), TLS_BROKEN);
    talk_deinit(&talk);
    assert_int_equal(RETRY(&talk, V13 "\0\x33\0\2\0\x17"), TLS_BROKEN);
    talk_deinit(&talk);
    assert_int_equal(RETRY(&talk, V13 "\0\x33\0\2\x11\xec"), TLS_REFUSED);
    talk_deinit(&talk);
    assert_int_equal(RETRY(&talk, V13 "\0\x33\0\3\0\x18!"), TLS_BROKEN);
    talk_deinit(&talk);
    assert_int_equal(RETRY(&talk, V13), TLS_BROKEN);
    talk_deinit(&talk);
}

/* After a request for P-384 with one suite, the ServerHello must come with both. */
static void hello_after_retry(void **state) {
    static const char share384[4 + 97] = {0, 0x18, 0, 97, 4, 1};
    static const uint16_t suites[] = {0x1301, 0x1302, 0x1303};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct talk talk;
        struct buffer extensions;
        buffer_init(&extensions);
        assert_int_equal(RETRY(&talk, V13 "\0\x33\0\2\0\x18"), TLS_MORE);
        if (i < 3) {
            buffer_add(&extensions, V13 "\0\x33\0\x65", 10);
            buffer_add(&extensions, share384, sizeof share384);
        } else {
            buffer_add(&extensions, V13 SHARE, sizeof(V13 SHARE) - 1);
        }
        assert_int_equal(feed_hello(&talk, random_bytes, suites[i % 3], buffer_slice(&extensions)),
                         i == 0   ? TLS_MORE
                         : i == 3 ? TLS_REFUSED
                                  : TLS_BROKEN);
        buffer_deinit(&extensions);
        talk_deinit(&talk);
    }
}

/* A cookie comes back in a hello that is else the same; the second request in a row is one too
 * many. */
static void retry_cookie(void **state) {
    struct talk talk;
    (void)state;
    assert_int_equal(RETRY(&talk, V13 "\0\x2c\0\7\0\5Daisy"), TLS_MORE);
    size_t len = (talk.sent.len - 11) / 2;
    const uint8_t *first = talk.sent.ptr, *second = first + len;
    size_t cookie_at = profile->head_len + 6u + TLS_HELLO_SHARES_BYTES;
    assert_memory_equal(second + 9, first + 9, profile->extensions_at - 9u);
    assert_memory_equal(second + profile->extensions_at + 2, first + profile->extensions_at + 2,
                        cookie_at - profile->extensions_at - 2);
    assert_memory_equal(second + cookie_at, "\0\x2c\0\7\0\5Daisy", 11);
    assert_memory_equal(second + cookie_at + 11, first + cookie_at, len - cookie_at);
    assert_int_equal(feed_retry(&talk, (struct slice){(const uint8_t *)V13 "\0\x33\0\2\0\x18", 12}),
                     TLS_BROKEN);
    talk_deinit(&talk);
    /* a cookie as large as a hello can be, and one that is larger */
    for (size_t cookie = 15000; cookie <= 16000; cookie += 1000) {
        struct buffer extensions;
        buffer_init(&extensions);
        buffer_add(&extensions, V13 "\0\x2c", 8);
        script_u16(&extensions, cookie + 2);
        script_u16(&extensions, cookie);
        for (size_t i = 0; i < cookie; i++)
            buffer_add_byte(&extensions, 'c');
        talk_init(&talk, 0);
        len = talk.sent.len;
        assert_int_equal(feed_retry(&talk, buffer_slice(&extensions)),
                         cookie == 15000 ? TLS_MORE : TLS_TOO_LARGE);
        assert_int_equal(talk.sent.len, cookie == 15000 ? 2 * len + 6 + cookie : len);
        talk_deinit(&talk);
        buffer_deinit(&extensions);
    }
}

/* A storage of any size holds the flight or says that it is too small, and nothing is written past
 * its end. */
static void small_storage(void **state) {
    struct talk talk;
    unsigned done = 0;
    (void)state;
    for (size_t bytes = 0; bytes < 1200; bytes++) {
        struct tls_grab grab;
        struct buffer out;
        buffer_init(&out);
        uint8_t *small = malloc(bytes + 1);
        bool started = tls_grab_start(&grab, profile, small, bytes, none, random_bytes, &out);
        assert_int_equal(started, bytes >= out.len - 5 && out.len);
        if (started) {
            script_init(&talk.script, &tls13_suites[bytes % 3], buffer_slice(&out));
            script_server_hello13(&talk.script, share);
            script_seal(&talk.script, TLS_CONTENT_HANDSHAKE,
                        (struct slice){(const uint8_t *)"\x08\0\0\2\0\0", 6}, 0);
            seal_certificate(&talk, none, 0);
            enum tls_status status = tls_grab_feed(&grab, buffer_slice(&talk.script.flight), &out);
            assert_true(status == TLS_TOO_LARGE || status == TLS_DONE);
            done += status == TLS_DONE;
            script_deinit(&talk.script);
        }
        free(small);
        buffer_deinit(&out);
    }
    assert_true(done > 100);
}

/* --- Damage ------------------------------------------------------------------------------------
 */

static enum tls_status feed_in_pieces(struct tls_grab *grab, struct slice flight,
                                      struct buffer *out) {
    enum tls_status status = TLS_MORE;
    while (flight.len && status == TLS_MORE) {
        size_t len = 1 + (size_t)random_below(&dice, flight.len);
        uint8_t *piece = malloc(len);
        memcpy(piece, flight.ptr, len);
        status = tls_grab_feed(grab, (struct slice){piece, len}, out);
        free(piece);
        flight = slice_from(flight, len);
    }
    return status;
}

/* Bit flips and cuts in the flights of a real server: whatever comes of it, in TLS 1.3 a chain is
 * only ever the right one, since the flips are not in what makes the keys and AEAD sees the rest.
 */
static void damaged_flights(void **state) {
    struct test_chain chain;
    unsigned seen[TLS_NO_MEMORY + 1] = {0};
    (void)state;
    test_chain_init(&chain, false, 2, 0);
    for (uint16_t version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *context = test_server_context(&chain, NULL, version);
        for (unsigned round = 0; round < 3000; round++) {
            struct test_server server;
            struct tls_grab grab;
            struct buffer sent, flight;
            buffer_init(&sent);
            buffer_init(&flight);
            test_server_init(&server, context);
            assert_true(
                tls_grab_start(&grab, profile, storage, sizeof storage, none, random_bytes, &sent));
            test_server_answer(&server, &sent, &flight);
            size_t len = flight.len;
            if (round % 4 == 3)
                len = (size_t)random_below(&dice, len);
            else
                for (unsigned flips = 1 + round % 3; flips; flips--) {
                    size_t span = round % 2 && len > 160 ? 160 : len;
                    flight.ptr[random_below(&dice, span)] ^= (uint8_t)(1u << round % 8);
                }
            enum tls_status status = feed_in_pieces(&grab, (struct slice){flight.ptr, len}, &sent);
            seen[status]++;
            if (status == TLS_DONE && grab.seen.version == 0x0304) {
                assert_int_equal(grab.seen.certificate_count, 2);
                for (size_t i = 0; i < 2; i++)
                    assert_memory_equal(grab.seen.certificates[i].ptr,
                                        CRYPTO_BUFFER_data(chain.certificates[i]),
                                        CRYPTO_BUFFER_len(chain.certificates[i]));
            }
            test_server_deinit(&server);
            buffer_deinit(&sent);
            buffer_deinit(&flight);
        }
        SSL_CTX_free(context);
    }
    assert_true(seen[TLS_MORE] > 100 && seen[TLS_DONE] > 100 && seen[TLS_BROKEN] > 100 &&
                seen[TLS_NOT_TLS] > 10 && seen[TLS_REFUSED] > 10);
    test_chain_deinit(&chain);
}

/* Random bytes in the shape of records. */
static void noise(void **state) {
    struct buffer out, flight;
    (void)state;
    buffer_init(&out);
    buffer_init(&flight);
    for (unsigned round = 0; round < 3000; round++) {
        struct tls_grab grab;
        uint8_t content[300];
        out.len = flight.len = 0;
        assert_true(
            tls_grab_start(&grab, profile, storage, sizeof storage, none, random_bytes, &out));
        while (flight.len < 4000) {
            size_t len = (size_t)random_below(&dice, sizeof content);
            random_fill(&dice, content, len);
            if (len > 4 && random_below(&dice, 2))
                memcpy(content, (const uint8_t[]){2, 0, 0, (uint8_t)(len - 4)}, 4);
            script_record(&flight, (uint8_t)(20 + random_below(&dice, 4)),
                          (struct slice){content, len});
        }
        assert_int_not_equal(feed_in_pieces(&grab, buffer_slice(&flight), &out), TLS_DONE);
    }
    buffer_deinit(&out);
    buffer_deinit(&flight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_tls),
        cmocka_unit_test(bad_records),
        cmocka_unit_test(alerts),
        cmocka_unit_test(endless_trickles),
        cmocka_unit_test(versions_in_the_clear),
        cmocka_unit_test(no_certificate),
        cmocka_unit_test(broken_certificate_messages),
        cmocka_unit_test(sealed_flights),
        cmocka_unit_test(sealed_crumbs),
        cmocka_unit_test(sealed_flight_too_large),
        cmocka_unit_test(leaf_extensions),
        cmocka_unit_test(sealed_order),
        cmocka_unit_test(clear_after_keys),
        cmocka_unit_test(server_hello13_rules),
        cmocka_unit_test(retry_groups),
        cmocka_unit_test(hello_after_retry),
        cmocka_unit_test(retry_cookie),
        cmocka_unit_test(small_storage),
        cmocka_unit_test(damaged_flights),
        cmocka_unit_test(noise),
    };
    struct tls_grab_options options = {0};
    random_init(&dice, 1);
    profile = tls_grab_profile_new(&options);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_grab_profile_free(profile);
    return failed;
}
