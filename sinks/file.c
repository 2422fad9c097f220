/* Files and pipes: "-", a path, a device, a named pipe.
 *
 * Without rotation, a file is written in place under its own name, so that `tail -f` shows records
 * as they come. With rotation, PATH is the part being written; a part that is full is completed,
 * synced and renamed to PATH-20261121T035645Z-0001.jsonl (when it was begun, number in this run),
 * so that whatever has such a name is whole and ends at a record's end. The last one is renamed at
 * the end of the run. Only regular files rotate. */
#include "engine/base/clock.h"
#include "sinks/part.h"
#include "sinks/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How much of a path a message quotes: enough to know it by, and the cure still fits. */
#define QUOTE "%.200s"

struct file {
    struct sink head;
    char *path; /* NULL for standard output */
    bool compressed, append, resumes;
    struct sink_position resume;      /* when it resumes */
    uint64_t rotate_bytes, rotate_ns; /* 0 for never */
    struct part part;
    bool part_has_records;
    uint64_t part_begun_ns; /* monotonic */
    int64_t part_begun_unix_ms;
    uint32_t parts_published;
    bool rotating; /* begun and not yet through */
};

static struct file *file_of(struct sink *sink) {
    return (struct file *)sink;
}

static bool takes(struct slice spec) {
    static const char scheme_end[] = "://";
    return spec.len && !memmem(spec.ptr, spec.len, scheme_end, sizeof scheme_end - 1);
}

static bool has_suffix(struct slice text, const char *suffix) {
    struct slice end = slice_of(suffix);
    return text.len >= end.len && slice_equal_nocase(slice_from(text, text.len - end.len), end);
}

/* What went wrong and what helps. */
static enum error explain(const struct file *file, enum error error, struct failure *failure) {
    const char *name = file->path ? file->path : "standard output";
    const char *cause = error_text(error);
    switch ((int)error) {
    case ERROR_NONE:
    case ERROR_GONE:
    case EAGAIN:
        return error;
    case ENOSPC:
    case EDQUOT:
        return failure_set(failure, error,
                           "cannot write to " QUOTE ": %s; make room and it goes on", name, cause);
    case EFBIG:
        return failure_set(failure, error,
                           "cannot write to " QUOTE ": %s; raise the limit (ulimit -f) or use "
                           "--rotate-size",
                           name, cause);
    case ERROR_INTERNAL:
        return failure_set(failure, error,
                           QUOTE ": the disk lost what was written (fsync failed); the end of the "
                                 "file may be missing",
                           name);
    default:
        return failure_set(failure, error, "cannot write to " QUOTE ": %s", name, cause);
    }
}

static enum error explain_open(const struct file *file, enum error error, struct failure *failure) {
    const char *path = file->path;
    switch ((int)error) {
    case ENOENT: {
        const char *slash = strrchr(path, '/');
        int len = slash ? (int)(slash - path) : 0;
        return failure_set(failure, error,
                           "cannot write to " QUOTE ": there is no folder %.*s; make it first",
                           path, len < 100 ? len : 100, path);
    }
    case EISDIR:
        return failure_set(failure, error,
                           QUOTE " is a folder; name a file in it, such as " QUOTE "/results.jsonl",
                           path, path);
    case EACCES:
    case EPERM:
    case EROFS:
        return failure_set(failure, error,
                           "cannot write to " QUOTE ": %s; choose a place where you may write",
                           path, error_text(error));
    case EWOULDBLOCK:
        return failure_set(failure, ERROR_USAGE,
                           QUOTE " is being written by another sink or another trawl; choose "
                                 "another name",
                           path);
    case ESTALE:
        return failure_set(failure, ERROR_USAGE,
                           QUOTE " is not the file that holds the sweep so far: put that one back, "
                                 "or give --append to go on behind what this one holds",
                           path);
    case EINTR:
        return failure_set(failure, ERROR_STOPPED, "stopped while opening " QUOTE, path);
    default:
        return explain(file, error, failure);
    }
}

/* How much of the file that is there already stays; -1 when a run that is taken up has written to
 * another one. With rotation another one is the part that was begun last, and nothing in it counts
 * yet. */
static off_t bytes_kept(const struct file *file, const struct stat *status) {
    if (!file->resumes)
        return file->append ? status->st_size : 0;
    if (status->st_ino == file->resume.file)
        return (uint64_t)status->st_size < file->resume.bytes ? status->st_size
                                                              : (off_t)file->resume.bytes;
    if (file->rotate_bytes || file->rotate_ns)
        return 0;
    return file->append || status->st_size == 0 ? status->st_size : -1;
}

/* One writer a file, or both would be spoilt; file systems without locks have to do without. Files
 * are cut only once they are locked. */
