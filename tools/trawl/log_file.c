#include "tools/trawl/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum error log_file_open(const char *path, struct failure *failure) {
    if (!path)
        return ERROR_NONE;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        enum error error = (enum error)errno;
        if (fd >= 0)
            close(fd);
        return failure_set(failure, error, "cannot log to %.200s: %s", path, error_text(error));
    }
    close(fd);
    return ERROR_NONE;
}

void log_file_reopen(const char *path) {
    struct failure failure;

    if (log_file_open(path, &failure))
        fprintf(stderr, "trawl: %s\n", failure.text);
}
