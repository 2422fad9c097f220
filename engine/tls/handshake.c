#include "engine/tls/handshake.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

struct tls_client {
    SSL_CTX *context;
    BIO_METHOD *method;                    /* its data is the struct tls_handshake */
    const struct tls_client *without_alpn; /* behind this one in memory, or this one itself */
};

enum { BYTES_IN_MAX = LIMIT_FLIGHT_BYTES * 2 };

static const uint16_t signature_algorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384,
    SSL_SIGN_ECDSA_SECP521R1_SHA512,
    SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA512,
    SSL_SIGN_ECDSA_SHA1,
    SSL_SIGN_RSA_PKCS1_SHA1,
};

/* The BIO: reads what is left of the input, appends to the output. It leads from BoringSSL's object
 * to ours, too, without the ex_data that would cost each handshake two allocations. */

static struct tls_handshake *handshake_of(const SSL *ssl) {
    return BIO_get_data(SSL_get_rbio(ssl));
}

static int transport_read(BIO *bio, char *out, int len) {
    struct tls_handshake *handshake = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    size_t count = handshake->input.len < (size_t)len ? handshake->input.len : (size_t)len;
    if (count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, handshake->input.ptr, count);
    handshake->input.ptr += count;
    handshake->input.len -= count;
    return (int)count;
}

static int transport_write(BIO *bio, const char *bytes, int len) {
    struct tls_handshake *handshake = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    buffer_add(handshake->output, bytes, (size_t)len);
    if (handshake->output->failed) {
        handshake->status = TLS_NO_MEMORY;
        return -1;
    }
    return len;
}

static long transport_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* What is seen on the way, before BoringSSL judges it. */

static void see_server_hello(struct tls_handshake *handshake, CBS body) {
    uint16_t version, cipher;
    CBS session_id;
    if (!CBS_get_u16(&body, &version) || !CBS_skip(&body, SSL3_RANDOM_SIZE) ||
        !CBS_get_u8_length_prefixed(&body, &session_id) || !CBS_get_u16(&body, &cipher))
        return;
    handshake->seen.version = cipher >> 8 == 0x13 ? TLS1_3_VERSION : version;
    handshake->seen.cipher = cipher;
}

/* The slices lie in a copy of the message. */
static void see_certificates(struct tls_handshake *handshake, CBS body) {
    struct tls_observation *seen = &handshake->seen;
    bool tls13 = SSL_version(handshake->ssl) >= TLS1_3_VERSION;
    CBS context, list, der, extensions;
    if (seen->certificates_sent || (tls13 && !CBS_get_u8_length_prefixed(&body, &context)) ||
        !CBS_get_u24_length_prefixed(&body, &list) || !CBS_len(&list))
        return;
    handshake->chain = malloc(CBS_len(&list));
    if (!handshake->chain) {
        handshake->status = TLS_NO_MEMORY;
        return;
    }
    memcpy(handshake->chain, CBS_data(&list), CBS_len(&list));
    CBS_init(&list, handshake->chain, CBS_len(&list));
    while (CBS_get_u24_length_prefixed(&list, &der) &&
           (!tls13 || CBS_get_u16_length_prefixed(&list, &extensions))) {
        if (seen->certificates_sent < UINT16_MAX)
            seen->certificates_sent++;
        if (seen->certificate_count < LIMIT_CHAIN_CERTIFICATES)
            seen->certificates[seen->certificate_count++] =
                (struct slice){CBS_data(&der), CBS_len(&der)};
    }
}

/* The raw message rather than SSL_get0_peer_certificates, which has nothing when BoringSSL cannot
 * parse the leaf. */
static void on_message(int is_write, int version, int content_type, const void *bytes, size_t len,
                       SSL *ssl, void *arg) {
    struct tls_handshake *handshake = handshake_of(ssl);
    CBS message, body;
    uint8_t type;
    (void)version;
    (void)arg;
    CBS_init(&message, bytes, len);
    if (is_write || content_type != SSL3_RT_HANDSHAKE || !CBS_get_u8(&message, &type) ||
        !CBS_get_u24_length_prefixed(&message, &body))
        return;
    bool greeted = SSL_get_pending_cipher(ssl) != NULL;
    if (type == SSL3_MT_SERVER_HELLO)
        see_server_hello(handshake, body);
    else if (type == SSL3_MT_CERTIFICATE && greeted)
        see_certificates(handshake, body);
    else if (type == SSL3_MT_CERTIFICATE_REQUEST && greeted)
        handshake->seen.client_certificate_requested = true;
}

