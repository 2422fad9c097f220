#include "sinks/spool_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SEGMENT_BYTES = 8 * 1024 * 1024, /* then the next is begun */
    NAME_CHARACTERS = 20,            /* "00000000000003e9.seg" */
    SEARCH_BYTES = 64 * 1024,
    DAMAGE_BYTES = 1024 * 1024, /* of what cannot be read, in one piece */
};

static const char POSITION[] = "position";

struct segment {
    uint64_t first; /* sequence, as the name says */
    uint64_t size;
};

struct cursor {
    size_t segment;
    uint64_t offset;
};

struct spool_log {
    int folder;
    bool look_only;
    struct segment *segments;
    size_t count, capacity;
    struct cursor head, read;
    uint64_t done;      /* all up to this sequence were dropped */
    uint64_t uncounted; /* and taken off the statistics */
    uint64_t read_to, last;
    uint64_t turn; /* of the position's slots */
    int position, tail;
    int reading; /* a segment that is open for reading, or -1 */
    uint64_t reading_first;
    struct spool_log_statistics statistics;
};

static enum error fail(struct failure *failure, const char *what) {
    enum error error = (enum error)errno;
    return failure_set(failure, error, "the spool cannot be %s: %s", what, error_text(error));
}

/* ---------------------------------------------------------------------------------------------
 * Segments
 * ------------------------------------------------------------------------------------------- */

static void name_of(uint64_t first, char out[NAME_CHARACTERS + 1]) {
    snprintf(out, NAME_CHARACTERS + 1, "%016" PRIx64 ".seg", first);
}

static bool read_name(const char *name, uint64_t *first) {
    char again[NAME_CHARACTERS + 1];

    if (strlen(name) != NAME_CHARACTERS)
        return false;
    *first = strtoull(name, NULL, 16);
    name_of(*first, again);
    return *first && strcmp(name, again) == 0;
}

static bool add_segment(struct spool_log *log, uint64_t first, uint64_t size) {
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 16;
        struct segment *more = reallocarray(log->segments, capacity, sizeof *more);
        if (!more)
            return false;
        log->segments = more;
        log->capacity = capacity;
    }
    log->segments[log->count++] = (struct segment){first, size};
    log->statistics.disk_bytes += size;
    return true;
}

static int by_first(const void *a, const void *b) {
    uint64_t x = ((const struct segment *)a)->first, y = ((const struct segment *)b)->first;
    return x < y ? -1 : x > y;
}

static void stop_reading(struct spool_log *log) {
    if (log->reading >= 0)
        close(log->reading);
    log->reading = -1;
}

