#include "tools/trawl/confine.h"

#include "tools/trawl/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of newer kernels than the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

void confine_begin(void) {
    umask(077);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* --- The user --- */

static enum error cannot(const char *name, struct failure *failure) {
    enum error error = (enum error)errno;
    return failure_set(failure, error, "cannot become the user %.100s: %s", name,
                       error_text(error));
}

enum error confine_user(const char *name, struct failure *failure) {
    if (!name)
        return ERROR_NONE;
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user && errno == 0)
        return failure_set(failure, ERROR_USAGE, "--user: there is no user %.100s", name);
    if (!user)
        return cannot(name, failure);
    if (user->pw_uid == geteuid() && user->pw_uid == getuid())
        return ERROR_NONE;
    /* From the user that may do all, this takes the capabilities away, too. */
    if (initgroups(name, user->pw_gid) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
        return cannot(name, failure);
    if (user->pw_uid != 0 && setuid(0) == 0)
        return failure_set(failure, ERROR_INTERNAL, "the rights of root came back");
    return ERROR_NONE;
}

/* --- Folders --- */

void confine_folders_init(struct confine_folders *folders) {
    folders->count = 0;
}

static enum error add(struct confine_folders *folders, const char *path, struct failure *failure) {
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ERROR_NONE;
    if (folders->count == CONFINE_FOLDERS) {
        close(fd);
        return failure_set(failure, ERROR_USAGE, "files in more than %d folders are written",
                           CONFINE_FOLDERS);
    }
    folders->descriptors[folders->count++] = fd;
    return ERROR_NONE;
}

enum error confine_add_folder(struct confine_folders *folders, const char *path,
                              struct failure *failure) {
    if (access(path, F_OK) != 0)
        machine_make_folder(path);
    return add(folders, path, failure);
}

enum error confine_add_file(struct confine_folders *folders, const char *path,
                            struct failure *failure) {
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";

    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return add(folders, folder, failure);
}

/* --- Landlock --- */

/* There are no functions of the C library for these. */
static int create_ruleset(const struct landlock_ruleset_attr *rules, size_t size, unsigned flags) {
    return (int)syscall(SYS_landlock_create_ruleset, rules, size, flags);
}

static bool add_rule(int rules, int folder, uint64_t rights) {
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = folder};
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* All that changes files, as far as the kernel knows of it. */
static uint64_t writing(int version) {
    uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                      LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                      LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                      LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

    if (version >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return rights;
}

static bool restrict_to(int rules, const struct confine_folders *folders, uint64_t rights) {
    /* The names of threads are written there, and nothing else of importance can be. */
    int threads = open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool ok = threads < 0 || add_rule(rules, threads, LANDLOCK_ACCESS_FS_WRITE_FILE);

    if (threads >= 0)
        close(threads);
    for (int i = 0; i < folders->count && ok; i++)
        ok = add_rule(rules, folders->descriptors[i], rights);
    return ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

enum error confine_writing(struct confine_folders *folders, bool *confined,
                           struct failure *failure) {
    int version = create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = writing(version)};
    int rules = version > 0 ? create_ruleset(&attributes, sizeof attributes, 0) : -1;
    enum error error = ERROR_NONE;

    *confined = rules >= 0;
    if (*confined && !restrict_to(rules, folders, attributes.handled_access_fs))
        error =
            failure_set(failure, (enum error)errno, "Landlock: %s", error_text((enum error)errno));
    if (rules >= 0)
        close(rules);
    for (int i = 0; i < folders->count; i++)
        close(folders->descriptors[i]);
    folders->count = 0;
    return error;
}
