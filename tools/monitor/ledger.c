#include "tools/monitor/ledger_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "tools/monitor/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    RETRY_MS = 1000,
    RETRY_MAX_MS = 60 * 1000,
    PRUNE_MS = 60 * 1000, /* between two rounds of forgetting */
    AGENTS_MS = 5 * 1000, /* between two looks for silent agents */
    MEMORY_BYTES = 256 * 1024,
};

static int64_t monotonic_ms(void) {
    return (int64_t)(clock_monotonic_ns() / 1000000);
}

void monitor_ledger_say(struct monitor_ledger *ledger, const struct failure *failure) {
    if (ledger->config.on_trouble)
        ledger->config.on_trouble(ledger->config.owner, failure);
}

/* --- Transactions --- */

static void clear_round(struct monitor_ledger *ledger) {
    monitor_ledger_drop_rows(ledger);
    store_drop(ledger->store);
    arena_reset(&ledger->memory);
    ledger->packed.len = ledger->events.len = ledger->targets.len = 0;
    struct buffer *buffers[] = {&ledger->packed, &ledger->events, &ledger->targets};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        if (buffers[i]->failed) {
            buffer_deinit(buffers[i]);
            buffer_init(buffers[i]);
        }
    ledger->has_notices = ledger->has_reports = false;
    memset(&ledger->round, 0, sizeof ledger->round);
}

enum error monitor_ledger_begin(struct monitor_ledger *ledger, struct failure *failure) {
    clear_round(ledger);
    ledger->now_ms = clock_unix_ms();
    return database_begin(ledger->database, failure);
}

static uint32_t event_count(const struct monitor_ledger *ledger) {
    return (uint32_t)(ledger->events.len / sizeof(struct ledger_event));
}

static const struct ledger_event *event_at(const struct monitor_ledger *ledger, uint32_t i) {
    return (const struct ledger_event *)(const void *)ledger->events.ptr + i;
}

static enum error write_events(struct monitor_ledger *ledger, struct failure *failure) {
    uint32_t count = event_count(ledger);

    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_event *event = event_at(ledger, i);
        const struct sql_value values[] = {sql_integer((int64_t)ledger->seq + 1 + i),
                                           sql_integer(ledger->now_ms),
                                           sql_text(slice_of(event->kind)), sql_text(event->body)};
        monitor_ledger_add_row(ledger, LEDGER_EVENTS, values);
    }
    return monitor_ledger_write_rows(ledger, LEDGER_EVENTS, failure);
}

