/* The state in its file: what stays, what is refused, what a full disk does to it. */
#include "tests/unit/sinks/scratch.h"
#include "tests/unit/watch/faulty_vfs.h"
#include "tests/unit/watch/saved_positions.h"
#include "tools/watch/state.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static struct failure failure;

#define OK(call) assert_int_equal(call, ERROR_NONE)

static struct watch_state *open_state(const char *path) {
    struct watch_state *state;

    OK(watch_state_open(&state, path, &failure));
    return state;
}

static void assert_refused(const char *path, enum error error, const char *words) {
    struct watch_state *state;

    assert_int_equal(watch_state_open(&state, path, &failure), error);
    assert_null(state);
    assert_non_null(strstr(failure.text, words));
}

static void execute(const char *path, const char *text) {
    sqlite3 *database;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

/* --- Rows --- */

static struct issuance issuance_of(uint8_t number, enum issuance_stage stage, const char *record) {
    struct issuance issuance = {.stage = stage,
                                .look_ms = 1000 + number,
                                .settle_ms = 2000,
                                .forget_ms = 3000 + number,
                                .record = slice_of(record)};

    memset(issuance.issuance_id, number, sizeof issuance.issuance_id);
    return issuance;
}

static int64_t add(struct watch_state *state, uint8_t number, enum issuance_stage stage) {
    struct issuance issuance = issuance_of(number, stage, "record");

    OK(watch_state_begin(state, &failure));
    OK(watch_state_add(state, &issuance, &failure));
    OK(watch_state_commit(state, &failure));
    return issuance.id;
}

static struct issuance find(struct watch_state *state, uint8_t number) {
    struct issuance wanted = issuance_of(number, ISSUANCE_PENDING, ""), out;
    bool found;

    OK(watch_state_find(state, wanted.issuance_id, &out, &found, &failure));
    assert_true(found);
    return out;
}

static bool has(struct watch_state *state, uint8_t number) {
    struct issuance wanted = issuance_of(number, ISSUANCE_PENDING, ""), out;
    bool found;

    OK(watch_state_find(state, wanted.issuance_id, &out, &found, &failure));
    return found;
}

static void assert_counts(struct watch_state *state, uint64_t known, uint64_t pending,
                          uint64_t untold) {
    struct watch_state_counts counts = watch_state_counts(state);

    assert_int_equal(counts.known, known);
    assert_int_equal(counts.pending, pending);
    assert_int_equal(counts.untold, untold);
}

struct visited {
    uint8_t numbers[16];
    uint32_t count, most;
};

static bool visit(void *context, const struct issuance *issuance) {
    struct visited *visited = context;

    visited->numbers[visited->count++] = issuance->issuance_id[0];
    assert_true(slice_is(issuance->record, "record"));
    return visited->count < visited->most;
}

static void assert_waiting(struct watch_state *state, enum issuance_stage stage, int64_t after,
                           uint64_t without, const char *expected) {
    struct visited visited = {.most = sizeof visited.numbers};

    OK(watch_state_waiting(state, stage, after, without, 16, visit, &visited, &failure));
    assert_int_equal(visited.count, strlen(expected));
    for (uint32_t i = 0; i < visited.count; i++)
        assert_int_equal(visited.numbers[i], expected[i] - '0');
}

/* --- The file --- */

static void test_in_memory(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);

    assert_false(watch_state_is_kept(state));
    assert_counts(state, 0, 0, 0);
    assert_int_equal(watch_state_next_due(state), INT64_MAX);
    watch_state_close(state);
    watch_state_close(NULL);
}

static void test_kept(void **unused) {
    (void)unused;
    const char *path = scratch_path("kept.db");
    struct watch_state *state = open_state(path);

    assert_true(watch_state_is_kept(state));
    add(state, 1, ISSUANCE_PENDING);
    add(state, 2, ISSUANCE_OPEN);
    watch_state_close(state);
    state = open_state(path);
    assert_counts(state, 2, 1, 1);
    assert_int_equal(find(state, 1).look_ms, 1001);
    assert_int_equal(find(state, 2).turn, 1);
    add(state, 3, ISSUANCE_OPEN);
    assert_int_equal(find(state, 3).turn, 2); /* behind those of before */
    watch_state_close(state);
}

