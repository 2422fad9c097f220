/* The file sink on real files, pipes, devices and full disks. */
#include "sinks/sink.h"
#include "tests/unit/sinks/small_disk.h"

#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/resource.h>

static struct failure failure;

static struct sink *open_sink(struct sink_config config) {
    struct sink *sink;
    if (!config.encoder)
        config.encoder = &plain_encoder;
    if (sink_open(&sink, &config, &failure) != ERROR_NONE) {
        if (is_child)
            _exit(CHILD_NO_SINK);
        fail_msg("%s", failure.text);
    }
    return sink;
}

static enum error write_bytes(struct sink *sink, const char *bytes, size_t len) {
    return sink->kind->write(sink, (struct slice){(const uint8_t *)bytes, len}, 1, &failure);
}

static enum error write_text(struct sink *sink, const char *text) {
    return write_bytes(sink, text, strlen(text));
}

static enum error tick(struct sink *sink) {
    return sink->kind->tick(sink, &failure);
}

static void finish_and_close(struct sink *sink) {
    if (sink->kind->finish(sink, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    sink_close(sink);
}

static int empty(void **state) {
    (void)state;
    scratch_empty();
    return 0;
}

static void put_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* In place */

static void records_are_seen_at_once(void **state) {
    (void)state;
    const char *path = scratch_path("r.jsonl");
    put_file(path, "what an older sweep left\n");
    struct sink *sink = open_sink((struct sink_config){.spec = path, .encoder = &headed_encoder});
    assert_content(path, "");
    assert_int_equal(write_text(sink, "one\n"), 0);
    assert_content(path, "HEAD\none\n");
    assert_int_equal(write_text(sink, ""), 0);
    assert_int_equal(write_text(sink, "two\n"), 0);
    assert_content(path, "HEAD\none\ntwo\n");
    finish_and_close(sink);
    assert_content(path, "HEAD\none\ntwo\n");
}

static void a_sweep_without_records_leaves_a_head(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    finish_and_close(open_sink(
        (struct sink_config){.spec = path, .encoder = &headed_encoder, .rotate_bytes = 9}));
    assert_content(path, "HEAD\n");
}

static void appending(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv");
    struct sink_config config = {.spec = path, .encoder = &headed_encoder, .append = true};
    for (int run = 0; run < 2; run++) {
        struct sink *sink = open_sink(config);
        assert_int_equal(write_text(sink, "x\n"), 0);
        finish_and_close(sink);
    }
    assert_content(path, "HEAD\nx\nx\n");
}

static void one_writer_a_file(void **state) {
    (void)state;
    const char *path = scratch_path("r.jsonl");
    struct sink *sink = open_sink((struct sink_config){.spec = path}), *second;
    assert_int_equal(write_text(sink, "kept\n"), 0);
    struct sink_config config = {.spec = path, .encoder = &plain_encoder};
    assert_int_equal(sink_open(&second, &config, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "is being written by another"));
    assert_content(path, "kept\n");
    finish_and_close(sink);
}

static void refused(const char *path, enum error error, const char *words) {
    struct sink *sink;
    struct sink_config config = {.spec = path, .encoder = &plain_encoder};
    assert_int_equal(sink_open(&sink, &config, &failure), error);
    assert_int_equal(failure.code, error);
    if (!strstr(failure.text, words))
        fail_msg("%s", failure.text);
}

static void places_where_no_file_can_be(void **state) {
    (void)state;
    refused(scratch_path("none/r.jsonl"), (enum error)ENOENT, "there is no folder /tmp/trawl-test");
    refused(scratch, (enum error)EISDIR, "is a folder; name a file in it");
    refused("/proc/self/status/x", (enum error)ENOTDIR, "Not a directory");
    assert_int_equal(chmod(scratch, 0500), 0);
    if (geteuid() == 0)
        setfsuid(65534);
    refused(scratch_path("r.jsonl"), (enum error)EACCES, "choose a place where you may write");
    if (geteuid() == 0)
        setfsuid(0);
    assert_int_equal(chmod(scratch, 0700), 0);
}

/* Rotation */

static void matches(const char *name, const char *pattern) {
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, name, 0, NULL, 0) != 0)
        fail_msg("%s is not %s", name, pattern);
    regfree(&regex);
}

