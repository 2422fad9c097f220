/* Watch lists from files: their forms, their bad lines, and when they are read again. */
#include "ingest/ct/watch_list.h"

#include "engine/base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[64], file[80];
    struct buffer complaints;
};

static int open_folder(void **state) {
    struct folder *folder = calloc(1, sizeof *folder);
    assert_non_null(folder);
    strcpy(folder->path, "/tmp/trawl-watch-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/watch", folder->path);
    buffer_init(&folder->complaints);
    *state = folder;
    return 0;
}

static int close_folder(void **state) {
    struct folder *folder = *state;
    unlink(folder->file);
    rmdir(folder->path);
    buffer_deinit(&folder->complaints);
    free(folder);
    return 0;
}

/* With a time of its own: a file system may count in steps of milliseconds. */
static void write_file(const struct folder *folder, const char *text, size_t len) {
    static long seconds = 1000000000;
    FILE *file = fopen(folder->file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    seconds++;
    assert_int_equal(utimensat(AT_FDCWD, folder->file, times, 0), 0);
}

static void write_text(const struct folder *folder, const char *text) {
    write_file(folder, text, strlen(text));
}

static void take_complaint(void *owner, const char *words) {
    struct folder *folder = owner;
    buffer_add_text(&folder->complaints, words);
    buffer_add_byte(&folder->complaints, '\n');
}

static enum error read_list(struct folder *folder, struct watch_list_file *file,
                            struct watch_list **list, struct failure *failure) {
    struct watch_list_file_complaints complaints = {take_complaint, folder};
    folder->complaints.len = 0;
    return watch_list_file_read(file, &complaints, list, failure);
}

/* Entries as "line:name", in the order of lines. */
static void check(struct folder *folder, const char *text, const char *expected, uint64_t bad) {
    struct watch_list_file *file = watch_list_file_new(folder->file);
    struct watch_list *list;
    struct failure failure;
    char all[1024] = "";
    write_text(folder, text);
    if (read_list(folder, file, &list, &failure))
        fail_msg("%s: %s", text, failure.text);
    for (uint32_t line = 1; line < 100; line++) {
        for (uint32_t i = 0; i < watch_list_count(list); i++) {
            struct watch_entry entry = watch_list_entry(list, i);
            size_t len = strlen(all);
            if (entry.line == line)
                snprintf(all + len, sizeof all - len, "%s%u:%.*s", len ? " " : "", line,
                         (int)entry.name.len, (const char *)entry.name.ptr);
        }
    }
    assert_string_equal(all, expected);
    assert_int_equal(watch_list_file_counts(file)->bad, bad);
    assert_int_equal(watch_list_file_counts(file)->entries, watch_list_count(list));
    watch_list_put(list);
    watch_list_file_free(file);
}

static void forms(void **state) {
    check(*state, "example.org\n", "1:example.org", 0);
    check(*state, "\xef\xbb\xbf# mine\n\n  a.example # first\r\n*.b.example\r\nc.example",
          "3:a.example 4:b.example 5:c.example", 0);
    check(*state, "id,FQDN,note\n1,a.example,x\n2,\"b.example\", y\n3\n", "2:a.example 3:b.example",
          1);
    check(*state, "fqdn\na.example\n", "2:a.example", 0);
    check(*state,
          "{\"domain\":\"a.example\",\"note\":\"#\"}\n"
          " {\"fqdn\":\"*.b.example\"}\n"
          "{\"host\":\"c.example\"}\n{\"domain\":7}\n{\"domain\":\n[]\n",
          "1:a.example 2:b.example", 4);
    check(*state, "10.0.0.0/8\n=a.example\n", "1:10.0.0.0/8 2:a.example", 0);
}

static void bad_lines(void **state) {
    struct folder *folder = *state;
    struct buffer text;
    buffer_init(&text);
    buffer_add_text(&text, "good.example\nbad..example\ncom\na\x1b[31m.example\n");
    for (int i = 0; i < 5000; i++)
        buffer_add_byte(&text, 'x');
    buffer_add_text(&text, ".example\nalso-good.example\n");
    buffer_add_byte(&text, 0);
    check(folder, (const char *)text.ptr, "1:good.example 6:also-good.example", 4);
    buffer_add_byte(&folder->complaints, 0);
    const char *complaints = (const char *)folder->complaints.ptr;
    assert_non_null(strstr(complaints, ":2: an empty label: \"bad..example\"\n"));
    assert_non_null(strstr(complaints, ":3: a single label"));
    assert_non_null(strstr(complaints, ":4: "));
    assert_non_null(strstr(complaints, ":5: a line that is too long"));
    assert_null(strchr(complaints, '\x1b'));
    buffer_deinit(&text);
}

/* What gives no list: the caller keeps what it has. */
static void no_list(void **state) {
    struct folder *folder = *state;
    struct watch_list_file *file = watch_list_file_new(folder->file);
    struct watch_list *list;
    struct failure failure;
    assert_int_equal(read_list(folder, file, &list, &failure), ENOENT);
    assert_null(list);
    assert_non_null(strstr(failure.text, folder->file));
    static const char *const texts[] = {"", "\n\n# nothing\n", "fqdn\n", "com\nnet\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(folder, texts[i]);
        assert_int_equal(read_list(folder, file, &list, &failure), ERROR_INPUT);
        assert_null(list);
        assert_non_null(strstr(failure.text, folder->file));
    }
    watch_list_file_free(file);
    file = watch_list_file_new(folder->path);
    assert_int_equal(watch_list_file_read(file, NULL, &list, &failure), EISDIR);
    watch_list_file_free(file);
}

static void polling(void **state) {
    struct folder *folder = *state;
    struct watch_list_file *file = watch_list_file_new(folder->file);
    struct watch_list *list;
    struct failure failure;
    write_text(folder, "a.example\n");
    assert_int_equal(read_list(folder, file, &list, &failure), ERROR_NONE);
    watch_list_put(list);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    /* Still being written: it changes from poll to poll. */
    write_text(folder, "b.example\n");
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    write_text(folder, "b.example\nc.example\n");
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_CHANGED);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_CHANGED);
    assert_int_equal(read_list(folder, file, &list, &failure), ERROR_NONE);
    assert_int_equal(watch_list_count(list), 2);
    watch_list_put(list);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    /* Gone, back again, and this time without entries. */
    assert_int_equal(unlink(folder->file), 0);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_GONE);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_GONE);
    write_text(folder, "");
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_CHANGED);
    assert_int_equal(read_list(folder, file, &list, &failure), ERROR_INPUT);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    /* Replaced by renaming, as editors do, with the same size. */
    write_text(folder, "d.example\n");
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_CHANGED);
    watch_list_file_free(file);
}

static void standard_input(void **state) {
    struct folder *folder = *state;
    struct watch_list_file *file = watch_list_file_new("-");
    struct watch_list *list;
    struct failure failure;
    write_text(folder, "a.example\nnone\n");
    assert_non_null(freopen(folder->file, "r", stdin));
    assert_int_equal(read_list(folder, file, &list, &failure), ERROR_NONE);
    assert_int_equal(watch_list_count(list), 1);
    buffer_add_byte(&folder->complaints, 0);
    assert_non_null(strstr((const char *)folder->complaints.ptr, "standard input\":2: "));
    watch_list_put(list);
    assert_int_equal(watch_list_file_poll(file), WATCH_LIST_FILE_SAME);
    watch_list_file_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forms, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(bad_lines, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(no_list, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(polling, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(standard_input, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
