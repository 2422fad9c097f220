#include "engine/queue/ring.h"

#include "engine/base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    uint64_t number, complement; /* each other's bits turned over, so that halves show */
};

RING_DEFINE(item)

static struct item item_of(uint64_t number) {
    return (struct item){number, ~number};
}

static bool push(struct item_ring *ring, uint64_t number) {
    struct item item = item_of(number);
    return item_ring_push(ring, &item);
}

static void assert_pops(struct item_ring *ring, bool (*pop)(struct item_ring *, struct item *),
                        uint64_t expected) {
    struct item item = {0};

    assert_true(pop(ring, &item));
    assert_int_equal(item.number, expected);
    assert_int_equal(item.complement, ~expected);
}

static void assert_order(bool (*pop)(struct item_ring *, struct item *)) {
    enum { CAPACITY = 8, HOLDS = CAPACITY - 1 };
    struct item_ring ring;
    struct item item;

    assert_true(item_ring_init(&ring, CAPACITY));
    assert_false(pop(&ring, &item));
    assert_int_equal(item_ring_size(&ring), 0);
    for (uint64_t i = 0; i < HOLDS; i++)
        assert_true(push(&ring, i));
    assert_false(push(&ring, 99));
    assert_int_equal(item_ring_size(&ring), HOLDS);
    for (uint64_t i = 0; i < HOLDS; i++)
        assert_pops(&ring, pop, i);
    assert_false(pop(&ring, &item));
    /* Round and round, never empty, to come over the end of the slots at every place. */
    assert_true(push(&ring, 0));
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(push(&ring, i + 1));
        assert_int_equal(item_ring_size(&ring), 2);
        assert_pops(&ring, pop, i);
    }
    item_ring_deinit(&ring);
    assert_null(ring.slots);
    item_ring_deinit(&ring);
}

static void test_one_consumer(void **state) {
    (void)state;
    assert_order(item_ring_pop_one);
}

static void test_shared(void **state) {
    (void)state;
    assert_order(item_ring_pop_shared);
}

enum { CONSUMERS = 3, ITEMS = 250000, ALL_ITEMS_CAPACITY = 1 << 18, FLOW_S = 10 };

struct stress {
    struct item_ring ring;
    _Atomic bool begun, done;
    _Atomic uint8_t taken[ITEMS]; /* how often each item was popped */
    _Atomic uint64_t torn, disordered;
    pthread_t consumers[CONSUMERS];
};

static void *consume(void *context) {
    struct stress *stress = context;
    uint64_t next = 0; /* of one producer's items each consumer gets a rising sequence */

    while (!atomic_load(&stress->begun))
        sched_yield();
    for (;;) {
        bool done = atomic_load(&stress->done);
        struct item item;
        if (item_ring_pop_shared(&stress->ring, &item)) {
            if (item.complement != ~item.number || item.number >= ITEMS) {
                atomic_fetch_add(&stress->torn, 1);
                continue;
            }
            atomic_fetch_add(&stress->taken[item.number], 1);
            if (item.number < next)
                atomic_fetch_add(&stress->disordered, 1);
            next = item.number + 1;
        } else if (done) {
            return NULL;
        } else {
            sched_yield();
        }
    }
}

static struct stress *stress_new(unsigned capacity) {
    struct stress *stress = calloc(1, sizeof *stress);

    assert_non_null(stress);
    assert_true(item_ring_init(&stress->ring, capacity));
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&stress->consumers[i], NULL, consume, stress), 0);
    return stress;
}

static void stress_end(struct stress *stress, uint64_t pushed) {
    atomic_store(&stress->done, true);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(stress->consumers[i], NULL);
    assert_int_equal(stress->torn, 0);
    assert_int_equal(stress->disordered, 0);
    for (uint64_t i = 0; i < ITEMS; i++)
        assert_int_equal(stress->taken[i], i < pushed);
    item_ring_deinit(&stress->ring);
    free(stress);
}

/* One producer and three consumers over a ring that is full or empty most of the time: nothing is
 * lost, nothing comes twice, nothing comes in halves. Each waits for the others by giving way, to
 * whoever else wants the processor: where that takes too long, fewer items do. */
static void test_flow(void **state) {
    (void)state;
    struct stress *stress = stress_new(16);
    uint64_t until_ns = clock_monotonic_ns() + FLOW_S * UINT64_C(1000000000), i = 0;

    atomic_store(&stress->begun, true);
    for (; i < ITEMS && clock_monotonic_ns() < until_ns; i++)
        while (!push(&stress->ring, i))
            sched_yield();
    stress_end(stress, i);
}

/* Consumers that find enough for all of them, and so get into each other's way all the time. */
static void test_rush(void **state) {
    (void)state;

    for (int round = 0; round < 4; round++) {
        struct stress *stress = stress_new(ALL_ITEMS_CAPACITY);
        for (uint64_t i = 0; i < ITEMS; i++)
            assert_true(push(&stress->ring, i));
        atomic_store(&stress->begun, true);
        stress_end(stress, ITEMS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_consumer),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_rush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
