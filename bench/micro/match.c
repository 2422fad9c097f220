/* Names of certificates: taken into a page, matched against watch lists of all sizes, searched for
 * imitations. A step is a name; pages hold as many as those of a full tile. One name of a thousand
 * is watched. */
#include "bench/micro/micro.h"
#include "engine/base/random.h"
#include "engine/match/lookalike.h"
#include "engine/match/watch_list.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMES = 1 << 16, PAGE = 1 << 9, NAME_MAX_BYTES = 64, WATCHED_EACH = 1000 };

static const uint32_t none = 0, ten = 10, thousand = 1000, million = 1000 * 1000;
static const uint32_t one_brand = 1, twenty_brands = 20;

struct matching {
    char *bytes;
    struct slice raw[NAMES];
    struct match_names page, pages[NAMES / PAGE];
    struct watch_list *list;
    struct watch_hits hits;
    struct lookalikes *brands;
    struct lookalike_hits imitations;
    uint32_t next; /* page */
};

/* The number-th of some 10^9 domains, of 8 to 20 characters. */
static size_t write_domain(uint32_t number, char *out, size_t size) {
    static const char *const parts[] = {"ka", "ri",  "mo",   "ten", "sa",   "lu", "vi", "dor",
                                        "pe", "nax", "shop", "web", "tech", "go", "li", "media"};
    static const char *const suffixes[] = {"com", "com", "com", "com", "net",   "org",
                                           "de",  "io",  "xyz", "top", "co.uk", "com.br"};
    uint32_t mixed = number * 2654435761u;
    int len =
        snprintf(out, size, "%s%s%s%s.%s", parts[mixed & 15], parts[mixed >> 4 & 15],
                 parts[mixed >> 8 & 15], parts[mixed >> 12 & 15], suffixes[(mixed >> 16) % 12]);
    if (mixed >> 20 & 1) /* half of them need something to tell them apart */
        len = snprintf(out, size, "%s%s%s-%u.%s", parts[mixed & 15], parts[mixed >> 4 & 15],
                       parts[mixed >> 8 & 15], number, suffixes[(mixed >> 16) % 12]);
    return (size_t)len;
}

/* As certificates have them: the domain, "www." or "*." in front, or a host below it. */
static void write_names(struct matching *matching) {
    static const char *const hosts[] = {"",
                                        "",
                                        "",
                                        "",
                                        "",
                                        "*.",
                                        "*.",
                                        "www.",
                                        "www.",
                                        "www.",
                                        "mail.",
                                        "cpanel.",
                                        "autodiscover.",
                                        "api.dev.",
                                        "s3-eu-7."};
    struct random random;
    random_init(&random, 2);
    for (uint32_t i = 0; i < NAMES; i++) {
        char *out = matching->bytes + (size_t)i * NAME_MAX_BYTES;
        uint32_t number = (uint32_t)random_below(&random, million) * 2; /* watched ones are odd */
        number += i % WATCHED_EACH == 0;
        int len = snprintf(out, NAME_MAX_BYTES, "%s", hosts[random_below(&random, 15)]);
        size_t domain = write_domain(number, out + len, NAME_MAX_BYTES - (size_t)len);
        matching->raw[i] = (struct slice){(uint8_t *)out, (size_t)len + domain};
    }
}

static void fill(const struct matching *matching, uint32_t index, struct match_names *page) {
    match_names_clear(page);
    for (uint32_t i = 0; i < PAGE; i++)
        match_names_add_dns(page, matching->raw[index * PAGE + i], i / 2);
}

static void *open_names(const void *argument) {
    struct matching *matching = calloc(1, sizeof *matching);
    char *bytes = malloc((size_t)NAMES * NAME_MAX_BYTES);
    (void)argument;
    if (!matching || !bytes)
        abort();
    matching->bytes = bytes;
    write_names(matching);
    for (uint32_t i = 0; i < NAMES / PAGE; i++)
        fill(matching, i, &matching->pages[i]);
    return matching;
}

static void *open_watch_list(const void *argument) {
    struct matching *matching = open_names(NULL);
    struct watch_list_builder *builder = watch_list_builder_new();
    char domain[NAME_MAX_BYTES];
    for (uint32_t i = 0; i < *(const uint32_t *)argument; i++) {
        struct slice text = {(uint8_t *)domain, write_domain(i * 2 + 1, domain, sizeof domain)};
        if (!builder || watch_list_builder_add(builder, text, i, NULL))
            abort();
    }
    matching->list = watch_list_builder_finish(builder);
    if (!matching->list)
        abort();
    return matching;
}

static void *open_brands(const void *argument) {
    static const char *const brands[] = {
        "paypal.com",   "amazon.com",  "google.com",     "microsoft.com",     "facebook.com",
        "apple.com",    "netflix.com", "instagram.com",  "linkedin.com",      "dropbox.com",
        "chase.com",    "ing.com",     "wellsfargo.com", "bankofamerica.com", "ebay.com",
        "coinbase.com", "dhl.com",     "spotify.com",    "orange.fr",         "sparkasse.de",
    };
    struct matching *matching = open_names(NULL);
    matching->brands = lookalikes_new(LOOKALIKE_SCORE_DEFAULT);
    for (uint32_t i = 0; i < *(const uint32_t *)argument; i++)
        if (!matching->brands || lookalikes_add(matching->brands, slice_of(brands[i]), NULL))
            abort();
    return matching;
}

static void close_matching(void *state) {
    struct matching *matching = state;
    for (uint32_t i = 0; i < NAMES / PAGE; i++)
        match_names_deinit(&matching->pages[i]);
    match_names_deinit(&matching->page);
    watch_hits_deinit(&matching->hits);
    watch_list_put(matching->list);
    lookalike_hits_deinit(&matching->imitations);
    lookalikes_put(matching->brands);
    free(matching->bytes);
    free(matching);
}

/* The next page; all of them in turn, so that the names come from memory and not from the cache. */
static uint32_t turn(struct matching *matching, uint64_t *times) {
    *times -= *times < PAGE ? *times : PAGE;
    matching->next = (matching->next + 1) % (NAMES / PAGE);
    return matching->next;
}

static void run_names(void *state, uint64_t times) {
    struct matching *matching = state;
    while (times) {
        fill(matching, turn(matching, &times), &matching->page);
        micro_keep(&matching->page);
    }
}

static void run_watch_list(void *state, uint64_t times) {
    struct matching *matching = state;
    while (times) {
        watch_list_match(matching->list, &matching->pages[turn(matching, &times)], &matching->hits);
        micro_keep(&matching->hits);
    }
}

static void run_brands(void *state, uint64_t times) {
    struct matching *matching = state;
    while (times) {
        lookalikes_match(matching->brands, &matching->pages[turn(matching, &times)], NULL,
                         &matching->imitations);
        micro_keep(&matching->imitations);
    }
}

const struct micro_case match_cases[] = {
    {"match.names", "a name", open_names, run_names, close_matching, &none},
    {"match.watch-10", "a name", open_watch_list, run_watch_list, close_matching, &ten},
    {"match.watch-1000", "a name", open_watch_list, run_watch_list, close_matching, &thousand},
    {"match.watch-1000000", "a name", open_watch_list, run_watch_list, close_matching, &million},
    {"match.lookalike-1", "a name", open_brands, run_brands, close_matching, &one_brand},
    {"match.lookalike-20", "a name", open_brands, run_brands, close_matching, &twenty_brands},
    {0},
};
