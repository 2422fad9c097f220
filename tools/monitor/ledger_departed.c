/* Addresses that a name has lost. They are not probed any more, so their last result would count
 * for ever: once the target was probed without them for longer than two intervals they are
 * forgotten, and what was wrong with them is over. Blocks keep theirs: all of their addresses are
 * asked. */
#include "tools/monitor/ledger_internal.h"

#include <string.h>

enum {
    DEPARTED_MAX = 256,              /* of one round */
    USUAL_INTERVAL_MS = 3600 * 1000, /* where the settings have none */
    MARGIN_MS = 10 * 60 * 1000,      /* a round of probes takes its time */
};

struct departed {
    int64_t target, last_check_ms;
    struct slice endpoint; /* the round's memory */
};

struct departures {
    struct monitor_ledger *ledger;
    struct departed items[DEPARTED_MAX];
    uint32_t count;
};

static enum error take(void *context, const struct sql_value *values, uint32_t count,
                       struct failure *failure) {
    struct departures *all = context;
    struct departed *departed = &all->items[all->count++];

    (void)count, (void)failure;
    departed->target = values[0].integer;
    departed->endpoint = arena_copy(&all->ledger->memory, values[1].bytes);
    departed->last_check_ms = values[2].integer;
    return ERROR_NONE;
}

static enum error find(struct departures *all, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "iii",
        .text = "SELECT r.target, r.endpoint, s.last_check FROM monitor_results r"
                " JOIN monitor_summary s ON s.target = r.target"
                " JOIN monitor_targets t ON t.key = r.target"
                " WHERE r.endpoint <> '' AND r.agent = '' AND t.is_cidr = 0"
                " AND r.last_check < s.last_check - $2"
                " - 2 * CASE WHEN t.interval_s > 0 THEN t.interval_s * 1000 ELSE $1 END"
                " ORDER BY r.target LIMIT $3",
    };
    int64_t interval_ms = all->ledger->config.interval_ms;
    const struct sql_value values[] = {
        sql_integer(interval_ms > 0 ? interval_ms : USUAL_INTERVAL_MS), sql_integer(MARGIN_MS),
        sql_integer(DEPARTED_MAX)};

    return database_query(all->ledger->database, &statement, values, take, all, failure);
}

static enum error forget(struct monitor_ledger *ledger, const struct departed *departed,
                         struct failure *failure) {
    static const struct sql_statement statements[] = {
        {.types = "iti",
         .text = "UPDATE monitor_alerts SET resolved_at = $3, updated_at = $3"
                 " WHERE target = $1 AND endpoint = $2 AND agent = '' AND resolved_at IS NULL"},
        {.types = "it",
         .text = "DELETE FROM monitor_records WHERE target = $1 AND endpoint = $2 AND agent = ''"},
        {.types = "it",
         .text = "DELETE FROM monitor_results WHERE target = $1 AND endpoint = $2 AND agent = ''"},
    };
    const struct sql_value values[] = {sql_integer(departed->target), sql_text(departed->endpoint),
                                       sql_integer(ledger->now_ms)};
    enum error error = ERROR_NONE;

    for (size_t i = 0; i < sizeof statements / sizeof *statements && !error; i++)
        error = database_run(ledger->database, &statements[i], values, NULL, failure);
    return error;
}

enum error monitor_ledger_forget_departed(struct monitor_ledger *ledger, struct failure *failure) {
    struct departures all = {.ledger = ledger};
    enum error error = find(&all, failure);

    if (!error && ledger->memory.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory to forget addresses");
    for (uint32_t i = 0; i < all.count && !error; i++) {
        error = forget(ledger, &all.items[i], failure);
        bool is_last = i + 1 == all.count || all.items[i + 1].target != all.items[i].target;
        if (!error && is_last)
            error = monitor_ledger_summarize(ledger, all.items[i].target,
                                             all.items[i].last_check_ms, failure);
    }
    return error;
}
