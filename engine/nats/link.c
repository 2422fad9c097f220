#include "engine/nats/link.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/nats/login.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)

enum {
    CONNECT_TIMEOUT_MS = 5000,  /* at most, for each server; a new attempt may take as long */
    CONNECT_PAUSE_MS = 1000,    /* between attempts of ours */
    RECONNECT_PAUSE_MS = 250,   /* between attempts of libnats */
    RECONNECT_JITTER_MS = 250,  /* so that not all clients of a server come back at once */
    CALL_PAUSE_MS = 100,        /* between attempts of one call */
    WRITE_TIMEOUT_MS = 5000,    /* a server that takes nothing for so long counts as gone */
    PING_INTERVAL_MS = 10000,   /* a machine that vanished is noticed */
    PINGS_MAX = 2,              /* after so many of these without an answer */
    RECONNECT_BUFFER_BYTES = 1, /* what cannot be sent is not kept by libnats: we send it again */
    ENDED_MAX = 64,             /* subscriptions that are not yet freed */
};

struct nats_link {
    struct nats_link_config config;
    natsOptions *options;
    natsConnection *connection;
    natsStatistics *statistics;
    jsCtx *jetstream;
    natsSubscription *ended[ENDED_MAX]; /* a ring */
    uint32_t ended_next;
    uint64_t generation;
    bool has_jetstream; /* it has answered before */
    uint64_t next_attempt_ns;
    struct failure failure; /* of the last attempt */
};

/* ---------------------------------------------------------------------------------------------
 * Connecting
 * ------------------------------------------------------------------------------------------- */

/* After thread_block_signals. Threads of libnats, which begin with the first connection and the
 * first request, inherit the mask: signals are for the main thread. */
