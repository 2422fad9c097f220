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

static const char PREFIX[] = "whsec_";

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

void webhook_sign(const struct webhook_secret *secret, const char *id, int64_t unix_seconds,
                  struct slice body, char out[WEBHOOK_SIGNATURE_MAX]) {
    uint8_t digest[32];
    unsigned len = sizeof digest;
    char time[32];
    int time_len = snprintf(time, sizeof time, ".%" PRId64 ".", unix_seconds);
    HMAC_CTX hmac;

    HMAC_CTX_init(&hmac);
    if (!HMAC_Init_ex(&hmac, secret->bytes, secret->len, EVP_sha256(), NULL))
        abort(); /* fails for want of a few bytes of memory alone */
    HMAC_Update(&hmac, (const uint8_t *)id, strlen(id));
    HMAC_Update(&hmac, (const uint8_t *)time, (size_t)time_len);
    HMAC_Update(&hmac, body.ptr, body.len);
    HMAC_Final(&hmac, digest, &len);
    HMAC_CTX_cleanup(&hmac);
    memcpy(out, "v1,", 3);
    base64_encode((struct slice){digest, sizeof digest}, (uint8_t *)out + 3);
    out[3 + base64_encoded_size(sizeof digest)] = 0;
}
