#include "tools/trawl/watch_via_internal.h"

#include "engine/base/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEPS = 6, /* within the time of a lease */
    STEP_MIN_MS = 20,
};

void via_say(struct watch_via *via, const char *format, ...) {
    char words[FAILURE_TEXT_MAX + 2 * VIA_NAME_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    via->config.say(via->config.owner, words);
}

/* --- The thread --- */

static uint32_t count_followed(struct watch_via *via) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < via->count; i++)
        count += via_is_followed(via->logs[i]);
    return count;
}

static uint32_t count_wanted(struct watch_via *via) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < via->count; i++) {
        const struct shared_log *log = via->logs[i];
        count += log && log->is_wanted && !log->is_odd;
    }
    return count;
}

/* Logs that nobody has, though all have their share, as when watchers are not told of the same
 * logs: whoever finds them has them. */
static enum error take_orphans(struct watch_via *via, struct failure *failure) {
    uint64_t lease_ns = via->config.lease_ms * VIA_MS, now_ns = clock_monotonic_ns();

    if (now_ns < via->orphans_ns)
        return ERROR_NONE;
    via->orphans_ns =
        now_ns + VIA_ORPHAN_LEASES * lease_ns + watch_members_self(via->members) % lease_ns;
    return via_take_some(via, UINT32_MAX, true, failure);
}

static enum error share(struct watch_via *via, struct failure *failure) {
    struct watch_member members[WATCH_MEMBERS_MAX];
    uint32_t count = watch_members_list(via->members, members);

    members[0].held = count_followed(via);
    members[0].wanted = count_wanted(via);
    struct watch_share share = watch_share_of(members, count, 0);
    if (share.give && clock_monotonic_ns() >= via->calm_until_ns)
        via_return_some(via, share.give);
    return share.take ? via_take_some(via, share.take, false, failure) : take_orphans(via, failure);
}

static enum error step(struct watch_via *via, struct failure *failure) {
    enum error error = nats_link_ready(fleet_link(via->fleet), failure);

    if (error ||
        (error =
             watch_members_beat(via->members, count_followed(via), count_wanted(via), failure)) ||
        (error = watch_members_look(via->members, failure)) || (error = via_keep_all(via, failure)))
        return error;
    via_return_unwanted(via);
    if ((error = via_give_returning(via, failure)) || atomic_load(&via->is_ending))
        return error;
    return share(via, failure);
}

/* An operator hears where it begins and where it ends. */
static void note(struct watch_via *via, enum error error, const struct failure *failure) {
    if (error && !via->is_troubled)
        via_say(via, "%s; logs wait when their leases are over", failure->text);
    else if (!error && via->is_troubled)
        via_say(via, "%s works again", fleet_shown(via->fleet));
    via->is_troubled = error != ERROR_NONE;
}

static void leave(struct watch_via *via) {
    struct failure ignored;

    if (nats_link_ready(fleet_link(via->fleet), &ignored) || via_give_all(via, &ignored))
        return; /* others see in time that it is silent */
    watch_members_leave(via->members);
}

static void *run(void *context) {
    struct watch_via *via = context;
    uint64_t pause_ms = via->config.lease_ms / STEPS;

    while (!atomic_load(&via->is_stopping)) {
        struct failure failure = {0};
        uint32_t ticket = wake_ticket(&via->wake);
        note(via, step(via, &failure), &failure);
        via_note_lapsed(via);
        if (!atomic_load(&via->is_stopping))
            wake_wait(&via->wake, ticket,
                      pause_ms < STEP_MIN_MS ? STEP_MIN_MS : (uint32_t)pause_ms);
    }
    leave(via);
    return NULL;
}

/* --- From outside --- */

static bool is_group(const char *group) {
    size_t len = strlen(group);

    return len && len <= FLEET_NAME_MAX &&
           strspn(group, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

static enum error connect_to(struct watch_via *via, struct failure *failure) {
    char bucket[FLEET_SUBJECT_MAX];

    enum error error = fleet_open(&via->fleet, via->config.via, "trawl watch", failure);
    if (error)
        return error;
    fleet_leases_bucket(via->fleet, bucket);
    struct nats_kv_wish wish = {.bucket = bucket, .replicas = fleet_replicas(via->fleet)};
    if ((error = nats_kv_open(&via->bucket, fleet_link(via->fleet), &wish, failure)))
        return error;
    const struct watch_members_config members = {via->bucket, via->member_prefix, via->holder,
                                                 via->config.lease_ms};
    error = watch_members_new(&via->members, &members, failure);
    return error ? error : watch_members_beat(via->members, 0, 0, failure);
}

enum error watch_via_open(struct watch_via **out, const struct watch_via_config *config,
                          struct failure *failure) {
    struct watch_via *via = calloc(1, sizeof *via);
    char host[64] = "";

    *out = NULL;
    if (!via)
        return failure_set(failure, ERROR_MEMORY, "no memory to share logs");
    via->config = *config;
    via->sharing = via_sharing(via);
    via->orphans_ns = clock_monotonic_ns() + VIA_ORPHAN_LEASES * config->lease_ms * VIA_MS;
    pthread_mutex_init(&via->mutex, NULL);
    (void)gethostname(host, sizeof host - 1);
    snprintf(via->holder, sizeof via->holder, "%.63s pid %d", host, (int)getpid());
    snprintf(via->prefix, sizeof via->prefix, "watch.%.32s.log.", config->group);
    snprintf(via->member_prefix, sizeof via->member_prefix, "watch.%.32s.member.", config->group);
    enum error error =
        is_group(config->group)
            ? connect_to(via, failure)
            : failure_set(failure, ERROR_USAGE,
                          "--watch-group is up to %d letters, digits, \"-\" and \"_\"",
                          FLEET_NAME_MAX);
    if (error)
        watch_via_close(via);
    else
        *out = via;
    return error;
}

enum error watch_via_start(struct watch_via *via, struct failure *failure) {
    enum error error = thread_start(&via->thread, "via", run, via, failure);

    via->is_started = !error;
    return error;
}

void watch_via_end(struct watch_via *via) {
    atomic_store(&via->is_ending, true);
}

void watch_via_stop(struct watch_via *via) {
    if (!via->is_started)
        return;
    atomic_store(&via->is_stopping, true);
    wake_signal(&via->wake);
    pthread_join(via->thread, NULL);
    via->is_started = false;
}

void watch_via_close(struct watch_via *via) {
    if (!via)
        return;
    watch_via_stop(via);
    for (uint32_t i = 0; i < via->count; i++)
        if (via->logs[i])
            via_log_free(via->logs[i]);
    watch_members_free(via->members);
    nats_kv_close(via->bucket);
    fleet_close(via->fleet);
    pthread_mutex_destroy(&via->mutex);
    free(via);
}

const struct logs_sharing *watch_via_sharing(const struct watch_via *via) {
    return &via->sharing;
}

const struct fleet *watch_via_fleet(const struct watch_via *via) {
    return via->fleet;
}

struct watch_members *watch_via_members(const struct watch_via *via) {
    return via->members;
}

void watch_via_statistics(struct watch_via *via, struct watch_via_statistics *out) {
    *out = (struct watch_via_statistics){
        .members = watch_members_count(via->members),
        .taken = atomic_load(&via->taken),
        .lost = atomic_load(&via->lost),
        .given = atomic_load(&via->given),
        .is_connected = watch_members_is_counted(via->members),
    };
    for (uint32_t i = 0; i < via->count; i++) {
        const struct shared_log *log = via->logs[i];
        out->wanted += log && log->is_wanted;
        out->held += log && via_is_in_time(log);
    }
}
