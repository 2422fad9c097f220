#include "engine/ct/head.h"

#include "engine/base/base64.h"
#include "engine/base/limits.h"

#include <openssl/sha.h>
#include <yyjson.h>

enum {
    NUMBER_BYTES = 8,

    /* What is signed: version, signature type, timestamp, tree size, root. */
    SIGNED_BYTES = 2 + 2 * NUMBER_BYTES + CT_HASH_BYTES,
    VERSION_1 = 0,
    TREE_HASH = 1,

    /* A note's signature: key id, timestamp, DigitallySigned of RSA 8192 at most. */
    KEY_ID_BYTES = 4,
    DIGITALLY_SIGNED_MAX = 4 + 1024,
    NOTE_SIGNATURE_MAX = KEY_ID_BYTES + NUMBER_BYTES + DIGITALLY_SIGNED_MAX,
    NOTE_SIGNATURE_TYPE = 5, /* static-ct-api: RFC6962NoteSignature */
};

static void write_number(uint8_t *at, uint64_t number) {
    for (unsigned i = 0; i < NUMBER_BYTES; i++)
        at[i] = (uint8_t)(number >> (8 * (NUMBER_BYTES - 1 - i)));
}

static uint64_t read_number(const uint8_t *at) {
    uint64_t number = 0;

    for (unsigned i = 0; i < NUMBER_BYTES; i++)
        number = number << 8 | at[i];
    return number;
}

/* Base64 of at most `max` bytes, a multiple of three or not. */
static bool decode(struct slice text, uint8_t *out, size_t max, size_t *len) {
    return text.len <= base64_encoded_size(max) && base64_decode(text, out, len, NULL);
}

/* A root hash; `head` has its size already. */
static enum ct_head_error read_root(struct slice text, struct ct_head *head) {
    uint8_t bytes[CT_HASH_BYTES + 2];
    size_t len;

    if (!decode(text, bytes, CT_HASH_BYTES, &len) || len != CT_HASH_BYTES)
        return CT_HEAD_BAD_ROOT;
    memcpy(head->root.bytes, bytes, CT_HASH_BYTES);
    struct ct_hash empty = ct_empty_root();
    return head->tree_size || ct_hash_equal(&head->root, &empty) ? CT_HEAD_OK : CT_HEAD_BAD_ROOT;
}

/* TreeHeadSignature, RFC 6962 section 3.5 */
static enum ct_head_error verify(const struct ct_head *head, const struct ct_log_key *key,
                                 struct slice digitally_signed) {
    uint8_t message[SIGNED_BYTES] = {VERSION_1, TREE_HASH};

    write_number(message + 2, head->timestamp_ms);
    write_number(message + 2 + NUMBER_BYTES, head->tree_size);
    memcpy(message + 2 + 2 * NUMBER_BYTES, head->root.bytes, CT_HASH_BYTES);
    return ct_log_key_verify(key, digitally_signed, (struct slice){message, sizeof message}) ==
                   CT_SIGNATURE_GOOD
               ? CT_HEAD_OK
               : CT_HEAD_BAD_SIGNATURE;
}

/* --- get-sth --- */

