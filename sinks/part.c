#include "sinks/part.h"

#include "sinks/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* On JSON records, level 3 is twice as fast as level 6 and its output a tenth larger: one
       thread has to keep up with all workers. */
    GZIP_LEVEL = 3,
    GZIP_WINDOW = 15 + 16, /* the largest window; +16 asks zlib for gzip's head and trailer */
    GZIP_MEMORY = 8,
};

/* Whether a reader takes more. A broken pipe counts as ready: the write then says so. */
static enum error wait_for_reader(int fd) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int count = poll(&ready, 1, SINK_PATIENCE_MS);
    if (count > 0)
        return ERROR_NONE;
    return count == 0 || errno == EINTR ? (enum error)EAGAIN : (enum error)errno;
}

static enum error error_of_write(const struct part *part, int number) {
    if (number == EPIPE || number == ECONNRESET)
        return ERROR_GONE;
    /* A terminal that was closed. */
    if (number == EIO && part->character)
        return ERROR_GONE;
    return (enum error)number;
}

/* Writes from *written on and moves it. To anything but a file in pieces of PIPE_BUF, and only when
 * poll says that there is room: so much never blocks on a pipe, and a reader that takes nothing
 * cannot hold the thread. */
static enum error put(struct part *part, struct slice bytes, size_t *written) {
    while (*written < bytes.len) {
        struct slice rest = slice_from(bytes, *written);
        if (!part->regular) {
            enum error error = wait_for_reader(part->fd);
            if (error)
                return error;
            rest = slice_first(rest, PIPE_BUF);
        }
        ssize_t len = write(part->fd, rest.ptr, rest.len);
        if (len < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (len <= 0)
            return len < 0 ? error_of_write(part, errno) : (enum error)EIO;
        *written += (size_t)len;
        part->bytes += (uint64_t)len;
    }
    return ERROR_NONE;
}

static enum error put_pending(struct part *part) {
    enum error error = put(part, buffer_slice(&part->pending), &part->pending_written);
    if (!error) {
        part->pending.len = 0;
        part->pending_written = 0;
    }
    return error;
}

/* Compresses all of `bytes` into pending. */
static enum error compress_all(struct part *part, struct slice bytes, int flush) {
    z_stream *stream = &part->stream;
    do {
        struct slice piece = slice_first(bytes, UINT_MAX);
        bool last = piece.len == bytes.len;
        stream->next_in = (z_const Bytef *)piece.ptr;
        stream->avail_in = (uInt)piece.len;
        do {
            enum { ROOM = 64 * 1024 };
            uint8_t *at = buffer_reserve(&part->pending, ROOM);
            if (!at)
                return ERROR_MEMORY;
            stream->next_out = at;
            stream->avail_out = ROOM;
            int result = deflate(stream, last ? flush : Z_NO_FLUSH);
            if (result == Z_STREAM_ERROR)
                return ERROR_INTERNAL;
            part->pending.len += ROOM - stream->avail_out;
        } while (stream->avail_out == 0);
        bytes = slice_from(bytes, piece.len);
    } while (bytes.len);
    return ERROR_NONE;
}

enum error part_begin(struct part *part, int fd, bool owned, bool compressed, struct slice head) {
    struct stat status;
    *part = (struct part){.fd = fd, .owned = owned};
    if (fstat(fd, &status) != 0)
        return (enum error)errno;
    part->regular = S_ISREG(status.st_mode);
    part->character = S_ISCHR(status.st_mode);
    part->bytes = part->regular ? (uint64_t)status.st_size : 0;
    if (compressed) {
        if (deflateInit2(&part->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                         Z_DEFAULT_STRATEGY) != Z_OK)
            return ERROR_MEMORY;
        part->compressed = true;
    }
    if (head.len == 0)
        return ERROR_NONE;
    if (compressed) {
        part->unflushed = true;
        return compress_all(part, head, Z_NO_FLUSH);
    }
    buffer_add_slice(&part->pending, head);
    return part->pending.failed ? ERROR_MEMORY : ERROR_NONE;
}

enum error part_write(struct part *part, struct slice bytes) {
    enum error error = ERROR_NONE;
    if (part->compressed) {
        if (part->taken == 0 && bytes.len)
            error = compress_all(part, bytes, Z_NO_FLUSH);
        if (error)
            return error;
        part->unflushed |= bytes.len > 0;
        part->taken = bytes.len;
        error = put_pending(part);
    } else {
        error = put_pending(part);
        if (!error)
            error = put(part, bytes, &part->taken);
    }
    if (!error)
        part->taken = 0;
    return error;
}

enum error part_flush(struct part *part) {
    if (part->unflushed) {
        enum error error = compress_all(part, (struct slice){NULL, 0}, Z_SYNC_FLUSH);
        if (error)
            return error;
        part->unflushed = false;
    }
    return put_pending(part);
}

static enum error take_back(struct part *part) {
    uint64_t end = part->bytes - part->taken;
    if (ftruncate(part->fd, (off_t)end) != 0)
        return (enum error)errno;
    part->bytes = end;
    part->taken = 0;
    return ERROR_NONE;
}

/* Pipes and some file systems cannot: that is no failure. An fsync that failed has lost data, and
 * says so only once, so its error is one that repeating does not mend. */
static enum error sync_to_disk(const struct part *part) {
    if (!part->regular || fsync(part->fd) == 0)
        return ERROR_NONE;
    return errno == EINVAL || errno == EROFS || errno == ENOTSUP ? ERROR_NONE : ERROR_INTERNAL;
}

enum error part_finish(struct part *part) {
    enum error error = ERROR_NONE;
    if (part->taken && !part->compressed && part->regular && part->owned)
        error = take_back(part);
    if (!error && part->compressed && !part->ended) {
        error = compress_all(part, (struct slice){NULL, 0}, Z_FINISH);
        part->ended = !error;
    }
    if (!error)
        error = put_pending(part);
    return error ? error : sync_to_disk(part);
}

void part_close(struct part *part) {
    if (part->compressed)
        deflateEnd(&part->stream);
    buffer_deinit(&part->pending);
    if (part->owned && part->fd >= 0)
        close(part->fd);
    *part = (struct part){.fd = -1};
}
