/* Watching: an alert goes into the database, then to every sink, then it is marked in the database
 * as delivered. Its stage says how far it is (state.h). */
#include "tools/watch/ledger_internal.h"

#include "engine/base/clock.h"
#include "engine/record/ct_record_pack.h"

#include <errno.h>
#include <stdlib.h>

enum {
    /* What a sink has refused, after its own repetitions; so many times retry_ms. */
    OFFER_AGAIN_FIRST = 2,
    OFFER_AGAIN_MOST = 300,
    PRUNE_AT_ONCE = 1000,
};

static bool writes_database(const struct ledger *ledger) {
    return ledger->config.database && ledger->config.database->add_alert;
}

enum issuance_stage ledger_first_stage(const struct ledger *ledger) {
    return writes_database(ledger) ? ISSUANCE_SETTLED : ISSUANCE_OPEN;
}

void ledger_count_verdict(struct ledger *ledger, const struct ct_record *record,
                          enum issuance_stage to) {
    ledger->round.verdicts[record->verdict] += to == ISSUANCE_OPEN;
}

static enum issuance_stage last_stage(const struct ledger *ledger) {
    return writes_database(ledger) ? ISSUANCE_TOLD : ISSUANCE_DONE;
}

/* --- The database --- */

/* Where a row goes after its step. */
typedef enum error database_step(const struct ledger *ledger, const struct ct_record *record,
                                 enum issuance_stage *to, struct failure *failure);

static enum error add_alert(const struct ledger *ledger, const struct ct_record *record,
                            enum issuance_stage *to, struct failure *failure) {
    const struct ledger_database *database = ledger->config.database;
    bool delivered = false;

    enum error error = database->add_alert(database->owner, record, &delivered, failure);
    *to = delivered ? ISSUANCE_DONE : ISSUANCE_OPEN;
    return error;
}

static enum error set_delivered(const struct ledger *ledger, const struct ct_record *record,
                                enum issuance_stage *to, struct failure *failure) {
    const struct ledger_database *database = ledger->config.database;

    *to = ISSUANCE_DONE;
    return database->set_delivered ? database->set_delivered(database->owner, record, failure)
                                   : ERROR_NONE;
}

/* Takes the step with all rows, as far as the database answers: returns how many. What it can never
 * take goes on without it; what waits for somebody else stays where it is. */
static uint32_t step_rows(struct ledger *ledger, const struct rows *rows, database_step *step,
                          enum issuance_stage to[ROWS_AT_ONCE]) {
    struct failure failure = {0};

    for (uint32_t i = 0; i < rows->count; i++) {
        if (!rows->records[i])
            continue;
        enum error error = step(ledger, rows->records[i], &to[i], &failure);
        if (error == (enum error)EAGAIN)
            to[i] = rows->items[i].stage;
        else if (error == (enum error)EINVAL)
            ledger_say(ledger, &failure);
        else if (ledger_note(ledger, &ledger->database_trouble, error, &failure))
            return i;
    }
    return rows->count;
}

static enum error advance_rows(struct ledger *ledger, const struct rows *rows, uint32_t count,
                               const enum issuance_stage to[ROWS_AT_ONCE],
                               struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);

    for (uint32_t i = 0; i < count && !error; i++) {
        if (!rows->records[i]) {
            error = ledger_drop(ledger, &rows->items[i], failure);
            continue;
        }
        if (to[i] == rows->items[i].stage)
            continue;
        error = watch_state_advance(ledger->config.state, &rows->items[i], to[i], failure);
        ledger_count_verdict(ledger, rows->records[i], to[i]);
        ledger->round.repeated +=
            rows->items[i].stage == ISSUANCE_SETTLED && to[i] == ISSUANCE_DONE;
    }
    return ledger_end_round(ledger, error, failure);
}

/* Those that wait stand before all that comes later: they are passed over until it is time. */
static void note_offered(struct ledger *ledger, struct offering *offering, const struct rows *rows,
                         const enum issuance_stage to[ROWS_AT_ONCE]) {
    bool waits = false;

    for (uint32_t i = 0; i < rows->count; i++)
        waits |= rows->records[i] && to[i] == rows->items[i].stage;
    if (rows->count)
        offering->after = rows->items[rows->count - 1].turn;
    if (waits)
        offering->again_ms = ledger_now_ms() + ledger->config.retry_ms;
}

