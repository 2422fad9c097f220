/* The spool's files: order, what a kill or a bad disk leaves, limits, locks, names. */
#include "sinks/spool.h"
#include "sinks/spool_name.h"
#include "tests/unit/sinks/small_disk.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

/* --- A log in the scratch folder --- */

static struct spool_log *open_log(const char *name) {
    struct spool_log *log = NULL;
    struct failure failure = {0};

    if (spool_log_open(&log, scratch_path(name), false, &failure) != ERROR_NONE && !is_child)
        fail_msg("%s", failure.text);
    return log;
}

/* Frames "N N N …" of so many bytes. */
static enum error append(struct spool_log *log, uint32_t first, uint32_t count, size_t size) {
    struct spool_frame frames[16] = {0};
    char *bytes = malloc(count * (size + 16));

    for (uint32_t i = 0; i < count; i++) {
        char *at = bytes + i * (size + 16);
        memset(at, '.', size + 16);
        size_t len = (size_t)sprintf(at, "%u", first + i);
        at[len] = ' ';
        frames[i] = (struct spool_frame){.time_ms = 1000 + first + i,
                                         .records = 1,
                                         .bytes = {(uint8_t *)at, size > len ? size : len + 1}};
    }
    enum error error = spool_log_append(log, frames, count, NULL);
    free(bytes);
    return error;
}

/* What can be read, by number; damaged frames are counted apart. */
struct seen {
    uint32_t numbers[64], count, damaged;
};

static struct seen read_all(struct spool_log *log, bool drop) {
    struct seen seen = {0};
    struct spool_frame frame;
    struct buffer bytes;

    buffer_init(&bytes);
    while (spool_log_read(log, &frame, &bytes, NULL) == ERROR_NONE) {
        if (frame.flags & SPOOL_DAMAGED)
            seen.damaged++;
        else if (seen.count < 64)
            seen.numbers[seen.count++] = (uint32_t)atoi((const char *)frame.bytes.ptr);
        if (drop)
            spool_log_drop(log, frame.sequence, NULL);
    }
    buffer_deinit(&bytes);
    return seen;
}

