/* Any bytes as packed records for the store: views stay inside them, and every row has values that
 * a database can be given, of the type of their column, bounded and without a zero byte in text. */
#include "sinks/store/store_rows.h"

#include <assert.h>

static volatile uint8_t seen; /* so that every byte is read */

static void check_value(const struct sql_value *value, char type) {
    static const char types[] = {
        [SQL_INTEGER] = 'i', [SQL_REAL] = 'r', [SQL_TEXT] = 't', [SQL_BLOB] = 'b'};

    assert(value->type == SQL_NULL || types[value->type] == type);
    if (value->type != SQL_TEXT && value->type != SQL_BLOB)
        return;
    for (size_t i = 0; i < value->bytes.len; i++) {
        assert(value->type == SQL_BLOB || value->bytes.ptr[i] != 0);
        seen = value->bytes.ptr[i];
    }
}

static void check_rows(const struct store_batch *batch) {
    for (int i = 0; i < STORE_TABLES; i++) {
        const struct store_rows *rows = &batch->tables[i];
        assert(rows->columns == strlen(store_bulks[i].types));
        for (size_t k = 0; k < rows->rows * rows->columns; k++)
            check_value(&rows->values[k], store_bulks[i].types[k % rows->columns]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {data, size};
    struct store_batch batch;
    struct record_view view;

    if (!store_batch_init(&batch))
        return 0;
    while (rest.len && record_view_take(&rest, &view)) {
        for (int i = 0; i < VIEW_FIELDS; i++)
            assert(view.values[i].len == 0 ||
                   (view.values[i].ptr >= data &&
                    view.values[i].ptr + view.values[i].len <= data + size));
        (void)store_batch_add(&batch, &view);
    }
    assert(!batch.failed);
    check_rows(&batch);
    store_batch_clear(&batch);
    store_batch_deinit(&batch);
    return 0;
}
