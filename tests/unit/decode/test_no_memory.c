/* Each allocation fails once: a page is then decoded all the same, or broken with nothing left of
 * it, and the same page afterwards is decoded as if nothing had been. Linked with malloc and its
 * kin wrapped. */
#include "tests/unit/decode/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

/* Allocations until one fails; negative: none does. Of the workers, or of the test's thread. */
static atomic_int countdown = -1;
static atomic_bool of_workers;
static pthread_t test_thread;

static bool fails(void) {
    bool is_worker = !pthread_equal(pthread_self(), test_thread);

    return atomic_load(&countdown) >= 0 && is_worker == atomic_load(&of_workers) &&
           atomic_fetch_sub(&countdown, 1) == 0;
}

void *__wrap_malloc(size_t bytes) {
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *block, size_t bytes) {
    return fails() ? NULL : __real_realloc(block, bytes);
}

/* --- Pages --- */

enum { ENTRIES = 24, ALLOCATIONS_MAX = 100000 };

static const struct ctfarm_wish WISHES[] = {
    {.index = 3,
     .precert = true,
     .partner = CTFARM_NO_PARTNER,
     .names = "www.example.org",
     .ca = CTFARM_ORCHARD,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 4,
     .kind = CTFARM_TWO_SANS,
     .partner = CTFARM_NO_PARTNER,
     .names = "www.example.org,a.example.org",
     .ca = -1,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 7,
     .kind = CTFARM_GARBAGE,
     .partner = CTFARM_NO_PARTNER,
     .ca = -1,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 9,
     .precert = true,
     .kind = CTFARM_UNBOUND,
     .partner = CTFARM_NO_PARTNER,
     .names = "www.example.org",
     .ca = -1,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 12,
     .kind = CTFARM_NAME_UTF8,
     .partner = CTFARM_NO_PARTNER,
     .names = "b.example.org",
     .ca = -1,
     .same_key = CTFARM_NO_PARTNER},
};
static const struct ctfarm_config CONFIG = {LOG_CONFIG, .entries = ENTRIES, .wishes = WISHES,
                                            .wish_count = 5};

static void assert_nothing_left(const struct page *page) {
    assert_int_equal(page->result, PAGE_BROKEN);
    assert_non_null(strstr(page->error, "memory"));
    assert_int_equal(page->entries + page->record_count + page->counts.matched, 0);
    assert_null(page->outputs[0]);
}

/* `records` that it must have; none of a page that is encoded. */
static void assert_whole(const struct page *page, uint32_t entries, uint32_t records) {
    assert_decoded(page);
    assert_int_equal(page->entries, entries);
    assert_int_equal(page->record_count, records);
    for (uint32_t i = 0; i < records; i++)
        assert_true(page->records[i]->matched_names.count ||
                    page->records[i]->verdict == CT_VERDICT_MALFORMED);
    if (records)
        return;
    struct slice out = buffer_slice(&page->outputs[0]->bytes);
    uint32_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    assert_int_equal(lines, entries);
    assert_int_equal(page->outputs[0]->records, entries);
}

static bool decode_with_failure(int number, const struct ctfarm_log *log,
                                const struct page_plan *plan, struct decoder_config config,
                                uint32_t records) {
    static const char *const watched[] = {"example.org"};
    struct decoding decoding;
    uint32_t entries = records == 4 ? ENTRIES - 1 : ENTRIES; /* feeds leave out what is garbage */

    decoding_open(&decoding, config);
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    decoding_add_issuers(&decoding, log);
    struct page *page = page_of(log, plan);
    atomic_store(&of_workers, true);
    atomic_store(&countdown, number);
    decoding_run(&decoding, page);
    bool failed = atomic_exchange(&countdown, -1) < 0;
    if (page->result == PAGE_BROKEN)
        assert_nothing_left(page);
    else
        assert_whole(page, entries, records);
    assert_true(failed || page->result == PAGE_DECODED);
    page_free(page);

    page = decoding_run(&decoding, page_of(log, plan));
    assert_whole(page, entries, records);
    page_free(page);
    decoding_close(&decoding);
    return failed;
}

static void check(const struct page_plan *plan, struct decoder_config config, uint32_t records) {
    struct ctfarm_log *log = log_new(&CONFIG);
    int number = 0;

    while (decode_with_failure(number, log, plan, config, records))
        assert_true(++number < ALLOCATIONS_MAX);
    assert_true(number > 4);
    ctfarm_log_free(log);
}

static void test_logs(void **state) {
    const struct decoder_config config = {.hash_tree = true};

    (void)state;
    check(&(struct page_plan){.form = FORM_TILE, .count = ENTRIES}, config, 5);
    check(&(struct page_plan){.form = FORM_GZIP, .count = ENTRIES}, config, 5);
    check(&(struct page_plan){.form = FORM_ANSWER, .count = ENTRIES}, config, 5);
}

#define FEED_STYLE .url = "https://oak.example.net/", .name = "Oak"

static void test_feeds(void **state) {
    const struct decoder_config config = {0};

    (void)state;
    for (int detail = CTFARM_FULL; detail < CTFARM_DETAILS; detail++)
        check(&(struct page_plan){.form = FORM_FEED,
                                  .count = ENTRIES,
                                  .style = {CTFARM_GO, (enum ctfarm_detail)detail, FEED_STYLE}},
              config, 4);
}

static void test_every_entry(void **state) {
    struct field_selection fields;

    (void)state;
    assert_int_equal(field_selection_init(&fields, &ct_record_kind, NULL, NULL), 0);
    const struct encoding encoding = {.encoder = &json_encoder, .fields = &fields};
    const struct encoding *outlet = &encoding;
    const struct decoder_config config = {
        .hash_tree = true, .every_entry = true, .outlets = &outlet, .outlet_count = 1};
    check(&(struct page_plan){.form = FORM_TILE, .count = ENTRIES}, config, 0);
    check(&(struct page_plan){.form = FORM_ANSWER, .count = ENTRIES}, config, 0);
    field_selection_deinit(&fields);
}

/* --- Opening --- */

static void test_opening(void **state) {
    (void)state;
    for (int number = 0;; number++) {
        struct decoder_config config = {.workers = 2, .capacity = 16};
        struct decoder *decoder = NULL;
        struct failure failure = {0};
        atomic_store(&of_workers, false);
        atomic_store(&countdown, number);
        enum error error = decoder_open(&decoder, &config, &failure);
        bool failed = atomic_exchange(&countdown, -1) < 0;
        if (error == ERROR_NONE)
            decoder_close(decoder);
        else
            assert_int_equal(error, ERROR_MEMORY);
        if (!failed) {
            assert_int_equal(error, ERROR_NONE);
            assert_true(number > 5);
            return;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_feeds),
        cmocka_unit_test(test_every_entry),
        cmocka_unit_test(test_opening),
    };
    test_thread = pthread_self();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
