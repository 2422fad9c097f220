#include "sinks/store/store.h"

#include "sinks/store/schema.h"
#include "sinks/store/store_rows.h"

#include <stdlib.h>

struct store {
    struct database *database;
    struct store_batch batch;
};

enum error store_open(struct store **out, struct database *database, struct failure *failure) {
    struct store *store = calloc(1, sizeof *store);
    enum error error = ERROR_NONE;

    *out = NULL;
    if (!store) {
        database_close(database);
        return failure_set(failure, ERROR_MEMORY, "no memory for the store");
    }
    store->database = database;
    if (!store_batch_init(&store->batch))
        error = failure_set(failure, ERROR_MEMORY, "no memory for the store");
    if (!error)
        error = migrations_run(database, &store_schema, failure);
    if (error) {
        store_close(store);
        return error;
    }
    *out = store;
    return ERROR_NONE;
}

void store_close(struct store *store) {
    if (!store)
        return;
    database_close(store->database);
    store_batch_deinit(&store->batch);
    free(store);
}

struct database *store_database(struct store *store) {
    return store->database;
}

enum error store_take(struct store *store, struct slice bytes, struct failure *failure) {
    struct record_view view;

    while (bytes.len) {
        if (!record_view_take(&bytes, &view))
            return failure_set(failure, ERROR_INPUT, "what the store was given is no record");
        if (!store_batch_add(&store->batch, &view))
            return failure_set(failure, ERROR_INPUT,
                               "the store does not know this kind of record; it takes those of "
                               "probes and of logs' entries");
    }
    return store->batch.failed ? failure_set(failure, ERROR_MEMORY, "no memory for the store")
                               : ERROR_NONE;
}

enum error store_write_within(struct store *store, struct failure *failure) {
    enum error error = store->batch.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for the store")
                           : ERROR_NONE;

    for (int i = 0; !error && i < STORE_TABLES; i++) {
        const struct store_rows *rows = &store->batch.tables[i];
        error =
            database_run_rows(store->database, &store_bulks[i], rows->values, rows->rows, failure);
    }
    return error;
}

enum error store_write(struct store *store, struct failure *failure) {
    enum error error = database_begin(store->database, failure);
    if (error)
        return error;
    error = store_write_within(store, failure);
    if (error) {
        database_rollback(store->database);
        return error;
    }
    error = database_commit(store->database, failure);
    if (!error)
        store_batch_clear(&store->batch);
    return error;
}

void store_drop(struct store *store) {
    store_batch_clear(&store->batch);
}
