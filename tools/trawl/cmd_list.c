#include "engine/record/encoder.h"
#include "engine/starttls/dialogue.h"
#include "ingest/format.h"
#include "ingest/source.h"
#include "sinks/sink.h"
#include "sinks/spooled.h"
#include "tools/trawl/command.h"

#include <stdio.h>

static void list_fields(struct buffer *out) {
    for (uint32_t i = 0; i < probe_record_kind.field_count; i++) {
        const struct field *field = &probe_record_kind.fields[i];
        buffer_add_format(out, "%-40s %s%s\n", field->name, field->summary,
                          field->on_request ? " (only by --fields)" : "");
        for (uint32_t k = 0; k < field->member_count; k++)
            buffer_add_format(out, "%s[].%-*s %s\n", field->name,
                              (int)(37 - (int)strlen(field->name)), field->members[k].name,
                              field->members[k].summary);
    }
}

static void list_sources(struct buffer *out) {
    for (size_t i = 0; sources[i]; i++)
        buffer_add_format(out, "%-10s %-40s %s\n", sources[i]->name, sources[i]->summary,
                          sources[i]->example);
}

static void list_protocols(struct buffer *out) {
    for (uint32_t i = 0; i < dialogue_count; i++) {
        const struct dialogue *dialogue = dialogues[i];
        buffer_add_format(out, "%-12s %-44s -p %s or %u", dialogue->name, dialogue->summary,
                          dialogue->name, dialogue->port);
        for (size_t k = 0; k < DIALOGUE_PORTS && dialogue->ports[k]; k++)
            buffer_add_format(out, ", %u", dialogue->ports[k]);
        buffer_add_text(out, "\n");
    }
}

static void list_inputs(struct buffer *out) {
    for (size_t i = 0; formats[i]; i++)
        buffer_add_format(out, "%-10s %-40s %s\n", formats[i]->name, formats[i]->summary,
                          formats[i]->example);
}

static void list_options(const struct option_spec *options, struct buffer *out) {
    for (const struct option_spec *option = options; option && option->name; option++)
        buffer_add_format(out, "  #%s%s%-*s %s\n", option->name, option->argument ? "=" : "",
                          (int)(21 - (int)strlen(option->name)),
                          option->argument ? option->argument : "", option->summary);
}

static void list_sinks(struct buffer *out) {
    for (size_t i = 0; sinks[i]; i++) {
        buffer_add_format(out, "%-10s %-40s %s\n", sinks[i]->name, sinks[i]->summary,
                          sinks[i]->example);
        list_options(sinks[i]->options, out);
        if (sinks[i]->spools)
            list_options(spooled_options, out);
    }
}

static void list_encoders(struct buffer *out) {
    for (size_t i = 0; encoders[i]; i++)
        buffer_add_format(out, "%-10s %s\n", encoders[i]->name, encoders[i]->summary);
}

static const struct {
    const char *name;
    void (*list)(struct buffer *out);
} lists[] = {
    {"fields", list_fields},       {"sources", list_sources}, {"inputs", list_inputs},
    {"protocols", list_protocols}, {"sinks", list_sinks},     {"encoders", list_encoders},
};

static void help(struct buffer *out) {
    buffer_add_text(out, "trawl list WHAT\n\nPrints a table of what this program knows. WHAT:\n"
                         "  fields    of a record, for --fields\n"
                         "  sources   where targets come from\n"
                         "  inputs    formats of lists, for --input-format\n"
                         "  protocols which are asked to go on in TLS\n"
                         "  sinks     where records go, for -o\n"
                         "  encoders  formats of records, for --format\n");
}

static const char *const list_names[] = {"fields", "sources",  "inputs", "protocols",
                                         "sinks",  "encoders", NULL};

static enum exit_code run(int argc, char *const argv[]) {
    struct buffer text;

    buffer_init(&text);
    for (size_t i = 0; argc == 1 && i < sizeof lists / sizeof lists[0]; i++)
        if (strcmp(lists[i].name, argv[0]) == 0) {
            lists[i].list(&text);
            command_print(&text);
            return EXIT_DONE;
        }
    fprintf(stderr,
            "trawl: list what? One of: fields, sources, inputs, protocols, sinks, encoders\n");
    return EXIT_USAGE;
}

const struct command command_list = {
    .name = "list",
    .summary = "tables: fields, sources, inputs, protocols, sinks, encoders",
    .run = run,
    .help = help,
    .words = list_names,
};
