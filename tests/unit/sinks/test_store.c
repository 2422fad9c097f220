/* The store on SQLite: statements and values, transactions, migrations, and records that are
 * written once however often they come. tests/system/test_store.py does it on PostgreSQL, too. */
#include "engine/record/encoder.h"
#include "sinks/store/record_view.h"
#include "sinks/store/schema.h"
#include "sinks/store/store.h"
#include "sinks/store/store_forget.h"
#include "tests/golden/sample_ct_records.h"
#include "tests/golden/sample_records.h"
#include "tests/unit/sinks/scratch.h"

#include <errno.h>

static struct database *open_scratch(const char *name, bool existing) {
    char url[600];
    struct database *database;
    struct failure failure = {0};

    snprintf(url, sizeof url, "sqlite:%s", scratch_path(name));
    struct database_config config = {.url = url, .patience_ms = 20, .existing = existing};
    if (database_open(&database, &config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_string_equal(database_name(database), url);
    assert_int_equal(database_kind(database), DATABASE_SQLITE);
    return database;
}

static int64_t ask(struct database *database, const char *text) {
    const struct sql_statement statement = {.text = text, .once = true};
    struct failure failure = {0};
    int64_t number;

    if (database_number(database, &statement, NULL, &number, &failure) != ERROR_NONE)
        fail_msg("%s: %s", text, failure.text);
    return number;
}

static void do_script(struct database *database, const char *text) {
    struct failure failure = {0};
    if (database_script(database, text, &failure) != ERROR_NONE)
        fail_msg("%s: %s", text, failure.text);
}

/* --- The database --- */

static void urls(void **state) {
    (void)state;
    static const char *const bad[] = {"", "trawl.db", "mysql://x", "sqlite:", "sqlite:/no/where/x"};
    struct database *database;
    struct failure failure;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct database_config config = {.url = bad[i]};
        assert_int_equal(database_open(&database, &config, &failure), ERROR_USAGE);
        assert_null(database);
    }
    struct database_config config = {.url = "postgresql://me:secret@[::1/x"};
    assert_int_equal(database_open(&database, &config, &failure), ERROR_USAGE);
    assert_null(strstr(failure.text, "secret"));
    assert_true(database_takes(slice_of("sqlite:x")));
    assert_true(database_takes(slice_of("postgres://x")));
    assert_false(database_takes(slice_of("sqlite")));
    database_close(NULL);
}

struct seen {
    struct sql_value values[5];
    char text[16], blob[16];
    uint32_t rows;
};

static enum error see(void *context, const struct sql_value *values, uint32_t count,
                      struct failure *failure) {
    struct seen *seen = context;

