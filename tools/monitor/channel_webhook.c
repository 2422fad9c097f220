/* Notices as POST requests, several at once, signed as Standard Webhooks wants it. */
#include "engine/base/address_set.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/http/client.h"
#include "sinks/webhook_courier.h"
#include "tools/monitor/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_MAX = 32,
    CONNECTIONS = 8,
    HEADERS_MAX = 16, /* that a user adds */
    TIMEOUT_MS = 10 * 1000,
    STEP_MS = 500,
    ANSWER_QUOTED_MAX = 80,
};

struct webhook {
    struct channel channel; /* first */
    const struct channel_config *config;
    struct webhook_secret secret;
    struct http_client *http;
    struct address_set *denied; /* NULL: none */
    atomic_bool is_stopping;
    struct channel_outcome *outcomes; /* of the send under way */
    http_handle handles[BATCH_MAX];
    uint32_t under_way;
};

static bool is_allowed(void *context, const struct address *address) {
    return !address_set_contains(((const struct webhook *)context)->denied, address);
}

static void close_webhook(struct channel *channel) {
    struct webhook *webhook = (struct webhook *)channel;

    http_client_close(webhook->http);
    address_set_free(webhook->denied);
    webhook_secret_forget(&webhook->secret);
    free(webhook);
}

static enum error open_webhook(struct channel **out, const struct channel_config *config,
                               struct failure *failure) {
    struct webhook *webhook = calloc(1, sizeof *webhook);
    uint32_t headers = 0;
    enum error error;

    *out = NULL;
    if (!webhook)
        return failure_set(failure, ERROR_MEMORY, "no memory for a webhook");
    webhook->channel.kind = &channel_webhook;
    webhook->config = config;
    while (config->headers && config->headers[headers])
        headers++;
    struct http_client_config http = {.user_agent = config->user_agent,
                                      .ca_file = config->ca_file,
                                      .connections = CONNECTIONS,
                                      .per_host = CONNECTIONS,
                                      .allowed = config->deny_private ? is_allowed : NULL,
                                      .context = webhook};
    error = headers > HEADERS_MAX
                ? failure_set(failure, ERROR_LIMIT, "channel %s: at most %d header lines",
                              config->name, HEADERS_MAX)
                : http_check_url(config->url, failure);
    if (!error && (config->secret_file || config->secret_variable))
        error = webhook_secret_read(&webhook->secret, config->secret_file, config->secret_variable,
                                    failure);
    if (!error && config->deny_private)
        error = webhook_private_addresses(&webhook->denied, failure);
    if (!error)
        error = http_client_open(&webhook->http, &http, failure);
    if (error) {
        close_webhook(&webhook->channel);
        return error;
    }
    *out = &webhook->channel;
    return ERROR_NONE;
}

/* "HTTP 400: \"no such field\"" */
static void describe(const struct http_answer *answer, struct failure *out, enum error code) {
    struct slice words = slice_trim(buffer_slice(&answer->body));
    const uint8_t *end = words.len ? memchr(words.ptr, '\n', words.len) : NULL;

    if (end)
        words = slice_trim(slice_first(words, (size_t)(end - words.ptr)));
    words = slice_first(words, ANSWER_QUOTED_MAX);
    (void)failure_set(out, code, "HTTP %u%s%s", answer->status, words.len ? ": " : "",
                      words.len ? quote_of(words).text : "");
}

static void take_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct webhook *webhook = context;
    struct channel_outcome *outcome = &webhook->outcomes[tag];

    webhook->under_way--;
    if (answer->error) {
        bool denied = answer->error == (enum error)EACCES;
        outcome->verdict = denied ? CHANNEL_NEVER : CHANNEL_LATER;
        (void)failure_set(&outcome->failure, denied ? ERROR_REFUSED : answer->error, "%s",
                          answer->message);
    } else if (answer->status >= 200 && answer->status < 300) {
        outcome->verdict = CHANNEL_DELIVERED;
    } else if (answer->status == 408 || answer->status == 429 || answer->status >= 500) {
        outcome->verdict = CHANNEL_LATER;
        outcome->retry_after_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : 0;
        describe(answer, &outcome->failure, (enum error)EAGAIN);
    } else {
        outcome->verdict = CHANNEL_NEVER;
        describe(answer, &outcome->failure, ERROR_REFUSED);
    }
}

static void begin(struct webhook *webhook, const struct channel_message *message, uint32_t tag) {
    const struct channel_config *config = webhook->config;
    int64_t now_s = clock_unix_ms() / 1000;
    uint32_t timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS, count = 0;
    char event_id[80];
    struct webhook_lines lines;
    const char *headers[HEADERS_MAX + WEBHOOK_LINES + 2];

    snprintf(event_id, sizeof event_id, "%.*s",
             (int)(message->event_id.len < sizeof event_id ? message->event_id.len : 0),
             (const char *)message->event_id.ptr);
    headers[count++] = "Content-Type: application/json";
    count += webhook_make_lines(&lines, &webhook->secret, event_id, now_s, message->body,
                                headers + count);
    for (uint32_t i = 0; config->headers && config->headers[i]; i++)
        headers[count++] = config->headers[i];
    headers[count] = NULL;
    struct http_request request = {.method = HTTP_POST,
                                   .url = config->url,
                                   .headers = headers,
                                   .body = message->body,
                                   .body_max = LIMIT_WEBHOOK_ANSWER_BYTES,
                                   .connect_timeout_ms = timeout_ms,
                                   .timeout_ms = timeout_ms};
    struct channel_outcome *outcome = &webhook->outcomes[tag];
    if (http_start(webhook->http, &request, take_answer, webhook, tag, &webhook->handles[tag],
                   &outcome->failure) == ERROR_NONE)
        webhook->under_way++;
}

static void send_webhooks(struct channel *channel, const struct channel_message *messages,
                          uint32_t count, struct channel_outcome *outcomes) {
    struct webhook *webhook = (struct webhook *)channel;

    webhook->outcomes = outcomes;
    webhook->under_way = 0;
    memset(webhook->handles, 0, sizeof webhook->handles);
    for (uint32_t i = 0; i < count; i++) {
        (void)failure_set(&outcomes[i].failure, (enum error)ECANCELED, "interrupted");
        begin(webhook, &messages[i], i);
    }
    while (webhook->under_way && !atomic_load(&webhook->is_stopping))
        http_client_step(webhook->http, STEP_MS);
    for (uint32_t i = 0; i < count && webhook->under_way; i++) /* stopped: nobody may call back */
        http_cancel(webhook->http, webhook->handles[i]);
}

static void stop_webhook(struct channel *channel) {
    struct webhook *webhook = (struct webhook *)channel;

    atomic_store(&webhook->is_stopping, true);
    http_client_wake(webhook->http);
}

const struct channel_kind channel_webhook = {
    .name = "webhook",
    .summary = "POST requests with a JSON object, signed as Standard Webhooks",
    .batch_max = BATCH_MAX,
    .open = open_webhook,
    .send = send_webhooks,
    .stop = stop_webhook,
    .close = close_webhook,
};
