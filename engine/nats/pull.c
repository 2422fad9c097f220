/* Requests of our own rather than libnats' Fetch: a request that is not answered, a status that
 * ends it and a message that comes late are then told apart, in all versions alike. */
#include "engine/nats/pull.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)

enum {
    ANSWER_MS = 1000, /* a server that has nothing says so sooner */
    ACK_MS = 2000,    /* for one attempt */
    REST_MS = 20,     /* between messages of one answer */
    IDLE_MS = 20,     /* how often a connection that is lost is looked at */
    LAST_MS = 100,    /* for what comes to a request when nobody wants it any more */
    LAST_MAX = 16,
    NAME_MAX = 256,
    INBOX_MAX = 64, /* libnats makes 29 characters */
    /* $JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.CONSUMER_SEQUENCE.TIME.PENDING, or with a domain
     * and a hash of the account before the stream, and more behind */
    ACK_TOKENS = 9,
    ACK_TOKENS_DOMAIN = 11,
    ACK_TOKENS_MAX = 16,
};

struct nats_pull {
    struct nats_link *link;
    char stream[NAME_MAX], durable[NAME_MAX];
    char inbox[INBOX_MAX];
    natsSubscription *arrivals;
    uint64_t generation; /* of the link, that this knows */
    uint64_t request;    /* number of the last */
    bool is_waiting;     /* it may still be answered with a message */
    jsConsumerInfo *info;
    const struct nats_pull_wish *wish; /* at open */
};

struct nats_pulled {
    struct nats_pull *pull;
    natsMsg *message;
    uint64_t sequence, deliveries, pending;
};

/* ---------------------------------------------------------------------------------------------
 * Consumers
 * ------------------------------------------------------------------------------------------- */

static natsStatus get_info(void *context, jsCtx *js, jsErrCode *code) {
    struct nats_pull *pull = context;

    jsConsumerInfo_Destroy(pull->info);
    pull->info = NULL;
    return js_GetConsumerInfo(&pull->info, js, pull->stream, pull->durable, NULL, code);
}

static natsStatus add_consumer(void *context, jsCtx *js, jsErrCode *code) {
    struct nats_pull *pull = context;
    const struct nats_pull_wish *wish = pull->wish;
    jsConsumerConfig config;

    jsConsumerConfig_Init(&config);
    config.Durable = wish->durable;
    config.AckPolicy = js_AckExplicit;
    config.AckWait = (int64_t)(wish->ack_wait_ms * MS);
    config.FilterSubject = wish->filter;
    config.MaxAckPending = wish->max_under_way;
    config.MaxDeliver = wish->max_deliveries ? (int64_t)wish->max_deliveries : -1;
    jsConsumerInfo_Destroy(pull->info);
    pull->info = NULL;
    natsStatus status = js_AddConsumer(&pull->info, js, wish->stream, &config, NULL, code);
    /* Made in the meantime, or by an attempt whose answer was lost. */
    if (*code == JSConsumerNameExistErr || *code == JSConsumerWQConsumerNotUniqueErr)
        status = js_GetConsumerInfo(&pull->info, js, wish->stream, wish->durable, NULL, code);
    if (*code != JSConsumerNotFoundErr)
        return status;
    *code = (jsErrCode)0; /* it has no leader yet, which passes */
    return NATS_TIMEOUT;
}

static void free_pull(struct nats_pull *pull) {
    nats_link_unsubscribe(pull->link, pull->arrivals);
    jsConsumerInfo_Destroy(pull->info);
    free(pull);
}

enum error nats_pull_open(struct nats_pull **out, struct nats_link *link,
                          const struct nats_pull_wish *wish, struct failure *failure) {
    struct nats_pull *pull = calloc(1, sizeof *pull);
    natsInbox *inbox = NULL;

    *out = NULL;
    if (!pull || natsInbox_Create(&inbox) != NATS_OK) {
        free(pull);
        return failure_set(failure, ERROR_MEMORY, "no memory for a consumer");
    }
    pull->link = link;
    snprintf(pull->inbox, sizeof pull->inbox, "%s", inbox);
    snprintf(pull->stream, sizeof pull->stream, "%s", wish->stream);
    snprintf(pull->durable, sizeof pull->durable, "%s", wish->durable);
    natsInbox_Destroy(inbox);
    pull->wish = wish;
    enum error error = nats_link_call(link, get_info, pull, NATS_LINK_PATIENCE_MS, failure);
    if (error == (enum error)ENOENT && wish->create)
        error = nats_link_call(link, add_consumer, pull, NATS_LINK_PATIENCE_MS, failure);
    pull->wish = NULL;
    if (error) {
        free_pull(pull);
        return error;
    }
    *out = pull;
    return ERROR_NONE;
}