static void rotation_by_size(void **state) {
    (void)state;
    struct dirent **entries;
    struct sink *sink = open_sink((struct sink_config){
        .spec = scratch_path("r.jsonl"), .encoder = &headed_encoder, .rotate_bytes = 20});
    static const char *const expected[] = {
        "HEAD\n000000\n111111\n", "HEAD\n222222\n333333\n",
        "HEAD\n444444444444444444444444\n", /* over the limit alone */
        "HEAD\n5\n"};
    assert_int_equal(write_text(sink, "000000\n"), 0);
    assert_int_equal(write_text(sink, "111111\n"), 0);
    assert_int_equal(scratch_list(&entries), 1);
    scratch_list_free(entries, 1);
    assert_int_equal(write_text(sink, "222222\n"), 0);
    assert_content(scratch_path("r.jsonl"), "HEAD\n222222\n");
    assert_int_equal(write_text(sink, "333333\n"), 0);
    assert_int_equal(write_text(sink, "444444444444444444444444\n"), 0);
    assert_int_equal(write_text(sink, "5\n"), 0);
    finish_and_close(sink);
    uint32_t count = scratch_list(&entries);
    assert_int_equal(count, 4);
    for (uint32_t i = 0; i < count; i++) {
        char pattern[64];
        snprintf(pattern, sizeof pattern, "^r-20[0-9]{6}T[0-9]{6}Z-000%u\\.jsonl$", i + 1);
        matches(entries[i]->d_name, pattern);
        assert_content(scratch_path(entries[i]->d_name), expected[i]);
    }
    scratch_list_free(entries, count);
}

static void a_later_run_overwrites_no_part(void **state) {
    (void)state;
    struct dirent **entries;
    for (int run = 0; run < 3; run++) {
        struct sink *sink =
            open_sink((struct sink_config){.spec = scratch_path("r"), .rotate_bytes = 1});
        for (int i = 0; i < 2; i++)
            assert_int_equal(write_text(sink, "x\n"), 0);
        finish_and_close(sink);
    }
    uint32_t count = scratch_list(&entries);
    assert_int_equal(count, 6);
    for (uint32_t i = 0; i < count; i++)
        matches(entries[i]->d_name, "^r-20[0-9]{6}T[0-9]{6}Z-000[1-6]$");
    scratch_list_free(entries, count);
}

static void rotation_by_time(void **state) {
    (void)state;
    struct dirent **entries;
    struct sink *sink = open_sink((struct sink_config){
        .spec = scratch_path(".hidden.csv"), .encoder = &headed_encoder, .rotate_seconds = 1});
    usleep(1100000);
    assert_int_equal(tick(sink), 0); /* nothing but a head: no part */
    assert_int_equal(write_text(sink, "x\n"), 0);
    assert_int_equal(tick(sink), 0);
    assert_content(scratch_path(".hidden.csv"), "HEAD\n");
    finish_and_close(sink);
    assert_int_equal(access(scratch_path(".hidden.csv"), F_OK), -1);
    int count = scandir(scratch, &entries, NULL, alphasort);
    assert_int_equal(count, 3); /* ".", ".." and the part */
    matches(entries[2]->d_name, "^\\.hidden-20[0-9]{6}T[0-9]{6}Z-0001\\.csv$");
    assert_content(scratch_path(entries[2]->d_name), "HEAD\nx\n");
    unlink(scratch_path(entries[2]->d_name));
    scratch_list_free(entries, 3);
}

static void parts_stand_beside_the_file_itself(void **state) {
    (void)state;
    struct dirent **entries;
    char link[64] = "/tmp/trawl-test-link-XXXXXX";
    assert_non_null(mkdtemp(link));
    assert_int_equal(rmdir(link), 0);
    assert_int_equal(symlink(scratch_path("real.jsonl"), link), 0);
    struct sink *sink = open_sink((struct sink_config){.spec = link, .rotate_bytes = 1});
    assert_int_equal(write_text(sink, "a\n"), 0);
    finish_and_close(sink);
    uint32_t count = scratch_list(&entries);
    assert_int_equal(count, 1);
    matches(entries[0]->d_name, "^real-.*-0001\\.jsonl$");
    scratch_list_free(entries, count);
    assert_int_equal(unlink(link), 0);
}

