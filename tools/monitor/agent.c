#include "tools/monitor/agent.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/thread.h"
#include "engine/http/client.h"
#include "engine/queue/wake.h"
#include "sinks/webhook_secret.h"
#include "tools/monitor/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FIRST_PAUSE_MS = 1000,
    LINGER_MS = 500,
    LOOK_AGAIN_MS = 60 * 1000, /* whatever the table says */
    STORE_PAUSE_MS = 1000,
    TIMEOUT_MS = 60 * 1000, /* of a report */
    CONNECT_TIMEOUT_MS = 10 * 1000,
    STEP_MS = 500,
    RETRY_AFTER_MAX_MS = 3600 * 1000,
    ANSWER_QUOTED_MAX = 80,
    KEY_HEADER_BYTES = WEBHOOK_SECRET_MAX + 16,
};

static const char PATH[] = "/api/sslscout/report";

struct agent {
    struct agent_config config;
    char url[AGENT_URL_BYTES], name[LEDGER_AGENT_BYTES], key_header[KEY_HEADER_BYTES];
    int32_t threshold_days[ALERT_THRESHOLDS];
    struct webhook_secret secret;
    struct http_client *http;
    struct database *database; /* for reading */
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    struct wake wake;
    /* The report at hand. */
    struct buffer certificates, failures, body;
    int64_t first_id, last_id, oldest_ms;
    uint32_t count, most; /* results; of the next one at most */
    bool is_full;         /* the table may have more */
    bool is_under_way;
    enum agent_verdict { REPORT_TAKEN, REPORT_LATER, REPORT_NEVER } verdict;
    int64_t retry_after_ms;
    struct failure failure;
    uint32_t attempts; /* in a row that failed */
    int64_t told_ms;   /* when a report was taken last, monotonic */
    struct agent_statistics statistics;
};

static void count(uint64_t *counter, uint64_t more) {
    __atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

static int64_t monotonic_ms(void) {
    return (int64_t)(clock_monotonic_ns() / 1000000);
}

static void tell(const struct agent *agent, const struct failure *failure) {
    if (agent->config.on_trouble)
        agent->config.on_trouble(agent->config.owner, failure);
}

/* --- What waits --- */

static void add_item(struct buffer *out, struct slice item) {
    if (out->len)
        buffer_add_byte(out, ',');
    buffer_add_slice(out, item);
}

static enum error take_row(void *context, const struct sql_value *values, uint32_t columns,
                           struct failure *failure) {
    struct agent *agent = context;
    size_t bytes = agent->certificates.len + agent->failures.len;

    (void)columns, (void)failure;
    if (agent->is_full || (agent->count && bytes + values[3].bytes.len > AGENT_BATCH_BYTES)) {
        agent->is_full = true;
        return ERROR_NONE;
    }
    if (!agent->count++) {
        agent->first_id = values[0].integer;
        agent->oldest_ms = values[1].integer;
    }
    agent->last_id = values[0].integer;
    add_item(values[2].integer ? &agent->failures : &agent->certificates, values[3].bytes);
    return ERROR_NONE;
}

static enum error load(struct agent *agent, struct failure *failure) {
    static const struct sql_statement oldest = {
        .types = "i",
        .text = "SELECT id, at, failed, body FROM monitor_reports ORDER BY id LIMIT $1"};
    struct sql_value most = sql_integer(agent->most);

    agent->certificates.len = agent->failures.len = agent->count = 0;
    agent->is_full = false;
    enum error error = database_query(agent->database, &oldest, &most, take_row, agent, failure);
    agent->is_full |= agent->count == agent->most;
    return error;
}

struct deletion {
    int64_t last_id;
    uint64_t rows;
};

/* On the ledger's thread, while the agent's waits. */
static enum error delete_rows(struct ledger_write *write, void *context, struct failure *failure) {
    static const struct sql_statement delete = {
        .types = "i", .text = "DELETE FROM monitor_reports WHERE id <= $1"};
    struct deletion *deletion = context;
    struct sql_value last = sql_integer(deletion->last_id);

    return database_run(write->database, &delete, &last, &deletion->rows, failure);
}

static enum error delete_oldest(struct ledger_write *write, void *context,
                                struct failure *failure) {
    static const struct sql_statement delete = {
        .types = "i",
        .text =
            "DELETE FROM monitor_reports WHERE id <= (SELECT max(id) FROM monitor_reports) - $1"};
    struct deletion *deletion = context;
    struct sql_value most = sql_integer(AGENT_WAITING_MAX);

    return database_run(write->database, &delete, &most, &deletion->rows, failure);
}

/* What was taken must be noted, or it is reported again: it is tried until the end. */
static void forget_rows(struct agent *agent) {
    struct deletion deletion = {.last_id = agent->last_id};
    struct failure failure = {0};

    while (monitor_ledger_call(agent->config.ledger, delete_rows, &deletion, &failure) !=
               ERROR_NONE &&
           !atomic_load(&agent->is_stopping))
        wake_wait(&agent->wake, wake_ticket(&agent->wake), STORE_PAUSE_MS);
}

/* The other side has been away for very long. */
static void bound_table(struct agent *agent) {
    struct deletion deletion = {0};
    struct failure failure = {0};

    if (monitor_ledger_call(agent->config.ledger, delete_oldest, &deletion, &failure) ||
        !deletion.rows)
        return;
    count(&agent->statistics.given_up, deletion.rows);
    (void)failure_set(&failure, ERROR_LIMIT,
                      "%" PRIu64 " of the oldest results are given up: more than %d wait",
                      deletion.rows, AGENT_WAITING_MAX);
    tell(agent, &failure);
}

/* --- A report --- */

/* "HTTP 400: \"no such field\"" */
static void describe(struct agent *agent, const struct http_answer *answer) {
    struct slice words = slice_trim(buffer_slice(&answer->body));

    words = slice_first(words, ANSWER_QUOTED_MAX);
    (void)failure_set(&agent->failure, ERROR_REFUSED, "HTTP %u%s%s", answer->status,
                      words.len ? ": " : "", words.len ? quote_of(words).text : "");
}

static void take_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct agent *agent = context;
    uint16_t status = answer->status;

    (void)tag;
    agent->is_under_way = false;
    agent->verdict = REPORT_LATER;
    agent->retry_after_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : 0;
    if (answer->error) {
        (void)failure_set(&agent->failure, answer->error, "%s", answer->message);
        return;
    }
    if (status >= 200 && status < 300) {
        agent->verdict = REPORT_TAKEN;
        return;
    }
    if (status == 400 || status == 413 || status == 422)
        agent->verdict = REPORT_NEVER;
    describe(agent, answer);
}

