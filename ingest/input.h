/* What was read from a file or a pipe and not used yet, in one buffer of fixed size, without
 * descriptors: the owner reads into input_space and says how much came. Formats take from it either
 * lines or bytes; both come as soon as they are there, wherever the reads were split. One owner,
 * one thread. */
#ifndef INGEST_INPUT_H
#define INGEST_INPUT_H

#include "engine/base/slice.h"

struct input {
    uint8_t *buffer;
    size_t start, end; /* what was read and not taken yet */
    size_t searched;   /* no newline between start and here */
    uint64_t line;     /* of the byte at start, from 1 */
    uint64_t number;   /* of the line that input_line gave last */
    bool skipping;     /* in the rest of a line that was too long */
    bool finished;     /* no more bytes will come */
};

enum input_result {
    INPUT_LINE,     /* without its newline; valid until the next call */
    INPUT_TOO_LONG, /* its first LIMIT_LINE_BYTES; the rest will be skipped */
    INPUT_MORE,     /* read more, or finish */
    INPUT_END,
};

/* False when there is no memory. */
bool input_init(struct input *input);
void input_deinit(struct input *input);

/* Where the next bytes go, at least 1, when input_line said INPUT_MORE or all bytes but
 * LIMIT_LINE_BYTES were taken. */
uint8_t *input_space(struct input *input, size_t *len);
void input_add(struct input *input, size_t len);

/* No more bytes will come; what stands behind the last newline is the last line. */
void input_finish(struct input *input);

/* Everything that was not taken yet; valid until the next input_space. */
static inline struct slice input_bytes(const struct input *input) {
    return (struct slice){input->buffer + input->start, input->end - input->start};
}

/* Takes the first `len` of those bytes. Not to be mixed with lines in the middle of one. */
void input_take(struct input *input, size_t len);

enum input_result input_line(struct input *input, struct slice *line);

#endif