static void a_part_moved_away_is_let_go(void **state) {
    (void)state;
    struct sink *sink =
        open_sink((struct sink_config){.spec = scratch_path("r.jsonl"), .rotate_bytes = 1});
    assert_int_equal(write_text(sink, "a\n"), 0);
    assert_int_equal(rename(scratch_path("r.jsonl"), scratch_path("mine")), 0);
    assert_int_equal(write_text(sink, "b\n"), 0);
    assert_content(scratch_path("mine"), "a\n");
    assert_content(scratch_path("r.jsonl"), "b\n");
    finish_and_close(sink);
}

/* gzip */

static void compressed_by_suffix(void **state) {
    (void)state;
    const char *path = scratch_path("r.csv.gz");
    for (int run = 0; run < 2; run++) {
        struct sink *sink = open_sink(
            (struct sink_config){.spec = path, .encoder = &headed_encoder, .append = run == 1});
        assert_int_equal(write_text(sink, "one\n"), 0);
        assert_int_equal(write_text(sink, "two\n"), 0);
        finish_and_close(sink);
    }
    assert_gzip_content(path, "HEAD\none\ntwo\none\ntwo\n");
}

/* What is on the disk after a tick holds every record, though the stream has not ended. */
static void compressed_can_be_followed(void **state) {
    (void)state;
    const char *path = scratch_path("r.jsonl");
    struct sink *sink = open_sink((struct sink_config){.spec = path, .gzip = true});
    size_t len, again;
    char out[64] = "";
    assert_int_equal(write_text(sink, "one\n"), 0);
    assert_int_equal(tick(sink), 0);
    char *bytes = read_whole(path, &len);
    z_stream stream = {.next_in = (Bytef *)bytes,
                       .avail_in = (uInt)len,
                       .next_out = (Bytef *)out,
                       .avail_out = sizeof out - 1};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_SYNC_FLUSH), Z_OK);
    inflateEnd(&stream);
    free(bytes);
    assert_string_equal(out, "one\n");
    assert_int_equal(tick(sink), 0); /* nothing new, nothing written */
    free(read_whole(path, &again));
    assert_int_equal(again, len);
    finish_and_close(sink);
    assert_gzip_content(path, "one\n");
}

static void compressed_parts(void **state) {
    (void)state;
    enum { LINES = 3000 };
    struct dirent **entries;
    uint32_t next = 0;
    struct sink *sink = open_sink((struct sink_config){
        .spec = scratch_path("r.jsonl.gz"), .encoder = &headed_encoder, .rotate_bytes = 4096});
    for (uint32_t i = 0; i < LINES; i++) {
        char line[64];
        snprintf(line, sizeof line, "%u %u\n", i, i * 2654435761u);
        assert_int_equal(write_text(sink, line), 0);
        if (i % 50 == 0)
            assert_int_equal(tick(sink), 0);
    }
    finish_and_close(sink);
    uint32_t count = scratch_list(&entries);
    assert_true(count > 3);
    for (uint32_t part = 0; part < count; part++) {
        char line[64];
        matches(entries[part]->d_name, "^r-.*-[0-9]{4}\\.jsonl\\.gz$");
        gzFile file = gzopen(scratch_path(entries[part]->d_name), "r");
        assert_string_equal(gzgets(file, line, sizeof line), "HEAD\n");
        while (gzgets(file, line, sizeof line))
            assert_int_equal(strtoul(line, NULL, 10), next++);
        assert_int_equal(gzclose(file), Z_OK);
    }
    assert_int_equal(next, LINES);
    scratch_list_free(entries, count);
}

/* Pipes and devices */

/* A sink on the writing end of a new pipe, as standard output; the test's own is restored after the
 * sink is closed. */
struct piped {
    int reader, own_output;
    struct sink *sink;
};

