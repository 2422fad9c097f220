/* Options of a login, behind the # of a URL: rows of an option table whose settings are a `type`
 * with a `struct nats_login login`. The same for every use of NATS. */
#ifndef ENGINE_NATS_LOGIN_OPTIONS_H
#define ENGINE_NATS_LOGIN_OPTIONS_H

#include "engine/base/option.h"
#include "engine/nats/link.h"

#define NATS_LOGIN_TEXT(type, option, field, word, words)                                          \
    {.name = (option),                                                                             \
     .kind = OPTION_TEXT,                                                                          \
     .argument = (word),                                                                           \
     .summary = (words),                                                                           \
     .offset = offsetof(type, login.field)}

#define NATS_LOGIN_OPTIONS(type)                                                                   \
    NATS_LOGIN_TEXT(type, "user", user, "NAME", "to log in with; or TRAWL_NATS_USER"),             \
        NATS_LOGIN_TEXT(type, "password-file", password_file, "PATH",                              \
                        "its first line is the password; or TRAWL_NATS_PASSWORD"),                 \
        NATS_LOGIN_TEXT(type, "token-file", token_file, "PATH",                                    \
                        "its first line is a token to log in with; or TRAWL_NATS_TOKEN"),          \
        NATS_LOGIN_TEXT(type, "creds-file", creds_file, "PATH",                                    \
                        "a JWT and its seed to log in with; or TRAWL_NATS_CREDS_FILE"),            \
        {.name = "tls",                                                                            \
         .kind = OPTION_FLAG,                                                                      \
         .summary = "as with nats+tls://",                                                         \
         .offset = offsetof(type, login.tls)},                                                     \
        NATS_LOGIN_TEXT(type, "ca-file", ca_file, "PATH",                                          \
                        "trust the roots of this PEM file instead of the system's"),               \
        NATS_LOGIN_TEXT(type, "cert-file", cert_file, "PATH",                                      \
                        "the client's own certificate and its chain, in PEM"),                     \
        NATS_LOGIN_TEXT(type, "key-file", key_file, "PATH", "its key, in PEM")

#endif
