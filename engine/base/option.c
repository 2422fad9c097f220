#include "engine/base/option.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* For where a message needs no quotes around a user's text. */
static struct quote bare(struct slice word) {
    struct quote quote;
    quote_bare(quote.text, sizeof quote.text, word);
    return quote;
}

void option_list_init(struct option_list *list) {
    *list = (struct option_list){0};
}

void option_list_deinit(struct option_list *list) {
    free(list->items);
    *list = (struct option_list){0};
}

bool option_list_add(struct option_list *list, const char *item) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 8;
        const char **items = realloc(list->items, capacity * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

enum error option_list_terminate(struct option_list *list, struct failure *failure) {
    if (!option_list_add(list, NULL))
        return failure_set(failure, ERROR_MEMORY, "no memory for the settings");
    list->count--;
    return ERROR_NONE;
}

/* Values */

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit number_units[] = {{"", 1}, {NULL, 0}};

/* Help writes a default in the largest unit that fits without a rest: small ones first. */
static const struct unit time_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit byte_units[] = {
    {"", 1}, {"k", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", UINT64_C(1) << 40}, {NULL, 0},
};

static const struct unit *units_of(enum option_kind kind) {
    return kind == OPTION_SECONDS ? time_units : kind == OPTION_BYTES ? byte_units : number_units;
}

static const char *quantity_words(enum option_kind kind) {
    switch (kind) {
    case OPTION_SECONDS:
        return "a time such as 5, 0.5, 500ms or 2m";
    case OPTION_BYTES:
        return "a size such as 4096, 64k, 10M or 1G";
    default:
        return "a whole number";
    }
}

/* Units without exponents: 6 decimals are finer than any of them needs. */
enum { DECIMALS_MAX = 6 };

/* Reads digits with an optional fraction and unit. The result must be whole: no 1.5 targets, no 0.1
 * ms. */
static bool quantity_parse(struct slice text, const struct unit *units, uint64_t *out) {
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    uint64_t whole, fraction = 0, scale = 1;
    if (!slice_to_u64(slice_first(text, digits), UINT64_MAX, &whole))
        return false;
    text = slice_from(text, digits);
    if (text.len && text.ptr[0] == '.') {
        text = slice_from(text, 1);
        digits = 0;
        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
            digits++;
        if (digits > DECIMALS_MAX ||
            !slice_to_u64(slice_first(text, digits), UINT64_MAX, &fraction))
            return false;
        for (size_t i = 0; i < digits; i++)
            scale *= 10;
        text = slice_from(text, digits);
    }
    const struct unit *unit = units;
    while (unit->suffix && !slice_equal_nocase(text, slice_of(unit->suffix)))
        unit++;
    if (!unit->suffix || fraction * unit->factor % scale)
        return false;
    return !__builtin_mul_overflow(whole, unit->factor, out) &&
           !__builtin_add_overflow(*out, fraction * unit->factor / scale, out);
}

static void quantity_add(struct buffer *out, const struct unit *units, uint64_t value) {
    const struct unit *best = units;
    for (const struct unit *unit = units + 1; unit->suffix; unit++)
        if (value && value % unit->factor == 0 &&
            (unit->factor > best->factor || value % best->factor))
            best = unit;
    /* Bare seconds read best with their unit. */
    const char *suffix = units == time_units && best == units ? "s" : best->suffix;
    buffer_add_format(out, "%" PRIu64 "%s", value / best->factor, suffix);
}

static enum error set_quantity(const struct option_spec *spec, const char *given, const char *value,
                               uint64_t *field, struct failure *failure) {
    const struct unit *units = units_of(spec->kind);
    uint64_t number;
    if (!quantity_parse(slice_of(value), units, &number))
        return failure_set(failure, ERROR_USAGE, "%s: %s is not %s", given,
                           quote_of(slice_of(value)).text, quantity_words(spec->kind));
    if (number >= spec->minimum && (!spec->maximum || number <= spec->maximum)) {
        *field = number;
        return ERROR_NONE;
    }
    struct buffer range;
    buffer_init(&range);
    if (spec->maximum) {
        quantity_add(&range, units, spec->minimum);
        buffer_add_text(&range, " to ");
        quantity_add(&range, units, spec->maximum);
    } else {
        buffer_add_text(&range, "at least ");
        quantity_add(&range, units, spec->minimum);
    }
    enum error error =
        failure_set(failure, ERROR_USAGE, "%s: %s is out of range; it must be %.*s", given,
                    bare(slice_of(value)).text, (int)range.len, (const char *)range.ptr);
    buffer_deinit(&range);
    return error;
}

static void add_choices(struct buffer *out, const struct option_spec *spec, const char *last) {
    for (size_t i = 0; spec->choices[i]; i++) {
        if (i)
            buffer_add_text(out, spec->choices[i + 1] ? ", " : last);
        buffer_add_text(out, spec->choices[i]);
    }
}

static enum error set_choice(const struct option_spec *spec, const char *given, const char *value,
                             int *field, struct failure *failure) {
    for (int i = 0; spec->choices[i]; i++)
        if (strcmp(spec->choices[i], value) == 0) {
            *field = i;
            return ERROR_NONE;
        }
    struct buffer names;
    buffer_init(&names);
    add_choices(&names, spec, " or ");
    enum error error =
        failure_set(failure, ERROR_USAGE, "%s: %s is not %.*s", given,
                    quote_of(slice_of(value)).text, (int)names.len, (const char *)names.ptr);
    buffer_deinit(&names);
    return error;
}

static enum error set_flag(const char *given, const char *value, bool *field,
                           struct failure *failure) {
    if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return failure_set(failure, ERROR_USAGE, "%s: %s is not true or false", given,
                           quote_of(slice_of(value)).text);
    *field = !value || strcmp(value, "true") == 0;
    return ERROR_NONE;
}

enum error option_set(const struct option_spec *spec, const char *given, const char *value,
                      void *settings, struct failure *failure) {
    void *field = (char *)settings + spec->offset;
    switch (spec->kind) {
    case OPTION_FLAG:
        return set_flag(given, value, field, failure);
    case OPTION_NUMBER:
    case OPTION_SECONDS:
    case OPTION_BYTES:
        return set_quantity(spec, given, value, field, failure);
    case OPTION_TEXT:
        *(const char **)field = value;
        return ERROR_NONE;
    case OPTION_CHOICE:
        return set_choice(spec, given, value, field, failure);
    case OPTION_LIST:
        if (!option_list_add(field, value))
            return failure_set(failure, ERROR_MEMORY, "no memory for the arguments");
        return ERROR_NONE;
    }
    return ERROR_INTERNAL;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool option_is_default(const struct option_spec *spec, const void *settings, const void *defaults) {
    const void *is = (const char *)settings + spec->offset;
    const void *was = (const char *)defaults + spec->offset;
    switch (spec->kind) {
    case OPTION_FLAG:
        return *(const bool *)is == *(const bool *)was;
    case OPTION_NUMBER:
    case OPTION_SECONDS:
    case OPTION_BYTES:
        return *(const uint64_t *)is == *(const uint64_t *)was;
    case OPTION_CHOICE:
        return *(const int *)is == *(const int *)was;
    case OPTION_TEXT:
        return same_text(*(const char *const *)is, *(const char *const *)was);
    case OPTION_LIST:
        return ((const struct option_list *)is)->count == 0;
    }
    return true;
}

/* The command line */

enum { GIVEN_MAX = 64 }; /* "--name" in messages */

struct parser {
    const struct option_spec *specs;
    int argc, next;
    char *const *argv;
    void *settings;
    struct option_list *positionals;
    struct failure *failure;
};

static void refuse_unknown(const struct parser *parser, struct slice word) {
    const char *nearest = NULL;
    uint32_t best = UINT32_MAX;
    for (const struct option_spec *spec = parser->specs; spec->name; spec++) {
        uint32_t distance = text_distance(word, slice_of(spec->name));
        if (distance < best && text_is_near(word, slice_of(spec->name))) {
            best = distance;
            nearest = spec->name;
        }
    }
    if (nearest)
        (void)failure_set(parser->failure, ERROR_USAGE, "unknown option --%s; did you mean --%s?",
                          bare(word).text, nearest);
    else
        (void)failure_set(parser->failure, ERROR_USAGE,
                          "unknown option --%s; --help lists all options", bare(word).text);
}

static void refuse_ambiguous(const struct parser *parser, struct slice word) {
    struct buffer names;
    buffer_init(&names);
    for (const struct option_spec *spec = parser->specs; spec->name; spec++)
        if (slice_equal(slice_first(slice_of(spec->name), word.len), word))
            buffer_add_format(&names, "%s--%s", names.len ? ", " : "", spec->name);
    (void)failure_set(parser->failure, ERROR_USAGE, "--%.*s may mean %.*s", (int)word.len,
                      (const char *)word.ptr, (int)names.len, (const char *)names.ptr);
    buffer_deinit(&names);
}

/* By its whole name, or by a beginning that no other option has; NULL after a usage error. */
static const struct option_spec *find_long(const struct parser *parser, struct slice word) {
    const struct option_spec *found = NULL;
    uint32_t matches = 0;
    for (const struct option_spec *spec = parser->specs; spec->name; spec++) {
        if (slice_is(word, spec->name))
            return spec;
        if (word.len && slice_equal(slice_first(slice_of(spec->name), word.len), word)) {
            found = spec;
            matches++;
        }
    }
    if (matches == 1)
        return found;
    if (matches > 1)
        refuse_ambiguous(parser, word);
    else
        refuse_unknown(parser, word);
    return NULL;
}

static const struct option_spec *find_letter(const struct parser *parser, char letter) {
    for (const struct option_spec *spec = parser->specs; spec->name; spec++)
        if (spec->letter == letter)
            return spec;
    return NULL;
}

/* Sets `spec` from `attached`, or else from the next argument. */
static enum error take_value(struct parser *parser, const struct option_spec *spec,
                             const char *given, const char *attached) {
    if (!attached) {
        bool there =
            parser->next < parser->argc && strncmp(parser->argv[parser->next], "--", 2) != 0;
        if (!there)
            return failure_set(parser->failure, ERROR_USAGE, "%s needs a value: %s %s", given,
                               given, spec->argument);
        attached = parser->argv[parser->next++];
    }
    return option_set(spec, given, attached, parser->settings, parser->failure);
}

static enum error parse_long(struct parser *parser, const char *argument) {
    const char *word = argument + 2, *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct option_spec *spec = find_long(parser, (struct slice){(const uint8_t *)word, len});
    if (!spec)
        return ERROR_USAGE;
    char given[GIVEN_MAX];
    snprintf(given, sizeof given, "--%s", spec->name);
    if (spec->kind != OPTION_FLAG)
        return take_value(parser, spec, given, equals ? equals + 1 : NULL);
    if (equals)
        return failure_set(parser->failure, ERROR_USAGE, "%s takes no value", given);
    return option_set(spec, given, NULL, parser->settings, parser->failure);
}

/* The first of `letters`, which may be more than a byte. */
static enum error refuse_letter(const struct parser *parser, struct slice letters) {
    struct slice letter = slice_first(letters, text_rune_first(letters).len);
    return failure_set(parser->failure, ERROR_USAGE, "unknown option -%s; --help lists all options",
                       bare(letter).text);
}

static enum error parse_letters(struct parser *parser, const char *letters) {
    for (; *letters; letters++) {
        const char given[3] = {'-', *letters, 0};
        const struct option_spec *spec = find_letter(parser, *letters);
        if (!spec)
            return refuse_letter(parser, slice_of(letters));
        if (spec->kind != OPTION_FLAG)
            return take_value(parser, spec, given, letters[1] ? letters + 1 : NULL);
        enum error error = option_set(spec, given, NULL, parser->settings, parser->failure);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

enum error option_parse(const struct option_spec *specs, int argc, char *const argv[],
                        void *settings, struct option_list *positionals, struct failure *failure) {
    struct parser parser = {specs, argc, 0, argv, settings, positionals, failure};
    bool ended = false;
    while (parser.next < argc) {
        const char *argument = argv[parser.next++];
        enum error error = ERROR_NONE;
        if (ended || argument[0] != '-' || !argument[1]) {
            if (!option_list_add(positionals, argument))
                error = failure_set(failure, ERROR_MEMORY, "no memory for the arguments");
        } else if (strcmp(argument, "--") == 0) {
            ended = true;
        } else if (argument[1] == '-') {
            error = parse_long(&parser, argument);
        } else {
            error = parse_letters(&parser, argument + 1);
        }
        if (error)
            return error;
    }
    return ERROR_NONE;
}

/* Help */

enum {
    HELP_COLUMNS_MIN = 60,
    HELP_LEFT_MAX = 32, /* a longer option has its summary on the next line */
};

/* "  -r, --rate N"; returns its width. Names and arguments are ASCII. */
static uint32_t add_usage(struct buffer *out, const struct option_spec *spec) {
    size_t start = out->len;
    if (spec->letter)
        buffer_add_format(out, "  -%c, --%s", spec->letter, spec->name);
    else
        buffer_add_format(out, "      --%s", spec->name);
    if (spec->argument)
        buffer_add_format(out, " %s", spec->argument);
    return (uint32_t)(out->len - start);
}

static void add_default(struct buffer *out, const struct option_spec *spec, const void *settings) {
    const void *field = (const char *)settings + spec->offset;
    switch (spec->kind) {
    case OPTION_NUMBER:
    case OPTION_SECONDS:
    case OPTION_BYTES:
        if (*(const uint64_t *)field || !spec->unset)
            quantity_add(out, units_of(spec->kind), *(const uint64_t *)field);
        else
            buffer_add_text(out, spec->unset);
        return;
    case OPTION_TEXT:
        if (*(const char *const *)field)
            buffer_add_text(out, *(const char *const *)field);
        else if (spec->unset)
            buffer_add_text(out, spec->unset);
        return;
    case OPTION_CHOICE:
        buffer_add_text(out, spec->choices[*(const int *)field]);
        return;
    case OPTION_LIST:
        if (spec->unset)
            buffer_add_text(out, spec->unset);
        return;
    case OPTION_FLAG:
        return;
    }
}

static void add_spaces(struct buffer *out, uint32_t count) {
    while (count--)
        buffer_add_byte(out, ' ');
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static uint32_t width_of(struct slice word) {
    uint32_t width = 0;
    for (size_t i = 0; i < word.len; i++)
        width += (word.ptr[i] & 0xc0) != 0x80;
    return width;
}

/* Fills lines with words from column `left` on; the first line is already there. */
static void add_wrapped(struct buffer *out, struct slice text, uint32_t left, uint32_t columns) {
    uint32_t column = left;
    while (text.len) {
        const uint8_t *space = memchr(text.ptr, ' ', text.len);
        struct slice word = slice_first(text, space ? (size_t)(space - text.ptr) : text.len);
        uint32_t width = width_of(word);
        if (column > left && column + 1 + width > columns) {
            buffer_add_byte(out, '\n');
            add_spaces(out, left);
            column = left;
        } else if (column > left) {
            buffer_add_byte(out, ' ');
            column++;
        }
        buffer_add_slice(out, word);
        column += width;
        text = slice_from(text, word.len + 1);
    }
    buffer_add_byte(out, '\n');
}

static uint32_t left_width(const struct option_spec *specs) {
    struct buffer scratch;
    buffer_init(&scratch);
    uint32_t left = 0;
    for (; specs->name; specs++) {
        uint32_t width = add_usage(&scratch, specs) + 2;
        if (width > left && width <= HELP_LEFT_MAX)
            left = width;
    }
    buffer_deinit(&scratch);
    return left;
}

/* Summary, choices and default as one text. */
static void add_words(struct buffer *out, const struct option_spec *spec, const void *settings) {
    buffer_add_text(out, spec->summary);
    if (spec->choices) {
        buffer_add_text(out, ": ");
        add_choices(out, spec, " or ");
    }
    size_t before = out->len;
    buffer_add_text(out, " [");
    size_t empty = out->len;
    add_default(out, spec, settings);
    if (out->len == empty)
        out->len = before;
    else
        buffer_add_byte(out, ']');
}

void option_help(const struct option_spec *specs, const void *settings, uint32_t columns,
                 struct buffer *out) {
    uint32_t left = left_width(specs);
    if (columns < HELP_COLUMNS_MIN)
        columns = HELP_COLUMNS_MIN;
    struct buffer words;
    buffer_init(&words);
    const char *group = NULL;
    for (const struct option_spec *spec = specs; spec->name; spec++) {
        if (spec->group && (!group || strcmp(group, spec->group) != 0))
            buffer_add_format(out, "%s%s:\n", group ? "\n" : "", spec->group);
        group = spec->group;
        uint32_t width = add_usage(out, spec);
        if (width + 2 > left) {
            buffer_add_byte(out, '\n');
            width = 0;
        }
        add_spaces(out, left - width);
        words.len = 0;
        add_words(&words, spec, settings);
        add_wrapped(out, buffer_slice(&words), left, columns);
    }
    out->failed |= words.failed;
    buffer_deinit(&words);
}
