#include "tools/fleet/lease.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"
#include "engine/base/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#define MS UINT64_C(1000000)

enum { HEAD_MAX = 2048 };

struct lease {
    struct nats_kv *bucket;
    char key[LEASE_KEY_MAX], holder[LEASE_HOLDER_MAX];
    uint64_t identity, time_ms;
    uint64_t token; /* of this very holder: knows its own writes again */
    bool held;
    uint64_t revision;   /* of what we wrote */
    uint64_t written_ns; /* when that was begun */
    /* Somebody else's, and when it was seen first. */
    uint64_t seen_revision, seen_ns;
};

/* A lease as it lies in the bucket. */
struct entry {
    char holder[LEASE_HOLDER_MAX];
    uint64_t identity, token, time_ms;
    bool free;
    struct slice value;
};

enum error lease_new(struct lease **out, const struct lease_config *config,
                     struct failure *failure) {
    struct lease *lease = calloc(1, sizeof *lease);
    struct random random;

    *out = lease;
    if (!lease)
        return failure_set(failure, ERROR_MEMORY, "no memory for a lease");
    random_init(&random, random_seed());
    lease->bucket = config->bucket;
    lease->identity = config->identity;
    lease->time_ms = config->time_ms;
    lease->token = random_u64(&random);
    snprintf(lease->key, sizeof lease->key, "%s", config->key);
    snprintf(lease->holder, sizeof lease->holder, "%s", config->holder);
    return ERROR_NONE;
}

void lease_free(struct lease *lease) {
    free(lease);
}

/* ---------------------------------------------------------------------------------------------
 * What lies in the bucket
 * ------------------------------------------------------------------------------------------- */

static bool read_number(yyjson_val *root, const char *name, uint64_t *out) {
    const char *text = yyjson_get_str(yyjson_obj_get(root, name));
    char *end = NULL;

    if (!text || strlen(text) != 16)
        return false;
    *out = strtoull(text, &end, 16);
    return *end == 0;
}

static bool read_head(struct entry *out, yyjson_val *root) {
    const char *holder = yyjson_get_str(yyjson_obj_get(root, "holder"));
    yyjson_val *time_ms = yyjson_obj_get(root, "time_ms");
    yyjson_val *is_free = yyjson_obj_get(root, "free");

    if (!holder || !yyjson_is_uint(time_ms) || !yyjson_is_bool(is_free) ||
        !read_number(root, "identity", &out->identity) || !read_number(root, "token", &out->token))
        return false;
    quote_bare(out->holder, sizeof out->holder, slice_of(holder));
    out->time_ms = yyjson_get_uint(time_ms);
    out->free = yyjson_get_bool(is_free);
    return out->time_ms <= LEASE_TIME_MAX_MS;
}

/* False: somebody else wrote there; then nothing is known but that it is there. */
static bool read_entry(struct entry *out, struct slice bytes) {
    const uint8_t *end = bytes.len ? memchr(bytes.ptr, '\n', bytes.len) : NULL;
    size_t len = end ? (size_t)(end - bytes.ptr) : 0;
    yyjson_doc *document = len && len <= HEAD_MAX
                               ? yyjson_read((const char *)bytes.ptr, len, YYJSON_READ_NOFLAG)
                               : NULL;
    bool good = document && read_head(out, yyjson_doc_get_root(document));

    out->value = good ? slice_from(bytes, len + 1) : (struct slice){0};
    yyjson_doc_free(document);
    return good;
}

static bool write_head(const struct lease *lease, bool is_free, struct buffer *out) {
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    char identity[17], token[17];
    size_t len = 0;

    snprintf(identity, sizeof identity, "%016" PRIx64, lease->identity);
    snprintf(token, sizeof token, "%016" PRIx64, lease->token);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "holder", lease->holder);
    yyjson_mut_obj_add_str(document, root, "identity", identity);
    yyjson_mut_obj_add_str(document, root, "token", token);
    yyjson_mut_obj_add_uint(document, root, "time_ms", lease->time_ms);
    yyjson_mut_obj_add_bool(document, root, "free", is_free);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
    if (text)
        buffer_add(out, text, len);
    buffer_add_byte(out, '\n');
    free(text);
    yyjson_mut_doc_free(document);
    return text != NULL && !out->failed;
}

/* ---------------------------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------------------------- */

