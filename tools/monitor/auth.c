#include "tools/monitor/auth.h"

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/hash/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOKEN_MIN = 16, COOKIE_SECONDS = 30 * 86400 };

static const char COOKIE[] = "trawl_token";

struct auth {
    pthread_mutex_t lock;
    uint32_t count;
    struct auth_token tokens[AUTH_TOKENS_MAX];
};

enum error auth_new(struct auth **out, struct failure *failure) {
    struct auth *auth = calloc(1, sizeof *auth);

    if (!auth)
        return failure_set(failure, ERROR_MEMORY, "no memory for tokens");
    pthread_mutex_init(&auth->lock, NULL);
    *out = auth;
    return ERROR_NONE;
}

void auth_free(struct auth *auth) {
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    OPENSSL_cleanse(auth->tokens, sizeof auth->tokens);
    free(auth);
}

void auth_replace(struct auth *auth, const struct auth_token *tokens, uint32_t count) {
    pthread_mutex_lock(&auth->lock);
    auth->count = count < AUTH_TOKENS_MAX ? count : AUTH_TOKENS_MAX;
    for (uint32_t i = 0; i < auth->count; i++)
        auth->tokens[i] = tokens[i];
    pthread_mutex_unlock(&auth->lock);
}

/* --- Tokens --- */

static void name_token(struct auth_token *token, const char *name, enum role role) {
    *token = (struct auth_token){.role = role};
    snprintf(token->name, sizeof token->name, "%s", name);
}

/* Visible ASCII: what a header line can carry. */
static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

enum error auth_token_from_text(struct auth_token *token, const char *name, enum role role,
                                struct slice text, struct failure *failure) {
    if (text.len < TOKEN_MIN || text.len > AUTH_TOKEN_MAX)
        return failure_set(failure, ERROR_USAGE,
                           "the token of '%.60s' has %zu characters instead of %d to %d", name,
                           text.len, TOKEN_MIN, AUTH_TOKEN_MAX);
    if (!is_plain(text))
        return failure_set(failure, ERROR_USAGE,
                           "the token of '%.60s' has a blank, or is not ASCII", name);
    name_token(token, name, role);
    sha256_one(text, token->sha256);
    return ERROR_NONE;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum error auth_token_from_sha256(struct auth_token *token, const char *name, enum role role,
                                  struct slice hex, struct failure *failure) {
    name_token(token, name, role);
    for (size_t i = 0; hex.len == 2 * SHA256_BYTES && i < hex.len; i += 2) {
        int high = hex_digit(hex.ptr[i]), low = hex_digit(hex.ptr[i + 1]);
        if (high < 0 || low < 0)
            hex.len = 0;
        else
            token->sha256[i / 2] = (uint8_t)(high << 4 | low);
    }
    if (hex.len != 2 * SHA256_BYTES)
        return failure_set(failure, ERROR_USAGE,
                           "the sha256 of '%.60s' is not 64 hexadecimal digits; make it with "
                           "printf %%s TOKEN | sha256sum",
                           name);
    return ERROR_NONE;
}

/* The first line. ENOENT when there is no such file. */
static enum error read_line(const char *path, char out[AUTH_TOKEN_MAX + 2], struct slice *line,
                            struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, AUTH_TOKEN_MAX + 1);
    int code = errno;

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return failure_set(failure, (enum error)code, "cannot read the token in %.200s: %s", path,
                           error_text((enum error)code));
    out[len] = 0;
    *line = slice_trim(slice_first(slice_of(out), strcspn(out, "\n")));
    return ERROR_NONE;
}

enum error auth_token_from_file(struct auth_token *token, const char *name, enum role role,
                                const char *path, struct failure *failure) {
    char text[AUTH_TOKEN_MAX + 2];
    struct slice line;
    enum error error = read_line(path, text, &line, failure);

    if (!error)
        error = auth_token_from_text(token, name, role, line, failure);
    OPENSSL_cleanse(text, sizeof text);
    return error;
}

