/* A bucket is a stream KV_BUCKET of subjects $KV.BUCKET.KEY that keeps the newest of each. Plain
 * streams rather than libnats' kvStore, which reads from replicas that may lag behind.
 *
 * A leader of nats-server 2.9 compares the expected revision (but 0) when a message comes in, not
 * when it is its turn: two that come close together are both taken. So all that want to replace the
 * same revision have the same Nats-Msg-Id, and the server takes one of them; a token says whose. */
#include "engine/nats/kv.h"

#include "engine/base/random.h"
#include "engine/nats/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ID_BYTES = 33,
    TOKEN_BYTES = 17,
    SWAPS_MAX = 3, /* when markers are in the way */
    /* Since 2.11 servers say so of an id that has no number in the stream yet. */
    DUPLICATE_IN_PROCESS = 10158,
};

#define TOKEN_HEADER "Trawl-Token"

struct nats_kv {
    struct nats_link *link;
    struct random random; /* tokens */
    char stream[NATS_BUCKET_MAX + 4];
    char prefix[NATS_BUCKET_MAX + 8]; /* of subjects */
};

/* What a call is given and finds. */
struct access {
    const struct nats_kv *kv;
    char subject[NATS_BUCKET_MAX + NATS_KEY_MAX + 16];
    struct slice value;
    const char *operation; /* of a marker; NULL for a value */
    bool conditional;
    uint64_t revision; /* expected, then the new one */
    char id[ID_BYTES], token[TOKEN_BYTES];
    bool duplicate;  /* one of this id was there before */
    uint32_t doubts; /* the id is known, but nothing is stored under it */
    jsErrCode code;  /* of the last attempt */
    natsMsg *found;
    jsStreamInfo *info;
};

static bool is_key(const char *key) {
    struct slice text = slice_of(key);

    return text.len < NATS_KEY_MAX && nats_subject_is_valid(text);
}

static enum error begin(struct access *access, const struct nats_kv *kv, const char *key,
                        struct failure *failure) {
    *access = (struct access){.kv = kv};
    if (!is_key(key))
        return failure_set(failure, ERROR_USAGE, "%s cannot be a key of a bucket",
                           quote_of(slice_of(key)).text);
    snprintf(access->subject, sizeof access->subject, "%s%s", kv->prefix, key);
    return ERROR_NONE;
}

static void name_stream(struct nats_kv *kv, const char *bucket) {
    snprintf(kv->stream, sizeof kv->stream, "KV_%s", bucket);
    snprintf(kv->prefix, sizeof kv->prefix, "$KV.%s.", bucket);
}

enum error nats_kv_open(struct nats_kv **out, struct nats_link *link,
                        const struct nats_kv_wish *wish, struct failure *failure) {
    struct nats_kv *kv = calloc(1, sizeof *kv);
    char subject[sizeof kv->prefix + 1];

    *out = NULL;
    if (!kv)
        return failure_set(failure, ERROR_MEMORY, "no memory for a bucket");
    kv->link = link;
    random_init(&kv->random, random_seed());
    name_stream(kv, wish->bucket);
    snprintf(subject, sizeof subject, "%s>", kv->prefix);
    struct nats_stream_wish stream = {
        .name = kv->stream,
        .subject = subject,
        .create = true,
        .replicas = wish->replicas,
        .max_per_subject = 1,
        .max_message_bytes = wish->max_value_bytes,
        .max_age_ms = wish->max_age_ms,
        .refuse_when_full = true,
        .roll_up = true,
    };
    enum error error = nats_stream_prepare(link, &stream, NATS_LINK_PATIENCE_MS, NULL, failure);
    if (error) {
        nats_kv_close(kv);
        return error;
    }
    *out = kv;
    return ERROR_NONE;
}

void nats_kv_close(struct nats_kv *kv) {
    free(kv);
}

/* ---------------------------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------------------------- */

/* Answered by the leader alone. */
static natsStatus find(void *context, jsCtx *js, jsErrCode *code) {
    struct access *access = context;

    return js_GetLastMsg(&access->found, js, access->kv->stream, access->subject, NULL, code);
}

static bool header_is(const natsMsg *message, const char *name, const char *value) {
    const char *found = NULL;

    return natsMsgHeader_Get((natsMsg *)(uintptr_t)message, name, &found) == NATS_OK &&
           strcmp(found, value) == 0;
}