static enum ssl_verify_result_t accept_any(SSL *ssl, uint8_t *alert) {
    (void)ssl;
    (void)alert;
    return ssl_verify_ok;
}

/* The server demands a certificate, and has had its say: its Finished in TLS 1.3, its
 * ServerHelloDone before, when only a signed key exchange has proven the key. Goes on without. */
static int on_certificate_wanted(SSL *ssl, void *arg) {
    struct tls_handshake *handshake = handshake_of(ssl);
    const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl);
    (void)arg;
    handshake->seen.client_certificate_requested = true;
    if (cipher && SSL_CIPHER_get_kx_nid(cipher) != NID_kx_rsa)
        handshake->seen.key_proven = true;
    return 1;
}

/* Sessions are for those who ask for one; one that has an id alone is not for those who want
 * tickets. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_handshake *handshake = handshake_of(ssl);
    bool fits = (SSL_get_options(ssl) & SSL_OP_NO_TICKET) || SSL_SESSION_has_ticket(session);
    if (!handshake->keeps_session || handshake->session || !fits)
        return 0;
    handshake->session = session;
    return 1;
}

static bool context_init(SSL_CTX *context, const struct tls_client_options *options) {
    int groups[TLS_CLIENT_GROUPS_MAX];
    for (size_t i = 0; i < options->group_count; i++)
        groups[i] = tls_client_group_nid(options->groups[i]);
    SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER, accept_any);
    SSL_CTX_set_cert_cb(context, on_certificate_wanted, NULL);
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_max_cert_list(context, LIMIT_FLIGHT_BYTES);
    SSL_CTX_enable_ocsp_stapling(context);
    SSL_CTX_enable_signed_cert_timestamps(context);
    /* A server that chooses what was not offered is wrong, but the record shall say what it was. */
    SSL_CTX_set_allow_unknown_alpn_protos(context, 1);
    return SSL_CTX_set_min_proto_version(context, options->version_min) &&
           SSL_CTX_set_max_proto_version(context, options->version_max) &&
           SSL_CTX_set_cipher_list(context, "ALL:DES-CBC3-SHA") &&
           SSL_CTX_set1_curves(context, groups, options->group_count) &&
           SSL_CTX_set_alpn_protos(context, options->alpn, options->alpn_len) == 0 &&
           SSL_CTX_set_verify_algorithm_prefs(context, signature_algorithms,
                                              sizeof signature_algorithms /
                                                  sizeof signature_algorithms[0]);
}

static BIO_METHOD *transport_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "trawl");
    if (method && (!BIO_meth_set_read(method, transport_read) ||
                   !BIO_meth_set_write(method, transport_write) ||
                   !BIO_meth_set_ctrl(method, transport_control))) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* Two clients that differ in ALPN only. The second stays empty when there is none anyway. */
static bool clients_init(struct tls_client clients[2], const struct tls_client_options *options) {
    struct tls_client_options without_alpn = *options;
    BIO_METHOD *method = transport_new();
    bool ok = method != NULL;
    without_alpn.alpn_len = 0;
    for (size_t i = 0; i < (options->alpn_len ? 2 : 1); i++) {
        clients[i].context = SSL_CTX_new(TLS_with_buffers_method());
        clients[i].method = method;
        clients[i].without_alpn = &clients[options->alpn_len ? 1 : 0];
        ok = ok && clients[i].context &&
             context_init(clients[i].context, i ? &without_alpn : options);
    }
    return ok;
}

struct tls_client *tls_client_new(const struct tls_client_options *options) {
    const struct tls_client_options usual = tls_client_options_default();
    if (!options)
        options = &usual;
    assert(options->version_min >= TLS1_VERSION && options->version_min <= options->version_max &&
           options->version_max <= TLS1_3_VERSION && options->group_count);
    struct tls_client *clients = calloc(2, sizeof *clients);
    if (clients && !clients_init(clients, options)) {
        tls_client_free(clients);
        clients = NULL;
    }
    ERR_clear_error();
    return clients;
}

void tls_client_free(struct tls_client *client) {
    if (!client)
        return;
    SSL_CTX_free(client[0].context);
    SSL_CTX_free(client[1].context);
    if (client->method)
        BIO_meth_free(client->method);
    free(client);
}

const struct tls_client *tls_client_without_alpn(const struct tls_client *client) {
    return client->without_alpn;
}

