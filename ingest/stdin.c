/* "-": standard input, one target a line, swept while it is still being written. */
#include "ingest/target_lines.h"

#include <unistd.h>

static bool stdin_takes(struct slice spec) {
    return slice_is(spec, "-");
}

static enum error stdin_open(struct source *source, struct slice spec, struct failure *failure) {
    (void)spec;
    return target_lines_init((struct target_lines *)source, STDIN_FILENO, slice_of("stdin"),
                             failure);
}

/* The descriptor stays open: it belongs to the process. */
static void stdin_close(struct source *source) {
    target_lines_deinit((struct target_lines *)source);
}

const struct source_kind source_stdin = {
    .name = "stdin",
    .summary = "standard input, one target a line, swept while it is written",
    .example = "-",
    .size = sizeof(struct target_lines),
    .takes = stdin_takes,
    .open = stdin_open,
    .next = target_lines_next,
    .close = stdin_close,
};
