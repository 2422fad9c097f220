#include "engine/base/text.h"
#include "tools/trawl/command.h"

#include <stdio.h>

static void help(struct buffer *out) {
    buffer_add_text(out, "trawl finds out what certificates servers serve, and which are wrong.\n\n"
                         "  trawl COMMAND [ARGUMENT ...]\n\n");
    for (size_t i = 0; commands[i]; i++)
        buffer_add_format(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    buffer_add_text(out, "\nExamples:\n"
                         "  trawl demo\n"
                         "  trawl scan example.com 192.0.2.0/28 -p 443,8443\n"
                         "  trawl scan @hosts.txt -o results.jsonl\n"
                         "\n`trawl help COMMAND` tells the options of a command.\n");
}

static const char *nearest_command(const char *word) {
    for (size_t i = 0; commands[i]; i++)
        if (text_is_near(slice_of(word), slice_of(commands[i]->name)))
            return commands[i]->name;
    return NULL;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct buffer text;

    buffer_init(&text);
    if (argc == 0) {
        help(&text);
        command_print(&text);
        return EXIT_DONE;
    }
    const struct command *command = command_by_name(argv[0]);
    if (command) {
        command->help(&text);
        command_print(&text);
        return EXIT_DONE;
    }
    const char *near = nearest_command(argv[0]);
    fprintf(stderr, "trawl: there is no command '%s'%s%s%s: `trawl help` lists them\n", argv[0],
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_USAGE;
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
