/* What a checkpoint promises: nothing that was marked is lost, nothing else appears done, whenever
 * the process was killed. */
#include "tools/trawl/checkpoint.h"

#include "engine/base/random.h"
#include "tests/unit/sinks/small_disk.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

enum { WORD = 32, WINDOW = CHECKPOINT_WINDOW };

static struct failure failure;

static int empty(void **state) {
    (void)state;
    scratch_empty();
    return 0;
}

static struct checkpoint_identity identity_of(uint32_t sink_count) {
    return (struct checkpoint_identity){.digest = "a sweep", .seed = 7, .sinks = sink_count};
}

static struct checkpoint *open_it(const char *name, uint32_t sink_count) {
    struct checkpoint_identity identity = identity_of(sink_count);
    struct checkpoint *checkpoint;
    if (checkpoint_open(&checkpoint, scratch_path(name), &identity, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_int_equal(identity.seed, 7);
    return checkpoint;
}

static void mark_one(struct checkpoint *checkpoint, uint32_t sink, uint64_t ticket) {
    checkpoint_mark(checkpoint, sink, &ticket, 1, (struct sink_position){1, ticket});
}

static void mark_range(struct checkpoint *checkpoint, uint32_t sink, uint64_t from, uint64_t to) {
    for (uint64_t ticket = from; ticket <= to; ticket++)
        mark_one(checkpoint, sink, ticket);
}

static void refused_as(const char *name, struct checkpoint_identity identity, enum error error,
                       const char *words) {
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(&checkpoint, scratch_path(name), &identity, &failure), error);
    assert_null(checkpoint);
    assert_int_equal(failure.code, error);
    if (!strstr(failure.text, words) || !strstr(failure.text, name))
        fail_msg("%s", failure.text);
}

static void refused(const char *name, enum error error, const char *words) {
    refused_as(name, identity_of(1), error, words);
}

static void put_bytes(const char *name, const void *bytes, size_t len, size_t zeros) {
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(ftruncate(fd, (off_t)(len + zeros)), 0);
    close(fd);
}

/* --- Marks --- */

static void a_new_sweep(void **state) {
    (void)state;
    struct checkpoint *checkpoint = open_it("c", 2);
    assert_int_equal(checkpoint_done_before(checkpoint), 0);
    for (uint64_t ticket = 1; ticket < 100; ticket++) {
        assert_false(checkpoint_is_done(checkpoint, ticket));
        assert_true(checkpoint_has_room(checkpoint, ticket));
    }
    for (uint32_t sink = 0; sink < 2; sink++) {
        struct sink_position position = checkpoint_position(checkpoint, sink);
        assert_true(position.file == 0 && position.bytes == 0);
    }
    checkpoint_close(checkpoint);
    checkpoint_close(NULL);
}

static void marked_in_any_order(void **state) {
    (void)state;
    static const uint64_t tickets[] = {77, 1, 33, 32, 64, WINDOW, 2};
    struct checkpoint *checkpoint = open_it("c", 1);
    checkpoint_mark(checkpoint, 0, tickets, 4, (struct sink_position){42, 1000});
    checkpoint_mark(checkpoint, 0, tickets + 4, 3, (struct sink_position){42, 1700});
    checkpoint_mark(checkpoint, 0, tickets, 7, (struct sink_position){42, 1900}); /* again */
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", 1);
    assert_int_equal(checkpoint_done_before(checkpoint), 7);
    for (uint64_t ticket = 1; ticket <= WINDOW; ticket++) {
        bool marked = false;
        for (size_t i = 0; i < 7; i++)
            marked |= tickets[i] == ticket;
        if (checkpoint_is_done(checkpoint, ticket) != marked)
            fail_msg("ticket %llu", (unsigned long long)ticket);
    }
    assert_int_equal(checkpoint_position(checkpoint, 0).file, 42);
    assert_int_equal(checkpoint_position(checkpoint, 0).bytes, 1900);
    checkpoint_close(checkpoint);
}

/* The window moves word by word: the 32 tickets of a word make room for those a window later. */
static void the_window_wraps(void **state) {
    (void)state;
    enum { GENERATIONS = 3 };
    struct checkpoint *checkpoint = open_it("c", 1);
    for (uint64_t first = 1; first < (uint64_t)GENERATIONS * WINDOW; first += WORD) {
        uint64_t later = first + WINDOW;
        assert_true(checkpoint_has_room(checkpoint, first));
        assert_false(checkpoint_has_room(checkpoint, later));
        mark_range(checkpoint, 0, first + 1, first + WORD - 1);
        assert_false(checkpoint_has_room(checkpoint, later));
        assert_false(checkpoint_is_done(checkpoint, first));
        mark_one(checkpoint, 0, first);
        assert_true(checkpoint_is_done(checkpoint, first));
        assert_true(checkpoint_has_room(checkpoint, later + WORD - 1));
        assert_false(checkpoint_is_done(checkpoint, later));
        assert_false(checkpoint_has_room(checkpoint, later + WINDOW));
    }
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", 1);
    assert_int_equal(checkpoint_done_before(checkpoint), (uint64_t)GENERATIONS * WINDOW);
    for (uint64_t ticket = 1; ticket <= (uint64_t)GENERATIONS * WINDOW; ticket += 1013)
        assert_true(checkpoint_is_done(checkpoint, ticket));
    assert_false(checkpoint_is_done(checkpoint, (uint64_t)GENERATIONS * WINDOW + 1));
    checkpoint_close(checkpoint);
}

/* A ticket is done, and its word free, when the slowest sink has it. */
static void the_slowest_sink_counts(void **state) {
    (void)state;
    struct checkpoint *checkpoint = open_it("c", 3);
    mark_range(checkpoint, 0, 1, WORD);
    mark_range(checkpoint, 1, 1, WORD - 1);
    mark_range(checkpoint, 2, 2, WORD);
    for (uint64_t ticket = 1; ticket <= WORD; ticket++)
        assert_int_equal(checkpoint_is_done(checkpoint, ticket), ticket > 1 && ticket < WORD);
    assert_false(checkpoint_has_room(checkpoint, WINDOW + 1));
    mark_one(checkpoint, 1, WORD);
    assert_false(checkpoint_has_room(checkpoint, WINDOW + 1));
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", 3);
    assert_int_equal(checkpoint_done_before(checkpoint), WORD - 1);
    mark_one(checkpoint, 2, 1);
    assert_true(checkpoint_has_room(checkpoint, WINDOW + 1));
    mark_one(checkpoint, 0, WINDOW + 3);
    assert_true(checkpoint_is_done(checkpoint, WORD));
    assert_false(checkpoint_is_done(checkpoint, WINDOW + 3));
    mark_one(checkpoint, 0, 5); /* probed once more because another sink had not had it */
    mark_one(checkpoint, 1, WINDOW + 3);
    mark_one(checkpoint, 2, WINDOW + 3);
    assert_true(checkpoint_is_done(checkpoint, WINDOW + 3));
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", 3);
    assert_int_equal(checkpoint_done_before(checkpoint), WORD + 1);
    checkpoint_close(checkpoint);
}

static void positions_are_apart(void **state) {
    (void)state;
    struct checkpoint *checkpoint = open_it("c", CHECKPOINT_SINKS_MAX);
    for (uint32_t sink = 0; sink < CHECKPOINT_SINKS_MAX; sink++)
        checkpoint_mark(checkpoint, sink, NULL, 0, (struct sink_position){sink + 1, 100 + sink});
    checkpoint_mark(checkpoint, 3, NULL, 0, (struct sink_position){99, 5}); /* rotated */
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", CHECKPOINT_SINKS_MAX);
    for (uint32_t sink = 0; sink < CHECKPOINT_SINKS_MAX; sink++) {
        struct sink_position position = checkpoint_position(checkpoint, sink);
        assert_int_equal(position.file, sink == 3 ? 99 : sink + 1);
        assert_int_equal(position.bytes, sink == 3 ? 5 : 100 + sink);
    }
    assert_int_equal(checkpoint_done_before(checkpoint), 0);
    checkpoint_close(checkpoint);
}

/* --- The file --- */

static void the_first_sweeps_seed_holds(void **state) {
    (void)state;
    struct checkpoint_identity identity = identity_of(1);
    struct checkpoint *checkpoint = open_it("c", 1);
    checkpoint_close(checkpoint);
    identity.seed = 12345;
    assert_int_equal(checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure), 0);
    assert_int_equal(identity.seed, 7);
    checkpoint_close(checkpoint);
}

