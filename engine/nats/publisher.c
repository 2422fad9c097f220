#include "engine/nats/publisher.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <yyjson.h>

#define MS UINT64_C(1000000)

enum {
    PAUSE_MIN_MS = 100, /* before the oldest is tried again */
    PAUSE_MAX_MS = 1000,
    IDLE_MS = 20,         /* how often a connection that is lost is looked at */
    INBOX_MAX = 64,       /* libnats makes 29 characters */
    ANSWER_MAX = 1 << 16, /* an acknowledgement has under a hundred bytes */
    BACKLOG_LOOK_MS = 250,
    BACKLOG_LOOKS = 8, /* while the stream fills, at least so many times */
    DOUBTS_MAX = 3,    /* answers that an id is known, and nothing stored under it */
    /* Since 2.11 servers have an error for that. */
    DUPLICATE_IN_PROCESS = 10158,
};

enum message_state { ADDED, SENT, DONE };

struct message {
    enum message_state state;
    struct slice body;
    void *item;
    uint64_t sent_ns;
    char id[NATS_ID_MAX];
    uint32_t number_of_id; /* how often it was given another */
    uint32_t unanswered;   /* attempts */
    uint32_t doubts;
    bool refused; /* one of the attempts, and it is known not to be stored */
};

struct nats_publisher {
    struct nats_publisher_config config;
    struct message *messages;   /* a ring of config.window */
    uint64_t first, sent, next; /* numbers: the oldest, the first to be sent, the one to be added */
    uint64_t timeout_ns;
    char inbox[INBOX_MAX];
    natsSubscription *answers;
    uint64_t generation, connects; /* of the link, that this knows */
    bool alone;                    /* the oldest is tried alone, to see whether it works again */
    uint64_t pause_ms, held_until_ns;
    struct failure trouble; /* code ERROR_NONE: none */
    bool progress;
    bool is_full; /* there is enough in the stream */
    uint64_t next_look_ns, bytes_since_look;
};

/* What an acknowledgement says. */
struct answer {
    bool stored;
    bool doubtful; /* the id is known, but has no number in the stream */
    int64_t code;
    char words[QUOTE_BYTES];
};

static struct message *message_at(const struct nats_publisher *publisher, uint64_t number) {
    return &publisher->messages[number % publisher->config.window];
}

/* ---------------------------------------------------------------------------------------------
 * Beginning and end
 * ------------------------------------------------------------------------------------------- */