/* True: there are more rows in this stage. */
static bool run_step(struct ledger *ledger, enum issuance_stage stage, database_step *step,
                     struct offering *offering) {
    enum issuance_stage to[ROWS_AT_ONCE];
    struct failure failure = {0};
    uint32_t answered = 0;
    struct rows *rows = calloc(1, sizeof *rows);

    if (!rows)
        return false;
    if (ledger_now_ms() >= offering->again_ms)
        offering->after = 0;
    enum error error = watch_state_waiting(ledger->config.state, stage, offering->after, 0,
                                           ROWS_AT_ONCE, rows_collect, rows, &failure);
    if (error)
        ledger_note(ledger, &ledger->state_trouble, error, &failure);
    else
        answered = step_rows(ledger, rows, step, to);
    if (answered)
        error = advance_rows(ledger, rows, answered, to, &failure);
    if (!error && answered == rows->count)
        note_offered(ledger, offering, rows, to);
    bool more = !error && answered == ROWS_AT_ONCE;
    rows_free(rows);
    return more;
}

bool ledger_tell_database(struct ledger *ledger) {
    bool more = false;

    if (!writes_database(ledger))
        return false;
    if (ledger_has_database(ledger))
        more |= run_step(ledger, ISSUANCE_SETTLED, add_alert, &ledger->settled);
    if (ledger_has_database(ledger))
        more |= run_step(ledger, ISSUANCE_TOLD, set_delivered, &ledger->told);
    return more;
}

/* --- Sinks --- */

static bool hand_to(const struct outlet *outlet, const struct issuance *issuance,
                    const struct ct_record *record) {
    struct batch *batch = batch_new();

    if (!batch)
        return false;
    bool wanted = !outlet->filter || filter_matches(outlet->filter, &record->head);
    if (wanted && outlet->encoding->encoder)
        outlet->encoding->encoder->encode(outlet->encoding, &record->head, &batch->bytes);
    batch->records = wanted;
    batch->left_out = !wanted;
    batch_add_ticket(batch, (uint64_t)issuance->id);
    if (!batch->bytes.failed && !batch->tickets.failed && batch_queue_push(outlet->queue, 0, batch))
        return true;
    batch_free(batch);
    return false;
}

static bool may_tell(const struct ledger *ledger) {
    const struct ledger_database *database = ledger->config.database;

    return !database || !database->may_tell || database->may_tell(database->owner);
}

/* Rows for one outlet, until it is full, one cannot be read, or nobody may be told. */
struct handing {
    struct ledger *ledger;
    struct outlet *outlet;
    uint32_t visited;
    bool is_full, is_broken;
    struct issuance broken;
};

static bool hand_out(void *context, const struct issuance *issuance) {
    struct handing *handing = context;
    struct outlet *outlet = handing->outlet;

    handing->ledger->is_held_off |= !may_tell(handing->ledger);
    handing->is_full = outlet->in_flight == IN_FLIGHT_MAX || handing->ledger->is_held_off;
    if (handing->is_full)
        return false;
    struct ct_record *record = ct_record_unpack(issuance->record);
    if (!record) {
        handing->is_broken = true;
        handing->broken = *issuance;
        return false;
    }
    handing->is_full = !hand_to(outlet, issuance, record);
    record_put(&record->head);
    if (handing->is_full)
        return false;
    handing->visited++;
    outlet->in_flight++;
    outlet->turn = issuance->turn;
    return true;
}

/* What it has refused is offered again once it has nothing else to do. */
static void begin_again(struct outlet *outlet) {
    if (!outlet->has_all || outlet->in_flight)
        return;
    if (!outlet->has_refused) {
        outlet->wait_ms = 0;
    } else if (ledger_now_ms() >= outlet->again_ms) {
        outlet->turn = 0;
        outlet->has_refused = false;
    }
}

static enum error drop_broken(struct ledger *ledger, struct handing *handing,
                              struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);

    if (!error)
        error = ledger_drop(ledger, &handing->broken, failure);
    handing->is_broken = false;
    return ledger_end_round(ledger, error, failure);
}

static enum error tell_sink(struct ledger *ledger, struct outlet *outlet, struct failure *failure) {
    struct handing handing = {.ledger = ledger, .outlet = outlet};
    enum error error;
    bool more;

    do {
        handing.visited = 0;
        error = watch_state_waiting(ledger->config.state, ISSUANCE_OPEN, outlet->turn,
                                    UINT64_C(1) << outlet->saved.number, ROWS_AT_ONCE, hand_out,
                                    &handing, failure);
        more = handing.visited == ROWS_AT_ONCE || handing.is_broken;
        if (!error && handing.is_broken)
            error = drop_broken(ledger, &handing, failure);
    } while (!error && !handing.is_full && more);
    outlet->has_all = !error && !handing.is_full;
    return error;
}