static struct piped open_piped(bool nonblocking) {
    struct piped piped;
    int ends[2];
    fflush(stdout);
    assert_int_equal(pipe2(ends, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)), 0);
    piped.reader = ends[0];
    piped.own_output = dup(STDOUT_FILENO);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    close(ends[1]);
    piped.sink = open_sink((struct sink_config){
        .spec = nonblocking ? "/dev/stdout" : "-", .encoder = &headed_encoder, .rotate_bytes = 1});
    return piped;
}

static void close_piped(struct piped *piped) {
    sink_close(piped->sink);
    dup2(piped->own_output, STDOUT_FILENO);
    close(piped->own_output);
    if (piped->reader >= 0)
        close(piped->reader);
}

static void standard_output(void **state) {
    (void)state;
    char text[64] = "";
    struct piped piped = open_piped(false);
    enum error first = write_text(piped.sink, "a\n"), second = write_text(piped.sink, "b\n");
    enum error end = piped.sink->kind->finish(piped.sink, &failure);
    ssize_t len = read(piped.reader, text, sizeof text - 1);
    close_piped(&piped);
    assert_true(!first && !second && !end);
    assert_int_equal(len, 9);
    assert_string_equal(text, "HEAD\na\nb\n");
}

static void the_reader_leaves(void **state) {
    (void)state;
    struct piped piped = open_piped(false);
    enum error before = write_text(piped.sink, "a\n");
    close(piped.reader);
    piped.reader = -1;
    failure = (struct failure){0};
    enum error after = write_text(piped.sink, "b\n");
    close_piped(&piped);
    assert_int_equal(before, 0);
    assert_int_equal(after, ERROR_GONE);
    assert_string_equal(failure.text, "");
}

/* The reader takes nothing for a while: the call comes back, and goes on where it was. */
static void a_slow_reader(void **state) {
    (void)state;
    enum { LEN = 300000 };
    static char sent[LEN], received[LEN + 6];
    for (bool nonblocking = false;; nonblocking = true) {
        struct piped piped = open_piped(nonblocking);
        for (size_t i = 0; i < LEN; i++)
            sent[i] = (char)(i * 7 + i / 251);
        size_t len = 0, stalls = 0;
        enum error error;
        while ((error = write_bytes(piped.sink, sent, LEN)) == (enum error)EAGAIN) {
            stalls++;
            struct pollfd readable = {.fd = piped.reader, .events = POLLIN};
            while (len < sizeof received && poll(&readable, 1, 0) > 0) {
                ssize_t more = read(piped.reader, received + len, sizeof received - len);
                if (more <= 0)
                    break;
                len += (size_t)more;
            }
        }
        while (len < LEN + 5) {
            ssize_t more = read(piped.reader, received + len, sizeof received - len);
            if (more <= 0)
                break;
            len += (size_t)more;
        }
        close_piped(&piped);
        assert_int_equal(error, 0);
        assert_true(stalls > 1);
        assert_int_equal(len, LEN + 5);
        assert_memory_equal(received, "HEAD\n", 5);
        assert_memory_equal(received + 5, sent, LEN);
        if (nonblocking)
            return;
    }
}

static void *read_fifo(void *context) {
    size_t len;
    return read_whole(context, &len);
}

static void a_named_pipe(void **state) {
    (void)state;
    char path[512];
    pthread_t reader;
    void *text;
    snprintf(path, sizeof path, "%s", scratch_path("pipe.jsonl"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_fifo, path), 0);
    struct sink *sink = open_sink((struct sink_config){.spec = path, .rotate_bytes = 1});
    assert_int_equal(write_text(sink, "a\n"), 0);
    assert_int_equal(write_text(sink, "b\n"), 0);
    finish_and_close(sink);
    pthread_join(reader, &text);
    assert_string_equal(text, "a\nb\n");
    free(text);
}

static void a_device_without_room(void **state) {
    (void)state;
    for (int gzip = 0; gzip < 2; gzip++) {
        struct sink *sink = open_sink((struct sink_config){.spec = "/dev/full", .gzip = gzip});
        enum error error = write_text(sink, "a\n");
        if (!error)
            error = tick(sink);
        assert_int_equal(error, ENOSPC);
        assert_string_equal(failure.text, "cannot write to /dev/full: No space left on device; "
                                          "make room and it goes on");
        assert_int_equal(sink->kind->finish(sink, &failure), gzip ? ENOSPC : 0);
        sink_close(sink);
    }
}