static void of_another_sweep(void **state) {
    (void)state;
    struct checkpoint_identity other = identity_of(1);
    struct checkpoint *checkpoint = open_it("c", 1);
    mark_one(checkpoint, 0, 1);
    checkpoint_close(checkpoint);
    other.digest[31] ^= 1;
    refused_as("c", other, ERROR_USAGE, "give the same ones, or remove it to begin anew");
    refused_as("c", identity_of(2), ERROR_USAGE, "is no checkpoint of this sweep");
    checkpoint = open_it("c", 1);
    assert_int_equal(checkpoint_done_before(checkpoint), 1);
    checkpoint_close(checkpoint);
}

static void in_use(void **state) {
    (void)state;
    struct checkpoint *checkpoint = open_it("c", 1);
    refused("c", ERROR_USAGE, "is in use by another trawl");
    mark_one(checkpoint, 0, 9);
    checkpoint_close(checkpoint);
    checkpoint = open_it("c", 1);
    assert_true(checkpoint_is_done(checkpoint, 9));
    checkpoint_close(checkpoint);
}

static void removed_when_complete(void **state) {
    (void)state;
    struct checkpoint *checkpoint = open_it("c", 1);
    mark_one(checkpoint, 0, 1);
    checkpoint_remove(checkpoint);
    checkpoint_close(checkpoint);
    assert_int_equal(access(scratch_path("c"), F_OK), -1);
    checkpoint = open_it("c", 1);
    assert_int_equal(checkpoint_done_before(checkpoint), 0);
    checkpoint_close(checkpoint);
}