/* Somebody else may have told what no sink was given: the database knows. */
static enum error take_back(struct ledger *ledger, struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);
    int64_t handed = 0;

    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        if (ledger->outlets[i].turn > handed)
            handed = ledger->outlets[i].turn;
    if (!error)
        error = watch_state_take_back(ledger->config.state, handed, failure);
    return ledger_end_round(ledger, error, failure);
}

void ledger_tell_sinks(struct ledger *ledger) {
    struct failure failure = {0};
    enum error error = ERROR_NONE;

    if (ledger->is_held_off) {
        if (!may_tell(ledger) || take_back(ledger, &failure))
            return;
        ledger->is_held_off = false;
    }
    for (uint32_t i = 0; i < ledger->config.outlet_count && !error && !ledger->is_held_off; i++) {
        begin_again(&ledger->outlets[i]);
        error = tell_sink(ledger, &ledger->outlets[i], &failure);
    }
    if (error)
        ledger_note(ledger, &ledger->state_trouble, error, &failure);
}

bool ledger_has_told_sinks(const struct ledger *ledger) {
    if (ledger->is_held_off)
        return true;
    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        if (!ledger->outlets[i].has_all)
            return false;
    return true;
}

/* --- What they have written --- */

enum error ledger_take_written(struct ledger *ledger, const struct message *message,
                               struct failure *failure) {
    const struct outlet *outlet = &ledger->outlets[message->written.outlet];
    uint64_t all_sinks = ledger_all_sinks(ledger), ticket;
    enum error error = ERROR_NONE;

    for (size_t at = 0; at + sizeof ticket <= message->len && !error; at += sizeof ticket) {
        bool all = false;
        memcpy(&ticket, message->bytes + at, sizeof ticket);
        if (message->written.refused)
            ledger->round.refused++;
        else
            error = watch_state_tell(ledger->config.state, (int64_t)ticket, outlet->saved.number,
                                     all_sinks, last_stage(ledger), &all, failure);
        ledger->round.delivered += all;
    }
    return error;
}

void ledger_free_flights(struct ledger *ledger, const struct message *message) {
    struct outlet *outlet = &ledger->outlets[message->written.outlet];
    uint32_t count = message->len / (uint32_t)sizeof(uint64_t);
    int64_t retry_ms = ledger->config.retry_ms;

    outlet->in_flight -= count < outlet->in_flight ? count : outlet->in_flight;
    if (!message->written.refused)
        return;
    if (!outlet->has_refused)
        outlet->wait_ms = outlet->wait_ms ? 2 * outlet->wait_ms : OFFER_AGAIN_FIRST * retry_ms;
    if (outlet->wait_ms > OFFER_AGAIN_MOST * retry_ms)
        outlet->wait_ms = OFFER_AGAIN_MOST * retry_ms;
    outlet->has_refused = true;
    outlet->again_ms = ledger_now_ms() + outlet->wait_ms;
}

/* --- Forgetting --- */

static enum error prune_state(struct ledger *ledger, bool *more, struct failure *failure) {
    uint32_t forgotten = 0;
    enum error error = ledger_begin_round(ledger, failure);

    if (!error)
        error = watch_state_prune(ledger->config.state, clock_unix_ms(), PRUNE_AT_ONCE, &forgotten,
                                  failure);
    error = ledger_end_round(ledger, error, failure);
    *more |= forgotten == PRUNE_AT_ONCE;
    return error;
}

/* A database that is down is pruned another time. */
static void prune_database(struct ledger *ledger, bool *more) {
    const struct ledger_database *database = ledger->config.database;
    struct failure failure = {0};
    bool more_there = false;

    if (!ledger_has_database(ledger) || !database->prune)
        return;
    enum error error = database->prune(
        database->owner, clock_unix_ms() - ledger->config.retention_ms, &more_there, &failure);
    ledger_note(ledger, &ledger->database_trouble, error, &failure);
    *more |= more_there && !error;
}

bool ledger_prune(struct ledger *ledger) {
    struct failure failure = {0};
    bool more = false;

    if (ledger->config.retention_ms == 0 || ledger_now_ms() < ledger->prune_ms)
        return false;
    if (prune_state(ledger, &more, &failure) == ERROR_NONE)
        prune_database(ledger, &more);
    if (!more)
        ledger->prune_ms = ledger_now_ms() + ledger->config.cleanup_ms;
    return more && !atomic_load(&ledger->is_stopping);
}
