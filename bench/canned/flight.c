#include "bench/canned/flight.h"

#include "engine/tls/wire.h"

#include <openssl/aead.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

enum {
    ECDSA_SIGNATURE_BYTES = 71,
    RSA_SIGNATURE_BYTES = 256,
    FINISHED_BYTES = 32,
    TAG_BYTES = 16,
    SERVER_HELLO_MESSAGE_BYTES = 122,
    MESSAGE_FINISHED = 20,
    MESSAGE_CERTIFICATE_VERIFY = 15,
    SUITE_TLS13 = 0x1301,
    SUITE_TLS12_ECDSA = 0xc02b,
    SUITE_TLS12_RSA = 0xc02f,
};

static const uint8_t CHANGE_CIPHER_SPEC[] = {TLS_CONTENT_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};

/* --- Writing --- */

static bool begin_message(CBB *out, uint8_t type, CBB *body) {
    return CBB_add_u8(out, type) && CBB_add_u24_length_prefixed(out, body);
}

static bool add_random(CBB *out, size_t len) {
    uint8_t *bytes;
    return CBB_add_space(out, &bytes, len) && RAND_bytes(bytes, len);
}

static bool add_signature(CBB *out, uint16_t algorithm, bool rsa) {
    CBB signature;
    return CBB_add_u16(out, algorithm) && CBB_add_u16_length_prefixed(out, &signature) &&
           add_random(&signature, rsa ? RSA_SIGNATURE_BYTES : ECDSA_SIGNATURE_BYTES) &&
           CBB_flush(out);
}

/* RFC 5246 section 7.4.2; in TLS 1.3 (RFC 8446 section 4.4.2) with an empty context, and extensions
 * behind each entry. */
static bool add_certificates(CBB *out, const struct farm_chain *chain, bool tls13) {
    CBB body, list, entry;
    if (!begin_message(out, TLS_MESSAGE_CERTIFICATE, &body) || (tls13 && !CBB_add_u8(&body, 0)) ||
        !CBB_add_u24_length_prefixed(&body, &list))
        return false;
    for (uint32_t i = 0; i < chain->count; i++) {
        struct slice der = chain->certificates[i];
        if (!CBB_add_u24_length_prefixed(&list, &entry) ||
            !CBB_add_bytes(&entry, der.ptr, der.len) || (tls13 && !CBB_add_u16(&list, 0)))
            return false;
    }
    return CBB_flush(out);
}

static bool take(CBB *cbb, struct buffer *out) {
    if (!CBB_flush(cbb))
        return false;
    buffer_add(out, CBB_data(cbb), CBB_len(cbb));
    return !out->failed;
}

/* --- TLS 1.2: every message in a record of its own, as OpenSSL sends them --- */

static bool add_server_hello12(CBB *out, bool rsa) {
    CBB body, session, extensions, empty;
    return begin_message(out, TLS_MESSAGE_SERVER_HELLO, &body) &&
           CBB_add_u16(&body, TLS_VERSION_TLS12) && add_random(&body, TLS_RANDOM_BYTES) &&
           CBB_add_u8_length_prefixed(&body, &session) &&
           add_random(&session, TLS_SESSION_ID_BYTES) &&
           CBB_add_u16(&body, rsa ? SUITE_TLS12_RSA : SUITE_TLS12_ECDSA) && CBB_add_u8(&body, 0) &&
           CBB_add_u16_length_prefixed(&body, &extensions) &&
           CBB_add_u16(&extensions, TLSEXT_TYPE_renegotiate) && CBB_add_u16(&extensions, 1) &&
           CBB_add_u8(&extensions, 0) &&
           CBB_add_u16(&extensions, TLS_EXTENSION_EXTENDED_MASTER_SECRET) &&
           CBB_add_u16_length_prefixed(&extensions, &empty) && CBB_flush(out);
}

