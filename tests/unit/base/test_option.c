#include "engine/base/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

struct settings {
    bool quiet, append;
    uint64_t rate, timeout_ms, rotate_bytes;
    const char *stats;
    int addresses;
    struct option_list outputs;
};

enum { ADDRESSES_FIRST, ADDRESSES_ALL };
static const char *const address_choices[] = {"first", "all", NULL};

#define FIELD(name) offsetof(struct settings, name)

static const struct option_spec specs[] = {
    {.name = "rate",
     .letter = 'r',
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "connections begun in a second, over all workers together, at most",
     .group = "Pace",
     .offset = FIELD(rate),
     .maximum = 1000000,
     .unset = "no limit"},
    {.name = "timeout",
     .letter = 't',
     .kind = OPTION_SECONDS,
     .argument = "TIME",
     .summary = "for a whole target",
     .group = "Pace",
     .offset = FIELD(timeout_ms),
     .minimum = 100,
     .maximum = 3600000},
    {.name = "addresses",
     .kind = OPTION_CHOICE,
     .argument = "WHICH",
     .summary = "addresses of a name that are probed",
     .group = "Pace",
     .offset = FIELD(addresses),
     .choices = address_choices},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_LIST,
     .argument = "SINK",
     .summary = "where records go",
     .group = "Output",
     .offset = FIELD(outputs),
     .unset = "-"},
    {.name = "rotate-size",
     .kind = OPTION_BYTES,
     .argument = "SIZE",
     .summary = "begin a new file at this size",
     .group = "Output",
     .offset = FIELD(rotate_bytes),
     .unset = "never"},
    {.name = "append",
     .letter = 'a',
     .kind = OPTION_FLAG,
     .summary = "add to files",
     .group = "Output",
     .offset = FIELD(append)},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .summary = "no progress line",
     .group = "Output",
     .offset = FIELD(quiet)},
    {.name = "stats",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .summary = "figures of the sweep as JSON",
     .group = "Output",
     .offset = FIELD(stats)},
    {0},
};

static struct settings settings;
static struct option_list positionals;
static struct failure failure;

static void reset(void) {
    option_list_deinit(&settings.outputs);
    option_list_deinit(&positionals);
    settings = (struct settings){.timeout_ms = 20000};
    failure = (struct failure){0};
}