/* In place of `revision`. */
static enum error write_over(struct lease *lease, uint64_t revision, bool is_free,
                             struct slice value, struct failure *failure) {
    uint64_t begun_ns = clock_monotonic_ns();
    struct buffer bytes;
    enum error error;

    if (value.len > LEASE_VALUE_MAX)
        return failure_set(failure, ERROR_LIMIT, "a lease's value of %zu bytes is too long",
                           value.len);
    buffer_init(&bytes);
    if (write_head(lease, is_free, &bytes))
        buffer_add_slice(&bytes, value);
    else
        bytes.failed = true;
    if (bytes.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a lease");
    else
        error = nats_kv_swap(lease->bucket, lease->key, buffer_slice(&bytes), &revision, failure);
    buffer_deinit(&bytes);
    if (!error) {
        lease->revision = revision;
        lease->written_ns = begun_ns;
        lease->held = !is_free;
    }
    return error;
}

/* Whether the newest is ours all the same: an earlier write, whose answer never came. */
static enum error find_own_write(struct lease *lease, bool *ours, struct failure *failure) {
    struct entry entry = {0};
    struct buffer bytes;
    uint64_t revision = 0;

    *ours = false;
    buffer_init(&bytes);
    enum error error = nats_kv_get(lease->bucket, lease->key, &bytes, &revision, failure);
    if (!error && read_entry(&entry, buffer_slice(&bytes)) && entry.token == lease->token) {
        *ours = revision != lease->revision;
        lease->revision = revision;
    }
    buffer_deinit(&bytes);
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

static enum error write_own(struct lease *lease, bool is_free, struct slice value,
                            struct failure *failure) {
    enum error error = lease->held ? write_over(lease, lease->revision, is_free, value, failure)
                                   : (enum error)EEXIST;
    bool ours = false;

    if (error == (enum error)EEXIST && lease->held) {
        if ((error = find_own_write(lease, &ours, failure)))
            return error;
        error =
            ours ? write_over(lease, lease->revision, is_free, value, failure) : (enum error)EEXIST;
    }
    if (error != (enum error)EEXIST)
        return error;
    lease->held = false;
    lease->seen_revision = 0;
    return failure_set(failure, ERROR_GONE, "the lease %s is somebody else's now", lease->key);
}

enum error lease_keep(struct lease *lease, struct slice value, struct failure *failure) {
    return write_own(lease, false, value, failure);
}

enum error lease_give_back(struct lease *lease, struct slice value, struct failure *failure) {
    return write_own(lease, true, value, failure);
}

bool lease_is_held(const struct lease *lease) {
    uint64_t age_ns = clock_monotonic_ns() - lease->written_ns;

    return lease->held && age_ns < lease->time_ms * MS / 100 * LEASE_FENCE;
}

/* ---------------------------------------------------------------------------------------------
 * Taking
 * ------------------------------------------------------------------------------------------- */

static enum error tell_busy(const struct lease *lease, const struct entry *entry,
                            struct failure *failure) {
    return failure_set(failure, (enum error)EBUSY, "%s is taken by %s", lease->key,
                       entry->holder[0] ? entry->holder : "somebody");
}

/* Whether it may be taken over: it is free, or ours from before, or its holder is silent. */
static bool is_to_be_had(struct lease *lease, const struct entry *entry, bool good,
                         uint64_t revision) {
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t time_ms = good && entry->time_ms > lease->time_ms ? entry->time_ms : lease->time_ms;

    if (good && (entry->free || entry->token == lease->token ||
                 (entry->identity && entry->identity == lease->identity)))
        return true;
    if (lease->seen_revision != revision) {
        lease->seen_revision = revision;
        lease->seen_ns = now_ns;
    }
    return now_ns - lease->seen_ns >= time_ms * MS;
}

static enum error try_with(struct lease *lease, struct slice bytes, uint64_t revision,
                           struct buffer *value, struct failure *failure) {
    struct entry entry = {0};
    bool good = revision && read_entry(&entry, bytes);

    if (revision && !is_to_be_had(lease, &entry, good, revision))
        return tell_busy(lease, &entry, failure);
    enum error error = write_over(lease, revision, false, entry.value, failure);
    if (error == (enum error)EEXIST)
        return tell_busy(lease, &(struct entry){0}, failure);
    if (!error && value) {
        buffer_add_slice(value, entry.value);
        if (value->failed)
            error = failure_set(failure, ERROR_MEMORY, "no memory for a lease");
    }
    return error;
}

enum error lease_try(struct lease *lease, struct buffer *value, struct failure *failure) {
    struct buffer bytes;
    uint64_t revision = 0;

    buffer_init(&bytes);
    enum error error = nats_kv_get(lease->bucket, lease->key, &bytes, &revision, failure);
    if (error == (enum error)ENOENT)
        revision = 0;
    if (!error || error == (enum error)ENOENT)
        error = try_with(lease, buffer_slice(&bytes), revision, value, failure);
    buffer_deinit(&bytes);
    return error;
}