static bool add_key_exchange(CBB *out, const struct flight *flight, bool rsa) {
    enum { NAMED_CURVE = 3 };
    CBB body, point;
    return begin_message(out, TLS_MESSAGE_SERVER_KEY_EXCHANGE, &body) &&
           CBB_add_u8(&body, NAMED_CURVE) && CBB_add_u16(&body, TLS_GROUP_X25519) &&
           CBB_add_u8_length_prefixed(&body, &point) &&
           CBB_add_bytes(&point, flight->share, sizeof flight->share) &&
           add_signature(
               &body, rsa ? SSL_SIGN_RSA_PSS_RSAE_SHA256 : SSL_SIGN_ECDSA_SECP256R1_SHA256, rsa) &&
           CBB_flush(out);
}

static bool begin_record(CBB *out, CBB *record) {
    return CBB_add_u8(out, TLS_CONTENT_HANDSHAKE) && CBB_add_u16(out, TLS_VERSION_TLS12) &&
           CBB_add_u16_length_prefixed(out, record);
}

static bool add_messages12(CBB *out, const struct flight *flight, const struct farm_chain *chain,
                           bool rsa) {
    CBB record, empty;
    return begin_record(out, &record) && add_server_hello12(&record, rsa) && //
           begin_record(out, &record) && add_certificates(&record, chain, false) &&
           begin_record(out, &record) && add_key_exchange(&record, flight, rsa) &&
           begin_record(out, &record) &&
           begin_message(&record, TLS_MESSAGE_SERVER_HELLO_DONE, &empty) && CBB_flush(out);
}

/* --- TLS 1.3: ServerHello, then one encrypted record, as BoringSSL sends them --- */

static bool add_messages13(CBB *out, const struct farm_chain *chain, bool rsa) {
    uint16_t algorithm = rsa ? SSL_SIGN_RSA_PSS_RSAE_SHA256 : SSL_SIGN_ECDSA_SECP256R1_SHA256;
    CBB body;
    return begin_message(out, TLS_MESSAGE_ENCRYPTED_EXTENSIONS, &body) && CBB_add_u16(&body, 0) &&
           add_certificates(out, chain, true) &&
           begin_message(out, MESSAGE_CERTIFICATE_VERIFY, &body) &&
           add_signature(&body, algorithm, rsa) && begin_message(out, MESSAGE_FINISHED, &body) &&
           add_random(&body, FINISHED_BYTES) && CBB_flush(out) &&
           CBB_add_u8(out, TLS_CONTENT_HANDSHAKE); /* the record's inner type */
}

static bool add_server_hello13(CBB *out, const struct flight *flight, CBS session_id) {
    CBB body, session, extensions;
    return begin_message(out, TLS_MESSAGE_SERVER_HELLO, &body) &&
           CBB_add_u16(&body, TLS_VERSION_TLS12) &&
           CBB_add_bytes(&body, flight->random, sizeof flight->random) &&
           CBB_add_u8_length_prefixed(&body, &session) &&
           CBB_add_bytes(&session, CBS_data(&session_id), CBS_len(&session_id)) &&
           CBB_add_u16(&body, SUITE_TLS13) && CBB_add_u8(&body, 0) &&
           CBB_add_u16_length_prefixed(&body, &extensions) &&
           CBB_add_u16(&extensions, TLS_EXTENSION_SUPPORTED_VERSIONS) &&
           CBB_add_u16(&extensions, 2) && CBB_add_u16(&extensions, TLS_VERSION_TLS13) &&
           CBB_add_u16(&extensions, TLS_EXTENSION_KEY_SHARE) &&
           CBB_add_u16(&extensions, 4 + FLIGHT_SHARE_BYTES) &&
           CBB_add_u16(&extensions, TLS_GROUP_X25519) &&
           CBB_add_u16(&extensions, FLIGHT_SHARE_BYTES) &&
           CBB_add_bytes(&extensions, flight->share, sizeof flight->share) && CBB_flush(out);
}

/* --- Made once --- */

