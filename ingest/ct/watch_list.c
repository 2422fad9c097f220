#include "ingest/ct/watch_list.h"

#include "engine/base/limits.h"
#include "engine/base/quote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <yyjson.h>

enum { COLUMN_NONE = UINT16_MAX };

/* What tells one state of a file from another. */
struct stamp {
    bool exists;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct watch_list_file {
    char *path;
    bool is_stdin;
    struct stamp read;   /* when it was read last */
    struct stamp polled; /* at the last poll */
    struct watch_list_file_counts counts;
};

/* A file while it is read. */
struct reading {
    struct watch_list_file *file;
    const struct watch_list_file_complaints *complaints;
    struct watch_list_builder *builder;
    FILE *stream;
    uint64_t line;   /* of the text at hand, from 1 */
    uint32_t column; /* of a CSV file; COLUMN_NONE when it is none */
    bool too_long;   /* the text at hand is the beginning of its line */
    uint8_t bytes[LIMIT_LINE_BYTES];
};

struct watch_list_file *watch_list_file_new(const char *path) {
    struct watch_list_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        return NULL;
    }
    file->path = copy;
    file->is_stdin = strcmp(path, "-") == 0;
    return file;
}

void watch_list_file_free(struct watch_list_file *file) {
    if (!file)
        return;
    free(file->path);
    free(file);
}

const struct watch_list_file_counts *watch_list_file_counts(const struct watch_list_file *file) {
    return &file->counts;
}

static const char *name_of(const struct watch_list_file *file) {
    return file->is_stdin ? "standard input" : file->path;
}

/* --- Lines --- */

/* The next line without comment and blanks. False at the end. */
static bool next_line(struct reading *reading, struct slice *text) {
    bool in_comment = false, is_json = false;
    size_t len = 0;
    int byte = getc_unlocked(reading->stream);
    if (byte == EOF)
        return false;
    reading->line++;
    reading->too_long = false;
    for (; byte != EOF && byte != '\n'; byte = getc_unlocked(reading->stream)) {
        in_comment = in_comment || (byte == '#' && !is_json);
        if (in_comment || (len == 0 && byte == ' '))
            continue;
        is_json = is_json || (len == 0 && byte == '{');
        if (len < sizeof reading->bytes)
            reading->bytes[len++] = (uint8_t)byte;
        else
            reading->too_long = true;
    }
    *text = slice_trim((struct slice){reading->bytes, len});
    return true;
}

static void skip_byte_order_mark(struct slice *text) {
    if (slice_is(slice_first(*text, 3), "\xef\xbb\xbf"))
        *text = slice_trim(slice_from(*text, 3));
}

static void complain(struct reading *reading, const char *reason, struct slice text) {
    struct failure words;
    reading->file->counts.bad++;
    if (!reading->complaints || !reading->complaints->line)
        return;
    failure_set(&words, ERROR_INPUT, "%s:%" PRIu64 ": %s: %s",
                quote_of(slice_of(name_of(reading->file))).text, reading->line, reason,
                quote_of(text).text);
    reading->complaints->line(reading->complaints->owner, words.text);
}

/* --- CSV --- */

/* Takes the next cell of a row, without its quotes. A quote inside of one is not for names. */
static struct slice next_cell(struct slice *row) {
    const uint8_t *comma = row->len ? memchr(row->ptr, ',', row->len) : NULL;
    size_t len = comma ? (size_t)(comma - row->ptr) : row->len;
    struct slice cell = slice_trim(slice_first(*row, len));
    *row = slice_from(*row, len + 1);
    if (cell.len >= 2 && cell.ptr[0] == '"' && cell.ptr[cell.len - 1] == '"')
        cell = (struct slice){cell.ptr + 1, cell.len - 2};
    return cell;
}

static bool is_column(struct slice cell) {
    return slice_equal_nocase(cell, slice_of("domain")) ||
           slice_equal_nocase(cell, slice_of("fqdn"));
}

/* Which cell of the first row says that entries stand below it. */
static uint32_t find_column(struct slice row) {
    for (uint32_t column = 0; row.len; column++)
        if (is_column(next_cell(&row)))
            return column;
    return COLUMN_NONE;
}

static struct slice cell_of(struct slice row, uint32_t column) {
    for (; column; column--)
        next_cell(&row);
    return next_cell(&row);
}

/* --- Entries --- */

static enum error add_entry(struct reading *reading, struct slice text, struct failure *failure) {
    struct failure reason;
    uint32_t line = reading->line > UINT32_MAX ? UINT32_MAX : (uint32_t)reading->line;
    enum error error = watch_list_builder_add(reading->builder, text, line, &reason);
    if (error == ERROR_USAGE) {
        complain(reading, reason.text, text);
        return ERROR_NONE;
    }
    return error ? failure_set(failure, error, "%s: %s",
                               quote_of(slice_of(name_of(reading->file))).text, reason.text)
                 : ERROR_NONE;
}

