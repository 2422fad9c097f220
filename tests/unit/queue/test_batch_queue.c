#include "engine/queue/batch_queue.h"
#include "engine/queue/wake.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CAPACITY = 4, HOLDS = CAPACITY - 1, FOREVER_MS = 1000 * 1000 };

static struct batch *batch_of(uint32_t records) {
    struct batch *batch = batch_new();

    assert_non_null(batch);
    batch->records = records;
    buffer_add_format(&batch->bytes, "batch %u", records);
    return batch;
}

static void assert_pops(struct batch_queue *queue, uint32_t expected) {
    struct batch *batch;
    struct buffer text;

    assert_int_equal(batch_queue_pop(queue, 0, &batch), BATCH_POPPED);
    assert_int_equal(batch->records, expected);
    buffer_init(&text);
    buffer_add_format(&text, "batch %u", expected);
    assert_true(slice_equal(buffer_slice(&batch->bytes), buffer_slice(&text)));
    buffer_deinit(&text);
    batch_free(batch);
}

static void assert_nothing(struct batch_queue *queue, enum batch_pop expected) {
    struct batch *batch = NULL;

    assert_int_equal(batch_queue_pop(queue, 0, &batch), expected);
    assert_null(batch);
}

static void assert_metrics(const struct batch_queue *queue, uint64_t waiting, uint64_t full_total) {
    struct batch_queue_metrics metrics = batch_queue_metrics(queue);

    assert_int_equal(metrics.waiting, waiting);
    assert_int_equal(metrics.full_total, full_total);
}

static void test_batches(void **state) {
    (void)state;
    struct batch *batch = batch_new();

    assert_int_equal(batch->records, 0);
    assert_int_equal(batch->bytes.len, 0);
    assert_false(batch->bytes.failed);
    batch_free(batch);
    batch_free(NULL);
}

static void test_tickets(void **state) {
    (void)state;
    struct batch *batch = batch_new();
    size_t count;

    batch_tickets(batch, &count);
    assert_int_equal(count, 0);
    batch_add_ticket(batch, 7);
    batch_add_ticket(batch, 0); /* none */
    batch_add_ticket(batch, UINT64_MAX);
    const uint64_t *tickets = batch_tickets(batch, &count);
    assert_int_equal(count, 2);
    assert_int_equal(tickets[0], 7);
    assert_int_equal(tickets[1], UINT64_MAX);
    batch_free(batch);
}

static void test_order(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(1, CAPACITY);

    assert_nothing(queue, BATCH_TIMEOUT);
    for (uint32_t i = 0; i < 20; i++) { /* round the ring several times */
        assert_true(batch_queue_push(queue, 0, batch_of(2 * i)));
        assert_true(batch_queue_push(queue, 0, batch_of(2 * i + 1)));
        assert_pops(queue, 2 * i);
        assert_pops(queue, 2 * i + 1);
    }
    assert_nothing(queue, BATCH_TIMEOUT);
    batch_queue_free(queue);
}

/* A full ring of one producer is no matter of the other, and a batch that found no room stays with
 * its owner. */
static void test_full(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(2, CAPACITY);
    struct batch *refused = batch_of(100);

    assert_int_equal(batch_queue_metrics(queue).capacity, 2 * HOLDS);
    for (uint32_t i = 0; i < HOLDS; i++)
        assert_true(batch_queue_push(queue, 0, batch_of(i)));
    assert_false(batch_queue_push(queue, 0, refused));
    assert_false(batch_queue_push(queue, 0, refused));
    assert_int_equal(refused->records, 100);
    assert_metrics(queue, HOLDS, 2);
    assert_true(batch_queue_push(queue, 1, batch_of(50)));
    assert_metrics(queue, HOLDS + 1, 2);
    assert_pops(queue, 0);
    assert_true(batch_queue_push(queue, 0, refused));
    batch_queue_free(queue); /* with what is in it */
}

