/* Signatures as Standard Webhooks wants them (specification 1.0.0): HMAC-SHA256 over the message's
 * id, the time and the body, by a secret that only the two ends know. Part of webhook.c; the
 * sink's. */
#ifndef SINKS_WEBHOOK_SECRET_H
#define SINKS_WEBHOOK_SECRET_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum {
    WEBHOOK_SECRET_MAX = 1024,
    WEBHOOK_SIGNATURE_MAX = 48, /* "v1," and 44 characters of base64 */
};

struct webhook_secret {
    uint8_t bytes[WEBHOOK_SECRET_MAX];
    size_t len; /* 0: nothing is signed */
};

/* From a file or a variable of the environment, of which one is NULL: "whsec_" and base64, or the
 * bytes as they are; blanks at the ends do not count. No message ever shows it. */
enum error webhook_secret_read(struct webhook_secret *secret, const char *file,
                               const char *variable, struct failure *failure)
    __attribute__((warn_unused_result));

/* Leaves nothing of it in memory. */
void webhook_secret_forget(struct webhook_secret *secret);

/* The value of the header webhook-signature. */
void webhook_sign(const struct webhook_secret *secret, const char *id, int64_t unix_seconds,
                  struct slice body, char out[WEBHOOK_SIGNATURE_MAX]);

#endif
