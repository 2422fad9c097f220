#include "tools/trawl/man_page.h"

#include "engine/base/text.h"

/* Text in which roff sees no command: a backslash, a dash that must stay one, a line that begins
 * with a dot or an apostrophe. */
static void add_text(struct slice text, struct buffer *out) {
    bool at_start = true;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (at_start && (byte == '.' || byte == '\''))
            buffer_add_text(out, "\\&");
        if (byte == '\\')
            buffer_add_text(out, "\\e");
        else if (byte == '-')
            buffer_add_text(out, "\\-");
        else
            buffer_add_byte(out, byte);
        at_start = byte == '\n';
    }
}

static void add_words(const char *text, struct buffer *out) {
    add_text(slice_of(text), out);
}

static void add_head(const struct command *command, struct buffer *out) {
    buffer_add_text(out, ".TH TRAWL");
    for (const char *c = command ? command->name : ""; *c; c++) {
        if (c == command->name)
            buffer_add_byte(out, '-');
        buffer_add_byte(out, *c >= 'a' && *c <= 'z' ? (uint8_t)(*c - 'a' + 'A') : (uint8_t)*c);
    }
    buffer_add_text(out, " 1 \"\" \"trawl " TRAWL_VERSION "\" \"User Commands\"\n.SH NAME\ntrawl");
    if (command)
        buffer_add_format(out, "\\-%s", command->name);
    buffer_add_text(out, " \\- ");
    add_words(command ? command->summary
                      : "finds out what certificates servers serve, and which are wrong",
              out);
    buffer_add_text(out, "\n");
}

/* --- Of a command --- */

static void add_option(const struct option_spec *option, struct buffer *out) {
    buffer_add_text(out, ".TP\n");
    if (option->letter)
        buffer_add_format(out, "\\fB\\-%c\\fR, ", option->letter);
    buffer_add_text(out, "\\fB\\-\\-");
    add_words(option->name, out);
    buffer_add_text(out, "\\fR");
    if (option->argument) {
        buffer_add_text(out, " \\fI");
        add_words(option->argument, out);
        buffer_add_text(out, "\\fR");
    }
    buffer_add_text(out, "\n");
    add_words(option->summary, out);
    if (option->kind == OPTION_CHOICE) {
        buffer_add_text(out, ":");
        for (size_t i = 0; option->choices[i]; i++) {
            buffer_add_text(out, i ? ", " : " ");
            add_words(option->choices[i], out);
        }
    }
    buffer_add_text(out, "\n");
}

static void add_options(const struct command *command, struct buffer *out) {
    struct option_spec options[COMMAND_OPTIONS_MAX];
    const char *group = NULL;

    if (!command->options)
        return;
    command->options(options);
    buffer_add_text(out, ".SH OPTIONS\n");
    for (size_t i = 0; options[i].name; i++) {
        if (options[i].group && (!group || strcmp(group, options[i].group) != 0)) {
            group = options[i].group;
            buffer_add_text(out, ".SS ");
            add_words(group, out);
            buffer_add_text(out, "\n");
        }
        add_option(&options[i], out);
    }
}

/* The first line of a help text, and all of it but what the option tables say: that stands between
 * the first heading of a group and the line that says how it exits. */
static void add_help(const struct command *command, struct buffer *out) {
    struct option_spec options[COMMAND_OPTIONS_MAX] = {{.name = NULL}};
    struct buffer help;

    buffer_init(&help);
    command->help(&help);
    struct slice text = buffer_slice(&help);
    const uint8_t *line = memchr(text.ptr, '\n', text.len);
    size_t first = line ? (size_t)(line - text.ptr) : text.len;
    buffer_add_text(out, ".SH SYNOPSIS\n.B ");
    add_text(slice_first(text, first), out);
    buffer_add_text(out, "\n.SH DESCRIPTION\n.nf\n");
    struct slice rest = slice_trim(slice_from(text, first));
    size_t end = rest.len;
    if (command->options)
        command->options(options);
    if (options[0].group) {
        const uint8_t *at = memmem(rest.ptr, rest.len, options[0].group, strlen(options[0].group));
        end = at ? (size_t)(at - rest.ptr) : end;
    }
    add_text(slice_trim(slice_first(rest, end)), out);
    buffer_add_text(out, "\n.fi\n");
    add_options(command, out);
    const uint8_t *behind = end < rest.len ? memmem(rest.ptr, rest.len, "\nExit status", 12) : NULL;
    if (behind) {
        buffer_add_text(out, ".SH EXIT STATUS AND EXAMPLES\n.nf\n");
        add_text(slice_trim(slice_from(rest, (size_t)(behind - rest.ptr))), out);
        buffer_add_text(out, "\n.fi\n");
    }
    out->failed |= help.failed;
    buffer_deinit(&help);
}

/* --- Of the program --- */

static void add_commands(struct buffer *out) {
    buffer_add_text(out,
                    ".SH SYNOPSIS\n.B trawl\n.I COMMAND\n[\\fIARGUMENT\\fR ...]\n.SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++) {
        buffer_add_format(out, ".TP\n\\fB%s\\fR\n", commands[i]->name);
        add_words(commands[i]->summary, out);
        buffer_add_text(out, "\n");
    }
}

static void add_see_also(const struct command *command, struct buffer *out) {
    buffer_add_text(out, ".SH SEE ALSO\n");
    if (command)
        buffer_add_text(out, ".BR trawl (1),\n");
    for (size_t i = 0; commands[i]; i++)
        if (commands[i] != command)
            buffer_add_format(
                out, ".BR trawl\\-%s (1)%s\n", commands[i]->name,
                commands[i + 1] && (commands[i + 1] != command || commands[i + 2]) ? "," : "");
}

void man_page_add(const struct command *command, struct buffer *out) {
    add_head(command, out);
    if (command)
        add_help(command, out);
    else
        add_commands(out);
    add_see_also(command, out);
}
