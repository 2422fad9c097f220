/* Databases: sqlite:PATH and postgresql://… (sinks/store). Whatever --fields and --format say for
 * other outputs, these are given whole records as MessagePack, which the sink's thread takes apart.
 *
 * Batches are taken as long as more come at once, and written in one transaction. A record that the
 * database does not take as it is, is found by writing each batch alone, then each record of one
 * that fails, and refused; all else that is wrong holds back, and is tried again. */
#include "engine/base/clock.h"
#include "engine/base/spec_options.h"
#include "engine/record/encoder.h"
#include "engine/record/msgpack_token.h"
#include "sinks/sink.h"
#include "sinks/store/store.h"

#include <stdlib.h>
#include <time.h>

enum {
    WINDOW_RECORDS = 8192, /* of one transaction, or one batch */
    PAUSE_MS = 500,        /* before what failed is tried again */
    PATIENCE_MS = 20000,
};

struct store_sink {
    struct sink head;
    char *url, *name; /* the name is for messages: without what is secret */
    struct store *store;
    struct sink_delivery *first, **last; /* taken, in order */
    uint32_t taken;                      /* deliveries */
    uint32_t alone;                      /* so many are still to be written one by one */
    struct slice rest;                   /* of the first, whose records are written one by one */
    struct failure trouble;              /* of the last attempt */
    uint64_t again_ns;                   /* when to try again after it */
};

static struct store_sink *store_sink_of(struct sink *sink) {
    return (struct store_sink *)sink;
}

static bool takes_sqlite(struct slice spec) {
    return slice_is(slice_first(spec, strlen("sqlite:")), "sqlite:");
}

static bool takes_postgresql(struct slice spec) {
    return database_takes(spec) && !takes_sqlite(spec);
}

/* --- Opening --- */

static enum error open_store(struct store_sink *sink, const atomic_bool *abandoned,
                             struct failure *failure) {
    struct database *database;
    struct database_config config = {
        .url = sink->url, .patience_ms = PATIENCE_MS, .abandoned = abandoned};
    enum error error = database_open(&database, &config, failure);

    if (database && !(sink->name = strdup(database_name(database))))
        error = failure_set(failure, ERROR_MEMORY, "no memory for a database");
    if (sink->name)
        sink->head.spec = sink->name;
    if (error) {
        database_close(database);
        return error;
    }
    return store_open(&sink->store, database, failure);
}

static enum error open_sink(struct sink *head, const struct sink_config *config,
                            struct failure *failure) {
    static const struct option_spec none[] = {{.name = NULL}};
    struct store_sink *sink = store_sink_of(head);
    enum error error = ERROR_NONE;

    sink->last = &sink->first;
    /* No message may show the spec itself: it may hold a password. */
    head->spec = head->kind->name;
    sink->url = strdup(config->spec);
    if (!sink->url)
        return failure_set(failure, ERROR_MEMORY, "no memory for a database");
    char *fragment = strchr(sink->url, '#');
    if (fragment) {
        *fragment++ = 0;
        error = spec_options_parse(none, fragment, NULL, failure);
    }
    head->encoding.encoder = &msgpack_encoder;
    head->encoding.fields = config->all_fields;
    head->window = WINDOW_RECORDS;
    return error ? error : open_store(sink, config->abandoned, failure);
}

/* --- Writing --- */

static void take(struct sink *head, struct sink_delivery *delivery) {
    struct store_sink *sink = store_sink_of(head);

    delivery->next = NULL;
    *sink->last = delivery;
    sink->last = &delivery->next;
    sink->taken++;
}

/* The first `count` that were taken, in one transaction. */
static enum error write_some(struct store_sink *sink, uint32_t count, struct failure *failure) {
    const struct sink_delivery *delivery = sink->first;
    enum error error = ERROR_NONE;

    store_drop(sink->store);
    for (uint32_t i = 0; !error && i < count; i++, delivery = delivery->next)
        error = store_take(sink->store, delivery->bytes, failure);
    return error ? error : store_write(sink->store, failure);
}

/* The first one is done with. */
static void settle_first(struct store_sink *sink) {
    struct sink_delivery *delivery = sink->first;

    sink->first = delivery->next;
    if (!sink->first)
        sink->last = &sink->first;
    sink->taken--;
    sink->alone -= sink->alone ? 1 : 0;
    delivery->settled = true;
}

