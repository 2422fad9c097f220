/* The sink over the store, on SQLite: what it refuses, record by record, and a disk that is full
 * for a while. */
#include "engine/record/fields.h"
#include "sinks/sink.h"
#include "sinks/store/record_view.h"
#include "tests/golden/sample_records.h"
#include "tests/unit/sinks/small_disk.h"

#include <sqlite3.h>

static struct failure failure;
static struct field_selection fields;

/* {"record": "weather"}, which the store does not know, and a map that is cut off. */
static const char unknown[] = "\x81\xa6record\xa7weather", cut[] = "\x82\xa6record";

static struct sink *open_store(const char *name) {
    static char spec[600];
    struct sink_config config = {.spec = spec, .all_fields = &fields};
    struct sink *sink = NULL;

    snprintf(spec, sizeof spec, "sqlite:%s", scratch_path(name));
    return sink_open(&sink, &config, &failure) == ERROR_NONE ? sink : NULL;
}

static void add_probe(struct buffer *out, const struct sink *sink, uint32_t number) {
    struct probe_record *record = sample_good();

    probe_record_identify(record, 1, number, 0);
    msgpack_encoder.encode(&sink->encoding, &record->head, out);
    record_put(&record->head);
}

static enum error settle(struct sink *sink) {
    return sink->kind->settle(sink, SINK_PATIENCE_MS, &failure);
}

static int64_t count_rows(const char *name) {
    sqlite3_stmt *statement = NULL;
    sqlite3 *database = NULL;
    int64_t rows = -1;

    if (sqlite3_open(scratch_path(name), &database) == SQLITE_OK &&
        sqlite3_prepare_v2(database, "SELECT count(*) FROM observations", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        rows = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return rows;
}

static void leftovers_deinit(struct sink_leftovers *leftovers) {
    buffer_deinit(&leftovers->again);
    buffer_deinit(&leftovers->dead);
    buffer_deinit(&leftovers->notes);
}

/* Three batches at once; of the second a record in the middle, and its end, cannot be read. */
static void refuses_by_the_record(void **state) {
    (void)state;
    struct sink *sink = open_store("refuses.db");
    struct buffer bytes[3];
    struct sink_leftovers leftovers = {0};
    struct sink_delivery deliveries[3] = {{.records = 1}, {.records = 5}, {.records = 1}};

    assert_non_null(sink);
    for (uint32_t i = 0; i < 3; i++)
        buffer_init(&bytes[i]);
    add_probe(&bytes[0], sink, 1);
    add_probe(&bytes[1], sink, 2);
    buffer_add(&bytes[1], unknown, sizeof unknown - 1);
    add_probe(&bytes[1], sink, 3);
    buffer_add(&bytes[1], cut, sizeof cut - 1);
    add_probe(&bytes[2], sink, 4);
    deliveries[1].leftovers = &leftovers;
    for (uint32_t i = 0; i < 3; i++) {
        deliveries[i].bytes = buffer_slice(&bytes[i]);
        sink->kind->take(sink, &deliveries[i]);
    }
    assert_int_equal(settle(sink), ERROR_NONE);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(deliveries[i].settled);
        assert_int_equal(deliveries[i].written, i == 1 ? 2 : 1);
    }
    assert_int_equal(deliveries[1].refused, 3);
    assert_int_equal(deliveries[1].failure.code, ERROR_REFUSED);
    assert_int_equal(leftovers.again_records, 0);
    assert_int_equal(leftovers.dead.len, sizeof unknown - 1 + sizeof cut - 1);
    assert_memory_equal(leftovers.dead.ptr, unknown, sizeof unknown - 1);
    assert_int_equal(sink->kind->finish(sink, &failure), ERROR_NONE);
    sink_close(sink);
    assert_int_equal(count_rows("refuses.db"), 4);
    leftovers_deinit(&leftovers);
    for (uint32_t i = 0; i < 3; i++)
        buffer_deinit(&bytes[i]);
}

/* What fits is there, what did not holds back, and nothing is counted or written twice. */
static int full_disk(void) {
    struct buffer bytes;

    if (!mount_small("size=1m"))
        return CHILD_SKIPPED;
    struct sink *sink = open_store("full.db");
    CHECK(1, sink && fill("filler", 4096));
    buffer_init(&bytes);
    for (uint32_t i = 0; i < 200; i++)
        add_probe(&bytes, sink, i);
    struct sink_delivery delivery = {.bytes = buffer_slice(&bytes), .records = 200};
    sink->kind->take(sink, &delivery);
    for (int i = 0; i < 3; i++)
        CHECK(2, sink_error_passes(settle(sink)) && !delivery.settled);
    CHECK(3, strstr(failure.text, "full"));
    CHECK(4, unlink(scratch_path("filler")) == 0);
    while (!delivery.settled)
        (void)settle(sink);
    CHECK(5, delivery.written == 200 && delivery.refused == 0);
    CHECK(6, !sink->kind->finish(sink, &failure));
    sink_close(sink);
    buffer_deinit(&bytes);
    CHECK(7, count_rows("full.db") == 200);
    return CHILD_OK;
}

static void a_full_disk_holds_back(void **state) {
    (void)state;
    in_child(full_disk);
}

/* Workers go on with the encoding that a sink had when its database was away. */
static void is_away_at_the_start(void **state) {
    (void)state;
    char *folder = strdup(scratch_path("spools"));
    struct sink_config config = {
        .spec = "postgresql://me:secret@127.0.0.1:1/x", .all_fields = &fields, .spool = folder};
    struct sink *sink;
    struct buffer bytes;
    struct slice rest;
    struct record_view view;

    assert_non_null(folder);
    assert_int_equal(sink_open(&sink, &config, &failure), ERROR_NONE);
    assert_non_null(sink->spool);
    assert_null(strstr(sink->spec, "secret"));
    assert_ptr_equal(sink->encoding.fields, &fields);
    buffer_init(&bytes);
    add_probe(&bytes, sink, 1);
    rest = buffer_slice(&bytes);
    assert_true(record_view_take(&rest, &view));
    assert_true(view.values[VIEW_DER].len > 0);
    buffer_deinit(&bytes);
    sink_close(sink);
    scratch_remove("spools");
    free(folder);
}

static int setup(void **state) {
    return field_selection_init_all(&fields, &probe_record_kind, &failure) ? -1
                                                                           : scratch_setup(state);
}

static int teardown(void **state) {
    field_selection_deinit(&fields);
    return scratch_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_by_the_record),
        cmocka_unit_test(a_full_disk_holds_back),
        cmocka_unit_test(is_away_at_the_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
