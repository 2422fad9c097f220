/* Files that the engine insists on reading: written to the folder of temporary ones, and removed
 * as soon as they are read. */
#ifndef TESTS_SIM_SIM_FILES_H
#define TESTS_SIM_SIM_FILES_H

#include "engine/base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sim_file {
    char path[256];
};

static inline struct sim_file sim_file_new(struct slice content) {
    const char *folder = getenv("TMPDIR");
    struct sim_file file;

    snprintf(file.path, sizeof file.path, "%s/trawl-sim-XXXXXX.pem", folder ? folder : "/tmp");
    int fd = mkstemps(file.path, 4);
    if (fd < 0 || write(fd, content.ptr, content.len) != (ssize_t)content.len || close(fd) < 0) {
        perror(file.path);
        exit(2);
    }
    return file;
}

static inline void sim_file_remove(struct sim_file *file) {
    unlink(file->path);
}

#endif
