/* URLs of NATS servers: one cluster, named by some or all of its servers, and what is meant there.
 *
 *     nats://USER:PASSWORD@HOST:PORT,HOST:PORT/PATH#OPTIONS        port 4222 when none is given
 *     nats+tls://HOST/PATH                                         encrypted; tls:// is the same
 *
 * A user without password is a token, as NATS has it. [2001:db8::1]:4222 for IPv6. Pure; one owner.
 */
#ifndef ENGINE_NATS_URL_H
#define ENGINE_NATS_URL_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum {
    NATS_SERVERS_MAX = 16,
    NATS_PORT = 4222,
    NATS_SUBJECT_MAX = 255,
    NATS_STREAM_NAME_MAX = 255, /* the server's own bound */
};

struct nats_url {
    char *servers[NATS_SERVERS_MAX]; /* "nats://HOST:PORT", without user and password */
    uint32_t count;
    bool tls;
    char *user, *password; /* NULL when not given */
    const char *path;      /* behind the slash; NULL for none, or nothing there */
    char *options;         /* behind #, to be changed by who reads them; NULL for none */
    char *name;            /* for messages: without user, password and options */
    char *text;            /* what path and options point into */
};

bool nats_url_takes(struct slice spec);

/* Fills `out`, to be given to deinit also after an error. A usage error says what is wrong with the
 * URL, without what is secret in it. */
enum error nats_url_init(struct nats_url *out, const char *spec, struct failure *failure)
    __attribute__((warn_unused_result));
void nats_url_deinit(struct nats_url *url);

/* Whether messages can be published there: tokens with dots between, none of them empty, a wildcard
 * or with blanks in it. Subjects that begin with $ are the server's. */
bool nats_subject_is_valid(struct slice subject);

/* Whether `pattern`, as a stream has it, takes a subject: "*" stands for one token, ">" at the end
 * for one or more. */
bool nats_subject_matches(struct slice pattern, struct slice subject);

bool nats_stream_name_is_valid(struct slice name);

#endif
