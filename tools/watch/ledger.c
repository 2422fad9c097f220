#include "tools/watch/ledger_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"

#include <stdlib.h>

enum {
    RETRY_MS = 1000,
    RETRY_MOST = 16, /* times as long, in the end */
    CHECK_EVERY_MS = 5 * 1000,
    REFRESH_SHARE = 20, /* at most one part in so many of the time goes into refreshing */
};

int64_t ledger_now_ms(void) {
    return (int64_t)(clock_monotonic_ns() / 1000000);
}

uint64_t ledger_all_sinks(const struct ledger *ledger) {
    uint64_t all = 0;

    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        all |= UINT64_C(1) << ledger->outlets[i].saved.number;
    return all;
}

static void free_messages(struct ledger *ledger, struct mailbox_entry *messages) {
    while (messages) {
        struct mailbox_entry *next = messages->next;
        message_free(ledger, (struct message *)messages);
        messages = next;
    }
}

/* --- What fails --- */

void ledger_say(struct ledger *ledger, const struct failure *failure) {
    if (ledger->config.on_trouble)
        ledger->config.on_trouble(ledger->config.owner, failure);
}

static void begin_trouble(struct ledger *ledger, struct trouble *trouble,
                          const struct failure *failure) {
    int64_t first_ms = ledger->config.retry_ms, most_ms = RETRY_MOST * first_ms;
    int64_t wait_ms = trouble->is_failing ? 2 * trouble->wait_ms : first_ms;

    if (!trouble->is_failing)
        ledger_say(ledger, failure);
    trouble->is_failing = true;
    trouble->wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    trouble->retry_ms = ledger_now_ms() + trouble->wait_ms;
}

static void end_trouble(struct ledger *ledger, struct trouble *trouble) {
    if (trouble->is_failing && ledger->config.on_recovered)
        ledger->config.on_recovered(ledger->config.owner, trouble->what);
    trouble->is_failing = false;
}

enum error ledger_note(struct ledger *ledger, struct trouble *trouble, enum error error,
                       const struct failure *failure) {
    if (error)
        begin_trouble(ledger, trouble, failure);
    else
        end_trouble(ledger, trouble);
    __atomic_store_n(&ledger->statistics.state_failing, ledger->state_trouble.is_failing,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&ledger->statistics.database_failing, ledger->database_trouble.is_failing,
                     __ATOMIC_RELAXED);
    return error;
}

static bool may_try(const struct trouble *trouble) {
    return !trouble->is_failing || ledger_now_ms() >= trouble->retry_ms;
}

bool ledger_has_state(const struct ledger *ledger) {
    return may_try(&ledger->state_trouble);
}

bool ledger_has_database(const struct ledger *ledger) {
    return ledger->config.database && !ledger->database_trouble.is_failing;
}

/* Asked now and then, so that an operator knows that it is down before it is needed. */
static void check_database(struct ledger *ledger) {
    const struct ledger_database *database = ledger->config.database;
    struct failure failure = {0};
    int64_t now_ms = ledger_now_ms();

    if (!database || !may_try(&ledger->database_trouble) ||
        (!ledger->database_trouble.is_failing && now_ms < ledger->check_ms))
        return;
    ledger_note(ledger, &ledger->database_trouble, database->check(database->owner, &failure),
                &failure);
    ledger->check_ms = ledger_now_ms() + CHECK_EVERY_MS;
}

/* What can no longer be read stays known. What was learned counts for all that waits. */
static void refresh_inventory(struct ledger *ledger) {
    struct inventory *inventory = ledger->config.inventory;
    struct failure failure = {0};
    int64_t now_ms = ledger_now_ms();
    bool changed = false;

    if (!inventory || now_ms < ledger->refresh_ms)
        return;
    ledger_note(ledger, &ledger->inventory_trouble,
                inventory_refresh(inventory, &changed, &failure), &failure);
    int64_t took_ms = ledger_now_ms() - now_ms, pause_ms = REFRESH_SHARE * took_ms;
    ledger->refresh_ms =
        now_ms + took_ms +
        (pause_ms > ledger->config.refresh_ms ? pause_ms : ledger->config.refresh_ms);
    if (!changed || !ledger_has_state(ledger))
        return;
    enum error error = ledger_begin_round(ledger, &failure);
    if (!error)
        error = watch_state_look_by(ledger->config.state, clock_unix_ms(), &failure);
    (void)ledger_end_round(ledger, error, &failure);
}