    assert_int_equal(count, 5);
    memcpy(seen->values, values, sizeof seen->values);
    memcpy(seen->text, values[2].bytes.ptr, values[2].bytes.len);
    memcpy(seen->blob, values[3].bytes.ptr, values[3].bytes.len);
    return ++seen->rows == 2 ? failure_set(failure, ERROR_GONE, "enough") : ERROR_NONE;
}

/* Parameters are known by number, whatever their order in the text; and used more than once. */
static void values(void **state) {
    (void)state;
    static const struct sql_statement all = {
        .types = "irtbi", .text = "SELECT $1, $2, $3, $4, $5 UNION ALL SELECT $1, $2, $3, $4, 7"};
    static const struct sql_statement turned = {.types = "ii", .text = "SELECT $2 * 10 + $1"};
    struct database *database = open_scratch("values.db", false);
    struct seen seen = {0};
    struct failure failure;
    const struct sql_value given[] = {
        sql_integer(INT64_MIN), sql_real(0.1), sql_text(slice_of("text")),
        sql_blob((struct slice){(const uint8_t *)"\0\1", 2}), sql_null()};
    int64_t number;

    assert_int_equal(database_query(database, &all, given, see, &seen, &failure), ERROR_GONE);
    assert_int_equal(seen.rows, 2);
    assert_true(seen.values[0].integer == INT64_MIN && seen.values[1].real == 0.1);
    assert_string_equal(seen.text, "text");
    assert_memory_equal(seen.blob, "\0\1", 2);
    assert_int_equal(seen.values[4].integer, 7);
    for (int i = 0; i < 3; i++) { /* the same statement, prepared */
        const struct sql_value pair[] = {sql_integer(i), sql_integer(4)};
        assert_int_equal(database_number(database, &turned, pair, &number, &failure), ERROR_NONE);
        assert_int_equal(number, 40 + i);
    }
    database_close(database);
}

static void transactions(void **state) {
    (void)state;
    static const struct sql_bulk add = {"it", "number, word",
                                        "INSERT INTO t (number, word) SELECT number, word"
                                        " FROM batch WHERE true ON CONFLICT (number) DO UPDATE"
                                        " SET word = excluded.word"};
    static const struct sql_statement touch = {.types = "i",
                                               .text = "UPDATE t SET word = 'x' WHERE number > $1"};
    struct database *database = open_scratch("transactions.db", false);
    struct failure failure;
    struct sql_value rows[2000];
    uint64_t changed;

    do_script(database, "CREATE TABLE t (number INTEGER PRIMARY KEY, word TEXT NOT NULL);"
                        "CREATE TABLE trawl_schema (x)");
    for (int i = 0; i < 1000; i++) {
        rows[2 * i] = sql_integer(i);
        rows[2 * i + 1] = sql_text(slice_of("word"));
    }
    for (int round = 0; round < 3; round++) {
        assert_int_equal(database_begin(database, &failure), ERROR_NONE);
        assert_int_equal(database_run_rows(database, &add, rows, 1000, &failure), ERROR_NONE);
        if (round == 0)
            database_rollback(database);
        else
            assert_int_equal(database_commit(database, &failure), ERROR_NONE);
        assert_int_equal(ask(database, "SELECT count(*) FROM t"), round ? 1000 : 0);
    }
    const struct sql_value from = sql_integer(989);
    assert_int_equal(database_run(database, &touch, &from, &changed, &failure), ERROR_NONE);
    assert_int_equal(changed, 10);
    rows[1] = sql_null();
    assert_int_equal(database_begin(database, &failure), ERROR_NONE);
    assert_int_equal(database_run_rows(database, &add, rows, 1, &failure), ERROR_INPUT);
    database_rollback(database);

    struct database *other = open_scratch("transactions.db", true);
    assert_int_equal(database_begin(database, &failure), ERROR_NONE);
    assert_int_equal(database_begin(other, &failure), EBUSY);
    database_rollback(other);
    database_rollback(database);
    assert_int_equal(database_begin(other, &failure), ERROR_NONE);
    database_close(other);
    assert_int_equal(database_begin(database, &failure), ERROR_NONE);
    database_close(database);
}

/* --- Migrations --- */

static void migrations(void **state) {
    (void)state;
    static const struct migration steps[] = {
        {"CREATE TABLE a (id {id}, n {int}, r {real}, b {bytes}, t {text}); INSERT INTO a (n)"
         " VALUES (5)",
         NULL},
        {"ALTER TABLE a ADD COLUMN more {int}; UPDATE a SET more = n", "no SQL at all"},
        {"CREATE TABLE b (x {int}); this is wrong", NULL},
    };
    struct migrated_part part = {"part", steps, 1}, other = {"other", &steps[2], 1};
    struct database *database = open_scratch("migrations.db", false);
    struct failure failure;

    assert_int_equal(migrations_check(database, &part, &failure), ERROR_USAGE);
    assert_int_equal(migrations_run(database, &part, &failure), ERROR_NONE);
    assert_int_equal(migrations_check(database, &part, &failure), ERROR_NONE);
    part.count = 2;
    assert_int_equal(migrations_check(database, &part, &failure), ERROR_USAGE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(migrations_run(database, &part, &failure), ERROR_NONE);
    assert_int_equal(ask(database, "SELECT more FROM a"), 5);
    part.count = 3; /* one that fails leaves nothing */
    assert_int_equal(migrations_run(database, &part, &failure), ERROR_INTERNAL);
    assert_int_equal(migrations_run(database, &other, &failure), ERROR_INTERNAL);
    assert_int_equal(ask(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    assert_int_equal(ask(database, "SELECT max(version) FROM trawl_schema"), 2);
    part.count = 1;
    assert_int_equal(migrations_run(database, &part, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "newer trawl"));
    database_close(database);
}

/* --- Records --- */

static void encode(struct buffer *out, const struct record *record) {
    struct field_selection fields;
    struct buffer names;

    buffer_init(&names);
    for (uint32_t i = 0; i < record->kind->field_count; i++)
        buffer_add_format(&names, "%s%s", i ? "," : "", record->kind->fields[i].name);
    buffer_add_byte(&names, 0);
    assert_int_equal(field_selection_init(&fields, record->kind, (const char *)names.ptr, NULL),
                     ERROR_NONE);
    struct encoding encoding = {.encoder = &msgpack_encoder, .fields = &fields};
    msgpack_encoder.encode(&encoding, record, out);
    field_selection_deinit(&fields);
    buffer_deinit(&names);
}

/* All samples, probes and entries of logs. */
static void encode_samples(struct buffer *out) {
    struct probe_record *records[SAMPLE_COUNT];
    struct ct_record *entries[] = {sample_ct_suspicious(), sample_ct_known(), sample_ct_lookalike(),
                                   sample_ct_malformed(), sample_ct_unbound()};

    buffer_init(out);
    sample_records_new(records);
    for (uint32_t i = 0; i < SAMPLE_COUNT; i++) {
        probe_record_identify(records[i], 1, i, 0);
        encode(out, &records[i]->head);
    }
    sample_records_put(records);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        encode(out, &entries[i]->head);
        record_put(&entries[i]->head);
    }
}

static struct store *open_store(const char *name) {
    struct store *store;
    struct failure failure = {0};

    if (store_open(&store, open_scratch(name, false), &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    return store;
}

static void write_samples(struct store *store, struct slice bytes) {
    struct failure failure = {0};

    if (store_take(store, bytes, &failure) != ERROR_NONE ||
        store_write(store, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

static void records_are_written_once(void **state) {
    (void)state;
    static const char *const counts[] = {
        "SELECT count(*) FROM certificates", "SELECT count(*) FROM certificate_names",
        "SELECT count(*) FROM chain_links",  "SELECT count(*) FROM details",
        "SELECT count(*) FROM endpoints",    "SELECT count(*) FROM observations",
        "SELECT count(*) FROM ct_hits"};
    enum { COUNTS = sizeof counts / sizeof counts[0] };
    struct store *store = open_store("once.db");
    struct database *database = store_database(store);
    int64_t before[COUNTS];
    struct buffer samples;

    encode_samples(&samples);
    write_samples(store, buffer_slice(&samples));
    for (size_t i = 0; i < COUNTS; i++)
        assert_true((before[i] = ask(database, counts[i])) > 0);
    assert_int_equal(ask(database, counts[5]), SAMPLE_COUNT);
    assert_int_equal(ask(database, counts[6]), 5);
    for (int round = 0; round < 2; round++) { /* once more, and twice in one transaction */
        struct failure failure;
        if (round)
            assert_int_equal(store_take(store, buffer_slice(&samples), &failure), ERROR_NONE);
        write_samples(store, buffer_slice(&samples));
        for (size_t i = 0; i < COUNTS; i++)
            assert_int_equal(ask(database, counts[i]), before[i]);
    }
    assert_int_equal(ask(database, "SELECT count(*) FROM observations o"
                                   " JOIN endpoints e ON e.id = o.endpoint"
                                   " JOIN details d ON d.id = o.detail"
                                   " WHERE json_valid(d.record)"),
                     SAMPLE_COUNT);
    assert_int_equal(ask(database, "SELECT count(*) FROM certificate_names"
                                   " WHERE instr(name, char(0)) OR name = ''"),
                     0);
    buffer_deinit(&samples);
    store_close(store);
}

/* The newest probe is what an endpoint shows, in whatever order they come; a certificate stays when
 * a probe gets none. */
static void newest_state(void **state) {
    (void)state;
    struct store *store = open_store("newest.db");
    struct database *database = store_database(store);
    struct buffer bytes;

    for (uint32_t i = 0; i < 4; i++) { /* at 2, 4, 1 and 3 seconds; even ones see a certificate */
        static const int64_t seconds[] = {2, 4, 1, 3};
        struct probe_record *record = sample_new("host", 443);
        probe_record_identify(record, 1, i, 0);
        record->time_ms = seconds[i] * 1000;
        record->outcome = seconds[i] % 2 ? OUTCOME_OK : OUTCOME_TIMEOUT;
        if (seconds[i] % 2)
            sample_certificate(record, (unsigned)seconds[i]);
        buffer_init(&bytes);
        encode(&bytes, &record->head);
        write_samples(store, buffer_slice(&bytes));
        buffer_deinit(&bytes);
        record_put(&record->head);
    }
    assert_int_equal(ask(database, "SELECT count(*) FROM endpoints WHERE first_seen = 1000 AND"
                                   " last_seen = 4000 AND outcome = 'timeout'"),
                     1);
    assert_int_equal(ask(database, "SELECT count(*) FROM observations"), 4);
    store_close(store);
}

/* Whatever the bytes are: an error or rows, and the store goes on. */
static void hostile_bytes(void **state) {
    (void)state;
    struct store *store = open_store("hostile.db");
    struct failure failure;
    struct buffer samples;

    encode_samples(&samples);
    for (size_t len = 1; len < samples.len; len += 1 + len / 40) {
        struct slice cut = {samples.ptr, len};
        enum error error = store_take(store, cut, &failure);
        assert_true(error == ERROR_NONE || error == ERROR_INPUT);
        store_drop(store);
    }
    for (uint32_t i = 0; i < 400; i++) {
        size_t at = (size_t)i * 7919 % samples.len;
        uint8_t kept = samples.ptr[at];
        samples.ptr[at] ^= (uint8_t)(1 + i % 255);
        enum error error = store_take(store, buffer_slice(&samples), &failure);
        assert_true(error == ERROR_NONE || error == ERROR_INPUT);
        if (!error && i % 16 == 0)
            assert_int_equal(store_write(store, &failure), ERROR_NONE);
        store_drop(store);
        samples.ptr[at] = kept;
    }
    assert_int_equal(store_take(store, slice_of("\x80"), &failure), ERROR_INPUT);
    assert_int_equal(store_take(store, slice_of("\x81\xa6record\xa5other"), &failure), ERROR_INPUT);
    store_drop(store);
    write_samples(store, buffer_slice(&samples));
    assert_true(ask(store_database(store), "SELECT count(*) FROM observations") >= SAMPLE_COUNT);
    buffer_deinit(&samples);
    store_close(store);
}

/* Every minute, and nothing new: what of a record stays the same is stored once. */
static void unchanged_is_small(void **state) {
    (void)state;
    struct store *store = open_store("small.db");
    struct database *database = store_database(store);
    struct probe_record *record = sample_good();
    struct buffer bytes;

    buffer_init(&bytes);
    for (uint32_t i = 0; i < 1000; i++) {
        record->time_ms += 60000;
        record->timing.total_us += 17;
        record->days_left -= 0.01;
        probe_record_identify(record, 1, i, 0);
        encode(&bytes, &record->head);
    }
    write_samples(store, buffer_slice(&bytes));
    assert_int_equal(ask(database, "SELECT count(*) FROM observations"), 1000);
    assert_int_equal(ask(database, "SELECT count(*) FROM details"), 1);
    int64_t size = ask(database, "SELECT page_count * page_size FROM pragma_page_count(),"
                                 " pragma_page_size()");
    assert_true(size < 300 * 1000);
    print_message("%lld bytes for a thousand observations\n", (long long)size);
    buffer_deinit(&bytes);
    record_put(&record->head);
    store_close(store);
}

/* One observation a second, of which the first `old` have a detail of their own. */
static void write_seconds(struct store *store, uint32_t count, uint32_t old) {
    struct probe_record *record = sample_good();
    struct buffer bytes;

    buffer_init(&bytes);
    for (uint32_t i = 0; i < count; i++) {
        record->time_ms = (i + 1) * 1000;
        record->sni = slice_of(i < old ? "old.example" : "new.example");
        probe_record_identify(record, 2, i, 0);
        encode(&bytes, &record->head);
    }
    write_samples(store, buffer_slice(&bytes));
    buffer_deinit(&bytes);
    record_put(&record->head);
}

/* What is old goes in several steps, with the details that nobody else has; the rest stays. */
static void what_is_old_goes(void **state) {
    (void)state;
    enum { OLD = 5001, ALL = OLD + 2 };
    struct store *store = open_store("forget.db");
    struct database *database = store_database(store);
    struct store_forgotten sum, gone = {0};
    struct failure failure;
    struct buffer samples;
    bool more = true;
    int steps = 0;

    encode_samples(&samples); /* entries of logs among them */
    write_samples(store, buffer_slice(&samples));
    int64_t observations = ask(database, "SELECT count(*) FROM observations"),
            hits = ask(database, "SELECT count(*) FROM ct_hits WHERE time >= 5001001");
    write_seconds(store, ALL, OLD);
    int64_t details = ask(database, "SELECT count(*) FROM details"),
            endpoints = ask(database, "SELECT sum(last_seen) FROM endpoints");
    assert_int_equal(store_forget_count(database, OLD * 1000 + 1, &sum, &failure), ERROR_NONE);
    assert_int_equal(sum.observations, OLD);
    for (; more; steps++)
        assert_int_equal(store_forget_some(database, OLD * 1000 + 1, &gone, &more, &failure),
                         ERROR_NONE);
    assert_int_equal(steps, 2);
    assert_int_equal(store_forget_details(database, &gone, &failure), ERROR_NONE);
    assert_int_equal(gone.observations, OLD);
    assert_int_equal(gone.ct_hits, sum.ct_hits);
    assert_int_equal(gone.details, 1);
    assert_int_equal(ask(database, "SELECT count(*) FROM observations"), observations + 2);
    assert_int_equal(ask(database, "SELECT count(*) FROM ct_hits"), hits);
    assert_int_equal(ask(database, "SELECT count(*) FROM details"), details - 1);
    assert_int_equal(ask(database, "SELECT sum(last_seen) FROM endpoints"), endpoints);
    assert_int_equal(ask(database, "SELECT count(*) FROM observations o LEFT JOIN details d"
                                   " ON d.id = o.detail WHERE d.id IS NULL"),
                     0);
    buffer_deinit(&samples);
    store_close(store);
}

/* --- Pieces --- */

static void names_turned(void **state) {
    (void)state;
    static const char *const known[][2] = {{"www.Example.org", "org.example.www"},
                                           {"org", "org"},
                                           {"", ""},
                                           {".", "."},
                                           {"*.a.b", "b.a.*"},
                                           {"a..b", "b..a"}};
    uint8_t out[32];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct slice name = slice_of(known[i][0]);
        store_reverse_name(name, out);
        assert_true(slice_is((struct slice){out, name.len}, known[i][1]));
    }
}

static void times_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } known[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2026-11-21T03:56:45.123Z", 1795233405123},
                 {"2000-02-29T23:59:59Z", 951868799000},
                 {"0000-01-01T00:00:00Z", -62167219200000},
                 {"9999-12-31T23:59:59.999Z", 253402300799999}};
    static const char *const bad[] = {"",
                                      "2026-11-21",
                                      "2026-11-21T03:56:45",
                                      "2026-13-01T00:00:00Z",
                                      "2026-11-21T03:56:45.12Z",
                                      "2026-11-21 03:56:45Z"};
    int64_t ms;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(text_to_time_ms(slice_of(known[i].text), &ms));
        assert_true(ms == known[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_to_time_ms(slice_of(bad[i]), &ms));
}

static void texts_mended(void **state) {
    (void)state;
    struct arena memory;
    struct slice text;

    assert_true(arena_init(&memory, 256));
    assert_true(packed_text(SAMPLE_BYTES("\xa5"
                                         "a\0b\xff"
                                         "c"),
                            100, &memory, &text));
    assert_true(slice_is(text, "a\xef\xbf\xbd"
                               "b\xef\xbf\xbd"
                               "c"));
    assert_true(packed_text(SAMPLE_BYTES("\xa5"
                                         "abc\xc3\xa9"),
                            4, &memory, &text));
    assert_true(slice_is(text, "abc"));
    assert_true(packed_text(SAMPLE_BYTES("\xa0"), 4, &memory, &text));
    assert_int_equal(text.len, 0);
    assert_false(packed_text(SAMPLE_BYTES("\x05"), 4, &memory, &text));
    assert_false(packed_hex(SAMPLE_BYTES("\xa3"
                                         "abc"),
                            &memory, &text));
    assert_true(packed_hex(SAMPLE_BYTES("\xa4"
                                        "00fF"),
                           &memory, &text));
    assert_memory_equal(text.ptr, "\0\xff", 2);
    double real;
    assert_false(packed_real(SAMPLE_BYTES("\xcb\x7f\xf8\0\0\0\0\0\0"), &real));
    arena_deinit(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(values),
        cmocka_unit_test(transactions),
        cmocka_unit_test(migrations),
        cmocka_unit_test(records_are_written_once),
        cmocka_unit_test(newest_state),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(unchanged_is_small),
        cmocka_unit_test(what_is_old_goes),
        cmocka_unit_test(names_turned),
        cmocka_unit_test(times_read),
        cmocka_unit_test(texts_mended),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
