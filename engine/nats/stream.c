#include "engine/nats/stream.h"

#include "engine/base/base64.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#define MS_NS INT64_C(1000000)

enum {
    ANSWER_MS = 2000,  /* for one attempt */
    REQUEST_MAX = 512, /* a subject, and a bit more */
};

/* What the calls are given and find. */
struct search {
    const struct nats_stream_wish *wish;
    jsStreamInfo *info;
    jsStreamNamesList *names;
    const char *name, *subject;
    uint64_t before;
    bool lacks_servers, is_alone;
};

static natsStatus find_by_subject(void *context, jsCtx *js, jsErrCode *code) {
    struct search *search = context;
    jsOptions options;

    jsOptions_Init(&options);
    options.Stream.Info.SubjectsFilter = search->subject;
    return js_StreamNames(&search->names, js, &options, code);
}

static natsStatus get_info(void *context, jsCtx *js, jsErrCode *code) {
    struct search *search = context;

    return js_GetStreamInfo(&search->info, js, search->name, NULL, code);
}

static natsStatus add(void *context, jsCtx *js, jsErrCode *code) {
    struct search *search = context;
    const struct nats_stream_wish *wish = search->wish;
    const char *subjects[] = {wish->subject};
    jsStreamConfig config;

    jsStreamConfig_Init(&config);
    config.Name = wish->name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Replicas = wish->replicas ? (int64_t)wish->replicas : 1;
    config.MaxAge = (int64_t)wish->max_age_ms * MS_NS;
    config.MaxBytes = wish->max_bytes ? (int64_t)wish->max_bytes : -1;
    config.Duplicates = (int64_t)wish->dedupe_ms * MS_NS;
    config.Retention = wish->work_queue ? js_WorkQueuePolicy : js_LimitsPolicy;
    config.Discard = wish->refuse_when_full ? js_DiscardNew : js_DiscardOld;
    config.MaxMsgsPerSubject = wish->max_per_subject ? (int64_t)wish->max_per_subject : -1;
    config.MaxMsgSize = wish->max_message_bytes ? (int32_t)wish->max_message_bytes : -1;
    config.AllowRollup = wish->roll_up;
    natsStatus status = js_AddStream(&search->info, js, &config, NULL, code);
    search->is_alone = *code == JSStreamReplicasNotSupportedErr;
    search->lacks_servers = search->is_alone || *code == JSClusterNoPeersErr ||
                            (*code == JSInsufficientResourcesErr && config.Replicas > 1);
    /* Made in the meantime, or by an attempt whose answer was lost. */
    if (*code == JSStreamNameExistErr)
        status = js_GetStreamInfo(&search->info, js, wish->name, NULL, code);
    if (status != NATS_NOT_FOUND)
        return status;
    *code = (jsErrCode)0; /* it has no leader yet, which passes */
    return NATS_TIMEOUT;
}

static enum error check_info(const struct nats_link *link, const struct search *search,
                             struct failure *failure) {
    const struct nats_stream_wish *wish = search->wish;
    const jsStreamConfig *config = search->info->Config;
    bool takes = false;

    for (int i = 0; i < config->SubjectsLen; i++)
        takes |= nats_subject_matches(slice_of(config->Subjects[i]), slice_of(wish->subject));
    if (!takes)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: the stream %.100s does not take this subject; add it there, or "
                           "publish to %s",
                           nats_link_name(link), wish->name,
                           config->SubjectsLen ? quote_of(slice_of(config->Subjects[0])).text
                                               : "another");
    if (config->NoAck)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: the stream %.100s does not acknowledge (no_ack), so nothing "
                           "would be known to be stored",
                           nats_link_name(link), wish->name);
    if (wish->work_queue && config->Retention != js_WorkQueuePolicy)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: the stream %.100s is no queue of work (retention workqueue): "
                           "remove it, or choose another name",
                           nats_link_name(link), wish->name);
    if (wish->keeps && config->Retention != js_LimitsPolicy)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: the stream %.100s loses what is acknowledged (its retention is "
                           "not limits): remove it, or choose another name",
                           nats_link_name(link), wish->name);
    if (config->Sealed)
        return failure_set(failure, ERROR_USAGE, "%.200s: the stream %.100s is sealed",
                           nats_link_name(link), wish->name);
    return ERROR_NONE;
}

static enum error prepare_named(struct nats_link *link, struct search *search, uint32_t patience_ms,
                                struct failure *failure) {
    const struct nats_stream_wish *wish = search->wish;
    enum error error = nats_link_call(link, get_info, search, patience_ms, failure);

    if (error == (enum error)ENOENT && !wish->create)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: there is no stream %.100s; #stream=%.100s,create makes it",
                           nats_link_name(link), wish->name, wish->name);
    if (error == (enum error)ENOENT)
        error = nats_link_call(link, add, search, patience_ms, failure);
    if (error == ERROR_REFUSED && search->lacks_servers)
        return failure_set(failure, search->is_alone ? (enum error)ENOTSUP : ERROR_LIMIT,
                           "%.200s: there are not so many servers as %" PRIu64
                           " replicas of %.100s need",
                           nats_link_name(link), wish->replicas, search->name);
    if (error == ERROR_REFUSED)
        error = failure->code = ERROR_USAGE; /* such a stream cannot be made */
    return error ? error : check_info(link, search, failure);
}

static enum error prepare_any(struct nats_link *link, struct search *search, uint32_t patience_ms,
                              struct failure *failure) {
    enum error error = nats_link_call(link, find_by_subject, search, patience_ms, failure);

    if (error == (enum error)EACCES)
        return ERROR_NONE;
    if (error == ERROR_NONE && search->names->Count > 0)
        return ERROR_NONE;
    if (error != ERROR_NONE && error != (enum error)ENOENT)
        return error;
    return failure_set(failure, ERROR_USAGE,
                       "%.200s: no stream takes this subject; #stream=NAME,create makes one",
                       nats_link_name(link));
}

