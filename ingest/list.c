/* "@hosts.txt": one target a line. */
#include "ingest/quote.h"
#include "ingest/target_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool list_takes(struct slice spec) {
    return spec.len && spec.ptr[0] == '@';
}

/* `spec` comes from source_open and is terminated. */
static enum error list_open(struct source *source, struct slice spec, struct failure *failure) {
    struct target_lines *input = (struct target_lines *)source;
    struct slice name = slice_from(spec, 1);
    input->fd = -1;
    if (!name.len)
        return failure_set(failure, ERROR_USAGE, "the file name after \"@\" is missing");

    /* Without O_NONBLOCK a named pipe without a writer would block here, deaf to stop_fd. */
    int fd = open((const char *)name.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || (S_ISDIR(status.st_mode) && (errno = EISDIR))) {
        enum error error = (enum error)errno;
        if (fd >= 0)
            close(fd);
        return failure_set(failure, error, "cannot read the list %s: %s", quote_of(name).text,
                           error_text(error));
    }
    return target_lines_init(input, fd, name, failure);
}

static void list_close(struct source *source) {
    struct target_lines *input = (struct target_lines *)source;
    if (input->fd >= 0)
        close(input->fd);
    target_lines_deinit(input);
}

const struct source_kind source_list = {
    .name = "list",
    .summary = "a file with one target a line, of any form but list; # starts a comment",
    .example = "@hosts.txt",
    .size = sizeof(struct target_lines),
    .takes = list_takes,
    .open = list_open,
    .next = target_lines_next,
    .close = list_close,
};
