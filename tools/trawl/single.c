#include "tools/trawl/single.h"

#include "engine/pool/pool.h"
#include "engine/probe/local_chain.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

void record_list_take(struct record_list *list, struct probe_record *record) {
    if (record && list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 4;
        struct probe_record **items = reallocarray(list->items, capacity, sizeof *items);
        if (!items) {
            record_put(&record->head);
            record = NULL;
        } else {
            list->items = items;
            list->capacity = capacity;
        }
    }
    if (record)
        list->items[list->count++] = record;
    else
        list->failed = true;
}

void record_list_deinit(struct record_list *list) {
    for (uint32_t i = 0; i < list->count; i++)
        record_put(&list->items[i]->head);
    free(list->items);
    *list = (struct record_list){0};
}

struct single {
    struct pool *pool;
    struct record_list *out; /* the worker's until the pool is joined */
    sigset_t signals;
    atomic_bool interrupted;
};

static void see(void *owner, uint32_t worker, const struct probe_record *record) {
    struct single *single = owner;
    struct probe_record *shared = (struct probe_record *)record; /* to be counted, not changed */

    (void)worker;
    record_get(&shared->head);
    record_list_take(single->out, shared);
}

/* Hears signals for as long as the pool runs; SIGUSR1 says that it has ended. */
static void *listen_for_signals(void *owner) {
    struct single *single = owner;
    int signal = 0;

    while (sigwait(&single->signals, &signal) == 0 && signal != SIGUSR1) {
        atomic_store(&single->interrupted, true);
        pool_stop(single->pool);
    }
    return NULL;
}

static void submit_all(struct single *single, const struct single_source *source) {
    struct target target;
    uint64_t number = 0;

    while (source->next(source->owner, &target)) {
        target.number = ++number;
        if (pool_submit(single->pool, &target) != ERROR_NONE) { /* it was interrupted */
            local_chain_free(target.local);
            return;
        }
    }
}

static enum error run(struct single *single, const struct probe_setup *setup,
                      const struct single_source *source, struct failure *failure) {
    struct pool_config config = {.workers = 1, .probe = setup->probe, .observer = {see, single}};
    pthread_t listener;
    enum error error = pool_start(&single->pool, &config, failure);

    if (error != ERROR_NONE)
        return error;
    int cause = pthread_create(&listener, NULL, listen_for_signals, single);
    if (cause) {
        error = failure_set(failure, (enum error)cause, "cannot start a thread: %s",
                            error_text((enum error)cause));
        pool_stop(single->pool);
    } else {
        submit_all(single, source);
    }
    pool_finish(single->pool);
    pool_join(single->pool);
    if (!cause) {
        pthread_kill(listener, SIGUSR1);
        pthread_join(listener, NULL);
    }
    pool_free(single->pool);
    return error;
}

enum error single_probe_all(const struct probe_setup *setup, const struct single_source *source,
                            struct record_list *out, struct failure *failure) {
    struct single single = {.out = out};
    sigset_t before;

    sigemptyset(&single.signals);
    sigaddset(&single.signals, SIGINT);
    sigaddset(&single.signals, SIGTERM);
    sigaddset(&single.signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &single.signals, &before);
    enum error error = run(&single, setup, source, failure);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != ERROR_NONE)
        return error;
    if (atomic_load(&single.interrupted))
        return failure_set(failure, ERROR_STOPPED, "interrupted");
    if (out->failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for the record");
    return ERROR_NONE;
}

static bool next_of_one(void *owner, struct target *target) {
    const struct target **one = owner;

    if (!*one)
        return false;
    *target = **one;
    *one = NULL;
    return true;
}

enum error single_probe(const struct probe_setup *setup, const struct target *target,
                        struct record_list *out, struct failure *failure) {
    struct single_source source = {next_of_one, &target};

    return single_probe_all(setup, &source, out, failure);
}
