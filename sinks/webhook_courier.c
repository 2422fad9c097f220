#include "sinks/webhook_courier.h"

#include "engine/base/address_set.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/http/client.h"
#include "engine/x509/certificate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ID_MAX = 80,           /* an issuance and its verdict have 32 and at most 11 characters */
    ID_BYTES = 16,         /* of a hash */
    BACKOFF_FACTOR = 4,    /* 1, 4, 16 s */
    ANSWER_QUOTED_MAX = 80 /* of what a server says about an error */
};

#define MS_NS UINT64_C(1000000)

/* The records of one delivery that stand in a message. */
struct share {
    struct sink_delivery *of;
    uint32_t records;
    struct slice bytes; /* their lines, within the delivery */
};

enum message_state { FREE, DUE, UNDER_WAY };

struct message {
    enum message_state state;
    struct buffer body;
    struct buffer shares; /* struct share */
    char id[ID_MAX];
    uint32_t attempts;
    uint64_t due_ns;   /* the next attempt */
    uint64_t begun_ns; /* the first one */
};

struct courier {
    struct courier_config config;
    struct http_client *http;
    struct address_set *denied; /* NULL: none */
    struct message *messages;   /* config.concurrency */
    /* Deliveries of which lines are still to be sent, and the lines of the first. */
    struct sink_delivery *first, **end;
    struct slice lines;
    uint64_t waiting;       /* records in them */
    uint64_t held_until_ns; /* the server asked for a pause */
    struct failure trouble; /* code ERROR_NONE: the last message was taken */
    bool settled;           /* something was, in this call */
};

/* ---------------------------------------------------------------------------------------------
 * Deliveries
 * ------------------------------------------------------------------------------------------- */

static void settle_if_done(struct courier *courier, struct sink_delivery *delivery) {
    if (!delivery->taken_apart || delivery->under_way)
        return;
    delivery->settled = courier->settled = true;
}

/* Drops deliveries from the front that have no more lines. */
static void advance(struct courier *courier) {
    while (courier->first && courier->lines.len == 0) {
        struct sink_delivery *done = courier->first;
        courier->first = done->next;
        /* Records that gave no line: nothing waits for them. */
        courier->waiting -= done->records - done->written - done->refused - done->under_way;
        if (courier->first)
            courier->lines = courier->first->bytes;
        else
            courier->end = &courier->first;
        done->taken_apart = true;
        settle_if_done(courier, done);
    }
}

void courier_take(struct courier *courier, struct sink_delivery *delivery) {
    delivery->taken_ns = clock_monotonic_ns();
    delivery->next = NULL;
    if (!courier->first)
        courier->lines = delivery->bytes;
    *courier->end = delivery;
    courier->end = &delivery->next;
    courier->waiting += delivery->records;
    advance(courier);
}

/* The line at the front, without its end. */
static struct slice next_line(const struct courier *courier) {
    const uint8_t *end = memchr(courier->lines.ptr, '\n', courier->lines.len);
    return slice_first(courier->lines, end ? (size_t)(end - courier->lines.ptr) : SIZE_MAX);
}

/* ---------------------------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------------------------- */

static void add_share(struct message *message, struct sink_delivery *delivery, struct slice line) {
    struct share *last =
        message->shares.len
            ? (struct share *)(void *)(message->shares.ptr + message->shares.len) - 1
            : NULL;

    if (last && last->of == delivery) {
        last->records++;
        last->bytes.len = (size_t)(line.ptr + line.len - last->bytes.ptr);
    } else {
        struct share share = {delivery, 1, line};
        buffer_add(&message->shares, &share, sizeof share);
    }
}

/* Moves the line at the front into the message. */
static void add_line(struct courier *courier, struct message *message) {
    struct slice line = next_line(courier);

    if (message->shares.len)
        buffer_add_byte(&message->body, ',');
    buffer_add_slice(&message->body, line);
    add_share(message, courier->first, slice_first(courier->lines, line.len + 1));
    courier->first->under_way++;
    courier->waiting--;
    courier->lines = slice_from(courier->lines, line.len + 1);
    advance(courier);
}