struct consumer {
    const char *stream, *durable;
    jsConsumerInfo *info;
};

static natsStatus look_at(void *context, jsCtx *js, jsErrCode *code) {
    struct consumer *consumer = context;

    return js_GetConsumerInfo(&consumer->info, js, consumer->stream, consumer->durable, NULL, code);
}

enum error nats_consumer_state(struct nats_link *link, const char *stream, const char *durable,
                               struct nats_consumer_state *out, struct failure *failure) {
    struct consumer consumer = {stream, durable, NULL};
    enum error error = nats_link_call(link, look_at, &consumer, NATS_LINK_PATIENCE_MS, failure);

    if (!error)
        *out = (struct nats_consumer_state){.waiting = consumer.info->NumPending,
                                            .under_way = (uint64_t)consumer.info->NumAckPending,
                                            .done = consumer.info->AckFloor.Stream};
    jsConsumerInfo_Destroy(consumer.info);
    return error;
}

static natsStatus delete_consumer(void *context, jsCtx *js, jsErrCode *code) {
    const struct consumer *consumer = context;

    return js_DeleteConsumer(js, consumer->stream, consumer->durable, NULL, code);
}

enum error nats_consumer_delete(struct nats_link *link, const char *stream, const char *durable,
                                struct failure *failure) {
    struct consumer consumer = {stream, durable, NULL};
    enum error error =
        nats_link_call(link, delete_consumer, &consumer, NATS_LINK_PATIENCE_MS, failure);

    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

/* ---------------------------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------------------------- */

static bool read_ack_subject(struct nats_pulled *out, const char *reply) {
    struct slice tokens[ACK_TOKENS_MAX], rest = slice_of(reply);
    uint32_t count = 0;

    while (rest.len && count < ACK_TOKENS_MAX) {
        const uint8_t *dot = memchr(rest.ptr, '.', rest.len);
        size_t len = dot ? (size_t)(dot - rest.ptr) : rest.len;
        tokens[count++] = slice_first(rest, len);
        rest = slice_from(rest, len + 1);
    }
    if (count < ACK_TOKENS || !slice_is(tokens[0], "$JS") || !slice_is(tokens[1], "ACK"))
        return false;
    const struct slice *numbers = tokens + (count >= ACK_TOKENS_DOMAIN ? 6 : 4);
    return slice_to_u64(numbers[0], UINT64_MAX, &out->deliveries) &&
           slice_to_u64(numbers[1], UINT64_MAX, &out->sequence) &&
           slice_to_u64(numbers[4], UINT64_MAX, &out->pending);
}

/* Takes `message`. NULL when it is none of a consumer, or there is no memory: then it comes again.
 */
static struct nats_pulled *wrap(struct nats_pull *pull, natsMsg *message) {
    const char *reply = natsMsg_GetReply(message);
    struct nats_pulled *out = reply ? calloc(1, sizeof *out) : NULL;

    if (out && read_ack_subject(out, reply)) {
        out->pull = pull;
        out->message = message;
        return out;
    }
    free(out);
    natsMsg_Destroy(message);
    return NULL;
}

struct slice nats_pulled_body(const struct nats_pulled *message) {
    return (struct slice){(const uint8_t *)natsMsg_GetData(message->message),
                          (size_t)natsMsg_GetDataLength(message->message)};
}

struct slice nats_pulled_subject(const struct nats_pulled *message) {
    return slice_of(natsMsg_GetSubject(message->message));
}

uint64_t nats_pulled_sequence(const struct nats_pulled *message) {
    return message->sequence;
}

uint64_t nats_pulled_deliveries(const struct nats_pulled *message) {
    return message->deliveries;
}

static enum error tell_gone(const struct nats_pull *pull, struct failure *failure) {
    return failure_set(failure, (enum error)ENOENT, "%.200s: the consumer %.64s of %.64s is gone",
                       nats_link_name(pull->link), pull->durable, pull->stream);
}

static enum error say(const struct nats_pulled *message, const char *word) {
    natsConnection *connection = nats_link_connection(message->pull->link);

    if (connection && natsConnection_PublishString(connection, natsMsg_GetReply(message->message),
                                                   word) == NATS_OK)
        return ERROR_NONE;
    return (enum error)ENOTCONN;
}

enum error nats_pulled_extend(struct nats_pulled *message) {
    return say(message, "+WPI");
}

/* What was acknowledged already is answered, too. */
static natsStatus acknowledge(void *context, jsCtx *js, jsErrCode *code) {
    const struct nats_pulled *message = context;
    struct nats_pull *pull = message->pull;
    natsMsg *answer = NULL;
    natsStatus status =
        natsConnection_RequestString(&answer, nats_link_connection(pull->link),
                                     natsMsg_GetReply(message->message), "+ACK", ACK_MS);

    natsMsg_Destroy(answer);
    /* There is no leader, which passes, or no consumer, which does not. */
    if (status == NATS_NO_RESPONDERS) {
        status = get_info(pull, js, code);
        return status == NATS_OK ? NATS_TIMEOUT : status;
    }
    return status;
}

enum error nats_pulled_done(struct nats_pulled *message, bool sure, struct failure *failure) {
    struct nats_link *link = message->pull->link;
    enum error error =
        sure ? nats_link_call(link, acknowledge, message, NATS_LINK_PATIENCE_MS, failure)
             : say(message, "+ACK");

    if (!error)
        nats_pulled_forget(message);
    else if (error == (enum error)ENOENT)
        (void)tell_gone(message->pull, failure);
    else if (!sure)
        (void)failure_set(failure, error, "the connection to %.200s is lost", nats_link_name(link));
    return error;
}

void nats_pulled_return(struct nats_pulled *message, uint64_t delay_ms) {
    char word[64];

    snprintf(word, sizeof word, "-NAK {\"delay\": %" PRIu64 "}", delay_ms * MS);
    (void)say(message, delay_ms ? word : "-NAK");
    nats_pulled_forget(message);
}

void nats_pulled_forget(struct nats_pulled *message) {
    natsMsg_Destroy(message->message);
    free(message);
}

/* ---------------------------------------------------------------------------------------------
 * Taking
 * ------------------------------------------------------------------------------------------- */

/* What became of a request. */
enum ending {
    OPEN,  /* more may come */
    ENDED, /* there is no more */
    ODD,   /* the consumer may be gone */
};

static enum error lost(const struct nats_pull *pull, struct failure *failure) {
    return failure_set(failure, (enum error)ENOTCONN, "the connection to %.200s is lost",
                       nats_link_name(pull->link));
}

static enum error follow_link(struct nats_pull *pull, struct failure *failure) {
    struct nats_link *link = pull->link;
    char subject[INBOX_MAX + 4];
    enum error error = nats_link_ready(link, failure);

    if (error || (pull->arrivals && pull->generation == nats_link_generation(link)))
        return error;
    nats_link_unsubscribe(pull->link, pull->arrivals);
    pull->arrivals = NULL;
    snprintf(subject, sizeof subject, "%s.*", pull->inbox);
    if (natsConnection_SubscribeSync(&pull->arrivals, nats_link_connection(link), subject) !=
            NATS_OK ||
        natsSubscription_SetPendingLimits(pull->arrivals, -1, -1) != NATS_OK) {
        nats_link_unsubscribe(pull->link, pull->arrivals);
        pull->arrivals = NULL;
        return lost(pull, failure);
    }
    pull->generation = nats_link_generation(link);
    return ERROR_NONE;
}

/* `wait_ms` 0: what is there. */
static enum error ask(struct nats_pull *pull, uint32_t wanted, uint32_t wait_ms,
                      struct failure *failure) {
    char subject[2 * NAME_MAX + 64], reply[INBOX_MAX + 24], body[128];

    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", pull->stream,
             pull->durable);
    snprintf(reply, sizeof reply, "%s.%" PRIu64, pull->inbox, ++pull->request);
    if (wait_ms)
        snprintf(body, sizeof body, "{\"batch\":%u,\"expires\":%" PRIu64 "}", wanted, wait_ms * MS);
    else
        snprintf(body, sizeof body, "{\"batch\":%u,\"no_wait\":true}", wanted);
    natsStatus status =
        natsConnection_PublishRequestString(nats_link_connection(pull->link), subject, reply, body);
    return status == NATS_OK ? ERROR_NONE : lost(pull, failure);
}

