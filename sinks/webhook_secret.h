/* Signatures as Standard Webhooks wants them (specification 1.0.0): HMAC-SHA256 over the message's
 * id, the time and the body, by a secret that only the two ends know. Both ends are here: the sink,
 * the monitor's notices and an agent's reports are signed, a centre checks the reports.
 *
 * Pure but for reading the secret; any thread. */
#ifndef SINKS_WEBHOOK_SECRET_H
#define SINKS_WEBHOOK_SECRET_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum {
    WEBHOOK_SECRET_MAX = 1024,
    WEBHOOK_SIGNATURE_MAX = 48, /* "v1," and 44 characters of base64 */
    WEBHOOK_ID_MAX = 256,
    WEBHOOK_LINES = 3,
    WEBHOOK_TOLERANCE_S = 300, /* between the clocks of the two ends, and on the way */
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

/* --- Who sends --- */

/* The value of the header webhook-signature. */
void webhook_sign(const struct webhook_secret *secret, struct slice id, int64_t unix_seconds,
                  struct slice body, char out[WEBHOOK_SIGNATURE_MAX]);

/* Header lines of a message; a longer id is cut. */
struct webhook_lines {
    char id[WEBHOOK_ID_MAX + 16], timestamp[48], signature[WEBHOOK_SIGNATURE_MAX + 32];
};

/* Makes webhook-id, webhook-timestamp and, with a secret, webhook-signature, and puts them into
 * `headers`, which has room for WEBHOOK_LINES and points into `lines` then. Returns how many. */
uint32_t webhook_make_lines(struct webhook_lines *lines, const struct webhook_secret *secret,
                            const char *id, int64_t unix_seconds, struct slice body,
                            const char **headers);

/* --- Who receives --- */

/* Values of the three headers, as they came. */
struct webhook_claim {
    struct slice id, timestamp, signatures; /* "v1,… v1,…": one of them has to be right */
};

/* Whether the body was signed by that secret, within WEBHOOK_TOLERANCE_S of `now_s`. ERROR_INPUT
 * says what is wrong; how long it takes does not tell how much of a signature was right. */
enum error webhook_verify(const struct webhook_secret *secret, const struct webhook_claim *claim,
                          int64_t now_s, struct slice body, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
