/* Mail to one server (RFC 5321) over libcurl: a transaction for each recipient, so that one who is
 * refused holds back nobody else; the connection is kept between them.
 *
 * Without a login TLS is taken where it is offered, whatever certificate the server has: it is that
 * or plain text. With a login it must be there, and the certificate be right, unless the server is
 * on this machine; so must that of smtps://.
 *
 * Belongs to one thread, which it blocks, within its time limit; smtp_stop is for any thread. */
#ifndef ENGINE_HTTP_SMTP_H
#define ENGINE_HTTP_SMTP_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

struct smtp;

/* All of it outlives the connection. */
struct smtp_config {
    const char *url;       /* smtp://HOST:PORT or smtps://, without a login */
    const char *user;      /* NULL: none */
    struct slice password; /* without zero bytes; of no length unless there is a user */
    const char *ca_file;   /* roots instead of the system's; NULL for those */
    uint32_t timeout_ms;   /* of a transaction; 0: 30 seconds */
};

/* Connects nowhere. What is wrong with the URL is ERROR_USAGE, in words without a secret. */
enum error smtp_open(struct smtp **out, const struct smtp_config *config, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void smtp_close(struct smtp *smtp);

enum smtp_result {
    SMTP_TAKEN,
    SMTP_LATER,   /* not now: 4xx to the sender, the recipient or the message */
    SMTP_REFUSED, /* never: 5xx to one of these */
    SMTP_AWAY,    /* nothing of this mail: no connection, no login, too slow */
};

/* `text` is the message, its lines ended by CR LF; addresses are without brackets. The failure is
 * filled unless it is taken, and quotes the server. */
enum smtp_result smtp_send(struct smtp *smtp, const char *from, const char *to, struct slice text,
                           struct failure *failure) __attribute__((warn_unused_result));

/* What is under way ends soon, as SMTP_AWAY; so does all that follows. */
void smtp_stop(struct smtp *smtp);

#endif