static struct nats_stream_state state_of(const jsStreamInfo *info) {
    return (struct nats_stream_state){
        .messages = info->State.Msgs,
        .bytes = info->State.Bytes,
        .consumers = (uint64_t)info->State.Consumers,
        .last_sequence = info->State.LastSeq,
        .replicas = (uint64_t)info->Config->Replicas,
        .created_ms = info->Created / MS_NS,
    };
}

enum error nats_stream_prepare(struct nats_link *link, const struct nats_stream_wish *wish,
                               uint32_t patience_ms, struct nats_stream_state *state,
                               struct failure *failure) {
    struct search search = {.wish = wish, .name = wish->name, .subject = wish->subject};
    enum error error = wish->name ? prepare_named(link, &search, patience_ms, failure)
                                  : prepare_any(link, &search, patience_ms, failure);

    if (!error && state)
        *state = search.info ? state_of(search.info) : (struct nats_stream_state){0};
    jsStreamInfo_Destroy(search.info);
    jsStreamNamesList_Destroy(search.names);
    return error;
}

enum error nats_stream_state(struct nats_link *link, const char *name,
                             struct nats_stream_state *out, struct failure *failure) {
    struct search search = {.name = name};
    enum error error = nats_link_call(link, get_info, &search, NATS_LINK_PATIENCE_MS, failure);

    if (!error)
        *out = state_of(search.info);
    jsStreamInfo_Destroy(search.info);
    return error;
}

enum error nats_stream_list(struct nats_link *link, const char *subject,
                            void (*each)(void *owner, const char *name), void *owner,
                            struct failure *failure) {
    struct search search = {.subject = subject};
    enum error error =
        nats_link_call(link, find_by_subject, &search, NATS_LINK_PATIENCE_MS, failure);

    for (int i = 0; !error && i < search.names->Count; i++)
        each(owner, search.names->List[i]);
    jsStreamNamesList_Destroy(search.names);
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

static natsStatus delete_stream(void *context, jsCtx *js, jsErrCode *code) {
    const struct search *search = context;

    return js_DeleteStream(js, search->name, NULL, code);
}

enum error nats_stream_delete(struct nats_link *link, const char *name, struct failure *failure) {
    struct search search = {.name = name};
    enum error error = nats_link_call(link, delete_stream, &search, NATS_LINK_PATIENCE_MS, failure);

    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

struct request {
    struct nats_link *link;
    char subject[REQUEST_MAX], text[REQUEST_MAX];
    uint64_t sequence; /* of the answer */
    struct buffer *body;
};

static bool read_message(yyjson_val *message, struct request *request) {
    yyjson_val *data = yyjson_obj_get(message, "data");
    struct slice text = {(const uint8_t *)yyjson_get_str(data), yyjson_get_len(data)};
    struct buffer *body = request->body;
    size_t written = 0;

    request->sequence = yyjson_get_uint(yyjson_obj_get(message, "seq"));
    if (!request->sequence || !buffer_reserve(body, base64_decoded_max(text.len)) ||
        (text.len && !base64_decode(text, body->ptr + body->len, &written, NULL)))
        return false;
    body->len += written;
    return true;
}

/* libnats has no call for it that the leader answers, and another node may not know the newest. */
static natsStatus get_next(void *context, jsCtx *js, jsErrCode *code) {
    struct request *request = context;
    natsMsg *answer = NULL;

    (void)js;
    natsStatus status = natsConnection_RequestString(&answer, nats_link_connection(request->link),
                                                     request->subject, request->text, ANSWER_MS);
    if (status != NATS_OK)
        return status;
    yyjson_doc *document = yyjson_read(natsMsg_GetData(answer),
                                       (size_t)natsMsg_GetDataLength(answer), YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(document);
    *code = (jsErrCode)yyjson_get_int(yyjson_obj_get(yyjson_obj_get(root, "error"), "err_code"));
    if (*code || !read_message(yyjson_obj_get(root, "message"), request))
        status = NATS_ERR;
    yyjson_doc_free(document);
    natsMsg_Destroy(answer);
    return status;
}

enum error nats_stream_next(struct nats_link *link, const char *name, const char *subject,
                            uint64_t from, uint64_t *sequence, struct buffer *body,
                            struct failure *failure) {
    struct request request = {.link = link, .body = body};

    snprintf(request.subject, sizeof request.subject, "$JS.API.STREAM.MSG.GET.%.255s", name);
    snprintf(request.text, sizeof request.text, "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%.255s\"}",
             from, subject);
    enum error error = nats_link_call(link, get_next, &request, NATS_LINK_PATIENCE_MS, failure);
    *sequence = request.sequence;
    return error;
}

static natsStatus purge(void *context, jsCtx *js, jsErrCode *code) {
    const struct search *search = context;
    jsOptions options;

    jsOptions_Init(&options);
    options.Stream.Purge.Subject = search->subject;
    options.Stream.Purge.Sequence = search->before;
    return js_PurgeStream(js, search->name, &options, code);
}

enum error nats_stream_purge(struct nats_link *link, const char *name, const char *subject,
                             uint64_t before, struct failure *failure) {
    struct search search = {.name = name, .subject = subject, .before = before};
    enum error error = nats_link_call(link, purge, &search, NATS_LINK_PATIENCE_MS, failure);

    return error == (enum error)ENOENT ? ERROR_NONE : error;
}