/* A message without a body to a request of ours: 404 and 408 there is nothing (more), 100 it still
 * waits, 409 various, 503 nobody is there. Those of earlier requests do not count. */
static enum ending judge_status(const struct nats_pull *pull, natsMsg *message) {
    const char *number = natsMsg_GetSubject(message) + strlen(pull->inbox) + 1;
    const char *status = "";
    uint64_t request;

    if (!slice_to_u64(slice_of(number), UINT64_MAX, &request) || request != pull->request)
        return OPEN;
    if (natsMsgHeader_Get(message, "Status", &status) != NATS_OK || strncmp(status, "100", 3) == 0)
        return OPEN;
    return strncmp(status, "404", 3) == 0 || strncmp(status, "408", 3) == 0 ? ENDED : ODD;
}

/* Takes what has come, and comes within `wait_ms`; once there is one, soon behind it. */
static enum ending collect(struct nats_pull *pull, struct nats_pulled **out, uint32_t wanted,
                           uint32_t *count, uint32_t wait_ms) {
    uint64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + wait_ms * MS;
    size_t inbox_len = strlen(pull->inbox);
    enum ending ending = OPEN;
    natsMsg *message;

    while (*count < wanted && ending == OPEN) {
        int64_t left_ms = until_ns > now_ns ? (int64_t)((until_ns - now_ns + MS - 1) / MS) : 0;
        if (natsSubscription_NextMsg(&message, pull->arrivals, left_ms) != NATS_OK)
            break;
        now_ns = clock_monotonic_ns();
        if (strncmp(natsMsg_GetSubject(message), pull->inbox, inbox_len) == 0) {
            ending = judge_status(pull, message);
            pull->is_waiting &= ending == OPEN;
            natsMsg_Destroy(message);
            continue;
        }
        struct nats_pulled *pulled = wrap(pull, message);
        if (!pulled)
            continue;
        out[(*count)++] = pulled;
        pull->is_waiting &= pulled->pending > 0 && wanted > 1;
        uint64_t rest_ns = now_ns + (pulled->pending ? REST_MS * MS : 0);
        until_ns = rest_ns < until_ns || !wait_ms ? rest_ns : until_ns;
    }
    return ending;
}

