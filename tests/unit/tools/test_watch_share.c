/* Watchers that come and go, each looking at the others now and then: logs are shared out about
 * equally, none is left behind, and none moves once they are. */
#include "tools/trawl/watch_share.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LOGS = 60, WATCHERS = 12, NOBODY = WATCHERS, ROUNDS = 40 };

struct world {
    struct random random;
    uint32_t logs;
    uint32_t owner[LOGS]; /* a watcher, or NOBODY */
    bool lives[WATCHERS];
    uint32_t moves;
};

static uint32_t held(const struct world *world, uint32_t watcher) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->logs; i++)
        count += world->owner[i] == watcher;
    return count;
}

static uint32_t living(const struct world *world) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < WATCHERS; i++)
        count += world->lives[i];
    return count;
}

static struct watch_share share_of(const struct world *world, uint32_t watcher) {
    struct watch_member members[WATCHERS];
    uint32_t count = 1;

    members[0] = (struct watch_member){watcher, held(world, watcher), world->logs};
    for (uint32_t i = 0; i < WATCHERS; i++)
        if (i != watcher && world->lives[i])
            members[count++] = (struct watch_member){i, held(world, i), world->logs};
    return watch_share_of(members, count, 0);
}

/* One watcher looks, and acts. */
static void act(struct world *world, uint32_t watcher) {
    struct watch_share share = share_of(world, watcher);

    assert_true(!share.take || !share.give);
    for (uint32_t i = 0; i < world->logs; i++) {
        bool gives = share.give && world->owner[i] == watcher;
        bool takes = share.take && world->owner[i] == NOBODY;
        if (!gives && !takes)
            continue;
        world->owner[i] = gives ? NOBODY : watcher;
        share.give -= gives;
        share.take -= takes;
        world->moves++;
    }
}

static void act_all(struct world *world) {
    uint32_t first = (uint32_t)random_below(&world->random, WATCHERS);

    for (uint32_t i = 0; i < WATCHERS; i++)
        if (world->lives[(first + i) % WATCHERS])
            act(world, (first + i) % WATCHERS);
}

static void assert_shared_out(struct world *world) {
    uint32_t count = living(world), least = world->logs / count;

    assert_int_equal(held(world, NOBODY), 0);
    for (uint32_t i = 0; i < WATCHERS; i++)
        if (world->lives[i])
            assert_in_range(held(world, i), least, least + (world->logs % count != 0));
    world->moves = 0;
    act_all(world);
    assert_int_equal(world->moves, 0);
}

static void change_one(struct world *world) {
    uint32_t watcher = (uint32_t)random_below(&world->random, WATCHERS);

    if (world->lives[watcher] && living(world) == 1)
        return;
    world->lives[watcher] = !world->lives[watcher];
    for (uint32_t i = 0; i < world->logs; i++)
        if (world->owner[i] == watcher)
            world->owner[i] = NOBODY;
}

static void test_comings_and_goings(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct world world = {.lives = {true}};
        random_init(&world.random, seed);
        world.logs = 1 + (uint32_t)random_below(&world.random, LOGS);
        for (uint32_t i = 0; i < LOGS; i++)
            world.owner[i] = NOBODY;
        for (int change = 0; change < 20; change++) {
            for (int round = 0; round < ROUNDS; round++)
                act_all(&world);
            assert_shared_out(&world);
            change_one(&world);
        }
    }
}

static void test_few_moves(void **unused) {
    (void)unused;
    struct world world = {.logs = 9, .lives = {[3] = true, [4] = true, [5] = true}};

    random_init(&world.random, 1);
    for (uint32_t i = 0; i < 9; i++)
        world.owner[i] = 3 + i % 3;
    assert_shared_out(&world);
    world.lives[0] = true; /* nine by four: one gives one, another one, it takes both */
    for (int round = 0; round < ROUNDS; round++)
        act_all(&world);
    assert_in_range(world.moves, 4, 8);
    assert_shared_out(&world);
}

/* One that follows a single log counts as one with a single log. */
static void test_other_wishes(void **unused) {
    (void)unused;
    const struct watch_member members[] = {{1, 9, 10}, {2, 1, 1}};
    const struct watch_member both[] = {{1, 4, 10}, {2, 1, 10}};
    const struct watch_member alone[] = {{1, 0, 10}};

    assert_int_equal(watch_share_of(members, 2, 0).give, 0);
    assert_int_equal(watch_share_of(members, 2, 0).take, 0);
    assert_int_equal(watch_share_of(both, 2, 0).take, 1);
    assert_int_equal(watch_share_of(alone, 1, 0).take, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comings_and_goings),
        cmocka_unit_test(test_few_moves),
        cmocka_unit_test(test_other_wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