static bool set_server_name(SSL *ssl, struct slice sni) {
    char name[LIMIT_HOST_NAME_BYTES + 1];
    if (sni.len == 0 || sni.len > LIMIT_HOST_NAME_BYTES || memchr(sni.ptr, 0, sni.len))
        return true;
    memcpy(name, sni.ptr, sni.len);
    name[sni.len] = 0;
    return SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool set_protocol(SSL *ssl, const char *protocol) {
    uint8_t list[1 + UINT8_MAX];
    size_t len = strlen(protocol);
    assert(len && len <= UINT8_MAX);
    list[0] = (uint8_t)len;
    memcpy(list + 1, protocol, len);
    return SSL_set_alpn_protos(ssl, list, 1 + len) == 0;
}

/* With nothing wished for every version of the context is offered, and no ticket. */
static bool set_resumption(struct tls_handshake *handshake, const struct tls_resumption *wish) {
    SSL *ssl = handshake->ssl;
    if (!wish)
        return true;
    handshake->keeps_session = !wish->session;
    handshake->prompt = wish->prompt;
    if (wish->tickets)
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
    return SSL_set_min_proto_version(ssl, wish->version) &&
           SSL_set_max_proto_version(ssl, wish->version) &&
           (!wish->protocol || set_protocol(ssl, wish->protocol)) &&
           (!wish->session || SSL_set_session(ssl, wish->session));
}

static bool start(struct tls_handshake *handshake, const struct tls_client *client,
                  const struct tls_resumption *wish, struct slice sni, struct buffer *out) {
    memset(handshake, 0, sizeof *handshake);
    ERR_clear_error();
    SSL *ssl = handshake->ssl = SSL_new(client->context);
    BIO *bio = ssl ? BIO_new(client->method) : NULL;
    bool ok = bio != NULL;
    if (ok) {
        BIO_set_data(bio, handshake);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl, bio, bio);
        SSL_set_connect_state(ssl);
        handshake->output = out;
        ok = set_server_name(ssl, sni) && set_resumption(handshake, wish);
        int result = ok ? SSL_do_handshake(ssl) : 0;
        ok = result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
        handshake->output = NULL;
    }
    if (!ok) {
        handshake->status = TLS_NO_MEMORY;
        handshake->reason = "NO_MEMORY";
    }
    ERR_clear_error();
    return ok;
}

bool tls_handshake_start(struct tls_handshake *handshake, const struct tls_client *client,
                         struct slice sni, struct buffer *out) {
    return start(handshake, client, NULL, sni, out);
}

bool tls_handshake_start_resumption(struct tls_handshake *handshake,
                                    const struct tls_client *client,
                                    const struct tls_resumption *resumption, struct slice sni,
                                    struct buffer *out) {
    return start(handshake, client, resumption, sni, out);
}

static uint16_t count_scts(const uint8_t *bytes, size_t len) {
    CBS all, list, sct;
    uint16_t count = 0;
    CBS_init(&all, bytes, len);
    if (!CBS_get_u16_length_prefixed(&all, &list))
        return 0;
    while (CBS_get_u16_length_prefixed(&list, &sct))
        count++;
    return count;
}

/* Fills what the SSL object knows, in success as in failure. */
static void observe(struct tls_handshake *handshake, bool done) {
    struct tls_observation *seen = &handshake->seen;
    const SSL *ssl = handshake->ssl;
    const SSL_CIPHER *cipher = done ? SSL_get_current_cipher(ssl) : SSL_get_pending_cipher(ssl);
    const uint8_t *bytes;
    size_t len;
    unsigned alpn_len;
    if (cipher) {
        seen->version = (uint16_t)SSL_version(ssl);
        seen->cipher = SSL_CIPHER_get_protocol_id(cipher);
        seen->group = SSL_get_curve_id(ssl);
    }
    SSL_get0_ocsp_response(ssl, &bytes, &len);
    seen->ocsp_stapled = len > 0;
    seen->ocsp_response = (struct slice){bytes, len};
    SSL_get0_signed_cert_timestamp_list(ssl, &bytes, &len);
    seen->sct_count = len ? count_scts(bytes, len) : 0;
    seen->sct_list = (struct slice){bytes, len};
    SSL_get0_alpn_selected(ssl, &bytes, &alpn_len);
    seen->alpn_len = (uint8_t)(alpn_len < sizeof seen->alpn ? alpn_len : sizeof seen->alpn);
    if (seen->alpn_len)
        memcpy(seen->alpn, bytes, seen->alpn_len);
}