static void expect_numbers(const struct seen *seen, uint32_t first, uint32_t count) {
    assert_int_equal(seen->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(seen->numbers[i], first + i);
}

static void in_order_over_restarts(void **state) {
    (void)state;
    struct spool_log *log = open_log("log");
    assert_int_equal(append(log, 1, 3, 10), 0);
    assert_int_equal(append(log, 4, 2, 0), 0);
    struct spool_log_statistics statistics = spool_log_statistics(log);
    assert_int_equal(statistics.records, 5);
    assert_int_equal(statistics.oldest_ms, 1001);
    struct seen seen = read_all(log, false);
    expect_numbers(&seen, 1, 5);
    spool_log_close(log);

    log = open_log("log");
    assert_int_equal(append(log, 6, 1, 10), 0);
    assert_int_equal(spool_log_drop(log, 2, NULL), 0);
    statistics = spool_log_statistics(log);
    assert_int_equal(statistics.records, 4);
    assert_int_equal(statistics.oldest_ms, 1003);
    spool_log_close(log);

    log = open_log("log");
    seen = read_all(log, false);
    expect_numbers(&seen, 3, 4);
    spool_log_rewind(log);
    seen = read_all(log, true);
    expect_numbers(&seen, 3, 4);
    statistics = spool_log_statistics(log);
    assert_int_equal(statistics.records, 0);
    assert_int_equal(statistics.disk_bytes, 0);
    assert_int_equal(append(log, 7, 1, 10), 0);
    seen = read_all(log, true);
    expect_numbers(&seen, 7, 1);
    spool_log_close(log);
    scratch_remove("log");
}

static uint32_t count_segments(void) {
    struct dirent **entries;
    int count = scandir(scratch_path("log"), &entries, visible, alphasort), segments = 0;
    for (int i = 0; i < count; i++) {
        segments += strstr(entries[i]->d_name, ".seg") != NULL;
        free(entries[i]);
    }
    free(entries);
    return (uint32_t)segments;
}

static void segments_come_and_go(void **state) {
    (void)state;
    struct spool_log *log = open_log("log");
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(append(log, 1 + i * 4, 4, 1000 * 1000), 0);
    assert_true(count_segments() >= 4);
    struct seen seen = read_all(log, false);
    expect_numbers(&seen, 1, 40);
    assert_int_equal(spool_log_drop(log, 30, NULL), 0);
    assert_true(count_segments() <= 2);
    spool_log_rewind(log);
    seen = read_all(log, true);
    expect_numbers(&seen, 31, 10);
    assert_int_equal(count_segments(), 0);
    spool_log_close(log);
    scratch_remove("log");
}

/* --- What a kill leaves, at each byte --- */

static char *only_segment(size_t *size) {
    char *bytes = read_whole(scratch_path("log/0000000000000001.seg"), size);
    scratch_remove("log");
    return bytes;
}

static void write_segment(const char *bytes, size_t size) {
    assert_int_equal(mkdir(scratch_path("log"), 0700), 0);
    int fd = open(scratch_path("log/0000000000000001.seg"), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

enum { BODY = 20, FRAME = SPOOL_FRAME_HEAD + BODY };

static char *three_frames(size_t *size) {
    struct spool_log *log = open_log("log");
    assert_int_equal(append(log, 1, 3, BODY), 0);
    spool_log_close(log);
    char *bytes = only_segment(size);
    assert_int_equal(*size, SPOOL_SEGMENT_HEAD + 3 * FRAME);
    return bytes;
}

static void torn_at_every_byte(void **state) {
    (void)state;
    size_t size;
    char *bytes = three_frames(&size);
    for (size_t cut = 0; cut <= size; cut++) {
        uint32_t whole =
            cut < SPOOL_SEGMENT_HEAD ? 0 : (uint32_t)((cut - SPOOL_SEGMENT_HEAD) / FRAME);
        write_segment(bytes, cut);
        struct spool_log *log = open_log("log");
        assert_int_equal(spool_log_statistics(log).records, whole);
        assert_int_equal(append(log, whole + 1, 1, BODY), 0);
        struct seen seen = read_all(log, false);
        expect_numbers(&seen, 1, whole + 1);
        assert_int_equal(seen.damaged, 0);
        spool_log_close(log);
        log = open_log("log");
        seen = read_all(log, true);
        expect_numbers(&seen, 1, whole + 1);
        assert_int_equal(spool_log_statistics(log).disk_bytes, 0);
        spool_log_close(log);
        scratch_remove("log");
    }
    free(bytes);
}

/* Each byte changed in turn: the other frames are whole, the damage is told once, nothing stays. */
static void flipped_at_every_byte(void **state) {
    (void)state;
    size_t size;
    char *bytes = three_frames(&size);
    for (size_t at = SPOOL_SEGMENT_HEAD; at < size; at++) {
        uint32_t hit = (uint32_t)((at - SPOOL_SEGMENT_HEAD) / FRAME), expected = 0;
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        write_segment(bytes, size);
        struct spool_log *log = open_log("log");
        assert_int_equal(append(log, 4, 1, BODY), 0);
        struct seen seen = read_all(log, true);
        assert_int_equal(seen.count, 3);
        for (uint32_t i = 0; i < 4; i++)
            if (i != hit)
                assert_int_equal(seen.numbers[expected++], i + 1);
        assert_int_equal(seen.damaged, 1);
        assert_int_equal(spool_log_statistics(log).disk_bytes, 0);
        spool_log_close(log);
        scratch_remove("log");
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
    }
    free(bytes);
}

static void position_survives_damage(void **state) {
    (void)state;
    struct spool_log *log = open_log("log");
    assert_int_equal(append(log, 1, 5, BODY), 0);
    assert_int_equal(spool_log_drop(log, 1, NULL), 0);
    assert_int_equal(spool_log_drop(log, 2, NULL), 0);
    spool_log_close(log);
    /* The slot written last is spoilt: the one before counts, one frame comes again. */
    int fd = open(scratch_path("log/position"), O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
    close(fd);
    log = open_log("log");
    struct seen seen = read_all(log, false);
    expect_numbers(&seen, 2, 4);
    spool_log_close(log);
    scratch_remove("log");
}

static void newer_version(void **state) {
    (void)state;
    size_t size;
    char *bytes = three_frames(&size);
    struct spool_log *log;
    struct failure failure;
    bytes[8] = SPOOL_VERSION + 1;
    write_segment(bytes, size);
    assert_int_equal(spool_log_open(&log, scratch_path("log"), false, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "newer trawl"));
    free(bytes);
    scratch_remove("log");
}

/* --- Bad disks --- */

static int on_full_disk(void) {
    CHECK(1, signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    if (!mount_small("size=256k"))
        return CHILD_SKIPPED;
    struct spool_log *log = open_log("log");
    CHECK(2, log);
    uint32_t next = 1;
    while (append(log, next, 4, 10000) == ERROR_NONE)
        next += 4;
    CHECK(3, next > 8);
    for (int i = 0; i < 3; i++)
        CHECK(4, append(log, next, 4, 10000) == (enum error)ENOSPC);
    CHECK(5, spool_log_statistics(log).records == next - 1);
    CHECK(6, spool_log_drop(log, 12, NULL) == ERROR_NONE);
    struct seen seen = read_all(log, false);
    CHECK(7, seen.count == next - 13 && seen.numbers[0] == 13);
    /* All is dropped, there is room. */
    CHECK(8, spool_log_drop(log, spool_log_last(log), NULL) == ERROR_NONE);
    CHECK(9, append(log, 1, 4, 10000) == ERROR_NONE);
    spool_log_close(log);
    log = open_log("log");
    seen = read_all(log, true);
    CHECK(10, seen.count == 4 && seen.damaged == 0 && seen.numbers[3] == 4);
    spool_log_close(log);
    return CHILD_OK;
}

static void full_disk(void **state) {
    (void)state;
    in_child(on_full_disk);
}

/* A write that fails in its midst, and goes on failing, and works again. */
static int with_small_files(void) {
    struct rlimit limit, before;
    CHECK(1, signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &before) == 0);
    struct spool_log *log = open_log("log");
    CHECK(2, append(log, 1, 2, 100) == ERROR_NONE);
    limit = (struct rlimit){1000, before.rlim_max};
    CHECK(3, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(4, append(log, 3, 8, 100) == (enum error)EFBIG);
    CHECK(5, append(log, 3, 8, 100) == (enum error)EFBIG);
    CHECK(6, append(log, 3, 1, 100) == ERROR_NONE);
    CHECK(7, setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(8, append(log, 4, 8, 100) == ERROR_NONE);
    struct seen seen = read_all(log, false);
    CHECK(9, seen.count == 11 && seen.damaged == 0);
    spool_log_close(log);
    log = open_log("log");
    seen = read_all(log, false);
    CHECK(10, seen.count == 11 && seen.damaged == 0);
    for (uint32_t i = 0; i < seen.count; i++)
        CHECK(11, seen.numbers[i] == i + 1);
    spool_log_close(log);
    return CHILD_OK;
}

static void small_files(void **state) {
    (void)state;
    in_child(with_small_files);
    scratch_remove("log");
}

/* --- Spools --- */

static const struct spool_config config = {
    .spec = "webhook+https://hooks.example.org/in#batch=5",
    .kind = "webhook",
    .format = "webhook",
    .max_bytes = 64 * 1024,
};

static struct spool *open_spool(void) {
    struct spool *spool = NULL;
    struct spool_config own = config;
    struct failure failure;
    own.root = scratch_path("root/of/spools");
    if (spool_open(&spool, &own, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    return spool;
}

static enum error keep(struct spool *spool, const char *text) {
    struct spool_frame frame = {.time_ms = 1, .records = 1, .bytes = slice_of(text)};
    return spool_keep(spool, &frame, 1, NULL);
}

static void expect_next(struct spool *spool, const char *text, bool done) {
    struct spool_frame frame;
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(spool_next(spool, &frame, &bytes, NULL), text ? ERROR_NONE : ERROR_GONE);
    if (text)
        assert_true(slice_is(frame.bytes, text));
    if (text && done)
        assert_int_equal(spool_done(spool, frame.sequence, NULL), 0);
    buffer_deinit(&bytes);
}

static void one_process_each(void **state) {
    (void)state;
    struct spool *first = open_spool(), *second = open_spool();
    char name[SPOOL_NAME_MAX];
    assert_memory_equal(spool_meta(first)->name, "webhook-hooks.example.org-", 26);
    snprintf(name, sizeof name, "%.100s-2", spool_meta(first)->name);
    assert_string_equal(spool_meta(second)->name, name);
    assert_int_equal(keep(second, "left"), 0);
    spool_close(second);
    struct spool *again;
    struct failure failure;
    assert_int_equal(
        spool_open_named(&again, scratch_path("root/of/spools"), spool_meta(first)->name, &failure),
        EBUSY);
    spool_close(first);
    /* Nothing was left in the first, which is gone; the other is taken up. */
    again = open_spool();
    assert_string_equal(spool_meta(again)->name, name);
    expect_next(again, "left", true);
    spool_close(again);
    struct dirent **entries;
    int count = scandir(scratch_path("root/of/spools"), &entries, visible, NULL);
    assert_int_equal(count, 0);
    free(entries);
}

static void private_files(void **state) {
    (void)state;
    struct spool *spool = open_spool();
    struct stat status;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", scratch_path("root/of/spools"), spool_meta(spool)->name);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    strcat(path, "/meta");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    spool_close(spool);
}

static void full_by_its_limit(void **state) {
    (void)state;
    struct spool *spool = open_spool();
    char text[4096];
    uint32_t kept = 0;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    while (keep(spool, text) == ERROR_NONE)
        kept++;
    assert_in_range(kept, 14, 16);
    assert_int_equal(keep(spool, text), ENOSPC);
    assert_int_equal(spool_statistics(spool).waiting.records, kept);
    /* Dead letters have as much again. */
    struct spool_frame dead = {.records = 1, .bytes = slice_of(text), .reason = slice_of("no")};
    for (uint32_t i = 0; i < kept; i++)
        assert_int_equal(spool_bury(spool, &dead, 1, NULL), 0);
    assert_int_equal(spool_bury(spool, &dead, 1, NULL), ENOSPC);
    for (uint32_t i = 0; i < kept; i++)
        expect_next(spool, text, true);
    assert_int_equal(keep(spool, text), 0);
    assert_int_equal(spool_discard(spool, false, NULL), 0);
    assert_int_equal(spool_statistics(spool).dead.records, 0);
    expect_next(spool, NULL, false);
    spool_close(spool);
}

static bool see_dead(void *context, const struct spool_frame *frame) {
    ++*(uint32_t *)context;
    assert_true(slice_is(frame->reason, "HTTP 400"));
    assert_true(frame->time_ms > 1000);
    return true;
}

static bool see_spool(void *context, const struct spool_view *view) {
    ++*(uint32_t *)context;
    assert_true(view->is_held);
    assert_string_equal(view->meta.spec, config.spec);
    assert_string_equal(view->meta.format, "webhook");
    assert_int_equal(view->statistics.dead.records, 4);
    return true;
}

static void dead_letters(void **state) {
    (void)state;
    struct spool *spool = open_spool();
    struct spool_frame dead[2] = {
        {.records = 2, .bytes = slice_of("first"), .reason = slice_of("HTTP 400")},
        {.records = 2, .bytes = slice_of("second"), .reason = slice_of("HTTP 400")}};
    uint32_t seen = 0;
    assert_int_equal(keep(spool, "waits"), 0);
    assert_int_equal(spool_bury(spool, dead, 2, NULL), 0);
    assert_int_equal(spool_show(scratch_path("root/of/spools"), spool_meta(spool)->name, true,
                                see_dead, &seen, NULL),
                     0);
    assert_int_equal(seen, 2);
    seen = 0;
    assert_int_equal(spool_list(scratch_path("root/of/spools"), see_spool, &seen, NULL), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(spool_revive(spool, NULL), 0);
    assert_int_equal(spool_statistics(spool).dead.records, 0);
    expect_next(spool, "waits", true);
    expect_next(spool, "first", true);
    expect_next(spool, "second", true);
    expect_next(spool, NULL, false);
    spool_close(spool);
}

/* --- Names --- */

static void secrets_are_left_out(void **state) {
    (void)state;
    static const struct {
        const char *spec, *kept;
    } rows[] = {
        {"webhook+https://u:sesame@h.example/p?k=1#batch=2",
         "webhook+https://u@h.example/p?k=1#batch=2"},
        {"webhook+https://h.example/p:q@r", NULL},
        {"nats://token@h.example:4222/s", "nats://h.example:4222/s"},
        {"postgresql://u:p%40@h.example/db?sslmode=require",
         "postgresql://u@h.example/db?sslmode=require"},
        {"postgresql:///db?user=u&password=sesame&x=1", "postgresql:///db?user=u&password=&x=1"},
        {"sqlite:/var/lib/x.db", NULL},
        {"webhook+http://u@h.example", NULL},
    };
    char out[SPOOL_SPEC_MAX], long_spec[SPOOL_SPEC_MAX + 1];
    bool cut;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(spool_spec_without_secret(rows[i].spec, out, &cut));
        assert_string_equal(out, rows[i].kept ? rows[i].kept : rows[i].spec);
        assert_int_equal(cut, rows[i].kept != NULL);
    }
    memset(long_spec, 'x', sizeof long_spec - 1);
    long_spec[sizeof long_spec - 1] = 0;
    assert_false(spool_spec_without_secret(long_spec, out, &cut));
    assert_false(spool_spec_without_secret("a\nb", out, &cut));
}

static void names_and_meta(void **state) {
    (void)state;
    struct spool_config own = config;
    struct spool_meta first, second, back = {0};
    struct buffer text;
    assert_true(spool_describe(&own, &first));
    own.spec = "webhook+https://hooks.example.org/in#batch=7,timeout=1s";
    assert_true(spool_describe(&own, &second));
    assert_string_equal(first.name, second.name); /* options are no other place */
    own.format = "json";
    assert_true(spool_describe(&own, &second));
    assert_string_not_equal(first.name, second.name);
    own.spec = "webhook+https://u:p@../..%2f/../x";
    assert_true(spool_describe(&own, &second));
    assert_true(spool_name_is_good(second.name));
    buffer_init(&text);
    spool_meta_write(&second, &text);
    assert_true(spool_meta_read(buffer_slice(&text), &back));
    assert_string_equal(back.spec, second.spec);
    assert_string_equal(back.format, "json");
    assert_true(back.spec_is_cut);
    for (size_t len = 0; len < 40; len++)
        assert_false(
            spool_meta_read(slice_first(buffer_slice(&text), len), &(struct spool_meta){0}));
    buffer_deinit(&text);
    assert_false(spool_name_is_good("../etc") || spool_name_is_good("") ||
                 spool_name_is_good("a/b"));
}

/* In memory where that can be had: many calls wait for the disk. */
static int setup(void **state) {
    (void)state;
    strcpy(scratch,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/trawl-test-XXXXXX" : "/tmp/trawl-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove("root");
    return rmdir(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_over_restarts),
        cmocka_unit_test(segments_come_and_go),
        cmocka_unit_test(torn_at_every_byte),
        cmocka_unit_test(flipped_at_every_byte),
        cmocka_unit_test(position_survives_damage),
        cmocka_unit_test(newer_version),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(small_files),
        cmocka_unit_test(one_process_each),
        cmocka_unit_test(private_files),
        cmocka_unit_test(full_by_its_limit),
        cmocka_unit_test(dead_letters),
        cmocka_unit_test(secrets_are_left_out),
        cmocka_unit_test(names_and_meta),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
