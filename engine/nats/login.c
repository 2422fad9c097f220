#include "engine/nats/login.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECRET_MAX = 8192 };

/* Everything found out, before it is handed over. */
struct findings {
    const char *user, *password, *token, *creds_file;
    char password_text[SECRET_MAX], token_text[SECRET_MAX];
};

static enum error check_file(const char *option, const char *path, struct failure *failure) {
    if (!path || access(path, R_OK) == 0)
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE, "%s: %.200s: %s", option, path,
                       error_text((enum error)errno));
}

/* The first line of a file. */
static enum error read_secret(const char *option, const char *path, char out[SECRET_MAX],
                              struct failure *failure) {
    FILE *file = fopen(path, "re");

    if (!file)
        return failure_set(failure, ERROR_USAGE, "%s: %.200s: %s", option, path,
                           error_text((enum error)errno));
    setvbuf(file, NULL, _IONBF, 0); /* no copy stays behind */
    bool is_read = fgets(out, SECRET_MAX, file) != NULL;
    fclose(file);
    if (is_read)
        out[strcspn(out, "\r\n")] = 0;
    if (!is_read || !out[0])
        return failure_set(failure, ERROR_USAGE, "%s: there is nothing in the first line of %.200s",
                           option, path);
    return ERROR_NONE;
}

static const char *from_environment(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* Options first, then the URL, then the environment; one way to log in. */
static enum error find(struct findings *out, const struct nats_url *url,
                       const struct nats_login *login, struct failure *failure) {
    enum error error = ERROR_NONE;
    bool url_has_token = url->user && !url->password;

    out->user = login->user ? login->user : url_has_token ? NULL : url->user;
    out->password = url->password;
    out->token = url_has_token && !login->user ? url->user : NULL;
    out->creds_file = login->creds_file;
    if (login->password_file) {
        error = read_secret("#password-file", login->password_file, out->password_text, failure);
        out->password = out->password_text;
        if (!out->user && out->token) { /* the user of the URL, whose password is in the file */
            out->user = out->token;
            out->token = NULL;
        }
    }
    if (!error && login->token_file) {
        error = read_secret("#token-file", login->token_file, out->token_text, failure);
        out->token = out->token_text;
    }
    if (!out->user && !out->token && !out->creds_file) {
        out->creds_file = from_environment("TRAWL_NATS_CREDS_FILE");
        out->token = out->creds_file ? NULL : from_environment("TRAWL_NATS_TOKEN");
        out->user = out->creds_file || out->token ? NULL : from_environment("TRAWL_NATS_USER");
    }
    if (out->user && !out->password)
        out->password = from_environment("TRAWL_NATS_PASSWORD");
    return error;
}

static enum error check(const struct findings *found, const struct nats_login *login,
                        struct failure *failure) {
    enum error error;

    if ((found->user != NULL) + (found->token != NULL) + (found->creds_file != NULL) > 1)
        return failure_set(failure, ERROR_USAGE,
                           "a user, a token and #creds-file: one of them is enough to log in");
    if (found->password && !found->user)
        return failure_set(failure, ERROR_USAGE, "#password-file needs a #user");
    if (found->user && !found->password)
        return failure_set(failure, ERROR_USAGE,
                           "the user has no password: #password-file or TRAWL_NATS_PASSWORD");
    if (!login->cert_file != !login->key_file)
        return failure_set(failure, ERROR_USAGE, "#cert-file and #key-file go together");
    if ((error = check_file("#creds-file", found->creds_file, failure)) ||
        (error = check_file("#ca-file", login->ca_file, failure)) ||
        (error = check_file("#cert-file", login->cert_file, failure)) ||
        (error = check_file("#key-file", login->key_file, failure)))
        return error;
    return ERROR_NONE;
}

static natsStatus hand_over(natsOptions *options, const struct findings *found) {
    if (found->creds_file)
        return natsOptions_SetUserCredentialsFromFiles(options, found->creds_file, NULL);
    if (found->token)
        return natsOptions_SetToken(options, found->token);
    return found->user ? natsOptions_SetUserInfo(options, found->user, found->password) : NATS_OK;
}

static enum error set_tls(natsOptions *options, const struct nats_login *login,
                          struct failure *failure) {
    const char *file = login->ca_file ? login->ca_file : login->cert_file;
    natsStatus status = natsOptions_SetSecure(options, true);

    if (status == NATS_OK && login->ca_file)
        status = natsOptions_LoadCATrustedCertificates(options, login->ca_file);
    if (status == NATS_OK && login->cert_file) {
        file = login->cert_file;
        status = natsOptions_LoadCertificatesChain(options, login->cert_file, login->key_file);
    }
    if (status == NATS_OK)
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE, "%.200s cannot be used for TLS: %s",
                       file ? file : "OpenSSL", natsStatus_GetText(status));
}

enum error nats_login_set(natsOptions *options, const struct nats_url *url,
                          const struct nats_login *login, struct failure *failure) {
    struct findings found = {0};
    bool tls = url->tls || login->tls;
    enum error error = find(&found, url, login, failure);

    if (!error)
        error = check(&found, login, failure);
    if (!error && !tls && (login->ca_file || login->cert_file))
        error = failure_set(failure, ERROR_USAGE, "#ca-file and #cert-file come with nats+tls://");
    if (!error && tls)
        error = set_tls(options, login, failure);
    if (!error && hand_over(options, &found) != NATS_OK)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a login");
    OPENSSL_cleanse(&found, sizeof found);
    return error;
}