bool flight_init(struct flight *flight, uint16_t version, const struct farm_chain *chain,
                 bool rsa) {
    CBB messages;

    *flight = (struct flight){.version = version};
    buffer_init(&flight->messages);
    RAND_bytes(flight->random, sizeof flight->random);
    X25519_keypair(flight->share, flight->private_key);
    bool made = CBB_init(&messages, 4096);
    if (version == TLS_VERSION_TLS13)
        made =
            made && add_messages13(&messages, chain, rsa) && tls13_derived_init(&flight->derived);
    else
        made = made && add_messages12(&messages, flight, chain, rsa);
    made = made && take(&messages, &flight->messages);
    CBB_cleanup(&messages);
    if (!made)
        flight_deinit(flight);
    return made;
}

void flight_deinit(struct flight *flight) {
    buffer_deinit(&flight->messages);
}

size_t flight_bytes(const struct flight *flight) {
    if (flight->version < TLS_VERSION_TLS13)
        return flight->messages.len;
    return TLS_RECORD_HEADER_BYTES + SERVER_HELLO_MESSAGE_BYTES + sizeof CHANGE_CIPHER_SPEC +
           TLS_RECORD_HEADER_BYTES + flight->messages.len + TAG_BYTES;
}

/* --- For each hello --- */

/* What of a ClientHello matters here. */
struct hello {
    CBS message, session_id, share;
};

static bool read_share(CBS extension, CBS *out) {
    CBS list, share;
    uint16_t group;
    if (!CBS_get_u16_length_prefixed(&extension, &list))
        return false;
    while (CBS_get_u16(&list, &group) && CBS_get_u16_length_prefixed(&list, &share)) {
        if (group == TLS_GROUP_X25519 && CBS_len(&share) == FLIGHT_SHARE_BYTES) {
            *out = share;
            return true;
        }
    }
    return false;
}

static bool read_hello(struct slice record, struct hello *hello) {
    CBS in, body, suites, compressions, extensions, extension;
    uint8_t content, type;
    uint16_t version, id;

    *hello = (struct hello){0};
    CBS_init(&in, record.ptr, record.len);
    if (!CBS_get_u8(&in, &content) || content != TLS_CONTENT_HANDSHAKE ||
        !CBS_get_u16(&in, &version) || !CBS_get_u16_length_prefixed(&in, &hello->message))
        return false;
    in = hello->message;
    if (!CBS_get_u8(&in, &type) || type != TLS_MESSAGE_CLIENT_HELLO ||
        !CBS_get_u24_length_prefixed(&in, &body) || !CBS_get_u16(&body, &version) ||
        !CBS_skip(&body, TLS_RANDOM_BYTES) ||
        !CBS_get_u8_length_prefixed(&body, &hello->session_id) ||
        CBS_len(&hello->session_id) > TLS_SESSION_ID_BYTES ||
        !CBS_get_u16_length_prefixed(&body, &suites) ||
        !CBS_get_u8_length_prefixed(&body, &compressions))
        return false;
    if (!CBS_get_u16_length_prefixed(&body, &extensions))
        return true; /* older hellos have none */
    while (CBS_get_u16(&extensions, &id) && CBS_get_u16_length_prefixed(&extensions, &extension))
        if (id == TLS_EXTENSION_KEY_SHARE && !read_share(extension, &hello->share))
            return false;
    return true;
}

/* The secret that both sides share. With the base point, the public key of scalar 1, it is our own
 * share. */
static bool shared_secret(const struct flight *flight, const CBS *theirs,
                          uint8_t secret[FLIGHT_SHARE_BYTES]) {
    static const uint8_t BASE_POINT[FLIGHT_SHARE_BYTES] = {9};
    if (!CBS_mem_equal(theirs, BASE_POINT, sizeof BASE_POINT))
        return X25519(secret, flight->private_key, CBS_data(theirs));
    memcpy(secret, flight->share, FLIGHT_SHARE_BYTES);
    return true;
}