static void test_locked(void **unused) {
    (void)unused;
    const char *path = scratch_path("locked.db");
    struct watch_state *state = open_state(path);
    int status;

    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct watch_state *other;
        enum error error = watch_state_open(&other, path, &failure);
        _exit(error == (enum error)EBUSY && strstr(failure.text, "used by another trawl") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    add(state, 1, ISSUANCE_PENDING);
    watch_state_close(state);
}

static void test_not_ours(void **unused) {
    (void)unused;
    const char *path = scratch_path("other.db");
    size_t before, after;

    execute(path, "CREATE TABLE theirs(x)");
    char *bytes = read_whole(path, &before);
    assert_refused(path, ERROR_INPUT, "no state of trawl watch");
    char *same = read_whole(path, &after);
    assert_int_equal(before, after);
    assert_memory_equal(bytes, same, before);
    free(bytes);
    free(same);
    FILE *file = fopen(scratch_path("text.db"), "w");
    for (int i = 0; i < 100; i++)
        fputs("this is no database at all\n", file);
    fclose(file);
    assert_refused(scratch_path("text.db"), ERROR_INPUT, "not a database");
    assert_refused(scratch, (enum error)EISDIR, "cannot open");
    assert_refused(scratch_path("no/such/folder.db"), (enum error)ENOENT, "cannot open");
}

static void test_newer(void **unused) {
    (void)unused;
    const char *path = scratch_path("newer.db");

    watch_state_close(open_state(path));
    execute(path, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 2");
    assert_refused(path, ERROR_INPUT, "version 2");
}

/* --- Positions and sinks --- */

static void save_position(struct watch_state *state, uint64_t committed, const char *saved) {
    struct saved_position position = {committed, committed - 1, committed + 1, slice_of(saved)};

    OK(watch_state_begin(state, &failure));
    OK(watch_state_save_position(state, slice_of("log"), &position, &failure));
    OK(watch_state_commit(state, &failure));
}

static void test_positions(void **unused) {
    (void)unused;
    const char *path = scratch_path("positions.db");
    struct watch_state *state = open_state(path);
    struct wanted_position wanted = find_position(state, slice_of("log"));

    assert_false(wanted.found);
    save_position(state, 10, "ten");
    save_position(state, UINT64_C(1) << 62, "many");
    watch_state_close(state);
    state = open_state(path);
    wanted = find_position(state, slice_of("log"));
    assert_true(wanted.found);
    assert_int_equal(wanted.position.committed, UINT64_C(1) << 62);
    assert_int_equal(wanted.position.verified, (UINT64_C(1) << 62) - 1);
    assert_int_equal(wanted.position.head, (UINT64_C(1) << 62) + 1);
    assert_true(slice_is(wanted.position.saved, "many"));
    buffer_deinit(&wanted.bytes);
    watch_state_close(state);
}

static struct saved_sink use_sink(struct watch_state *state, const char *spec) {
    struct saved_sink sink;

    OK(watch_state_use_sink(state, spec, &sink, &failure));
    return sink;
}

static void test_sinks(void **unused) {
    (void)unused;
    const char *path = scratch_path("sinks.db");
    struct watch_state *state = open_state(path);
    struct saved_sink a = use_sink(state, "a.jsonl"), b = use_sink(state, "webhook+https://k:s@h");

    assert_int_not_equal(a.number, b.number);
    assert_int_equal(a.file, 0);
    b.file = 7;
    b.bytes = 1234567;
    OK(watch_state_begin(state, &failure));
    OK(watch_state_save_sink(state, &b, &failure));
    OK(watch_state_commit(state, &failure));
    watch_state_close(state);
    state = open_state(path); /* in another order */
    struct saved_sink again = use_sink(state, "webhook+https://k:s@h");
    assert_int_equal(again.number, b.number);
    assert_int_equal(again.file, 7);
    assert_int_equal(again.bytes, 1234567);
    assert_int_equal(use_sink(state, "a.jsonl").number, a.number);
    watch_state_close(state);
    size_t len;
    char *bytes = read_whole(path, &len);
    assert_null(memmem(bytes, len, "k:s@h", 5)); /* no secret in the file */
    free(bytes);
}

/* The number of a sink that is not used any more is given away, and what it had is forgotten. */
static void test_sinks_without_end(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);
    struct saved_sink first = use_sink(state, "first");
    int64_t id = add(state, 1, ISSUANCE_OPEN);
    uint64_t numbers = 0;
    char spec[32];
    bool all;

    OK(watch_state_begin(state, &failure));
    OK(watch_state_tell(state, id, first.number, UINT64_MAX >> 1, ISSUANCE_DONE, &all, &failure));
    OK(watch_state_commit(state, &failure));
    assert_waiting(state, ISSUANCE_OPEN, 0, UINT64_C(1) << first.number, "");
    for (int i = 0; i < STATE_SINKS_MAX; i++) {
        usleep(2000); /* a time of its own */
        snprintf(spec, sizeof spec, "sink %d", i);
        struct saved_sink sink = use_sink(state, spec);
        assert_in_range(sink.number, 0, STATE_SINKS_MAX - 1);
        numbers |= UINT64_C(1) << sink.number;
    }
    assert_int_equal(numbers, (UINT64_C(1) << STATE_SINKS_MAX) - 1);
    assert_waiting(state, ISSUANCE_OPEN, 0, UINT64_C(1) << first.number, "1");
    watch_state_close(state);
}

/* --- Issuances --- */

static void test_stages(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);
    struct issuance row;
    bool all;

    add(state, 1, ISSUANCE_PENDING);
    add(state, 2, ISSUANCE_SETTLED);
    assert_counts(state, 2, 1, 1);
    row = find(state, 1);
    assert_true(slice_is(row.record, "record"));
    assert_int_equal(row.turn, 0);
    row.record = slice_of("record");
    OK(watch_state_begin(state, &failure));
    OK(watch_state_settle(state, &row, ISSUANCE_SETTLED, &failure));
    OK(watch_state_commit(state, &failure));
    assert_counts(state, 2, 0, 2);
    assert_waiting(state, ISSUANCE_SETTLED, 0, 0, "21"); /* in the order of their verdicts */
    OK(watch_state_begin(state, &failure));
    row = find(state, 1);
    OK(watch_state_advance(state, &row, ISSUANCE_OPEN, &failure));
    OK(watch_state_tell(state, row.id, 3, 0x28, ISSUANCE_TOLD, &all, &failure));
    assert_false(all);
    OK(watch_state_tell(state, row.id, 3, 0x28, ISSUANCE_TOLD, &all, &failure)); /* twice */
    assert_false(all);
    OK(watch_state_commit(state, &failure));
    assert_waiting(state, ISSUANCE_OPEN, 0, 0x08, "");
    assert_waiting(state, ISSUANCE_OPEN, 0, 0x20, "1");
    OK(watch_state_begin(state, &failure));
    OK(watch_state_tell(state, row.id, 5, 0x28, ISSUANCE_TOLD, &all, &failure));
    assert_true(all);
    OK(watch_state_tell(state, row.id, 5, 0x28, ISSUANCE_TOLD, &all, &failure)); /* once more */
    assert_false(all);
    OK(watch_state_commit(state, &failure));
    assert_counts(state, 2, 0, 2);
    row = find(state, 1);
    assert_int_equal(row.stage, ISSUANCE_TOLD);
    OK(watch_state_begin(state, &failure));
    OK(watch_state_advance(state, &row, ISSUANCE_DONE, &failure));
    OK(watch_state_commit(state, &failure));
    assert_counts(state, 2, 0, 1);
    watch_state_close(state);
}