/* --- Rounds --- */

enum error ledger_begin_round(struct ledger *ledger, struct failure *failure) {
    ledger->round = (struct ledger_statistics){0};
    return watch_state_begin(ledger->config.state, failure);
}

static void add_counts(struct ledger *ledger) {
    struct ledger_statistics *to = &ledger->statistics;
    const struct ledger_statistics *from = &ledger->round;
    struct watch_state_counts counts = watch_state_counts(ledger->config.state);

    for (uint32_t i = 0; i < CT_VERDICTS; i++)
        ledger_count(&to->verdicts[i], from->verdicts[i]);
    ledger_count(&to->hits, from->hits);
    ledger_count(&to->repeated, from->repeated);
    ledger_count(&to->delivered, from->delivered);
    ledger_count(&to->refused, from->refused);
    __atomic_store_n(&to->known, counts.known, __ATOMIC_RELAXED);
    __atomic_store_n(&to->pending, counts.pending, __ATOMIC_RELAXED);
    __atomic_store_n(&to->untold, counts.untold, __ATOMIC_RELAXED);
}

enum error ledger_end_round(struct ledger *ledger, enum error error, struct failure *failure) {
    if (error)
        watch_state_rollback(ledger->config.state);
    else
        error = watch_state_commit(ledger->config.state, failure);
    if (!error)
        add_counts(ledger);
    return ledger_note(ledger, &ledger->state_trouble, error, failure);
}

enum error ledger_save_position(struct ledger *ledger, const struct message *message,
                                struct failure *failure) {
    struct saved_position position = ledger_position_of(message);
    const struct ct_source *source = message->position.source;

    return watch_state_save_position(ledger->config.state,
                                     (struct slice){source->log_id, sizeof source->log_id},
                                     &position, failure);
}

/* Only the last position of each source needs to be written. */
static bool is_outdated(const struct message *message) {
    for (const struct mailbox_entry *entry = message->entry.next; entry; entry = entry->next) {
        const struct message *later = (const struct message *)entry;
        if (later->kind == MESSAGE_POSITION &&
            ledger_is_same_log(later->position.source, message->position.source))
            return true;
    }
    return false;
}

static enum error take_message(struct ledger *ledger, const struct message *message,
                               struct failure *failure) {
    switch (message->kind) {
    case MESSAGE_PAGE:
        return ledger_take_hits(ledger, message->page, failure);
    case MESSAGE_POSITION:
        return is_outdated(message) ? ERROR_NONE : ledger_save_position(ledger, message, failure);
    case MESSAGE_WRITTEN:
        return ledger_take_written(ledger, message, failure);
    }
    return ERROR_NONE;
}

/* All messages, in one transaction. */
static enum error take_in(struct ledger *ledger, struct mailbox_entry *messages,
                          struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);

    for (const struct mailbox_entry *at = messages; at && !error; at = at->next)
        error = take_message(ledger, (const struct message *)at, failure);
    error = ledger_end_round(ledger, error, failure);
    for (const struct mailbox_entry *at = messages; at && !error; at = at->next)
        if (((const struct message *)at)->kind == MESSAGE_WRITTEN)
            ledger_free_flights(ledger, (const struct message *)at);
    return error;
}

static void wait_for_state(struct ledger *ledger) {
    while (!ledger_has_state(ledger) && !atomic_load(&ledger->is_stopping)) {
        uint32_t ticket = wake_ticket(&ledger->wake);
        if (!atomic_load(&ledger->is_stopping))
            wake_wait(&ledger->wake, ticket, ledger->config.retry_ms);
    }
}

/* Until it succeeds, or the program ends: then nothing of it is remembered, and the logs are
 * followed from the position before. */
static bool persist(struct ledger *ledger, struct mailbox_entry *messages) {
    struct failure failure = {0};

    while (messages && take_in(ledger, messages, &failure) != ERROR_NONE) {
        if (atomic_load(&ledger->is_stopping)) {
            ledger->lost = failure;
            return false;
        }
        wait_for_state(ledger);
    }
    return true;
}

/* Whether what is left at the end comes again: out of the state, or to who goes on elsewhere. */
static bool is_left_to_others(const struct ledger *ledger) {
    return watch_state_is_kept(ledger->config.state) || ledger->config.on_safe;
}

