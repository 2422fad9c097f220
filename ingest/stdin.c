/* "-": standard input, like a list file, swept while it is still being written. */
#include "ingest/reader.h"

#include <unistd.h>

static bool stdin_takes(struct slice spec) {
    return slice_is(spec, "-");
}

static enum error stdin_open(struct source *source, struct slice spec, struct failure *failure) {
    (void)spec;
    return reader_init((struct reader *)source, STDIN_FILENO, slice_of("stdin"), failure);
}

/* The descriptor stays open: it belongs to the process. */
static void stdin_close(struct source *source) {
    reader_deinit((struct reader *)source);
}

const struct source_kind source_stdin = {
    .name = "stdin",
    .summary = "standard input, like a list file, swept while it is written",
    .example = "-",
    .size = sizeof(struct reader),
    .takes = stdin_takes,
    .open = stdin_open,
    .next = reader_next,
    .skip = reader_skip,
    .spec = reader_spec,
    .close = stdin_close,
};