static enum error lock_and_cut(const struct file *file, int fd) {
    struct stat status;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return (enum error)EWOULDBLOCK;
    if (fstat(fd, &status) != 0)
        return (enum error)errno;
    off_t kept = bytes_kept(file, &status);
    if (kept < 0)
        return (enum error)ESTALE;
    return kept == status.st_size || ftruncate(fd, kept) == 0 ? ERROR_NONE : (enum error)errno;
}

/* True when the last line of a file that is there already has no end: who wrote it was killed. */
static bool is_torn(const struct file *file, off_t size) {
    uint8_t last = '\n';

    if (file->compressed || file->head.encoding.encoder == &msgpack_encoder)
        return false;
    int fd = open(file->path ? file->path : "/proc/self/fd/1", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool torn = fd >= 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
    if (fd >= 0)
        close(fd);
    return torn;
}

/* `behind`: what the file holds stays. */
static enum error begin_part(struct file *file, int fd, bool behind) {
    const struct encoding *encoding = &file->head.encoding;
    struct stat status;
    struct buffer head;
    bool empty = !behind || fstat(fd, &status) != 0 || status.st_size == 0;
    buffer_init(&head);
    if (empty && encoding->encoder->begin)
        encoding->encoder->begin(encoding, &head);
    if (!empty && is_torn(file, status.st_size))
        buffer_add_byte(&head, '\n');
    enum error error =
        part_begin(&file->part, fd, file->path != NULL, file->compressed, buffer_slice(&head));
    if (head.failed)
        error = ERROR_MEMORY;
    buffer_deinit(&head);
    if (error) {
        part_close(&file->part);
        return error;
    }
    file->part_has_records = !empty;
    file->part_begun_ns = clock_monotonic_ns();
    file->part_begun_unix_ms = clock_unix_ms();
    return ERROR_NONE;
}

static enum error open_part(struct file *file, struct failure *failure) {
    struct stat status;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
    int fd = open(file->path, flags | (file->append || file->resumes ? O_APPEND : 0), 0666);
    if (fd < 0)
        return explain_open(file, (enum error)errno, failure);
    bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    enum error error = regular ? lock_and_cut(file, fd) : ERROR_NONE;
    if (error) {
        close(fd);
        return explain_open(file, error, failure);
    }
    return explain(file, begin_part(file, fd, regular), failure);
}

/* Where it leads is the shell's affair: behind `>>` a run that is taken up goes on. */
static enum error open_standard_output(struct file *file, struct failure *failure) {
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return failure_set(failure, ERROR_USAGE, "standard output is closed; give a path with -o");
    struct stat status;
    bool behind = file->resumes && fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    return explain(file, begin_part(file, STDOUT_FILENO, behind), failure);
}

/* Parts stand beside the file itself, not beside a link to it. */
static enum error resolve_path(struct file *file, struct failure *failure) {
    char *path = realpath(file->path, NULL);
    if (!path)
        return explain_open(file, (enum error)errno, failure);
    free(file->path);
    file->path = path;
    return ERROR_NONE;
}

static enum error open_file(struct sink *sink, const struct sink_config *config,
                            struct failure *failure) {
    struct file *file = file_of(sink);
    struct slice spec = slice_of(config->spec);
    file->part.fd = -1;
    file->append = config->append;
    file->resumes = config->resume != NULL;
    if (config->resume)
        file->resume = *config->resume;
    file->compressed = sink->holds_back = config->gzip || has_suffix(spec, ".gz");
    if (!sink->encoding.encoder)
        sink->encoding.encoder = encoder_by_path(spec);
    if (!sink->encoding.encoder)
        sink->encoding.encoder = encoder_by_name(slice_of("json"));
    /* Opening /dev/stdout anew would empty the file behind it, and fails for sockets. */
    if (slice_is(spec, "-") || slice_is(spec, "/dev/stdout"))
        return open_standard_output(file, failure);
    file->path = strdup(config->spec);
    if (!file->path)
        return failure_set(failure, ERROR_MEMORY, "no memory for the output " QUOTE, config->spec);
    file->rotate_bytes = config->rotate_bytes;
    file->rotate_ns = config->rotate_seconds * UINT64_C(1000000000);
    enum error error = open_part(file, failure);
    if (error)
        return error;
    if (!file->part.regular)
        file->rotate_bytes = file->rotate_ns = 0;
    return file->rotate_bytes || file->rotate_ns ? resolve_path(file, failure) : ERROR_NONE;
}

/* Where the number goes: before the suffixes, "results|.jsonl.gz". */
static size_t stem_length(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t name = slash ? (size_t)(slash - path) + 1 : 0;
    size_t len = strlen(path);
    struct slice rest = slice_of(path);
    if (has_suffix(rest, ".gz"))
        rest.len -= 3;
    const uint8_t *dot = rest.len > name ? memrchr(rest.ptr + name, '.', rest.len - name) : NULL;
    if (dot && dot > rest.ptr + name)
        return (size_t)(dot - rest.ptr);
    return rest.len > name ? rest.len : len;
}

/* Heap text; NULL when there is no memory. */
static char *part_name(const char *path, int64_t unix_ms, uint32_t number) {
    char stamp[32] = "", *name = NULL;
    struct tm date;
    time_t seconds = (time_t)(unix_ms / 1000);
    if (gmtime_r(&seconds, &date))
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &date);
    size_t stem = stem_length(path);
    int len = asprintf(&name, "%.*s-%s-%04u%s", (int)stem, path, stamp, number, path + stem);
    return len < 0 ? NULL : name;
}