/* What is due when the ledger stops and its state goes with it: all. */
static int64_t due_ms(const struct ledger *ledger) {
    bool is_last = atomic_load(&ledger->is_stopping) && !is_left_to_others(ledger);
    return is_last ? INT64_MAX : clock_unix_ms();
}

/* True: there is more to do now. */
static bool watch_round(struct ledger *ledger, struct mailbox_entry *messages) {
    bool more = false;

    if (persist(ledger, messages))
        ledger_keep_positions(ledger, &messages);
    free_messages(ledger, messages);
    refresh_inventory(ledger);
    check_database(ledger);
    if (ledger_has_state(ledger))
        more |= ledger_settle(ledger, due_ms(ledger));
    if (ledger_has_state(ledger))
        more |= ledger_tell_database(ledger);
    if (ledger_has_state(ledger))
        ledger_tell_sinks(ledger);
    if (ledger_has_state(ledger))
        ledger_tell_safe(ledger, false);
    if (ledger_has_state(ledger))
        more |= ledger_prune(ledger);
    return more;
}

static void stream_round(struct ledger *ledger, struct mailbox_entry *messages) {
    struct failure failure = {0};

    ledger_stream(ledger, messages);
    if (ledger_has_state(ledger))
        (void)ledger_save(ledger, false, &failure);
}

/* --- The thread --- */

/* How long nothing needs to be done unless a message comes. */
static uint32_t idle_ms(const struct ledger *ledger) {
    bool waits_for_database = ledger->config.database && ledger->database_trouble.is_failing;
    uint32_t most_ms = ledger->config.retry_ms;
    if (ledger->config.every_entry || ledger->state_trouble.is_failing || waits_for_database)
        return most_ms;
    int64_t left_ms = watch_state_next_due(ledger->config.state) - clock_unix_ms();
    return left_ms < 1 ? 1 : left_ms < most_ms ? (uint32_t)left_ms : most_ms;
}

/* Whether nothing is left that could be done before the end. */
static bool is_through(const struct ledger *ledger) {
    if (atomic_load(&ledger->is_abandoned))
        return true;
    if (ledger->config.every_entry)
        return ledger_has_streamed(ledger);
    return ledger->state_trouble.is_failing || ledger_has_told_sinks(ledger);
}

static void *run(void *context) {
    struct ledger *ledger = context;

    for (;;) {
        uint32_t ticket = wake_ticket(&ledger->wake);
        bool is_stopping = atomic_load(&ledger->is_stopping), more = false;
        struct mailbox_entry *messages = mailbox_take_all(&ledger->inbox);
        bool is_idle = !messages;
        if (ledger->config.every_entry)
            stream_round(ledger, messages);
        else
            more = watch_round(ledger, messages);
        if (is_stopping && is_idle && !more && is_through(ledger))
            break;
        if (is_idle && !more)
            wake_wait(&ledger->wake, ticket, idle_ms(ledger));
    }
    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        batch_queue_close(ledger->outlets[i].queue, 0);
    return NULL;
}

/* --- From outside --- */

static void wake(void *owner) {
    wake_signal(&((struct ledger *)owner)->wake);
}

static void add_outlets(struct ledger *ledger) {
    const struct ledger_config *config = &ledger->config;

    for (uint32_t i = 0; i < config->outlet_count; i++) {
        ledger->outlets[i] = (struct outlet){
            .encoding = config->outlets[i].encoding,
            .queue = config->outlets[i].queue,
            .filter = config->outlets[i].filter,
            .saved = config->sinks[i],
            .position = {config->sinks[i].file, config->sinks[i].bytes},
        };
        batch_queue_wake_on_room(config->outlets[i].queue, &ledger->wake);
    }
}

enum error ledger_open(struct ledger **out, const struct ledger_config *config,
                       struct failure *failure) {
    struct ledger *ledger = calloc(1, sizeof *ledger);
    bool writes = config->database && config->database->add_alert;

    if (!ledger || config->outlet_count > LEDGER_OUTLETS_MAX) {
        free(ledger);
        return failure_set(failure, ERROR_LIMIT, "no memory, or more than %d outputs",
                           LEDGER_OUTLETS_MAX);
    }
    ledger->config = *config;
    if (!ledger->config.retry_ms)
        ledger->config.retry_ms = RETRY_MS;
    ledger->state_trouble.what = "the state";
    ledger->database_trouble.what =
        config->database && config->database->name ? config->database->name : "the database";
    ledger->inventory_trouble.what = "the inventory";
    ledger->backlog_end = &ledger->backlog;
    mailbox_init(&ledger->inbox, wake, ledger);
    add_outlets(ledger);
    enum error error = watch_state_adopt(config->state, ledger_all_sinks(ledger), writes, failure);
    if (error) {
        ledger_close(ledger);
        return error;
    }
    add_counts(ledger);
    *out = ledger;
    return ERROR_NONE;
}

