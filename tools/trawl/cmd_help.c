#include "engine/base/text.h"
#include "tools/trawl/command.h"
#include "tools/trawl/man_page.h"

#include <stdio.h>

static void help(struct buffer *out) {
    buffer_add_text(out, "trawl finds out what certificates servers serve, and which are wrong.\n\n"
                         "  trawl COMMAND [ARGUMENT ...]\n\n");
    for (size_t i = 0; commands[i]; i++)
        buffer_add_format(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    buffer_add_text(out, "\nExamples:\n"
                         "  trawl demo\n"
                         "  trawl scan example.com 192.0.2.0/28 -p 443,8443\n"
                         "  trawl scan @hosts.txt -o results.jsonl\n"
                         "\n`trawl help COMMAND` tells the options of a command, `trawl help --man "
                         "[COMMAND]` prints\nthe manual page.\n");
}

static const char *nearest_command(const char *word) {
    for (size_t i = 0; commands[i]; i++)
        if (text_is_near(slice_of(word), slice_of(commands[i]->name)))
            return commands[i]->name;
    return NULL;
}

static enum exit_code tell_unknown(const char *word) {
    const char *near = nearest_command(word);
    fprintf(stderr, "trawl: there is no command '%s'%s%s%s: `trawl help` lists them\n", word,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_USAGE;
}

static enum exit_code run(int argc, char *const argv[]) {
    bool man = argc > 0 && strcmp(argv[0], "--man") == 0;
    const char *word = argc > man ? argv[man] : NULL;
    const struct command *command = word ? command_by_name(word) : NULL;
    struct buffer text;

    if (word && !command)
        return tell_unknown(word);
    buffer_init(&text);
    if (man)
        man_page_add(command, &text);
    else if (command)
        command->help(&text);
    else
        help(&text);
    command_print(&text);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .summary = "what there is, or how one command is used",
    .run = run,
    .help = help,
};

static enum exit_code run_version(int argc, char *const argv[]) {
    (void)argc;
    (void)argv;
    puts("trawl " TRAWL_VERSION);
    return EXIT_DONE;
}

static void help_version(struct buffer *out) {
    buffer_add_text(out, "trawl version\n\nPrints the version of this program.\n");
}

const struct command command_version = {
    .name = "version",
    .summary = "the version of this program",
    .run = run_version,
    .help = help_version,
};
