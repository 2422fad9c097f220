#include "tools/trawl/command.h"

#include <signal.h>
#include <stdio.h>

static enum exit_code dispatch(int argc, char *const argv[]) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return command_help.run(0, NULL);
    if (strcmp(argv[1], "--version") == 0)
        return command_version.run(0, NULL);
    const struct command *command = command_by_name(argv[1]);
    bool asks_for_help = argc == 3 && strcmp(argv[2], "--help") == 0;
    if (!command || asks_for_help)
        return command_help.run(1, argv + 1);
    return command->run(argc - 2, argv + 2);
}

int main(int argc, char *argv[]) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return (int)dispatch(argc, argv);
}