enum error ledger_start(struct ledger *ledger, struct failure *failure) {
    enum error error = thread_start(&ledger->thread, "ledger", run, ledger, failure);

    ledger->is_started = error == ERROR_NONE;
    return error;
}

/* One that was never started only closes the queues, so that the sinks end. */
void ledger_stop(struct ledger *ledger) {
    if (atomic_exchange(&ledger->is_stopping, true))
        return;
    wake_signal(&ledger->wake);
    for (uint32_t i = 0; i < ledger->config.outlet_count && !ledger->is_started; i++)
        batch_queue_close(ledger->outlets[i].queue, 0);
}

void ledger_abandon(struct ledger *ledger) {
    atomic_store(&ledger->is_abandoned, true);
    wake_signal(&ledger->wake);
}

static void join(struct ledger *ledger) {
    if (!ledger->is_started)
        return;
    pthread_join(ledger->thread, NULL);
    ledger->is_started = false;
}

/* What nobody will remember. */
static enum error count_lost(const struct ledger *ledger, struct failure *failure) {
    struct watch_state_counts counts = watch_state_counts(ledger->config.state);

    if (is_left_to_others(ledger) || counts.pending + counts.untold == 0)
        return ERROR_NONE;
    return failure_set(failure, ERROR_INPUT,
                       "%llu alerts are not delivered, or that is not noted, and are forgotten "
                       "now; with --state FILE they would be kept",
                       (unsigned long long)(counts.pending + counts.untold));
}

static enum error finish_watching(struct ledger *ledger, struct mailbox_entry *messages,
                                  struct failure *failure) {
    enum error error = take_in(ledger, messages, failure);

    while (!error && ledger_tell_database(ledger))
        ;
    if (!error) {
        ledger_keep_positions(ledger, &messages);
        ledger_tell_safe(ledger, true);
    }
    free_messages(ledger, messages);
    return error ? error : count_lost(ledger, failure);
}

enum error ledger_finish(struct ledger *ledger, struct failure *failure) {
    enum error error;

    join(ledger);
    struct mailbox_entry *messages = mailbox_take_all(&ledger->inbox);
    if (ledger->config.every_entry) {
        ledger_stream(ledger, messages);
        return ledger_save(ledger, true, failure);
    }
    error = finish_watching(ledger, messages, failure);
    if (ledger->lost.code) {
        *failure = ledger->lost;
        return ledger->lost.code;
    }
    return error;
}

void ledger_close(struct ledger *ledger) {
    if (!ledger)
        return;
    if (ledger->is_started) {
        ledger_stop(ledger);
        ledger_abandon(ledger);
        join(ledger);
    }
    free_messages(ledger, mailbox_take_all(&ledger->inbox));
    ledger_drop_stream(ledger);
    free(ledger);
}

void ledger_statistics(const struct ledger *ledger, struct ledger_statistics *out) {
    const struct ledger_statistics *from = &ledger->statistics;

    for (uint32_t i = 0; i < CT_VERDICTS; i++)
        out->verdicts[i] = __atomic_load_n(&from->verdicts[i], __ATOMIC_RELAXED);
    out->hits = __atomic_load_n(&from->hits, __ATOMIC_RELAXED);
    out->repeated = __atomic_load_n(&from->repeated, __ATOMIC_RELAXED);
    out->known = __atomic_load_n(&from->known, __ATOMIC_RELAXED);
    out->pending = __atomic_load_n(&from->pending, __ATOMIC_RELAXED);
    out->untold = __atomic_load_n(&from->untold, __ATOMIC_RELAXED);
    out->delivered = __atomic_load_n(&from->delivered, __ATOMIC_RELAXED);
    out->refused = __atomic_load_n(&from->refused, __ATOMIC_RELAXED);
    out->state_failing = __atomic_load_n(&from->state_failing, __ATOMIC_RELAXED);
    out->database_failing = __atomic_load_n(&from->database_failing, __ATOMIC_RELAXED);
    out->pages_waiting = atomic_load(&ledger->pages_waiting);
}
