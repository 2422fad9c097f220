#include "tools/monitor/outbox.h"

#include "engine/base/arena.h"
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/queue/wake.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_MAX = 64,
    FIRST_PAUSE_MS = 1000,
    RETRY_AFTER_MAX_MS = 3600 * 1000,
    LOOK_AGAIN_MS = 60 * 1000, /* whatever the table says */
    STORE_PAUSE_MS = 1000,     /* after the store failed */
    MEMORY_BYTES = 64 * 1024,
};
#define GIVE_UP_MS INT64_C(86400000)

struct outbox_channel {
    struct outbox *outbox;
    const struct channel_config *config;
    struct channel *channel;
    struct database *database; /* for reading */
    pthread_t thread;
    bool is_started;
    struct wake wake;
    /* A batch. */
    struct arena memory;
    struct channel_message messages[BATCH_MAX];
    struct channel_outcome outcomes[BATCH_MAX];
    uint32_t count;
    bool is_failing, store_failing;
    struct outbox_statistics statistics;
};

struct outbox {
    struct outbox_config config;
    atomic_bool is_stopping;
    uint32_t count;
    struct outbox_channel channels[LEDGER_CHANNELS];
};

static void count_one(uint64_t *counter) {
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool is_stopping(const struct outbox_channel *channel) {
    return atomic_load(&channel->outbox->is_stopping);
}

static void pause_for(struct outbox_channel *channel, int64_t wait_ms) {
    uint32_t ticket = wake_ticket(&channel->wake);

    if (!is_stopping(channel) && wait_ms > 0)
        wake_wait(&channel->wake, ticket,
                  (uint32_t)(wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS));
}

static void tell(struct outbox_channel *channel, const struct failure *failure) {
    const struct outbox_config *config = &channel->outbox->config;

    if (config->on_trouble)
        config->on_trouble(config->owner, channel->config->name, failure);
}

/* --- What is due --- */

static struct slice keep(struct outbox_channel *channel, const struct sql_value *value) {
    return value->type == SQL_TEXT ? arena_copy(&channel->memory, value->bytes) : (struct slice){0};
}

static enum error take_message(void *context, const struct sql_value *values, uint32_t count,
                               struct failure *failure) {
    struct outbox_channel *channel = context;
    struct channel_message *message = &channel->messages[channel->count++];

    (void)count;
    *message = (struct channel_message){
        .id = values[0].integer,
        .alert = values[1].integer,
        .event_id = keep(channel, &values[2]),
        .event = keep(channel, &values[3]),
        .severity = (enum severity)(values[4].integer % SEVERITIES),
        .title = keep(channel, &values[5]),
        .message = keep(channel, &values[6]),
        .body = keep(channel, &values[7]),
        .created_ms = values[8].integer,
        .attempts = (uint32_t)values[9].integer,
    };
    return channel->memory.failed ? failure_set(failure, ERROR_MEMORY, "no memory for notices")
                                  : ERROR_NONE;
}

static uint32_t batch_of(const struct outbox_channel *channel) {
    uint32_t most = channel->config->kind->batch_max, batch = channel->config->batch;

    most = most < BATCH_MAX ? most : BATCH_MAX;
    return batch && batch < most ? batch : most;
}

/* Of each alert the first that is not done. What waits for a time beyond all pauses (a clock was
 * set back) is due, too. */
static enum error load(struct outbox_channel *channel, int64_t now_ms, struct failure *failure) {
    static const struct sql_statement due = {
        .types = "tiii",
        .text = "SELECT id, alert, event_id, event, severity, title, message, body, created_at,"
                " attempts FROM monitor_outbox o WHERE channel = $1 AND delivered_at IS NULL"
                " AND dead = 0 AND (next_at <= $2 OR next_at > $3) AND NOT EXISTS (SELECT 1 FROM"
                " monitor_outbox e WHERE e.alert = o.alert AND e.channel = o.channel"
                " AND e.id < o.id AND e.delivered_at IS NULL AND e.dead = 0)"
                " ORDER BY next_at, id LIMIT $4",
    };
    const struct sql_value values[] = {
        sql_text(slice_of(channel->config->name)), sql_integer(now_ms),
        sql_integer(now_ms + 2 * (int64_t)RETRY_AFTER_MAX_MS), sql_integer(batch_of(channel))};

    channel->count = 0;
    arena_reset(&channel->memory);
    return database_query(channel->database, &due, values, take_message, channel, failure);
}

/* How long until something is due. */
static enum error next_due(struct outbox_channel *channel, int64_t now_ms, int64_t *wait_ms,
                           struct failure *failure) {
    static const struct sql_statement next = {
        .types = "t",
        .text = "SELECT min(next_at) FROM monitor_outbox o WHERE channel = $1"
                " AND delivered_at IS NULL AND dead = 0 AND NOT EXISTS (SELECT 1 FROM"
                " monitor_outbox e WHERE e.alert = o.alert AND e.channel = o.channel"
                " AND e.id < o.id AND e.delivered_at IS NULL AND e.dead = 0)",
    };
    struct sql_value value = sql_text(slice_of(channel->config->name));
    int64_t next_ms = 0;
    enum error error = database_number(channel->database, &next, &value, &next_ms, failure);

    *wait_ms = next_ms == 0 ? LOOK_AGAIN_MS : next_ms > now_ms ? next_ms - now_ms : 1;
    return error;
}

/* A digest waits for others that come soon after the first. */
static int64_t lingering(const struct outbox_channel *channel, int64_t now_ms) {
    int64_t until = channel->messages[0].created_ms + channel->config->linger_ms;

    if (channel->config->linger_ms == 0 || channel->count >= batch_of(channel))
        return 0;
    for (uint32_t i = 0; i < channel->count; i++)
        if (channel->messages[i].created_ms + channel->config->linger_ms < until)
            until = channel->messages[i].created_ms + channel->config->linger_ms;
    return until - now_ms > channel->config->linger_ms ? 0 : until - now_ms;
}

/* --- What became of it --- */

static int64_t pause_after(const struct outbox_channel *channel, uint32_t attempts,
                           int64_t asked_ms) {
    static const uint32_t pauses[] = {1, 4, 16, 60, 300, 900, 3600};
    uint32_t first = channel->outbox->config.first_pause_ms,
             last = sizeof pauses / sizeof pauses[0] - 1;
    int64_t pause_ms =
        (int64_t)pauses[attempts < last ? attempts : last] * (first ? first : FIRST_PAUSE_MS);

    pause_ms = pause_ms > asked_ms ? pause_ms : asked_ms;
    return pause_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : pause_ms;
}

static bool is_dead(const struct outbox_channel *channel, uint32_t i, int64_t now_ms) {
    int64_t give_up_ms = channel->outbox->config.give_up_ms;

    return channel->outcomes[i].verdict == CHANNEL_NEVER ||
           now_ms - channel->messages[i].created_ms >= (give_up_ms ? give_up_ms : GIVE_UP_MS);
}

/* On the ledger's thread, while the channel's waits. */
static enum error write_outcomes(struct ledger_write *write, void *context,
                                 struct failure *failure) {
    static const struct sql_statement delivered = {
        .types = "ii",
        .text = "UPDATE monitor_outbox SET delivered_at = $1, attempts = attempts + 1,"
                " last_error = '' WHERE id = $2",
    };
    static const struct sql_statement failed = {
        .types = "iiti",
        .text = "UPDATE monitor_outbox SET attempts = attempts + 1, next_at = $1, dead = $2,"
                " last_error = $3 WHERE id = $4",
    };
    struct outbox_channel *channel = context;
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < channel->count && !error; i++) {
        const struct channel_message *message = &channel->messages[i];
        const struct channel_outcome *outcome = &channel->outcomes[i];
        const struct sql_value good[] = {sql_integer(write->now_ms), sql_integer(message->id)};
        const struct sql_value bad[] = {
            sql_integer(write->now_ms +
                        pause_after(channel, message->attempts, outcome->retry_after_ms)),
            sql_integer(is_dead(channel, i, write->now_ms)),
            sql_text(slice_of(outcome->failure.text)), sql_integer(message->id)};

        error = outcome->verdict == CHANNEL_DELIVERED
                    ? database_run(write->database, &delivered, good, NULL, failure)
                    : database_run(write->database, &failed, bad, NULL, failure);
    }
    return error;
}

