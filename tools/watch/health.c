#include "tools/watch/health.h"

#include "tools/watch/listener.h"

#include <stdlib.h>

enum { CONNECTIONS_MAX = 64, CLIENT_MS = 5000, MEMORY_MAX = 16 * 1024 };

struct health {
    struct health_config config;
    struct listener *listener;
};

/* --- Pages --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct buffer *body) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->ptr, MHD_RESPMEM_MUST_COPY);

    buffer_deinit(body);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_words(struct MHD_Connection *connection, unsigned status,
                                    const char *words) {
    struct buffer body;

    buffer_init(&body);
    buffer_add_text(&body, words);
    return answer(connection, status, "text/plain; charset=utf-8", &body);
}

static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state) {
    const struct health_config *config = &((struct health *)owner)->config;
    struct buffer body;

    (void)version, (void)upload, (void)state;
    if (*upload_size)
        return MHD_NO;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    buffer_init(&body);
    if (strcmp(url, "/healthz") == 0) {
        bool ok = config->status(config->owner, &body);
        return answer(connection, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                      "application/json", &body);
    }
    if (strcmp(url, "/metrics") == 0) {
        config->metrics(config->owner, &body);
        return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    }
    return answer_words(connection, MHD_HTTP_NOT_FOUND, "there are /healthz and /metrics\n");
}

/* --- Starting --- */

enum error health_start(struct health **out, const struct health_config *config,
                        struct failure *failure) {
    struct health *health = calloc(1, sizeof *health);

    if (!health)
        return failure_set(failure, ERROR_MEMORY, "no memory for the health page");
    health->config = *config;
    const struct listener_config listening = {
        .name = "health",
        .address = config->address,
        .connections_max = CONNECTIONS_MAX,
        .client_ms = config->client_ms ? config->client_ms : CLIENT_MS,
        .memory_max = MEMORY_MAX,
        .handle = handle,
        .owner = health,
    };
    enum error error = listener_start(&health->listener, &listening, failure);
    if (error) {
        free(health);
        return error;
    }
    *out = health;
    return ERROR_NONE;
}

void health_stop(struct health *health) {
    if (!health)
        return;
    listener_stop(health->listener);
    free(health);
}

uint16_t health_port(const struct health *health) {
    return listener_port(health->listener);
}
