#include "tools/trawl/watch_members.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_MAX = 128,
    VALUE_MAX = 256,
    ID_DIGITS = 16,
    FORGET_LEASES = 8, /* the key of one that is gone is removed after so many */
};

#define MS UINT64_C(1000000)

struct member {
    struct watch_member shown;
    uint64_t revision;  /* 0: nobody has seen its key */
    bool is_heard;      /* that has changed since the last look */
    uint64_t silent_ns; /* for so long it has not */
};

struct watch_members {
    struct watch_members_config config;
    uint64_t self;
    uint32_t held, wanted; /* of the last beat */
    _Atomic uint64_t until_ns;

    pthread_mutex_t mutex; /* for what follows */
    uint64_t looked_ns;    /* when the last look was begun that saw them all */
    struct member others[WATCH_MEMBERS_MAX];
    uint32_t count;
};

static void key_of(const struct watch_members *members, uint64_t id, char out[KEY_MAX]) {
    snprintf(out, KEY_MAX, "%s%016" PRIx64, members->config.prefix, id);
}

enum error watch_members_new(struct watch_members **out, const struct watch_members_config *config,
                             struct failure *failure) {
    struct watch_members *members = calloc(1, sizeof *members);

    *out = members;
    if (!members)
        return failure_set(failure, ERROR_MEMORY, "no memory for the other watchers");
    members->config = *config;
    members->self = random_seed();
    pthread_mutex_init(&members->mutex, NULL);
    return ERROR_NONE;
}

void watch_members_free(struct watch_members *members) {
    if (!members)
        return;
    pthread_mutex_destroy(&members->mutex);
    free(members);
}

/* --- This one --- */

enum error watch_members_beat(struct watch_members *members, uint32_t held, uint32_t wanted,
                              struct failure *failure) {
    uint64_t began_ns = clock_monotonic_ns();
    char key[KEY_MAX], value[VALUE_MAX];

    key_of(members, members->self, key);
    snprintf(value, sizeof value, "%u %u %.200s", held, wanted, members->config.holder);
    members->held = held;
    members->wanted = wanted;
    enum error error = nats_kv_put(members->config.bucket, key, slice_of(value), failure);
    if (!error)
        atomic_store(&members->until_ns, began_ns + members->config.lease_ms * MS / 2);
    return error;
}

void watch_members_leave(struct watch_members *members) {
    struct failure ignored;
    char key[KEY_MAX];

    key_of(members, members->self, key);
    atomic_store(&members->until_ns, 0);
    if (nats_kv_delete(members->config.bucket, key, 0, &ignored))
        return; /* others see in time that it is silent */
}

uint64_t watch_members_self(const struct watch_members *members) {
    return members->self;
}

bool watch_members_is_counted(const struct watch_members *members) {
    return clock_monotonic_ns() < atomic_load(&members->until_ns);
}

/* --- Others; with the mutex --- */

static struct member *find(struct watch_members *members, uint64_t id) {
    for (uint32_t i = 0; i < members->count; i++)
        if (members->others[i].shown.id == id)
            return &members->others[i];
    return NULL;
}

/* NULL: there are too many. */
static struct member *find_or_add(struct watch_members *members, uint64_t id) {
    struct member *member = find(members, id);

    if (member || members->count == WATCH_MEMBERS_MAX - 1)
        return member;
    members->others[members->count] = (struct member){
        .shown = {.id = id},
        .is_heard = true,
    };
    return &members->others[members->count++];
}

static bool is_silent_for(const struct member *member, uint64_t ms) {
    return member->silent_ns >= ms * MS;
}

/* --- Looking --- */

struct keys {
    const struct watch_members *members;
    uint64_t ids[WATCH_MEMBERS_MAX], revisions[WATCH_MEMBERS_MAX];
    uint32_t count;
};

static void take_key(void *owner, const char *key) {
    struct keys *keys = owner;
    const char *prefix = keys->members->config.prefix;
    size_t len = strlen(prefix);
    char *end;

    if (strncmp(key, prefix, len) || strlen(key) != len + ID_DIGITS ||
        keys->count == WATCH_MEMBERS_MAX)
        return;
    uint64_t id = strtoull(key + len, &end, 16);
    if (!*end && id != keys->members->self)
        keys->ids[keys->count++] = id;
}

/* "HELD WANTED HOLDER"; what is none counts as one without logs. */
static void read_value(struct member *member, const struct buffer *value) {
    char text[VALUE_MAX] = "";

    if (value->len)
        memcpy(text, value->ptr, value->len < sizeof text ? value->len : sizeof text - 1);
    if (sscanf(text, "%9u %9u", &member->shown.held, &member->shown.wanted) != 2)
        member->shown.held = member->shown.wanted = 0;
}

