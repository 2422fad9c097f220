/* Webhooks: records as JSON by HTTP POST, one by one or in arrays.
 *
 *     webhook+https://USER:PASSWORD@HOST:PORT/PATH?QUERY#OPTION=VALUE,OPTION=VALUE
 *
 * What is behind # is for us and is not sent. Messages show no more of the URL than scheme, host
 * and port: with many services the path alone is the key. */
#include "sinks/webhook.h"

#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/spec_options.h"
#include "engine/http/client.h"
#include "sinks/sink.h"
#include "sinks/webhook_courier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char PREFIX[] = "webhook+";

enum {
    BATCH_MAX = 10000,
    CONCURRENCY_MAX = 64,
    RETRIES_MAX = 10,
    TIMEOUT_MAX_MS = 10 * 60 * 1000,
    BATCH_WAIT_MAX_MS = 60 * 1000,
    BACKOFF_MAX_MS = 60 * 1000,
    NAME_MAX_BYTES = 200, /* of a URL, in messages */
};

struct settings {
    uint64_t batch, batch_wait_ms, concurrency, timeout_ms, retries, backoff_ms;
    const char *secret_file, *secret_env, *ca_file;
    bool deny_private;
};

struct webhook {
    struct sink head;
    char *url, *name;
    struct settings settings; /* points into what stands behind `url` */
    struct webhook_secret secret;
    struct courier *courier;
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {.name = "batch",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "an array of up to N records a message, at most 1 MB, instead of a record",
     .offset = FIELD(batch),
     .minimum = 1,
     .maximum = BATCH_MAX},
    {.name = "batch-wait",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "how long an array waits to be full (1s)",
     .offset = FIELD(batch_wait_ms),
     .minimum = 1,
     .maximum = BATCH_WAIT_MAX_MS},
    {.name = "concurrency",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "messages at once (1); with more than one, order is not kept",
     .offset = FIELD(concurrency),
     .minimum = 1,
     .maximum = CONCURRENCY_MAX},
    {.name = "timeout",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "for an answer (10s)",
     .offset = FIELD(timeout_ms),
     .minimum = 1,
     .maximum = TIMEOUT_MAX_MS},
    {.name = "retries",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "further attempts after no answer, 429 or 5xx (3)",
     .offset = FIELD(retries),
     .maximum = RETRIES_MAX},
    {.name = "backoff",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "pause before the first of them (1s); each further one is four times as long",
     .offset = FIELD(backoff_ms),
     .minimum = 1,
     .maximum = BACKOFF_MAX_MS},
    {.name = "secret-file",
     .kind = OPTION_TEXT,
     .argument = "PATH",
     .summary = "sign with the secret in this file, as Standard Webhooks says (whsec_... or bytes)",
     .offset = FIELD(secret_file)},
    {.name = "secret-env",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .summary = "likewise, from a variable of the environment",
     .offset = FIELD(secret_env)},
    {.name = "ca-file",
     .kind = OPTION_TEXT,
     .argument = "PATH",
     .summary = "trust the roots of this PEM file instead of the system's",
     .offset = FIELD(ca_file)},
    {.name = "deny-private",
     .kind = OPTION_FLAG,
     .summary = "connect to public addresses only",
     .offset = FIELD(deny_private)},
    {.name = NULL},
};
#undef FIELD

static struct webhook *webhook_of(struct sink *sink) {
    return (struct webhook *)sink;
}

static bool takes(struct slice spec) {
    struct slice prefix = slice_of(PREFIX);
    return slice_equal_nocase(slice_first(spec, prefix.len), prefix);
}

/* "https://hooks.example.org:8443": no user, no password, no path, no query. */
static char *name_of(const char *url) {
    const char *host = strstr(url, "://");
    char *name = NULL;

    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#\\");
    struct slice authority = {(const uint8_t *)host, len};
    const uint8_t *at = len ? memrchr(authority.ptr, '@', len) : NULL;
    struct slice shown = at ? slice_from(authority, (size_t)(at - authority.ptr) + 1) : authority;
    char text[NAME_MAX_BYTES];
    quote_bare(text, sizeof text, shown);
    return asprintf(&name, "%.*s%s", (int)(host - url < 16 ? host - url : 0), url, text) < 0 ? NULL
                                                                                             : name;
}

/* Parts the spec into URL and options, and reads them. */
static enum error read_spec(struct webhook *webhook, const char *spec, struct failure *failure) {
    webhook->settings = (struct settings){
        .batch_wait_ms = 1000,
        .concurrency = 1,
        .timeout_ms = 10000,
        .retries = 3,
        .backoff_ms = 1000,
    };
    webhook->url = strdup(spec + sizeof PREFIX - 1);
    if (!webhook->url)
        return failure_set(failure, ERROR_MEMORY, "no memory for a webhook");
    char *fragment = strchr(webhook->url, '#');
    if (fragment)
        *fragment++ = 0;
    webhook->name = name_of(webhook->url);
    if (!webhook->name)
        return failure_set(failure, ERROR_MEMORY, "no memory for a webhook");
    webhook->head.spec = webhook->name;
    if (http_check_url(webhook->url, NULL) != ERROR_NONE)
        return failure_set(failure, ERROR_USAGE,
                           "what follows webhook+ must be a URL, https:// or http://, not %.200s",
                           webhook->name);
    return spec_options_parse(options, fragment, &webhook->settings, failure);
}

