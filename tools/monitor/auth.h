/* Who may do what: tokens, each with a name and a role. Only their SHA-256 is kept; a token is
 * compared with all of them, in a time that does not depend on which it is like. An agent's token
 * may want its reports signed, too.
 *
 * Filled before the server starts, or again from another thread (auth_replace); checked by any. */
#ifndef TOOLS_MONITOR_AUTH_H
#define TOOLS_MONITOR_AUTH_H

#include "engine/base/error.h"
#include "sinks/webhook_secret.h"
#include "tools/monitor/request.h"

enum {
    AUTH_TOKENS_MAX = 64,
    AUTH_NAME_BYTES = 64,
    AUTH_TOKEN_MAX = 512,       /* bytes of a token */
    AUTH_MADE_TOKEN_BYTES = 44, /* 32 random bytes as text, and a zero byte */
};

struct auth_token {
    char name[AUTH_NAME_BYTES]; /* of who has it: in the audit log, beside what was acknowledged */
    enum role role;
    uint8_t sha256[32];
    struct webhook_secret
        report_secret; /* its reports have to be signed by it; none: they need not */
};

struct auth;

enum error auth_new(struct auth **out, struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void auth_free(struct auth *auth);

/* --- Tokens: each makes one, ERROR_USAGE says what is wrong with it --- */

/* Short ones can be guessed: 16 characters at least. */
enum error auth_token_from_text(struct auth_token *token, const char *name, enum role role,
                                struct slice text, struct failure *failure)
    __attribute__((warn_unused_result));
enum error auth_token_from_sha256(struct auth_token *token, const char *name, enum role role,
                                  struct slice hex, struct failure *failure)
    __attribute__((warn_unused_result));
/* The file's first line, without blanks at its ends. */
enum error auth_token_from_file(struct auth_token *token, const char *name, enum role role,
                                const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* The token that stands in the file at `path`, an administrator's. Where there is no such file one
 * is made of random bytes, readable for its owner alone; `*made` tells, and `text` is it. */
enum error auth_first_token(struct auth_token *token, const char *path,
                            char text[AUTH_MADE_TOKEN_BYTES], bool *made, struct failure *failure)
    __attribute__((warn_unused_result));

/* These and no others from now on; at most AUTH_TOKENS_MAX. */
void auth_replace(struct auth *auth, const struct auth_token *tokens, uint32_t count);

/* --- Checking --- */

/* Sets role, caller and by_cookie from `Authorization: Bearer`, `X-API-Key` or the cookie, in this
 * order; `name` is memory for the caller. False: there is one, and it is not ours. Without any the
 * role is ROLE_NONE. */
bool auth_check(struct auth *auth, struct request *request, char name[AUTH_NAME_BYTES]);

/* The role of a token by itself; ROLE_NONE when it is not ours. */
enum role auth_role(struct auth *auth, struct slice token, char name[AUTH_NAME_BYTES]);

/* Whether a report of the request's caller is signed as its token asks. Of several tokens with its
 * name, any secret will do: so a secret is exchanged. ERROR_INPUT says what is wrong. */
enum error auth_check_report(struct auth *auth, const struct request *request, int64_t now_s,
                             struct failure *failure) __attribute__((warn_unused_result));

/* The header line that gives a browser the cookie, or takes it away with an empty token. */
void auth_add_cookie(struct slice token, bool is_tls, struct buffer *out);

#endif
