/* How many connections a host and a network may have: exact where addresses do not share a cell,
 * never more than that where they do, and never miscounted by threads. */
#include "engine/probe/caps.h"

#include "engine/base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

static struct address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return (struct address){.family = ADDRESS_V4, .bytes = {a, b, c, d}};
}

static struct address v6(uint8_t sixth, uint8_t seventh, uint8_t last) {
    return (struct address){.family = ADDRESS_V6,
                            .bytes = {0x20, 1, 0x0d, 0xb8, 0, sixth, seventh, [15] = last}};
}

/* Takes for one address until it is refused; returns how often that went well. */
static uint32_t fill(struct caps *caps, const struct address *address) {
    uint32_t count = 0;

    while (count < 1000 && caps_take(caps, address))
        count++;
    return count;
}

static void give(struct caps *caps, const struct address *address, uint32_t count) {
    while (count--)
        caps_give(caps, address);
}

static void host_cap(void **state) {
    const struct address addresses[] = {v4(192, 0, 2, 1), v6(1, 0, 1)};

    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct caps *caps = caps_new(3, 0);
        assert_int_equal(fill(caps, &addresses[i]), 3);
        caps_give(caps, &addresses[i]);
        assert_int_equal(fill(caps, &addresses[i]), 1);
        give(caps, &addresses[i], 3);
        assert_int_equal(fill(caps, &addresses[i]), 3);
        caps_free(caps);
    }
}

/* Two addresses share a cell once in 65536 seeds, and then only in one of the tries. */
static uint32_t fill_both(uint32_t per_host, uint32_t per_network, const struct address *a,
                          const struct address *b) {
    uint32_t most = 0;

    for (int i = 0; i < 3; i++) {
        struct caps *caps = caps_new(per_host, per_network);
        fill(caps, a);
        uint32_t count = fill(caps, b);
        most = count > most ? count : most;
        caps_free(caps);
    }
    return most;
}

static void networks_and_neighbours(void **state) {
    struct address a = v4(192, 0, 2, 1), neighbour = v4(192, 0, 2, 255), far = v4(192, 0, 3, 1);
    struct address a6 = v6(1, 0, 1), neighbour6 = v6(1, 0xff, 2), far6 = v6(2, 0, 1);

    (void)state;
    assert_int_equal(fill_both(0, 5, &a, &neighbour), 0);
    assert_int_equal(fill_both(0, 5, &a, &far), 5);
    assert_int_equal(fill_both(2, 5, &a, &neighbour), 2);
    assert_int_equal(fill_both(4, 5, &a, &neighbour), 1);
    assert_int_equal(fill_both(4, 0, &a, &neighbour), 4);
    assert_int_equal(fill_both(0, 5, &a6, &neighbour6), 0);
    assert_int_equal(fill_both(0, 5, &a6, &far6), 5);
}

/* What the network refuses must not count for the host. */
static bool refusals_count_for_nobody(const struct address *a, const struct address *b) {
    struct caps *caps = caps_new(2, 3);
    bool right = fill(caps, a) == 2 && fill(caps, b) == 1;

    for (int i = 0; i < 10; i++)
        right = right && !caps_take(caps, b);
    give(caps, a, 2);
    right = right && fill(caps, b) == 1; /* its second, and the network's */
    give(caps, b, 2);
    right = right && fill(caps, a) == 2;
    caps_free(caps);
    return right;
}

static void refusals(void **state) {
    struct address a = v4(198, 51, 100, 1), b = v4(198, 51, 100, 2);
    uint32_t right = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        right += refusals_count_for_nobody(&a, &b);
    assert_true(right >= 3); /* one may have been the one seed */
}

static void no_caps(void **state) {
    struct address a = v4(203, 0, 113, 1);
    struct caps *caps = caps_new(0, 0);

    (void)state;
    assert_int_equal(fill(caps, &a), 1000);
    give(caps, &a, 1000);
    caps_free(caps);
}

/* --- Threads --- */

enum { THREADS = 4, HOSTS = 6, ROUNDS = 20000, PER_HOST = 2, PER_NETWORK = 5 };

struct crowd {
    struct caps *caps;
    _Atomic uint32_t hosts[HOSTS], network, taken, too_many;
};

struct visitor {
    struct crowd *crowd;
    uint64_t seed;
    pthread_t thread;
};

/* Counted behind the caps when taken, and before them when given back: never more than they know.
 */
static void *visit(void *owner) {
    struct visitor *visitor = owner;
    struct crowd *crowd = visitor->crowd;
    uint32_t held[HOSTS] = {0};
    struct random random;

    random_init(&random, visitor->seed);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t host = (uint32_t)random_below(&random, HOSTS);
        struct address address = v4(10, 0, 0, (uint8_t)host);
        if (held[host]) {
            held[host]--;
            crowd->hosts[host]--;
            crowd->network--;
            atomic_thread_fence(memory_order_seq_cst);
            caps_give(crowd->caps, &address);
        } else if (caps_take(crowd->caps, &address)) {
            held[host]++;
            crowd->taken++;
            if (++crowd->hosts[host] > PER_HOST || ++crowd->network > PER_NETWORK)
                crowd->too_many++;
        }
    }
    for (uint32_t host = 0; host < HOSTS; host++) {
        struct address address = v4(10, 0, 0, (uint8_t)host);
        crowd->hosts[host] -= held[host];
        crowd->network -= held[host];
        give(crowd->caps, &address, held[host]);
    }
    return NULL;
}

static void threads_agree(void **state) {
    struct crowd crowd = {.caps = caps_new(PER_HOST, PER_NETWORK)};
    struct visitor visitors[THREADS];

    (void)state;
    for (uint64_t i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){.crowd = &crowd, .seed = i};
        assert_int_equal(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(visitors[i].thread, NULL);
    assert_int_equal(crowd.too_many, 0);
    assert_true(crowd.taken > 0);
    assert_int_equal(crowd.network, 0);

    /* Nothing has got lost: all there ever was can be had again. */
    uint32_t all = 0;
    for (uint8_t host = 0; host < HOSTS; host++) {
        struct address address = v4(10, 0, 0, host);
        all += fill(crowd.caps, &address);
    }
    assert_int_equal(all, PER_NETWORK);
    caps_free(crowd.caps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_cap),      cmocka_unit_test(networks_and_neighbours),
        cmocka_unit_test(refusals),      cmocka_unit_test(no_caps),
        cmocka_unit_test(threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
