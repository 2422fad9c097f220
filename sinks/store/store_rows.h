/* Rows of a batch, made unique in memory. Of one store, on its thread. */
#ifndef SINKS_STORE_STORE_ROWS_H
#define SINKS_STORE_STORE_ROWS_H

#include "engine/base/arena.h"
#include "engine/record/msgpack_json.h"
#include "sinks/store/database.h"
#include "sinks/store/record_view.h"

/* In the order in which they are written: rows refer to those of tables before them. */
enum store_table {
    STORE_CERTIFICATES,
    STORE_NAMES,
    STORE_CHAINS,
    STORE_LINKS,
    STORE_DETAILS,
    STORE_ENDPOINTS,
    STORE_OBSERVATIONS,
    STORE_CT_HITS,
    STORE_TABLES,
};

/* What is written for each: store_statements.c. */
extern const struct sql_bulk store_bulks[STORE_TABLES];

struct store_rows {
    struct sql_value *values;
    size_t rows, capacity;
    uint32_t columns;
};

/* Where the rows are that must be unique. */
struct store_index {
    struct store_index_slot {
        struct slice key;
        size_t row;
    } *slots;
    size_t count, capacity; /* a power of two, or 0 */
};

struct store_batch {
    struct arena memory; /* of what the values point to and the records do not hold */
    struct store_rows tables[STORE_TABLES];
    struct store_index index;
    struct buffer scratch;
    struct msgpack_json json;
    bool failed; /* no memory */
};

bool store_batch_init(struct store_batch *batch);
void store_batch_deinit(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);

/* Adds the rows of a record; false for one that the store does not know, or without what every
 * record has. */
bool store_batch_add(struct store_batch *batch, const struct record_view *view);

#endif
