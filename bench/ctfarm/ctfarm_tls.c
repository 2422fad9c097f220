#include "bench/ctfarm/ctfarm_tls.h"

#include "bench/ctfarm/ctfarm_log_parts.h"

#include <openssl/pool.h>
#include <openssl/ssl.h>

enum { ROOM = 2048, DAY_SECONDS = 24 * 3600 };

static void write_names(struct ctfarm_der *out) {
    static const uint8_t ADDRESS_4[] = {127, 0, 0, 1}, ADDRESS_6[16] = {[15] = 1};
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_value(out, 0x87, (struct slice){ADDRESS_6, sizeof ADDRESS_6});
    ctfarm_der_value(out, 0x87, (struct slice){ADDRESS_4, sizeof ADDRESS_4});
    ctfarm_der_value(out, 0x82, slice_of("localhost"));
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_write_extension(out, mark, ctfarm_oid_names, false);
}

static struct slice make_certificate(const struct ctfarm_ca *ca, struct slice spki,
                                     int64_t unix_seconds, struct ctfarm_der *out) {
    uint8_t signature[CTFARM_SIGNATURE_MAX];
    size_t mark = ctfarm_der_mark(out);
    ctfarm_write_validity(out, unix_seconds - DAY_SECONDS, unix_seconds + 30 * DAY_SECONDS);
    struct slice validity = ctfarm_der_since(out, mark);
    mark = ctfarm_der_mark(out);
    ctfarm_write_rdn(out, CTFARM_RDN_CN, slice_of("localhost"));
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    struct ctfarm_frame frame = {.serial = slice_of("ctfarm server 1"),
                                 .issuer = ca->subject,
                                 .validity = validity,
                                 .subject = ctfarm_der_since(out, mark),
                                 .spki = spki,
                                 .algorithm = ctfarm_signer_algorithm(&ca->signer)};
    mark = ctfarm_der_mark(out);
    write_names(out);
    ctfarm_der_slices(out, ca->parts[CTFARM_EXT_AUTHORITY_KEY]);
    ctfarm_der_slices(out, ca->parts[CTFARM_EXT_BASIC]);
    ctfarm_der_slices(out, ca->parts[CTFARM_EXT_PURPOSES]);
    ctfarm_der_slices(out, ca->parts[CTFARM_EXT_KEY_USAGE]);
    ctfarm_write_tbs(out, mark, &frame);
    struct slice tbs = ctfarm_der_since(out, mark);
    size_t len = ctfarm_sign(&ca->signer, tbs, signature);
    mark = ctfarm_der_mark(out);
    ctfarm_write_certificate(out, tbs, frame.algorithm, (struct slice){signature, len});
    return ctfarm_der_since(out, mark);
}

static bool set_chain(SSL_CTX *context, struct slice leaf, struct slice issuer, EVP_PKEY *key) {
    CRYPTO_BUFFER *chain[] = {CRYPTO_BUFFER_new(leaf.ptr, leaf.len, NULL),
                              CRYPTO_BUFFER_new(issuer.ptr, issuer.len, NULL)};
    bool set = chain[0] && chain[1] && SSL_CTX_set_chain_and_key(context, chain, 2, key, NULL);
    CRYPTO_BUFFER_free(chain[0]);
    CRYPTO_BUFFER_free(chain[1]);
    return set;
}

SSL_CTX *ctfarm_tls_context(const struct ctfarm_log *log, int64_t unix_seconds) {
    const struct ctfarm_ca *ca = &log->pki.cas[CTFARM_HARBOUR_E];
    struct ctfarm_signer key;
    uint8_t room[ROOM];
    struct ctfarm_der out;
    ctfarm_der_init(&out, room, sizeof room);
    if (!ctfarm_signer_init_ec(&key, CTFARM_KEY_P256, log->config.seed, "server"))
        return NULL;
    struct slice leaf = make_certificate(ca, ctfarm_signer_spki(&key), unix_seconds, &out);
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    bool made = context && !out.failed && set_chain(context, leaf, ca->certificate, key.key) &&
                SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ctfarm_signer_deinit(&key);
    if (!made) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}
