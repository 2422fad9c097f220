#include "tools/trawl/watch_claims.h"

#include "engine/base/text.h"
#include "engine/nats/kv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 128, VALUE_MAX = 64 };

/* As long as the longest certificate that browsers take is valid, logs may repeat it. */
#define VALIDITY_MS (UINT64_C(398) * 24 * 3600 * 1000)

struct watch_claims {
    struct watch_claims_config config;
    struct fleet *fleet;
    struct nats_kv *bucket;
};

/* What lies in the bucket. */
struct claim {
    bool is_told;
    uint64_t watcher;
    uint64_t revision;
};

static bool key_of(const struct watch_claims *claims, const struct ct_record *record,
                   char out[KEY_MAX]) {
    struct buffer key;

    buffer_init(&key);
    buffer_add_format(&key, "%.32s.", claims->config.group);
    text_add_hex(&key, (struct slice){record->issuance_id, sizeof record->issuance_id});
    buffer_add_byte(&key, 0);
    bool fits = !key.failed && key.len <= KEY_MAX;
    if (fits)
        memcpy(out, key.ptr, key.len);
    buffer_deinit(&key);
    return fits;
}

static uint64_t self(const struct watch_claims *claims) {
    return watch_members_self(watch_via_members(claims->config.via));
}

static struct slice value_of(const struct watch_claims *claims, const char *word,
                             char out[VALUE_MAX]) {
    snprintf(out, VALUE_MAX, "%s %016" PRIx64, word, self(claims));
    return slice_of(out);
}

/* What nobody can read counts as a claim of somebody who is never seen. */
static enum error read_claim(const struct watch_claims *claims, const char *key, struct claim *out,
                             struct failure *failure) {
    char text[VALUE_MAX] = "", word[16] = "";
    struct buffer value;

    *out = (struct claim){0};
    buffer_init(&value);
    enum error error = nats_kv_get(claims->bucket, key, &value, &out->revision, failure);
    if (!error && value.len < sizeof text) {
        memcpy(text, value.ptr, value.len);
        if (sscanf(text, "%15s %16" SCNx64, word, &out->watcher) != 2)
            out->watcher = 0;
        out->is_told = strcmp(word, "told") == 0;
    }
    buffer_deinit(&value);
    return error;
}

/* Takes over the claim of one that is gone. */
static enum error take_over(struct watch_claims *claims, const char *key, struct claim *claim,
                            struct failure *failure) {
    char text[VALUE_MAX];

    if (!watch_members_is_gone(watch_via_members(claims->config.via), claim->watcher))
        return (enum error)EAGAIN;
    enum error error = nats_kv_swap(claims->bucket, key, value_of(claims, "claimed", text),
                                    &claim->revision, failure);
    return error == (enum error)EEXIST ? (enum error)EAGAIN : error;
}

/* `*told`: everybody has it. EAGAIN: somebody else is about to tell it. */
static enum error make_claim(struct watch_claims *claims, const char *key, bool *told,
                             struct failure *failure) {
    uint64_t revision = 0;
    char text[VALUE_MAX];
    struct claim claim;

    *told = false;
    enum error error =
        nats_kv_swap(claims->bucket, key, value_of(claims, "claimed", text), &revision, failure);
    if (error != (enum error)EEXIST)
        return error;
    error = read_claim(claims, key, &claim, failure);
    if (error == (enum error)ENOENT)
        return (enum error)EAGAIN;
    if (error)
        return error;
    *told = claim.is_told;
    if (claim.is_told || claim.watcher == self(claims))
        return ERROR_NONE;
    return take_over(claims, key, &claim, failure);
}

static enum error mark_told(struct watch_claims *claims, const char *key, struct failure *failure) {
    char text[VALUE_MAX];

    return nats_kv_put(claims->bucket, key, value_of(claims, "told", text), failure);
}

/* A call would wait for a cluster that is away. */
static enum error is_ready(struct watch_claims *claims, struct failure *failure) {
    return nats_link_ready(fleet_link(claims->fleet), failure);
}

