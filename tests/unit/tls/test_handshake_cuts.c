/* A server's flight cut in two at each of its bytes, and a server that stalls there: the handshake
 * goes on as if nothing had been, and holds little until then. */
#include "tests/unit/tls/handshake_run.h"

#include <malloc.h>
#include <stdlib.h>

/* Appends the server's answer to the flight, which is emptied first. */
static void answer(struct run *run, struct test_server *server) {
    run->flight.len = 0;
    test_server_answer(server, &run->sent, &run->flight);
    ERR_clear_error(); /* the server's */
}

static enum tls_status feed_copy(struct run *run, const uint8_t *bytes, size_t len) {
    /* a copy of its own, so that a sanitizer sees reads past its end */
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    enum tls_status status =
        tls_handshake_feed(&run->handshake, (struct slice){copy, len}, &run->sent);
    free(copy);
    return status;
}

/* Cuts flight number `which` of the server at `cut`; false when it is not that long. */
static bool check_cut(struct run *run, int which, size_t cut, size_t fragment) {
    struct test_server server;
    enum tls_status status = TLS_MORE;
    bool reached = false;
    run_again(run, run->client);
    test_server_init(&server, run->context);
    if (fragment)
        SSL_set_max_send_fragment(server.ssl, fragment);
    for (int turn = 0; turn < 4 && status == TLS_MORE; turn++) {
        answer(run, &server);
        size_t first = 0;
        if (turn == which && cut < run->flight.len) {
            reached = true;
            first = cut;
            assert_int_equal(feed_copy(run, run->flight.ptr, first), TLS_MORE);
        }
        status = feed_copy(run, run->flight.ptr + first, run->flight.len - first);
    }
    assert_int_equal(status, TLS_DONE);
    run_assert_chain(run);
    test_server_deinit(&server);
    return reached;
}

static void cuts(void **state) {
    static const size_t fragments[] = {0, 512};
    (void)state;
    for (uint16_t version = TLS1_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t i = 0; i < 2; i++) {
            struct run run;
            size_t total = 0;
            run_init(&run, false, 1, 0, version, NULL);
            for (int which = 0; which < 2; which++)
                for (size_t cut = 0; check_cut(&run, which, cut, fragments[i]); cut++)
                    total++;
            assert_true(total > 500);
            run_deinit(&run);
        }
}

/* What is known when a server stalls: the chain, as soon as it is there whole. */
static void stalled_servers(void **state) {
    (void)state;
    for (uint16_t version = TLS1_VERSION; version <= TLS1_3_VERSION; version++) {
        struct run run;
        size_t with = 0, without = 0;
        run_init(&run, true, 1, 0, version, NULL);
        for (size_t cut = 0;; cut++) {
            const struct tls_observation *seen = &run.handshake.seen;
            struct test_server server;
            run_again(&run, run.client);
            test_server_init(&server, run.context);
            SSL_set_max_send_fragment(server.ssl, 512);
            answer(&run, &server);
            test_server_deinit(&server);
            if (cut >= run.flight.len)
                break;
            assert_int_equal(feed_copy(&run, run.flight.ptr, cut), TLS_MORE);
            assert_false(seen->key_proven);
            if (seen->certificate_count)
                run_assert_chain(&run);
            *(seen->certificate_count ? &with : &without) += 1;
        }
        assert_true(with > 10 && without > 500);
        run_deinit(&run);
    }
}

/* --- Memory ------------------------------------------------------------------------------------
 */

enum {
    SESSIONS = 50,
    /* What BoringSSL makes for a handshake whose hello is out, and the struct; and for one that has
       got some of the server's flight, beside the bytes that have come. */
    BYTES_AFTER_HELLO = 6 * 1024,
    BYTES_WHILE_READING = 6 * 1024 + 512,
    MALLOC_OVERHEAD = 8,
};

/* BoringSSL takes these for its allocations when a program has them. */
void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *memory);
size_t OPENSSL_memory_get_size(void *memory);

static size_t live_bytes;

