/* A source that reads one target a line from a descriptor: what list and standard input share.
 *
 * A line is anything that can stand on the command line, but for another list. Blank lines and what
 * follows "#" (at the start or after a blank) are skipped; CRLF and a UTF-8 byte order mark are
 * accepted. Targets are handed out as soon as their line is complete. Used by the one thread that
 * pulls the source. */
#ifndef INGEST_TARGET_LINES_H
#define INGEST_TARGET_LINES_H

#include "ingest/lines.h"
#include "ingest/source.h"
#include "ingest/spec.h"

struct target_lines {
    struct source source;
    int fd;         /* -1: none; owned by the kind that opened it */
    char name[160]; /* of the input, for messages */
    struct lines lines;
    struct spec spec; /* what the last line asked for */
};

/* Sets everything but `source`; `name` may be untrusted. */
enum error target_lines_init(struct target_lines *input, int fd, struct slice name,
                             struct failure *failure) __attribute__((warn_unused_result));
void target_lines_deinit(struct target_lines *input);

/* source_kind.next of a source that begins with a struct target_lines. */
enum source_result target_lines_next(struct source *source, struct target *target,
                                     struct failure *failure);

#endif