static void restore_signals(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* libnats prints what nobody handles. */
static void ignore_error(natsConnection *connection, natsSubscription *subscription,
                         natsStatus status, void *context) {
    (void)connection, (void)subscription, (void)status, (void)context;
}

static enum error out_of_memory(struct failure *failure) {
    return failure_set(failure, ERROR_MEMORY, "no memory for a connection to NATS");
}

static natsStatus set_options(natsOptions *options, const struct nats_link_config *config) {
    const struct nats_url *url = config->url;
    int64_t connect_ms = (int64_t)config->timeout_ms < CONNECT_TIMEOUT_MS
                             ? (int64_t)config->timeout_ms
                             : CONNECT_TIMEOUT_MS;
    natsStatus s;

    if ((s = natsOptions_SetServers(options, (const char **)(uintptr_t)url->servers,
                                    (int)url->count)) ||
        (s = natsOptions_SetName(options, config->client)) ||
        (s = natsOptions_SetTimeout(options, connect_ms)) ||
        (s = natsOptions_SetIgnoreDiscoveredServers(options, true)) ||
        (s = natsOptions_SetMaxReconnect(options, -1)) ||
        (s = natsOptions_SetReconnectWait(options, RECONNECT_PAUSE_MS)) ||
        (s = natsOptions_SetReconnectJitter(options, RECONNECT_JITTER_MS, RECONNECT_JITTER_MS)) ||
        (s = natsOptions_SetReconnectBufSize(options, RECONNECT_BUFFER_BYTES)) ||
        (s = natsOptions_SetWriteDeadline(options, WRITE_TIMEOUT_MS)) ||
        (s = natsOptions_SetPingInterval(options, PING_INTERVAL_MS)) ||
        (s = natsOptions_SetMaxPingsOut(options, PINGS_MAX)))
        return s;
    return natsOptions_SetErrorHandler(options, ignore_error, NULL);
}

static enum error tell(const struct nats_link *link, natsStatus status, struct failure *failure) {
    const char *name = link->config.url->name;

    switch ((int)status) {
    case NATS_CONNECTION_AUTH_FAILED:
        return failure_set(failure, (enum error)EACCES,
                           "%.200s refuses the login: check #user and #password-file, #token-file "
                           "or #creds-file, or TRAWL_NATS_USER, _PASSWORD, _TOKEN, _CREDS_FILE",
                           name);
    case NATS_SECURE_CONNECTION_REQUIRED:
        return failure_set(failure, (enum error)EACCES, "%.200s wants TLS: write nats+tls://",
                           name);
    case NATS_SECURE_CONNECTION_WANTED:
        return failure_set(failure, (enum error)EACCES, "%.200s has no TLS: write nats://", name);
    case NATS_SSL_ERROR:
    case NATS_INVALID_ARG: {
        natsStatus last = NATS_OK;
        const char *words = nats_GetLastError(&last);
        return failure_set(failure, (enum error)EACCES, "%.200s: TLS failed: %.200s", name,
                           words && last == status ? words : natsStatus_GetText(status));
    }
    case NATS_NO_MEMORY:
        return out_of_memory(failure);
    default:
        return failure_set(failure, (enum error)ENOTCONN, "cannot connect to %.200s: %s", name,
                           natsStatus_GetText(status));
    }
}

/* The thread of libnats that reads has ended after closing: nothing comes any more for
 * subscriptions. */
static void disconnect(struct nats_link *link) {
    natsConnection_Close(link->connection);
    for (uint32_t i = 0; i < ENDED_MAX; i++) {
        natsSubscription_Destroy(link->ended[i]);
        link->ended[i] = NULL;
    }
    jsCtx_Destroy(link->jetstream);
    natsConnection_Destroy(link->connection);
    link->jetstream = NULL;
    link->connection = NULL;
}

static enum error try_connecting(struct nats_link *link) {
    disconnect(link);
    natsStatus status = natsConnection_Connect(&link->connection, link->options);
    link->next_attempt_ns = clock_monotonic_ns() + CONNECT_PAUSE_MS * MS;
    if (status == NATS_OK) {
        jsOptions options;
        jsOptions_Init(&options);
        options.Wait = (int64_t)link->config.timeout_ms;
        status = natsConnection_JetStream(&link->jetstream, link->connection, &options);
    }
    if (status != NATS_OK)
        return tell(link, status, &link->failure);
    link->generation++;
    return ERROR_NONE;
}

static enum error open_link(struct nats_link *link, struct failure *failure) {
    const struct nats_link_config *config = &link->config;
    enum error error;

    if (natsOptions_Create(&link->options) != NATS_OK ||
        natsStatistics_Create(&link->statistics) != NATS_OK ||
        set_options(link->options, config) != NATS_OK)
        return out_of_memory(failure);
    if ((error = nats_login_set(link->options, config->url, config->login, failure)))
        return error;
    link->config.login = NULL;
    error = try_connecting(link);
    if (error)
        *failure = link->failure;
    return error == (enum error)ENOTCONN ? ERROR_NONE : error;
}

enum error nats_link_open(struct nats_link **out, const struct nats_link_config *config,
                          struct failure *failure) {
    struct nats_link *link = calloc(1, sizeof *link);
    sigset_t before;

    *out = NULL;
    if (!link)
        return out_of_memory(failure);
    link->config = *config;
    thread_block_signals(&before);
    enum error error = open_link(link, failure);
    restore_signals(&before);
    if (error) {
        nats_link_close(link);
        return error;
    }
    *out = link;
    return ERROR_NONE;
}

/* libnats itself stays open: closing it after TLS has been used crashes at the end of the process
 * (3.4.1), and what it holds is freed then. */
void nats_link_close(struct nats_link *link) {
    if (!link)
        return;
    disconnect(link);
    natsStatistics_Destroy(link->statistics);
    natsOptions_Destroy(link->options);
    free(link);
    nats_ReleaseThreadMemory();
}

enum error nats_link_ready(struct nats_link *link, struct failure *failure) {
    natsConnStatus status =
        link->connection ? natsConnection_Status(link->connection) : NATS_CONN_STATUS_CLOSED;

    if (status == NATS_CONN_STATUS_CONNECTED)
        return ERROR_NONE;
    if (status != NATS_CONN_STATUS_CLOSED)
        return failure_set(failure, (enum error)ENOTCONN, "the connection to %.200s is lost",
                           link->config.url->name);
    /* There never was one, or libnats has given up: a server that refuses the login twice. */
    if (clock_monotonic_ns() >= link->next_attempt_ns && try_connecting(link) == ERROR_NONE)
        return ERROR_NONE;
    *failure = link->failure;
    return failure->code;
}

natsConnection *nats_link_connection(struct nats_link *link) {
    return link->connection;
}

uint64_t nats_link_generation(const struct nats_link *link) {
    return link->generation;
}

/* It is freed when the connection is closed, or when so many others have ended that whoever was
 * just about to look at it has long done so. */
void nats_link_unsubscribe(struct nats_link *link, natsSubscription *subscription) {
    if (!subscription)
        return;
    (void)natsSubscription_Unsubscribe(subscription);
    natsSubscription **oldest = &link->ended[link->ended_next++ % ENDED_MAX];
    natsSubscription_Destroy(*oldest);
    *oldest = subscription;
}

uint64_t nats_link_connects(struct nats_link *link) {
    uint64_t reconnects = 0;

    if (link->connection && natsConnection_GetStats(link->connection, link->statistics) == NATS_OK)
        natsStatistics_GetCounts(link->statistics, NULL, NULL, NULL, NULL, &reconnects);
    return (link->generation << 32) + reconnects;
}

struct quote nats_link_complaint(struct nats_link *link) {
    const char *words = NULL;
    struct quote quote = {0};

    if (link->connection && natsConnection_GetLastError(link->connection, &words) != NATS_OK &&
        words && words[0])
        quote_bare(quote.text, sizeof quote.text, slice_of(words));
    return quote;
}

const char *nats_link_name(const struct nats_link *link) {
    return link->config.url->name;
}

/* ---------------------------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------------------------- */

static enum error outcome_of(natsStatus status, jsErrCode code, const char *complaint) {
    switch ((int)code) {
    case JSStreamNotFoundErr:
    case JSConsumerNotFoundErr:
    case JSNoMessageFoundErr:
        return (enum error)ENOENT;
    case JSNotEnabledErr:
    case JSNotEnabledForAccountErr:
        return ERROR_UNSUPPORTED;
    case JSClusterIncompleteErr:
    case JSClusterNotAvailErr:
    case JSClusterNotLeaderErr:
    case JSClusterNotActiveErr:
    case JSStreamOfflineErr:
    case JSConsumerOfflineErr:
        return (enum error)ENOTCONN;
    }
    switch ((int)status) {
    case NATS_OK:
        return ERROR_NONE;
    case NATS_NOT_FOUND:
        return (enum error)ENOENT;
    case NATS_NO_RESPONDERS:
    case NATS_NO_SERVER_SUPPORT:
        return ERROR_UNSUPPORTED;
    case NATS_NOT_PERMITTED:
        return (enum error)EACCES;
    case NATS_TIMEOUT:
        return strstr(complaint, "ermission") ? (enum error)EACCES : (enum error)ENOTCONN;
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_IO_ERROR:
    case NATS_STALE_CONNECTION:
        return (enum error)ENOTCONN;
    default:
        return ERROR_REFUSED;
    }
}

static enum error call_once(struct nats_link *link, nats_call *call, void *context,
                            struct failure *failure) {
    jsErrCode code = (jsErrCode)0;
    enum error error = nats_link_ready(link, failure);

    if (error)
        return error;
    natsStatus status = call(context, link->jetstream, &code);
    struct quote complaint = nats_link_complaint(link);
    error = outcome_of(status, code, complaint.text);
    /* Nobody listens on the way from one leader to the next. */
    if (error == ERROR_UNSUPPORTED && link->has_jetstream)
        error = (enum error)ENOTCONN;
    link->has_jetstream |= error == ERROR_NONE || error == (enum error)ENOENT;
    switch ((int)error) {
    case ERROR_NONE:
        return ERROR_NONE;
    case ERROR_UNSUPPORTED:
        return failure_set(failure, error,
                           "%.200s has no JetStream for this login: start nats-server with -js, "
                           "and enable it for the account",
                           nats_link_name(link));
    case EACCES:
        return failure_set(failure, error, "%.200s: %s", nats_link_name(link), complaint.text);
    case ENOTCONN:
        return failure_set(failure, error, "%.200s: JetStream does not answer: %s",
                           nats_link_name(link), natsStatus_GetText(status));
    }
    natsStatus last = NATS_OK;
    const char *words = nats_GetLastError(&last);
    return failure_set(failure, error, "%.200s: %s", nats_link_name(link),
                       quote_of(slice_of(words ? words : natsStatus_GetText(status))).text);
}

enum error nats_link_call(struct nats_link *link, nats_call *call, void *context,
                          uint32_t patience_ms, struct failure *failure) {
    const struct timespec pause = {.tv_nsec = CALL_PAUSE_MS * (long)MS};
    uint64_t until_ns = clock_monotonic_ns() + patience_ms * MS;
    enum error error;
    sigset_t before;

    thread_block_signals(&before);
    while ((error = call_once(link, call, context, failure)) == (enum error)ENOTCONN &&
           clock_monotonic_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    restore_signals(&before);
    return error;
}
