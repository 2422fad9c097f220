/* What logs sign: tree heads, checkpoints; and the signature of a list of logs. */
#include "bench/ctfarm/ctfarm_log_parts.h"
#include "engine/base/text.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

enum { HEAD_BYTES = 50 };

/* TreeHeadSignature, RFC 6962 section 3.5. */
static struct slice head_bytes(uint8_t room[HEAD_BYTES], uint64_t timestamp_ms, uint64_t size,
                               const uint8_t root[CTFARM_TREE_HASH]) {
    struct ctfarm_der out;
    ctfarm_der_init(&out, room, HEAD_BYTES);
    ctfarm_der_bytes(&out, root, CTFARM_TREE_HASH);
    ctfarm_der_number(&out, size, 8);
    ctfarm_der_number(&out, timestamp_ms, 8);
    ctfarm_der_number(&out, 1, 2); /* v1, tree_hash */
    return ctfarm_der_slice(&out);
}

static void add_number(struct buffer *out, uint64_t number, unsigned size) {
    while (size-- > 0)
        buffer_add_byte(out, (uint8_t)(number >> (8 * size)));
}

void ctfarm_sign_head(const struct ctfarm_log *log, enum ctfarm_side side, uint64_t timestamp_ms,
                      uint64_t size, const uint8_t root[CTFARM_TREE_HASH], struct buffer *out) {
    const struct ctfarm_signer *signer = &log->signers[side];
    uint8_t room[HEAD_BYTES], signature[CTFARM_SIGNATURE_MAX];
    size_t len = ctfarm_sign(signer, head_bytes(room, timestamp_ms, size, root), signature);
    buffer_add_byte(out, 4); /* SHA-256 */
    buffer_add_byte(out, ctfarm_signer_tls(signer));
    add_number(out, len, 2);
    buffer_add(out, signature, len);
}

/* The line of a signature: "— origin base64(key id || signature)". */
static void add_signature_line(const char *name, const uint8_t key_id[4], struct slice signature,
                               struct buffer *out) {
    struct buffer bytes;
    buffer_init(&bytes);
    buffer_add(&bytes, key_id, 4);
    buffer_add_slice(&bytes, signature);
    buffer_add_format(out, "\xe2\x80\x94 %s ", name);
    text_add_base64(out, buffer_slice(&bytes));
    buffer_add_byte(out, '\n');
    out->failed |= bytes.failed;
    buffer_deinit(&bytes);
}

/* static-ct-api: SHA-256 of origin, newline, signature type 5 and the log's id. */
static void note_key_id(const char *origin, const uint8_t *log_id,
                        uint8_t out[SHA256_DIGEST_LENGTH]) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, origin, strlen(origin));
    SHA256_Update(&context, "\n\x05", 2);
    SHA256_Update(&context, log_id, CTFARM_HASH_BYTES);
    SHA256_Final(out, &context);
}

void ctfarm_add_checkpoint(const struct ctfarm_log *log, const char *origin, uint64_t timestamp_ms,
                           uint64_t size, const uint8_t root[CTFARM_TREE_HASH], bool bad_signature,
                           struct buffer *out) {
    uint8_t key_id[SHA256_DIGEST_LENGTH], grease[68];
    struct buffer signature;
    buffer_init(&signature);
    buffer_add_format(out, "%s\n%llu\n", origin, (unsigned long long)size);
    text_add_base64(out, (struct slice){root, CTFARM_TREE_HASH});
    buffer_add_text(out, "\n\n");
    note_key_id(origin, ctfarm_log_id(log, CTFARM_STATIC), key_id);
    add_number(&signature, timestamp_ms, 8);
    ctfarm_sign_head(log, CTFARM_STATIC, timestamp_ms, size, root, &signature);
    if (bad_signature && signature.len)
        signature.ptr[signature.len - 1] ^= 1;
    add_signature_line(origin, key_id, buffer_slice(&signature), out);
    memset(grease, 0x5a, sizeof grease);
    add_signature_line("witness.example/ctfarm", (const uint8_t *)"\x01\x02\x03\x04",
                       (struct slice){grease, sizeof grease}, out);
    out->failed |= signature.failed;
    buffer_deinit(&signature);
}

void ctfarm_sign_list(const struct ctfarm_log *log, struct slice list, struct buffer *out) {
    uint8_t signature[CTFARM_SIGNATURE_MAX];
    buffer_add(out, signature, ctfarm_sign(&log->list_signer, list, signature));
}

void ctfarm_add_list_key(const struct ctfarm_log *log, struct buffer *out) {
    enum { LINE = 48 };
    buffer_add_text(out, "-----BEGIN PUBLIC KEY-----\n");
    for (struct slice rest = ctfarm_signer_spki(&log->list_signer); rest.len;
         rest = slice_from(rest, LINE)) {
        text_add_base64(out, slice_first(rest, LINE));
        buffer_add_byte(out, '\n');
    }
    buffer_add_text(out, "-----END PUBLIC KEY-----\n");
}
