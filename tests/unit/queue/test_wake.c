/* Threads that wait here do so without an end that would come in time: a wake-up that is lost hangs
 * the test. */
#include "engine/queue/wake.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { FOREVER_MS = 1000 * 1000, THREADS = 3 };

static void test_signal_before_wait(void **state) {
    (void)state;
    struct wake wake = {0};
    uint32_t ticket = wake_ticket(&wake);

    wake_signal(&wake);
    wake_wait(&wake, ticket, FOREVER_MS);
    assert_int_not_equal(wake_ticket(&wake), ticket);
    assert_int_equal(wake.waiters, 0);
}

static void test_time_limit(void **state) {
    (void)state;
    struct wake wake = {0};

    wake_wait(&wake, wake_ticket(&wake), 0);
    wake_wait(&wake, wake_ticket(&wake), 1);
    assert_int_equal(wake.waiters, 0);
}

/* Tickets count round: one that is not the latest never waits, however many signals it missed. */
static void test_wrap(void **state) {
    (void)state;
    struct wake wake = {.signals = UINT32_MAX};
    uint32_t ticket = wake_ticket(&wake);

    wake_signal(&wake);
    assert_int_equal(wake_ticket(&wake), 0);
    wake_wait(&wake, ticket, FOREVER_MS);
}

struct gate {
    struct wake wake;
    _Atomic bool open;
};

static void *pass(void *context) {
    struct gate *gate = context;

    for (;;) {
        uint32_t ticket = wake_ticket(&gate->wake);
        if (atomic_load(&gate->open))
            return NULL;
        wake_wait(&gate->wake, ticket, FOREVER_MS);
    }
}

/* One signal lets all go that sleep. */
static void test_all_wake(void **state) {
    (void)state;
    struct gate gate = {0};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass, &gate), 0);
    while (atomic_load(&gate.wake.waiters) < THREADS)
        sched_yield();
    atomic_store(&gate.open, true);
    wake_signal(&gate.wake);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(gate.wake.waiters, 0);
}

enum { ROUNDS = 20000 };

struct rally {
    struct wake wakes[2];
    _Atomic uint32_t ball;
};

static void play(struct rally *rally, uint32_t side) {
    for (uint32_t turn = side; turn < 2 * ROUNDS; turn += 2) {
        for (;;) {
            uint32_t ticket = wake_ticket(&rally->wakes[side]);
            if (atomic_load(&rally->ball) == turn)
                break;
            wake_wait(&rally->wakes[side], ticket, FOREVER_MS);
        }
        atomic_store(&rally->ball, turn + 1);
        wake_signal(&rally->wakes[1 - side]);
    }
}

static void *play_back(void *context) {
    play(context, 1);
    return NULL;
}

/* Each waits for the other, so that one signal that comes to nothing ends the game. */
static void test_rally(void **state) {
    (void)state;
    struct rally rally = {0};
    pthread_t other;

    assert_int_equal(pthread_create(&other, NULL, play_back, &rally), 0);
    play(&rally, 0);
    pthread_join(other, NULL);
    assert_int_equal(rally.ball, 2 * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal_before_wait),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_all_wake),
        cmocka_unit_test(test_rally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