/* All of `size` bytes; false with errno set. */
static bool read_at(struct spool_log *log, const struct cursor *at, void *out, size_t size) {
    const struct segment *segment = &log->segments[at->segment];
    char name[NAME_CHARACTERS + 1];

    if (log->reading < 0 || log->reading_first != segment->first) {
        stop_reading(log);
        name_of(segment->first, name);
        log->reading = openat(log->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        log->reading_first = segment->first;
    }
    for (size_t len = 0; log->reading >= 0 && len < size;) {
        ssize_t got =
            pread(log->reading, (uint8_t *)out + len, size - len, (off_t)(at->offset + len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : EIO; /* shorter than it was */
            return false;
        }
        len += (size_t)got;
    }
    return log->reading >= 0;
}

/* ---------------------------------------------------------------------------------------------
 * What stands where
 * ------------------------------------------------------------------------------------------- */

enum found { FOUND_FRAME, FOUND_DAMAGE, FOUND_TORN, FOUND_END, FOUND_ERROR };

static uint64_t left_in_segment(const struct spool_log *log, const struct cursor *at) {
    uint64_t size = log->segments[at->segment].size;
    return at->offset < size ? size - at->offset : 0;
}

static bool is_last(const struct spool_log *log, const struct cursor *at) {
    return at->segment + 1 >= log->count;
}

/* The head of a frame that lies wholly in its segment. */
static enum found head_at(struct spool_log *log, const struct cursor *at, struct spool_head *head) {
    uint8_t bytes[SPOOL_FRAME_HEAD];
    uint64_t left = left_in_segment(log, at);

    if (left < sizeof bytes)
        return FOUND_TORN;
    if (!read_at(log, at, bytes, sizeof bytes))
        return FOUND_ERROR;
    if (!spool_head_read(bytes, head))
        return FOUND_DAMAGE;
    return spool_frame_size(head) <= left ? FOUND_FRAME : FOUND_TORN;
}

/* How far it is to the next frame of this segment that has a good head, or to its end; 0 when it
 * cannot be read. */
static uint64_t search(struct spool_log *log, struct cursor at) {
    uint8_t window[SEARCH_BYTES];
    uint64_t from = at.offset++;
    struct spool_head head;

    for (uint64_t left; (left = left_in_segment(log, &at)) >= SPOOL_FRAME_HEAD;) {
        size_t size = left < sizeof window ? (size_t)left : sizeof window;
        if (!read_at(log, &at, window, size))
            return 0;
        size_t found = spool_find_frame((struct slice){window, size}, 0);
        at.offset += found == SIZE_MAX ? size - 3 : found;
        if (found != SIZE_MAX && head_at(log, &at, &head) == FOUND_FRAME)
            return at.offset - from;
        at.offset += found != SIZE_MAX;
    }
    return log->segments[at.segment].size - from;
}

/* What stands at the cursor, and how many bytes it takes. Moves the cursor into the next segment at
 * the end of one. Torn is only what ends the last segment: the beginning of a good frame. */
static enum found look(struct spool_log *log, struct cursor *at, struct spool_head *head,
                       uint64_t *size) {
    while (at->segment < log->count && left_in_segment(log, at) == 0) {
        if (is_last(log, at))
            return FOUND_END;
        *at = (struct cursor){at->segment + 1, SPOOL_SEGMENT_HEAD};
    }
    if (at->segment >= log->count)
        return FOUND_END;
    enum found found = head_at(log, at, head);
    if (found == FOUND_FRAME) {
        *size = spool_frame_size(head);
    } else if (found != FOUND_ERROR) {
        *size = search(log, *at);
        bool at_end = is_last(log, at) && *size == left_in_segment(log, at);
        found = *size == 0                      ? FOUND_ERROR
                : found == FOUND_TORN && at_end ? FOUND_TORN
                                                : FOUND_DAMAGE;
    }
    return found;
}

/* ---------------------------------------------------------------------------------------------
 * Leaving behind
 * ------------------------------------------------------------------------------------------- */

static void remove_segment(struct spool_log *log, size_t number) {
    char name[NAME_CHARACTERS + 1];

    name_of(log->segments[number].first, name);
    if (log->reading_first == log->segments[number].first)
        stop_reading(log);
    unlinkat(log->folder, name, 0);
    log->statistics.disk_bytes -= log->segments[number].size;
    log->count--;
    memmove(&log->segments[number], &log->segments[number + 1],
            (log->count - number) * sizeof *log->segments);
}

static void close_tail(struct spool_log *log) {
    if (log->tail >= 0)
        close(log->tail);
    log->tail = -1;
}

static void uncount(struct spool_log *log, const struct spool_head *head) {
    log->statistics.frames--;
    log->statistics.records -= head->records;
    log->statistics.bytes -= head->bytes;
}

static bool is_before(const struct cursor *a, const struct cursor *b) {
    return a->segment < b->segment || (a->segment == b->segment && a->offset < b->offset);
}

/* Moves the head to the first frame behind `done`, or to damage that nobody was given yet. */
static void advance(struct spool_log *log) {
    struct cursor *at = &log->head;
    uint64_t size = 0;
    struct spool_head head;
    enum found found;

    log->statistics.oldest_ms = 0;
    while ((found = look(log, at, &head, &size)) != FOUND_END && found != FOUND_ERROR) {
        bool was_read = is_before(at, &log->read);
        if (found == FOUND_FRAME && head.sequence > log->done) {
            log->statistics.oldest_ms = head.time_ms;
            break;
        }
        if (found == FOUND_DAMAGE && !was_read && log->done <= log->read_to)
            break;
        if (found == FOUND_FRAME && head.sequence > log->uncounted) {
            uncount(log, &head);
            log->uncounted = head.sequence;
        }
        at->offset += size;
    }
}

/* Removes the segments that the head has left behind; all of them once nothing is left. */
static void remove_passed(struct spool_log *log) {
    bool is_empty = log->head.segment + 1 >= log->count &&
                    (log->count == 0 || left_in_segment(log, &log->head) == 0);
    size_t passed = is_empty ? log->count : log->head.segment;

    if (is_empty)
        close_tail(log);
    for (size_t i = 0; i < passed; i++)
        remove_segment(log, 0);
    if (is_empty) {
        log->head = log->read = (struct cursor){.offset = SPOOL_SEGMENT_HEAD};
    } else {
        log->head.segment -= passed;
        log->read.segment -= passed;
    }
}

/* ---------------------------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------------------------- */

static enum error list_segments(struct spool_log *log, struct failure *failure) {
    int copy = openat(log->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    enum error error = ERROR_NONE;
    struct stat status;
    uint64_t first;

    if (!listing) {
        error = fail(failure, "listed");
        if (copy >= 0)
            close(copy);
        return error;
    }
    for (struct dirent *entry; !error && (entry = readdir(listing));)
        if (read_name(entry->d_name, &first) &&
            fstatat(log->folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && !add_segment(log, first, (uint64_t)status.st_size))
            error = failure_set(failure, ERROR_MEMORY, "no memory for a spool");
    closedir(listing);
    if (!error && log->count)
        qsort(log->segments, log->count, sizeof *log->segments, by_first);
    return error;
}

static enum error check_versions(struct spool_log *log, struct failure *failure) {
    uint8_t head[SPOOL_SEGMENT_HEAD];

    for (size_t i = 0; i < log->count; i++) {
        const struct cursor at = {.segment = i};
        if (log->segments[i].size >= sizeof head && read_at(log, &at, head, sizeof head) &&
            spool_segment_head_read(head) > SPOOL_VERSION)
            return failure_set(failure, ERROR_USAGE,
                               "the spool was written by a newer trawl (version %u, this one knows "
                               "%d)",
                               spool_segment_head_read(head), SPOOL_VERSION);
    }
    return ERROR_NONE;
}

static enum error open_position(struct spool_log *log, struct failure *failure) {
    uint8_t slots[2][SPOOL_POSITION_SLOT] = {0};
    uint64_t turn, sequence;

    log->position = openat(log->folder, POSITION,
                           (log->look_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
    if (log->position < 0)
        return log->look_only && errno == ENOENT ? ERROR_NONE : fail(failure, "opened");
    ssize_t got = pread(log->position, slots, sizeof slots, 0);
    for (size_t i = 0; i < 2; i++)
        if (got >= (ssize_t)(SPOOL_POSITION_SLOT * (i + 1)) &&
            spool_position_read(slots[i], &turn, &sequence) && turn >= log->turn) {
            log->turn = turn;
            log->done = sequence;
        }
    return ERROR_NONE;
}

static void count(struct spool_log *log, const struct spool_head *head) {
    log->statistics.frames++;
    log->statistics.records += head->records;
    log->statistics.bytes += head->bytes;
    if (!log->statistics.oldest_ms)
        log->statistics.oldest_ms = head->time_ms;
}

/* Cuts what a write left that never ended. */
static void cut_tail(struct spool_log *log, uint64_t offset) {
    struct segment *segment = &log->segments[log->count - 1];
    char name[NAME_CHARACTERS + 1];

    log->statistics.torn_bytes += segment->size - offset;
    if (log->look_only)
        return;
    if (offset <= SPOOL_SEGMENT_HEAD) {
        remove_segment(log, log->count - 1);
        return;
    }
    name_of(segment->first, name);
    int fd = openat(log->folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && ftruncate(fd, (off_t)offset) == 0) {
        log->statistics.disk_bytes -= segment->size - offset;
        segment->size = offset;
    }
    if (fd >= 0)
        close(fd);
}

/* Walks over all heads: counts, and finds the last sequence and the end of what is whole. */
static enum error survey(struct spool_log *log, struct failure *failure) {
    struct cursor at = {.offset = SPOOL_SEGMENT_HEAD};
    struct spool_head head;
    uint64_t size = 0;
    enum found found;

    log->last = log->done;
    while ((found = look(log, &at, &head, &size)) != FOUND_END) {
        if (found == FOUND_ERROR && log->look_only && errno == ENOENT) {
            at =
                (struct cursor){at.segment + 1, SPOOL_SEGMENT_HEAD}; /* its owner is done with it */
            continue;
        }
        if (found == FOUND_ERROR)
            return fail(failure, "read");
        if (found == FOUND_FRAME && head.sequence > log->last) {
            count(log, &head);
            log->last = head.sequence;
        }
        if (found == FOUND_TORN) {
            cut_tail(log, at.offset);
            break;
        }
        at.offset += size;
    }
    /* Nothing is written over a segment of which nothing can be read. */
    if (log->count && log->segments[log->count - 1].first > log->last)
        log->last = log->segments[log->count - 1].first;
    return ERROR_NONE;
}

static void remove_done(struct spool_log *log) {
    while (!log->look_only && log->count > 1 && log->segments[1].first <= log->done + 1)
        remove_segment(log, 0);
    while (!log->look_only && log->statistics.frames == 0 && log->count &&
           log->segments[0].size <= SPOOL_SEGMENT_HEAD)
        remove_segment(log, 0);
}

enum error spool_log_open(struct spool_log **out, const char *folder, bool look_only,
                          struct failure *failure) {
    struct spool_log *log = calloc(1, sizeof *log);
    enum error error = ERROR_NONE;

    if (!log)
        return failure_set(failure, ERROR_MEMORY, "no memory for a spool");
    log->look_only = look_only;
    log->position = log->tail = log->reading = -1;
    log->head = log->read = (struct cursor){.offset = SPOOL_SEGMENT_HEAD};
    if (!look_only)
        (void)mkdir(folder, 0700);
    log->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->folder < 0)
        error = failure_set(failure, (enum error)errno, "the spool %.200s cannot be opened: %s",
                            folder, error_text((enum error)errno));
    if (!error && !(error = list_segments(log, failure)) &&
        !(error = check_versions(log, failure)) && !(error = open_position(log, failure))) {
        remove_done(log);
        error = survey(log, failure);
    }
    if (error) {
        spool_log_close(log);
        return error;
    }
    log->read_to = log->uncounted = log->done;
    if (!look_only) {
        advance(log);
        log->read = log->head;
        remove_passed(log);
    }
    *out = log;
    return ERROR_NONE;
}

void spool_log_close(struct spool_log *log) {
    if (!log)
        return;
    close_tail(log);
    stop_reading(log);
    if (log->position >= 0)
        close(log->position);
    if (log->folder >= 0)
        close(log->folder);
    free(log->segments);
    free(log);
}

/* ---------------------------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------------------------- */

static bool write_all(int fd, struct slice bytes) {
    while (bytes.len) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written < 0 ? errno : ENOSPC;
            return false;
        }
        bytes = slice_from(bytes, (size_t)written);
    }
    return true;
}

static bool begin_segment(struct spool_log *log) {
    uint8_t head[SPOOL_SEGMENT_HEAD];
    char name[NAME_CHARACTERS + 1];

    if (!add_segment(log, log->last + 1, 0)) {
        errno = ENOMEM;
        return false;
    }
    name_of(log->last + 1, name);
    spool_segment_head_write(head);
    log->tail =
        openat(log->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return log->tail >= 0 && write_all(log->tail, (struct slice){head, sizeof head});
}

/* One after the other, in as few calls as a frame has parts. */
static bool write_frame(struct spool_log *log, const struct spool_frame *frame, uint64_t *size) {
    struct spool_head head = {.records = frame->records,
                              .flags = frame->flags,
                              .sequence = frame->sequence,
                              .time_ms = frame->time_ms};
    uint8_t bytes[SPOOL_FRAME_HEAD];

    spool_head_write(&head, frame->reason, frame->bytes, bytes);
    *size += spool_frame_size(&head);
    const struct iovec parts[] = {
        {bytes, sizeof bytes},
        {(void *)(uintptr_t)frame->reason.ptr, frame->reason.len},
        {(void *)(uintptr_t)frame->bytes.ptr, frame->bytes.len},
    };
    ssize_t written = writev(log->tail, parts, 3);
    if (written < 0 && errno != EINTR)
        return false;
    size_t done = written > 0 ? (size_t)written : 0;
    for (size_t i = 0; i < 3; i++) {
        struct slice rest = slice_from((struct slice){parts[i].iov_base, parts[i].iov_len}, done);
        done -= done < parts[i].iov_len ? done : parts[i].iov_len;
        if (!write_all(log->tail, rest))
            return false;
    }
    return true;
}

static bool write_frames(struct spool_log *log, struct spool_frame *frames, size_t many,
                         bool is_new) {
    uint64_t size = is_new ? SPOOL_SEGMENT_HEAD : 0;

    for (size_t i = 0; i < many; i++) {
        frames[i].sequence = log->last + 1 + i;
        if (!write_frame(log, &frames[i], &size))
            return false;
    }
    if (fdatasync(log->tail) != 0 || (is_new && fsync(log->folder) != 0))
        return false;
    log->segments[log->count - 1].size += size;
    log->statistics.disk_bytes += size;
    return true;
}

/* Takes back what an append left. That may fail, too: its sequences are never used again, so that
 * no other frame is taken for a repetition of them. A segment that the disk did not take once is
 * not written to again. */
static void roll_back(struct spool_log *log, size_t many) {
    struct segment *segment = &log->segments[log->count - 1];

    log->last += many;
    int cut = segment->size ? ftruncate(log->tail, (off_t)segment->size) : 0;
    (void)cut;
    if (segment->size == 0)
        remove_segment(log, log->count - 1);
    close_tail(log);
}

enum error spool_log_append(struct spool_log *log, struct spool_frame *frames, size_t many,
                            struct failure *failure) {
    bool is_new = log->tail < 0 || log->segments[log->count - 1].size >= SEGMENT_BYTES;

    for (size_t i = 0; i < many; i++)
        if (frames[i].bytes.len > UINT32_MAX || frames[i].reason.len > SPOOL_REASON_MAX)
            return failure_set(failure, ERROR_LIMIT, "a batch is too large for the spool");
    if (is_new)
        close_tail(log);
    size_t before = log->count;
    if ((is_new && !begin_segment(log)) || !write_frames(log, frames, many, is_new)) {
        enum error error = fail(failure, "written");
        if (log->count > before || !is_new)
            roll_back(log, many);
        return error;
    }
    log->last += many;
    for (size_t i = 0; i < many; i++)
        count(log, &(struct spool_head){.records = frames[i].records,
                                        .bytes = (uint32_t)frames[i].bytes.len,
                                        .time_ms = frames[i].time_ms});
    return ERROR_NONE;
}

/* ---------------------------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------------------------- */

static enum error read_damage(struct spool_log *log, uint64_t size, struct spool_frame *frame,
                              struct buffer *bytes, struct failure *failure) {
    size_t most = size < DAMAGE_BYTES ? (size_t)size : DAMAGE_BYTES;
    uint8_t *at = buffer_reserve(bytes, most);

    if (!at)
        return failure_set(failure, ERROR_MEMORY, "no memory to read the spool");
    if (!read_at(log, &log->read, at, most))
        return fail(failure, "read");
    *frame = (struct spool_frame){.sequence = log->read_to,
                                  .flags = SPOOL_DAMAGED,
                                  .reason = slice_of("damaged on the disk"),
                                  .bytes = {at, most}};
    log->statistics.damaged_bytes += most;
    log->read.offset += most;
    return ERROR_NONE;
}

static enum error read_frame(struct spool_log *log, const struct spool_head *head,
                             struct spool_frame *frame, struct buffer *bytes,
                             struct failure *failure) {
    size_t size = (size_t)head->reason + head->bytes;
    uint8_t *at = buffer_reserve(bytes, size + 1);
    struct cursor body = {log->read.segment, log->read.offset + SPOOL_FRAME_HEAD};

    if (!at)
        return failure_set(failure, ERROR_MEMORY, "no memory to read the spool");
    if (size && !read_at(log, &body, at, size))
        return fail(failure, "read");
    *frame = (struct spool_frame){.sequence = head->sequence,
                                  .time_ms = head->time_ms,
                                  .records = head->records,
                                  .flags = head->flags,
                                  .reason = {at, head->reason},
                                  .bytes = {at + head->reason, head->bytes}};
    if (!spool_body_is_whole(head, (struct slice){at, size})) {
        frame->flags |= SPOOL_DAMAGED;
        frame->reason = slice_of("damaged on the disk");
        frame->bytes = (struct slice){at, size};
        log->statistics.damaged_bytes += size;
    }
    log->read.offset += spool_frame_size(head);
    log->read_to = head->sequence;
    return ERROR_NONE;
}

enum error spool_log_read(struct spool_log *log, struct spool_frame *frame, struct buffer *bytes,
                          struct failure *failure) {
    struct spool_head head;
    uint64_t size = 0;

    bytes->len = 0;
    *frame = (struct spool_frame){0};
    for (;;) {
        switch (look(log, &log->read, &head, &size)) {
        case FOUND_END:
            return ERROR_GONE;
        case FOUND_ERROR:
            return fail(failure, "read");
        case FOUND_DAMAGE:
            return read_damage(log, size, frame, bytes, failure);
        case FOUND_FRAME:
            if (head.sequence > log->read_to)
                return read_frame(log, &head, frame, bytes, failure);
            break; /* done with, or written twice */
        case FOUND_TORN:
            break;
        }
        log->read.offset += size;
    }
}

void spool_log_rewind(struct spool_log *log) {
    log->read = log->head;
    log->read_to = log->done;
}

/* ---------------------------------------------------------------------------------------------
 * Dropping
 * ------------------------------------------------------------------------------------------- */

static enum error write_position(struct spool_log *log, uint64_t sequence,
                                 struct failure *failure) {
    uint8_t slot[SPOOL_POSITION_SLOT];

    if (sequence > log->done)
        log->done = sequence;
    spool_position_write(++log->turn, log->done, slot);
    bool written = pwrite(log->position, slot, sizeof slot,
                          (off_t)(log->turn % 2 * SPOOL_POSITION_SLOT)) == (ssize_t)sizeof slot;
    return written ? ERROR_NONE : fail(failure, "moved on");
}

enum error spool_log_drop(struct spool_log *log, uint64_t sequence, struct failure *failure) {
    enum error error = write_position(log, sequence, failure);

    advance(log);
    if (is_before(&log->read, &log->head))
        log->read = log->head;
    if (log->done > log->read_to)
        log->read_to = log->done;
    /* A segment that is gone cannot come again, whatever became of the position. */
    remove_passed(log);
    return error;
}

enum error spool_log_clear(struct spool_log *log, struct failure *failure) {
    enum error error = write_position(log, log->last, failure);

    close_tail(log);
    while (log->count)
        remove_segment(log, log->count - 1);
    log->head = log->read = (struct cursor){.offset = SPOOL_SEGMENT_HEAD};
    log->read_to = log->uncounted = log->done;
    log->statistics.frames = log->statistics.records = log->statistics.bytes = 0;
    log->statistics.oldest_ms = 0;
    return error;
}

uint64_t spool_log_last(const struct spool_log *log) {
    return log->last;
}

struct spool_log_statistics spool_log_statistics(const struct spool_log *log) {
    return log->statistics;
}
