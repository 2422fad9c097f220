#include "engine/tls/client_options.h"

#include "engine/base/buffer.h"
#include "engine/base/text.h"
#include "engine/tls/session.h"
#include "engine/tls/wire.h"

#include <assert.h>
#include <openssl/nid.h>

/* The first DEFAULT_GROUPS are the default. */
enum { DEFAULT_GROUPS = 4 };
static const struct {
    uint16_t id;
    int nid;
} groups[] = {
    {TLS_GROUP_X25519, NID_X25519},
    {TLS_GROUP_P256, NID_X9_62_prime256v1},
    {TLS_GROUP_P384, NID_secp384r1},
    {TLS_GROUP_P521, NID_secp521r1},
#ifdef NID_X25519MLKEM768
    {TLS_GROUP_X25519MLKEM768, NID_X25519MLKEM768},
#endif
#ifdef NID_X25519Kyber768
    {TLS_GROUP_X25519KYBER768, NID_X25519Kyber768},
#endif
};

enum { GROUP_COUNT = sizeof groups / sizeof *groups };
static_assert((size_t)GROUP_COUNT <= (size_t)TLS_CLIENT_GROUPS_MAX, "all may be named");

int tls_client_group_nid(uint16_t group) {
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (groups[i].id == group)
            return groups[i].nid;
    return 0;
}

struct tls_client_options tls_client_options_default(void) {
    struct tls_client_options options = {
        .version_min = TLS_VERSION_TLS10,
        .version_max = TLS_VERSION_TLS13,
        .group_count = DEFAULT_GROUPS,
        .alpn_len = 12,
        .alpn = "\x02h2\x08http/1.1",
    };
    for (size_t i = 0; i < DEFAULT_GROUPS; i++)
        options.groups[i] = groups[i].id;
    return options;
}

/* Takes one name off a list; false when it was the last. */
static bool take_name(struct slice *names, struct slice *name) {
    const uint8_t *comma = names->len ? memchr(names->ptr, ',', names->len) : NULL;
    size_t len = comma ? (size_t)(comma - names->ptr) : names->len;
    *name = slice_trim(slice_first(*names, len));
    *names = slice_from(*names, len + 1);
    return comma != NULL;
}

/* "what: word", with the word made safe for a terminal. */
static enum error refuse(struct failure *failure, const char *what, struct slice word,
                         const char *known) {
    struct buffer text;
    buffer_init(&text);
    text_add_safe(&text, slice_first(word, 64));
    failure_set(failure, ERROR_USAGE, "%s \"%.*s\"%s", what, (int)text.len, (const char *)text.ptr,
                known);
    buffer_deinit(&text);
    return ERROR_USAGE;
}

static enum error refuse_group(struct failure *failure, const char *what, struct slice word) {
    struct buffer known;
    buffer_init(&known);
    for (size_t i = 0; i < GROUP_COUNT; i++)
        buffer_add_format(&known, "%s%s", i ? ", " : ": known are ", tls_group_name(groups[i].id));
    buffer_add_byte(&known, 0);
    refuse(failure, what, word, known.failed ? "" : (const char *)known.ptr);
    buffer_deinit(&known);
    return ERROR_USAGE;
}

static bool has_group(const struct tls_client_options *options, uint16_t id) {
    for (size_t i = 0; i < options->group_count; i++)
        if (options->groups[i] == id)
            return true;
    return false;
}

enum error tls_client_options_groups(struct tls_client_options *options, struct slice names,
                                     struct failure *failure) {
    struct tls_client_options chosen = *options;
    struct slice name;
    chosen.group_count = 0;
    for (bool more = true; more;) {
        uint16_t id = 0;
        more = take_name(&names, &name);
        for (size_t i = 0; i < GROUP_COUNT; i++)
            if (slice_equal_nocase(name, slice_of(tls_group_name(groups[i].id))))
                id = groups[i].id;
        if (!id)
            return refuse_group(failure, "no group that can be offered", name);
        if (has_group(&chosen, id))
            return refuse(failure, "a group named twice", name, "");
        chosen.groups[chosen.group_count++] = id;
    }
    *options = chosen;
    return ERROR_NONE;
}

enum error tls_client_options_alpn(struct tls_client_options *options, struct slice names,
                                   struct failure *failure) {
    struct tls_client_options chosen = *options;
    struct slice name;
    chosen.alpn_len = 0;
    for (bool more = slice_trim(names).len != 0; more;) {
        more = take_name(&names, &name);
        if (name.len == 0)
            return refuse(failure, "no ALPN protocol", name, "");
        if (name.len + 1u > sizeof chosen.alpn - chosen.alpn_len)
            return refuse(failure, "the ALPN protocols are too long at", name, "");
        chosen.alpn[chosen.alpn_len++] = (uint8_t)name.len;
        memcpy(chosen.alpn + chosen.alpn_len, name.ptr, name.len);
        chosen.alpn_len = (uint8_t)(chosen.alpn_len + name.len);
    }
    *options = chosen;
    return ERROR_NONE;
}
