/* Fuzzes engine/tls/handshake: whatever a server sends, BoringSSL's client and what is around it
 * read nothing out of bounds, leak nothing, leave no error behind, and believe only a server that
 * has proven its key.
 *
 * The first byte of the input picks the mode (low 3 bits), a server's version (next bit) and the
 * size of the pieces in which bytes are fed (high half); the rest is, by mode,
 *     0  the server's bytes as they are
 *     1  behind a right TLS 1.3 ServerHello: records (type, length of two bytes, content), sealed
 *        with the right keys; those with the top bit of the type set go out in the clear
 *     2  the extensions of a ServerHello (length of two bytes), and then the server's bytes
 *     3  the same, of a HelloRetryRequest
 *     4  damage to the flights of a right server: place (two bytes), what to flip there (one byte);
 *        where nothing is flipped the flight ends
 *     5  the same, of a handshake that is to leave a session, and of what follows it
 * BoringSSL's randomness cannot be fixed, so that the same input takes other bytes, but the same
 * way. */
#include "engine/tls/handshake.h"

#include "tests/fuzz/take.h"
#include "tests/unit/tls/memory_server.h"
#include "tests/unit/tls/script_server.h"

#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MODE_RAW,
    MODE_SEALED,
    MODE_SERVER_HELLO,
    MODE_RETRY,
    MODE_DAMAGE,
    MODE_SESSION,
    MODE_COUNT
};

/* Made once. */
static struct tls_client *client;
static struct test_chain chain;
static SSL_CTX *servers[2]; /* of TLS 1.2 and 1.3 */

static void require(bool condition) {
    if (!condition)
        abort();
}

static void set_up(void) {
    client = tls_client_new(NULL);
    require(client != NULL);
    test_chain_init(&chain, false, 2, 0);
    for (uint16_t i = 0; i < 2; i++)
        servers[i] = test_server_context(&chain, NULL, (uint16_t)(TLS1_2_VERSION + i));
}

/* The X25519 share of the client's hello. */
static bool find_share(struct slice hello_record, const uint8_t **share) {
    CBS hello, part, extensions, body, shares, key;
    uint16_t type, group;

    CBS_init(&hello, hello_record.ptr, hello_record.len);
    if (!CBS_skip(&hello, TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES + 2 + 32) ||
        !CBS_get_u8_length_prefixed(&hello, &part) || !CBS_get_u16_length_prefixed(&hello, &part) ||
        !CBS_get_u8_length_prefixed(&hello, &part) ||
        !CBS_get_u16_length_prefixed(&hello, &extensions))
        return false;
    while (CBS_get_u16(&extensions, &type) && CBS_get_u16_length_prefixed(&extensions, &body)) {
        if (type != TLS_EXTENSION_KEY_SHARE || !CBS_get_u16_length_prefixed(&body, &shares))
            continue;
        while (CBS_get_u16(&shares, &group) && CBS_get_u16_length_prefixed(&shares, &key)) {
            *share = CBS_data(&key);
            if (group == TLS_GROUP_X25519 && CBS_len(&key) == 32)
                return true;
        }
    }
    return false;
}

static void write_sealed(struct script *script, struct slice hello_record, struct slice in) {
    static const uint8_t scalar[32] = {9, 8, 7};
    uint8_t share[32], secret[32];
    const uint8_t *peer;

    require(find_share(hello_record, &peer));
    X25519_public_from_private(share, scalar);
    require(X25519(secret, scalar, peer));
    script_server_hello13_of(script, script_session_id(script), TLS_GROUP_X25519,
                             (struct slice){share, 32}, (struct slice){secret, 32});
    while (in.len) {
        uint8_t type = take(&in, 1).ptr[0];
        struct slice content = take(&in, take_u16(&in) & 0x3fff);
        if (type & 0x80)
            script_record(&script->flight, type & 0x7f, content);
        else
            script_seal(script, type, content, 0);
    }
}

static void write_hello(struct script *script, bool retry, struct slice in) {
    static const uint8_t usual[32] = {7},
                         again[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                      0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                      0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    struct slice extensions = take(&in, take_u16(&in) & 0x3fff);
    struct buffer message;
    buffer_init(&message);
    script_server_hello(&message, 0x0303, script->suite->id, retry ? again : usual,
                        script_session_id(script), extensions);
    script_record(&script->flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&message));
    buffer_add_slice(&script->flight, in);
    buffer_deinit(&message);
}

static enum tls_status feed(struct tls_handshake *handshake, struct slice flight, size_t piece_max,
                            struct buffer *out) {
    enum tls_status status = handshake->status;
    while (flight.len) {
        struct slice piece = take(&flight, piece_max);
        uint8_t *copy = malloc(piece.len); /* so that reads past its end are seen */
        memcpy(copy, piece.ptr, piece.len);
        status = tls_handshake_feed(handshake, (struct slice){copy, piece.len}, out);
        free(copy);
    }
    return status;
}

