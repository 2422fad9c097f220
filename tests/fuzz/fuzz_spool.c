/* Any bytes as a segment of a spool, and as its position: whatever can be read is read once, in
 * order, damage is given out apart, and all of it can be dropped. */
#include "sinks/spool_log.h"
#include "sinks/spool_name.h"
#include "tests/fuzz/take.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

static void write_file(const char *folder, const char *name, struct slice bytes) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

static void remove_files(const char *folder) {
    char path[256];
    snprintf(path, sizeof path, "%s/position", folder);
    unlink(path);
    require(rmdir(folder) == 0); /* no segment is left */
}

/* Reads and drops what is there; returns how many frames were good. */
static void empty(struct spool_log *log, size_t size) {
    uint64_t last = 0, given = 0;
    struct spool_frame frame;
    struct buffer bytes;

    buffer_init(&bytes);
    while (spool_log_read(log, &frame, &bytes, NULL) == ERROR_NONE) {
        given += frame.bytes.len;
        require((frame.flags & SPOOL_DAMAGED) || frame.sequence > last);
        last = frame.sequence > last ? frame.sequence : last;
        require(given <= 2 * size);
        require(spool_log_drop(log, frame.sequence, NULL) == ERROR_NONE);
    }
    buffer_deinit(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size};
    struct spool_meta meta = {0};
    struct spool_log *log;
    char folder[] = "/dev/shm/fuzz-spool-XXXXXX";

    if (spool_meta_read(in, &meta))
        require(meta.kind[0] && meta.spec[0]);
    if (!mkdtemp(folder))
        return 0;
    struct slice position = take(&in, take_byte(&in) % (2 * SPOOL_POSITION_SLOT + 1));
    size_t first = take_u16(&in);
    write_file(folder, "position", position);
    write_file(folder, "0000000000000001.seg", slice_first(in, first));
    write_file(folder, "00000000000000ff.seg", slice_from(in, first));
    if (spool_log_open(&log, folder, false, NULL) == ERROR_NONE) {
        struct spool_frame frame = {.records = 1, .bytes = slice_of("more")};
        require(spool_log_append(log, &frame, 1, NULL) == ERROR_NONE);
        empty(log, size + 4);
        require(spool_log_statistics(log).frames == 0);
        require(spool_log_clear(log, NULL) == ERROR_NONE);
        spool_log_close(log);
    } else {
        char path[256];
        snprintf(path, sizeof path, "%s/0000000000000001.seg", folder);
        unlink(path);
        snprintf(path, sizeof path, "%s/00000000000000ff.seg", folder);
        unlink(path);
    }
    remove_files(folder);
    return 0;
}