static enum error begin(struct watch_claims *claims, const struct ct_record *record,
                        char key[KEY_MAX], struct failure *failure) {
    if (!key_of(claims, record, key))
        return failure_set(failure, ERROR_MEMORY, "no memory for a claim");
    return is_ready(claims, failure);
}

/* --- As a database --- */

static enum error is_known(void *owner, const struct ct_record *record, enum ct_known_by *by,
                           struct failure *failure) {
    const struct watch_claims *claims = owner;
    const struct ledger_database *inner = claims->config.inner;

    return inner ? inner->is_known(inner->owner, record, by, failure) : ERROR_NONE;
}

static enum error add_alert(void *owner, const struct ct_record *record, bool *delivered,
                            struct failure *failure) {
    struct watch_claims *claims = owner;
    const struct ledger_database *inner = claims->config.inner;
    char key[KEY_MAX];

    *delivered = false;
    enum error error = begin(claims, record, key, failure);
    if (!error)
        error = make_claim(claims, key, delivered, failure);
    if (error || *delivered || !inner || !inner->add_alert)
        return error;
    error = inner->add_alert(inner->owner, record, delivered, failure);
    return error || !*delivered ? error : mark_told(claims, key, failure);
}

static enum error set_delivered(void *owner, const struct ct_record *record,
                                struct failure *failure) {
    struct watch_claims *claims = owner;
    const struct ledger_database *inner = claims->config.inner;
    char key[KEY_MAX];

    enum error error = begin(claims, record, key, failure);
    if (!error && inner && inner->set_delivered)
        error = inner->set_delivered(inner->owner, record, failure);
    return error ? error : mark_told(claims, key, failure);
}

static enum error prune(void *owner, int64_t before_ms, bool *more, struct failure *failure) {
    const struct watch_claims *claims = owner;
    const struct ledger_database *inner = claims->config.inner;

    return inner->prune(inner->owner, before_ms, more, failure);
}

static enum error check(void *owner, struct failure *failure) {
    struct watch_claims *claims = owner;
    const struct ledger_database *inner = claims->config.inner;

    enum error error = is_ready(claims, failure);
    return error || !inner ? error : inner->check(inner->owner, failure);
}

static bool may_tell(void *owner) {
    const struct watch_claims *claims = owner;

    return watch_members_is_counted(watch_via_members(claims->config.via));
}

struct ledger_database watch_claims_database(struct watch_claims *claims) {
    const struct ledger_database *inner = claims->config.inner;

    return (struct ledger_database){
        .owner = claims,
        .is_known = is_known,
        .add_alert = add_alert,
        .set_delivered = set_delivered,
        .prune = inner && inner->prune ? prune : NULL,
        .check = check,
        .may_tell = may_tell,
        .name = inner ? "the database, or the cluster," : "the cluster",
    };
}

/* --- From outside --- */

static uint64_t age_ms(const struct watch_claims_config *config) {
    if (!config->retention_ms)
        return 0;
    return config->retention_ms > VALIDITY_MS ? config->retention_ms : VALIDITY_MS;
}

enum error watch_claims_open(struct watch_claims **out, const struct watch_claims_config *config,
                             struct failure *failure) {
    struct watch_claims *claims = calloc(1, sizeof *claims);
    char bucket[FLEET_SUBJECT_MAX];

    *out = NULL;
    if (!claims)
        return failure_set(failure, ERROR_MEMORY, "no memory for claims");
    claims->config = *config;
    const struct fleet *fleet = watch_via_fleet(config->via);
    enum error error = fleet_open_again(&claims->fleet, fleet, "trawl watch claims", failure);
    snprintf(bucket, sizeof bucket, "%s-told", fleet_prefix(fleet));
    const struct nats_kv_wish wish = {
        .bucket = bucket,
        .replicas = fleet_replicas(fleet),
        .max_value_bytes = 1024,
        .max_age_ms = age_ms(config),
    };
    if (!error)
        error = nats_kv_open(&claims->bucket, fleet_link(claims->fleet), &wish, failure);
    if (error)
        watch_claims_close(claims);
    else
        *out = claims;
    return error;
}

void watch_claims_close(struct watch_claims *claims) {
    if (!claims)
        return;
    nats_kv_close(claims->bucket);
    fleet_close(claims->fleet);
    free(claims);
}
