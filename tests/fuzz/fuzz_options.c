/* The option parser over words that no shell would let a user type by chance. The first byte of the
 * input says how many of the words that follow, each ended by a zero byte, are arguments; the rest
 * are values for one option after another, as an environment or a config file gives them. */
#include "engine/base/option.h"
#include "engine/base/text.h"

#include <assert.h>
#include <stdlib.h>

enum { WORDS_MAX = 64, NUMBER_MAX = 1000000, MS_MIN = 100, MS_MAX = 3600000 };

struct settings {
    bool quiet, append;
    uint64_t rate, timeout_ms, rotate_bytes;
    const char *stats;
    int addresses;
    struct option_list outputs;
};

static const char *const address_choices[] = {"first", "all", NULL};

#define OPTION(option, sign, what, takes, field, ...)                                              \
    {.name = option,                                                                               \
     .letter = sign,                                                                               \
     .kind = what,                                                                                 \
     .argument = takes,                                                                            \
     .summary = "what it does",                                                                    \
     .group = "Options",                                                                           \
     .offset = offsetof(struct settings, field),                                                   \
     __VA_ARGS__}

static const struct option_spec specs[] = {
    OPTION("rate", 'r', OPTION_NUMBER, "N", rate, .maximum = NUMBER_MAX),
    OPTION("timeout", 't', OPTION_SECONDS, "TIME", timeout_ms, .minimum = MS_MIN,
           .maximum = MS_MAX),
    OPTION("addresses", 0, OPTION_CHOICE, "WHICH", addresses, .choices = address_choices),
    OPTION("output", 'o', OPTION_LIST, "SINK", outputs, .unset = "-"),
    OPTION("rotate-size", 0, OPTION_BYTES, "SIZE", rotate_bytes, .unset = "never"),
    OPTION("append", 'a', OPTION_FLAG, NULL, append),
    OPTION("quiet", 'q', OPTION_FLAG, NULL, quiet),
    OPTION("stats", 0, OPTION_TEXT, "FILE", stats, .unset = "none"),
    {0},
};

enum { SPECS = sizeof specs / sizeof specs[0] - 1 };

/* Terminated words out of the input, in memory of their own so that a step over an end shows. */
struct words {
    char *items[WORDS_MAX];
    int count, arguments;
};

static struct words split(struct slice input) {
    struct words words = {.count = 0};
    int arguments = input.len ? input.ptr[0] : 0;

    input = slice_from(input, 1);
    while (input.len && words.count < WORDS_MAX) {
        const uint8_t *end = memchr(input.ptr, 0, input.len);
        size_t len = end ? (size_t)(end - input.ptr) : input.len;
        char *word = malloc(len + 1);
        memcpy(word, input.ptr, len);
        word[len] = 0;
        words.items[words.count++] = word;
        input = slice_from(input, len + 1);
    }
    words.arguments = arguments < words.count ? arguments : words.count;
    return words;
}

/* One line for a person, safe on a terminal, whatever the words held. */
static void check_failure(enum error error, const struct failure *failure) {
    const char *end = memchr(failure->text, 0, sizeof failure->text);

    assert(failure->code == error && end && end > failure->text);
    struct slice text = slice_of(failure->text);
    while (text.len) {
        struct text_rune rune = text_rune_first(text);
        assert(rune.valid && !text_rune_is_unsafe(rune.code));
        text = slice_from(text, rune.len);
    }
}

static void check_settings(const struct settings *settings) {
    assert(settings->rate <= NUMBER_MAX);
    assert(settings->timeout_ms >= MS_MIN && settings->timeout_ms <= MS_MAX);
    assert(settings->addresses == 0 || settings->addresses == 1);
}

static struct settings defaults(void) {
    return (struct settings){.timeout_ms = 20000};
}

static bool same(const struct settings *a, const struct settings *b) {
    bool outputs = a->outputs.count == b->outputs.count;

    for (uint32_t i = 0; outputs && i < a->outputs.count; i++)
        outputs = strcmp(a->outputs.items[i], b->outputs.items[i]) == 0;
    return outputs && a->quiet == b->quiet && a->append == b->append && a->rate == b->rate &&
           a->timeout_ms == b->timeout_ms && a->rotate_bytes == b->rotate_bytes &&
           !a->stats == !b->stats && (!a->stats || strcmp(a->stats, b->stats) == 0) &&
           a->addresses == b->addresses;
}

static void check_help(const struct settings *settings, uint32_t columns) {
    struct buffer help;

    buffer_init(&help);
    option_help(specs, settings, columns, &help);
    assert(!help.failed && help.len && help.ptr[help.len - 1] == '\n');
    buffer_deinit(&help);
}

/* As `--name=value`, the parser must do with it what option_set does. */
static void check_value(const struct option_spec *spec, const char *value) {
    struct settings by_set = defaults(), by_parse = defaults();
    struct option_list positionals;
    struct failure failure;
    struct buffer argument;

    enum error set = option_set(spec, "TRAWL_OPTION", value, &by_set, &failure);
    if (set)
        check_failure(set, &failure);
    check_settings(&by_set);
    if (spec->kind != OPTION_FLAG) {
        buffer_init(&argument);
        buffer_add_format(&argument, "--%s=%s", spec->name, value);
        buffer_add_byte(&argument, 0);
        char *argv[] = {(char *)argument.ptr};
        option_list_init(&positionals);
        enum error parsed = option_parse(specs, 1, argv, &by_parse, &positionals, &failure);
        assert(parsed == set && positionals.count == 0 && same(&by_set, &by_parse));
        option_list_deinit(&by_parse.outputs);
        option_list_deinit(&positionals);
        buffer_deinit(&argument);
    }
    option_list_deinit(&by_set.outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct words words = split((struct slice){data, size});
    struct settings settings = defaults();
    struct option_list positionals;
    struct failure failure;

    option_list_init(&positionals);
    enum error error =
        option_parse(specs, words.arguments, words.items, &settings, &positionals, &failure);
    if (error)
        check_failure(error, &failure);
    check_settings(&settings);
    assert(positionals.count + settings.outputs.count <= (uint32_t)words.arguments);
    check_help(&settings, (uint32_t)(size % 200));
    for (int i = words.arguments; i < words.count; i++)
        check_value(&specs[i % SPECS], words.items[i]);
    option_list_deinit(&settings.outputs);
    option_list_deinit(&positionals);
    for (int i = 0; i < words.count; i++)
        free(words.items[i]);
    return 0;
}
