#include "tools/monitor/ledger_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void wake_ledger(void *owner) {
    wake_signal(owner);
}

void monitor_ledger_inbox_init(struct monitor_ledger *ledger) {
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&ledger->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&ledger->mutex, NULL);
    mailbox_init(&ledger->inbox, wake_ledger, &ledger->wake);
    ledger->results_end = &ledger->results;
    ledger->calls_end = &ledger->calls;
}

static void free_result(struct result_message *result) {
    record_put(&result->record->head);
    free(result);
}

void monitor_ledger_inbox_deinit(struct monitor_ledger *ledger) {
    monitor_ledger_take_messages(ledger);
    assert(!ledger->calls); /* nobody may wait when the ledger is closed */
    while (ledger->results) {
        struct mailbox_entry *next = ledger->results->next;
        free_result((struct result_message *)ledger->results);
        ledger->results = next;
    }
    mailbox_deinit(&ledger->inbox);
    pthread_cond_destroy(&ledger->changed);
    pthread_mutex_destroy(&ledger->mutex);
}

void monitor_ledger_take_messages(struct monitor_ledger *ledger) {
    struct mailbox_entry *entry = mailbox_take_all(&ledger->inbox), *next;

    for (; entry; entry = next) {
        bool is_call = ((struct message *)entry)->kind == MESSAGE_CALL;
        struct mailbox_entry ***end = is_call ? &ledger->calls_end : &ledger->results_end;

        next = entry->next;
        entry->next = NULL;
        **end = entry;
        *end = &entry->next;
    }
}

/* --- Results --- */

static uint64_t waiting(const struct monitor_ledger *ledger) {
    return atomic_load(&ledger->handed) - atomic_load(&ledger->settled);
}

bool monitor_ledger_result(struct monitor_ledger *ledger, const struct monitor_result *result) {
    size_t endpoint = strlen(result->endpoint) + 1, agent = strlen(result->agent) + 1;
    struct result_message *message = malloc(sizeof *message + endpoint + agent);

    if (!message) {
        __atomic_fetch_add(&ledger->statistics.dropped, 1, __ATOMIC_RELAXED);
        return false;
    }
    *message = (struct result_message){.message.kind = MESSAGE_RESULT,
                                       .target = result->target,
                                       .record = result->record,
                                       .endpoint = message->bytes,
                                       .agent = message->bytes + endpoint};
    memcpy(message->bytes, result->endpoint, endpoint);
    memcpy(message->bytes + endpoint, result->agent, agent);
    record_get(&result->record->head);
    atomic_fetch_add(&ledger->handed, 1);
    mailbox_put(&ledger->inbox, &message->message.entry);
    return true;
}

bool monitor_ledger_is_full(const struct monitor_ledger *ledger) {
    return waiting(ledger) >= LEDGER_WAITING_MAX;
}

void monitor_ledger_settle(struct monitor_ledger *ledger, uint32_t count) {
    while (count--) {
        struct mailbox_entry *next = ledger->results->next;
        free_result((struct result_message *)ledger->results);
        ledger->results = next;
        atomic_fetch_add(&ledger->settled, 1);
    }
    if (!ledger->results)
        ledger->results_end = &ledger->results;
    pthread_mutex_lock(&ledger->mutex);
    pthread_cond_broadcast(&ledger->changed);
    pthread_mutex_unlock(&ledger->mutex);
}

uint64_t monitor_ledger_handed(const struct monitor_ledger *ledger) {
    return atomic_load(&ledger->handed);
}

bool monitor_ledger_has_settled(const struct monitor_ledger *ledger, uint64_t handed) {
    return atomic_load(&ledger->settled) >= handed;
}

enum error monitor_ledger_flush(struct monitor_ledger *ledger, uint32_t wait_ms) {
    uint64_t until = atomic_load(&ledger->handed);
    struct timespec deadline;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += wait_ms / 1000;
    deadline.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    pthread_mutex_lock(&ledger->mutex);
    while (atomic_load(&ledger->settled) < until && late == 0)
        late = pthread_cond_timedwait(&ledger->changed, &ledger->mutex, &deadline);
    pthread_mutex_unlock(&ledger->mutex);
    return atomic_load(&ledger->settled) >= until ? ERROR_NONE : (enum error)ETIMEDOUT;
}

/* --- Calls --- */

static enum error call(struct monitor_ledger *ledger, struct call_message *message,
                       struct failure *failure) {
    message->message.kind = MESSAGE_CALL;
    mailbox_put(&ledger->inbox, &message->message.entry);
    pthread_mutex_lock(&ledger->mutex);
    while (!message->is_done)
        pthread_cond_wait(&ledger->changed, &ledger->mutex);
    pthread_mutex_unlock(&ledger->mutex);
    if (message->error && failure)
        *failure = message->failure;
    return message->error;
}

enum error monitor_ledger_call(struct monitor_ledger *ledger, ledger_function *function,
                               void *context, struct failure *failure) {
    struct call_message message = {.function = function, .context = context};
    return call(ledger, &message, failure);
}

struct call_message *monitor_ledger_next_call(struct monitor_ledger *ledger) {
    struct mailbox_entry *entry = ledger->calls;

    if (!entry)
        return NULL;
    ledger->calls = entry->next;
    if (!ledger->calls)
        ledger->calls_end = &ledger->calls;
    return (struct call_message *)entry;
}

void monitor_ledger_answer(struct monitor_ledger *ledger, struct call_message *message,
                           enum error error) {
    pthread_mutex_lock(&ledger->mutex);
    message->error = error;
    message->is_done = true;
    pthread_cond_broadcast(&ledger->changed);
    pthread_mutex_unlock(&ledger->mutex);
}

/* --- Settings --- */

static enum error configure(struct ledger_write *write, void *context, struct failure *failure) {
    struct monitor_ledger *ledger = write->ledger;
    const struct ledger_config *config = context;

    (void)failure;
    memcpy(ledger->threshold_days, config->threshold_days,
           config->threshold_count * sizeof ledger->threshold_days[0]);
    memcpy(ledger->channels, config->channels, config->channel_count * sizeof ledger->channels[0]);
    ledger->config.threshold_count = config->threshold_count;
    ledger->config.channel_count = config->channel_count;
    ledger->config.failures = config->failures ? config->failures : ALERT_FAILURES;
    ledger->config.interval_ms = config->interval_ms;
    ledger->config.retention_ms = config->retention_ms;
    return ERROR_NONE;
}

enum error monitor_ledger_configure(struct monitor_ledger *ledger,
                                    const struct ledger_config *config, struct failure *failure) {
    struct ledger_config copy = *config;
    struct call_message message = {.function = configure, .context = &copy, .is_plain = true};

    if (config->threshold_count > ALERT_THRESHOLDS - 2 || config->channel_count > LEDGER_CHANNELS)
        return failure_set(failure, ERROR_LIMIT, "at most %d thresholds and %d channels",
                           ALERT_THRESHOLDS - 2, LEDGER_CHANNELS);
    if (!ledger->is_started)
        return configure(&(struct ledger_write){.ledger = ledger}, &copy, failure);
    return call(ledger, &message, failure);
}

void monitor_ledger_statistics(const struct monitor_ledger *ledger,
                               struct monitor_ledger_statistics *out) {
    const uint64_t *from = (const uint64_t *)&ledger->statistics;
    uint64_t *to = (uint64_t *)out;

    for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    out->waiting = waiting(ledger);
}