/* Somebody's own file, named by mistake, stays as it is. */
static void files_that_are_no_checkpoints(void **state) {
    (void)state;
    static const char text[] = "192.0.2.1\n192.0.2.2\n", no_text[64];
    size_t len, again;
    struct checkpoint *checkpoint = open_it("c", 1);
    checkpoint_close(checkpoint);
    char *whole = read_whole(scratch_path("c"), &len);
    static const struct {
        const char *bytes;
        size_t len, zeros;
    } foreign[] = {{text, sizeof text - 1, 0},        {text, 3, 0},    {"TRAWLCKPx", 9, 0},
                   {"TRAWLCKP", 8, 1 << 20},          {no_text, 1, 0}, {no_text, 8, 0},
                   {no_text, sizeof no_text, 1 << 20}};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        put_bytes("f", foreign[i].bytes, foreign[i].len, foreign[i].zeros);
        char *before = read_whole(scratch_path("f"), &len);
        refused("f", ERROR_USAGE, "is no checkpoint of this sweep");
        char *after = read_whole(scratch_path("f"), &again);
        assert_int_equal(len, again);
        assert_memory_equal(before, after, len);
        free(before);
        free(after);
    }
    free(whole);
    whole = read_whole(scratch_path("c"), &len);
    put_bytes("f", whole, len - 1, 0);
    refused("f", ERROR_USAGE, "is no checkpoint of this sweep");
    put_bytes("f", whole, len, 1);
    refused("f", ERROR_USAGE, "is no checkpoint of this sweep");
    whole[8] ^= 2; /* the version */
    put_bytes("f", whole, len, 0);
    refused("f", ERROR_USAGE, "is of a sweep with other");
    free(whole);
}

/* Killed while it was made: nothing was marked in it yet. */
static void a_file_that_was_never_finished(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 100, 4096, 1 << 20};
    size_t len;
    struct checkpoint *checkpoint = open_it("c", 1);
    checkpoint_close(checkpoint);
    char *whole = read_whole(scratch_path("c"), &len);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(whole, "TRAWLNEW", 8);
        put_bytes("f", whole, lengths[i] < 4096 ? lengths[i] : 4096,
                  lengths[i] < 4096 ? 0 : lengths[i] - 4096);
        checkpoint = open_it("f", 1);
        assert_int_equal(checkpoint_done_before(checkpoint), 0);
        mark_one(checkpoint, 0, 3);
        checkpoint_close(checkpoint);
        checkpoint = open_it("f", 1);
        assert_int_equal(checkpoint_done_before(checkpoint), 1);
        checkpoint_close(checkpoint);
    }
    free(whole);
}