/* Limits and full disks. Each runs in a child. */

static long size_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

enum { BATCH = 50000 };
static char batch[BATCH];

static const char *numbered_batch(int number) {
    memset(batch, 'a' + number, BATCH);
    batch[BATCH - 1] = '\n';
    return batch;
}

static int over_the_file_size_limit(void) {
    const char *path = scratch_path("r.jsonl");
    struct rlimit limit = {120000, 120000};
    signal(SIGXFSZ, SIG_IGN);
    struct sink *sink = open_sink((struct sink_config){.spec = path});
    CHECK(1, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(2, !write_bytes(sink, numbered_batch(0), BATCH));
    CHECK(3, !write_bytes(sink, numbered_batch(1), BATCH));
    CHECK(4, write_bytes(sink, numbered_batch(2), BATCH) == (enum error)EFBIG);
    CHECK(5, strstr(failure.text, "ulimit -f"));
    CHECK(6, size_of(path) == 120000);
    CHECK(7, !sink->kind->finish(sink, &failure));
    CHECK(8, size_of(path) == 2 * BATCH);
    sink_close(sink);
    return CHILD_OK;
}

static void a_file_over_its_limit_ends_at_a_record(void **state) {
    (void)state;
    in_child(over_the_file_size_limit);
}

/* Fills the disk in the middle of the third of four batches, makes room, and has it repeated. */
static int room_comes_back(const char *name, bool compressed) {
    const char *path = scratch_path(name);
    CHECK(1, fill("filler", compressed ? 4096 : 2 * BATCH + 8192));
    struct sink *sink = open_sink((struct sink_config){.spec = path, .encoder = &headed_encoder});
    bool stalled = false;
    for (int i = 0; i < 4; i++) {
        enum error error;
        const char *bytes = numbered_batch(i);
        if (compressed) /* does not shrink */
            for (uint32_t at = 0, noise = 1 + (uint32_t)i; at < BATCH - 1; at++)
                batch[at] = (char)(1 | (noise = noise * 1664525 + 1013904223) >> 24);
        while ((error = write_bytes(sink, bytes, BATCH)) != ERROR_NONE) {
            CHECK(2, error == (enum error)ENOSPC && !stalled);
            CHECK(3, write_bytes(sink, bytes, BATCH) == (enum error)ENOSPC);
            CHECK(4, unlink(scratch_path("filler")) == 0);
            stalled = true;
        }
    }
    CHECK(5, stalled);
    CHECK(6, !sink->kind->finish(sink, &failure));
    sink_close(sink);
    gzFile file = gzopen(path, "r"); /* reads plain files, too */
    static char text[5 * BATCH];
    CHECK(7, gzread(file, text, sizeof text) == 5 + 4 * BATCH);
    CHECK(8, gzclose(file) == Z_OK);
    for (int i = 0; i < 4; i++) {
        numbered_batch(i);
        if (compressed)
            for (uint32_t at = 0, noise = 1 + (uint32_t)i; at < BATCH - 1; at++)
                batch[at] = (char)(1 | (noise = noise * 1664525 + 1013904223) >> 24);
        CHECK(9, memcmp(text + 5 + i * BATCH, batch, BATCH) == 0);
    }
    return CHILD_OK;
}

static int full_disk_plain(void) {
    return mount_small("size=1m") ? room_comes_back("r.jsonl", false) : CHILD_SKIPPED;
}

static int full_disk_gzip(void) {
    return mount_small("size=1m") ? room_comes_back("r.jsonl.gz", true) : CHILD_SKIPPED;
}

static void a_full_disk_loses_nothing(void **state) {
    (void)state;
    in_child(full_disk_plain);
}

static void a_full_disk_loses_nothing_compressed(void **state) {
    (void)state;
    in_child(full_disk_gzip);
}

static int full_disk_given_up(void) {
    const char *path = scratch_path("r.jsonl");
    if (!mount_small("size=1m"))
        return CHILD_SKIPPED;
    CHECK(1, fill("filler", BATCH + 16384));
    struct sink *sink = open_sink((struct sink_config){.spec = path, .rotate_bytes = 1 << 20});
    CHECK(2, !write_bytes(sink, numbered_batch(0), BATCH));
    CHECK(3, write_bytes(sink, numbered_batch(1), BATCH) == (enum error)ENOSPC);
    CHECK(4, size_of(path) > BATCH);
    CHECK(5, !sink->kind->finish(sink, &failure));
    sink_close(sink);
    struct dirent **entries;
    CHECK(6, scratch_list(&entries) == 2);
    CHECK(7, size_of(scratch_path(entries[1]->d_name)) == BATCH);
    scratch_list_free(entries, 2);
    return CHILD_OK;
}

static void a_part_given_up_ends_at_a_record(void **state) {
    (void)state;
    in_child(full_disk_given_up);
}

/* Room for two files: the third part cannot be opened until one is taken away. */
static int no_room_for_the_next_part(void) {
    struct dirent **entries;
    if (!mount_small("size=1m,nr_inodes=3"))
        return CHILD_SKIPPED;
    struct sink *sink =
        open_sink((struct sink_config){.spec = scratch_path("r.jsonl"), .rotate_bytes = 1});
    CHECK(1, !write_text(sink, "a\n"));
    CHECK(2, !write_text(sink, "b\n"));
    CHECK(3, write_text(sink, "c\n") == (enum error)ENOSPC);
    CHECK(4, write_text(sink, "c\n") == (enum error)ENOSPC);
    CHECK(5, scratch_list(&entries) == 2);
    CHECK(6, unlink(scratch_path(entries[0]->d_name)) == 0);
    scratch_list_free(entries, 2);
    CHECK(7, !write_text(sink, "c\n"));
    CHECK(8, !sink->kind->finish(sink, &failure));
    sink_close(sink);
    CHECK(9, scratch_list(&entries) == 2);
    CHECK(10, strstr(entries[0]->d_name, "-0002.") && strstr(entries[1]->d_name, "-0003."));
    size_t len;
    char *text = read_whole(scratch_path(entries[1]->d_name), &len);
    CHECK(11, strcmp(text, "c\n") == 0);
    free(text);
    scratch_list_free(entries, 2);
    return CHILD_OK;
}

static void rotation_waits_for_room(void **state) {
    (void)state;
    in_child(no_room_for_the_next_part);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_are_seen_at_once, empty),
        cmocka_unit_test_setup(a_sweep_without_records_leaves_a_head, empty),
        cmocka_unit_test_setup(appending, empty),
        cmocka_unit_test_setup(one_writer_a_file, empty),
        cmocka_unit_test_setup(places_where_no_file_can_be, empty),
        cmocka_unit_test_setup(rotation_by_size, empty),
        cmocka_unit_test_setup(a_later_run_overwrites_no_part, empty),
        cmocka_unit_test_setup(rotation_by_time, empty),
        cmocka_unit_test_setup(parts_stand_beside_the_file_itself, empty),
        cmocka_unit_test_setup(a_part_moved_away_is_let_go, empty),
        cmocka_unit_test_setup(compressed_by_suffix, empty),
        cmocka_unit_test_setup(compressed_can_be_followed, empty),
        cmocka_unit_test_setup(compressed_parts, empty),
        cmocka_unit_test_setup(standard_output, empty),
        cmocka_unit_test_setup(the_reader_leaves, empty),
        cmocka_unit_test_setup(a_slow_reader, empty),
        cmocka_unit_test_setup(a_named_pipe, empty),
        cmocka_unit_test_setup(a_device_without_room, empty),
        cmocka_unit_test_setup(a_file_over_its_limit_ends_at_a_record, empty),
        cmocka_unit_test_setup(a_full_disk_loses_nothing, empty),
        cmocka_unit_test_setup(a_full_disk_loses_nothing_compressed, empty),
        cmocka_unit_test_setup(a_part_given_up_ends_at_a_record, empty),
        cmocka_unit_test_setup(rotation_waits_for_room, empty),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