static void test_due(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);
    struct visited visited = {.most = 16};

    for (uint8_t number = 5; number > 0; number--)
        add(state, number, ISSUANCE_PENDING);
    assert_int_equal(watch_state_next_due(state), 1001);
    OK(watch_state_due(state, 1000, 16, visit, &visited, &failure));
    assert_int_equal(visited.count, 0);
    OK(watch_state_due(state, 1003, 16, visit, &visited, &failure));
    assert_int_equal(visited.count, 3);
    assert_memory_equal(visited.numbers, "\1\2\3", 3);
    struct issuance row = find(state, 1);
    row.look_ms = 5000;
    row.record = slice_of("record");
    OK(watch_state_begin(state, &failure));
    OK(watch_state_look_later(state, &row, &failure));
    OK(watch_state_commit(state, &failure));
    assert_int_equal(watch_state_next_due(state), 1002);
    OK(watch_state_begin(state, &failure));
    OK(watch_state_look_by(state, 900, &failure));
    OK(watch_state_commit(state, &failure));
    visited = (struct visited){.most = 16};
    OK(watch_state_due(state, 900, 4, visit, &visited, &failure));
    assert_int_equal(visited.count, 4);
    watch_state_close(state);
}

static void test_prune(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);
    uint32_t forgotten;

    for (uint8_t number = 1; number <= 5; number++)
        add(state, number, number == 1 ? ISSUANCE_OPEN : ISSUANCE_DONE);
    OK(watch_state_begin(state, &failure));
    OK(watch_state_prune(state, 3005, 2, &forgotten, &failure));
    assert_int_equal(forgotten, 2);
    OK(watch_state_prune(state, 3005, 2, &forgotten, &failure));
    assert_int_equal(forgotten, 1);
    OK(watch_state_commit(state, &failure));
    assert_counts(state, 2, 0, 1);
    assert_true(has(state, 1)); /* nobody has it yet */
    assert_true(has(state, 5)); /* not so old */
    watch_state_close(state);
}