static void places_where_it_cannot_be(void **state) {
    (void)state;
    refused("none/c", (enum error)ENOENT, "cannot be used: No such file");
    assert_int_equal(mkdir(scratch_path("folder"), 0700), 0);
    refused("folder", (enum error)EISDIR, "cannot be used: Is a directory");
    assert_int_equal(mkfifo(scratch_path("pipe"), 0600), 0);
    refused("pipe", (enum error)ESPIPE, "cannot be used");
    assert_int_equal(symlink("/dev/null", scratch_path("null")), 0);
    refused("null", (enum error)EINVAL, "cannot be used");
}

/* Every block is there from the start, or the sweep does not begin: a mapped page that finds no
 * room later would end the process. */
static int over_the_file_size_limit(void) {
    struct rlimit limit = {1 << 19, 1 << 19};
    struct checkpoint_identity identity = identity_of(1);
    struct checkpoint *checkpoint;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(1, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(2, checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure) ==
                 (enum error)EFBIG);
    CHECK(3, !checkpoint && strstr(failure.text, "File too large"));
    return CHILD_OK;
}

static void no_larger_than_files_may_be(void **state) {
    (void)state;
    in_child(over_the_file_size_limit);
    checkpoint_close(open_it("c", 1));
}

static int full_disk(void) {
    struct checkpoint_identity identity = identity_of(1);
    struct checkpoint *checkpoint;
    static const size_t room[] = {0, 4096, 1 << 19};
    if (!mount_small("size=4m"))
        return CHILD_SKIPPED;
    for (int i = 0; i < 3; i++) {
        CHECK(1, fill("filler", room[i]));
        CHECK(2, checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure) ==
                     (enum error)ENOSPC);
        CHECK(3, !checkpoint && strstr(failure.text, "No space left"));
    }
    CHECK(4, unlink(scratch_path("filler")) == 0);
    CHECK(5, !checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure));
    (void)fill("filler", 0);
    for (uint64_t ticket = 1; ticket <= WINDOW; ticket++)
        mark_one(checkpoint, 0, ticket);
    checkpoint_close(checkpoint);
    CHECK(6, !checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure));
    CHECK(7, checkpoint_done_before(checkpoint) == WINDOW);
    checkpoint_close(checkpoint);
    return CHILD_OK;
}

static void a_full_disk_is_told_at_the_start(void **state) {
    (void)state;
    in_child(full_disk);
}

/* --- Killed at any point --- */

/* Marks in a child, which is stopped after every instruction. Whatever the file holds then must be
 * a state that a sweep can go on from. */
static const uint64_t first_tickets[] = {3, 1, 2, 70, 71}, more_tickets[] = {70, 4, 100, 5, 33, 6};
static const struct sink_position first_position = {11, 500}, rotated_position = {12, 900};
static bool rotates; /* the second batch went to a new file */

enum { STEPS_MAX = 2000000, HEAD_BYTES = 4096, WATCHED_BYTES = HEAD_BYTES + 64 };

static struct sink_position last_position(void) {
    return rotates ? rotated_position : (struct sink_position){11, 900};
}

static int mark_under_trace(void) {
    struct checkpoint_identity identity = identity_of(1);
    struct checkpoint *checkpoint;
    if (checkpoint_open(&checkpoint, scratch_path("c"), &identity, &failure) != ERROR_NONE)
        return 1;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        return CHILD_SKIPPED;
    raise(SIGSTOP);
    checkpoint_mark(checkpoint, 0, more_tickets, 6, last_position());
    raise(SIGSTOP);
    return CHILD_OK;
}

static bool is_among(uint64_t ticket, const uint64_t *tickets, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (tickets[i] == ticket)
            return true;
    return false;
}

