#include "engine/nats/url.h"

#include "engine/base/buffer.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/text.h"

#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>

static const struct scheme {
    const char *prefix;
    bool tls;
} schemes[] = {{"nats://", false}, {"nats+tls://", true}, {"tls://", true}};

static const struct scheme *scheme_of(struct slice spec) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct slice prefix = slice_of(schemes[i].prefix);
        if (slice_equal_nocase(slice_first(spec, prefix.len), prefix))
            return &schemes[i];
    }
    return NULL;
}

bool nats_url_takes(struct slice spec) {
    return scheme_of(spec) != NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Servers
 * ------------------------------------------------------------------------------------------- */

/* A copy with %XX decoded; NULL when there is no memory, or something behind a % is no byte. */
static char *decode(struct slice text) {
    char *out = text.len ? strndup((const char *)text.ptr, text.len) : strdup("");

    if (out && !text_decode_percent(out)) {
        free(out);
        return NULL;
    }
    return out;
}

/* "user:password@" of one server; all servers share it. */
static bool read_user(struct nats_url *url, struct slice user) {
    const uint8_t *colon = memchr(user.ptr, ':', user.len);
    struct slice name = slice_first(user, colon ? (size_t)(colon - user.ptr) : user.len);

    if (url->user || !name.len)
        return false;
    url->user = decode(name);
    if (colon)
        url->password = decode(slice_from(user, name.len + 1));
    return url->user && (!colon || url->password);
}

/* What a host name or an address has; libnats takes the rest of a URL apart by itself. */
static bool is_host(struct slice host) {
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        bool is_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!is_word && !(c && strchr("-_.:", c)))
            return false;
    }
    return host.len > 0 && host.len <= LIMIT_HOST_NAME_BYTES;
}

static bool read_server(struct nats_url *url, struct slice server) {
    const uint8_t *at = server.len ? memrchr(server.ptr, '@', server.len) : NULL;
    uint64_t port = NATS_PORT;

    if (url->count == NATS_SERVERS_MAX)
        return false;
    if (at) {
        size_t len = (size_t)(at - server.ptr);
        if (!read_user(url, slice_first(server, len)))
            return false;
        server = slice_from(server, len + 1);
    }
    bool bracketed = server.len && server.ptr[0] == '[';
    const uint8_t *end = !server.len ? NULL
                         : bracketed ? memchr(server.ptr, ']', server.len)
                                     : memchr(server.ptr, ':', server.len);
    if (bracketed && !end)
        return false;
    size_t host_len = end ? (size_t)(end - server.ptr) : server.len;
    struct slice host = slice_from(slice_first(server, host_len), bracketed);
    struct slice rest = slice_from(server, host_len + bracketed);
    if (!is_host(host) || (!bracketed && memchr(host.ptr, ':', host.len)))
        return false;
    if (rest.len &&
        (rest.ptr[0] != ':' || !slice_to_u64(slice_from(rest, 1), 65535, &port) || port == 0))
        return false;
    if (asprintf(&url->servers[url->count], "nats://%s%.*s%s:%u", bracketed ? "[" : "",
                 (int)host.len, (const char *)host.ptr, bracketed ? "]" : "", (unsigned)port) < 0)
        return false;
    url->count++;
    return true;
}

static bool read_servers(struct nats_url *url, struct slice list) {
    while (list.len) {
        const uint8_t *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.ptr) : list.len;
        if (!read_server(url, slice_first(list, len)) || (comma && len + 1 == list.len))
            return false;
        list = slice_from(list, len + 1);
    }
    return url->count > 0;
}

/* ---------------------------------------------------------------------------------------------
 * The whole
 * ------------------------------------------------------------------------------------------- */

static bool make_name(struct nats_url *url) {
    struct buffer name;
    char shown[QUOTE_BYTES];

    buffer_init(&name);
    buffer_add_text(&name, url->tls ? "nats+tls://" : "nats://");
    for (uint32_t i = 0; i < url->count; i++) {
        buffer_add_text(&name, i ? "," : "");
        buffer_add_text(&name, url->servers[i] + strlen("nats://"));
    }
    if (url->path) {
        quote_bare(shown, sizeof shown, slice_of(url->path));
        buffer_add_byte(&name, '/');
        buffer_add_text(&name, shown);
    }
    buffer_add_byte(&name, 0);
    if (name.failed)
        buffer_deinit(&name);
    else
        url->name = (char *)name.ptr;
    return url->name != NULL;
}

enum error nats_url_init(struct nats_url *out, const char *spec, struct failure *failure) {
    const struct scheme *scheme = scheme_of(slice_of(spec));

    *out = (struct nats_url){0};
    if (!scheme)
        return failure_set(failure, ERROR_USAGE, "a NATS URL begins with nats:// or nats+tls://");
    out->tls = scheme->tls;
    out->text = strdup(spec + strlen(scheme->prefix));
    if (!out->text)
        return failure_set(failure, ERROR_MEMORY, "no memory for a URL");
    out->options = strchr(out->text, '#');
    if (out->options)
        *out->options++ = 0;
    /* A password may hold a slash in no other way than as %2F. */
    char *slash = strchr(out->text, '/');
    if (slash)
        *slash++ = 0;
    out->path = slash && *slash ? slash : NULL;
    if (!read_servers(out, slice_of(out->text)))
        return failure_set(failure, ERROR_USAGE,
                           "what follows %s must be HOST:PORT, or up to %d of them with commas "
                           "between, and one USER:PASSWORD@ before them at most",
                           scheme->prefix, NATS_SERVERS_MAX);
    return make_name(out) ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory for a URL");
}

static void forget(char *secret) {
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

void nats_url_deinit(struct nats_url *url) {
    for (uint32_t i = 0; i < url->count; i++)
        free(url->servers[i]);
    forget(url->user);
    forget(url->password);
    forget(url->text);
    free(url->name);
    *url = (struct nats_url){0};
}

/* ---------------------------------------------------------------------------------------------
 * Subjects and streams
 * ------------------------------------------------------------------------------------------- */

/* The token at the front; `rest` gets what follows its dot. */
static struct slice next_token(struct slice subject, struct slice *rest) {
    const uint8_t *dot = subject.len ? memchr(subject.ptr, '.', subject.len) : NULL;
    size_t len = dot ? (size_t)(dot - subject.ptr) : subject.len;

    *rest = slice_from(subject, len + 1);
    return slice_first(subject, len);
}

static bool has_only_letters(struct slice text, const char *others_than) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f || strchr(others_than, text.ptr[i]))
            return false;
    return text.len > 0;
}

bool nats_subject_is_valid(struct slice subject) {
    if (subject.len > NATS_SUBJECT_MAX || !has_only_letters(subject, "*>") ||
        subject.ptr[0] == '$' || subject.ptr[subject.len - 1] == '.')
        return false;
    for (struct slice rest = subject; rest.len;)
        if (next_token(rest, &rest).len == 0)
            return false;
    return true;
}

bool nats_subject_matches(struct slice pattern, struct slice subject) {
    while (pattern.len && subject.len) {
        struct slice wanted = next_token(pattern, &pattern);
        if (slice_is(wanted, ">"))
            return true;
        struct slice token = next_token(subject, &subject);
        if (!slice_is(wanted, "*") && !slice_equal(wanted, token))
            return false;
    }
    return pattern.len == 0 && subject.len == 0;
}

bool nats_stream_name_is_valid(struct slice name) {
    return name.len <= NATS_STREAM_NAME_MAX && has_only_letters(name, ".*>/\\");
}
