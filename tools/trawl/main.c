#include "engine/http/client.h"
#include "tools/trawl/command.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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

/* One that is closed would be given to the next file that is opened, and what is printed would go
 * there. These fail when they are used. */
static void hold_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char *argv[]) {
    hold_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    struct failure failure;
    if (http_global_init(&failure) != ERROR_NONE) {
        fprintf(stderr, "trawl: %s\n", failure.text);
        return EXIT_FAILED;
    }
    int code = (int)dispatch(argc, argv);
    http_global_deinit();
    return code;
}
