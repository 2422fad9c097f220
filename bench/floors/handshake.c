#include "bench/floors/floors.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static enum ssl_verify_result_t accept_any(SSL *ssl, uint8_t *alert) {
    (void)ssl;
    (void)alert;
    return ssl_verify_ok;
}

static void *open_context(const struct floor_config *config) {
    (void)config;
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    if (!context)
        return NULL;
    SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER, accept_any);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static void close_context(void *state) {
    SSL_CTX_free(state);
}

static enum floor_step finish(struct floor_slot *slot, enum floor_step step) {
    SSL_free(slot->ssl);
    slot->ssl = NULL;
    return step;
}

/* As far as the handshake goes with what has come; what it wants to say goes into the slot. */
static enum floor_step drive(struct floor_slot *slot) {
    int result = SSL_do_handshake(slot->ssl);
    BIO *output = SSL_get_wbio(slot->ssl);
    const uint8_t *bytes;
    size_t len;

    if (result != 1 && SSL_get_error(slot->ssl, result) != SSL_ERROR_WANT_READ) {
        ERR_clear_error();
        return finish(slot, FLOOR_FAILED);
    }
    if (!BIO_mem_contents(output, &bytes, &len) || len > sizeof slot->output_bytes)
        return finish(slot, FLOOR_FAILED);
    memcpy(slot->output_bytes, bytes, len);
    slot->output = (struct slice){slot->output_bytes, len};
    BIO_reset(output);
    return result == 1 ? finish(slot, FLOOR_DONE) : FLOOR_RECEIVE;
}

static enum floor_step connected(void *state, struct floor_slot *slot) {
    slot->ssl = SSL_new(state);
    BIO *input = BIO_new(BIO_s_mem()), *output = BIO_new(BIO_s_mem());
    if (!slot->ssl || !input || !output) {
        BIO_free(input);
        BIO_free(output);
        return finish(slot, FLOOR_FAILED);
    }
    SSL_set_bio(slot->ssl, input, output);
    SSL_set_connect_state(slot->ssl);
    return drive(slot);
}

static enum floor_step received(void *state, struct floor_slot *slot, size_t len) {
    (void)state;
    if (len == 0 || BIO_write(SSL_get_rbio(slot->ssl), slot->input, (int)len) != (int)len)
        return finish(slot, FLOOR_FAILED);
    return drive(slot);
}

const struct floor_kind handshake_floor = {.name = "handshake",
                                           .open = open_context,
                                           .close = close_context,
                                           .connected = connected,
                                           .received = received};
