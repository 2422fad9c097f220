/* Where a command writes its records, as options say it: the same for every command that does. */
#ifndef TOOLS_TRAWL_OUTPUT_SETTINGS_H
#define TOOLS_TRAWL_OUTPUT_SETTINGS_H

#include "engine/base/option.h"

struct output_settings {
    struct option_list to; /* the arguments of -o; empty for standard output */
    int format;            /* index in output_formats */
    const char *fields, *print;
    uint64_t rotate_bytes, rotate_ms;
    bool gzip, append;
    const char *spool; /* NULL: where the environment says */
};

/* Indices that code asks for. */
enum { FORMAT_BY_OUTPUT = 0, FORMAT_TABLE = 6 };
extern const char *const output_formats[];

void output_settings_init(struct output_settings *settings);
void output_settings_deinit(struct output_settings *settings);

/* A folder below that of the user's or the service's state, such as "spool"; NULL when there is no
 * home; else freed by the caller. */
char *output_state_folder(const char *name);

/* Where what outputs cannot be given yet is kept: `given` (--spool), $TRAWL_SPOOL, or a folder
 * below that of the user's or the service's state. NULL for nowhere: "off", or no home; else freed
 * by the caller. `chosen`: somebody said so. */
char *output_spool_folder(const char *given, bool *chosen);

/* Rows of an option table whose settings are a `type` with a `struct output_settings output`. */
#define OUTPUT_OPTION(type, member) offsetof(type, output.member)
#define OUTPUT_OPTIONS(type, group)                                                                \
    {"output",                                                                                     \
     'o',                                                                                          \
     OPTION_LIST,                                                                                  \
     "WHERE",                                                                                      \
     "-, a path (.jsonl .csv .msgpack .pem, .gz), a URL that list sinks names, null",              \
     group,                                                                                        \
     OUTPUT_OPTION(type, to),                                                                      \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     "-"},                                                                                         \
        {"format",                                                                                 \
         0,                                                                                        \
         OPTION_CHOICE,                                                                            \
         "FORMAT",                                                                                 \
         "instead of what the output's name means",                                                \
         group,                                                                                    \
         OUTPUT_OPTION(type, format),                                                              \
         0,                                                                                        \
         0,                                                                                        \
         output_formats,                                                                           \
         NULL},                                                                                    \
        {"fields",                                                                                 \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         "LIST",                                                                                   \
         "fields or groups to write: host,certificate,days_left",                                  \
         group,                                                                                    \
         OUTPUT_OPTION(type, fields),                                                              \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "all but large ones"},                                                                    \
        {"print",                                                                                  \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         "WHAT",                                                                                   \
         "names: the bare DNS names, for a pipe",                                                  \
         group,                                                                                    \
         OUTPUT_OPTION(type, print),                                                               \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "records"},                                                                               \
        {"gzip", 0, OPTION_FLAG, NULL, "compress files", group, OUTPUT_OPTION(type, gzip),         \
         0,      0, NULL,        NULL},                                                            \
        {"append",                                                                                 \
         0,                                                                                        \
         OPTION_FLAG,                                                                              \
         NULL,                                                                                     \
         "to files that are there already",                                                        \
         group,                                                                                    \
         OUTPUT_OPTION(type, append),                                                              \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"rotate-size",                                                                            \
         0,                                                                                        \
         OPTION_BYTES,                                                                             \
         "SIZE",                                                                                   \
         "begin a new file after so much",                                                         \
         group,                                                                                    \
         OUTPUT_OPTION(type, rotate_bytes),                                                        \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "never"},                                                                                 \
        {"rotate-time",                                                                            \
         0,                                                                                        \
         OPTION_SECONDS,                                                                           \
         "TIME",                                                                                   \
         "begin a new file after so long",                                                         \
         group,                                                                                    \
         OUTPUT_OPTION(type, rotate_ms),                                                           \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "never"},                                                                                 \
        {"spool",                                                                                  \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         "DIR",                                                                                    \
         "keep there what an output cannot be given now, or off",                                  \
         group,                                                                                    \
         OUTPUT_OPTION(type, spool),                                                               \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "$TRAWL_SPOOL, or ~/.local/state/trawl/spool"}

#endif
