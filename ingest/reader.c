#include "ingest/reader.h"

#include "engine/base/quote.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum error reader_init(struct reader *reader, int fd, struct slice name, struct failure *failure) {
    struct stat status;
    reader->fd = fd;
    reader->source.waits = fstat(fd, &status) < 0 || !S_ISREG(status.st_mode);
    quote_bare(reader->name, sizeof reader->name, name);
    if (!input_init(&reader->input))
        return failure_set(failure, ERROR_MEMORY, "no memory to read %s", reader->name);
    return ERROR_NONE;
}

void reader_deinit(struct reader *reader) {
    if (reader->state && reader->format->deinit)
        reader->format->deinit(reader->state);
    free(reader->state);
    input_deinit(&reader->input);
}

/* Waits for input or the wish to stop, and reads once. SOURCE_TARGET: there is more to look at. */
static enum source_result read_more(struct reader *reader, struct failure *failure) {
    struct pollfd waits[] = {
        {.fd = reader->source.context->stop_fd, .events = POLLIN}, /* ignored when -1 */
        {.fd = reader->fd, .events = POLLIN},
    };
    size_t space;
    uint8_t *to = input_space(&reader->input, &space);
    for (;;) {
        ssize_t len = poll(waits, 2, -1);
        if (len >= 0 && waits[0].revents)
            return SOURCE_STOPPED;
        if (len >= 0)
            len = read(reader->fd, to, space);
        if (len > 0)
            input_add(&reader->input, (size_t)len);
        else if (len == 0)
            input_finish(&reader->input);
        else if (errno == EINTR || errno == EAGAIN)
            continue;
        else {
            failure_set(failure, (enum error)errno, "cannot read %s: %s", reader->name,
                        error_text((enum error)errno));
            return SOURCE_FAILED;
        }
        return SOURCE_TARGET;
    }
}

static enum source_result bad_row(const struct reader *reader, const struct failure *reason,
                                  struct failure *failure) {
    struct slice text = reader->row.text;
    failure_set(failure, ERROR_INPUT, "%s:%" PRIu64 ": %s%s%s", reader->name, reader->row.line,
                reason->text, text.len ? ": " : "", text.len ? quote_of(text).text : "");
    return SOURCE_BAD_LINE;
}

/* Looks for a byte order mark. SOURCE_TARGET when the bytes that could be one are there. */
static enum source_result begin(struct reader *reader, struct failure *failure) {
    struct slice bytes = input_bytes(&reader->input);
    if (format_starts(bytes, "\xff\xfe") || format_starts(bytes, "\xfe\xff")) {
        failure_set(failure, ERROR_INPUT, "%s is in UTF-16; UTF-8 is wanted", reader->name);
        return SOURCE_FAILED;
    }
    if (format_starts(bytes, "\xef\xbb\xbf"))
        input_take(&reader->input, 3);
    else if (bytes.len < 3 && !reader->input.finished && (!bytes.len || bytes.ptr[0] >= 0x80))
        return read_more(reader, failure);
    reader->begun = true;
    return SOURCE_TARGET;
}

static const struct format *recognize(struct slice line) {
    line = slice_trim(line);
    for (const struct format *const *format = formats; line.len && *format; format++)
        if (*format != &format_lines && (*format)->recognizes(line))
            return *format;
    /* A comment or a blank line: the next one may tell. */
    return line.len && line.ptr[0] != '#' ? &format_lines : NULL;
}

/* The format of what is there, past the comments before it; NULL when that must be more. */
static const struct format *find_format(struct reader *reader) {
    struct slice bytes = input_bytes(&reader->input);
    if (reader->source.context->format)
        return formats[reader->source.context->format - 1];
    const struct format *format = NULL;
    while (bytes.len && !format) {
        const uint8_t *newline = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = newline ? (size_t)(newline - bytes.ptr) : bytes.len;
        if (!newline && !reader->input.finished && len < LIMIT_LINE_BYTES)
            return NULL;
        format = recognize(slice_first(bytes, len < LIMIT_LINE_BYTES ? len : LIMIT_LINE_BYTES));
        if (!format && !newline && !reader->input.finished)
            return &format_lines; /* a comment of great length */
        if (!format)
            input_take(&reader->input, len + (newline ? 1 : 0));
        bytes = input_bytes(&reader->input);
    }
    return format || !reader->input.finished ? format : &format_lines;
}

/* SOURCE_TARGET: the format is known, or there is more to look at. */
static enum source_result choose_format(struct reader *reader, struct failure *failure) {
    if (!reader->begun)
        return begin(reader, failure);
    const struct format *format = find_format(reader);
    if (!format)
        return read_more(reader, failure);
    if (format->size) {
        reader->state = calloc(1, format->size);
        if (!reader->state) {
            failure_set(failure, ERROR_MEMORY, "no memory to read %s", reader->name);
            return SOURCE_FAILED;
        }
    }
    reader->format = format;
    return SOURCE_TARGET;
}

/* Takes one row. SOURCE_TARGET: `spec` holds what it asks for, perhaps nothing. */
static enum source_result take_row(struct reader *reader, struct failure *failure) {
    struct failure reason;
    reader->row = (struct row){0};
    switch (reader->format->next(reader->state, &reader->input, &reader->row, &reason)) {
    case ROW_GIVEN:
        if (row_to_spec(&reader->row, reader->source.context, &reader->spec, &reason))
            return bad_row(reader, &reason, failure);
        return SOURCE_TARGET;
    case ROW_MORE:
        assert(!reader->input.finished);
        return read_more(reader, failure);
    case ROW_BAD:
        return bad_row(reader, &reason, failure);
    case ROW_BROKEN:
        reader->broken = true;
        bad_row(reader, &reason, failure);
        return SOURCE_FAILED;
    case ROW_END:
        break;
    }
    return SOURCE_END;
}

enum source_result reader_next(struct source *source, struct target *target,
                               struct failure *failure) {
    struct reader *reader = (struct reader *)source;
    while (!spec_next(&reader->spec, target)) {
        enum source_result result = reader->broken   ? SOURCE_END
                                    : reader->format ? take_row(reader, failure)
                                                     : choose_format(reader, failure);
        if (result != SOURCE_TARGET)
            return result;
    }
    return spec_result(&reader->spec, source);
}

uint64_t reader_skip(struct source *source, uint64_t targets) {
    return spec_skip(&((struct reader *)source)->spec, targets);
}

const struct spec *reader_spec(const struct source *source) {
    return &((const struct reader *)source)->spec;
}