/* A record that the store does not understand is ours all the same. */
static enum error write_store(struct monitor_ledger *ledger, struct failure *failure) {
    if (ledger->packed.failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for records");
    if (ledger->packed.len == 0 || ledger->is_without_store)
        return ERROR_NONE;
    enum error error = store_take(ledger->store, buffer_slice(&ledger->packed), failure);
    return error ? error : store_write_within(ledger->store, failure);
}

static void count_round(struct monitor_ledger *ledger) {
    const uint64_t *from = (const uint64_t *)&ledger->round;
    uint64_t *to = (uint64_t *)&ledger->statistics;

    for (size_t i = 0; i < offsetof(struct monitor_ledger_statistics, failing) / sizeof *to; i++)
        if (from[i])
            __atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
}

static void publish(struct monitor_ledger *ledger) {
    const struct ledger_config *config = &ledger->config;
    const int64_t *keys = (const int64_t *)(const void *)ledger->targets.ptr;

    for (uint32_t i = 0; i < event_count(ledger); i++) {
        const struct ledger_event *event = event_at(ledger, i);
        events_publish(ledger->hub, ++ledger->seq, ledger->now_ms, event->kind, event->body);
    }
    if (ledger->has_notices && config->on_notice)
        config->on_notice(config->owner);
    if (ledger->has_reports && config->on_report)
        config->on_report(config->owner);
    for (size_t i = 0; i < ledger->targets.len / sizeof keys[0] && config->on_targets; i++)
        config->on_targets(config->owner, keys[i]);
}

enum error monitor_ledger_end(struct monitor_ledger *ledger, enum error error,
                              struct failure *failure) {
    if (!error && (ledger->events.failed || ledger->targets.failed))
        error = failure_set(failure, ERROR_MEMORY, "no memory for events");
    if (!error)
        error = write_store(ledger, failure);
    if (!error)
        error = write_events(ledger, failure);
    if (error) {
        database_rollback(ledger->database);
    } else {
        error = database_commit(ledger->database, failure);
    }
    if (!error) {
        ledger->round.transactions = 1;
        count_round(ledger);
        publish(ledger);
    }
    clear_round(ledger);
    return error;
}

/* --- Trouble --- */

static bool passes(enum error error) {
    return error == (enum error)ENOTCONN || error == (enum error)ENOSPC ||
           error == (enum error)EIO || error == (enum error)EBUSY ||
           error == (enum error)ECANCELED || error == ERROR_MEMORY;
}

static void note_trouble(struct monitor_ledger *ledger, const struct failure *failure) {
    if (!ledger->is_failing) {
        ledger->wait_ms = ledger->config.retry_ms ? ledger->config.retry_ms : RETRY_MS;
        monitor_ledger_say(ledger, failure);
    }
    ledger->is_failing = true;
    __atomic_store_n(&ledger->statistics.failing, 1, __ATOMIC_RELAXED);
    ledger->retry_ms = monotonic_ms() + ledger->wait_ms;
    ledger->wait_ms = ledger->wait_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : ledger->wait_ms * 2;
}

static void note_success(struct monitor_ledger *ledger) {
    if (!ledger->is_failing)
        return;
    ledger->is_failing = false;
    __atomic_store_n(&ledger->statistics.failing, 0, __ATOMIC_RELAXED);
    if (ledger->config.on_recovered)
        ledger->config.on_recovered(ledger->config.owner);
}

/* --- Rounds --- */

static void run_calls(struct monitor_ledger *ledger) {
    struct call_message *call;

    while ((call = monitor_ledger_next_call(ledger))) {
        struct ledger_write write = {.ledger = ledger, .database = ledger->database};
        enum error error;

        if (call->is_plain) {
            monitor_ledger_answer(ledger, call,
                                  call->function(&write, call->context, &call->failure));
            continue;
        }
        /* A connection that broke since the last time is made anew by the second attempt. */
        for (int attempt = 0; attempt < 2; attempt++) {
            error = monitor_ledger_begin(ledger, &call->failure);
            if (!error) {
                write.now_ms = ledger->now_ms;
                error = call->function(&write, call->context, &call->failure);
                ledger->round.calls = 1;
                error = monitor_ledger_end(ledger, error, &call->failure);
            }
            if (error != (enum error)ENOTCONN)
                break;
        }
        monitor_ledger_answer(ledger, call, error);
    }
}

static bool is_same_endpoint(const struct ledger_row *row, const struct result_message *result) {
    return row->target == result->target && strcmp(row->endpoint, result->endpoint) == 0 &&
           strcmp(row->agent, result->agent) == 0;
}

enum { SEEN_SLOTS = 4 * LEDGER_BATCH };

/* Fills the batch with results that wait, up to one of an endpoint that is in it already. */
static uint32_t collect(struct monitor_ledger *ledger) {
    uint16_t seen[SEEN_SLOTS] = {0}; /* 1 + which row; by a hash of the endpoint */
    uint32_t count = 0, most = ledger->is_alone ? 1 : LEDGER_BATCH;

    for (struct mailbox_entry *entry = ledger->results; entry && count < most;
         entry = entry->next) {
        const struct result_message *result = (const struct result_message *)entry;
        uint64_t at = (uint64_t)result->target * UINT64_C(0x9e3779b97f4a7c15);
        for (const char *byte = result->endpoint; *byte; byte++)
            at = (at ^ (uint8_t)*byte) * UINT64_C(0x100000001b3);
        for (at >>= 32; seen[at % SEEN_SLOTS]; at++)
            if (is_same_endpoint(&ledger->batch[seen[at % SEEN_SLOTS] - 1], result))
                return count;
        seen[at % SEEN_SLOTS] = (uint16_t)(count + 1);
        ledger->batch[count++] = (struct ledger_row){.target = result->target,
                                                     .endpoint = result->endpoint,
                                                     .agent = result->agent,
                                                     .record = result->record};
    }
    return count;
}

/* What the database refuses for what is in it must not hold back the others: results are then tried
 * one by one, then without the store's part, then given up. */
static void single_out(struct monitor_ledger *ledger, uint32_t count,
                       const struct failure *failure) {
    if (count > 1) {
        ledger->is_alone = true;
    } else if (!ledger->is_without_store) {
        ledger->is_without_store = true;
    } else {
        ledger->is_without_store = false;
        monitor_ledger_say(ledger, failure);
        __atomic_fetch_add(&ledger->statistics.dropped, 1, __ATOMIC_RELAXED);
        monitor_ledger_settle(ledger, 1);
    }
}

/* True: there is more to do now. */
static bool write_results(struct monitor_ledger *ledger) {
    struct failure failure = {0};

    if (!ledger->results || (ledger->is_failing && monotonic_ms() < ledger->retry_ms &&
                             !atomic_load(&ledger->is_stopping)))
        return false;
    uint32_t count = collect(ledger);
    enum error error = monitor_ledger_begin(ledger, &failure);
    if (!error) {
        error = monitor_ledger_take_results(ledger, count, NULL, &failure);
        error = monitor_ledger_end(ledger, error, &failure);
    }
    if (!error) {
        note_success(ledger);
        ledger->is_without_store = false;
        monitor_ledger_settle(ledger, count);
        ledger->is_alone = ledger->is_alone && ledger->results;
    } else if (passes(error)) {
        note_trouble(ledger, &failure);
        return false;
    } else {
        single_out(ledger, count, &failure);
    }
    return ledger->results != NULL;
}

static void tell_room(struct monitor_ledger *ledger) {
    bool is_full = monitor_ledger_is_full(ledger);

    if (ledger->was_full && !is_full && ledger->config.on_room)
        ledger->config.on_room(ledger->config.owner);
    ledger->was_full = is_full;
}

/* --- Forgetting --- */

static enum error prune(struct monitor_ledger *ledger, bool *more, struct failure *failure) {
    static const struct sql_statement old_events = {
        .types = "i",
        .text = "DELETE FROM monitor_events WHERE seq <= $1",
    };
    struct sql_value last = sql_integer((int64_t)ledger->seq - EVENT_TABLE_ROWS);
    enum error error = monitor_ledger_begin(ledger, failure);

