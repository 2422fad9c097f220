#include "tools/trawl/command.h"

#include <stdio.h>

const struct command *const commands[] = {
    &command_scan,   &command_watch, &command_check, &command_bench,   &command_demo,
    &command_decode, &command_list,  &command_help,  &command_version, NULL,
};

const struct command *command_by_name(const char *name) {
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

enum exit_code command_failed(const struct failure *failure) {
    fprintf(stderr, "trawl: %s\n", failure->text);
    return failure->code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

void command_print(struct buffer *text) {
    fwrite(text->ptr, 1, text->len, stdout);
    buffer_deinit(text);
}
