#include "tools/trawl/command.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct command *const commands[] = {
    &command_scan,
    &command_watch,
    &command_monitor,
    &command_check,
    &command_bench,
    &command_demo,
    &command_decode,
    &command_jobs,
    &command_query,
    &command_forget,
    &command_list,
    &command_spool,
    &command_worker,
    &command_completion,
    &command_help,
    &command_version,
    NULL,
};

const struct command *command_by_name(const char *name) {
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

void command_copy_options(const struct option_spec *from,
                          struct option_spec out[COMMAND_OPTIONS_MAX]) {
    size_t count = 0;

    while (from[count].name)
        count++;
    assert(count < COMMAND_OPTIONS_MAX);
    memcpy(out, from, (count + 1) * sizeof *from);
}

enum exit_code command_failed(const struct failure *failure) {
    fprintf(stderr, "trawl: %s\n", failure->text);
    return failure->code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

void command_print(struct buffer *text) {
    fwrite(text->ptr, 1, text->len, stdout);
    buffer_deinit(text);
}