static enum error parse(const char *const *words) {
    int count = 0;
    while (words[count])
        count++;
    reset();
    return option_parse(specs, count, (char *const *)words, &settings, &positionals, &failure);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void refused(enum error error, const char *words) {
    assert_int_equal(error, ERROR_USAGE);
    assert_int_equal(failure.code, ERROR_USAGE);
    assert_string_equal(failure.text, words);
}

static int teardown(void **state) {
    (void)state;
    reset();
    return 0;
}

static void long_options(void **state) {
    (void)state;
    assert_int_equal(PARSE("--rate", "500", "--timeout=2.5", "--append", "--stats=", "a"), 0);
    assert_int_equal(settings.rate, 500);
    assert_int_equal(settings.timeout_ms, 2500);
    assert_true(settings.append);
    assert_false(settings.quiet);
    assert_string_equal(settings.stats, "");
    assert_int_equal(positionals.count, 1);
    assert_string_equal(positionals.items[0], "a");
}

static void letters(void **state) {
    (void)state;
    assert_int_equal(PARSE("-qar7", "-t", "500ms", "-o-", "-o", "x.csv", "-o", "-"), 0);
    assert_true(settings.quiet && settings.append);
    assert_int_equal(settings.rate, 7);
    assert_int_equal(settings.timeout_ms, 500);
    assert_int_equal(settings.outputs.count, 3);
    assert_string_equal(settings.outputs.items[0], "-");
    assert_string_equal(settings.outputs.items[1], "x.csv");
    assert_string_equal(settings.outputs.items[2], "-");
}

static void positionals_stand_anywhere(void **state) {
    (void)state;
    assert_int_equal(PARSE("a", "-q", "-", "b", "--", "-q", "--rate", "--"), 0);
    static const char *const expected[] = {"a", "-", "b", "-q", "--rate", "--"};
    assert_int_equal(positionals.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(positionals.items[i], expected[i]);
    assert_int_equal(settings.rate, 0);
}

static void the_last_use_wins(void **state) {
    (void)state;
    assert_int_equal(PARSE("--rate=1", "-r2"), 0);
    assert_int_equal(settings.rate, 2);
}

static void beginnings(void **state) {
    (void)state;
    assert_int_equal(PARSE("--tim", "5", "--rot=1k", "--rate", "1"), 0);
    assert_int_equal(settings.timeout_ms, 5000);
    assert_int_equal(settings.rotate_bytes, 1024);
    refused(PARSE("--a"), "--a may mean --addresses, --append");
    refused(PARSE("--r=1"), "--r may mean --rate, --rotate-size");
}

static void unknown_options(void **state) {
    (void)state;
    refused(PARSE("--time-out", "5"), "unknown option --time-out; did you mean --timeout?");
    refused(PARSE("--qiuet"), "unknown option --qiuet; did you mean --quiet?");
    refused(PARSE("--outptu=x"), "unknown option --outptu; did you mean --output?");
    refused(PARSE("--frobnicate"), "unknown option --frobnicate; --help lists all options");
    refused(PARSE("--=x"), "unknown option --; --help lists all options");
    refused(PARSE("-qx"), "unknown option -x; --help lists all options");
    refused(PARSE("-5"), "unknown option -5; --help lists all options");
}

static void missing_and_needless_values(void **state) {
    (void)state;
    refused(PARSE("--rate"), "--rate needs a value: --rate N");
    refused(PARSE("-q", "-r"), "-r needs a value: -r N");
    refused(PARSE("--output", "--quiet"), "--output needs a value: --output SINK");
    refused(PARSE("--quiet=yes"), "--quiet takes no value");
    assert_int_equal(PARSE("--output=--quiet"), 0);
    assert_string_equal(settings.outputs.items[0], "--quiet");
}

static void numbers(void **state) {
    (void)state;
    static const char *const wrong[] = {"",   "x",  "-1",   "+1", "1.5",
                                        " 1", "1 ", "0x10", "1k", "18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(PARSE("--rate", wrong[i]), ERROR_USAGE);
        assert_non_null(strstr(failure.text, "is not a whole number"));
    }
    refused(PARSE("--rate", "1000001"), "--rate: 1000001 is out of range; it must be 0 to 1000000");
    refused(PARSE("-r", "many"), "-r: \"many\" is not a whole number");
    assert_int_equal(PARSE("--rate", "1000000"), 0);
    assert_int_equal(PARSE("--rate", "0"), 0);
}

static void times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } right[] = {{"5", 5000},     {"0.5", 500},   {"0.125", 125},  {"500ms", 500}, {"2m", 120000},
                 {"1h", 3600000}, {"30s", 30000}, {"1.5m", 90000}, {"1.50", 1500}, {"2M", 120000}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(PARSE("-t", right[i].text), 0);
        assert_int_equal(settings.timeout_ms, right[i].ms);
    }
    static const char *const wrong[] = {
        "5 s",      "s", ".5", "5.", "0.0001", "1.5ms", "5x", "1.1.1", "99999999999999999999",
        "0.1234567"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(PARSE("-t", wrong[i]), ERROR_USAGE);
        assert_non_null(strstr(failure.text, "is not a time such as"));
    }
    refused(PARSE("-t", "2h"), "-t: 2h is out of range; it must be 100ms to 1h");
    refused(PARSE("--timeout", "1ms"), "--timeout: 1ms is out of range; it must be 100ms to 1h");
    assert_int_equal(PARSE("-t", "213503982334602d"), ERROR_USAGE); /* wraps 64 bits */
}

static void sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } right[] = {{"4096", 4096},
                 {"64k", 65536},
                 {"10M", 10485760},
                 {"1G", 1073741824},
                 {"1.5g", 1610612736},
                 {"2T", UINT64_C(2199023255552)},
                 {"0", 0}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(PARSE("--rotate-size", right[i].text), 0);
        assert_int_equal(settings.rotate_bytes, right[i].bytes);
    }
    refused(PARSE("--rotate-size", "big"),
            "--rotate-size: \"big\" is not a size such as 4096, 64k, 10M or 1G");
    assert_int_equal(PARSE("--rotate-size", "16777216T"), ERROR_USAGE);
    assert_int_equal(PARSE("--rotate-size", "16777215T"), 0);
}