/* What stands in `"id":"..."}` at the end of a line. False when there is none. */
static bool id_of_line(struct slice line, char out[ID_MAX]) {
    static const char before[] = ",\"id\":\"", behind[] = "\"}";
    size_t behind_len = sizeof behind - 1, before_len = sizeof before - 1;

    if (line.len < before_len + behind_len || memcmp(line.ptr + line.len - 2, behind, 2) != 0)
        return false;
    struct slice head = slice_first(line, line.len - behind_len);
    const uint8_t *quote = memrchr(head.ptr, '"', head.len);
    size_t len = quote ? (size_t)(head.ptr + head.len - quote) - 1 : 0;
    if (len == 0 || len >= ID_MAX || head.len < before_len + len ||
        memcmp(quote + 1 - before_len, before, before_len) != 0)
        return false;
    memcpy(out, quote + 1, len);
    out[len] = 0;
    return true;
}

static void identify(const struct courier *courier, struct message *message) {
    static const char DIGITS[] = "0123456789abcdef";
    struct slice body = buffer_slice(&message->body);
    uint8_t hash[CERTIFICATE_SHA256_BYTES];

    if (courier->config.lines_have_ids && !courier->config.batch && id_of_line(body, message->id))
        return;
    certificate_sha256(body, hash);
    for (size_t i = 0; i < ID_BYTES; i++) {
        message->id[2 * i] = DIGITS[hash[i] >> 4];
        message->id[2 * i + 1] = DIGITS[hash[i] & 15];
    }
    message->id[2 * ID_BYTES] = 0;
}

/* When what waits is enough for a message: 0 for now, UINT64_MAX for never. */
static uint64_t ready_ns(const struct courier *courier) {
    const struct courier_config *config = &courier->config;

    if (!courier->first)
        return UINT64_MAX;
    if (courier->waiting >= config->batch)
        return 0;
    return courier->first->taken_ns + config->batch_wait_ms * MS_NS;
}

/* Fills a free message from the front. */
static void fill(struct courier *courier, struct message *message, uint64_t now_ns) {
    uint64_t most = courier->config.batch ? courier->config.batch : 1, records = 0;
    bool array = courier->config.batch != 0;

    message->body.len = message->shares.len = 0;
    if (array)
        buffer_add_byte(&message->body, '[');
    while (records < most && courier->first) {
        if (records && message->body.len + next_line(courier).len > LIMIT_WEBHOOK_BODY_BYTES)
            break;
        add_line(courier, message);
        records++;
    }
    if (array)
        buffer_add_byte(&message->body, ']');
    if (message->body.failed || message->shares.failed)
        abort(); /* as the workers do: what was taken cannot be told otherwise */
    message->state = DUE;
    message->attempts = 0;
    message->due_ns = message->begun_ns = now_ns;
    identify(courier, message);
}