    if (error)
        return error;
    if (last.integer > 0)
        error = database_run(ledger->database, &old_events, &last, NULL, failure);
    if (!error)
        error = monitor_ledger_forget_departed(ledger, failure);
    if (!error && ledger->config.retention_ms > 0)
        error = tables_prune(ledger->database, ledger->now_ms - ledger->config.retention_ms, more,
                             failure);
    return monitor_ledger_end(ledger, error, failure);
}

static int64_t forget_every_ms(const struct monitor_ledger *ledger) {
    return ledger->config.forget_ms ? ledger->config.forget_ms : PRUNE_MS;
}

static void forget(struct monitor_ledger *ledger) {
    struct failure failure = {0};
    bool more = false;

    if (monotonic_ms() < ledger->prune_ms)
        return;
    enum error error =
        ledger->is_failing || ledger->results ? ERROR_NONE : prune(ledger, &more, &failure);
    if (error)
        note_trouble(ledger, &failure);
    ledger->prune_ms = monotonic_ms() + (more && !error ? 0 : forget_every_ms(ledger));
}

static void look_at_agents(struct monitor_ledger *ledger) {
    struct failure failure = {0};

    if (monotonic_ms() < ledger->agents_ms)
        return;
    if (!ledger->is_failing && !ledger->results && monitor_ledger_look_at_agents(ledger, &failure))
        note_trouble(ledger, &failure);
    ledger->agents_ms = monotonic_ms() + AGENTS_MS;
}

/* --- The thread --- */

static uint32_t patience(const struct monitor_ledger *ledger) {
    int64_t now = monotonic_ms(),
            until = ledger->prune_ms < ledger->agents_ms ? ledger->prune_ms : ledger->agents_ms;

    if (ledger->is_failing && ledger->results)
        until = ledger->retry_ms;
    return until <= now ? 0 : (uint32_t)(until - now);
}

static void *run(void *owner) {
    struct monitor_ledger *ledger = owner;

    for (;;) {
        uint32_t ticket = wake_ticket(&ledger->wake);
        bool is_stopping = atomic_load(&ledger->is_stopping);

        monitor_ledger_take_messages(ledger);
        run_calls(ledger);
        bool more = write_results(ledger);
        tell_room(ledger);
        if (is_stopping && !more)
            return NULL;
        if (is_stopping || more)
            continue;
        forget(ledger);
        look_at_agents(ledger);
        wake_wait(&ledger->wake, ticket, patience(ledger));
    }
}

/* --- Opening and closing --- */

/* All that records have, with the certificates' bytes, for the store; what stays the same from
 * probe to probe, to see what is news; what the API shows. */
static enum error select_fields(struct monitor_ledger *ledger, struct failure *failure) {
    static const char *const passing[] = {"id",        "time",      "attempt",  "ip",
                                          "addresses", "days_left", "timing_us"};
    const struct record_kind *kind = &probe_record_kind;
    struct buffer all, lasting;

