#include "sinks/spool.h"

#include "engine/base/clock.h"
#include "sinks/spool_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct spool {
    struct spool_meta meta;
    char path[PATH_MAX];
    uint64_t max_bytes;
    int lock;
    struct spool_log *waiting, *dead;
};

/* ---------------------------------------------------------------------------------------------
 * Folders and locks
 * ------------------------------------------------------------------------------------------- */

static bool join(char out[PATH_MAX], const char *folder, const char *name) {
    return (size_t)snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

/* With all folders above it. */
static enum error make_folders(const char *path, struct failure *failure) {
    char part[PATH_MAX];

    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return failure_set(failure, (enum error)ENAMETOOLONG, "the path of the spool is too long");
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = 0;
            (void)mkdir(part, 0700);
            *at = '/';
        }
    if (mkdir(part, 0700) != 0 && errno != EEXIST)
        return failure_set(failure, (enum error)errno, "no folder for spools at %.200s: %s", path,
                           error_text((enum error)errno));
    return ERROR_NONE;
}

/* What was made below it survives a power cut. */
static void sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* Of the open file, not of the process: two sinks of one process are kept apart, too. */
static bool try_lock(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

static bool is_locked(const char *path) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;

    if (fd >= 0)
        close(fd);
    return locked;
}

/* The lock of a folder; -1 with EWOULDBLOCK when another has it. One that was removed in between
 * is made again. */
static int take_lock(const char *folder, bool make) {
    char path[PATH_MAX];
    struct stat here, there;

    if (!join(path, folder, "lock")) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (;;) {
        if (make && mkdir(folder, 0700) != 0 && errno != EEXIST)
            return -1;
        int fd = open(path, O_RDWR | (make ? O_CREAT : 0) | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == ENOENT && make)
            continue;
        if (fd < 0)
            return -1;
        if (!try_lock(fd)) {
            close(fd);
            errno = EWOULDBLOCK;
            return -1;
        }
        if (fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino)
            return fd;
        close(fd);
        if (!make) {
            errno = ENOENT;
            return -1;
        }
    }
}

/* ---------------------------------------------------------------------------------------------
 * The meta file
 * ------------------------------------------------------------------------------------------- */

static enum error write_meta(const char *folder, const struct spool_meta *meta,
                             struct failure *failure) {
    char path[PATH_MAX], partial[PATH_MAX];
    struct buffer text;
    bool ok = join(path, folder, "meta") && join(partial, folder, "meta.partial");
    int fd = ok ? open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

    buffer_init(&text);
    spool_meta_write(meta, &text);
    ok = fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len && fsync(fd) == 0 &&
         rename(partial, path) == 0;
    enum error error = ok ? ERROR_NONE
                          : failure_set(failure, (enum error)(errno ? errno : EIO),
                                        "the spool %.200s cannot be written: %s", folder,
                                        error_text((enum error)(errno ? errno : EIO)));
    if (fd >= 0)
        close(fd);
    buffer_deinit(&text);
    return error;
}

static bool read_meta(const char *folder, const char *name, struct spool_meta *meta) {
    uint8_t text[SPOOL_SPEC_MAX + 512];
    char path[PATH_MAX];
    int fd = join(path, folder, "meta") ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (fd >= 0)
        close(fd);
    *meta = (struct spool_meta){0};
    snprintf(meta->name, sizeof meta->name, "%s", name);
    return len > 0 && spool_meta_read((struct slice){text, (size_t)len}, meta);
}

/* ---------------------------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------------------------- */

static enum error open_log(struct spool_log **out, const char *folder, const char *half,
                           bool look_only, struct failure *failure) {
    char path[PATH_MAX];

    if (!join(path, folder, half))
        return failure_set(failure, (enum error)ENAMETOOLONG, "the path of the spool is too long");
    return spool_log_open(out, path, look_only, failure);
}