/* The record at the front of the first delivery; bytes that are none are refused with all behind
 * them, for nobody knows where the next begins. */
static enum error write_record(struct store_sink *sink, struct failure *failure) {
    struct sink_delivery *delivery = sink->first;
    uint32_t left = delivery->records - delivery->written - delivery->refused;
    size_t len = left > 1 ? msgpack_value_length(sink->rest) : 0;
    struct slice record = len ? slice_first(sink->rest, len) : sink->rest;
    uint32_t records = len ? 1 : left;

    store_drop(sink->store);
    enum error error = store_take(sink->store, record, failure);
    if (!error)
        error = store_write(sink->store, failure);
    if (error && error != ERROR_INPUT)
        return error;
    if (error) {
        failure->code = ERROR_REFUSED;
        sink_delivery_refuse(delivery, record, records, failure);
    } else {
        delivery->written += records;
    }
    sink->rest = slice_from(sink->rest, record.len);
    return ERROR_NONE;
}

static enum error write_apart(struct store_sink *sink, struct failure *failure) {
    enum error error = ERROR_NONE;

    while (!error && sink->rest.len)
        error = write_record(sink, failure);
    if (!error)
        settle_first(sink);
    return error;
}

/* Waits, where the last attempt failed a moment ago. */
static bool may_try(const struct store_sink *sink, uint32_t wait_ms) {
    uint64_t now = clock_monotonic_ns();
    bool waits = sink->trouble.code != ERROR_NONE && now < sink->again_ns;
    uint64_t left_ms = waits ? (sink->again_ns - now) / 1000000 + 1 : 0;
    uint32_t ms = left_ms < wait_ms ? (uint32_t)left_ms : wait_ms;

    if (ms)
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
    return left_ms <= wait_ms;
}

static void settle_written(struct store_sink *sink, uint32_t count) {
    while (count--) {
        sink->first->written = sink->first->records;
        settle_first(sink);
    }
}

static enum error write_taken(struct store_sink *sink, struct failure *failure) {
    enum error error = sink->rest.len ? write_apart(sink, failure) : ERROR_NONE;

    while (!error && sink->taken) {
        uint32_t count = sink->alone ? 1 : sink->taken;
        error = write_some(sink, count, failure);
        if (!error) {
            settle_written(sink, count);
        } else if (error == ERROR_INPUT && count > 1) {
            sink->alone = count;
            error = ERROR_NONE;
        } else if (error == ERROR_INPUT) {
            sink->rest = sink->first->bytes;
            error = write_apart(sink, failure);
        }
    }
    return error;
}

/* `wait_ms` is 0 as long as more comes at once. */
static enum error settle(struct sink *head, uint32_t wait_ms, struct failure *failure) {
    struct store_sink *sink = store_sink_of(head);

    if (wait_ms && may_try(sink, wait_ms)) {
        sink->trouble.code = write_taken(sink, &sink->trouble);
        sink->again_ns = clock_monotonic_ns() + PAUSE_MS * UINT64_C(1000000);
    }
    *failure = sink->trouble;
    return sink->trouble.code;
}

static enum error finish(struct sink *head, struct failure *failure) {
    (void)head, (void)failure;
    return ERROR_NONE;
}

static void close_sink(struct sink *head) {
    struct store_sink *sink = store_sink_of(head);

    store_close(sink->store);
    free(sink->name);
    free(sink->url);
}

const struct sink_kind sqlite_sink = {
    .name = "sqlite",
    .summary = "tables of certificates, endpoints, observations, CT hits",
    .example = "-o sqlite:trawl.db",
    .size = sizeof(struct store_sink),
    .takes = takes_sqlite,
    .open = open_sink,
    .take = take,
    .settle = settle,
    .finish = finish,
    .close = close_sink,
};

const struct sink_kind postgresql_sink = {
    .name = "postgresql",
    .summary = "the same in a PostgreSQL, in the schema trawl",
    .example = "-o postgresql://user@db.example.org/inventory",
    .size = sizeof(struct store_sink),
    .spools = true,
    .takes = takes_postgresql,
    .open = open_sink,
    .take = take,
    .settle = settle,
    .finish = finish,
    .close = close_sink,
};
