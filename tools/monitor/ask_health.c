#include "tools/monitor/ask_health.h"

#include "engine/http/client.h"

#include <stdio.h>
#include <string.h>

enum {
    URL_BYTES = 512,
    TOKEN_BYTES = 600,
    BODY_MAX = 64 * 1024,
    CONNECT_MS = 5000,
    ANSWER_MS = 5000,
    STEP_MS = 1000,
};

struct asking {
    bool is_done;
    enum error error;
    char message[FAILURE_TEXT_MAX];
    uint16_t status;
    struct buffer *body;
};

static void on_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct asking *asking = context;

    (void)tag;
    asking->is_done = true;
    asking->error = answer->error;
    asking->status = answer->status;
    snprintf(asking->message, sizeof asking->message, "%s", answer->message);
    buffer_add_slice(asking->body, buffer_slice(&answer->body));
}

/* Who listens on every address does so on this machine's own, too. */
static enum error make_url(const struct ask_health *ask, char url[URL_BYTES],
                           struct failure *failure) {
    const char *colon = strrchr(ask->listen, ':');
    struct slice host = {(const uint8_t *)ask->listen, colon ? (size_t)(colon - ask->listen) : 0};

    if (!colon || !colon[1])
        return failure_set(failure, ERROR_USAGE, "--listen %.100s: there is nobody to ask",
                           ask->listen);
    if (ask->name)
        host = slice_of(ask->name);
    else if (!host.len || slice_is(host, "0.0.0.0"))
        host = slice_of("127.0.0.1");
    else if (slice_is(host, "[::]"))
        host = slice_of("[::1]");
    snprintf(url, URL_BYTES, "%s://%.*s%s/healthz", ask->ca_file ? "https" : "http", (int)host.len,
             (const char *)host.ptr, colon);
    return ERROR_NONE;
}

static enum error run(struct http_client *client, const struct http_request *request,
                      struct asking *asking, struct failure *failure) {
    http_handle handle;
    enum error error = http_start(client, request, on_answer, asking, 0, &handle, failure);

    while (!error && !asking->is_done)
        http_client_step(client, STEP_MS);
    if (!error && asking->error)
        error =
            failure_set(failure, asking->error, "%.200s: %.200s", request->url, asking->message);
    return error;
}

enum error ask_health(const struct ask_health *ask, uint16_t *status, struct buffer *body,
                      struct failure *failure) {
    char url[URL_BYTES], bearer[TOKEN_BYTES];
    const char *headers[] = {ask->token && *ask->token ? bearer : NULL, NULL};
    const struct http_client_config config = {
        .ca_file = ask->ca_file, .connections = 1, .per_host = 1};
    const struct http_request request = {.method = HTTP_GET,
                                         .url = url,
                                         .headers = headers,
                                         .body_max = BODY_MAX,
                                         .connect_timeout_ms = CONNECT_MS,
                                         .timeout_ms = ANSWER_MS};
    struct asking asking = {.body = body};
    struct http_client *client = NULL;

    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", ask->token ? ask->token : "");
    enum error error = make_url(ask, url, failure);
    if (!error)
        error = http_client_open(&client, &config, failure);
    if (!error)
        error = run(client, &request, &asking, failure);
    http_client_close(client);
    *status = asking.status;
    return error;
}