/* Each block begins with the size that was asked for: what malloc would give differs from one to
 * the next, and sanitizers tell something else. */
enum { HEAD_BYTES = 16 };

static size_t taken_bytes(size_t size) {
    return (size + MALLOC_OVERHEAD + 15) / 16 * 16;
}

void *OPENSSL_memory_alloc(size_t size) {
    uint8_t *block = malloc(HEAD_BYTES + size);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    live_bytes += taken_bytes(size);
    return block + HEAD_BYTES;
}

size_t OPENSSL_memory_get_size(void *memory) {
    size_t size = 0;
    if (memory)
        memcpy(&size, (uint8_t *)memory - HEAD_BYTES, sizeof size);
    return size;
}

void OPENSSL_memory_free(void *memory) {
    if (!memory)
        return;
    live_bytes -= taken_bytes(OPENSSL_memory_get_size(memory));
    free((uint8_t *)memory - HEAD_BYTES);
}

struct session {
    struct tls_handshake handshake;
    struct buffer flight;
};

/* A session with its hello sent and the server's answer at hand. */
static void start_session(struct session *session, const struct run *run) {
    struct test_server server;
    struct buffer sent;
    buffer_init(&session->flight);
    buffer_init(&sent);
    assert_true(
        tls_handshake_start(&session->handshake, run->client, slice_of("www.example.org"), &sent));
    test_server_init(&server, run->context);
    test_server_answer(&server, &sent, &session->flight);
    test_server_deinit(&server);
    buffer_deinit(&sent);
}

/* Feeds each session the part of its flight between two quarters. */
static void feed_sessions(struct session *sessions, size_t from, size_t to) {
    struct buffer out;
    buffer_init(&out);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct slice flight = buffer_slice(&sessions[i].flight);
        size_t start = flight.len * from / 4, end = flight.len * to / 4;
        tls_handshake_feed(&sessions[i].handshake, slice_from(slice_first(flight, end), start),
                           &out);
    }
    buffer_deinit(&out);
}

/* Bytes that one session takes; `before` is what the rest takes. */
static size_t session_bytes(const struct session *sessions, size_t before) {
    size_t ours = 0;
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_null(sessions[i].handshake.chain); /* BoringSSL has it, and nobody twice */
        ours += sizeof sessions[i].handshake;
        if (sessions[i].handshake.partial.ptr)
            ours += malloc_usable_size(sessions[i].handshake.partial.ptr) + MALLOC_OVERHEAD;
    }
    return (live_bytes - before + ours) / SESSIONS;
}

static void check_memory(uint16_t version, enum tls_status end) {
    static struct session sessions[SESSIONS];
    struct run run;
    run_init(&run, false, 3, 800, version, NULL);
    size_t before = live_bytes;
    for (size_t i = 0; i < SESSIONS; i++)
        start_session(&sessions[i], &run);
    size_t flight = sessions[0].flight.len;
    assert_in_range(flight, 3500, 4500);
    assert_in_range(session_bytes(sessions, before), 4096, BYTES_AFTER_HELLO);
    feed_sessions(sessions, 0, 2);
    assert_in_range(session_bytes(sessions, before), 4096, BYTES_WHILE_READING + flight / 2);
    feed_sessions(sessions, 2, 4);
    /* Until TLS 1.2 is done BoringSSL keeps room for its longest message, and a third more. */
    assert_in_range(session_bytes(sessions, before), 4096,
                    BYTES_WHILE_READING + (end == TLS_DONE ? flight : flight * 5 / 2));
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_int_equal(sessions[i].handshake.status, end);
        assert_int_equal(sessions[i].handshake.seen.certificate_count, 3);
        tls_handshake_end(&sessions[i].handshake);
        buffer_deinit(&sessions[i].flight);
    }
    assert_int_equal(live_bytes, before);
    run_deinit(&run);
}

static void memory(void **state) {
    (void)state;
    check_memory(TLS1_2_VERSION, TLS_MORE);
    check_memory(TLS1_3_VERSION, TLS_DONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts),
        cmocka_unit_test(stalled_servers),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