static void note_seen(struct watch_members *members, uint64_t id, uint64_t revision,
                      const struct buffer *value) {
    pthread_mutex_lock(&members->mutex);
    struct member *member = find_or_add(members, id);
    if (member && member->revision != revision) {
        member->revision = revision;
        member->is_heard = true;
        read_value(member, value);
    }
    pthread_mutex_unlock(&members->mutex);
}

static enum error look_at(struct watch_members *members, uint64_t id, struct failure *failure) {
    struct buffer value;
    uint64_t revision = 0;
    char key[KEY_MAX];

    key_of(members, id, key);
    buffer_init(&value);
    enum error error = nats_kv_get(members->config.bucket, key, &value, &revision, failure);
    if (!error)
        note_seen(members, id, revision, &value);
    buffer_deinit(&value);
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

static bool has_key(const struct keys *keys, uint64_t id) {
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->ids[i] == id)
            return true;
    return false;
}

/* A look that saw them all was begun then. Not all of a long time without a look is silence: this
 * process, or the cluster, may have stood still, and the others get time to say something. */
static void count_silence(struct watch_members *members, uint64_t began_ns) {
    uint64_t most_ns = members->config.lease_ms * MS / 4;

    pthread_mutex_lock(&members->mutex);
    uint64_t passed_ns = began_ns - members->looked_ns;
    members->looked_ns = began_ns;
    if (passed_ns > most_ns)
        passed_ns = most_ns;
    for (uint32_t i = 0; i < members->count; i++) {
        struct member *member = &members->others[i];
        member->silent_ns = member->is_heard ? 0 : member->silent_ns + passed_ns;
        member->is_heard = false;
    }
    pthread_mutex_unlock(&members->mutex);
}

/* Those that have left do not live; those that were silent for very long are forgotten, and their
 * keys, if they have one, are in `old`. */
static void forget(struct watch_members *members, const struct keys *keys, struct keys *old) {
    pthread_mutex_lock(&members->mutex);
    for (uint32_t i = members->count; i-- > 0;) {
        struct member *member = &members->others[i];
        bool is_there = has_key(keys, member->shown.id);
        if (!is_there)
            member->revision = 0;
        if (!is_silent_for(member, FORGET_LEASES * members->config.lease_ms))
            continue;
        if (is_there) {
            old->revisions[old->count] = member->revision;
            old->ids[old->count++] = member->shown.id;
        }
        *member = members->others[--members->count];
    }
    pthread_mutex_unlock(&members->mutex);
}

static void delete_keys(const struct watch_members *members, const struct keys *old) {
    struct failure ignored;
    char key[KEY_MAX];

    for (uint32_t i = 0; i < old->count; i++) {
        key_of(members, old->ids[i], key);
        if (nats_kv_delete(members->config.bucket, key, old->revisions[i], &ignored))
            return; /* somebody else does */
    }
}

enum error watch_members_look(struct watch_members *members, struct failure *failure) {
    struct keys *keys = calloc(2, sizeof *keys);
    uint64_t began_ns = clock_monotonic_ns();

    if (!keys)
        return failure_set(failure, ERROR_MEMORY, "no memory for the other watchers");
    struct keys *old = &keys[1];
    keys->members = members;
    enum error error = nats_kv_keys(members->config.bucket, take_key, keys, failure);
    for (uint32_t i = 0; i < keys->count && !error; i++)
        error = look_at(members, keys->ids[i], failure);
    if (!error) {
        count_silence(members, began_ns);
        forget(members, keys, old);
        delete_keys(members, old);
    }
    free(keys);
    return error;
}

static bool lives(const struct watch_members *members, const struct member *member) {
    return member->revision && !is_silent_for(member, members->config.lease_ms / 2);
}

uint32_t watch_members_list(struct watch_members *members,
                            struct watch_member out[WATCH_MEMBERS_MAX]) {
    uint32_t count = 1;

    out[0] = (struct watch_member){members->self, members->held, members->wanted};
    pthread_mutex_lock(&members->mutex);
    for (uint32_t i = 0; i < members->count; i++)
        if (lives(members, &members->others[i]))
            out[count++] = members->others[i].shown;
    pthread_mutex_unlock(&members->mutex);
    return count;
}

uint32_t watch_members_count(struct watch_members *members) {
    uint32_t count = 1;

    pthread_mutex_lock(&members->mutex);
    for (uint32_t i = 0; i < members->count; i++)
        count += lives(members, &members->others[i]);
    pthread_mutex_unlock(&members->mutex);
    return count;
}

bool watch_members_is_gone(struct watch_members *members, uint64_t id) {
    if (id == members->self)
        return false;
    pthread_mutex_lock(&members->mutex);
    const struct member *member = find_or_add(members, id);
    bool is_gone = member && is_silent_for(member, members->config.lease_ms);
    pthread_mutex_unlock(&members->mutex);
    return is_gone;
}