/* A run with other sinks, or without the database, than the one before. */
static void test_adopt(void **unused) {
    (void)unused;
    struct watch_state *state = open_state(NULL);
    bool all;

    add(state, 1, ISSUANCE_SETTLED);
    int64_t told = add(state, 2, ISSUANCE_OPEN);
    add(state, 3, ISSUANCE_TOLD);
    add(state, 4, ISSUANCE_PENDING);
    OK(watch_state_begin(state, &failure));
    OK(watch_state_tell(state, told, 0, 3, ISSUANCE_TOLD, &all, &failure));
    OK(watch_state_commit(state, &failure));
    OK(watch_state_adopt(state, 3, true, &failure));
    assert_counts(state, 4, 1, 3);
    assert_int_equal(find(state, 2).stage, ISSUANCE_OPEN);
    OK(watch_state_adopt(state, 1, true, &failure)); /* the second sink is gone */
    assert_int_equal(find(state, 2).stage, ISSUANCE_TOLD);
    assert_int_equal(find(state, 1).stage, ISSUANCE_SETTLED);
    OK(watch_state_adopt(state, 1, false, &failure));
    assert_int_equal(find(state, 1).stage, ISSUANCE_OPEN);
    assert_int_equal(find(state, 2).stage, ISSUANCE_DONE);
    assert_int_equal(find(state, 3).stage, ISSUANCE_DONE);
    assert_counts(state, 4, 1, 1);
    watch_state_close(state);
}

/* --- A disk that fails --- */

static enum error try_to_add(struct watch_state *state, uint8_t number) {
    struct issuance issuance = issuance_of(number, ISSUANCE_OPEN, "record");
    enum error error = watch_state_begin(state, &failure);

    if (!error)
        error = watch_state_add(state, &issuance, &failure);
    if (error) {
        watch_state_rollback(state);
        return error;
    }
    return watch_state_commit(state, &failure);
}

static void test_full_disk(void **unused) {
    (void)unused;
    const char *path = scratch_path("full.db");
    struct watch_state *state = open_state(path);

    assert_int_equal(try_to_add(state, 1), ERROR_NONE);
    for (int after = 0; after < 6; after++) {
        atomic_store(&faulty_after, after);
        atomic_store(&faulty_write, SQLITE_FULL);
        enum error error = try_to_add(state, 2);
        atomic_store(&faulty_write, SQLITE_OK);
        if (error == ERROR_NONE)
            break; /* so many writes are enough */
        assert_int_equal(error, ENOSPC);
        assert_non_null(strstr(failure.text, "the disk is full"));
        assert_counts(state, 1, 0, 1);
        assert_false(has(state, 2));
    }
    assert_true(atomic_load(&faulty_failures) > 0);
    if (!has(state, 2))
        assert_int_equal(try_to_add(state, 2), ERROR_NONE);
    assert_counts(state, 2, 0, 2);
    assert_int_equal(try_to_add(state, 2) == ERROR_NONE, 0); /* an issuance has one row */
    assert_counts(state, 2, 0, 2);
    watch_state_close(state);
    state = open_state(path);
    assert_counts(state, 2, 0, 2);
    assert_waiting(state, ISSUANCE_OPEN, 0, 0, "12");
    watch_state_close(state);
}

static int setup(void **unused) {
    faulty_install();
    return scratch_setup(unused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory), cmocka_unit_test(test_kept),
        cmocka_unit_test(test_locked),    cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_newer),     cmocka_unit_test(test_positions),
        cmocka_unit_test(test_sinks),     cmocka_unit_test(test_sinks_without_end),
        cmocka_unit_test(test_stages),    cmocka_unit_test(test_due),
        cmocka_unit_test(test_prune),     cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
