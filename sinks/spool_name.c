#include "sinks/spool_name.h"

#include "engine/base/text.h"
#include "engine/x509/certificate.h"

#include <stdio.h>

enum { HASH_BYTES = 6, HOST_MAX = 64 };

static const char TITLE[] = "trawl spool 1";

/* ---------------------------------------------------------------------------------------------
 * Secrets
 * ------------------------------------------------------------------------------------------- */

static void add(char out[SPOOL_SPEC_MAX], size_t *len, struct slice text) {
    if (text.len)
        memcpy(out + *len, text.ptr, text.len);
    *len += text.len;
}

/* "scheme://user:password@" without the password; what follows is left to the caller. */
static struct slice cut_user(struct slice spec, char out[SPOOL_SPEC_MAX], size_t *len, bool *cut) {
    const uint8_t *colon = memmem(spec.ptr, spec.len, "://", 3);
    if (!colon)
        return spec;
    struct slice scheme = slice_first(spec, (size_t)(colon + 3 - spec.ptr));
    struct slice rest = slice_from(spec, scheme.len);
    size_t end = 0;
    while (end < rest.len && !strchr("/?#\\", rest.ptr[end]))
        end++;
    const uint8_t *at = end ? memrchr(rest.ptr, '@', end) : NULL;
    add(out, len, scheme);
    if (!at)
        return rest;
    size_t user = (size_t)(at - rest.ptr);
    const uint8_t *password = memchr(rest.ptr, ':', user);
    bool is_token = slice_equal_nocase(slice_first(scheme, 4), slice_of("nats"));
    if (!password && !is_token)
        return rest;
    *cut = true;
    if (is_token)
        return slice_from(rest, user + 1);
    add(out, len, slice_first(rest, (size_t)(password - rest.ptr)));
    return slice_from(rest, user);
}

bool spool_spec_without_secret(const char *spec, char out[SPOOL_SPEC_MAX], bool *cut) {
    static const char key[] = "password=";
    size_t len = 0;

    *cut = false;
    if (strlen(spec) >= SPOOL_SPEC_MAX || strpbrk(spec, "\r\n"))
        return false;
    struct slice rest = cut_user(slice_of(spec), out, &len, cut);
    for (const uint8_t *at;
         rest.len && (at = memmem(rest.ptr, rest.len, key, sizeof key - 1)) != NULL;) {
        struct slice before = slice_first(rest, (size_t)(at - rest.ptr) + sizeof key - 1);
        add(out, &len, before);
        rest = slice_from(rest, before.len);
        size_t end = 0;
        while (end < rest.len && !strchr("&# ", rest.ptr[end]))
            end++;
        *cut = *cut || end;
        rest = slice_from(rest, end);
    }
    add(out, &len, rest);
    out[len] = 0;
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Names
 * ------------------------------------------------------------------------------------------- */

/* What is behind "://" up to the path, without the user; else the last part of a path. */
static struct slice host_of(struct slice spec) {
    const uint8_t *colon = memmem(spec.ptr, spec.len, "://", 3);

    if (colon) {
        struct slice rest = slice_from(spec, (size_t)(colon + 3 - spec.ptr));
        size_t end = 0;
        while (end < rest.len && !strchr("/?#\\", rest.ptr[end]))
            end++;
        struct slice authority = slice_first(rest, end);
        const uint8_t *at = end ? memrchr(authority.ptr, '@', end) : NULL;
        authority = at ? slice_from(authority, (size_t)(at - authority.ptr) + 1) : authority;
        if (authority.len)
            return authority;
    }
    const uint8_t *slash = memrchr(spec.ptr, '/', spec.len);
    return slash ? slice_from(spec, (size_t)(slash - spec.ptr) + 1) : spec;
}

static void add_word(struct buffer *out, struct slice text) {
    for (size_t i = 0; i < text.len && i < HOST_MAX; i++) {
        uint8_t c = text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '.' || c == '-';
        buffer_add_byte(out, plain ? c : '_');
    }
}

bool spool_name_is_good(const char *name) {
    size_t len = strlen(name);

    return len && len < SPOOL_NAME_MAX && name[0] != '.' &&
           strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_") == len;
}

bool spool_describe(const struct spool_config *config, struct spool_meta *out) {
    uint8_t hash[CERTIFICATE_SHA256_BYTES];
    struct buffer text;

    *out = (struct spool_meta){0};
    if (!spool_spec_without_secret(config->spec, out->spec, &out->spec_is_cut))
        return false;
    snprintf(out->kind, sizeof out->kind, "%s", config->kind);
    snprintf(out->format, sizeof out->format, "%s", config->format);
    struct slice address = slice_first(slice_of(out->spec), strcspn(out->spec, "#"));
    buffer_init(&text);
    buffer_add_format(&text, "%s %s ", out->kind, out->format);
    buffer_add_slice(&text, address);
    certificate_sha256(buffer_slice(&text), hash);
    text.len = 0;
    add_word(&text, slice_of(out->kind));
    buffer_add_byte(&text, '-');
    add_word(&text, host_of(address));
    buffer_add_byte(&text, '-');
    text_add_hex(&text, (struct slice){hash, HASH_BYTES});
    bool ok = !text.failed && text.len < sizeof out->name - 4;
    snprintf(out->name, sizeof out->name, "%.*s", ok ? (int)text.len : 0, (const char *)text.ptr);
    buffer_deinit(&text);
    return ok;
}

/* ---------------------------------------------------------------------------------------------
 * The meta file
 * ------------------------------------------------------------------------------------------- */

void spool_meta_write(const struct spool_meta *meta, struct buffer *out) {
    buffer_add_format(out, "%s\nkind %s\nformat %s\n%s %s\n", TITLE, meta->kind, meta->format,
                      meta->spec_is_cut ? "spec-without-password" : "spec", meta->spec);
}

static struct slice next_line(struct slice *text) {
    const uint8_t *end = text->len ? memchr(text->ptr, '\n', text->len) : NULL;
    struct slice line = slice_first(*text, end ? (size_t)(end - text->ptr) : SIZE_MAX);

    *text = slice_from(*text, line.len + 1);
    return line;
}

static bool take(struct slice line, const char *key, char *out, size_t size) {
    size_t len = strlen(key);
    struct slice value = slice_from(line, len + 1);

    if (line.len < len + 1 || line.ptr[len] != ' ' || memcmp(line.ptr, key, len) != 0 ||
        value.len >= size || (value.len && memchr(value.ptr, 0, value.len)))
        return false;
    if (value.len)
        memcpy(out, value.ptr, value.len);
    out[value.len] = 0;
    return true;
}

bool spool_meta_read(struct slice text, struct spool_meta *out) {
    if (!slice_is(next_line(&text), TITLE))
        return false;
    while (text.len) {
        struct slice line = next_line(&text);
        if (take(line, "spec-without-password", out->spec, sizeof out->spec))
            out->spec_is_cut = true;
        else if (!take(line, "spec", out->spec, sizeof out->spec) &&
                 !take(line, "kind", out->kind, sizeof out->kind))
            (void)take(line, "format", out->format, sizeof out->format);
    }
    return out->kind[0] && out->spec[0];
}
