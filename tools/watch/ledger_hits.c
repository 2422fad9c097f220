/* Watching: what comes in goes into the state; what is known, or has waited long enough, gets its
 * verdict. */
#include "tools/watch/ledger_internal.h"

#include "engine/base/clock.h"
#include "engine/record/ct_record_pack.h"

#include <errno.h>
#include <stdlib.h>

/* Longer than certificates are valid: what claims more is not remembered for longer. */
#define VALIDITY_MOST_MS (INT64_C(5) * 366 * 24 * 3600 * 1000)

/* --- Rows --- */

bool rows_collect(void *context, const struct issuance *issuance) {
    struct rows *rows = context;

    rows->items[rows->count] = *issuance;
    rows->items[rows->count].record = (struct slice){NULL, 0};
    rows->records[rows->count] = ct_record_unpack(issuance->record);
    rows->count++;
    return rows->count < ROWS_AT_ONCE;
}

void rows_free(struct rows *rows) {
    for (uint32_t i = 0; i < rows->count; i++)
        if (rows->records[i])
            record_put(&rows->records[i]->head);
    free(rows);
}

enum error ledger_drop(struct ledger *ledger, const struct issuance *issuance,
                       struct failure *failure) {
    struct failure words;

    failure_set(&words, ERROR_INPUT,
                "the state holds an alert that cannot be read: number %lld is dropped",
                (long long)issuance->id);
    ledger_say(ledger, &words);
    return watch_state_advance(ledger->config.state, issuance, ISSUANCE_DONE, failure);
}

/* --- Verdicts --- */

static bool is_in_inventory(const struct ledger *ledger, struct ct_record *record) {
    record->known_by = CT_KNOWN_NOT;
    return ledger->config.inventory && record->has_certificate &&
           inventory_knows(ledger->config.inventory, record, &record->known_by);
}

static enum error ask_database(const struct ledger *ledger, struct ct_record *record,
                               struct failure *failure) {
    const struct ledger_database *database = ledger->config.database;

    if (record->known_by != CT_KNOWN_NOT || !record->has_certificate)
        return ERROR_NONE;
    return database->is_known(database->owner, record, &record->known_by, failure);
}

/* The verdict of a record whose known_by is known; CT_VERDICT_NONE: after the grace period. What
 * cannot be parsed stays what the decoder said. */
static void judge(struct ct_record *record, bool is_due) {
    if (record->verdict == CT_VERDICT_MALFORMED)
        return;
    record->verdict = CT_VERDICT_NONE;
    if (record->known_by != CT_KNOWN_NOT)
        record->verdict = CT_VERDICT_INFO;
    else if (record->matched_entries.count == 0 && record->brand.len)
        record->verdict = CT_VERDICT_LOOKALIKE;
    else if (is_due)
        record->verdict = CT_VERDICT_SUSPICIOUS;
}

static enum error pack(const struct ct_record *record, struct buffer *out,
                       struct failure *failure) {
    buffer_init(out);
    ct_record_pack(record, out);
    return out->failed ? failure_set(failure, ERROR_MEMORY, "no memory for an alert") : ERROR_NONE;
}

static enum error settle(struct ledger *ledger, struct issuance *issuance,
                         const struct ct_record *record, struct failure *failure) {
    struct buffer bytes;
    enum error error = pack(record, &bytes, failure);

    issuance->record = buffer_slice(&bytes);
    if (!error)
        error =
            watch_state_settle(ledger->config.state, issuance, ledger_first_stage(ledger), failure);
    buffer_deinit(&bytes);
    if (!error)
        ledger_count_verdict(ledger, record, ledger_first_stage(ledger));
    return error;
}

/* --- What comes in --- */

/* The time until which logs may repeat it, or the operator's, whichever is later. */
static int64_t forget_ms(const struct ledger *ledger, const struct ct_record *record,
                         int64_t now_ms) {
    int64_t forget = now_ms + ledger->config.retention_ms, most = now_ms + VALIDITY_MOST_MS;
    int64_t valid_until_s = record->certificate.not_after;

    if (ledger->config.retention_ms == 0)
        return INT64_MAX;
    if (valid_until_s > most / 1000)
        valid_until_s = most / 1000;
    return valid_until_s > forget / 1000 ? valid_until_s * 1000 : forget;
}

/* The database is asked outside of the transaction, and so a moment later. */
static enum error add_new(struct ledger *ledger, struct ct_record *record,
                          struct failure *failure) {
    int64_t now_ms = clock_unix_ms();
    bool has_database = ledger->config.database != NULL;
    struct buffer bytes;

    bool is_known = is_in_inventory(ledger, record), asks = has_database && record->has_certificate;
    if (asks && !is_known && record->verdict != CT_VERDICT_MALFORMED)
        record->verdict = CT_VERDICT_NONE;
    else
        judge(record, ledger->config.grace_ms == 0);
    enum error error = pack(record, &bytes, failure);
    struct issuance issuance = {
        .stage = record->verdict ? ledger_first_stage(ledger) : ISSUANCE_PENDING,
        .settle_ms = now_ms + ledger->config.grace_ms,
        .look_ms = has_database ? now_ms : now_ms + ledger->config.grace_ms,
        .forget_ms = forget_ms(ledger, record, now_ms),
        .record = buffer_slice(&bytes),
    };
    memcpy(issuance.issuance_id, record->issuance_id, sizeof issuance.issuance_id);
    if (!error)
        error = watch_state_add(ledger->config.state, &issuance, failure);
    buffer_deinit(&bytes);
    if (!error)
        ledger_count_verdict(ledger, record, issuance.stage);
    return error;
}