/* What was delivered must be noted, or it is delivered again: it is tried until the end. */
static void note_outcomes(struct outbox_channel *channel) {
    struct failure failure = {0};

    while (monitor_ledger_call(channel->outbox->config.ledger, write_outcomes, channel, &failure) !=
           ERROR_NONE) {
        if (!channel->store_failing)
            tell(channel, &failure);
        channel->store_failing = true;
        if (is_stopping(channel))
            return;
        pause_for(channel, STORE_PAUSE_MS);
    }
    channel->store_failing = false;
}

static void count_outcomes(struct outbox_channel *channel) {
    const struct failure *trouble = NULL;
    bool any_good = false;

    for (uint32_t i = 0; i < channel->count; i++) {
        bool good = channel->outcomes[i].verdict == CHANNEL_DELIVERED;
        count_one(good ? &channel->statistics.delivered : &channel->statistics.failed);
        if (!good && is_dead(channel, i, clock_unix_ms()))
            count_one(&channel->statistics.dead);
        any_good |= good;
        if (!good)
            trouble = &channel->outcomes[i].failure;
    }
    if (trouble && !channel->is_failing)
        tell(channel, trouble);
    else if (!trouble && any_good && channel->is_failing)
        tell(channel, NULL);
    channel->is_failing = trouble != NULL;
    __atomic_store_n(&channel->statistics.failing, channel->is_failing, __ATOMIC_RELAXED);
}

/* --- The thread --- */