static void make_body(struct agent *agent) {
    const struct report_head head = {
        .agent = agent->name,
        .version = agent->config.version,
        .now_ms = clock_unix_ms(),
        .interval_ms = agent->config.interval_ms,
        .threshold_days = agent->threshold_days,
        .threshold_count = agent->config.threshold_count,
        .websocket_alerts = agent->config.websocket_alerts,
    };

    agent->body.len = 0;
    report_add_body(&head, buffer_slice(&agent->certificates), buffer_slice(&agent->failures),
                    &agent->body);
}

static void post(struct agent *agent) {
    char event_id[LEDGER_AGENT_BYTES + 64];
    struct webhook_lines lines;
    const char *headers[WEBHOOK_LINES + 3];
    uint32_t used = 0;
    http_handle handle = 0;

    headers[used++] = "Content-Type: application/json";
    if (agent->key_header[0])
        headers[used++] = agent->key_header;
    snprintf(event_id, sizeof event_id, "%s-%" PRId64 "-%" PRId64, agent->name, agent->first_id,
             agent->last_id);
    used += webhook_make_lines(&lines, &agent->secret, event_id, clock_unix_ms() / 1000,
                               buffer_slice(&agent->body), headers + used);
    headers[used] = NULL;
    const struct http_request request = {.method = HTTP_POST,
                                         .url = agent->url,
                                         .headers = headers,
                                         .body = buffer_slice(&agent->body),
                                         .body_max = LIMIT_WEBHOOK_ANSWER_BYTES,
                                         .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                         .timeout_ms = TIMEOUT_MS};
    agent->verdict = REPORT_LATER;
    agent->retry_after_ms = 0;
    agent->is_under_way = http_start(agent->http, &request, take_answer, agent, 0, &handle,
                                     &agent->failure) == ERROR_NONE;
    while (agent->is_under_way && !atomic_load(&agent->is_stopping))
        http_client_step(agent->http, STEP_MS);
    if (agent->is_under_way)
        http_cancel(agent->http, handle);
}

/* --- What became of it --- */

static int64_t pause_after(const struct agent *agent) {
    static const uint32_t pauses[] = {1, 4, 16, 60};
    uint32_t last = sizeof pauses / sizeof pauses[0] - 1, first = agent->config.first_pause_ms;
    int64_t pause_ms = (int64_t)pauses[agent->attempts < last ? agent->attempts : last] *
                       (first ? first : FIRST_PAUSE_MS);

    pause_ms = pause_ms > agent->retry_after_ms ? pause_ms : agent->retry_after_ms;
    return pause_ms < RETRY_AFTER_MAX_MS ? pause_ms : RETRY_AFTER_MAX_MS;
}