static bool is_precertificate(struct slice packed) {
    struct ct_record *record = ct_record_unpack(packed);
    bool is = record && record->update == CT_UPDATE_PRECERT;

    if (record)
        record_put(&record->head);
    return is;
}

/* The certificate of a precertificate that waits may be what is known: its fingerprint is the one
 * that others have. It takes the place of the precertificate. */
static enum error take_certificate(struct ledger *ledger, struct issuance *issuance,
                                   struct ct_record *record, struct failure *failure) {
    struct buffer bytes;

    if (record->update == CT_UPDATE_PRECERT || !is_precertificate(issuance->record))
        return ERROR_NONE;
    enum error error = pack(record, &bytes, failure);
    issuance->record = buffer_slice(&bytes);
    if (ledger->config.database)
        issuance->look_ms = clock_unix_ms();
    if (!error)
        error = watch_state_look_later(ledger->config.state, issuance, failure);
    buffer_deinit(&bytes);
    return error;
}

static enum error take_repeated(struct ledger *ledger, struct issuance *issuance,
                                struct ct_record *record, struct failure *failure) {
    ledger->round.repeated++;
    if (issuance->stage != ISSUANCE_PENDING)
        return ERROR_NONE;
    if (!is_in_inventory(ledger, record))
        return take_certificate(ledger, issuance, record, failure);
    judge(record, false);
    return settle(ledger, issuance, record, failure);
}

enum error ledger_take_hits(struct ledger *ledger, const struct page *page,
                            struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < page->record_count && !error; i++) {
        struct ct_record *record = page->records[i];
        struct issuance issuance;
        bool found;
        ledger->round.hits++;
        error =
            watch_state_find(ledger->config.state, record->issuance_id, &issuance, &found, failure);
        if (error)
            return error;
        error = found ? take_repeated(ledger, &issuance, record, failure)
                      : add_new(ledger, record, failure);
    }
    return error;
}

/* --- What is due --- */

/* Asks the database about all rows, as far as it answers: returns how many have an answer. */
static uint32_t look_up(struct ledger *ledger, struct rows *rows) {
    struct failure failure = {0};

    for (uint32_t i = 0; i < rows->count; i++) {
        struct ct_record *record = rows->records[i];
        if (!record || is_in_inventory(ledger, record) || !ledger->config.database)
            continue;
        enum error error = ask_database(ledger, record, &failure);
        if (error == (enum error)EINVAL)
            ledger_say(ledger, &failure);
        else if (ledger_note(ledger, &ledger->database_trouble, error, &failure))
            return i;
    }
    return rows->count;
}

/* Unknown still: again at the end of the grace period; a database may learn of it before. */
static enum error look_later(struct ledger *ledger, struct issuance *issuance,
                             const struct ct_record *record, int64_t now_ms,
                             struct failure *failure) {
    int64_t refreshed_ms = now_ms + ledger->config.refresh_ms;
    struct buffer bytes;
    enum error error = pack(record, &bytes, failure);

    issuance->record = buffer_slice(&bytes);
    issuance->look_ms = issuance->settle_ms;
    if (ledger->config.database && refreshed_ms < issuance->settle_ms)
        issuance->look_ms = refreshed_ms;
    if (!error)
        error = watch_state_look_later(ledger->config.state, issuance, failure);
    buffer_deinit(&bytes);
    return error;
}

static enum error settle_rows(struct ledger *ledger, struct rows *rows, uint32_t count,
                              int64_t now_ms, struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);

    for (uint32_t i = 0; i < count && !error; i++) {
        struct issuance *issuance = &rows->items[i];
        struct ct_record *record = rows->records[i];
        if (!record) {
            error = ledger_drop(ledger, issuance, failure);
            continue;
        }
        judge(record, now_ms >= issuance->settle_ms);
        error = record->verdict ? settle(ledger, issuance, record, failure)
                                : look_later(ledger, issuance, record, now_ms, failure);
    }
    return ledger_end_round(ledger, error, failure);
}

bool ledger_settle(struct ledger *ledger, int64_t now_ms) {
    struct watch_state *state = ledger->config.state;
    struct failure failure = {0};

    if ((ledger->config.database && !ledger_has_database(ledger)) ||
        watch_state_next_due(state) > now_ms)
        return false;
    struct rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return false;
    enum error error = watch_state_due(state, now_ms, ROWS_AT_ONCE, rows_collect, rows, &failure);
    uint32_t answered = error ? 0 : look_up(ledger, rows);
    if (error)
        ledger_note(ledger, &ledger->state_trouble, error, &failure);
    else if (answered)
        error = settle_rows(ledger, rows, answered, now_ms, &failure);
    bool more = !error && answered == ROWS_AT_ONCE;
    rows_free(rows);
    return more;
}