/* A producer that found no room is woken by the pop that makes some, and by no other. */
static void test_room(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(1, CAPACITY);
    struct batch *refused = batch_of(100);
    struct wake wake = {0};

    batch_queue_wake_on_room(queue, &wake);
    for (uint32_t i = 0; i < HOLDS; i++)
        assert_true(batch_queue_push(queue, 0, batch_of(i)));
    assert_pops(queue, 0);
    assert_true(batch_queue_push(queue, 0, batch_of(HOLDS)));
    assert_int_equal(wake_ticket(&wake), 0);
    assert_false(batch_queue_push(queue, 0, refused));
    assert_pops(queue, 1);
    assert_int_equal(wake_ticket(&wake), 1);
    assert_pops(queue, 2);
    assert_int_equal(wake_ticket(&wake), 1);
    assert_true(batch_queue_push(queue, 0, refused));
    batch_queue_free(queue);
}

/* A producer that never stops does not keep the others out. */
static void test_turns(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(3, CAPACITY);
    static const uint32_t IN_TURN[] = {0, 10, 20, 1, 21, 2};

    for (uint32_t i = 0; i < 3; i++)
        assert_true(batch_queue_push(queue, 0, batch_of(i)));
    assert_true(batch_queue_push(queue, 1, batch_of(10)));
    for (uint32_t i = 20; i < 22; i++)
        assert_true(batch_queue_push(queue, 2, batch_of(i)));
    for (size_t i = 0; i < sizeof IN_TURN / sizeof IN_TURN[0]; i++)
        assert_pops(queue, IN_TURN[i]);
    assert_nothing(queue, BATCH_TIMEOUT);
    batch_queue_free(queue);
}

static void test_close(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(2, CAPACITY);
    struct batch *batch = NULL;

    assert_true(batch_queue_push(queue, 0, batch_of(1)));
    assert_true(batch_queue_push(queue, 1, batch_of(2)));
    batch_queue_close(queue, 0);
    assert_pops(queue, 1);
    assert_pops(queue, 2);
    assert_nothing(queue, BATCH_TIMEOUT); /* the other may still push */
    assert_true(batch_queue_push(queue, 1, batch_of(3)));
    batch_queue_close(queue, 1);
    batch_queue_close(queue, 1);
    assert_pops(queue, 3);
    assert_nothing(queue, BATCH_CLOSED);
    assert_int_equal(batch_queue_pop(queue, FOREVER_MS, &batch), BATCH_CLOSED); /* at once */
    batch_queue_free(queue);
    batch_queue_free(NULL);
}

enum { PRODUCERS = 3, BATCHES = 4000 };

struct producer {
    struct batch_queue *queue;
    uint32_t number;
};

struct content {
    uint32_t producer, sequence;
};

static void *produce(void *context) {
    const struct producer *producer = context;

    for (uint32_t i = 0; i < BATCHES; i++) {
        struct batch *batch = batch_new();
        batch->records = i % 7;
        buffer_add(&batch->bytes, &(struct content){producer->number, i}, sizeof(struct content));
        while (!batch_queue_push(producer->queue, producer->number, batch))
            sched_yield();
    }
    batch_queue_close(producer->queue, producer->number);
    return NULL;
}

/* Three workers and a sink, the sink slow at times: every batch arrives once, and those of a worker
 * in their order. The waits of the sink have no end of their own, so a lost wake-up hangs. */
static void test_stress(void **state) {
    (void)state;
    struct batch_queue *queue = batch_queue_new(PRODUCERS, CAPACITY);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint32_t next[PRODUCERS] = {0}, popped = 0;

    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){queue, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (;;) {
        struct batch *batch;
        struct content content;
        enum batch_pop result = batch_queue_pop(queue, FOREVER_MS, &batch);
        if (result == BATCH_CLOSED)
            break;
        if (result == BATCH_TIMEOUT) /* wake-ups may come for nothing */
            continue;
        assert_int_equal(batch->bytes.len, sizeof content);
        memcpy(&content, batch->bytes.ptr, sizeof content);
        assert_true(content.producer < PRODUCERS);
        assert_int_equal(content.sequence, next[content.producer]++);
        assert_int_equal(batch->records, content.sequence % 7);
        batch_free(batch);
        if (popped++ % 64 == 0)
            sched_yield();
        assert_true(batch_queue_metrics(queue).waiting <= PRODUCERS * HOLDS);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], BATCHES);
    }
    assert_metrics(queue, 0, batch_queue_metrics(queue).full_total);
    batch_queue_free(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches), cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_full),
        cmocka_unit_test(test_turns),   cmocka_unit_test(test_close),
        cmocka_unit_test(test_room),    cmocka_unit_test(test_stress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
