/* Each in a process of its own: nothing of it can be taken back. */
#include "tools/trawl/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

static char folder[64];

/* The child's word: 0, or which step went wrong. */
static int in_child(int (*body)(void)) {
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int write_file(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int confine_to_inside(void) {
    struct confine_folders folders;
    struct failure failure;
    bool confined = false;

    confine_begin();
    confine_folders_init(&folders);
    if (confine_add_file(&folders, "inside/store.db", &failure) ||
        confine_add_file(&folders, "nowhere/log", &failure) ||
        confine_add_folder(&folders, "made/on/the/way", &failure) ||
        confine_writing(&folders, &confined, &failure))
        return 1;
    return confined ? 0 : SKIPPED;
}

static int write_here_and_there(void) {
    int result = chdir(folder) ? 1 : confine_to_inside();

    if (result)
        return result;
    if (write_file("inside/store.db") || rename("inside/store.db", "inside/other") ||
        unlink("inside/other"))
        return 2;
    if (write_file("made/on/the/way/spool"))
        return 3;
    if (write_file("outside/new") != EACCES || write_file("outside/there") != EACCES ||
        write_file("inside/../outside/new") != EACCES || write_file("made/new") != EACCES)
        return 4;
    if (mkdir("nowhere", 0700) == 0 || unlink("outside/there") == 0 ||
        rename("outside/there", "inside/there") == 0)
        return 5;
    int fd = open("outside/there", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? 6 : 0;
}

static void test_writing(void **state) {
    (void)state;
    int result = in_child(write_here_and_there);

    if (result == SKIPPED)
        skip(); /* no Landlock in this kernel */
    assert_int_equal(result, 0);
}

static int look_at_modes(void) {
    struct stat status;

    if (chdir(folder))
        return 1;
    confine_begin();
    if (write_file("inside/private") || stat("inside/private", &status))
        return 2;
    if ((status.st_mode & 0777) != 0600)
        return 3;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void test_begin(void **state) {
    (void)state;
    assert_int_equal(in_child(look_at_modes), 0);
}

static int become_nobody(void) {
    struct failure failure;

    if (confine_user(NULL, &failure) || confine_user("root", &failure) || getuid() != 0)
        return 1;
    if (confine_user("nobody", &failure) || getuid() == 0 || geteuid() == 0 || getgid() == 0)
        return 2;
    if (confine_user("nobody", &failure))
        return 3;
    return confine_user("root", &failure) == (enum error)EPERM ? 0 : 4;
}

static void test_user(void **state) {
    struct failure failure;

    (void)state;
    assert_int_equal(confine_user("no-such-user-here", &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "no-such-user-here"));
    if (getuid() != 0)
        skip();
    assert_int_equal(in_child(become_nobody), 0);
}

static int set_up(void **state) {
    char path[128];
    static const char *const parts[] = {"inside", "outside"};

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/confine-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        if (mkdir(path, 0700))
            return 1;
    }
    snprintf(path, sizeof path, "%s/outside/there", folder);
    return write_file(path);
}

static int tear_down(void **state) {
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_user),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