static struct spool *spool_new(const char *folder, uint64_t max_bytes, int lock,
                               struct failure *failure) {
    struct spool *spool = calloc(1, sizeof *spool);

    if (!spool) {
        close(lock);
        failure_set(failure, ERROR_MEMORY, "no memory for a spool");
        return NULL;
    }
    spool->lock = lock;
    spool->max_bytes = max_bytes;
    snprintf(spool->path, sizeof spool->path, "%s", folder);
    return spool;
}

static enum error open_logs(struct spool *spool, struct failure *failure) {
    enum error error = open_log(&spool->waiting, spool->path, "waiting", false, failure);

    if (!error)
        error = open_log(&spool->dead, spool->path, "dead", false, failure);
    return error;
}

/* Takes the first folder of a sink that no other process has; `full` for one with something in it
 * only. ERROR_GONE when there is none. */
static enum error open_one(struct spool **out, const struct spool_config *config,
                           const struct spool_meta *meta, bool full, struct failure *failure) {
    enum error error = ERROR_GONE;
    char folder[PATH_MAX];

    for (unsigned i = 1; i <= SPOOLS_OF_A_SINK && error == ERROR_GONE; i++) {
        struct spool_meta own = *meta;
        if (i > 1)
            snprintf(own.name + strlen(own.name), 4, "-%u", i);
        if (!join(folder, config->root, own.name))
            return failure_set(failure, (enum error)ENAMETOOLONG,
                               "the path of the spool is too long");
        if (full && access(folder, F_OK) != 0)
            continue;
        int lock = take_lock(folder, !full);
        if (lock < 0 && (errno == EWOULDBLOCK || full))
            continue;
        if (lock < 0)
            return failure_set(failure, (enum error)errno, "no spool at %.200s: %s", folder,
                               error_text((enum error)errno));
        struct spool *spool = spool_new(folder, config->max_bytes, lock, failure);
        if (!spool)
            return ERROR_MEMORY;
        spool->meta = own;
        error = write_meta(folder, &own, failure);
        if (!error)
            error = open_logs(spool, failure);
        if (!error && full && spool_log_statistics(spool->waiting).frames == 0)
            error = ERROR_GONE;
        if (error)
            spool_close(spool);
        else
            *out = spool;
    }
    return error;
}

enum error spool_open(struct spool **out, const struct spool_config *config,
                      struct failure *failure) {
    struct spool_meta meta;

    if (!spool_describe(config, &meta))
        return failure_set(failure, ERROR_USAGE, "the name of the output is too long for a spool");
    enum error error = make_folders(config->root, failure);
    if (error)
        return error;
    error = open_one(out, config, &meta, true, failure);
    if (error == ERROR_GONE)
        error = open_one(out, config, &meta, false, failure);
    if (error == ERROR_GONE)
        return failure_set(failure, (enum error)EBUSY, "%d processes have the spool %s",
                           SPOOLS_OF_A_SINK, meta.name);
    if (!error) {
        sync_folder((*out)->path);
        sync_folder(config->root);
    }
    return error;
}

enum error spool_open_named(struct spool **out, const char *root, const char *name,
                            struct failure *failure) {
    char folder[PATH_MAX];

    if (!spool_name_is_good(name) || !join(folder, root, name) || access(folder, F_OK) != 0)
        return failure_set(failure, (enum error)ENOENT,
                           "there is no spool %.100s; `trawl spool list` shows them", name);
    int lock = take_lock(folder, true);
    if (lock < 0 && errno == EWOULDBLOCK)
        return failure_set(failure, (enum error)EBUSY,
                           "%.100s is in use: the trawl that has it sends what waits there itself",
                           name);
    if (lock < 0)
        return failure_set(failure, (enum error)errno, "the spool %.200s cannot be opened: %s",
                           folder, error_text((enum error)errno));
    struct spool *spool = spool_new(folder, UINT64_MAX, lock, failure);
    if (!spool)
        return ERROR_MEMORY;
    (void)read_meta(folder, name, &spool->meta); /* without one, only drop makes sense */
    enum error error = open_logs(spool, failure);
    if (error)
        spool_close(spool);
    else
        *out = spool;
    return error;
}

