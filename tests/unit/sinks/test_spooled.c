/* A sink that loses nothing, over scripted sinks of both sorts: order, pauses, slowness, dead
 * letters, errors of all kinds, and what a second run finds. */
#include "sinks/runner.h"
#include "sinks/spooled.h"
#include "tests/unit/sinks/scratch.h"

#include <errno.h>

enum { RING = 64 };

/* What the scripted sink answers, and what it was given. */
struct script {
    uint32_t fail_opens; /* so many of open fail */
    uint32_t fail;       /* so many calls (write) or deliveries (take) fail */
    enum error error;    /* with this; EAGAIN of a write is slowness */
    const char *refuse;  /* a batch that begins so is refused for good */
    uint32_t opens, finishes, closes;
    char got[4096];
};

static struct script script;

struct scripted {
    struct sink head;
    struct sink_delivery *held[64];
    uint32_t count;
};

static enum error scripted_open(struct sink *sink, const struct sink_config *config,
                                struct failure *failure) {
    (void)config;
    sink->encoding.encoder = &plain_encoder;
    sink->window = 4;
    script.opens++;
    if (script.fail_opens) {
        script.fail_opens--;
        return failure_set(failure, (enum error)ECONNREFUSED, "away");
    }
    return ERROR_NONE;
}

static enum error judge(struct slice bytes, struct failure *failure) {
    size_t prefix = script.refuse ? strlen(script.refuse) : 0;

    if (script.fail) {
        script.fail--;
        return failure_set(failure, script.error, "fails");
    }
    if (prefix && bytes.len >= prefix && memcmp(bytes.ptr, script.refuse, prefix) == 0)
        return failure_set(failure, ERROR_REFUSED, "not wanted");
    strncat(script.got, (const char *)bytes.ptr, bytes.len);
    return ERROR_NONE;
}

static enum error scripted_write(struct sink *sink, struct slice bytes, uint32_t records,
                                 struct failure *failure) {
    (void)sink, (void)records;
    return judge(bytes, failure);
}

static enum error scripted_tick(struct sink *sink, struct failure *failure) {
    (void)sink, (void)failure;
    return ERROR_NONE;
}

static void scripted_take(struct sink *sink, struct sink_delivery *delivery) {
    struct scripted *scripted = (struct scripted *)sink;
    scripted->held[scripted->count++] = delivery;
}

static enum error scripted_settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    struct scripted *scripted = (struct scripted *)sink;
    (void)wait_ms, (void)failure;
    for (uint32_t i = 0; i < scripted->count; i++) {
        struct sink_delivery *delivery = scripted->held[i];
        struct failure why;
        enum error error = judge(delivery->bytes, &why);
        if (error)
            sink_delivery_refuse(delivery, delivery->bytes, delivery->records, &why);
        else
            delivery->written = delivery->records;
        delivery->settled = true;
    }
    scripted->count = 0;
    return ERROR_NONE;
}

static enum error scripted_finish(struct sink *sink, struct failure *failure) {
    (void)sink, (void)failure;
    script.finishes++;
    return ERROR_NONE;
}

static void scripted_close(struct sink *sink) {
    (void)sink;
    script.closes++;
}

#define KIND(...)                                                                                  \
    {.name = "scripted",                                                                           \
     .size = sizeof(struct scripted),                                                              \
     .spools = true,                                                                               \
     .open = scripted_open,                                                                        \
     .finish = scripted_finish,                                                                    \
     .close = scripted_close,                                                                      \
     __VA_ARGS__}
static const struct sink_kind kinds[] = {
    KIND(.write = scripted_write, .tick = scripted_tick),
    KIND(.take = scripted_take, .settle = scripted_settle),
};

/* --- A run --- */

static struct sink_totals totals;
static struct sink_statistics statistics;