static void count(uint64_t *counter, uint64_t more) {
    __atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

static void count_message(const struct courier *courier, const struct message *message,
                          uint64_t records, bool delivered) {
    struct webhook_statistics *statistics = courier->config.statistics;
    uint64_t took_us = (clock_monotonic_ns() - message->begun_ns) / 1000;
    size_t bucket = 0;

    if (!statistics)
        return;
    while (bucket < WEBHOOK_BUCKETS && took_us > webhook_bucket_us[bucket])
        bucket++;
    count(&statistics->buckets[bucket], 1);
    count(&statistics->duration_us, took_us);
    count(delivered ? &statistics->delivered : &statistics->refused, 1);
    count(delivered ? &statistics->records_delivered : &statistics->records_refused, records);
}

/* Of those who keep what is not taken, all that waits goes back at once: it would fare no better,
 * and what is sent later is to come in order. */
static void give_back(struct courier *courier, const struct failure *cause) {
    while (courier->first && courier->first->leftovers) {
        struct sink_delivery *of = courier->first;
        uint32_t records = of->records - of->written - of->refused - of->under_way;
        sink_delivery_refuse(of, courier->lines, records, cause);
        courier->waiting -= records;
        courier->lines = (struct slice){0};
        advance(courier);
    }
}

/* It is over: `refusal` is NULL when it was delivered. */
static void finish(struct courier *courier, struct message *message,
                   const struct failure *refusal) {
    const struct share *shares = (const struct share *)(const void *)message->shares.ptr;
    uint64_t records = 0;

    for (size_t i = 0; i < message->shares.len / sizeof *shares; i++) {
        struct sink_delivery *of = shares[i].of;
        records += shares[i].records;
        of->under_way -= shares[i].records;
        if (refusal)
            sink_delivery_refuse(of, shares[i].bytes, shares[i].records, refusal);
        else
            of->written += shares[i].records;
        settle_if_done(courier, of);
    }
    count_message(courier, message, records, !refusal);
    message->state = FREE;
    if (refusal && refusal->code != ERROR_REFUSED)
        give_back(courier, refusal);
}

/* ---------------------------------------------------------------------------------------------
 * Attempts
 * ------------------------------------------------------------------------------------------- */

static uint64_t pause_ms(const struct courier *courier, const struct message *message) {
    uint64_t pause = courier->config.backoff_ms;

    for (uint32_t i = 1; i < message->attempts; i++)
        pause *= BACKOFF_FACTOR;
    return pause;
}

/* `cause` says why an attempt failed that may go better another time. */
static void try_again(struct courier *courier, struct message *message,
                      const struct failure *cause) {
    struct failure given_up;

    courier->trouble = *cause;
    if (message->attempts <= courier->config.retries) {
        message->state = DUE;
        message->due_ns = clock_monotonic_ns() + pause_ms(courier, message) * MS_NS;
        return;
    }
    (void)failure_set(&given_up, cause->code, "%s, given up after %u attempts", cause->text,
                      message->attempts);
    finish(courier, message, &given_up);
}

/* "HTTP 400: \"no such field\"", or without the server's words when it has none. */
static void describe(const struct http_answer *answer, struct failure *out, enum error code,
                     const char *name) {
    struct slice words = slice_trim(buffer_slice(&answer->body));
    const uint8_t *line_end = words.len ? memchr(words.ptr, '\n', words.len) : NULL;

    if (line_end)
        words = slice_trim(slice_first(words, (size_t)(line_end - words.ptr)));
    words = slice_first(words, ANSWER_QUOTED_MAX);
    (void)failure_set(out, code, "%s answers HTTP %u%s%s", name, answer->status,
                      words.len ? ": " : "", words.len ? quote_of(words).text : "");
}

static void hold(struct courier *courier, const struct http_answer *answer) {
    int64_t pause = answer->retry_after_ms;

    if (pause <= 0)
        return;
    if (pause > LIMIT_WEBHOOK_RETRY_AFTER_MS)
        pause = LIMIT_WEBHOOK_RETRY_AFTER_MS;
    courier->held_until_ns = clock_monotonic_ns() + (uint64_t)pause * MS_NS;
}

static void take_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct courier *courier = context;
    struct message *message = &courier->messages[tag];
    const char *name = courier->config.name;
    struct failure failure;

    if (courier->config.statistics)
        count(&courier->config.statistics->attempts, 1);
    if (answer->error) {
        bool denied = answer->error == (enum error)EACCES;
        (void)failure_set(&failure, denied ? ERROR_REFUSED : answer->error, "%s: %s", name,
                          answer->message);
        if (denied)
            finish(courier, message, &failure);
        else
            try_again(courier, message, &failure);
    } else if (answer->status >= 200 && answer->status < 300) {
        courier->trouble.code = ERROR_NONE;
        finish(courier, message, NULL);
    } else if (answer->status == 429 || answer->status >= 500) {
        hold(courier, answer);
        describe(answer, &failure, (enum error)EAGAIN, name);
        try_again(courier, message, &failure);
    } else {
        describe(answer, &failure, ERROR_REFUSED, name);
        courier->trouble.code = ERROR_NONE;
        finish(courier, message, &failure);
    }
}