static enum error check_settings(struct webhook *webhook, struct failure *failure) {
    const struct settings *settings = &webhook->settings;

    if (settings->secret_file && settings->secret_env)
        return failure_set(failure, ERROR_USAGE, "#secret-file and #secret-env: one of them");
    if (settings->ca_file && access(settings->ca_file, R_OK) != 0)
        return failure_set(failure, ERROR_USAGE, "#ca-file: %.200s: %s", settings->ca_file,
                           error_text((enum error)errno));
    if (settings->secret_file || settings->secret_env)
        return webhook_secret_read(&webhook->secret, settings->secret_file, settings->secret_env,
                                   failure);
    return ERROR_NONE;
}

static enum error choose_encoder(struct sink *sink, struct failure *failure) {
    const struct encoder *encoder = sink->encoding.encoder;

    if (!encoder)
        sink->encoding.encoder = &webhook_encoder;
    else if (encoder != &webhook_encoder && encoder != &json_encoder)
        return failure_set(failure, ERROR_USAGE,
                           "webhooks are sent JSON: --format json for records as they are, or none "
                           "for what webhooks expect, not %s",
                           encoder->name);
    return ERROR_NONE;
}

static enum error open_webhook(struct sink *sink, const struct sink_config *config,
                               struct failure *failure) {
    struct webhook *webhook = webhook_of(sink);
    const struct settings *settings = &webhook->settings;
    enum error error;

    if ((error = read_spec(webhook, config->spec, failure)) ||
        (error = choose_encoder(sink, failure)) || (error = check_settings(webhook, failure)))
        return error;
    /* One more of each, so that the next is there when one is done. */
    uint64_t records = settings->batch ? settings->batch : 1;
    sink->window = (uint32_t)(records * settings->concurrency * 2);
    struct courier_config courier = {
        .name = webhook->name,
        .url = webhook->url,
        .user_agent = config->user_agent,
        .ca_file = settings->ca_file,
        .secret = &webhook->secret,
        .statistics = config->webhook_statistics,
        .batch = settings->batch,
        .batch_wait_ms = settings->batch_wait_ms,
        .concurrency = settings->concurrency,
        .timeout_ms = settings->timeout_ms,
        .retries = settings->retries,
        .backoff_ms = settings->backoff_ms,
        .deny_private = settings->deny_private,
        .lines_have_ids = sink->encoding.encoder == &webhook_encoder,
    };
    return courier_open(&webhook->courier, &courier, failure);
}

static void take(struct sink *sink, struct sink_delivery *delivery) {
    courier_take(webhook_of(sink)->courier, delivery);
}

static enum error settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    return courier_settle(webhook_of(sink)->courier, wait_ms, failure);
}

/* What is not settled is not waited for. */
static enum error finish(struct sink *sink, struct failure *failure) {
    struct webhook *webhook = webhook_of(sink);

    (void)failure;
    courier_close(webhook->courier);
    webhook->courier = NULL;
    return ERROR_NONE;
}

static void close_webhook(struct sink *sink) {
    struct webhook *webhook = webhook_of(sink);

    courier_close(webhook->courier);
    webhook_secret_forget(&webhook->secret);
    free(webhook->url);
    free(webhook->name);
}

const struct sink_kind webhook_sink = {
    .name = "webhook",
    .summary = "HTTP POST of JSON; certwatch's payload of CT alerts, an event of a probe",
    .example = "-o 'webhook+https://hooks.example.org/in#batch=50,secret-file=key'",
    .options = options,
    .size = sizeof(struct webhook),
    .spools = true,
    .takes = takes,
    .open = open_webhook,
    .take = take,
    .settle = settle,
    .finish = finish,
    .close = close_webhook,
};

/* ---------------------------------------------------------------------------------------------
 * Statistics
 * ------------------------------------------------------------------------------------------- */

const uint64_t webhook_bucket_us[WEBHOOK_BUCKETS] = {50000,   100000,  250000,   500000,  1000000,
                                                     2500000, 5000000, 10000000, 30000000};

struct webhook_statistics webhook_statistics_read(const struct webhook_statistics *from) {
    struct webhook_statistics copy;
    const uint64_t *numbers = (const uint64_t *)from;
    uint64_t *to = (uint64_t *)&copy;

    for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
        to[i] = __atomic_load_n(&numbers[i], __ATOMIC_RELAXED);
    return copy;
}
