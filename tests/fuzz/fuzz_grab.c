/* Fuzzes engine/tls/grab: whatever a server sends, nothing is read or written out of bounds, and
 * what is seen stays within its limits.
 *
 * The first byte of the input picks the mode and the piece size in which the flight is fed; the
 * rest is, by mode,
 *     0  the server's bytes as they are
 *     1  behind a right TLS 1.3 ServerHello: records (type, length of two bytes, content), sealed;
 *        those with the top bit of the type set go out in the clear
 *     2  the extensions of a ServerHello (length of two bytes), and then the server's bytes
 *     3  the same, of a HelloRetryRequest */
#include "engine/tls/grab.h"
#include "tests/fuzz/take.h"
#include "tests/unit/tls/script_server.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODE_RAW, MODE_SEALED, MODE_SERVER_HELLO, MODE_RETRY };

static const uint8_t random_bytes[TLS_GRAB_RANDOM_BYTES] = {1};

static void write_sealed(struct script *script, struct slice in) {
    static const uint8_t share[32] = {9, 8, 7};
    script_server_hello13(script, share);
    while (in.len) {
        uint8_t type = take(&in, 1).ptr[0];
        struct slice content = take(&in, take_u16(&in) & 0x3fff);
        if (type & 0x80)
            script_record(&script->flight, type & 0x7f, content);
        else
            script_seal(script, type, content, 0);
    }
}

static void write_hello(struct script *script, const uint8_t random[32], struct slice in) {
    struct buffer message;
    buffer_init(&message);
    struct slice extensions = take(&in, take_u16(&in) & 0x3fff);
    script_server_hello(&message, 0x0303, script->suite->id, random, script_session_id(script),
                        extensions);
    script_record(&script->flight, TLS_CONTENT_HANDSHAKE, buffer_slice(&message));
    buffer_add_slice(&script->flight, in);
    buffer_deinit(&message);
}

static void write_flight(struct script *script, unsigned mode, struct slice in) {
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                      0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                      0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    switch (mode) {
    case MODE_RAW:
        buffer_add_slice(&script->flight, in);
        break;
    case MODE_SEALED:
        write_sealed(script, in);
        break;
    case MODE_SERVER_HELLO:
        write_hello(script, random_bytes, in);
        break;
    default:
        write_hello(script, retry, in);
        break;
    }
}

static void check(const struct tls_grab *grab, enum tls_status status, const uint8_t *storage) {
    const struct tls_observation *seen = &grab->seen;
    volatile uint8_t sink = 0;
    assert(status <= TLS_NO_MEMORY);
    assert(seen->certificate_count <= LIMIT_CHAIN_CERTIFICATES);
    assert(seen->certificate_count <= seen->certificates_sent);
    assert(status != TLS_DONE || (seen->certificate_count && seen->version));
    assert(status != TLS_ALERT || seen->alert_received);
    assert(!seen->key_proven);
    for (size_t i = 0; i < seen->certificate_count; i++) {
        struct slice der = seen->certificates[i];
        assert(der.len && der.ptr >= storage && der.len <= LIMIT_FLIGHT_BYTES &&
               der.ptr + der.len <= storage + TLS_GRAB_STORAGE_BYTES);
        sink = (uint8_t)(sink ^ der.ptr[0] ^ der.ptr[der.len - 1]);
    }
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct tls_grab_profile *profile;
    struct slice in = {data, size};
    struct tls_grab grab;
    struct script script;
    struct buffer out;

    if (size < 1)
        return 0;
    if (!profile)
        profile =
            tls_grab_profile_new(&(struct tls_grab_options){.signatures = TLS_SIGNATURES_ALL});
    uint8_t choice = take(&in, 1).ptr[0];
    uint8_t *storage = malloc(TLS_GRAB_STORAGE_BYTES);
    buffer_init(&out);
    bool ok = storage && tls_grab_start(&grab, profile, storage, TLS_GRAB_STORAGE_BYTES,
                                        slice_of("a.test"), random_bytes, &out);
    assert(ok);
    (void)ok;
    size_t first_len = out.len;
    script_init(&script, &tls13_suites[(choice >> 2) % TLS13_SUITE_COUNT], buffer_slice(&out));
    write_flight(&script, choice & 3, in);

    size_t piece_max = choice >> 4 ? (size_t)1 << ((choice >> 4) - 1) : SIZE_MAX;
    enum tls_status status = TLS_MORE;
    for (struct slice flight = buffer_slice(&script.flight); flight.len;) {
        struct slice piece = take(&flight, piece_max);
        status = tls_grab_feed(&grab, piece, &out);
    }
    check(&grab, status, storage);
    assert(out.len == first_len || (grab.retried && out.len > first_len + TLS_RECORD_HEADER_BYTES));
    script_deinit(&script);
    buffer_deinit(&out);
    free(storage);
    return 0;
}
