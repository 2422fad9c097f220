/* Random timers against an array that is searched from end to end. */
#include "engine/io/wheel.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TIMERS = 300, ROUNDS = 20000 };

static const uint64_t TICK = WHEEL_TICK_MS * UINT64_C(1000000);

struct model {
    struct wheel wheel;
    struct random random;
    struct wheel_timer timers[TIMERS];
    uint64_t due[TIMERS]; /* 0: not armed */
    uint64_t before, now;
    uint32_t calls;
};

static struct model model;

static void arm(size_t i, uint64_t when) {
    wheel_arm(&model.wheel, &model.timers[i], when);
    model.due[i] = when > model.now ? when : model.now;
}

static void disarm(size_t i) {
    wheel_disarm(&model.timers[i]);
    model.due[i] = 0;
}

static uint64_t some_time(void) {
    uint64_t spans[] = {10 * TICK, 500 * TICK, 5000 * TICK};
    uint64_t when = model.now + random_below(&model.random, spans[random_below(&model.random, 3)]);
    return random_below(&model.random, 10) ? when : when - TICK * 3;
}

static void expired(void *owner, struct wheel_timer *timer) {
    size_t i = (size_t)(timer - model.timers);

    assert_ptr_equal(owner, &model);
    assert_false(wheel_armed(timer));
    assert_true(model.due[i] != 0 && model.due[i] <= model.now); /* never early */
    assert_true(model.due[i] + 2 * TICK > model.before); /* nor forgotten by the call before */
    model.due[i] = 0;
    model.calls++;
    size_t other = random_below(&model.random, TIMERS);
    uint64_t what = random_below(&model.random, 4);
    if (what == 0)
        arm(other, some_time());
    else if (what == 1)
        disarm(other);
    else if (what == 2)
        arm(i, some_time());
}

static void test_random_timers(void **state) {
    (void)state;
    random_init(&model.random, 7);
    model.now = 1000 * TICK + 5;
    wheel_init(&model.wheel, model.now);
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = random_below(&model.random, TIMERS);
        if (random_below(&model.random, 3))
            arm(i, some_time());
        else
            disarm(i);
        model.before = model.now;
        model.now +=
            random_below(&model.random, random_below(&model.random, 100) ? TICK * 3 : TICK * 3000);
        wheel_advance(&model.wheel, model.now, expired, &model);
        for (size_t t = 0; t < TIMERS; t++) {
            assert_int_equal(wheel_armed(&model.timers[t]), model.due[t] != 0);
            assert_true(!model.due[t] || model.due[t] + 2 * TICK > model.now);
        }
    }
    assert_true(model.calls > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_timers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