static bool server_keys(const struct flight *flight, const struct hello *hello,
                        struct slice server_hello, const struct tls13_suite *suite,
                        struct tls13_keys *keys) {
    uint8_t secret[FLIGHT_SHARE_BYTES], hash[TLS13_HASH_MAX];
    struct buffer transcript;

    buffer_init(&transcript);
    buffer_add(&transcript, CBS_data(&hello->message), CBS_len(&hello->message));
    buffer_add_slice(&transcript, server_hello);
    bool made = !transcript.failed && shared_secret(flight, &hello->share, secret) &&
                tls13_hash(suite, buffer_slice(&transcript), hash) &&
                tls13_server_keys(suite, &flight->derived, (struct slice){secret, sizeof secret},
                                  hash, keys);
    buffer_deinit(&transcript);
    return made;
}

static bool add_record_header(CBB *out, uint8_t type, size_t len) {
    return CBB_add_u8(out, type) && CBB_add_u16(out, TLS_VERSION_TLS12) &&
           CBB_add_u16(out, (uint16_t)len);
}

/* Encrypts the messages as the server's first record, RFC 8446 section 5.2. */
static bool add_encrypted(CBB *out, const struct flight *flight, const struct tls13_suite *suite,
                          const struct tls13_keys *keys) {
    size_t room = flight->messages.len + TAG_BYTES, len;
    const uint8_t header[] = {TLS_CONTENT_APPLICATION_DATA, 3, 3, (uint8_t)(room >> 8),
                              (uint8_t)room};
    EVP_AEAD_CTX context;
    uint8_t *sealed;

    if (!CBB_add_bytes(out, header, sizeof header) || !CBB_add_space(out, &sealed, room) ||
        !EVP_AEAD_CTX_init(&context, suite->aead(), keys->key, suite->key_bytes,
                           EVP_AEAD_DEFAULT_TAG_LENGTH, NULL))
        return false;
    bool done =
        EVP_AEAD_CTX_seal(&context, sealed, &len, room, keys->iv, sizeof keys->iv,
                          flight->messages.ptr, flight->messages.len, header, sizeof header);
    EVP_AEAD_CTX_cleanup(&context);
    return done;
}

static bool answer13(const struct flight *flight, const struct hello *hello, CBB *out) {
    const struct tls13_suite *suite = tls13_suite_find(SUITE_TLS13);
    struct tls13_keys keys;
    CBB server_hello;
    uint8_t bytes[SERVER_HELLO_MESSAGE_BYTES];
    size_t len;

    if (CBS_len(&hello->share) == 0 || !CBB_init_fixed(&server_hello, bytes, sizeof bytes) ||
        !add_server_hello13(&server_hello, flight, hello->session_id) ||
        !CBB_finish(&server_hello, NULL, &len))
        return false;
    return add_record_header(out, TLS_CONTENT_HANDSHAKE, len) && CBB_add_bytes(out, bytes, len) &&
           CBB_add_bytes(out, CHANGE_CIPHER_SPEC, sizeof CHANGE_CIPHER_SPEC) &&
           server_keys(flight, hello, (struct slice){bytes, len}, suite, &keys) &&
           add_encrypted(out, flight, suite, &keys);
}

bool flight_answer(const struct flight *flight, struct slice record, struct buffer *out) {
    struct hello hello;
    CBB answer;

    if (!read_hello(record, &hello))
        return false;
    if (flight->version < TLS_VERSION_TLS13) {
        buffer_add_slice(out, buffer_slice(&flight->messages));
        return !out->failed;
    }
    size_t room = flight_bytes(flight);
    uint8_t *at = buffer_reserve(out, room);
    if (!at || !CBB_init_fixed(&answer, at, room))
        return false;
    bool made = answer13(flight, &hello, &answer);
    out->len += made ? CBB_len(&answer) : 0;
    CBB_cleanup(&answer);
    return made;
}