static void begin(struct courier *courier, struct message *message) {
    const struct courier_config *config = &courier->config;
    struct slice body = buffer_slice(&message->body);
    int64_t now_s = clock_unix_ms() / 1000;
    struct webhook_lines lines;
    const char *headers[WEBHOOK_LINES + 2] = {"Content-Type: application/json"};
    struct failure failure;
    http_handle handle;

    webhook_make_lines(&lines, config->secret, message->id, now_s, body, headers + 1);
    struct http_request request = {
        .method = HTTP_POST,
        .url = config->url,
        .headers = headers,
        .body = body,
        .body_max = LIMIT_WEBHOOK_ANSWER_BYTES,
        .connect_timeout_ms = (uint32_t)config->timeout_ms,
        .timeout_ms = (uint32_t)config->timeout_ms,
    };
    message->attempts++;
    message->state = UNDER_WAY;
    if (http_start(courier->http, &request, take_answer, courier,
                   (uint64_t)(message - courier->messages), &handle, &failure) != ERROR_NONE)
        try_again(courier, message, &failure);
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

/* Begins what is due. Returns when the next is; UINT64_MAX when that depends on answers. */
static uint64_t begin_due(struct courier *courier, uint64_t now_ns) {
    uint64_t next_ns = UINT64_MAX;

    for (uint64_t i = 0; i < courier->config.concurrency; i++) {
        struct message *message = &courier->messages[i];
        uint64_t due_ns = message->state == DUE    ? message->due_ns
                          : message->state == FREE ? ready_ns(courier)
                                                   : UINT64_MAX;
        if (due_ns != UINT64_MAX && due_ns < courier->held_until_ns)
            due_ns = courier->held_until_ns;
        if (due_ns > now_ns) {
            next_ns = due_ns < next_ns ? due_ns : next_ns;
            continue;
        }
        if (message->state == FREE)
            fill(courier, message, now_ns);
        begin(courier, message);
    }
    return next_ns;
}

enum error courier_settle(struct courier *courier, uint32_t wait_ms, struct failure *failure) {
    uint64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + wait_ms * MS_NS;

    courier->settled = false;
    do {
        uint64_t next_ns = begin_due(courier, now_ns);
        next_ns = next_ns < until_ns ? next_ns : until_ns;
        http_client_step(courier->http,
                         next_ns > now_ns ? (uint32_t)((next_ns - now_ns) / MS_NS) + 1 : 0);
        now_ns = clock_monotonic_ns();
    } while (!courier->settled && now_ns < until_ns);
    *failure = courier->trouble;
    return courier->trouble.code;
}

/* ---------------------------------------------------------------------------------------------
 * Open and close
 * ------------------------------------------------------------------------------------------- */

enum error webhook_private_addresses(struct address_set **out, struct failure *failure) {
    enum error error = address_set_open(out, NULL, failure);

    return error ? error : address_set_add_private(*out, failure);
}

static bool is_allowed(void *context, const struct address *address) {
    return !address_set_contains(((const struct courier *)context)->denied, address);
}

enum error courier_open(struct courier **out, const struct courier_config *config,
                        struct failure *failure) {
    struct courier *courier = calloc(1, sizeof *courier);

    if (!courier || !(courier->messages = calloc(config->concurrency, sizeof *courier->messages))) {
        free(courier);
        return failure_set(failure, ERROR_MEMORY, "no memory for a webhook");
    }
    courier->config = *config;
    courier->end = &courier->first;
    struct http_client_config http = {
        .user_agent = config->user_agent,
        .ca_file = config->ca_file,
        .connections = (uint32_t)config->concurrency,
        .per_host = (uint32_t)config->concurrency,
        .allowed = config->deny_private ? is_allowed : NULL,
        .context = courier,
    };
    enum error error =
        config->deny_private ? webhook_private_addresses(&courier->denied, failure) : ERROR_NONE;
    if (error == ERROR_NONE)
        error = http_client_open(&courier->http, &http, failure);
    if (error == ERROR_NONE)
        *out = courier;
    else
        courier_close(courier);
    return error;
}

void courier_close(struct courier *courier) {
    if (!courier)
        return;
    http_client_close(courier->http);
    for (uint64_t i = 0; i < courier->config.concurrency; i++) {
        buffer_deinit(&courier->messages[i].body);
        buffer_deinit(&courier->messages[i].shares);
    }
    address_set_free(courier->denied);
    free(courier->messages);
    free(courier);
}