static void set_failing(struct agent *agent, bool failing) {
    if (failing && !agent->statistics.failing)
        tell(agent, &agent->failure);
    else if (!failing && agent->statistics.failing)
        tell(agent, NULL);
    __atomic_store_n(&agent->statistics.failing, failing, __ATOMIC_RELAXED);
}

static int64_t settle_taken(struct agent *agent) {
    if (agent->count)
        forget_rows(agent);
    count(&agent->statistics.reports, 1);
    count(&agent->statistics.results, agent->count);
    agent->attempts = 0;
    agent->most = AGENT_BATCH;
    agent->told_ms = monotonic_ms();
    set_failing(agent, false);
    return 0;
}

/* Refused in words: among many, it is found which one by halves. */
static int64_t settle_refused(struct agent *agent) {
    if (agent->count > 1) {
        agent->most = agent->count / 2;
        return 0;
    }
    tell(agent, &agent->failure);
    forget_rows(agent);
    count(&agent->statistics.given_up, 1);
    agent->most = AGENT_BATCH;
    return 0;
}

/* Returns how long to wait. */
static int64_t settle(struct agent *agent) {
    if (agent->verdict == REPORT_TAKEN)
        return settle_taken(agent);
    count(&agent->statistics.failed, 1);
    if (agent->verdict == REPORT_NEVER && agent->count)
        return settle_refused(agent);
    set_failing(agent, true);
    int64_t pause_ms = pause_after(agent);
    agent->attempts++;
    bound_table(agent);
    return pause_ms;
}

/* --- The thread --- */

static int64_t lingering(const struct agent *agent) {
    int64_t linger_ms = agent->config.linger_ms ? agent->config.linger_ms : LINGER_MS,
            left_ms = agent->oldest_ms + linger_ms - clock_unix_ms();

    return agent->is_full || left_ms < 0 || left_ms > linger_ms ? 0 : left_ms;
}

static int64_t until_sign_of_life(const struct agent *agent) {
    return agent->told_ms + agent->config.interval_ms - monotonic_ms();
}

/* Returns how long there is nothing to do; `*is_pause`: nor when something comes. */
static int64_t report(struct agent *agent, bool *is_pause) {
    int64_t wait_ms;

    *is_pause = false;
    if (load(agent, &agent->failure)) {
        if (!atomic_load(&agent->is_stopping))
            set_failing(agent, true);
        return STORE_PAUSE_MS;
    }
    wait_ms = agent->count ? lingering(agent) : until_sign_of_life(agent);
    if (wait_ms > 0)
        return wait_ms;
    make_body(agent);
    if (agent->body.failed || agent->certificates.failed || agent->failures.failed) {
        agent->verdict = REPORT_LATER;
        (void)failure_set(&agent->failure, ERROR_MEMORY, "no memory for a report");
    } else {
        post(agent);
    }
    if (agent->is_under_way)
        return 0; /* stopped */
    wait_ms = settle(agent);
    *is_pause = wait_ms > 0;
    return wait_ms;
}

static void *run(void *owner) {
    struct agent *agent = owner;

    while (!atomic_load(&agent->is_stopping)) {
        uint32_t ticket = wake_ticket(&agent->wake);
        bool is_pause;
        int64_t until_ms = report(agent, &is_pause) + monotonic_ms(), left_ms;

        while ((left_ms = until_ms - monotonic_ms()) > 0 && !atomic_load(&agent->is_stopping)) {
            wake_wait(&agent->wake, ticket,
                      (uint32_t)(left_ms < LOOK_AGAIN_MS ? left_ms : LOOK_AGAIN_MS));
            ticket = wake_ticket(&agent->wake);
            if (!is_pause)
                break;
        }
    }
    return NULL;
}

void agent_wake(struct agent *agent) {
    wake_signal(&agent->wake);
}

/* --- Opening and closing --- */

static enum error set_url(struct agent *agent, const char *url, struct failure *failure) {
    const char *host = strstr(url, "://");
    size_t len = strlen(url), path = host ? 3 + (size_t)(host - url) : 0;

    path += strcspn(url + path, "/?#");
    bool is_bare = path >= len || strcmp(url + path, "/") == 0;
    if (strchr(url + path, '#') ||
        snprintf(agent->url, sizeof agent->url, "%.*s%s", (int)(is_bare ? path : len), url,
                 is_bare ? PATH : "") >= (int)sizeof agent->url)
        return failure_set(failure, ERROR_USAGE, "--report-to is no URL that can be reported to");
    return http_check_url(agent->url, failure);
}