static enum tls_status play_script(struct tls_handshake *handshake, unsigned mode, struct slice in,
                                   size_t piece_max, struct buffer *sent) {
    struct script script;
    script_init(&script, &tls13_suites[0], buffer_slice(sent));
    if (mode == MODE_RAW)
        buffer_add_slice(&script.flight, in);
    else if (mode == MODE_SEALED)
        write_sealed(&script, buffer_slice(sent), in);
    else
        write_hello(&script, mode == MODE_RETRY, in);
    enum tls_status status = feed(handshake, buffer_slice(&script.flight), piece_max, sent);
    script_deinit(&script);
    require(status != TLS_DONE && !handshake->seen.key_proven);
    return status;
}

static void damage(struct buffer *flight, struct slice *in) {
    while (in->len) {
        size_t at = take_u16(in);
        struct slice flip = take(in, 1);
        if (at >= flight->len)
            continue;
        if (!flip.len || !flip.ptr[0]) {
            flight->len = at;
            return;
        }
        flight->ptr[at] ^= flip.ptr[0];
    }
}

/* Behind the handshake: a ticket of TLS 1.3, and a greeting. */
static void talk(struct test_server *server, struct buffer *flight) {
    const uint8_t *bytes;
    size_t len;

    SSL_write(server->ssl, "hello", 5);
    BIO_mem_contents(server->out, &bytes, &len);
    buffer_add(flight, bytes, len);
    (void)BIO_reset(server->out);
}

static enum tls_status play_damage(struct tls_handshake *handshake, SSL_CTX *context,
                                   struct slice in, size_t piece_max, struct buffer *sent) {
    enum tls_status status = TLS_MORE;
    struct test_server server;
    struct buffer flight;

    buffer_init(&flight);
    test_server_init(&server, context);
    for (int turn = 0; turn < 3 && status == TLS_MORE && sent->len; turn++) {
        flight.len = 0;
        test_server_answer(&server, sent, &flight);
        if (!SSL_in_init(server.ssl))
            talk(&server, &flight);
        ERR_clear_error(); /* the server's */
        damage(&flight, &in);
        status = feed(handshake, buffer_slice(&flight), piece_max, sent);
    }
    test_server_deinit(&server);
    buffer_deinit(&flight);
    if (status == TLS_DONE) { /* then nothing that counts was damaged */
        require(handshake->seen.key_proven && handshake->seen.certificate_count == chain.count);
        for (size_t i = 0; i < chain.count; i++)
            require(slice_equal(handshake->seen.certificates[i],
                                (struct slice){CRYPTO_BUFFER_data(chain.certificates[i]),
                                               CRYPTO_BUFFER_len(chain.certificates[i])}));
    }
    return status;
}

static void check(struct tls_handshake *handshake, enum tls_status status, struct buffer *sent) {
    const struct tls_observation *seen = &handshake->seen;
    volatile uint8_t sink = 0;
    size_t sent_len = sent->len;
    require(status <= TLS_REFUSED && status == handshake->status);
    require(ERR_peek_error() == 0);
    require(seen->certificate_count <= LIMIT_CHAIN_CERTIFICATES);
    require(seen->certificate_count <= seen->certificates_sent);
    require(status != TLS_ALERT || seen->alert_received);
    require(seen->alpn_len <= sizeof seen->alpn);
    require((tls_handshake_reason(handshake) != NULL) ==
            (status != TLS_MORE && status != TLS_DONE));
    for (size_t i = 0; i < seen->certificate_count; i++)
        for (size_t k = 0; k < seen->certificates[i].len; k++)
            sink = (uint8_t)(sink ^ seen->certificates[i].ptr[k]);
    (void)sink;
    if (status != TLS_MORE) /* it stays so, and says nothing more */
        require(tls_handshake_feed(handshake, slice_of("\x16\x03\x03"), sent) == status &&
                sent->len == sent_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size};
    struct tls_handshake handshake;
    struct buffer sent;

    if (size < 1)
        return 0;
    if (!client)
        set_up();
    uint8_t choice = take(&in, 1).ptr[0];
    size_t piece_max = choice >> 4 ? (size_t)1 << ((choice >> 4) - 1) : SIZE_MAX;
    unsigned mode = (choice & 7) % MODE_COUNT;
    buffer_init(&sent);
    const struct tls_resumption wish = {.version = choice & 8 ? TLS1_3_VERSION : TLS1_2_VERSION,
                                        .tickets = true};
    require(
        mode == MODE_SESSION
            ? tls_handshake_start_resumption(&handshake, client, &wish, slice_of("a.test"), &sent)
            : tls_handshake_start(&handshake, client, slice_of("a.test"), &sent));
    enum tls_status status =
        mode >= MODE_DAMAGE
            ? play_damage(&handshake, servers[choice >> 3 & 1], in, piece_max, &sent)
            : play_script(&handshake, mode, in, piece_max, &sent);
    check(&handshake, status, &sent);
    require(mode == MODE_SESSION || !handshake.session);
    tls_handshake_end(&handshake);
    buffer_deinit(&sent);
    return 0;
}