/* Returns how long there is nothing to do. */
static int64_t deliver(struct outbox_channel *channel) {
    struct failure failure = {0};
    int64_t now_ms = clock_unix_ms(), wait_ms = 0;
    enum error error = load(channel, now_ms, &failure);

    if (!error && channel->count == 0)
        error = next_due(channel, now_ms, &wait_ms, &failure);
    else if (!error)
        wait_ms = lingering(channel, now_ms);
    if (error) {
        if (!channel->store_failing && !is_stopping(channel))
            tell(channel, &failure);
        channel->store_failing = true;
        return STORE_PAUSE_MS;
    }
    channel->store_failing = false;
    if (channel->count == 0 || wait_ms > 0)
        return wait_ms;
    memset(channel->outcomes, 0, sizeof channel->outcomes);
    for (uint32_t i = 0; i < channel->count; i++)
        channel->outcomes[i].verdict = CHANNEL_LATER;
    channel->config->kind->send(channel->channel, channel->messages, channel->count,
                                channel->outcomes);
    if (is_stopping(channel)) { /* what was interrupted was no attempt */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < channel->count; i++)
            if (channel->outcomes[i].verdict != CHANNEL_LATER) {
                channel->messages[kept] = channel->messages[i];
                channel->outcomes[kept++] = channel->outcomes[i];
            }
        channel->count = kept;
    }
    count_outcomes(channel);
    note_outcomes(channel);
    return 0;
}

static void *run(void *owner) {
    struct outbox_channel *channel = owner;

    while (!is_stopping(channel)) {
        uint32_t ticket = wake_ticket(&channel->wake);
        int64_t wait_ms = deliver(channel);
        if (wait_ms > 0 && !is_stopping(channel))
            wake_wait(&channel->wake, ticket,
                      (uint32_t)(wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS));
    }
    return NULL;
}

void outbox_wake(struct outbox *outbox) {
    for (uint32_t i = 0; i < outbox->count; i++)
        wake_signal(&outbox->channels[i].wake);
}

/* --- Opening and closing --- */

static enum error open_channel(struct outbox *outbox, const struct channel_config *config,
                               struct failure *failure) {
    struct outbox_channel *channel = &outbox->channels[outbox->count++];
    struct database_config database = {
        .url = outbox->config.url, .application = "trawl monitor outbox", .existing = true};
    char name[16];

    channel->outbox = outbox;
    channel->config = config;
    channel->statistics.channel = config->name;
    if (!arena_init(&channel->memory, MEMORY_BYTES))
        return failure_set(failure, ERROR_MEMORY, "no memory for a channel");
    enum error error = config->kind->open(&channel->channel, config, failure);
    if (!error)
        error = database_open(&channel->database, &database, failure);
    if (error)
        return error;
    snprintf(name, sizeof name, "outbox/%u", outbox->count - 1);
    error = thread_start(&channel->thread, name, run, channel, failure);
    channel->is_started = !error;
    return error;
}

enum error outbox_open(struct outbox **out, const struct outbox_config *config,
                       struct failure *failure) {
    struct outbox *outbox = calloc(1, sizeof *outbox);
    enum error error = ERROR_NONE;

    *out = NULL;
    if (!outbox)
        return failure_set(failure, ERROR_MEMORY, "no memory for the outbox");
    outbox->config = *config;
    if (config->channel_count > LEDGER_CHANNELS)
        error = failure_set(failure, ERROR_LIMIT, "at most %d channels", LEDGER_CHANNELS);
    for (uint32_t i = 0; i < config->channel_count && !error; i++)
        error = open_channel(outbox, &config->channels[i], failure);
    if (error) {
        outbox_close(outbox);
        return error;
    }
    *out = outbox;
    return ERROR_NONE;
}

void outbox_close(struct outbox *outbox) {
    if (!outbox)
        return;
    atomic_store(&outbox->is_stopping, true);
    for (uint32_t i = 0; i < outbox->count; i++) {
        struct outbox_channel *channel = &outbox->channels[i];
        if (channel->channel)
            channel->config->kind->stop(channel->channel);
        if (channel->database)
            database_stop(channel->database);
    }
    outbox_wake(outbox);
    for (uint32_t i = 0; i < outbox->count; i++) {
        struct outbox_channel *channel = &outbox->channels[i];
        if (channel->is_started)
            pthread_join(channel->thread, NULL);
        if (channel->channel)
            channel->config->kind->close(channel->channel);
        database_close(channel->database);
        arena_deinit(&channel->memory);
    }
    free(outbox);
}

uint32_t outbox_statistics(const struct outbox *outbox,
                           struct outbox_statistics out[LEDGER_CHANNELS]) {
    for (uint32_t i = 0; i < outbox->count; i++) {
        const struct outbox_statistics *from = &outbox->channels[i].statistics;
        out[i] = (struct outbox_statistics){
            .channel = from->channel,
            .delivered = __atomic_load_n(&from->delivered, __ATOMIC_RELAXED),
            .failed = __atomic_load_n(&from->failed, __ATOMIC_RELAXED),
            .dead = __atomic_load_n(&from->dead, __ATOMIC_RELAXED),
            .failing = __atomic_load_n(&from->failing, __ATOMIC_RELAXED),
        };
    }
    return outbox->count;
}
