/* Notices as mail: one for all that come together. Each recipient gets one of its own, so that one
 * who is refused, or who is to be asked again, holds back nobody else. */
#include "engine/base/clock.h"
#include "engine/base/quote.h"
#include "engine/http/smtp.h"
#include "sinks/webhook_secret.h"
#include "tools/monitor/channel.h"
#include "tools/monitor/mail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH_MAX = 64,
    RECIPIENTS_MAX = 64,
    DONE_MAX = 256, /* notices that some recipients have and others not */
    HOST_BYTES = 256,
};

struct email {
    struct channel channel; /* first */
    const struct channel_config *config;
    char host[HOST_BYTES]; /* of this machine */
    char sender[HOST_BYTES];
    struct webhook_secret password;
    uint32_t recipients;
    struct smtp *smtp;
    /* Who has which notice of those that not all could get yet; the oldest is overwritten. */
    struct done {
        int64_t message;     /* its id; 0: none */
        uint64_t recipients; /* bits */
    } done[DONE_MAX];
    uint32_t next_done;
};

/* --- Who has what --- */

static uint64_t *done_of(struct email *email, int64_t message) {
    for (uint32_t i = 0; i < DONE_MAX; i++)
        if (email->done[i].message == message)
            return &email->done[i].recipients;
    return NULL;
}

static uint64_t *add_done(struct email *email, int64_t message) {
    struct done *done = &email->done[email->next_done++ % DONE_MAX];

    *done = (struct done){.message = message};
    return &done->recipients;
}

/* --- A batch --- */

struct sending {
    const struct channel_message *messages;
    struct channel_outcome *outcomes;
    uint32_t count;
    uint64_t had[BATCH_MAX]; /* recipients who have it */
    bool later[BATCH_MAX], refused[BATCH_MAX];
};

static bool lacks(const struct sending *sending, uint32_t i, uint32_t recipient) {
    return !(sending->had[i] >> recipient & 1);
}

/* Of several failures that counts which may pass. */
static void note(struct sending *sending, uint32_t recipient, enum smtp_result result,
                 const struct failure *failure) {
    for (uint32_t i = 0; i < sending->count; i++) {
        struct channel_outcome *outcome = &sending->outcomes[i];
        if (!lacks(sending, i, recipient))
            continue;
        if (result == SMTP_TAKEN)
            sending->had[i] |= UINT64_C(1) << recipient;
        else if (result == SMTP_REFUSED)
            sending->refused[i] = true;
        else
            sending->later[i] = true;
        if (result != SMTP_TAKEN && (!outcome->failure.code || result != SMTP_REFUSED))
            outcome->failure = *failure;
    }
}

/* All that this recipient does not have yet, as one mail. */
static enum smtp_result send_to(struct email *email, const struct sending *sending,
                                uint32_t recipient, struct failure *failure) {
    const struct channel_message *messages[BATCH_MAX];
    struct mail mail = {.from = email->sender,
                        .to = email->config->to,
                        .host = email->host,
                        .now_ms = clock_unix_ms(),
                        .messages = messages};
    enum smtp_result result = SMTP_AWAY;
    struct buffer text;

    for (uint32_t i = 0; i < sending->count; i++)
        if (lacks(sending, i, recipient))
            messages[mail.count++] = &sending->messages[i];
    if (!mail.count)
        return SMTP_TAKEN;
    buffer_init(&text);
    mail_add(&mail, &text);
    if (text.failed)
        (void)failure_set(failure, ERROR_MEMORY, "no memory for a mail");
    else
        result = smtp_send(email->smtp, email->sender, email->config->to[recipient],
                           buffer_slice(&text), failure);
    buffer_deinit(&text);
    return result;
}

/* Later as long as somebody may still get it. Refused for one is a dead letter, though the others
 * have it: somebody must hear of it. */
static void conclude(struct email *email, struct sending *sending) {
    for (uint32_t i = 0; i < sending->count; i++) {
        int64_t id = sending->messages[i].id;
        uint64_t *done = done_of(email, id);

        sending->outcomes[i].verdict = sending->later[i]     ? CHANNEL_LATER
                                       : sending->refused[i] ? CHANNEL_NEVER
                                                             : CHANNEL_DELIVERED;
        if (sending->later[i] && sending->had[i])
            *(done ? done : add_done(email, id)) = sending->had[i];
        else if (done)
            *done = 0; /* a replay goes to everybody */
    }
}

