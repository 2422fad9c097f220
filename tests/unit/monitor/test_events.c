#include "tools/monitor/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define OK(call) assert_int_equal(call, ERROR_NONE)

static struct event_hub *hub;

static void publish(uint64_t seq) {
    char body[32];
    snprintf(body, sizeof body, "{\"n\":%llu}", (unsigned long long)seq);
    events_publish(hub, seq, (int64_t)seq * 10, "alert", slice_of(body));
}

static void assert_event(struct event_reader *reader, uint64_t seq) {
    const struct event *event;
    struct event_gap gap;
    char body[32];

    assert_int_equal(event_reader_next(reader, &event, &gap), EVENT_TAKEN);
    assert_int_equal(event->seq, seq);
    snprintf(body, sizeof body, "{\"n\":%llu}", (unsigned long long)seq);
    if (seq) {
        assert_true(slice_is(event->body, body));
        assert_true(slice_is(event->kind, "alert"));
        assert_int_equal(event->at_ms, seq * 10);
    }
    event_put(event);
}

static void assert_nothing(struct event_reader *reader) {
    const struct event *event;
    struct event_gap gap;
    assert_int_equal(event_reader_next(reader, &event, &gap), EVENT_NONE);
}

static void assert_gap(struct event_reader *reader, uint64_t from, uint64_t to) {
    const struct event *event;
    struct event_gap gap;
    assert_int_equal(event_reader_next(reader, &event, &gap), EVENT_GAP);
    assert_int_equal(gap.from, from);
    assert_int_equal(gap.to, to);
}

static struct event_reader *open_reader(void) {
    struct event_reader *reader;
    OK(event_reader_open(&reader, hub, NULL, NULL, NULL));
    return reader;
}

static int open_hub(void **state) {
    (void)state;
    return (int)event_hub_open(&hub, 100, NULL);
}

static int close_hub(void **state) {
    (void)state;
    event_hub_close(hub);
    return 0;
}

static void test_in_order(void **state) {
    struct event_reader *reader = open_reader();

    (void)state;
    assert_nothing(reader);
    publish(101);
    events_publish_live(hub, "scan", slice_of("{}"));
    publish(102);
    assert_event(reader, 101);
    assert_event(reader, 0);
    assert_event(reader, 102);
    assert_nothing(reader);
    assert_int_equal(event_hub_seq(hub), 102);
    event_reader_close(reader);
}

static void test_seek(void **state) {
    static const struct {
        uint64_t since, gap_from, first;
    } cases[] = {{103, 0, 104}, {100, 0, 101}, {99, 100, 101}, {0, 1, 101}};

    (void)state;
    for (uint64_t seq = 101; seq <= 105; seq++)
        publish(seq);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event_reader *reader = open_reader();
        event_reader_seek(reader, cases[i].since);
        if (cases[i].gap_from)
            assert_gap(reader, cases[i].gap_from, 100);
        for (uint64_t seq = cases[i].first; seq <= 105; seq++)
            assert_event(reader, seq);
        assert_nothing(reader);
        event_reader_close(reader);
    }
    /* Here already; of another store. */
    for (uint64_t since = 105; since < 200; since += 90) {
        struct event_reader *reader = open_reader();
        event_reader_seek(reader, since);
        assert_nothing(reader);
        publish(event_hub_seq(hub) + 1);
        assert_event(reader, event_hub_seq(hub));
        event_reader_close(reader);
    }
}

static void test_seek_before_any(void **state) {
    struct event_reader *reader = open_reader();

    (void)state;
    event_reader_seek(reader, 97);
    assert_gap(reader, 98, 100);
    assert_nothing(reader);
    publish(101);
    assert_event(reader, 101);
    event_reader_close(reader);
}

