#include "tools/trawl/check_input.h"

#include "engine/base/quote.h"

#include <errno.h>
#include <unistd.h>
#include <yyjson.h>

static enum error no_memory(struct failure *failure) {
    return failure_set(failure, ERROR_MEMORY, "no memory for the arguments");
}

/* Terminated, in the arena; NULL when there is no memory. */
static const char *keep(struct arena *memory, struct slice text) {
    char *copy = arena_take(memory, text.len + 1);

    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

static enum error set_port(struct check_settings *settings, struct slice text,
                           struct failure *failure) {
    if (!slice_to_u64(text, 65535, &settings->port) || settings->port == 0)
        return failure_set(failure, ERROR_USAGE, "port %s is not between 1 and 65535",
                           quote_of(text).text);
    return ERROR_NONE;
}

/* --- {"host": ..., "params": "key: value, key: value"} --- */

static enum error set_validation(struct check_settings *settings, struct slice value,
                                 struct failure *failure) {
    static const char *const names[] = {
        [VALIDATE_NONE] = "none", [VALIDATE_CN] = "cn", [VALIDATE_CN_SAN] = "cn_san"};

    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (slice_equal_nocase(value, slice_of(names[i]))) {
            settings->validation = i;
            return ERROR_NONE;
        }
    return failure_set(failure, ERROR_USAGE,
                       "cert_domainname_validation is None, cn or cn_san, not %s",
                       quote_of(value).text);
}

static enum error set_parameter(struct slice key, struct slice value, struct arena *memory,
                                struct check_settings *settings, struct failure *failure) {
    const char **text = slice_is(key, "protocol")          ? &settings->protocol
                        : slice_is(key, "cert_domainname") ? &settings->name
                                                           : NULL;

    if (text) {
        *text = keep(memory, value);
        return *text ? ERROR_NONE : no_memory(failure);
    }
    if (slice_is(key, "port"))
        return set_port(settings, value, failure);
    if (slice_is(key, "cert_domainname_validation"))
        return set_validation(settings, value, failure);
    return failure_set(failure, ERROR_USAGE,
                       "unknown parameter %s: there are port, protocol, cert_domainname and "
                       "cert_domainname_validation",
                       quote_of(key).text);
}

static enum error read_parameters(struct slice rest, struct arena *memory,
                                  struct check_settings *settings, struct failure *failure) {
    enum error error = ERROR_NONE;

    while (error == ERROR_NONE && slice_trim(rest).len) {
        const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
        struct slice pair = slice_first(rest, comma ? (size_t)(comma - rest.ptr) : rest.len);
        const uint8_t *colon = pair.len ? memchr(pair.ptr, ':', pair.len) : NULL;
        rest = slice_from(rest, pair.len + 1);
        if (!colon)
            return failure_set(failure, ERROR_USAGE, "parameters are KEY: VALUE, not %s",
                               quote_of(slice_trim(pair)).text);
        size_t at = (size_t)(colon - pair.ptr);
        error = set_parameter(slice_trim(slice_first(pair, at)),
                              slice_trim(slice_from(pair, at + 1)), memory, settings, failure);
    }
    return error;
}

/* A string of the object, in the arena; NULL when it has none. */
static const char *take_string(yyjson_val *object, const char *key, struct arena *memory) {
    yyjson_val *value = yyjson_obj_get(object, key);
    const char *text = yyjson_get_str(value);

    return text ? keep(memory, (struct slice){(const uint8_t *)text, yyjson_get_len(value)}) : NULL;
}

static enum error take_object(struct slice text, struct arena *memory,
                              struct check_settings *settings, struct option_list *positionals,
                              struct failure *failure) {
    yyjson_doc *doc = yyjson_read((const char *)text.ptr, text.len, 0);
    yyjson_val *object = yyjson_doc_get_root(doc);
    const char *host = take_string(object, "host", memory);
    const char *params = take_string(object, "params", memory);
    bool is_object = yyjson_is_obj(object);

    yyjson_doc_free(doc);
    if (!is_object)
        return failure_set(failure, ERROR_USAGE, "the argument is not a JSON object");
    if (!host || !*host || !params)
        return failure_set(failure, ERROR_USAGE, "Key '%s' missing in JSON object.",
                           host && *host ? "params" : "host");
    enum error error = read_parameters(slice_of(params), memory, settings, failure);
    if (error == ERROR_NONE && !settings->protocol)
        settings->protocol = "smtp"; /* as these sensors always had it */
    if (error == ERROR_NONE && !option_list_add(positionals, host))
        error = no_memory(failure);
    return error;
}

/* --- device port protocol --- */

static enum error take_three(struct check_settings *settings, struct option_list *positionals,
                             struct failure *failure) {
    settings->protocol = positionals->items[2];
    enum error error = set_port(settings, slice_of(positionals->items[1]), failure);
    positionals->count = 1;
    return error;
}

/* Words as a shell parts them, written over the text itself; false when a quote is not closed or
 * there are too many. */
static bool split_words(char *text, char *words[CHECK_WORDS_MAX], int *count) {
    char *out = text, quote = 0;
    bool in_word = false;

    *count = 0;
    for (char *in = text;; in++) {
        bool end = !*in, blank = *in == ' ' || *in == '\t' || *in == '\n' || *in == '\r';
        if (end || (blank && !quote)) {
            if (in_word)
                *out++ = '\0';
            in_word = false;
            if (end)
                return !quote;
            continue;
        }
        if (!in_word) {
            if (*count == CHECK_WORDS_MAX)
                return false;
            words[(*count)++] = out;
            in_word = true;
        }
        if (quote ? *in == quote : *in == '"' || *in == '\'')
            quote = quote ? 0 : *in;
        else if (*in == '\\' && quote != '\'' && in[1])
            *out++ = *++in;
        else
            *out++ = *in;
    }
}

/* --- Standard input --- */

static enum error read_input(int fd, struct buffer *out, struct failure *failure) {
    for (;;) {
        uint8_t *at = buffer_reserve(out, CHECK_INPUT_BYTES_MAX + 1);
        if (!at)
            return no_memory(failure);
        ssize_t got = read(fd, at, CHECK_INPUT_BYTES_MAX + 1 - out->len);
        if (got < 0 && errno != EINTR)
            return failure_set(failure, (enum error)errno, "standard input cannot be read: %s",
                               error_text((enum error)errno));
        out->len += got > 0 ? (size_t)got : 0;
        if (out->len > CHECK_INPUT_BYTES_MAX || (out->len && memchr(out->ptr, 0, out->len)))
            return failure_set(failure, ERROR_INPUT, "standard input holds no arguments");
        if (got == 0)
            return ERROR_NONE;
    }
}

static enum error take_input(const struct option_spec *options, int fd, struct arena *memory,
                             struct check_settings *settings, struct option_list *positionals,
                             struct failure *failure) {
    char *words[CHECK_WORDS_MAX];
    struct buffer input;
    int count;

    buffer_init(&input);
    enum error error = read_input(fd, &input, failure);
    char *text = error == ERROR_NONE
                     ? (char *)keep(memory, slice_trim(buffer_slice(&input))) /* ours to change */
                     : NULL;
    buffer_deinit(&input);
    if (error != ERROR_NONE)
        return error;
    if (!text)
        return no_memory(failure);
    if (*text == '{')
        return option_list_add(positionals, text) ? ERROR_NONE : no_memory(failure);
    if (!split_words(text, words, &count))
        return failure_set(failure, ERROR_USAGE,
                           "standard input: a quote is not closed, or more "
                           "than %d words",
                           CHECK_WORDS_MAX);
    return option_parse(options, count, words, settings, positionals, failure);
}

enum error check_input_take(const struct option_spec *options, int fd, struct arena *memory,
                            struct check_settings *settings, struct option_list *positionals,
                            struct failure *failure) {
    enum error error = ERROR_NONE;

    if (positionals->count == 0 && fd >= 0)
        error = take_input(options, fd, memory, settings, positionals, failure);
    if (error != ERROR_NONE)
        return error;
    if (positionals->count == 3)
        return take_three(settings, positionals, failure);
    if (positionals->count == 1 && positionals->items[0][0] == '{') {
        struct slice text = slice_of(positionals->items[0]);
        positionals->count = 0;
        return take_object(text, memory, settings, positionals, failure);
    }
    return ERROR_NONE;
}