static enum error add_json(struct reading *reading, struct slice text, struct failure *failure) {
    yyjson_doc *document = yyjson_read((const char *)text.ptr, text.len, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *member = yyjson_obj_get(root, "domain");
    enum error error = ERROR_NONE;
    if (!member)
        member = yyjson_obj_get(root, "fqdn");
    if (!document)
        complain(reading, "broken JSON", text);
    else if (!yyjson_is_str(member))
        complain(reading, "an object without the text \"domain\" or \"fqdn\"", text);
    else
        error = add_entry(
            reading,
            (struct slice){(const uint8_t *)yyjson_get_str(member), yyjson_get_len(member)},
            failure);
    yyjson_doc_free(document);
    return error;
}

static enum error add_line(struct reading *reading, struct slice text, struct failure *failure) {
    if (reading->too_long) {
        complain(reading, "a line that is too long", text);
        return ERROR_NONE;
    }
    if (text.ptr[0] == '{')
        return add_json(reading, text, failure);
    if (reading->column != COLUMN_NONE)
        text = cell_of(text, reading->column);
    return add_entry(reading, text, failure);
}

static enum error add_lines(struct reading *reading, struct failure *failure) {
    struct slice text;
    enum error error = ERROR_NONE;
    bool is_first = true;
    while (!error && next_line(reading, &text)) {
        if (reading->line == 1)
            skip_byte_order_mark(&text);
        if (!text.len)
            continue;
        if (is_first)
            reading->column = find_column(text);
        if (!is_first || reading->column == COLUMN_NONE) {
            reading->file->counts.lines++;
            error = add_line(reading, text, failure);
        }
        is_first = false;
    }
    if (!error && ferror(reading->stream))
        error = failure_set(failure, (enum error)errno, "cannot read %s: %s",
                            quote_of(slice_of(name_of(reading->file))).text, strerror(errno));
    return error;
}

static enum error build(struct reading *reading, struct watch_list **out, struct failure *failure) {
    const struct watch_list_file_counts *counts = &reading->file->counts;
    enum error error = add_lines(reading, failure);
    struct quote name = quote_of(slice_of(name_of(reading->file)));
    if (!error && counts->lines == counts->bad)
        error = counts->bad
                    ? failure_set(failure, ERROR_INPUT,
                                  "none of the %" PRIu64 " lines of %s is an entry of a watch list",
                                  counts->bad, name.text)
                    : failure_set(failure, ERROR_INPUT, "%s has no entries", name.text);
    if (error) {
        watch_list_builder_free(reading->builder);
        return error;
    }
    *out = watch_list_builder_finish(reading->builder);
    if (!*out)
        return failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
    reading->file->counts.entries = watch_list_count(*out);
    return ERROR_NONE;
}

/* --- Files --- */

static struct stamp stamp_of(const struct stat *status) {
    return (struct stamp){
        .exists = true,
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = status->st_size,
        .modified = status->st_mtim,
    };
}

static bool is_same(const struct stamp *a, const struct stamp *b) {
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec;
}

enum error watch_list_file_read(struct watch_list_file *file,
                                const struct watch_list_file_complaints *complaints,
                                struct watch_list **out, struct failure *failure) {
    struct stat status;
    *out = NULL;
    file->counts = (struct watch_list_file_counts){0};
    file->read = (struct stamp){0};
    /* From before: a change while it is read counts as one. */
    if (!file->is_stdin && stat(file->path, &status) == 0)
        file->read = stamp_of(&status);
    file->polled = file->read;
    FILE *stream = file->is_stdin ? stdin : fopen(file->path, "re");
    if (!stream)
        return failure_set(failure, (enum error)errno, "cannot read %s: %s",
                           quote_of(slice_of(file->path)).text, strerror(errno));
    struct reading *reading = malloc(sizeof *reading);
    struct watch_list_builder *builder = watch_list_builder_new();
    enum error error;
    if (reading && builder) {
        reading->file = file;
        reading->complaints = complaints;
        reading->builder = builder;
        reading->stream = stream;
        reading->line = 0;
        reading->column = COLUMN_NONE;
        error = build(reading, out, failure);
    } else {
        watch_list_builder_free(builder);
        error = failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
    }
    free(reading);
    if (!file->is_stdin)
        fclose(stream);
    return error;
}

enum watch_list_file_state watch_list_file_poll(struct watch_list_file *file) {
    struct stat status;
    struct stamp now = {0};
    if (file->is_stdin)
        return WATCH_LIST_FILE_SAME;
    if (stat(file->path, &status) == 0)
        now = stamp_of(&status);
    bool stays = is_same(&now, &file->polled);
    file->polled = now;
    if (!now.exists)
        return WATCH_LIST_FILE_GONE;
    return stays && !is_same(&now, &file->read) ? WATCH_LIST_FILE_CHANGED : WATCH_LIST_FILE_SAME;
}