/* A reader that does not read misses the oldest, is told so once, and goes on. */
static void test_slow(void **state) {
    struct event_reader *slow = open_reader(), *quick = open_reader();
    const struct event *kept;
    struct event_gap gap;

    (void)state;
    publish(101);
    assert_int_equal(event_reader_next(quick, &kept, &gap), EVENT_TAKEN);
    for (uint64_t seq = 102; seq <= 100 + EVENT_RING + 10; seq++) {
        publish(seq);
        assert_event(quick, seq);
    }
    assert_gap(slow, 101, 110);
    for (uint64_t seq = 111; seq <= 100 + EVENT_RING + 10; seq++)
        assert_event(slow, seq);
    assert_nothing(slow);
    /* What somebody holds stays, though the ring has gone on. */
    assert_int_equal(kept->seq, 101);
    event_put(kept);
    /* Live ones alone: nothing of the table is missing. */
    for (int i = 0; i < EVENT_RING + 5; i++)
        events_publish_live(hub, "scan", slice_of("{}"));
    assert_int_equal(event_reader_next(slow, &kept, &gap), EVENT_GAP);
    assert_true(gap.from > gap.to);
    assert_int_equal(gap.lost, 5);
    struct event_statistics statistics;
    event_statistics(hub, &statistics);
    assert_int_equal(statistics.missed, 15);
    assert_int_equal(statistics.readers, 2);
    event_reader_close(quick);
    event_reader_close(slow);
}

static void count_wake(void *owner) {
    atomic_fetch_add((atomic_int *)owner, 1);
}

static void test_wakes_once(void **state) {
    struct event_reader *reader;
    atomic_int wakes = 0;

    (void)state;
    OK(event_reader_open(&reader, hub, count_wake, &wakes, NULL));
    publish(101);
    assert_int_equal(wakes, 0); /* it has not looked yet */
    assert_event(reader, 101);
    assert_nothing(reader);
    publish(102);
    publish(103);
    assert_int_equal(wakes, 1);
    event_reader_close(reader);
    publish(104);
    assert_int_equal(wakes, 1);
}

static void test_limit(void **state) {
    struct event_reader *readers[EVENT_READERS], *more;

    (void)state;
    for (int i = 0; i < EVENT_READERS; i++)
        readers[i] = open_reader();
    assert_int_equal(event_reader_open(&more, hub, NULL, NULL, NULL), ERROR_LIMIT);
    for (int i = 0; i < EVENT_READERS; i++)
        event_reader_close(readers[i]);
    more = open_reader();
    event_reader_close(more);
}

/* --- Threads --- */

enum { PUBLISHED = 20000, READERS = 3 };

static void *read_all(void *context) {
    uint64_t next = 101, lost = 0;
    struct event_reader *reader = context;

    while (next <= 100 + PUBLISHED) {
        const struct event *event;
        struct event_gap gap;
        switch (event_reader_next(reader, &event, &gap)) {
        case EVENT_TAKEN:
            if (event->seq) {
                assert_int_equal(event->seq, next);
                next++;
            }
            event_put(event);
            break;
        case EVENT_GAP:
            if (gap.from <= gap.to) {
                assert_int_equal(gap.from, next);
                lost += gap.to - gap.from + 1;
                next = gap.to + 1;
            }
            break;
        case EVENT_NONE:
            sched_yield();
        }
    }
    (void)lost;
    return NULL;
}

static void test_threads(void **state) {
    struct event_reader *readers[READERS];
    pthread_t threads[READERS];

    (void)state;
    for (int i = 0; i < READERS; i++) {
        readers[i] = open_reader();
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, readers[i]), 0);
    }
    for (uint64_t i = 1; i <= PUBLISHED; i++) {
        publish(100 + i);
        if (i % 7 == 0)
            events_publish_live(hub, "scan", slice_of("{}"));
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        event_reader_close(readers[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hub, close_hub)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_in_order),   TEST(test_seek),  TEST(test_seek_before_any), TEST(test_slow),
        TEST(test_wakes_once), TEST(test_limit), TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
