/* A source that reads a list of targets from a descriptor: what list and standard input share. It
 * waits for bytes, finds out their format, and says where a row is wrong. A UTF-8 byte order mark
 * and CRLF are accepted. Targets are handed out as soon as their row is complete. Used by the one
 * thread that pulls the source. */
#ifndef INGEST_READER_H
#define INGEST_READER_H

#include "ingest/format.h"
#include "ingest/source.h"

struct reader {
    struct source source;
    int fd;         /* -1: none; owned by the kind that opened it */
    char name[160]; /* of the input, for messages */
    struct input input;
    const struct format *format; /* NULL until it is known */
    void *state;                 /* of the format */
    bool begun;                  /* past the byte order mark */
    bool broken;                 /* nothing more can be understood */
    struct row row;
    struct spec spec; /* what the last row asked for */
};

/* Sets everything but `source`, of which it sets `waits`; `name` may be untrusted. */
enum error reader_init(struct reader *reader, int fd, struct slice name, struct failure *failure)
    __attribute__((warn_unused_result));
void reader_deinit(struct reader *reader);

/* next, skip and spec of a source_kind whose source begins with a struct reader. */
enum source_result reader_next(struct source *source, struct target *target,
                               struct failure *failure);
uint64_t reader_skip(struct source *source, uint64_t targets);
const struct spec *reader_spec(const struct source *source);

#endif
