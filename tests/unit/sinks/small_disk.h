/* Tests that need a process of their own: limits, and file systems that are soon full. Checks in
 * the child are numbered, since cmocka's are not made for it. */
#ifndef TESTS_UNIT_SINKS_SMALL_DISK_H
#define TESTS_UNIT_SINKS_SMALL_DISK_H

#include "tests/unit/sinks/scratch.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* How a child ends; anything else is the number of the check that failed. */
enum { CHILD_OK = 0, CHILD_SKIPPED = 77, CHILD_NO_SINK = 78 };

#define CHECK(number, condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return number;                                                                         \
    } while (0)

static bool is_child;

static inline void in_child(int (*body)(void)) {
    int status;
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        is_child = true;
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    if (WEXITSTATUS(status))
        fail_msg("check %d failed in the child", WEXITSTATUS(status));
}

static inline bool write_word(const char *path, const char *word) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word);
    if (fd >= 0)
        close(fd);
    return written;
}

static inline bool map_to_root(const char *path, unsigned id) {
    char word[32];
    snprintf(word, sizeof word, "0 %u 1", id);
    return write_word(path, word);
}

/* A small file system of the child's own over the scratch folder, where that is allowed; users
 * other than root are root in a namespace for it. */
static inline bool mount_small(const char *options) {
    unsigned user = geteuid(), group = getegid();
    if (unshare(CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) != 0)
        return false;
    if (user &&
        !(write_word("/proc/self/setgroups", "deny") && map_to_root("/proc/self/uid_map", user) &&
          map_to_root("/proc/self/gid_map", group)))
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("trawl-test", scratch, "tmpfs", 0, options) == 0;
}

/* Leaves `leave` bytes of it. */
static inline bool fill(const char *name, size_t leave) {
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT, 0600);
    static const char zeros[4096];
    off_t len = 0;
    ssize_t more;
    while ((more = write(fd, zeros, sizeof zeros)) > 0)
        len += more;
    bool full = errno == ENOSPC && len > (off_t)leave && ftruncate(fd, len - (off_t)leave) == 0;
    close(fd);
    return full;
}

#endif