/* Never over a file that is there. File systems that cannot promise it are asked first. */
static enum error rename_anew(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return ERROR_NONE;
    if (errno != EINVAL && errno != ENOSYS)
        return (enum error)errno;
    if (faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return (enum error)EEXIST;
    return rename(from, to) == 0 ? ERROR_NONE : (enum error)errno;
}

/* Gives the finished part its name; numbers that another run has taken are left out. A part that
 * somebody has moved away meanwhile is theirs. */
static enum error publish(struct file *file) {
    enum error error = (enum error)EEXIST;
    while (error == (enum error)EEXIST && file->parts_published < UINT32_MAX) {
        char *name = part_name(file->path, file->part_begun_unix_ms, file->parts_published + 1);
        if (!name)
            return ERROR_MEMORY;
        error = rename_anew(file->path, name);
        free(name);
        if (!error || error == (enum error)EEXIST)
            file->parts_published++;
    }
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

/* Takes up where it stopped: finish, publish and close the old part, open the next. */
static enum error rotate(struct file *file, struct failure *failure) {
    file->rotating = true;
    if (!part_is_closed(&file->part)) {
        enum error error = part_finish(&file->part);
        if (!error)
            error = publish(file);
        if (error)
            return explain(file, error, failure);
        part_close(&file->part);
    }
    enum error error = open_part(file, failure);
    file->rotating = error != ERROR_NONE;
    return error;
}

/* A plain part never grows over its size, unless one batch alone does. What a batch will be
 * compressed to is not known before: such a part ends when it has reached its size. */
static bool is_full(const struct file *file, size_t more) {
    if (!file->rotate_bytes || !file->part_has_records || file->part.taken)
        return false;
    uint64_t bytes = file->part.bytes + file->part.pending.len;
    return file->compressed ? bytes >= file->rotate_bytes : bytes + more > file->rotate_bytes;
}

static enum error write_file(struct sink *sink, struct slice bytes, uint32_t records,
                             struct failure *failure) {
    struct file *file = file_of(sink);
    (void)records;
    if (!bytes.len)
        return ERROR_NONE;
    if (file->rotating || is_full(file, bytes.len)) {
        enum error error = rotate(file, failure);
        if (error)
            return error;
    }
    enum error error = part_write(&file->part, bytes);
    file->part_has_records |= !error;
    return explain(file, error, failure);
}

static enum error tick_file(struct sink *sink, struct failure *failure) {
    struct file *file = file_of(sink);
    bool due = file->rotate_ns && file->part_has_records &&
               clock_monotonic_ns() - file->part_begun_ns >= file->rotate_ns;
    if (file->rotating || due) {
        enum error error = rotate(file, failure);
        if (error)
            return error;
    }
    return explain(file, part_flush(&file->part), failure);
}

static enum error finish_file(struct sink *sink, struct failure *failure) {
    struct file *file = file_of(sink);
    if (part_is_closed(&file->part))
        return ERROR_NONE;
    enum error error = part_finish(&file->part);
    if (!error && (file->rotate_bytes || file->rotate_ns)) {
        if (file->part_has_records)
            error = publish(file);
        else if (file->parts_published)
            unlink(file->path);
    }
    return explain(file, error, failure);
}

static struct sink_position position_of(const struct sink *sink) {
    const struct file *file = (const struct file *)sink;
    struct stat status;

    if (part_is_closed(&file->part) || !file->part.regular || fstat(file->part.fd, &status) != 0)
        return (struct sink_position){0};
    return (struct sink_position){status.st_ino, file->part.bytes};
}

static void close_file(struct sink *sink) {
    struct file *file = file_of(sink);
    part_close(&file->part);
    free(file->path);
}

const struct sink_kind file_sink = {
    .name = "file",
    .summary =
        "a file, named pipe or device, or - for standard output; the suffix means the format, "
        ".gz compresses",
    .example = "-o results.jsonl.gz",
    .size = sizeof(struct file),
    .takes = takes,
    .open = open_file,
    .write = write_file,
    .tick = tick_file,
    .finish = finish_file,
    .position = position_of,
    .close = close_file,
};
