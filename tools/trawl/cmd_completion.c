/* `trawl completion SHELL`: what makes a shell complete the command line, from the same tables that
 * help prints. */
#include "engine/base/text.h"
#include "tools/trawl/command.h"

#include <stdio.h>

static const char usage[] =
    "trawl completion bash | zsh | fish\n\n"
    "Prints a script with which the shell completes commands, options and their values.\n\n"
    "Examples:\n"
    "  trawl completion bash > /usr/share/bash-completion/completions/trawl\n"
    "  source <(trawl completion bash)\n"
    "  trawl completion zsh >> ~/.zshrc\n"
    "  trawl completion fish > ~/.config/fish/completions/trawl.fish\n";

static void help(struct buffer *out) {
    buffer_add_text(out, usage);
}

/* In single quotes; summaries hold anything but lines. */
static void add_quoted(const char *text, struct buffer *out) {
    buffer_add_byte(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            buffer_add_text(out, "'\\''");
        else
            buffer_add_byte(out, (uint8_t)*text);
    buffer_add_byte(out, '\'');
}

/* --- bash, and zsh by way of bash's --- */

static void add_words(const char *const *words, struct buffer *out) {
    for (; words && *words; words++)
        buffer_add_format(out, "%s ", *words);
}

static void add_option_names(const struct option_spec *options, struct buffer *out) {
    for (; options->name; options++)
        buffer_add_format(out, "--%s ", options->name);
}

/* One case for each option that has a set of values, or a value that no file is. */
static void add_value_cases(const char *command, const struct option_spec *options,
                            struct buffer *out) {
    for (; options->name; options++) {
        if (options->kind != OPTION_CHOICE && options->kind != OPTION_NUMBER &&
            options->kind != OPTION_SECONDS && options->kind != OPTION_BYTES)
            continue;
        buffer_add_format(out, "    %s:--%s", command, options->name);
        if (options->letter)
            buffer_add_format(out, "|%s:-%c", command, options->letter);
        buffer_add_text(out, ") values='");
        add_words(options->kind == OPTION_CHOICE ? options->choices : NULL, out);
        buffer_add_text(out, "' ;;\n");
    }
}

static void add_command_names(struct buffer *out) {
    for (size_t i = 0; commands[i]; i++)
        buffer_add_format(out, "%s ", commands[i]->name);
}

static void add_bash(struct buffer *out) {
    struct option_spec options[COMMAND_OPTIONS_MAX];

    buffer_add_text(out, "_trawl() {\n"
                         "    local word=${COMP_WORDS[COMP_CWORD]} values=none names='' first=''\n"
                         "    COMPREPLY=()\n"
                         "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
                         "        COMPREPLY=($(compgen -W '");
    add_command_names(out);
    buffer_add_text(out, "' -- \"$word\"))\n        return\n    fi\n"
                         "    case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in\n");
    for (size_t i = 0; commands[i]; i++)
        if (commands[i]->options) {
            commands[i]->options(options);
            add_value_cases(commands[i]->name, options, out);
        }
    buffer_add_text(out, "    esac\n"
                         "    if [ \"$values\" != none ]; then\n"
                         "        COMPREPLY=($(compgen -W \"$values\" -- \"$word\"))\n"
                         "        return\n    fi\n"
                         "    case ${COMP_WORDS[1]} in\n    help) first='");
    add_command_names(out);
    buffer_add_text(out, "' ;;\n");
    for (size_t i = 0; commands[i]; i++)
        if (commands[i]->options || commands[i]->words) {
            buffer_add_format(out, "    %s) names='", commands[i]->name);
            if (commands[i]->options) {
                commands[i]->options(options);
                add_option_names(options, out);
            }
            buffer_add_text(out, "' first='");
            add_words(commands[i]->words, out);
            buffer_add_text(out, "' ;;\n");
        }
    buffer_add_text(out, "    esac\n"
                         "    if [ \"${word#-}\" != \"$word\" ]; then\n"
                         "        COMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
                         "    elif [ \"$COMP_CWORD\" = 2 ] && [ -n \"${first% }\" ]; then\n"
                         "        COMPREPLY=($(compgen -W \"$first\" -- \"$word\"))\n"
                         "    elif [ \"${word#@}\" != \"$word\" ]; then\n"
                         "        COMPREPLY=($(compgen -P @ -f -- \"${word#@}\"))\n"
                         "    else\n"
                         "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                         "    fi\n}\n");
}

static void add_bash_script(struct buffer *out) {
    add_bash(out);
    buffer_add_text(out, "complete -o filenames -F _trawl trawl\n");
}

static void add_zsh_script(struct buffer *out) {
    buffer_add_text(out, "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n");
    add_bash(out);
    buffer_add_text(out, "complete -o filenames -F _trawl trawl\n");
}

/* --- fish --- */

static void add_fish_option(const char *command, const struct option_spec *option,
                            struct buffer *out) {
    buffer_add_format(out, "complete -c trawl -n '__fish_seen_subcommand_from %s' -l %s", command,
                      option->name);
    if (option->letter)
        buffer_add_format(out, " -s %c", option->letter);
    if (option->kind != OPTION_FLAG)
        buffer_add_text(out, " -r");
    if (option->kind == OPTION_CHOICE) {
        buffer_add_text(out, " -f -a '");
        add_words(option->choices, out);
        buffer_add_text(out, "'");
    }
    buffer_add_text(out, " -d ");
    add_quoted(option->summary, out);
    buffer_add_text(out, "\n");
}

static void add_fish_script(struct buffer *out) {
    struct option_spec options[COMMAND_OPTIONS_MAX];

    for (size_t i = 0; commands[i]; i++) {
        buffer_add_format(out, "complete -c trawl -f -n __fish_use_subcommand -a %s -d ",
                          commands[i]->name);
        add_quoted(commands[i]->summary, out);
        buffer_add_text(out, "\n");
        if (commands[i]->words) {
            buffer_add_format(out, "complete -c trawl -f -n '__fish_seen_subcommand_from %s' -a '",
                              commands[i]->name);
            add_words(commands[i]->words, out);
            buffer_add_text(out, "'\n");
        }
        if (!commands[i]->options)
            continue;
        commands[i]->options(options);
        for (size_t k = 0; options[k].name; k++)
            add_fish_option(commands[i]->name, &options[k], out);
    }
}

/* --- The command --- */

static const struct {
    const char *name;
    void (*add)(struct buffer *out);
} shells[] = {{"bash", add_bash_script}, {"zsh", add_zsh_script}, {"fish", add_fish_script}};

static const char *const shell_names[] = {"bash", "zsh", "fish", NULL};

static enum exit_code run(int argc, char *const argv[]) {
    struct buffer text;

    buffer_init(&text);
    for (size_t i = 0; argc == 1 && i < sizeof shells / sizeof *shells; i++)
        if (strcmp(argv[0], shells[i].name) == 0) {
            shells[i].add(&text);
            command_print(&text);
            return EXIT_DONE;
        }
    fprintf(stderr, "trawl: completion is for bash, zsh or fish; `trawl help completion` tells "
                    "more\n");
    return EXIT_USAGE;
}

const struct command command_completion = {
    .name = "completion",
    .summary = "what makes bash, zsh or fish complete its command lines",
    .run = run,
    .help = help,
    .words = shell_names,
};