static bool is_marker(const natsMsg *message) {
    return header_is(message, "KV-Operation", "DEL") || header_is(message, "KV-Operation", "PURGE");
}

enum error nats_kv_get(struct nats_kv *kv, const char *key, struct buffer *value,
                       uint64_t *revision, struct failure *failure) {
    struct access access;
    enum error error = begin(&access, kv, key, failure);

    if (!error)
        error = nats_link_call(kv->link, find, &access, NATS_LINK_PATIENCE_MS, failure);
    if (error == (enum error)ENOENT || (!error && is_marker(access.found)))
        error = failure_set(failure, (enum error)ENOENT, "%.200s: there is no key %.128s",
                            nats_link_name(kv->link), key);
    if (!error) {
        *revision = natsMsg_GetSequence(access.found);
        buffer_add(value, natsMsg_GetData(access.found),
                   (size_t)natsMsg_GetDataLength(access.found));
        if (value->failed)
            error = failure_set(failure, ERROR_MEMORY, "no memory for a value of a bucket");
    }
    natsMsg_Destroy(access.found);
    return error;
}

static natsStatus list(void *context, jsCtx *js, jsErrCode *code) {
    struct access *access = context;
    jsOptions options;

    jsOptions_Init(&options);
    options.Stream.Info.SubjectsFilter = access->subject;
    return js_GetStreamInfo(&access->info, js, access->kv->stream, &options, code);
}

enum error nats_kv_keys(struct nats_kv *kv, void (*each)(void *owner, const char *key), void *owner,
                        struct failure *failure) {
    struct access access = {.kv = kv};

    snprintf(access.subject, sizeof access.subject, "%s>", kv->prefix);
    enum error error = nats_link_call(kv->link, list, &access, NATS_LINK_PATIENCE_MS, failure);
    const jsStreamStateSubjects *subjects = error ? NULL : access.info->State.Subjects;
    for (int i = 0; subjects && i < subjects->Count; i++) {
        struct slice subject = slice_of(subjects->List[i].Subject);
        if (slice_is(slice_first(subject, strlen(kv->prefix)), kv->prefix))
            each(owner, subjects->List[i].Subject + strlen(kv->prefix));
    }
    jsStreamInfo_Destroy(access.info);
    return error;
}