/* The first line of the file. */
static enum error set_key(struct agent *agent, const struct agent_config *config,
                          struct failure *failure) {
    struct webhook_secret key = {0};
    struct slice text = slice_of(config->key ? config->key : "");
    enum error error = ERROR_NONE;

    if (config->key_file) {
        error = webhook_secret_read(&key, config->key_file, NULL, failure);
        text = (struct slice){key.bytes, key.len};
    }
    for (size_t i = 0; i < text.len && !error; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            error = failure_set(failure, ERROR_USAGE, "the API key has a blank, or is not ASCII");
    if (!error && text.len)
        snprintf(agent->key_header, sizeof agent->key_header, "X-API-Key: %.*s", (int)text.len,
                 (const char *)text.ptr);
    webhook_secret_forget(&key);
    return error;
}

static enum error set_name(struct agent *agent, const char *name, struct failure *failure) {
    char host[LEDGER_AGENT_BYTES] = "";

    if (!name && gethostname(host, sizeof host - 1) == 0)
        name = host;
    size_t len = name ? strlen(name) : 0;
    bool ok = len > 0 && len < sizeof agent->name;
    for (size_t i = 0; ok && i < len; i++)
        ok = name[i] > ' ' && name[i] <= '~';
    if (!ok)
        return failure_set(failure, ERROR_USAGE,
                           "--agent-name: at most %d characters of ASCII without blanks",
                           LEDGER_AGENT_BYTES - 1);
    memcpy(agent->name, name, len + 1);
    return ERROR_NONE;
}

static enum error set_up(struct agent *agent, const struct agent_config *config,
                         struct failure *failure) {
    struct http_client_config http = {
        .user_agent = config->version, .ca_file = config->ca_file, .connections = 1, .per_host = 1};
    struct database_config database = {
        .url = config->store_url, .application = "trawl monitor agent", .existing = true};
    enum error error;

    if ((error = set_url(agent, config->url, failure)) ||
        (error = set_key(agent, config, failure)) ||
        (error = set_name(agent, config->name, failure)))
        return error;
    if (config->secret_file &&
        (error = webhook_secret_read(&agent->secret, config->secret_file, NULL, failure)))
        return error;
    if ((error = http_client_open(&agent->http, &http, failure)) ||
        (error = database_open(&agent->database, &database, failure)))
        return error;
    error = thread_start(&agent->thread, "agent", run, agent, failure);
    agent->is_started = !error;
    return error;
}

enum error agent_open(struct agent **out, const struct agent_config *config,
                      struct failure *failure) {
    struct agent *agent = calloc(1, sizeof *agent);

    *out = NULL;
    if (!agent)
        return failure_set(failure, ERROR_MEMORY, "no memory for the agent");
    agent->config = *config;
    agent->config.threshold_count =
        config->threshold_count < ALERT_THRESHOLDS ? config->threshold_count : ALERT_THRESHOLDS;
    for (uint32_t i = 0; i < agent->config.threshold_count; i++)
        agent->threshold_days[i] = config->threshold_days[i];
    agent->most = AGENT_BATCH;
    agent->told_ms = monotonic_ms() - config->interval_ms; /* a sign of life at once */
    buffer_init(&agent->certificates);
    buffer_init(&agent->failures);
    buffer_init(&agent->body);
    enum error error = set_up(agent, config, failure);
    if (error) {
        agent_close(agent);
        return error;
    }
    *out = agent;
    return ERROR_NONE;
}

void agent_close(struct agent *agent) {
    if (!agent)
        return;
    atomic_store(&agent->is_stopping, true);
    if (agent->database)
        database_stop(agent->database);
    if (agent->http)
        http_client_wake(agent->http);
    wake_signal(&agent->wake);
    if (agent->is_started)
        pthread_join(agent->thread, NULL);
    http_client_close(agent->http);
    database_close(agent->database);
    webhook_secret_forget(&agent->secret);
    explicit_bzero(agent->key_header, sizeof agent->key_header);
    buffer_deinit(&agent->certificates);
    buffer_deinit(&agent->failures);
    buffer_deinit(&agent->body);
    free(agent);
}

void agent_statistics(const struct agent *agent, struct agent_statistics *out) {
    const struct agent_statistics *from = &agent->statistics;

    *out = (struct agent_statistics){
        .reports = __atomic_load_n(&from->reports, __ATOMIC_RELAXED),
        .results = __atomic_load_n(&from->results, __ATOMIC_RELAXED),
        .failed = __atomic_load_n(&from->failed, __ATOMIC_RELAXED),
        .given_up = __atomic_load_n(&from->given_up, __ATOMIC_RELAXED),
        .failing = __atomic_load_n(&from->failing, __ATOMIC_RELAXED),
    };
}