static void send_mail(struct channel *channel, const struct channel_message *messages,
                      uint32_t count, struct channel_outcome *outcomes) {
    struct email *email = (struct email *)channel;
    struct sending sending = {
        .messages = messages, .outcomes = outcomes, .count = count < BATCH_MAX ? count : BATCH_MAX};
    enum smtp_result result = SMTP_TAKEN;
    struct failure failure = {0};

    for (uint32_t i = 0; i < sending.count; i++) {
        const uint64_t *done = done_of(email, messages[i].id);
        sending.had[i] = done ? *done : 0;
    }
    for (uint32_t i = 0; i < email->recipients; i++) {
        if (result != SMTP_AWAY)
            result = send_to(email, &sending, i, &failure);
        note(&sending, i, result, &failure);
    }
    conclude(email, &sending);
}

/* --- Opening and closing --- */

static enum error set_addresses(struct email *email, const struct channel_config *config,
                                struct failure *failure) {
    if (gethostname(email->host, sizeof email->host - 1) || !email->host[0])
        snprintf(email->host, sizeof email->host, "localhost");
    if (config->from)
        snprintf(email->sender, sizeof email->sender, "%s", config->from);
    else
        snprintf(email->sender, sizeof email->sender, "trawl@%.200s", email->host);
    if (!mail_address_is_fine(config->from ? config->from : email->sender))
        return failure_set(failure, ERROR_USAGE, "mail: the sender %s is no address",
                           quote_of(slice_of(config->from ? config->from : email->sender)).text);
    for (; config->to && config->to[email->recipients]; email->recipients++) {
        const char *to = config->to[email->recipients];
        if (!mail_address_is_fine(to))
            return failure_set(failure, ERROR_USAGE, "mail: %s is no address",
                               quote_of(slice_of(to)).text);
        if (email->recipients == RECIPIENTS_MAX)
            return failure_set(failure, ERROR_USAGE, "mail: at most %d recipients", RECIPIENTS_MAX);
    }
    return email->recipients ? ERROR_NONE
                             : failure_set(failure, ERROR_USAGE, "mail: nobody to send it to");
}

static void close_email(struct channel *channel) {
    struct email *email = (struct email *)channel;

    smtp_close(email->smtp);
    webhook_secret_forget(&email->password);
    free(email);
}

static enum error set_up(struct email *email, const struct channel_config *config,
                         struct failure *failure) {
    enum error error = set_addresses(email, config, failure);

    if (!error && config->user && !config->secret_file && !config->secret_variable)
        error = failure_set(failure, ERROR_USAGE, "mail: a login needs a password too");
    if (!error && config->user)
        error = webhook_secret_read(&email->password, config->secret_file, config->secret_variable,
                                    failure);
    if (error)
        return error;
    const struct smtp_config smtp = {.url = config->url,
                                     .user = config->user,
                                     .password = {email->password.bytes, email->password.len},
                                     .ca_file = config->ca_file,
                                     .timeout_ms = config->timeout_ms};
    return smtp_open(&email->smtp, &smtp, failure);
}

static enum error open_email(struct channel **out, const struct channel_config *config,
                             struct failure *failure) {
    struct email *email = calloc(1, sizeof *email);

    *out = NULL;
    if (!email)
        return failure_set(failure, ERROR_MEMORY, "no memory for mail");
    email->channel.kind = &channel_email;
    email->config = config;
    enum error error = set_up(email, config, failure);
    if (error) {
        close_email(&email->channel);
        return error;
    }
    *out = &email->channel;
    return ERROR_NONE;
}

static void stop_email(struct channel *channel) {
    smtp_stop(((struct email *)channel)->smtp);
}

const struct channel_kind channel_email = {
    .name = "email",
    .summary = "mail by SMTP, several notices in one when they come together",
    .batch_max = BATCH_MAX,
    .open = open_email,
    .send = send_mail,
    .stop = stop_email,
    .close = close_email,
};
