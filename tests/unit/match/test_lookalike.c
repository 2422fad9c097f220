/* One name of each kind, what is nobody's imitation, and the set of brands. How many are found and
 * how many are false is measured in tests/golden/check_lookalike.py. */
#include "engine/match/lookalike.h"

#include "engine/base/random.h"
#include "engine/match/lookalike_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lookalikes *brands_of(const char *const *texts, size_t count) {
    struct lookalikes *brands = lookalikes_new(LOOKALIKE_SCORE_DEFAULT);
    struct failure failure;
    assert_non_null(brands);
    for (size_t i = 0; i < count; i++)
        if (lookalikes_add(brands, slice_of(texts[i]), &failure))
            fail_msg("%s: %s", texts[i], failure.text);
    return brands;
}

static struct lookalikes *some_brands(void) {
    static const char *const texts[] = {"paypal.com", "apple=apple.com,apple.de", "microsoft",
                                        "ing=ing.nl", "bank-one=bank.one"};
    return brands_of(texts, sizeof texts / sizeof *texts);
}

/* The one hit of a name, score 0 for none. */
static struct lookalike_hit hit_of(const struct lookalikes *brands, const char *name,
                                   const struct watch_list *owned) {
    struct match_names names;
    struct lookalike_hits hits;
    match_names_init(&names);
    lookalike_hits_init(&hits);
    match_names_add_dns(&names, slice_of(name), 0);
    lookalikes_match(brands, &names, owned, &hits);
    if (hits.count > 1)
        fail_msg("%s has %u hits", name, hits.count);
    struct lookalike_hit hit = hits.count ? hits.items[0] : (struct lookalike_hit){0};
    lookalike_hits_deinit(&hits);
    match_names_deinit(&names);
    return hit;
}

static void kinds(void **state) {
    (void)state;
    static const struct {
        const char *name, *brand;
        int kinds;
    } cases[] = {
        {"paypa1.com", "paypal", LOOKALIKE_CONFUSABLE},
        {"PAYPAI.com", "paypal", LOOKALIKE_CONFUSABLE},
        {"www.xn--pypal-4ve.com", "paypal", LOOKALIKE_CONFUSABLE},
        {"xn--l-7sba6dbr.net", "paypal", LOOKALIKE_CONFUSABLE},
        {"rnicrosoft.com", "microsoft", LOOKALIKE_CONFUSABLE},
        {"paypla.com", "paypal", LOOKALIKE_TYPO},
        {"pay-pal.com", "paypal", LOOKALIKE_TYPO},
        {"mcirosfot.com", "microsoft", LOOKALIKE_TYPO},
        {"paypal-login.com", "paypal", LOOKALIKE_ADDED_WORDS},
        {"*.securepaypal.co.uk", "paypal", LOOKALIKE_ADDED_WORDS},
        {"appleid.com", "apple", LOOKALIKE_ADDED_WORDS},
        {"paypa1-login.com", "paypal", LOOKALIKE_CONFUSABLE | LOOKALIKE_ADDED_WORDS},
        {"paypall-login.com", "paypal", LOOKALIKE_TYPO | LOOKALIKE_ADDED_WORDS},
        {"paypal.xyz", "paypal", LOOKALIKE_OTHER_TLD},
        {"paypal.github.io", "paypal", LOOKALIKE_OTHER_TLD},
        {"bank-one.com", "bank-one", LOOKALIKE_OTHER_TLD},
        {"paypal.com.evil.net", "paypal", LOOKALIKE_SUBDOMAIN},
        {"a.paypal.evil.net", "paypal", LOOKALIKE_SUBDOMAIN},
    };
    struct lookalikes *brands = some_brands();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lookalike_hit hit = hit_of(brands, cases[i].name, NULL);
        if (!hit.score || hit.kinds != cases[i].kinds ||
            !slice_is(lookalikes_brand(brands, hit.brand), cases[i].brand))
            fail_msg("%s: score %u kinds %u", cases[i].name, hit.score, hit.kinds);
    }
    lookalikes_put(brands);
}

static void ordinary(void **state) {
    (void)state;
    static const char *const names[] = {
        "example.com",    "pineapple.com",
        "applepie.com",   "apply.org",
        "shipping.net",   "banking.com",
        "lng.com",        "papal.org",
        "192.0.2.1",      "a.b",
        "xn--.com",       "xn--99999999.com",
        "xn--a-9999.net", "microscope.org",
        "--.com",         "-.-.-",
        "*.com",          "xn--",
        "softmicro.com",
    };
    struct lookalikes *brands = some_brands();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct lookalike_hit hit = hit_of(brands, names[i], NULL);
        if (hit.score)
            fail_msg("%s: score %u kinds %u", names[i], hit.score, hit.kinds);
    }
    lookalikes_put(brands);
}