/* Random bytes as text that can stand in a URL. */
static void make_token(char out[AUTH_MADE_TOKEN_BYTES]) {
    uint8_t bytes[32], text[44];

    RAND_bytes(bytes, sizeof bytes);
    base64_encode((struct slice){bytes, sizeof bytes}, text);
    for (size_t i = 0; i + 1 < sizeof text; i++) /* the padding is left out */
        out[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    out[sizeof text - 1] = 0;
    OPENSSL_cleanse(bytes, sizeof bytes);
}

/* Whole or not at all: under another name first, and never over a file that is there. */
static enum error write_token(const char *path, const char *text, struct failure *failure) {
    char other[4096];
    size_t len = strlen(text);

    if (snprintf(other, sizeof other, "%s.new", path) >= (int)sizeof other)
        return failure_set(failure, ERROR_USAGE, "the path %.200s is too long", path);
    unlink(other);
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len && write(fd, "\n", 1) == 1 &&
              fsync(fd) == 0;
    ok = ok && link(other, path) == 0;
    enum error error = ok ? ERROR_NONE : (enum error)errno;
    if (fd >= 0)
        close(fd);
    unlink(other);
    return ok ? ERROR_NONE
              : failure_set(failure, error, "cannot write the first token to %.200s: %s", path,
                            error_text(error));
}

enum error auth_first_token(struct auth_token *token, const char *path,
                            char text[AUTH_MADE_TOKEN_BYTES], bool *made, struct failure *failure) {
    *made = false;
    enum error error = auth_token_from_file(token, "admin", ROLE_ADMIN, path, failure);
    if (error != (enum error)ENOENT)
        return error;
    make_token(text);
    error = write_token(path, text, failure);
    if (error == (enum error)EEXIST) /* somebody else was faster */
        return auth_token_from_file(token, "admin", ROLE_ADMIN, path, failure);
    if (error)
        return error;
    *made = true;
    return auth_token_from_text(token, "admin", ROLE_ADMIN, slice_of(text), failure);
}

/* --- Checking --- */

enum role auth_role(struct auth *auth, struct slice token, char name[AUTH_NAME_BYTES]) {
    uint8_t hash[SHA256_BYTES];
    enum role role = ROLE_NONE;

    name[0] = 0;
    if (token.len > AUTH_TOKEN_MAX)
        return ROLE_NONE;
    sha256_one(token, hash);
    pthread_mutex_lock(&auth->lock);
    for (uint32_t i = 0; i < auth->count; i++) {
        const struct auth_token *known = &auth->tokens[i];
        if (CRYPTO_memcmp(hash, known->sha256, sizeof hash) == 0 && known->role > role) {
            role = known->role;
            memcpy(name, known->name, AUTH_NAME_BYTES);
        }
    }
    pthread_mutex_unlock(&auth->lock);
    return role;
}

enum error auth_check_report(struct auth *auth, const struct request *request, int64_t now_s,
                             struct failure *failure) {
    const struct webhook_claim claim = {
        .id = request->headers[HEADER_WEBHOOK_ID],
        .timestamp = request->headers[HEADER_WEBHOOK_TIMESTAMP],
        .signatures = request->headers[HEADER_WEBHOOK_SIGNATURE],
    };
    enum error error = ERROR_NONE;
    bool is_signed = false;

    pthread_mutex_lock(&auth->lock);
    for (uint32_t i = 0; i < auth->count && !is_signed; i++) {
        const struct auth_token *token = &auth->tokens[i];
        if (!token->report_secret.len || !slice_equal(slice_of(token->name), request->caller))
            continue;
        error = webhook_verify(&token->report_secret, &claim, now_s, buffer_slice(&request->body),
                               failure);
        is_signed = error == ERROR_NONE;
    }
    pthread_mutex_unlock(&auth->lock);
    return error;
}

/* What the cookie holds is base64, which a cookie's value may be. */
static struct slice token_of_cookie(struct slice cookie, uint8_t out[AUTH_TOKEN_MAX + 3]) {
    size_t len;

    if (base64_decoded_max(cookie.len) > AUTH_TOKEN_MAX + 2 ||
        !base64_decode(cookie, out, &len, NULL))
        return (struct slice){NULL, 0};
    return (struct slice){out, len};
}

bool auth_check(struct auth *auth, struct request *request, char name[AUTH_NAME_BYTES]) {
    static const char bearer[] = "Bearer ";
    struct slice token = request->headers[HEADER_AUTHORIZATION], cookie;
    uint8_t decoded[AUTH_TOKEN_MAX + 3];

    if (slice_equal_nocase(slice_first(token, strlen(bearer)), slice_of(bearer)))
        token = slice_trim(slice_from(token, strlen(bearer)));
    else if (!token.len)
        token = request->headers[HEADER_API_KEY];
    if (!token.len && (cookie = request_cookie(request, COOKIE)).len) {
        token = token_of_cookie(cookie, decoded);
        request->by_cookie = token.len > 0;
    }
    name[0] = 0;
    request->role = token.len ? auth_role(auth, token, name) : ROLE_NONE;
    request->caller = slice_of(name);
    bool known = !token.len || request->role != ROLE_NONE;
    OPENSSL_cleanse(decoded, sizeof decoded);
    return known;
}

void auth_add_cookie(struct slice token, bool is_tls, struct buffer *out) {
    buffer_add_format(out, "%s=", COOKIE);
    text_add_base64(out, token);
    buffer_add_format(out, "; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                      token.len ? COOKIE_SECONDS : 0, is_tls ? "; Secure" : "");
}