    buffer_init(&all);
    buffer_init(&lasting);
    for (uint32_t i = 0; i < kind->field_count; i++) {
        const char *name = kind->fields[i].name;
        struct slice group = slice_first(slice_of(name), strcspn(name, "."));
        bool lasts = !kind->fields[i].on_request;

        buffer_add_format(&all, "%s%s", all.len ? "," : "", name);
        for (size_t j = 0; j < sizeof passing / sizeof passing[0]; j++)
            lasts = lasts && !slice_is(group, passing[j]);
        if (lasts)
            buffer_add_format(&lasting, "%s%s", lasting.len ? "," : "", name);
    }
    buffer_add_byte(&all, 0);
    buffer_add_byte(&lasting, 0);
    enum error error =
        all.failed || lasting.failed
            ? failure_set(failure, ERROR_MEMORY, "no memory for the fields")
            : field_selection_init(&ledger->all_fields, kind, (const char *)all.ptr, failure);
    if (!error)
        error =
            field_selection_init(&ledger->lasting_fields, kind, (const char *)lasting.ptr, failure);
    if (!error)
        error = field_selection_init(&ledger->shown_fields, kind, NULL, failure);
    if (!error)
        error = report_select_fields(&ledger->report_fields, failure);
    buffer_deinit(&all);
    buffer_deinit(&lasting);
    return error;
}

static enum error open_store(struct monitor_ledger *ledger, struct failure *failure) {
    static const struct sql_statement last = {.text = "SELECT max(seq) FROM monitor_events"};
    struct database_config config = {.url = ledger->config.url, .application = "trawl monitor"};
    struct database *database;
    int64_t seq = 0;
    enum error error = database_open(&database, &config, failure);

    if (error) {
        database_close(database);
        return error;
    }
    if ((error = store_open(&ledger->store, database, failure)))
        return error;
    ledger->database = database;
    error = migrations_run(database, &monitor_schema, failure);
    if (!error)
        error = database_number(database, &last, NULL, &seq, failure);
    ledger->seq = (uint64_t)seq;
    return error;
}

static void free_ledger(struct monitor_ledger *ledger) {
    monitor_ledger_inbox_deinit(ledger);
    store_close(ledger->store);
    field_selection_deinit(&ledger->all_fields);
    field_selection_deinit(&ledger->lasting_fields);
    field_selection_deinit(&ledger->shown_fields);
    field_selection_deinit(&ledger->report_fields);
    for (int i = 0; i < LEDGER_TABLES; i++)
        buffer_deinit(&ledger->rows[i].values);
    buffer_deinit(&ledger->packed);
    buffer_deinit(&ledger->events);
    buffer_deinit(&ledger->targets);
    arena_deinit(&ledger->memory);
    free(ledger->batch);
    free(ledger);
}

enum error monitor_ledger_open(struct monitor_ledger **out, const struct ledger_config *config,
                               struct event_hub **hub, struct failure *failure) {
    struct monitor_ledger *ledger = calloc(1, sizeof *ledger);
    enum error error;

    *out = NULL;
    *hub = NULL;
    if (!ledger)
        return failure_set(failure, ERROR_MEMORY, "no memory for the ledger");
    monitor_ledger_inbox_init(ledger);
    ledger->config = *config;
    ledger->config.threshold_days = ledger->threshold_days;
    ledger->config.channels = ledger->channels;
    ledger->started_ms = monotonic_ms();
    ledger->prune_ms = ledger->started_ms + forget_every_ms(ledger);
    ledger->agents_ms = ledger->started_ms + AGENTS_MS;
    ledger->batch = calloc(LEDGER_BATCH, sizeof ledger->batch[0]);
    error = !ledger->batch || !arena_init(&ledger->memory, MEMORY_BYTES)
                ? failure_set(failure, ERROR_MEMORY, "no memory for the ledger")
                : monitor_ledger_configure(ledger, config, failure);
    if (!error)
        error = select_fields(ledger, failure);
    if (!error)
        error = open_store(ledger, failure);
    if (!error)
        error = event_hub_open(&ledger->hub, ledger->seq, failure);
    if (!error)
        error = thread_start(&ledger->thread, "ledger", run, ledger, failure);
    if (error) {
        event_hub_close(ledger->hub);
        free_ledger(ledger);
        return error;
    }
    ledger->is_started = true;
    *out = ledger;
    *hub = ledger->hub;
    return ERROR_NONE;
}

enum error monitor_ledger_close(struct monitor_ledger *ledger, struct failure *failure) {
    enum error error = ERROR_NONE;

    if (!ledger)
        return ERROR_NONE;
    atomic_store(&ledger->is_stopping, true);
    wake_signal(&ledger->wake);
    pthread_join(ledger->thread, NULL);
    uint64_t lost = atomic_load(&ledger->handed) - atomic_load(&ledger->settled);
    if (lost)
        error = failure_set(failure, (enum error)EIO,
                            "%" PRIu64 " results could not be written to %.200s", lost,
                            database_name(ledger->database));
    free_ledger(ledger);
    return error;
}
