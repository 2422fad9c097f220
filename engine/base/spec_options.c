#include "engine/base/spec_options.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"

#include <stdio.h>

enum { GIVEN_MAX = 64 };

static enum error refuse_unknown(const struct option_spec *specs, struct slice name,
                                 struct failure *failure) {
    const struct option_spec *nearest = NULL;
    uint32_t best = UINT32_MAX;
    struct buffer names;

    buffer_init(&names);
    for (const struct option_spec *spec = specs; spec->name; spec++) {
        uint32_t distance = text_distance(name, slice_of(spec->name));
        if (distance < best && text_is_near(name, slice_of(spec->name))) {
            best = distance;
            nearest = spec;
        }
        buffer_add_format(&names, "%s%s", spec == specs ? "" : ", ", spec->name);
    }
    enum error error =
        nearest ? failure_set(failure, ERROR_USAGE, "unknown option %s behind #; did you mean %s?",
                              quote_of(name).text, nearest->name)
                : failure_set(failure, ERROR_USAGE, "unknown option %s behind #; there are %.*s",
                              quote_of(name).text, (int)names.len, (const char *)names.ptr);
    buffer_deinit(&names);
    return error;
}

static enum error set_one(const struct option_spec *specs, char *name, void *settings,
                          struct failure *failure) {
    const struct option_spec *spec = specs;
    char *value = strchr(name, '=');
    char given[GIVEN_MAX];

    if (value)
        *value++ = 0;
    while (spec->name && strcmp(spec->name, name) != 0)
        spec++;
    if (!spec->name)
        return refuse_unknown(specs, slice_of(name), failure);
    snprintf(given, sizeof given, "#%s", spec->name);
    if (!value && spec->kind != OPTION_FLAG)
        return failure_set(failure, ERROR_USAGE, "%s needs a value: %s=%s", given, given,
                           spec->argument);
    if (value && !text_decode_percent(value))
        return failure_set(failure, ERROR_USAGE, "%s: a %% must be written as %%25", given);
    return option_set(spec, given, value, settings, failure);
}

enum error spec_options_parse(const struct option_spec *specs, char *text, void *settings,
                              struct failure *failure) {
    enum error error = ERROR_NONE;

    for (char *next; text && !error; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = 0;
        if (*text)
            error = set_one(specs, text, settings, failure);
    }
    return error;
}