static void choices(void **state) {
    (void)state;
    assert_int_equal(PARSE("--addresses", "all"), 0);
    assert_int_equal(settings.addresses, ADDRESSES_ALL);
    refused(PARSE("--addresses=none"), "--addresses: \"none\" is not first or all");
}

static void setting_by_name(void **state) {
    (void)state;
    reset();
    const struct option_spec *quiet = &specs[6];
    assert_int_equal(option_set(quiet, "quiet", "true", &settings, &failure), 0);
    assert_true(settings.quiet);
    assert_int_equal(option_set(quiet, "quiet", "false", &settings, &failure), 0);
    assert_false(settings.quiet);
    refused(option_set(quiet, "quiet in line 3", "yes", &settings, &failure),
            "quiet in line 3: \"yes\" is not true or false");
}

static void long_words_leave_room_for_the_cure(void **state) {
    (void)state;
    static char word[4000];
    memset(word, 'x', sizeof word - 1);
    memcpy(word, "--", 2);
    assert_int_equal(PARSE(word), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "--help lists all options"));
    assert_int_equal(PARSE("-r", word + 2), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "is not a whole number"));
}

/* Nothing that a word holds reaches the terminal raw, and it stays one line. */
static void hostile_words(void **state) {
    (void)state;
    refused(PARSE("--\x1b[2J"), "unknown option --\\u{1b}[2J; --help lists all options");
    refused(PARSE("-\n"), "unknown option -\\u{a}; --help lists all options");
    refused(PARSE("-\xc3\xa9"), "unknown option -\xc3\xa9; --help lists all options");
    refused(PARSE("-q\xff"), "unknown option -\\xff; --help lists all options");
    refused(PARSE("-r", "\r\xe2\x80\xae"), "-r: \"\\u{d}\\u{202e}\" is not a whole number");
    refused(PARSE("--addresses", "\x07"), "--addresses: \"\\u{7}\" is not first or all");
}

static void help_text(void **state) {
    (void)state;
    static const char expected[] =
        "Pace:\n"
        "  -r, --rate N            connections begun in a second, over all workers\n"
        "                          together, at most [no limit]\n"
        "  -t, --timeout TIME      for a whole target [20s]\n"
        "      --addresses WHICH   addresses of a name that are probed: first or all\n"
        "                          [first]\n"
        "\n"
        "Output:\n"
        "  -o, --output SINK       where records go [-]\n"
        "      --rotate-size SIZE  begin a new file at this size [never]\n"
        "  -a, --append            add to files\n"
        "  -q, --quiet             no progress line\n"
        "      --stats FILE        figures of the sweep as JSON\n";
    struct buffer out;
    reset();
    buffer_init(&out);
    option_help(specs, &settings, 76, &out);
    buffer_add_byte(&out, 0);
    assert_false(out.failed);
    assert_string_equal((char *)out.ptr, expected);
    buffer_deinit(&out);
}

static void help_shows_defaults_as_they_are_written(void **state) {
    (void)state;
    struct buffer out;
    reset();
    settings = (struct settings){.rate = 500,
                                 .timeout_ms = 90500,
                                 .rotate_bytes = 1536 * 1024,
                                 .stats = "s.json",
                                 .addresses = ADDRESSES_ALL};
    buffer_init(&out);
    option_help(specs, &settings, 100, &out);
    buffer_add_byte(&out, 0);
    const char *text = (char *)out.ptr;
    assert_non_null(strstr(text, "at most [500]\n"));
    assert_non_null(strstr(text, "[90500ms]\n"));
    assert_non_null(strstr(text, "[1536k]\n"));
    assert_non_null(strstr(text, "[s.json]\n"));
    assert_non_null(strstr(text, "[all]\n"));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= 100);
    buffer_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_options),
        cmocka_unit_test(letters),
        cmocka_unit_test(positionals_stand_anywhere),
        cmocka_unit_test(the_last_use_wins),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(unknown_options),
        cmocka_unit_test(missing_and_needless_values),
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
        cmocka_unit_test(sizes),
        cmocka_unit_test(choices),
        cmocka_unit_test(setting_by_name),
        cmocka_unit_test(long_words_leave_room_for_the_cure),
        cmocka_unit_test(hostile_words),
        cmocka_unit_test(help_text),
        cmocka_unit_test(help_shows_defaults_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