static enum tls_status status_of_reason(int reason) {
    switch (reason) {
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        return TLS_TOO_LARGE;
    case ERR_R_MALLOC_FAILURE:
        return TLS_NO_MEMORY;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_SSL_VERSION:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNSUPPORTED_CIPHER:
    case SSL_R_UNKNOWN_CIPHER_TYPE:
    case SSL_R_UNKNOWN_KEY_EXCHANGE_TYPE:
    case SSL_R_CIPHER_OR_HASH_UNAVAILABLE:
    case SSL_R_UNSUPPORTED_COMPRESSION_ALGORITHM:
    case SSL_R_UNSUPPORTED_ELLIPTIC_CURVE:
    case SSL_R_UNABLE_TO_FIND_ECDH_PARAMETERS:
    case SSL_R_WRONG_CURVE:
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_BAD_DH_P_LENGTH:
    case SSL_R_DH_P_TOO_LONG:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
    case SSL_R_INVALID_SIGNATURE_ALGORITHM:
    case SSL_R_UNKNOWN_DIGEST:
    case SSL_R_WRONG_CERTIFICATE_TYPE:
    case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
    case SSL_R_PEER_ERROR_UNSUPPORTED_CERTIFICATE_TYPE:
    case SSL_R_BAD_ECC_CERT:
    case SSL_R_ECC_CERT_NOT_FOR_SIGNING:
    case SSL_R_KEY_USAGE_BIT_INCORRECT:
    case SSL_R_CANNOT_PARSE_LEAF_CERT:
        return TLS_REFUSED;
    default:
        return TLS_BROKEN;
    }
}

/* Empties the queue. The first error of the SSL library tells what happened, before it come those
 * of the libraries it called. When those are alone, the server's public key could not be read. */
static void classify(struct tls_handshake *handshake) {
    uint32_t first = ERR_peek_error(), error = first;
    while (error && ERR_GET_LIB(error) != ERR_LIB_SSL) {
        ERR_get_error();
        error = ERR_peek_error();
    }
    int reason = ERR_GET_REASON(error);
    if (error && reason > SSL_AD_REASON_OFFSET) {
        handshake->status = TLS_ALERT;
        handshake->seen.alert_received = true;
        handshake->seen.alert = (uint8_t)(reason - SSL_AD_REASON_OFFSET);
    } else if (ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE) {
        handshake->status = TLS_NO_MEMORY;
    } else if (error) {
        handshake->status = status_of_reason(reason);
    } else {
        handshake->status = first ? TLS_REFUSED : TLS_BROKEN;
    }
    if (error || first)
        handshake->reason = ERR_reason_error_string(error ? error : first);
    if (!handshake->reason)
        handshake->reason = "UNKNOWN";
    ERR_clear_error();
}

static enum tls_status fail(struct tls_handshake *handshake, enum tls_status status,
                            const char *reason) {
    handshake->reason = reason;
    return handshake->status = status;
}

static void drop_chain(struct tls_handshake *handshake) {
    free(handshake->chain);
    handshake->chain = NULL;
}

/* When BoringSSL has read the chain, it has a copy of its own, which lives as long as the SSL
 * object; ours is for the chains that it does not like. */
static void share_chain(struct tls_handshake *handshake) {
    struct tls_observation *seen = &handshake->seen;
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(handshake->ssl);
    if (!chain || sk_CRYPTO_BUFFER_num(chain) < seen->certificate_count)
        return;
    for (size_t i = 0; i < seen->certificate_count; i++) {
        const CRYPTO_BUFFER *certificate = sk_CRYPTO_BUFFER_value(chain, i);
        seen->certificates[i] =
            (struct slice){CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate)};
    }
    drop_chain(handshake);
}

static void finish(struct tls_handshake *handshake) {
    observe(handshake, true);
    handshake->seen.key_proven = true;
    handshake->resumed = SSL_session_reused(handshake->ssl);
    handshake->finished = true;
    if (!handshake->keeps_session || handshake->session ||
        SSL_version(handshake->ssl) < TLS1_3_VERSION)
        handshake->status = TLS_DONE;
    else if (handshake->prompt && handshake->seen.alpn_len)
        SSL_write(handshake->ssl, handshake->prompt, (int)strlen(handshake->prompt));
}