enum error nats_kv_version(struct nats_kv *kv, struct nats_kv_version *out,
                           struct failure *failure) {
    struct nats_stream_state state;
    enum error error = nats_stream_state(kv->link, kv->stream, &state, failure);

    if (!error)
        *out = (struct nats_kv_version){.written = state.last_sequence, .there = state.messages};
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------------------------- */

static natsStatus make_message(const struct access *access, natsMsg **out) {
    natsStatus status = natsMsg_Create(out, access->subject, NULL, (const char *)access->value.ptr,
                                       (int)access->value.len);

    if (status == NATS_OK)
        status = natsMsgHeader_Set(*out, TOKEN_HEADER, access->token);
    if (status == NATS_OK && access->operation)
        status = natsMsgHeader_Set(*out, "KV-Operation", access->operation);
    return status;
}

static natsStatus publish(void *context, jsCtx *js, jsErrCode *code) {
    struct access *access = context;
    jsPubOptions options;
    jsPubAck *answer = NULL;
    natsMsg *message = NULL;
    char id[ID_BYTES + TOKEN_BYTES + 16];

    /* A leader of 2.10 and newer remembers the id also of what it refuses; then the next attempt
     * has another. Of two of ours the revision lets one through. */
    snprintf(id, sizeof id, access->doubts ? "%s.%s%u" : "%s", access->id, access->token,
             access->doubts);
    jsPubOptions_Init(&options);
    options.ExpectStream = access->kv->stream;
    options.MsgId = id;
    options.ExpectLastSubjectSeq = access->conditional ? access->revision : 0;
    options.ExpectNoMessage = access->conditional && !access->revision;
    natsStatus status = make_message(access, &message);
    if (status == NATS_OK)
        status = js_PublishMsg(&answer, js, message, &options, code);
    bool in_doubt = (int)*code == DUPLICATE_IN_PROCESS ||
                    (status == NATS_OK && answer->Duplicate && !answer->Sequence);
    if (status == NATS_OK && !in_doubt) {
        access->revision = answer->Sequence;
        access->duplicate = answer->Duplicate;
    }
    access->code = *code;
    jsPubAck_Destroy(answer);
    natsMsg_Destroy(message);
    access->doubts += in_doubt;
    /* Nobody takes the subject while there is no leader: that passes. */
    return in_doubt || status == NATS_NO_RESPONDERS ? NATS_TIMEOUT : status;
}

/* All attempts under one id, so that the server takes one of them. */
static enum error write_once(struct nats_kv *kv, struct access *access, struct failure *failure) {
    uint64_t token = random_u64(&kv->random);

    access->duplicate = false;
    access->doubts = 0;
    snprintf(access->token, sizeof access->token, "%016" PRIx64, token);
    if (access->conditional && access->revision)
        snprintf(access->id, sizeof access->id, "after.%" PRIu64, access->revision);
    else
        snprintf(access->id, sizeof access->id, "%s%016" PRIx64, access->token,
                 random_u64(&kv->random));
    return nats_link_call(kv->link, publish, access, NATS_LINK_PATIENCE_MS, failure);
}

/* The server has taken something in place of that revision before: an attempt of ours whose answer
 * was lost, or somebody else's. *again: a marker, where nothing is expected. */
static enum error judge_conflict(struct nats_kv *kv, struct access *access, bool wants_none,
                                 bool *again, struct failure *failure) {
    natsMsg_Destroy(access->found);
    access->found = NULL;
    enum error error = nats_link_call(kv->link, find, access, NATS_LINK_PATIENCE_MS, failure);
    if (error && error != (enum error)ENOENT)
        return error;
    access->revision = error ? 0 : natsMsg_GetSequence(access->found);
    if (!error && header_is(access->found, TOKEN_HEADER, access->token))
        return ERROR_NONE;
    *again = wants_none && (error || is_marker(access->found));
    return failure_set(failure, (enum error)EEXIST, "%.200s: somebody else has changed %.190s",
                       nats_link_name(kv->link), access->subject);
}

static enum error swap(struct nats_kv *kv, struct access *access, struct failure *failure) {
    bool wants_none = access->revision == 0, again = true;
    enum error error = ERROR_NONE;

    access->conditional = true;
    for (int i = 0; i < SWAPS_MAX && again; i++) {
        again = false;
        error = write_once(kv, access, failure);
        if ((error == ERROR_REFUSED && access->code == JSStreamWrongLastSequenceErr) ||
            (!error && access->duplicate))
            error = judge_conflict(kv, access, wants_none, &again, failure);
    }
    natsMsg_Destroy(access->found);
    return error;
}

enum error nats_kv_put(struct nats_kv *kv, const char *key, struct slice value,
                       struct failure *failure) {
    struct access access;
    enum error error = begin(&access, kv, key, failure);

    access.value = value;
    return error ? error : write_once(kv, &access, failure);
}

enum error nats_kv_swap(struct nats_kv *kv, const char *key, struct slice value, uint64_t *revision,
                        struct failure *failure) {
    struct access access;
    enum error error = begin(&access, kv, key, failure);

    access.value = value;
    access.revision = *revision;
    if (!error && !(error = swap(kv, &access, failure)))
        *revision = access.revision;
    return error;
}

enum error nats_kv_delete(struct nats_kv *kv, const char *key, uint64_t revision,
                          struct failure *failure) {
    struct access access;
    enum error error = begin(&access, kv, key, failure);

    access.operation = "DEL";
    access.revision = revision;
    if (!error && revision) {
        error = swap(kv, &access, failure);
        /* What is there goes with its marker. */
        return error ? error
                     : nats_stream_purge(kv->link, kv->stream, access.subject, access.revision + 1,
                                         failure);
    }
    return error ? error : nats_stream_purge(kv->link, kv->stream, access.subject, 0, failure);
}

enum error nats_kv_delete_below(struct nats_kv *kv, const char *prefix, struct failure *failure) {
    struct access access;
    enum error error = begin(&access, kv, prefix, failure);
    size_t len = strlen(access.subject);

    snprintf(access.subject + len, sizeof access.subject - len, ".>");
    return error ? error : nats_stream_purge(kv->link, kv->stream, access.subject, 0, failure);
}

enum error nats_kv_delete_in(struct nats_link *link, const char *bucket, const char *key,
                             struct failure *failure) {
    struct nats_kv kv = {.link = link};

    name_stream(&kv, bucket);
    return nats_kv_delete(&kv, key, 0, failure);
}