/* What somebody sees who goes on from there. Returns how many tickets of the second batch count. */
static uint32_t check_state(const uint8_t *bytes, size_t size) {
    uint32_t more = 0;
    put_bytes("copy", bytes, size, 0);
    struct checkpoint *checkpoint = open_it("copy", 1);
    for (uint64_t ticket = 1; ticket <= 512; ticket++) {
        bool first = is_among(ticket, first_tickets, 5), second = is_among(ticket, more_tickets, 6);
        bool done = checkpoint_is_done(checkpoint, ticket);
        assert_true(done || !first);
        assert_true(!done || first || second);
        more += done && !first;
    }
    assert_int_equal(checkpoint_done_before(checkpoint), 5 + more);
    struct sink_position position = checkpoint_position(checkpoint, 0), last = last_position();
    if (more) { /* the bytes of what is done are all behind the position */
        assert_int_equal(position.file, last.file);
        assert_int_equal(position.bytes, last.bytes);
    } else if (position.file == first_position.file) { /* no record of the first batch is cut */
        assert_true(position.bytes >= first_position.bytes || rotates);
    } else { /* what the new file holds is written once more */
        assert_int_equal(position.file, last.file);
        assert_true(position.bytes == 0 || position.bytes == last.bytes);
    }
    checkpoint_close(checkpoint);
    return more;
}