/* Batches "1 ", "2 " … from `first` on through a runner; returns what the sink has in the end. */
static const char *run(const struct sink_kind *kind, uint32_t first, uint32_t count) {
    struct sink_config config = {
        .spec = "scripted://host#x", .spool = scratch, .statistics = &statistics};
    struct sink_runner_hooks hooks = {.statistics = &statistics};
    struct batch_queue *queue = batch_queue_new(1, RING);
    struct sink_runner *runner;
    struct failure failure;
    struct sink *sink;

    statistics = (struct sink_statistics){0};
    script.got[0] = 0;
    if (spooled_open(&sink, kind, &config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_int_equal(sink_runner_start(&runner, sink, queue, &hooks, &failure), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct batch *batch = batch_new();
        buffer_add_format(&batch->bytes, "%u ", first + i);
        batch->records = 1;
        while (!batch_queue_push(queue, 0, batch))
            usleep(100);
    }
    if (script.fail == UINT32_MAX)
        sink_runner_abandon(runner); /* who goes on waiting gets nothing */
    batch_queue_close(queue, 0);
    sink_runner_join(runner, &totals);
    batch_queue_free(queue);
    assert_int_equal(totals.records_written, count);
    assert_int_equal(totals.records_lost + totals.records_refused, 0);
    assert_int_equal(totals.failure.code, 0);
    assert_int_equal(script.opens, script.closes);
    return script.got;
}

static uint32_t spools_left(void) {
    struct dirent **entries;
    uint32_t count = scratch_list(&entries);
    scratch_list_free(entries, count);
    return count;
}

static void straight_through(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        script = (struct script){0};
        assert_string_equal(run(&kinds[i], 1, 8), "1 2 3 4 5 6 7 8 ");
        assert_int_equal(statistics.spooled, 0);
        assert_int_equal(statistics.delivered, 8);
        assert_int_equal(spools_left(), 0);
    }
}

/* One failure: what follows waits its turn, and arrives within the run. */
static void order_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        script = (struct script){.fail = 1, .error = (enum error)ENOTCONN};
        const char *got = run(&kinds[i], 1, 6);
        if (i == 0)
            assert_string_equal(got, "1 2 3 4 5 6 ");
        assert_int_equal(strlen(got), 12);
        assert_true(statistics.spooled >= 1);
        assert_int_equal(statistics.delivered, 6);
        assert_int_equal(spools_left(), 0);
    }
}

/* It fails on: all is left, and the next run sends it first. */
static void left_for_the_next(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        script = (struct script){.fail = UINT32_MAX, .error = (enum error)ECONNREFUSED};
        script.fail_opens = i ? 0 : UINT32_MAX;
        assert_string_equal(run(&kinds[i], 1, 5), "");
        assert_int_equal(statistics.waiting, 5);
        assert_int_equal(spools_left(), 1);
        script.fail = script.fail_opens = 0;
        assert_string_equal(run(&kinds[i], 6, 3), "1 2 3 4 5 6 7 8 ");
        assert_int_equal(statistics.waiting, 0);
        assert_int_equal(statistics.delivered, 8);
        assert_int_equal(spools_left(), 0);
    }
}

/* An error that does not pass closes the sink; it is opened again. */
static void opened_again(void **state) {
    (void)state;
    script = (struct script){.fail = 1, .error = ERROR_INTERNAL};
    assert_string_equal(run(&kinds[0], 1, 4), "1 2 3 4 ");
    assert_int_equal(script.opens, 2);
}

static void dead_letters(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        script = (struct script){.refuse = "3 "};
        assert_string_equal(run(&kinds[i], 1, 5), "1 2 4 5 ");
        assert_int_equal(statistics.dead, 1);
        assert_int_equal(statistics.dead_waiting, i + 1);
        assert_int_equal(statistics.waiting, 0);
    }
}

static void options_are_parted(void **state) {
    (void)state;
    struct sink_config config = {.spec = "scripted://host#spool=off,x=1", .spool = scratch};
    struct failure failure;
    struct sink *sink;
    script = (struct script){0};
    assert_int_equal(spooled_open(&sink, &kinds[0], &config, &failure), 0);
    assert_null(sink->spool);
    assert_string_equal(sink->spec, "scripted://host#x=1");
    sink_close(sink);
    config.spec = "scripted://host#x=1,spool-max=1,y";
    assert_int_equal(spooled_open(&sink, &kinds[0], &config, &failure), ERROR_USAGE);
    config.spec = "scripted://host#spool-max=1M";
    script.fail_opens = 1;
    assert_int_equal(spooled_open(&sink, &kinds[0], &config, &failure), 0);
    assert_string_equal(sink->spec, "scripted://host");
    assert_memory_equal(sink->spool, "scripted-host-", 14);
    sink_close(sink);
}

static int setup(void **state) {
    (void)state;
    strcpy(scratch,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/trawl-test-XXXXXX" : "/tmp/trawl-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(straight_through),   cmocka_unit_test(order_is_kept),
        cmocka_unit_test(left_for_the_next),  cmocka_unit_test(opened_again),
        cmocka_unit_test(options_are_parted), cmocka_unit_test(dead_letters),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