static void owned(void **state) {
    (void)state;
    struct lookalikes *brands = some_brands();
    assert_int_equal(hit_of(brands, "paypal.com", NULL).score, 0);
    assert_int_equal(hit_of(brands, "login-paypal.paypal.com", NULL).score, 0);
    assert_int_not_equal(hit_of(brands, "notpaypal.paypal.com.evil.net", NULL).score, 0);
    assert_int_equal(hit_of(brands, "support.apple.de", NULL).score, 0);
    assert_int_not_equal(hit_of(brands, "microsoft.com", NULL).score, 0);
    struct watch_list_builder *builder = watch_list_builder_new();
    assert_int_equal(watch_list_builder_add(builder, slice_of("microsoft.com"), 1, NULL),
                     ERROR_NONE);
    struct watch_list *list = watch_list_builder_finish(builder);
    assert_int_equal(hit_of(brands, "microsoft.com", list).score, 0);
    assert_int_equal(hit_of(brands, "*.microsoft.com", list).score, 0);
    assert_int_not_equal(hit_of(brands, "microsoft.net", list).score, 0);
    watch_list_put(list);
    lookalikes_put(brands);
}

static void refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "ab",
                                        "-abc",
                                        "abc-",
                                        "a b c",
                                        "bücher",
                                        "xn--pypal-4ve",
                                        "paypal=com",
                                        "paypal=,",
                                        "a234567890123456789012345678901234"};
    struct lookalikes *brands = lookalikes_new(0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct failure failure = {0};
        if (lookalikes_add(brands, slice_of(texts[i]), &failure) != ERROR_USAGE)
            fail_msg("%s: %s", texts[i], failure.text);
        assert_true(failure.text[0]);
    }
    assert_int_equal(lookalikes_count(brands), 0);
    for (int i = 0; i < LOOKALIKE_BRANDS_MAX; i++) {
        char text[64];
        snprintf(text, sizeof text, "abcdefghijklmnopqrstuvwx-%04d-ab", i);
        assert_int_equal(lookalikes_add(brands, slice_of(text), NULL), ERROR_NONE);
    }
    assert_int_equal(lookalikes_add(brands, slice_of("another"), NULL), ERROR_LIMIT);
    lookalikes_put(lookalikes_get(brands));
    lookalikes_put(brands);
}

/* The sieve must let pass what the judge would report: the same names judged for every brand. */
static void nothing_is_sieved_out(void **state) {
    (void)state;
    static const char *const texts[] = {"paypal",   "amazon",   "ebay",   "barnesnoble",
                                        "facebook", "bank-one", "modern", "clever"};
    static const char letters[] = "abcdeilmnoprstvwy01-";
    struct lookalikes *brands = brands_of(texts, sizeof texts / sizeof *texts);
    struct lookalikes *alone[sizeof texts / sizeof *texts];
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        alone[i] = brands_of(&texts[i], 1);
    struct random random;
    random_init(&random, 4);
    for (int round = 0; round < 40000; round++) {
        const char *brand = texts[random_below(&random, sizeof texts / sizeof *texts)];
        char label[32], name[40];
        strcpy(label, brand);
        size_t len = strlen(label), at = random_below(&random, len);
        if (round % 3 == 0)
            memmove(label + at, label + at + 1, len - at);
        else if (round % 3 == 1)
            label[at] = letters[random_below(&random, sizeof letters - 1)];
        else
            snprintf(label + at, sizeof label - at, "%c%s",
                     letters[random_below(&random, sizeof letters - 1)], brand + at);
        snprintf(name, sizeof name, "%s.test", label);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            const struct brand *judged = &alone[i]->brands[0];
            struct finding finding = lookalike_judge(judged, slice_of(name));
            if (finding.score < LOOKALIKE_SCORE_DEFAULT)
                continue;
            found++;
            struct match_names names;
            struct lookalike_hits hits;
            bool passed = false;
            match_names_init(&names);
            lookalike_hits_init(&hits);
            match_names_add_dns(&names, slice_of(name), 0);
            lookalikes_match(brands, &names, NULL, &hits);
            for (uint32_t hit = 0; hit < hits.count; hit++)
                passed |= hits.items[hit].brand == i && hits.items[hit].score == finding.score;
            if (!passed)
                fail_msg("%s for %s", name, texts[i]);
            lookalike_hits_deinit(&hits);
            match_names_deinit(&names);
        }
    }
    assert_true(found > 10000);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        lookalikes_put(alone[i]);
    lookalikes_put(brands);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(ordinary),
        cmocka_unit_test(owned),
        cmocka_unit_test(refused),
        cmocka_unit_test(nothing_is_sieved_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