/* A folder in which nothing is left goes. The lock is held until the end: who waits for it sees
 * that it is gone. */
static void remove_empty(const struct spool *spool) {
    static const char *const names[] = {
        "waiting/position", "dead/position", "waiting", "dead", "meta", "meta.partial", "lock"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (join(path, spool->path, names[i]) && remove(path) != 0 && errno != ENOENT)
            return;
    (void)rmdir(spool->path);
}

void spool_close(struct spool *spool) {
    if (!spool)
        return;
    bool is_empty = spool->waiting && spool->dead &&
                    spool_log_statistics(spool->waiting).disk_bytes == 0 &&
                    spool_log_statistics(spool->dead).disk_bytes == 0;

    spool_log_close(spool->waiting);
    spool_log_close(spool->dead);
    if (is_empty)
        remove_empty(spool);
    close(spool->lock);
    free(spool);
}

const struct spool_meta *spool_meta(const struct spool *spool) {
    return &spool->meta;
}

/* ---------------------------------------------------------------------------------------------
 * What waits, and what is dead
 * ------------------------------------------------------------------------------------------- */

static enum error append(struct spool *spool, struct spool_log *log, struct spool_frame *frames,
                         size_t count, struct failure *failure) {
    uint64_t size = spool_log_statistics(log).disk_bytes;

    for (size_t i = 0; i < count; i++)
        size += SPOOL_FRAME_HEAD + frames[i].reason.len + frames[i].bytes.len;
    if (size > spool->max_bytes)
        return failure_set(
            failure, (enum error)ENOSPC,
            "the spool %s is full: %llu bytes of %s; `trawl help spool` says how to empty it, "
            "#spool-max=SIZE makes it larger",
            spool->meta.name, (unsigned long long)spool_log_statistics(log).disk_bytes,
            log == spool->dead ? "dead letters" : "what waits");
    return spool_log_append(log, frames, count, failure);
}

enum error spool_keep(struct spool *spool, struct spool_frame *frames, size_t count,
                      struct failure *failure) {
    return append(spool, spool->waiting, frames, count, failure);
}

enum error spool_next(struct spool *spool, struct spool_frame *frame, struct buffer *bytes,
                      struct failure *failure) {
    return spool_log_read(spool->waiting, frame, bytes, failure);
}

enum error spool_done(struct spool *spool, uint64_t sequence, struct failure *failure) {
    return spool_log_drop(spool->waiting, sequence, failure);
}

void spool_rewind(struct spool *spool) {
    spool_log_rewind(spool->waiting);
}

enum error spool_bury(struct spool *spool, struct spool_frame *frames, size_t count,
                      struct failure *failure) {
    int64_t now_ms = clock_unix_ms();

    for (size_t i = 0; i < count; i++) {
        frames[i].time_ms = now_ms;
        frames[i].reason = slice_first(frames[i].reason, SPOOL_REASON_MAX);
    }
    return append(spool, spool->dead, frames, count, failure);
}

enum error spool_revive(struct spool *spool, struct failure *failure) {
    uint64_t last = spool_log_last(spool->dead);
    struct spool_frame frame;
    struct buffer bytes;
    enum error error;

    buffer_init(&bytes);
    while (!(error = spool_log_read(spool->dead, &frame, &bytes, failure)) &&
           frame.sequence <= last) {
        uint64_t sequence = frame.sequence;
        bool damaged = frame.flags & SPOOL_DAMAGED;
        if (!damaged)
            frame.reason = (struct slice){0};
        error =
            damaged ? spool_bury(spool, &frame, 1, failure) : spool_keep(spool, &frame, 1, failure);
        if (error || (error = spool_log_drop(spool->dead, sequence, failure)))
            break;
    }
    buffer_deinit(&bytes);
    return error == ERROR_GONE ? ERROR_NONE : error;
}

enum error spool_discard(struct spool *spool, bool dead_only, struct failure *failure) {
    enum error error = spool_log_clear(spool->dead, failure);

    return error || dead_only ? error : spool_log_clear(spool->waiting, failure);
}

struct spool_statistics spool_statistics(const struct spool *spool) {
    return (struct spool_statistics){spool_log_statistics(spool->waiting),
                                     spool_log_statistics(spool->dead)};
}

/* ---------------------------------------------------------------------------------------------
 * Looking
 * ------------------------------------------------------------------------------------------- */

static enum error look_at_half(const char *folder, const char *half,
                               struct spool_log_statistics *out, struct failure *failure) {
    struct spool_log *log;
    enum error error = open_log(&log, folder, half, true, failure);

    if (error == (enum error)ENOENT) {
        *out = (struct spool_log_statistics){0};
        return ERROR_NONE;
    }
    if (error)
        return error;
    *out = spool_log_statistics(log);
    spool_log_close(log);
    return ERROR_NONE;
}

static enum error look_at(const char *root, const char *name, struct spool_view *view,
                          struct failure *failure) {
    char folder[PATH_MAX], lock[PATH_MAX];
    enum error error;

    *view = (struct spool_view){0};
    if (!join(folder, root, name) || !join(lock, folder, "lock"))
        return failure_set(failure, (enum error)ENAMETOOLONG, "the path of the spool is too long");
    if (!read_meta(folder, name, &view->meta))
        return failure_set(failure, ERROR_INPUT, "%.200s is no spool, or its meta file is damaged",
                           folder);
    view->is_held = is_locked(lock);
    error = look_at_half(folder, "waiting", &view->statistics.waiting, failure);
    return error ? error : look_at_half(folder, "dead", &view->statistics.dead, failure);
}

static int is_candidate(const struct dirent *entry) {
    return spool_name_is_good(entry->d_name);
}

enum error spool_list(const char *root, bool (*see)(void *context, const struct spool_view *view),
                      void *context, struct failure *failure) {
    enum error error = ERROR_NONE;
    struct dirent **entries = NULL;
    struct spool_view view;
    int count = scandir(root, &entries, is_candidate, alphasort);
    bool goes_on = true;

    if (count < 0)
        return errno == ENOENT
                   ? ERROR_NONE
                   : failure_set(failure, (enum error)errno, "%.200s cannot be listed: %s", root,
                                 error_text((enum error)errno));
    for (int i = 0; i < count; i++) {
        enum error bad = goes_on ? look_at(root, entries[i]->d_name, &view, failure) : ERROR_NONE;
        if (goes_on && !bad)
            goes_on = see(context, &view);
        error = bad ? bad : error;
        free(entries[i]);
    }
    free(entries);
    return error;
}

enum error spool_show(const char *root, const char *name, bool dead,
                      bool (*see)(void *context, const struct spool_frame *frame), void *context,
                      struct failure *failure) {
    char folder[PATH_MAX];
    struct spool_frame frame;
    struct spool_log *log;
    struct buffer bytes;

    if (!spool_name_is_good(name) || !join(folder, root, name) || access(folder, F_OK) != 0)
        return failure_set(failure, (enum error)ENOENT,
                           "there is no spool %.100s; `trawl spool list` shows them", name);
    enum error error = open_log(&log, folder, dead ? "dead" : "waiting", true, failure);
    if (error)
        return error;
    buffer_init(&bytes);
    while (!(error = spool_log_read(log, &frame, &bytes, failure)) && see(context, &frame))
        ;
    buffer_deinit(&bytes);
    spool_log_close(log);
    return error == ERROR_GONE ? ERROR_NONE : error;
}
