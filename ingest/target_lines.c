#include "ingest/target_lines.h"

#include "ingest/quote.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

enum error target_lines_init(struct target_lines *input, int fd, struct slice name,
                             struct failure *failure) {
    input->fd = fd;
    quote_bare(input->name, sizeof input->name, name);
    if (!lines_init(&input->lines))
        return failure_set(failure, ERROR_MEMORY, "no memory to read %s", input->name);
    return ERROR_NONE;
}

void target_lines_deinit(struct target_lines *input) {
    lines_deinit(&input->lines);
}

/* Waits for input or the wish to stop, and reads once. SOURCE_TARGET: there is more to look at. */
static enum source_result read_more(struct target_lines *input, struct failure *failure) {
    struct pollfd waits[] = {
        {.fd = input->source.context->stop_fd, .events = POLLIN}, /* ignored when -1 */
        {.fd = input->fd, .events = POLLIN},
    };
    size_t space;
    uint8_t *to = lines_space(&input->lines, &space);
    for (;;) {
        ssize_t len = poll(waits, 2, -1);
        if (len >= 0 && waits[0].revents)
            return SOURCE_STOPPED;
        if (len >= 0)
            len = read(input->fd, to, space);
        if (len > 0)
            lines_add(&input->lines, (size_t)len);
        else if (len == 0)
            lines_finish(&input->lines);
        else if (errno == EINTR || errno == EAGAIN)
            continue;
        else {
            failure_set(failure, (enum error)errno, "cannot read %s: %s", input->name,
                        error_text((enum error)errno));
            return SOURCE_FAILED;
        }
        return SOURCE_TARGET;
    }
}

static enum source_result bad_line(const struct target_lines *input, struct slice line,
                                   const char *reason, struct failure *failure) {
    failure_set(failure, ERROR_INPUT, "%s:%" PRIu64 ": %s: %s", input->name, input->lines.number,
                reason, quote_of(line).text);
    return SOURCE_BAD_LINE;
}

/* The line without comment and blanks. URLs may hold "#": a comment has a blank before it. */
static struct slice strip(struct slice line) {
    size_t from = 0;
    const uint8_t *hash;
    while (from < line.len && (hash = memchr(line.ptr + from, '#', line.len - from))) {
        size_t at = (size_t)(hash - line.ptr);
        if (at == 0 || line.ptr[at - 1] == ' ' || line.ptr[at - 1] == '\t') {
            line.len = at;
            break;
        }
        from = at + 1;
    }
    return slice_trim(line);
}

static bool starts_with(struct slice line, const char *bytes) {
    return slice_equal(slice_first(line, strlen(bytes)), slice_of(bytes));
}

/* Looks at one line. SOURCE_TARGET: `spec` holds what it asks for, perhaps nothing. */
static enum source_result take_line(struct target_lines *input, struct slice line,
                                    struct failure *failure) {
    if (input->lines.number == 1) {
        if (starts_with(line, "\xff\xfe") || starts_with(line, "\xfe\xff")) {
            failure_set(failure, ERROR_INPUT, "%s is in UTF-16; UTF-8 is wanted", input->name);
            return SOURCE_FAILED;
        }
        if (starts_with(line, "\xef\xbb\xbf"))
            line = slice_from(line, 3);
    }
    line = strip(line);
    if (!line.len)
        return SOURCE_TARGET;
    if (line.ptr[0] == '@' || slice_is(line, "-"))
        return bad_line(input, line, "a list cannot name another list", failure);
    struct failure reason;
    if (spec_parse(&input->spec, input->source.context, line, &reason))
        return bad_line(input, line, reason.text, failure);
    return SOURCE_TARGET;
}

enum source_result target_lines_next(struct source *source, struct target *target,
                                     struct failure *failure) {
    struct target_lines *input = (struct target_lines *)source;
    while (!spec_next(&input->spec, target)) {
        enum source_result result = SOURCE_TARGET;
        struct slice line;
        switch (lines_next(&input->lines, &line)) {
        case LINES_LINE:
            result = take_line(input, line, failure);
            break;
        case LINES_TOO_LONG:
            result = bad_line(input, line, "the line is too long", failure);
            break;
        case LINES_MORE:
            result = read_more(input, failure);
            break;
        case LINES_END:
            return SOURCE_END;
        }
        if (result != SOURCE_TARGET)
            return result;
    }
    return SOURCE_TARGET;
}
