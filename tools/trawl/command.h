/* A command of the program: one file cmd_*.c and one line in commands.c. */
#ifndef TOOLS_TRAWL_COMMAND_H
#define TOOLS_TRAWL_COMMAND_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/base/option.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,    /* could not do what was asked; standard error says why */
    EXIT_USAGE = 2,     /* wrong option, argument or target */
    EXIT_BAD_INPUT = 3, /* done, but some lines of the input were no targets */
    EXIT_WARNING = 4,   /* what was checked deserves a warning */
    EXIT_CRITICAL = 5,  /* what was checked is bad */
    EXIT_INTERRUPTED = 130,
};

enum { COMMAND_OPTIONS_MAX = 160 }; /* with the end */

struct command {
    const char *name;
    const char *summary; /* one line for `trawl help` */
    /* Runs with the arguments behind the command's name. */
    enum exit_code (*run)(int argc, char *const argv[]);
    /* Appends the text of `trawl help NAME`. */
    void (*help)(struct buffer *out);
    /* Its options, ended by one without a name, for shells; NULL when it has none. */
    void (*options)(struct option_spec out[COMMAND_OPTIONS_MAX]);
    const char *const *words; /* what its first argument may be, NULL-terminated; or NULL */
};

/* NULL-terminated, in the order in which help shows them. */
extern const struct command *const commands[];
const struct command *command_by_name(const char *name);

extern const struct command command_scan, command_watch, command_monitor, command_check,
    command_bench, command_demo, command_decode, command_jobs, command_query, command_list,
    command_spool, command_completion, command_forget, command_help, command_version,
    command_worker;

/* Copies a table with its end. */
void command_copy_options(const struct option_spec *from,
                          struct option_spec out[COMMAND_OPTIONS_MAX]);

/* Prints "trawl: TEXT" and returns the exit code that fits the failure. */
enum exit_code command_failed(const struct failure *failure);

/* Prints the buffer on standard output and frees it. */
void command_print(struct buffer *text);

#endif