static void kill_after_every_instruction(void) {
    int status, stops = 0;
    struct checkpoint *checkpoint = open_it("c", 1);
    checkpoint_mark(checkpoint, 0, first_tickets, 5, first_position);
    checkpoint_close(checkpoint);
    int fd = open(scratch_path("c"), O_RDONLY | O_CLOEXEC);
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    const uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    static uint8_t before[WATCHED_BYTES];
    assert_true(bytes != MAP_FAILED);
    uint32_t states = 0, more = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(mark_under_trace());
    memcpy(before, bytes, WATCHED_BYTES);
    for (int step = 0; step < STEPS_MAX && stops < 2; step++) {
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
            break;
        stops += WSTOPSIG(status) == SIGSTOP;
        if (memcmp(before, bytes, WATCHED_BYTES) != 0) {
            memcpy(before, bytes, WATCHED_BYTES);
            uint32_t now = check_state(bytes, size);
            assert_true(now >= more);
            more = now;
            states++;
        }
        ptrace(stops < 2 ? PTRACE_SINGLESTEP : PTRACE_KILL, child, NULL, NULL);
    }
    munmap((void *)bytes, size);
    close(fd);
    if (stops < 2 && WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    assert_int_equal(stops, 2);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(more, 5);
    assert_true(states >= more + 1); /* it was seen between the steps */
}

static void killed_while_it_marks(void **state) {
    (void)state;
    rotates = false;
    kill_after_every_instruction();
}

static void killed_while_it_enters_a_new_file(void **state) {
    (void)state;
    rotates = true;
    kill_after_every_instruction();
}

/* --- Against a simple model --- */

/* A few words of the window over several generations; the model holds what each sink has. */
enum { MODEL_WORDS = 4, MODEL_GENERATIONS = 5, MODEL_SINKS = 3, OPERATIONS = 4000, SEEDS = 12 };

static const uint32_t model_words[MODEL_WORDS] = {0, 1, 777, WINDOW / WORD - 1};

struct model {
    uint32_t sinks;
    uint32_t done[MODEL_SINKS][MODEL_WORDS][MODEL_GENERATIONS];
    struct sink_position positions[MODEL_SINKS];
};

static uint64_t ticket_at(uint32_t word, uint32_t generation, uint32_t bit) {
    return (uint64_t)generation * WINDOW + (uint64_t)model_words[word] * WORD + bit + 1;
}

static uint32_t model_done(const struct model *model, uint32_t word, uint32_t generation) {
    uint32_t done = UINT32_MAX;
    for (uint32_t sink = 0; sink < model->sinks; sink++)
        done &= model->done[sink][word][generation];
    return done;
}

static bool model_has_room(const struct model *model, uint32_t word, uint32_t generation) {
    return generation == 0 || model_done(model, word, generation - 1) == UINT32_MAX;
}

static void compare(const struct model *model, const struct checkpoint *checkpoint) {
    for (uint32_t word = 0; word < MODEL_WORDS; word++)
        for (uint32_t generation = 0; generation < MODEL_GENERATIONS; generation++) {
            uint32_t done = model_done(model, word, generation);
            for (uint32_t bit = 0; bit < WORD; bit++) {
                uint64_t ticket = ticket_at(word, generation, bit);
                assert_int_equal(checkpoint_is_done(checkpoint, ticket), done >> bit & 1);
                assert_int_equal(checkpoint_has_room(checkpoint, ticket),
                                 model_has_room(model, word, generation));
            }
        }
    for (uint32_t sink = 0; sink < model->sinks; sink++) {
        struct sink_position position = checkpoint_position(checkpoint, sink);
        assert_int_equal(position.file, model->positions[sink].file);
        assert_int_equal(position.bytes, model->positions[sink].bytes);
    }
}

static uint64_t model_count(const struct model *model) {
    uint64_t count = 0;
    for (uint32_t word = 0; word < MODEL_WORDS; word++)
        for (uint32_t generation = 0; generation < MODEL_GENERATIONS; generation++)
            count += (uint64_t)__builtin_popcount(model_done(model, word, generation));
    return count;
}

/* One batch of one sink: tickets that the feeder may have given out, some of them once more. */
static void mark_some(struct model *model, struct checkpoint *checkpoint, struct random *random) {
    uint64_t tickets[40];
    size_t count = 0, wanted = 1 + random_below(random, 40);
    uint32_t sink = (uint32_t)random_below(random, model->sinks);
    struct sink_position *position = &model->positions[sink];
    for (size_t i = 0; i < wanted; i++) {
        uint32_t word = (uint32_t)random_below(random, MODEL_WORDS), generation = 0;
        while (generation + 1 < MODEL_GENERATIONS && model_has_room(model, word, generation + 1))
            generation++;
        if (generation && random_below(random, 20) == 0)
            generation--;
        uint32_t bit = (uint32_t)random_below(random, WORD);
        model->done[sink][word][generation] |= UINT32_C(1) << bit;
        tickets[count++] = ticket_at(word, generation, bit);
    }
    if (position->file == 0 || random_below(random, 50) == 0)
        *position = (struct sink_position){position->file + 1, 0};
    position->bytes += 400 * count;
    checkpoint_mark(checkpoint, sink, tickets, count, *position);
}

static void run_model(uint64_t seed) {
    struct model model = {.sinks = 1 + (uint32_t)(seed % MODEL_SINKS)};
    struct random random;
    random_init(&random, seed);
    scratch_empty();
    struct checkpoint *checkpoint = open_it("c", model.sinks);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        mark_some(&model, checkpoint, &random);
        if (i % 64 == 0)
            compare(&model, checkpoint);
        if (random_below(&random, 200) == 0) {
            checkpoint_close(checkpoint);
            checkpoint = open_it("c", model.sinks);
            assert_int_equal(checkpoint_done_before(checkpoint), model_count(&model));
            compare(&model, checkpoint);
        }
    }
    /* Every word got to its last generation, or the test has tested little. */
    for (uint32_t word = 0; word < MODEL_WORDS; word++)
        assert_int_equal(model_done(&model, word, MODEL_GENERATIONS - 2), UINT32_MAX);
    checkpoint_close(checkpoint);
}

static void like_the_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run_model(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_sweep, empty),
        cmocka_unit_test_setup(marked_in_any_order, empty),
        cmocka_unit_test_setup(the_window_wraps, empty),
        cmocka_unit_test_setup(the_slowest_sink_counts, empty),
        cmocka_unit_test_setup(positions_are_apart, empty),
        cmocka_unit_test_setup(the_first_sweeps_seed_holds, empty),
        cmocka_unit_test_setup(of_another_sweep, empty),
        cmocka_unit_test_setup(in_use, empty),
        cmocka_unit_test_setup(removed_when_complete, empty),
        cmocka_unit_test_setup(files_that_are_no_checkpoints, empty),
        cmocka_unit_test_setup(a_file_that_was_never_finished, empty),
        cmocka_unit_test_setup(places_where_it_cannot_be, empty),
        cmocka_unit_test_setup(no_larger_than_files_may_be, empty),
        cmocka_unit_test_setup(a_full_disk_is_told_at_the_start, empty),
        cmocka_unit_test_setup(killed_while_it_marks, empty),
        cmocka_unit_test_setup(killed_while_it_enters_a_new_file, empty),
        cmocka_unit_test_setup(like_the_model, empty),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
