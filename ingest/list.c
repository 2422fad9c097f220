/* "@hosts.txt": a file with targets, in any of the formats (format.h). */
#include "engine/base/quote.h"
#include "ingest/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool list_takes(struct slice spec) {
    return spec.len && spec.ptr[0] == '@';
}

/* `spec` comes from source_open and is terminated. */
static enum error list_open(struct source *source, struct slice spec, struct failure *failure) {
    struct reader *reader = (struct reader *)source;
    struct slice name = slice_from(spec, 1);
    reader->fd = -1;
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
    return reader_init(reader, fd, name, failure);
}

static void list_close(struct source *source) {
    struct reader *reader = (struct reader *)source;
    if (reader->fd >= 0)
        close(reader->fd);
    reader_deinit(reader);
}

const struct source_kind source_list = {
    .name = "list",
    .summary = "a file with targets: lines, CSV, JSON, output of zmap, masscan, nmap",
    .example = "@hosts.txt",
    .size = sizeof(struct reader),
    .takes = list_takes,
    .open = list_open,
    .next = reader_next,
    .skip = reader_skip,
    .spec = reader_spec,
    .close = list_close,
};