/* What a server says first behind a handshake of TLS 1.3 is a ticket, or there is none. */
static void read_ticket(struct tls_handshake *handshake) {
    uint8_t byte;
    int result = SSL_read(handshake->ssl, &byte, sizeof byte);
    bool silent = result <= 0 && SSL_get_error(handshake->ssl, result) == SSL_ERROR_WANT_READ;
    if (handshake->status == TLS_MORE && (handshake->session || !silent))
        handshake->status = TLS_DONE;
}

static void shake_hands(struct tls_handshake *handshake) {
    int result = SSL_do_handshake(handshake->ssl);
    int error = SSL_get_error(handshake->ssl, result);
    if (handshake->status == TLS_NO_MEMORY)
        return;
    if (result == 1) {
        finish(handshake);
    } else if (error == SSL_ERROR_ZERO_RETURN) {
        observe(handshake, false);
        handshake->seen.alert_received = true; /* close_notify */
        fail(handshake, TLS_ALERT, "CLOSE_NOTIFY");
    } else if (error != SSL_ERROR_WANT_READ) {
        observe(handshake, false);
        classify(handshake);
    }
}

/* Lets BoringSSL read whole records. */
static void advance(struct tls_handshake *handshake, struct slice records) {
    handshake->input = records;
    if (!handshake->finished)
        shake_hands(handshake);
    if (handshake->finished && handshake->status == TLS_MORE)
        read_ticket(handshake);
    if (handshake->keeps_session && handshake->status == TLS_DONE)
        SSL_shutdown(handshake->ssl);
    if (handshake->status == TLS_NO_MEMORY)
        handshake->reason = "NO_MEMORY";
    handshake->input = (struct slice){0};
    if (handshake->chain)
        share_chain(handshake);
    ERR_clear_error();
}

/* The first bytes of the conversation tell other protocols. */
static bool begins_like_tls(struct slice front) {
    return (front.len < 1 || (front.ptr[0] >= SSL3_RT_CHANGE_CIPHER_SPEC &&
                              front.ptr[0] <= SSL3_RT_APPLICATION_DATA)) &&
           (front.len < 2 || front.ptr[1] == SSL3_VERSION_MAJOR);
}

/* Takes some of `bytes`: whole records, or what belongs to a partial one. */
static void take(struct tls_handshake *handshake, struct slice *bytes) {
    struct tls_record_input *partial = &handshake->partial;
    struct slice records;
    if (!tls_record_input_take(partial, bytes, &records)) {
        fail(handshake, TLS_NO_MEMORY, "NO_MEMORY");
        return;
    }
    struct slice front = records.len ? records : (struct slice){partial->ptr, partial->len};
    if (!handshake->began && !begins_like_tls(front)) {
        fail(handshake, TLS_NOT_TLS, "NOT_TLS");
    } else if (records.len) {
        handshake->began = true;
        advance(handshake, records);
        tls_record_input_drop(partial);
    }
}

enum tls_status tls_handshake_feed(struct tls_handshake *handshake, struct slice bytes,
                                   struct buffer *out) {
    if (handshake->status != TLS_MORE)
        return handshake->status;
    if (bytes.len > BYTES_IN_MAX - handshake->bytes_in)
        return fail(handshake, TLS_TOO_LARGE, "TOO_MANY_BYTES");
    handshake->bytes_in += (uint32_t)bytes.len;
    handshake->output = out;
    ERR_clear_error();
    while (bytes.len && handshake->status == TLS_MORE)
        take(handshake, &bytes);
    handshake->output = NULL;
    return handshake->status;
}

const char *tls_handshake_reason(const struct tls_handshake *handshake) {
    return handshake->reason;
}

bool tls_handshake_lingers(const struct tls_handshake *handshake) {
    return handshake->finished && handshake->status == TLS_MORE;
}

struct ssl_session_st *tls_handshake_take_session(struct tls_handshake *handshake) {
    SSL_SESSION *session = handshake->session;
    handshake->session = NULL;
    return session;
}

void tls_session_free(struct ssl_session_st *session) {
    SSL_SESSION_free(session);
}

void tls_handshake_end(struct tls_handshake *handshake) {
    tls_session_free(tls_handshake_take_session(handshake));
    SSL_free(handshake->ssl);
    handshake->ssl = NULL;
    tls_record_input_drop(&handshake->partial);
    drop_chain(handshake);
    handshake->seen.certificate_count = 0;
}
