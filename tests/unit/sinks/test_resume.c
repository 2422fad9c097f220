/* How the file sink takes up what a run that was killed has left. */
#include "sinks/sink.h"
#include "tests/unit/sinks/scratch.h"

#include <string.h>

static struct failure failure;

static int empty(void **state) {
    (void)state;
    scratch_empty();
    return 0;
}

static struct sink *open_sink(struct sink_config config) {
    struct sink *sink;
    if (!config.encoder)
        config.encoder = &headed_encoder;
    if (sink_open(&sink, &config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    return sink;
}

static void write_text(struct sink *sink, const char *text) {
    assert_int_equal(sink->kind->write(sink, slice_of(text), 1, &failure), 0);
}

static void finish_and_close(struct sink *sink) {
    assert_int_equal(sink->kind->finish(sink, &failure), 0);
    sink_close(sink);
}

static struct sink_position position_of(const struct sink *sink) {
    return sink->kind->position(sink);
}

static void add_to_file(const char *path, const char *mode, const char *text) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static uint64_t inode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

/* A run that is killed between a write and the mark behind it, and in the middle of the next. */
static struct sink_position killed_run(struct sink_config config) {
    struct sink *sink = open_sink(config);
    write_text(sink, "one\n");
    struct sink_position position = position_of(sink);
    write_text(sink, "two\n");
    sink_close(sink);
    add_to_file(config.spec, "a", "thr");
    return position;
}

static void positions(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    struct sink *sink = open_sink((struct sink_config){.spec = path});
    assert_int_equal(position_of(sink).file, inode_of(path));
    assert_int_equal(position_of(sink).bytes, 0);
    write_text(sink, "one\n");
    assert_int_equal(position_of(sink).bytes, 9);
    write_text(sink, "");
    write_text(sink, "two\n");
    assert_int_equal(position_of(sink).file, inode_of(path));
    assert_int_equal(position_of(sink).bytes, 13);
    finish_and_close(sink);
    sink = open_sink((struct sink_config){.spec = path, .append = true});
    write_text(sink, "three\n");
    assert_int_equal(position_of(sink).bytes, 19);
    finish_and_close(sink);
}

static void no_position_where_nothing_can_be_cut(void **state) {
    (void)state;
    struct sink *sink = open_sink((struct sink_config){.spec = "/dev/null"});
    write_text(sink, "one\n");
    assert_int_equal(position_of(sink).file, 0);
    finish_and_close(sink);
    sink = open_sink((struct sink_config){.spec = "null"});
    assert_null(sink->kind->position);
    sink_close(sink);
}

static void what_lies_behind_the_position_is_cut(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    for (int append = 0; append < 2; append++) {
        scratch_empty();
        struct sink_config config = {.spec = path, .append = append};
        if (append)
            add_to_file(path, "w", "older\n");
        struct sink_position position = killed_run(config);
        config.resume = &position;
        struct sink *sink = open_sink(config);
        assert_content(path, append ? "older\none\n" : "HEAD\none\n");
        write_text(sink, "two again\n");
        assert_int_equal(position_of(sink).bytes, append ? 20 : 19);
        finish_and_close(sink);
        assert_content(path, append ? "older\none\ntwo again\n" : "HEAD\none\ntwo again\n");
    }
}

static void cut_to_nothing_it_gets_its_head_again(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    killed_run((struct sink_config){.spec = path});
    struct sink_position position = {inode_of(path), 0};
    struct sink *sink = open_sink((struct sink_config){.spec = path, .resume = &position});
    write_text(sink, "one\n");
    finish_and_close(sink);
    assert_content(path, "HEAD\none\n");
}

/* Copied to another disk, replaced, or mistaken: what it holds is not thrown away. */
static void another_file_is_refused(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    struct sink *sink;
    struct sink_position position = killed_run((struct sink_config){.spec = path});
    assert_int_equal(rename(path, scratch_path("moved")), 0);
    add_to_file(path, "w", "HEAD\none\ntwo\nthr");
    struct sink_config config = {.spec = path, .encoder = &headed_encoder, .resume = &position};
    assert_int_equal(sink_open(&sink, &config, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "is not the file that holds the sweep so far"));
    assert_content(path, "HEAD\none\ntwo\nthr");
    config.append = true;
    sink = open_sink(config);
    write_text(sink, "four\n");
    finish_and_close(sink);
    assert_content(path, "HEAD\none\ntwo\nthr\nfour\n");
    assert_content(scratch_path("moved"), "HEAD\none\ntwo\nthr");
}

static void one_that_is_gone_begins_anew(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    for (int is_there = 0; is_there < 2; is_there++) {
        scratch_empty();
        struct sink_position position = killed_run((struct sink_config){.spec = path});
        assert_int_equal(rename(path, scratch_path("moved")), 0);
        if (is_there)
            add_to_file(path, "w", "");
        struct sink *sink = open_sink((struct sink_config){.spec = path, .resume = &position});
        write_text(sink, "two\n");
        finish_and_close(sink);
        assert_content(path, "HEAD\ntwo\n");
        assert_content(scratch_path("moved"), "HEAD\none\ntwo\nthr");
    }
}

/* After a loss of power the disk may hold less than was written. */
static void a_shorter_file_keeps_what_it_has(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    struct sink_position position = killed_run((struct sink_config){.spec = path});
    position.bytes = 9;
    assert_int_equal(truncate(path, 7), 0);
    struct sink *sink = open_sink((struct sink_config){.spec = path, .resume = &position});
    write_text(sink, "two\n");
    finish_and_close(sink);
    assert_content(path, "HEAD\non\ntwo\n");
}

/* Who appends without a position does not know where records end, but for lines. */
static void appending_behind_a_torn_line(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    static const struct {
        const char *before, *after;
    } files[] = {{"HEAD\none\ntw", "HEAD\none\ntw\nx\n"},
                 {"HEAD\none\n", "HEAD\none\nx\n"},
                 {"\n", "\nx\n"},
                 {"o", "o\nx\n"},
                 {"", "HEAD\nx\n"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        add_to_file(path, "w", files[i].before);
        struct sink *sink = open_sink((struct sink_config){.spec = path, .append = true});
        write_text(sink, "x\n");
        finish_and_close(sink);
        assert_content(path, files[i].after);
    }
    add_to_file(scratch_path("r.msgpack"), "w", "\x81");
    struct sink *sink = open_sink((struct sink_config){
        .spec = scratch_path("r.msgpack"), .append = true, .encoder = &msgpack_encoder});
    write_text(sink, "x");
    finish_and_close(sink);
    assert_content(scratch_path("r.msgpack"), "\x81x");
}

/* --- Rotation --- */

/* The only file beside `path`. */
static const char *the_other(const char *path) {
    struct dirent **entries;
    const char *other = NULL;
    uint32_t count = scratch_list(&entries);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(entries[i]->d_name, strrchr(path, '/') + 1) != 0) {
            assert_null(other);
            other = scratch_path(entries[i]->d_name);
        }
    scratch_list_free(entries, count);
    assert_non_null(other);
    return other;
}

static void a_part_goes_on(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    struct sink_config config = {.spec = path, .rotate_bytes = 12};
    struct sink *sink = open_sink(config);
    write_text(sink, "one\n");
    write_text(sink, "two\n"); /* in the second part */
    struct sink_position position = position_of(sink);
    assert_int_equal(position.file, inode_of(path));
    assert_int_equal(position.bytes, 9);
    sink_close(sink);
    add_to_file(path, "a", "thr");
    config.resume = &position;
    sink = open_sink(config);
    assert_content(path, "HEAD\ntwo\n");
    assert_content(the_other(path), "HEAD\none\n");
    finish_and_close(sink);
    assert_int_equal(access(path, F_OK), -1);
    struct dirent **entries;
    uint32_t count = scratch_list(&entries);
    assert_int_equal(count, 2);
    assert_content(scratch_path(entries[1]->d_name), "HEAD\ntwo\n");
    scratch_list_free(entries, count);
}

/* Killed after the rotation and before the first mark behind it. */
static void a_part_in_which_nothing_counts(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    for (int append = 0; append < 2; append++) {
        scratch_empty();
        struct sink_config config = {.spec = path, .rotate_bytes = 12, .append = append};
        struct sink *sink = open_sink(config);
        write_text(sink, "one\n");
        struct sink_position position = position_of(sink);
        write_text(sink, "two\n");
        sink_close(sink);
        add_to_file(path, "a", "thr");
        config.resume = &position;
        sink = open_sink(config);
        write_text(sink, "two again\n");
        assert_content(path, "HEAD\ntwo again\n");
        assert_content(the_other(path), "HEAD\none\n");
        write_text(sink, "three\n"); /* rotates once more, which cuts nothing */
        finish_and_close(sink);
        struct dirent **entries;
        uint32_t count = scratch_list(&entries);
        assert_int_equal(count, 3);
        assert_content(scratch_path(entries[0]->d_name), "HEAD\none\n");
        scratch_list_free(entries, count);
    }
}

/* --- Standard output --- */

/* A sink on standard output that leads to a file, as a shell sets it up. */
static void to_standard_output(const char *path, int flags, const struct sink_position *resume,
                               const char *text) {
    fflush(stdout);
    int own = dup(STDOUT_FILENO), fd = open(path, flags | O_CREAT, 0600);
    assert_true(own >= 0 && fd >= 0);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    struct sink_config config = {.spec = "-", .encoder = &headed_encoder, .resume = resume};
    struct sink *sink;
    enum error error = sink_open(&sink, &config, &failure);
    struct sink_position position = {0};
    if (!error) {
        error = sink->kind->write(sink, slice_of(text), 1, &failure);
        position = position_of(sink);
        sink_close(sink);
    }
    dup2(own, STDOUT_FILENO);
    close(own);
    assert_int_equal(error, 0);
    assert_int_equal(position.file, inode_of(path));
}

static void behind_what_the_shell_appends_to(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    to_standard_output(path, O_WRONLY | O_TRUNC, NULL, "one\n");
    struct sink_position position = {inode_of(path), 9};
    add_to_file(path, "a", "tw");
    to_standard_output(path, O_WRONLY | O_APPEND, &position, "two\n");
    assert_content(path, "HEAD\none\ntw\ntwo\n");
    to_standard_output(path, O_WRONLY | O_TRUNC, &position, "three\n");
    assert_content(path, "HEAD\nthree\n");
    to_standard_output(path, O_WRONLY | O_APPEND, NULL, "four\n");
    assert_content(path, "HEAD\nthree\nHEAD\nfour\n");
}

static void closed_standard_output(void **state) {
    (void)state;
    fflush(stdout);
    for (int held = 0; held < 2; held++) { /* held: by something that can only be read */
        int own = dup(STDOUT_FILENO), fd = open("/dev/null", O_RDONLY);
        struct sink_config config = {.spec = "-", .encoder = &headed_encoder};
        struct sink *sink;
        if (held)
            dup2(fd, STDOUT_FILENO);
        else
            close(STDOUT_FILENO);
        enum error error = sink_open(&sink, &config, &failure);
        dup2(own, STDOUT_FILENO);
        close(own);
        close(fd);
        assert_int_equal(error, ERROR_USAGE);
        assert_string_equal(failure.text, "standard output is closed; give a path with -o");
    }
}

/* --- What cannot be taken up --- */

static void a_compressor_holds_back(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool gzip, holds_back;
    } files[] = {{"r.csv", false, false},
                 {"r.csv", true, true},
                 {"r.csv.gz", false, true},
                 {"r.csv.GZ", false, true},
                 {"r.gz.csv", false, false}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct sink *sink = open_sink(
            (struct sink_config){.spec = scratch_path(files[i].name), .gzip = files[i].gzip});
        assert_int_equal(sink->holds_back, files[i].holds_back);
        sink_close(sink);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(positions, empty),
        cmocka_unit_test_setup(no_position_where_nothing_can_be_cut, empty),
        cmocka_unit_test_setup(what_lies_behind_the_position_is_cut, empty),
        cmocka_unit_test_setup(cut_to_nothing_it_gets_its_head_again, empty),
        cmocka_unit_test_setup(another_file_is_refused, empty),
        cmocka_unit_test_setup(one_that_is_gone_begins_anew, empty),
        cmocka_unit_test_setup(a_shorter_file_keeps_what_it_has, empty),
        cmocka_unit_test_setup(appending_behind_a_torn_line, empty),
        cmocka_unit_test_setup(a_part_goes_on, empty),
        cmocka_unit_test_setup(a_part_in_which_nothing_counts, empty),
        cmocka_unit_test_setup(behind_what_the_shell_appends_to, empty),
        cmocka_unit_test_setup(closed_standard_output, empty),
        cmocka_unit_test_setup(a_compressor_holds_back, empty),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