static bool get_string(yyjson_val *object, const char *name, struct slice *out) {
    yyjson_val *value = yyjson_obj_get(object, name);

    *out = (struct slice){(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
    return yyjson_is_str(value);
}

static enum ct_head_error read_sth(yyjson_val *root, const struct ct_log_key *key,
                                   struct ct_head *out) {
    yyjson_val *size = yyjson_obj_get(root, "tree_size");
    yyjson_val *timestamp = yyjson_obj_get(root, "timestamp");
    struct slice hash, signature;
    uint8_t digitally_signed[DIGITALLY_SIGNED_MAX + 2];
    size_t len;

    if (!size || !timestamp || !get_string(root, "sha256_root_hash", &hash) ||
        !get_string(root, "tree_head_signature", &signature))
        return CT_HEAD_UNREADABLE;
    if (!yyjson_is_uint(size) || yyjson_get_uint(size) > CT_TREE_SIZE_MAX)
        return CT_HEAD_BAD_SIZE;
    if (!yyjson_is_uint(timestamp))
        return CT_HEAD_BAD_TIMESTAMP;
    out->tree_size = yyjson_get_uint(size);
    out->timestamp_ms = yyjson_get_uint(timestamp);
    enum ct_head_error error = read_root(hash, out);
    if (error)
        return error;
    if (!decode(signature, digitally_signed, DIGITALLY_SIGNED_MAX, &len))
        return CT_HEAD_BAD_SIGNATURE;
    return verify(out, key, (struct slice){digitally_signed, len});
}

enum ct_head_error ct_head_parse_sth(struct slice json, const struct ct_log_key *key,
                                     struct ct_head *out) {
    *out = (struct ct_head){0};
    if (json.len > LIMIT_CT_HEAD_BYTES)
        return CT_HEAD_TOO_LARGE;
    yyjson_doc *doc = yyjson_read((const char *)json.ptr, json.len, YYJSON_READ_NOFLAG);
    enum ct_head_error error = read_sth(yyjson_doc_get_root(doc), key, out);
    yyjson_doc_free(doc);
    if (error)
        *out = (struct ct_head){0};
    return error;
}

/* --- Checkpoints --- */

/* Takes a line off `text`, without the newline that must end it. */
static bool get_line(struct slice *text, struct slice *line) {
    const uint8_t *end = text->len ? memchr(text->ptr, '\n', text->len) : NULL;

    if (!end)
        return false;
    *line = (struct slice){text->ptr, (size_t)(end - text->ptr)};
    *text = slice_from(*text, line->len + 1);
    return true;
}

/* A decimal number without zeros in front. */
static bool read_size(struct slice line, uint64_t *out) {
    return (line.len == 1 || (line.len && line.ptr[0] != '0')) &&
           slice_to_u64(line, CT_TREE_SIZE_MAX, out);
}

/* A line "— NAME BASE64" of a note. */
static bool read_signature_line(struct slice line, struct slice *name, struct slice *base64) {
    static const char mark[] = "\xe2\x80\x94 "; /* U+2014 */
    size_t mark_len = sizeof mark - 1;

    if (!slice_equal(slice_first(line, mark_len), slice_of(mark)))
        return false;
    *name = slice_from(line, mark_len);
    const uint8_t *space = name->len ? memchr(name->ptr, ' ', name->len) : NULL;
    if (!space)
        return false;
    *base64 = slice_from(*name, (size_t)(space - name->ptr) + 1);
    *name = slice_first(*name, (size_t)(space - name->ptr));
    return name->len && base64->len;
}

static void make_key_id(struct slice name, const struct ct_log_key *key,
                        uint8_t out[SHA256_DIGEST_LENGTH]) {
    static const uint8_t between[2] = {'\n', NOTE_SIGNATURE_TYPE};
    SHA256_CTX hash;

    SHA256_Init(&hash);
    SHA256_Update(&hash, name.ptr, name.len);
    SHA256_Update(&hash, between, sizeof between);
    SHA256_Update(&hash, key->id, sizeof key->id);
    SHA256_Final(out, &hash);
}

/* Verifies one signature; CT_HEAD_UNSIGNED when it is another's. */
static enum ct_head_error verify_note(struct slice base64, const uint8_t *key_id,
                                      const struct ct_log_key *key, struct ct_head *out) {
    uint8_t bytes[NOTE_SIGNATURE_MAX + 2];
    size_t len;
    struct slice first = slice_first(base64, base64_encoded_size(KEY_ID_BYTES + 1));

    if (base64_decode_run(first, bytes).written < KEY_ID_BYTES ||
        memcmp(bytes, key_id, KEY_ID_BYTES) != 0)
        return CT_HEAD_UNSIGNED;
    if (!decode(base64, bytes, NOTE_SIGNATURE_MAX, &len) || len < KEY_ID_BYTES + NUMBER_BYTES)
        return CT_HEAD_BAD_SIGNATURE;
    out->timestamp_ms = read_number(bytes + KEY_ID_BYTES);
    return verify(out, key, slice_from((struct slice){bytes, len}, KEY_ID_BYTES + NUMBER_BYTES));
}

/* The signatures of a note: one that verifies is enough. */
static enum ct_head_error read_signatures(struct slice rest, struct slice origin,
                                          const struct ct_log_key *key, struct ct_head *out) {
    enum ct_head_error error = CT_HEAD_UNSIGNED;
    uint8_t key_id[SHA256_DIGEST_LENGTH];
    struct slice line, name, base64;
    unsigned count = 0;

    make_key_id(origin, key, key_id);
    do {
        if (!get_line(&rest, &line) || !read_signature_line(line, &name, &base64))
            return CT_HEAD_UNREADABLE;
        if (error == CT_HEAD_OK || !slice_equal(name, origin))
            continue;
        enum ct_head_error one = verify_note(base64, key_id, key, out);
        if (one != CT_HEAD_UNSIGNED)
            error = one;
    } while (rest.len && ++count < LIMIT_CT_NOTE_SIGNATURES);
    return error;
}

static enum ct_head_error read_checkpoint(struct slice rest, const struct ct_log_key *key,
                                          struct ct_head *out, struct slice *origin) {
    struct slice name, size, root, blank;

    if (!get_line(&rest, &name) || name.len == 0 || !get_line(&rest, &size) ||
        !get_line(&rest, &root) || !get_line(&rest, &blank) || blank.len)
        return CT_HEAD_UNREADABLE;
    if (origin)
        *origin = name;
    if (!read_size(size, &out->tree_size))
        return CT_HEAD_BAD_SIZE;
    enum ct_head_error error = read_root(root, out);
    return error ? error : read_signatures(rest, name, key, out);
}

enum ct_head_error ct_head_parse_checkpoint(struct slice note, const struct ct_log_key *key,
                                            struct ct_head *out, struct slice *origin) {
    *out = (struct ct_head){0};
    if (origin)
        *origin = (struct slice){NULL, 0};
    if (note.len > LIMIT_CT_HEAD_BYTES)
        return CT_HEAD_TOO_LARGE;
    enum ct_head_error error = read_checkpoint(note, key, out, origin);
    if (error)
        *out = (struct ct_head){0};
    return error;
}

const char *ct_head_error_text(enum ct_head_error error) {
    switch (error) {
    case CT_HEAD_OK:
        return "no error";
    case CT_HEAD_TOO_LARGE:
        return "tree head is too large";
    case CT_HEAD_UNREADABLE:
        return "tree head cannot be read";
    case CT_HEAD_BAD_SIZE:
        return "tree size cannot be read";
    case CT_HEAD_BAD_TIMESTAMP:
        return "timestamp cannot be read";
    case CT_HEAD_BAD_ROOT:
        return "root hash cannot be read";
    case CT_HEAD_UNSIGNED:
        return "tree head is not signed by the log's key";
    case CT_HEAD_BAD_SIGNATURE:
        return "signature of the tree head does not verify";
    }
    return "unknown error";
}
