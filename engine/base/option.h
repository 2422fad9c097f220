/* Options of a command as a table: the one place that parsing, help, and whatever else shows or
 * sets options (completion, man page, config file) work from. A command has a struct of settings,
 * filled with its defaults, and a table that says which option sets which field.
 *
 * Nothing is copied: texts in the settings point into argv. No global state; one thread at a time
 * on the same settings. */
#ifndef ENGINE_BASE_OPTION_H
#define ENGINE_BASE_OPTION_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

/* What the value means, and the type of the field that takes it. */
enum option_kind {
    OPTION_FLAG,    /* bool; takes no value */
    OPTION_NUMBER,  /* uint64_t */
    OPTION_SECONDS, /* uint64_t of milliseconds; "5", "0.5", "500ms", "2m", "1h", "7d" */
    OPTION_BYTES,   /* uint64_t; "4096", "64k", "1.5M", "1G", "1T", powers of 1024 */
    OPTION_TEXT,    /* const char * */
    OPTION_CHOICE,  /* int, the index in `choices` */
    OPTION_LIST,    /* struct option_list; every use adds one */
};

struct option_list {
    const char **items;
    uint32_t count, capacity;
};

struct option_spec {
    const char *name; /* without dashes: "rate" */
    char letter;      /* 0 for none */
    enum option_kind kind;
    const char *argument; /* what help calls the value: "N"; NULL for a flag */
    const char *summary;  /* without a full stop */
    const char *group;    /* heading in help; options of one group stand together in the table */
    size_t offset;        /* of the field in the settings */
    uint64_t minimum, maximum;  /* NUMBER, SECONDS (milliseconds), BYTES; maximum 0: none */
    const char *const *choices; /* CHOICE: names, NULL-terminated */
    const char *unset;          /* how help calls a default of 0 or NULL: "never", "all cores" */
};

void option_list_init(struct option_list *list);
void option_list_deinit(struct option_list *list);
/* False when there is no memory. `item` must outlive the list. */
bool option_list_add(struct option_list *list, const char *item);
/* Puts a NULL behind the last item, which does not count, for those who want it so. */
enum error option_list_terminate(struct option_list *list, struct failure *failure)
    __attribute__((warn_unused_result));

/* Reads arguments (without the names of program and command): --name value, --name=value, any
 * beginning of a name that only one option has, -l value, -lvalue, clusters of letters; options and
 * positional arguments in any order; "--" ends the options; "-" alone is positional. A separate
 * value may not begin with "--", so that a forgotten value does not swallow the next option; write
 * --name=--value where that is meant. The last use wins.
 * `specs` ends with an entry whose name is NULL. ERROR_USAGE says what was wrong and what to write
 * instead; settings and `positionals` are then partly filled. */
enum error option_parse(const struct option_spec *specs, int argc, char *const argv[],
                        void *settings, struct option_list *positionals, struct failure *failure)
    __attribute__((warn_unused_result));

/* Sets one field from a text, as option_parse does. `given` names the option as the user did, for
 * the failure: "--rate", "-r", "rate in trawl.conf". A flag takes NULL for true, or "true" and
 * "false". */
enum error option_set(const struct option_spec *spec, const char *given, const char *value,
                      void *settings, struct failure *failure) __attribute__((warn_unused_result));

/* Whether the field of an option is in `settings` as it is in `defaults`; a list: empty. */
bool option_is_default(const struct option_spec *spec, const void *settings, const void *defaults);

/* Appends the options grouped and aligned, lines at most `columns` wide (60 at least), with the
 * defaults that `settings` holds. */
void option_help(const struct option_spec *specs, const void *settings, uint32_t columns,
                 struct buffer *out);

#endif