/* Nothing was heard, or something odd: because the consumer is gone? */
static enum error find_reason(struct nats_pull *pull, struct failure *failure) {
    enum error error = nats_link_call(pull->link, get_info, pull, 0, failure);

    if (error == (enum error)ENOENT)
        return tell_gone(pull, failure);
    return error ? error
                 : failure_set(failure, (enum error)ENOTCONN,
                               "%.200s: the queue %.64s does not answer at the moment",
                               nats_link_name(pull->link), pull->stream);
}

static enum error take(struct nats_pull *pull, struct nats_pulled **out, uint32_t wanted,
                       uint32_t *count, uint32_t wait_ms, struct failure *failure) {
    enum error error;

    (void)collect(pull, out, wanted, count, 0); /* what came late */
    if (*count == wanted)
        return ERROR_NONE;
    if ((error = ask(pull, wanted - *count, 0, failure)))
        return *count ? ERROR_NONE : error;
    enum ending ending = collect(pull, out, wanted, count, *count ? REST_MS : ANSWER_MS);
    if (*count)
        return ERROR_NONE;
    if (ending != ENDED)
        return find_reason(pull, failure);
    if (!wait_ms)
        return ERROR_NONE;
    /* One alone: no more come to where nobody looks. */
    if ((error = ask(pull, 1, wait_ms, failure)))
        return error;
    ending = collect(pull, out, 1, count, wait_ms);
    return ending == ODD && !*count ? find_reason(pull, failure) : ERROR_NONE;
}

enum error nats_pull_take(struct nats_pull *pull, struct nats_pulled **out, uint32_t wanted,
                          uint32_t *count, uint32_t wait_ms, struct failure *failure) {
    uint64_t begun_ns = clock_monotonic_ns();

    *count = 0;
    if (!wanted)
        return ERROR_NONE;
    enum error error = follow_link(pull, failure);
    if (!error)
        error = take(pull, out, wanted, count, wait_ms, failure);
    /* Who comes again at once is not to turn in circles. */
    uint64_t took_ms = (clock_monotonic_ns() - begun_ns) / MS;
    if (error == (enum error)ENOTCONN && took_ms < wait_ms && took_ms < IDLE_MS) {
        struct timespec span = {.tv_nsec = (long)(IDLE_MS * MS)};
        (void)nanosleep(&span, NULL);
    }
    return error;
}

/* What has come, or still comes to a request that waits, is for others at once. */
static void return_arrivals(struct nats_pull *pull) {
    struct nats_pulled *last[LAST_MAX];
    uint32_t count;

    do {
        count = 0;
        (void)collect(pull, last, LAST_MAX, &count, pull->is_waiting ? LAST_MS : 0);
        for (uint32_t i = 0; i < count; i++)
            nats_pulled_return(last[i], 0);
    } while (count == LAST_MAX);
}

void nats_pull_close(struct nats_pull *pull) {
    struct failure ignored;

    if (!pull)
        return;
    if (pull->arrivals && nats_link_ready(pull->link, &ignored) == ERROR_NONE &&
        pull->generation == nats_link_generation(pull->link))
        return_arrivals(pull);
    free_pull(pull);
}