enum error nats_publisher_open(struct nats_publisher **out,
                               const struct nats_publisher_config *config,
                               struct failure *failure) {
    struct nats_publisher *publisher = calloc(1, sizeof *publisher);
    natsInbox *inbox = NULL;

    *out = NULL;
    if (publisher)
        publisher->messages = calloc(config->window, sizeof *publisher->messages);
    if (!publisher || !publisher->messages || natsInbox_Create(&inbox) != NATS_OK) {
        nats_publisher_close(publisher);
        return failure_set(failure, ERROR_MEMORY, "no memory for messages to NATS");
    }
    publisher->config = *config;
    publisher->timeout_ns = config->timeout_ms * MS;
    publisher->pause_ms = PAUSE_MIN_MS;
    snprintf(publisher->inbox, sizeof publisher->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    *out = publisher;
    return ERROR_NONE;
}

void nats_publisher_close(struct nats_publisher *publisher) {
    if (!publisher)
        return;
    nats_link_unsubscribe(publisher->config.link, publisher->answers);
    free(publisher->messages);
    free(publisher);
}

bool nats_publisher_has_room(const struct nats_publisher *publisher) {
    return publisher->next - publisher->first < publisher->config.window;
}

void nats_publisher_add(struct nats_publisher *publisher, struct slice body, const char *id,
                        void *item) {
    struct message *message = message_at(publisher, publisher->next++);

    *message = (struct message){.body = body, .item = item};
    snprintf(message->id, sizeof message->id, "%s", id);
}

/* ---------------------------------------------------------------------------------------------
 * What becomes of messages
 * ------------------------------------------------------------------------------------------- */

static void finish(struct nats_publisher *publisher, struct message *message,
                   const struct failure *refusal) {
    message->state = DONE;
    publisher->progress = true;
    publisher->config.done(publisher->config.context, message->item, message->body, refusal);
    while (publisher->first < publisher->next &&
           message_at(publisher, publisher->first)->state == DONE)
        publisher->first++;
    if (publisher->sent < publisher->first)
        publisher->sent = publisher->first;
}

static void send_all_again(struct nats_publisher *publisher) {
    for (uint64_t i = publisher->first; i < publisher->sent; i++)
        if (message_at(publisher, i)->state == SENT)
            message_at(publisher, i)->state = ADDED;
    publisher->sent = publisher->first;
}

/* Nothing more goes out for a while, then the oldest alone. */
static void hold(struct nats_publisher *publisher) {
    publisher->alone = true;
    publisher->held_until_ns = clock_monotonic_ns() + publisher->pause_ms * MS;
    publisher->pause_ms =
        publisher->pause_ms * 2 < PAUSE_MAX_MS ? publisher->pause_ms * 2 : PAUSE_MAX_MS;
    send_all_again(publisher);
}

static void go_on(struct nats_publisher *publisher) {
    publisher->alone = false;
    publisher->held_until_ns = 0;
    publisher->pause_ms = PAUSE_MIN_MS;
    publisher->trouble.code = ERROR_NONE;
}

void nats_publisher_give_back(struct nats_publisher *publisher, const struct failure *cause) {
    while (publisher->first < publisher->next)
        finish(publisher, message_at(publisher, publisher->first), cause);
    go_on(publisher);
}

/* {"stream":"S","seq":1,"duplicate":true} or {"error":{"code":503,"err_code":10077,
 * "description":"..."}} */
static struct answer read_answer(const natsMsg *message) {
    struct answer answer = {0};
    size_t len = (size_t)natsMsg_GetDataLength(message);
    yyjson_doc *document =
        len <= ANSWER_MAX ? yyjson_read(natsMsg_GetData(message), len, YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *error = yyjson_obj_get(root, "error");
    yyjson_val *words = yyjson_obj_get(error, "description");

    answer.stored = !error && yyjson_get_uint(yyjson_obj_get(root, "seq")) > 0;
    answer.code = yyjson_get_sint(yyjson_obj_get(error, "err_code"));
    answer.doubtful = answer.code == DUPLICATE_IN_PROCESS ||
                      (!error && yyjson_get_bool(yyjson_obj_get(root, "duplicate")));
    if (!answer.stored)
        quote_bare(
            answer.words, sizeof answer.words,
            words ? (struct slice){(const uint8_t *)yyjson_get_str(words), yyjson_get_len(words)}
                  : slice_of(answer.doubtful ? "it says that it has been told before"
                                             : "an answer that is none"));
    yyjson_doc_free(document);
    return answer;
}

static void judge(struct nats_publisher *publisher, struct message *message,
                  const struct answer *answer) {
    const char *name = nats_link_name(publisher->config.link);
    struct failure refusal;

    if (answer->stored) {
        go_on(publisher);
        finish(publisher, message, NULL);
    } else if (answer->code == JSStreamMessageExceedsMaximumErr) {
        (void)failure_set(&refusal, ERROR_REFUSED, "%.200s: a record of %zu bytes: %s", name,
                          message->body.len, answer->words);
        go_on(publisher);
        finish(publisher, message, &refusal);
    } else {
        (void)failure_set(&publisher->trouble, (enum error)EIO, "%.200s does not store: %s", name,
                          answer->words);
        hold(publisher);
    }
}

/* The message that an answer is for; NULL when that is long done. */
static struct message *message_of(const struct nats_publisher *publisher, const natsMsg *answer) {
    const char *subject = natsMsg_GetSubject(answer);
    const char *dot = strrchr(subject, '.');
    uint64_t number;

    if (!dot || !slice_to_u64(slice_of(dot + 1), UINT64_MAX, &number) ||
        number < publisher->first || number >= publisher->next)
        return NULL;
    struct message *message = message_at(publisher, number);
    return message->state == DONE ? NULL : message;
}

/* Servers of 2.10 and newer, in a cluster, remember the id also of what they refuse, and take the
 * next attempt under it for a duplicate that has no number. Then it gets another id: at once when
 * it is known that nothing was stored, else after the time in which a leader makes up its mind. */
static void note_refusal(struct message *message, const struct answer *answer) {
    message->refused |= !answer->stored && !answer->doubtful;
    message->doubts += answer->doubtful;
}

static void choose_id(struct message *message) {
    bool is_known = message->refused && !message->unanswered && message->doubts;

    if (is_known || message->doubts >= DOUBTS_MAX) {
        message->number_of_id++;
        message->refused = false;
        message->doubts = 0;
    }
}

static void take_answer(struct nats_publisher *publisher, natsMsg *answer) {
    struct message *message = message_of(publisher, answer);

    if (!message)
        return;
    message->unanswered -= message->unanswered > 0;
    if (natsMsg_IsNoResponders(answer)) {
        (void)failure_set(&publisher->trouble, (enum error)ENOTCONN,
                          "%.200s: no stream takes this subject at the moment",
                          nats_link_name(publisher->config.link));
        if (message->state == SENT)
            hold(publisher);
        return;
    }
    struct answer read = read_answer(answer);
    note_refusal(message, &read);
    if (read.stored || message->state == SENT)
        judge(publisher, message, &read);
}

/* Returns when there was nothing for `wait_ns`. The next ones are taken without waiting. */
static void take_answers(struct nats_publisher *publisher, uint64_t wait_ns) {
    int64_t wait_ms = (int64_t)((wait_ns + MS - 1) / MS);
    natsMsg *answer;

    while (natsSubscription_NextMsg(&answer, publisher->answers, wait_ms) == NATS_OK) {
        take_answer(publisher, answer);
        natsMsg_Destroy(answer);
        wait_ms = 0;
    }
}

/* ---------------------------------------------------------------------------------------------
 * Sending
 * ------------------------------------------------------------------------------------------- */

static natsStatus send_message(struct nats_publisher *publisher, uint64_t number) {
    const struct nats_publisher_config *config = &publisher->config;
    struct message *message = message_at(publisher, number);
    char reply[INBOX_MAX + 24], id[NATS_ID_MAX + 16];
    natsMsg *out = NULL;

    if (message->body.len > INT32_MAX)
        return NATS_MAX_PAYLOAD;
    choose_id(message);
    snprintf(id, sizeof id, message->number_of_id ? "%s.again%u" : "%s", message->id,
             message->number_of_id);
    snprintf(reply, sizeof reply, "%s.%" PRIu64, publisher->inbox, number);
    natsStatus status = natsMsg_Create(&out, config->subject, reply,
                                       (const char *)message->body.ptr, (int)message->body.len);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(out, "Nats-Msg-Id", id);
    if (status == NATS_OK && config->stream)
        status = natsMsgHeader_Set(out, "Nats-Expected-Stream", config->stream);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(nats_link_connection(config->link), out);
    natsMsg_Destroy(out);
    return status;
}

/* False when nothing more can be sent now. */
static bool send_next(struct nats_publisher *publisher, uint64_t now_ns) {
    struct message *message = message_at(publisher, publisher->sent);
    struct nats_link *link = publisher->config.link;
    struct failure refusal;

    if (message->state == DONE) {
        publisher->sent++;
        return true;
    }
    natsStatus status = send_message(publisher, publisher->sent);
    if (status == NATS_OK) {
        message->state = SENT;
        publisher->bytes_since_look += message->body.len;
        message->unanswered++;
        message->sent_ns = now_ns;
        publisher->sent++;
        return true;
    }
    if (status == NATS_MAX_PAYLOAD) {
        (void)failure_set(
            &refusal, ERROR_REFUSED,
            "%.200s: a record of %zu bytes is more than the server takes (max_payload %" PRId64 ")",
            nats_link_name(link), message->body.len,
            natsConnection_GetMaxPayload(nats_link_connection(link)));
        publisher->sent++;
        finish(publisher, message, &refusal);
        return true;
    }
    (void)failure_set(&publisher->trouble, (enum error)ENOTCONN, "%.200s: %s", nats_link_name(link),
                      natsStatus_GetText(status));
    hold(publisher);
    return false;
}

struct backlog {
    const char *stream;
    uint64_t bytes;
};

static natsStatus get_backlog(void *context, jsCtx *js, jsErrCode *code) {
    struct backlog *backlog = context;
    jsStreamInfo *info = NULL;
    natsStatus status = js_GetStreamInfo(&info, js, backlog->stream, NULL, code);

    if (status == NATS_OK)
        backlog->bytes = info->State.Bytes;
    jsStreamInfo_Destroy(info);
    return status;
}

/* One that does not answer has as much as before. */
static void look_at_backlog(struct nats_publisher *publisher, uint64_t now_ns) {
    uint64_t max = publisher->config.backlog_max;
    struct backlog backlog = {.stream = publisher->config.stream};
    struct failure ignored;

    if (!max || publisher->sent == publisher->next ||
        (now_ns < publisher->next_look_ns && publisher->bytes_since_look < max / BACKLOG_LOOKS))
        return;
    if (nats_link_call(publisher->config.link, get_backlog, &backlog, 0, &ignored) == ERROR_NONE)
        publisher->is_full = backlog.bytes >= max;
    publisher->bytes_since_look = 0;
    publisher->next_look_ns = clock_monotonic_ns() + BACKLOG_LOOK_MS * MS;
}

static void send_due(struct nats_publisher *publisher, uint64_t now_ns) {
    if (now_ns < publisher->held_until_ns)
        return;
    for (;;) {
        look_at_backlog(publisher, now_ns);
        if (publisher->is_full || publisher->sent == publisher->next ||
            (publisher->alone && publisher->sent != publisher->first) ||
            !send_next(publisher, now_ns))
            break;
    }
}
/* When something is to be done without an answer; the oldest was sent before all others. */
static uint64_t next_ns(const struct nats_publisher *publisher) {
    if (publisher->first == publisher->next)
        return UINT64_MAX;
    if (publisher->sent == publisher->first)
        return publisher->is_full ? publisher->next_look_ns : publisher->held_until_ns;
    uint64_t late_ns = message_at(publisher, publisher->first)->sent_ns + publisher->timeout_ns;
    bool waits = publisher->is_full && publisher->sent < publisher->next;
    return waits && publisher->next_look_ns < late_ns ? publisher->next_look_ns : late_ns;
}

static void look_at_oldest(struct nats_publisher *publisher, uint64_t now_ns) {
    struct nats_link *link = publisher->config.link;

    if (publisher->sent == publisher->first || now_ns < next_ns(publisher))
        return;
    struct quote complaint = nats_link_complaint(link);
    (void)failure_set(&publisher->trouble, (enum error)(complaint.text[0] ? EACCES : ETIMEDOUT),
                      "%.200s does not acknowledge%s%s", nats_link_name(link),
                      complaint.text[0] ? ": " : "", complaint.text);
    hold(publisher);
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

/* After a new connection everything under way is sent again; its answers may be lost. */
static enum error follow_link(struct nats_publisher *publisher, struct failure *failure) {
    struct nats_link *link = publisher->config.link;
    uint64_t connects = nats_link_connects(link);
    char subject[INBOX_MAX + 4];
    enum error error = nats_link_ready(link, failure);

    if (error)
        return error;
    if (publisher->generation != nats_link_generation(link)) {
        nats_link_unsubscribe(publisher->config.link, publisher->answers);
        publisher->answers = NULL;
        snprintf(subject, sizeof subject, "%s.*", publisher->inbox);
        if (natsConnection_SubscribeSync(&publisher->answers, nats_link_connection(link),
                                         subject) != NATS_OK ||
            natsSubscription_SetPendingLimits(publisher->answers, -1, -1) != NATS_OK)
            return failure_set(failure, (enum error)ENOTCONN, "the connection to %.200s is lost",
                               nats_link_name(link));
        publisher->generation = nats_link_generation(link);
        connects = nats_link_connects(link);
    }
    if (publisher->connects != connects) {
        publisher->connects = connects;
        send_all_again(publisher);
        publisher->held_until_ns = 0;
    }
    return ERROR_NONE;
}

static void nap(uint64_t span_ns) {
    struct timespec span = {.tv_nsec = (long)(span_ns < IDLE_MS * MS ? span_ns : IDLE_MS * MS)};
    (void)nanosleep(&span, NULL);
}

enum error nats_publisher_step(struct nats_publisher *publisher, uint32_t wait_ms,
                               struct failure *failure) {
    uint64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + wait_ms * MS;
    enum error error;

    publisher->progress = false;
    do {
        error = follow_link(publisher, failure);
        if (error) {
            nap(until_ns - now_ns);
            continue;
        }
        look_at_oldest(publisher, now_ns);
        send_due(publisher, now_ns);
        uint64_t wake_ns = next_ns(publisher);
        wake_ns = wake_ns < until_ns ? wake_ns : until_ns;
        take_answers(publisher, wake_ns > now_ns ? wake_ns - now_ns : 0);
    } while (!publisher->progress && (now_ns = clock_monotonic_ns()) < until_ns);
    if (!error && publisher->trouble.code != ERROR_NONE) {
        *failure = publisher->trouble;
        error = failure->code;
    }
    if (!error && publisher->is_full && publisher->sent < publisher->next)
        error = failure_set(failure, (enum error)EAGAIN,
                            "%.200s: there is enough in %.64s; whoever takes from it is slow",
                            nats_link_name(publisher->config.link), publisher->config.stream);
    return error;
}
