#include "sinks/webhook_secret.h"

#include "engine/base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char PREFIX[] = "whsec_", VERSION[] = "v1,";

/* Reads what is there, at most `size` bytes; -1 with errno set. */
static ssize_t read_file(const char *path, uint8_t *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = fd < 0 ? -1 : 1;

    while (got > 0 && len < size) {
        got = read(fd, out + len, size - len);
        len += got > 0 ? (size_t)got : 0;
    }
    int cause = errno;
    if (fd >= 0)
        close(fd);
    errno = cause;
    return got < 0 ? -1 : (ssize_t)len;
}

/* `where` names the file or the variable. */
static enum error take(struct webhook_secret *secret, struct slice text, const char *where,
                       struct failure *failure) {
    size_t prefix = sizeof PREFIX - 1;

    text = slice_trim(text);
    if (!text.len)
        return failure_set(failure, ERROR_USAGE, "there is no secret in %.200s", where);
    if (text.len > WEBHOOK_SECRET_MAX)
        return failure_set(failure, ERROR_USAGE, "the secret in %.200s is over %d bytes", where,
                           WEBHOOK_SECRET_MAX);
    if (!slice_equal(slice_first(text, prefix), slice_of(PREFIX))) {
        memcpy(secret->bytes, text.ptr, text.len);
        secret->len = text.len;
        return ERROR_NONE;
    }
    if (!base64_decode(slice_from(text, prefix), secret->bytes, &secret->len, NULL) || !secret->len)
        return failure_set(failure, ERROR_USAGE,
                           "the secret in %.200s begins with %s, but what follows is not base64",
                           where, PREFIX);
    return ERROR_NONE;
}

enum error webhook_secret_read(struct webhook_secret *secret, const char *file,
                               const char *variable, struct failure *failure) {
    uint8_t bytes[2 * WEBHOOK_SECRET_MAX];

    if (!file) {
        const char *value = getenv(variable);
        return take(secret, slice_of(value ? value : ""), variable, failure);
    }
    ssize_t len = read_file(file, bytes, sizeof bytes);
    enum error error =
        len < 0 ? failure_set(failure, ERROR_USAGE, "the secret cannot be read from %.200s: %s",
                              file, error_text((enum error)errno))
                : take(secret, (struct slice){bytes, (size_t)len}, file, failure);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return error;
}

void webhook_secret_forget(struct webhook_secret *secret) {
    OPENSSL_cleanse(secret, sizeof *secret);
}

/* --- Who sends --- */

void webhook_sign(const struct webhook_secret *secret, struct slice id, int64_t unix_seconds,
                  struct slice body, char out[WEBHOOK_SIGNATURE_MAX]) {
    uint8_t digest[32];
    unsigned len = sizeof digest;
    char time[32];
    int time_len = snprintf(time, sizeof time, ".%" PRId64 ".", unix_seconds);
    HMAC_CTX hmac;

    HMAC_CTX_init(&hmac);
    if (!HMAC_Init_ex(&hmac, secret->bytes, secret->len, EVP_sha256(), NULL))
        abort(); /* fails for want of a few bytes of memory alone */
    HMAC_Update(&hmac, id.ptr, id.len);
    HMAC_Update(&hmac, (const uint8_t *)time, (size_t)time_len);
    HMAC_Update(&hmac, body.ptr, body.len);
    HMAC_Final(&hmac, digest, &len);
    HMAC_CTX_cleanup(&hmac);
    memcpy(out, VERSION, sizeof VERSION - 1);
    uint8_t *text = (uint8_t *)out + sizeof VERSION - 1;
    base64_encode((struct slice){digest, sizeof digest}, text);
    text[base64_encoded_size(sizeof digest)] = 0;
}

uint32_t webhook_make_lines(struct webhook_lines *lines, const struct webhook_secret *secret,
                            const char *id, int64_t unix_seconds, struct slice body,
                            const char **headers) {
    struct slice signed_id = slice_first(slice_of(id), WEBHOOK_ID_MAX);
    char signature[WEBHOOK_SIGNATURE_MAX];
    uint32_t count = 0;

    snprintf(lines->id, sizeof lines->id, "webhook-id: %.*s", (int)signed_id.len, id);
    headers[count++] = lines->id;
    snprintf(lines->timestamp, sizeof lines->timestamp, "webhook-timestamp: %" PRId64,
             unix_seconds);
    headers[count++] = lines->timestamp;
    if (secret->len) {
        webhook_sign(secret, signed_id, unix_seconds, body, signature);
        snprintf(lines->signature, sizeof lines->signature, "webhook-signature: %s", signature);
        headers[count++] = lines->signature;
    }
    return count;
}

/* --- Who receives --- */

/* Whether one of the signatures, with blanks between them, is `expected`. */
static bool has_signature(struct slice signatures, struct slice expected) {
    bool found = false;

    while (signatures.len) {
        const uint8_t *blank = memchr(signatures.ptr, ' ', signatures.len);
        struct slice one =
            slice_first(signatures, blank ? (size_t)(blank - signatures.ptr) : signatures.len);
        found |= one.len == expected.len && CRYPTO_memcmp(one.ptr, expected.ptr, one.len) == 0;
        signatures = slice_from(signatures, one.len + (blank != NULL));
    }
    return found;
}

enum error webhook_verify(const struct webhook_secret *secret, const struct webhook_claim *claim,
                          int64_t now_s, struct slice body, struct failure *failure) {
    char expected[WEBHOOK_SIGNATURE_MAX];
    uint64_t time;

    if (!claim->id.len || !claim->timestamp.len || !claim->signatures.len)
        return failure_set(failure, ERROR_INPUT,
                           "it is not signed: webhook-id, webhook-timestamp and webhook-signature "
                           "are needed");
    if (!slice_to_u64(claim->timestamp, INT64_MAX, &time))
        return failure_set(failure, ERROR_INPUT,
                           "its webhook-timestamp is no number of seconds since 1970");
    webhook_sign(secret, claim->id, (int64_t)time, body, expected);
    if (!has_signature(claim->signatures, slice_of(expected)))
        return failure_set(failure, ERROR_INPUT, "its signature is not made with the secret");
    int64_t late_s = now_s - (int64_t)time;
    if (late_s < -WEBHOOK_TOLERANCE_S || late_s > WEBHOOK_TOLERANCE_S)
        return failure_set(failure, ERROR_INPUT,
                           "it was signed %" PRId64
                           " seconds %s, by the clock here; %d are allowed",
                           late_s < 0 ? -late_s : late_s, late_s < 0 ? "in the future" : "ago",
                           WEBHOOK_TOLERANCE_S);
    return ERROR_NONE;
}
