#include "tools/trawl/monitor.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "tools/monitor/agent.h"
#include "tools/monitor/config_targets.h"
#include "tools/monitor/outbox.h"
#include "tools/monitor/schedule.h"
#include "tools/monitor/server.h"
#include "tools/trawl/anchors.h"
#include "tools/trawl/confine.h"
#include "tools/trawl/log_file.h"
#include "tools/trawl/monitor_channels.h"
#include "tools/trawl/monitor_files.h"
#include "tools/trawl/monitor_fleet.h"
#include "tools/trawl/probe_setup.h"
#include "tools/watch/listener.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    ONCE_TELL_MS = 60 * 1000, /* at the end of a single run, for what is to be told */
};

struct daemon {
    struct monitor_settings *first;    /* the caller's: what counts until the end */
    struct monitor_settings *settings; /* that, or `fresh` once it was read again */
    struct monitor_settings fresh;
    int argc;
    char *const *argv;
    struct console console;
    struct monitor_files files;

    struct scan_settings scan;
    struct probe_setup setup;
    struct anchors anchors;
    struct address_set *forbidden;
    struct monitor_fleet fleet;

    struct monitor_channels both[2], *channels; /* one of them: the ledger may read it while the
                                                   other is filled */

    struct event_hub *hub;
    struct monitor_ledger *ledger;
    /* The main thread alone changes these three, under the lock. The ledger's uses them under it,
     * and the server's the outbox: both go on when these are closed. */
    pthread_mutex_t lock;
    struct outbox *outbox;
    struct agent *agent;
    struct schedule *schedule;
    struct monitor_ct *ct; /* NULL: certificates of logs are not watched */
    struct auth *auth;
    struct api api;
    int socket; /* that the server is going to listen on; 0 for none */
    struct server *server;
    int signals;
};

/* --- What the parts say --- */

static void say(const struct daemon *daemon, const char *text) {
    if (!daemon->settings->quiet)
        console_say(&daemon->console, text);
}

static void on_words(void *owner, const char *words) {
    console_say(&((struct daemon *)owner)->console, words);
}

static void on_trouble(void *owner, const struct failure *failure) {
    console_say(&((struct daemon *)owner)->console, failure->text);
}

static void on_recovered(void *owner) {
    console_say(&((struct daemon *)owner)->console, "the store can be written again");
}

static void on_channel_trouble(void *owner, const char *channel, const struct failure *failure) {
    const struct daemon *daemon = owner;
    char text[sizeof failure->text + 64];

    snprintf(text, sizeof text, "%s: %s", channel, failure ? failure->text : "works again");
    console_say(&daemon->console, text);
}

static void on_notice(void *owner) {
    struct daemon *daemon = owner;

    pthread_mutex_lock(&daemon->lock);
    if (daemon->outbox)
        outbox_wake(daemon->outbox);
    pthread_mutex_unlock(&daemon->lock);
}

static void on_report(void *owner) {
    struct daemon *daemon = owner;

    pthread_mutex_lock(&daemon->lock);
    if (daemon->agent)
        agent_wake(daemon->agent);
    pthread_mutex_unlock(&daemon->lock);
}

static void on_agent_trouble(void *owner, const struct failure *failure) {
    on_channel_trouble(owner, "reports", failure);
}

static void on_room(void *owner) {
    struct daemon *daemon = owner;

    pthread_mutex_lock(&daemon->lock);
    if (daemon->schedule)
        schedule_room(daemon->schedule);
    pthread_mutex_unlock(&daemon->lock);
}

static void on_targets(void *owner, int64_t key) {
    struct daemon *daemon = owner;

    (void)key;
    pthread_mutex_lock(&daemon->lock);
    if (daemon->schedule)
        schedule_reload(daemon->schedule);
    pthread_mutex_unlock(&daemon->lock);
}

static void wake_outbox(void *owner) {
    on_notice(owner);
}

/* --- Store and ledger --- */

/* Those of the settings take the place of the others, or nothing happens. */
static enum error set_channels(struct daemon *daemon, struct monitor_settings *settings,
                               struct failure *failure) {
    struct monitor_channels *channels =
        daemon->channels == &daemon->both[0] ? &daemon->both[1] : &daemon->both[0];
    enum error error = monitor_channels_init(channels, settings, failure);

    if (!error)
        daemon->channels = channels;
    return error;
}

static struct ledger_config ledger_config(struct daemon *daemon) {
    const struct monitor_settings *settings = daemon->settings;

    return (struct ledger_config){
        .url = daemon->files.url,
        .threshold_days = settings->threshold_days,
        .threshold_count = settings->threshold_count,
        .failures = (uint8_t)settings->failures,
        .channels = daemon->channels->subscriptions,
        .channel_count = daemon->channels->count,
        .interval_ms = (int64_t)settings->scan_interval_ms,
        .retention_ms = (int64_t)settings->retention_ms,
        .keeps_reports = daemon->first->api_endpoint != NULL,
        .on_notice = on_notice,
        .on_report = on_report,
        .on_room = on_room,
        .on_targets = on_targets,
        .on_trouble = on_trouble,
        .on_recovered = on_recovered,
        .owner = daemon,
    };
}

static enum error open_outbox(struct daemon *daemon, struct failure *failure) {
    struct outbox_config config = {
        .url = daemon->files.url,
        .ledger = daemon->ledger,
        .channels = daemon->channels->items,
        .channel_count = daemon->channels->count,
        .on_trouble = on_channel_trouble,
        .owner = daemon,
    };
    struct outbox *outbox = NULL;
    enum error error = outbox_open(&outbox, &config, failure);

    pthread_mutex_lock(&daemon->lock);
    daemon->outbox = outbox;
    pthread_mutex_unlock(&daemon->lock);
    on_notice(daemon); /* what came since it looked has woken nobody */
    return error;
}

static void close_outbox(struct daemon *daemon) {
    pthread_mutex_lock(&daemon->lock);
    struct outbox *outbox = daemon->outbox;
    daemon->outbox = NULL;
    pthread_mutex_unlock(&daemon->lock);
    outbox_close(outbox);
}

static enum error open_agent(struct daemon *daemon, struct failure *failure) {
    const struct monitor_settings *settings = daemon->first;
    struct agent_config config = {
        .store_url = daemon->files.url,
        .ledger = daemon->ledger,
        .url = settings->api_endpoint,
        .key = settings->api_key,
        .key_file = settings->api_key_file,
        .secret_file = settings->report_secret_file,
        .name = settings->agent_name,
        .version = "trawl/" TRAWL_VERSION,
        .ca_file = settings->ca_file,
        .threshold_days = settings->threshold_days,
        .threshold_count = settings->threshold_count,
        .websocket_alerts = settings->websocket_alerts,
        .interval_ms = (int64_t)settings->scan_interval_ms,
        .on_trouble = on_agent_trouble,
        .owner = daemon,
    };
    struct agent *agent = NULL;
    enum error error = config.url ? agent_open(&agent, &config, failure) : ERROR_NONE;

    pthread_mutex_lock(&daemon->lock);
    daemon->agent = agent;
    pthread_mutex_unlock(&daemon->lock);
    return error;
}

static enum error apply_targets(struct daemon *daemon, struct failure *failure) {
    struct config_changes changes;
    char text[128];
    enum error error = config_targets_apply(daemon->ledger, daemon->settings, &changes, failure);
    settings_forget_targets(daemon->settings);

    if (!error && (changes.added || changes.changed || changes.removed)) {
        snprintf(text, sizeof text, "targets of the config: %u added, %u changed, %u removed",
                 changes.added, changes.changed, changes.removed);
        say(daemon, text);
    }
    return error;
}

static enum error open_ledger(struct daemon *daemon, struct failure *failure) {
    enum error error = set_channels(daemon, daemon->settings, failure);

    if (error)
        return error;
    struct ledger_config config = ledger_config(daemon);
    error = monitor_ledger_open(&daemon->ledger, &config, &daemon->hub, failure);
    if (!error)
        error = open_outbox(daemon, failure);
    if (!error)
        error = open_agent(daemon, failure);
    return error ? error : apply_targets(daemon, failure);
}

/* --- Schedule --- */

static const struct trust_store *roots_of(void *owner, const char *ca_file,
                                          struct failure *failure) {
    struct daemon *daemon = owner;
    char path[LIMIT_PATH_BYTES + 1];

    return monitor_ca_path(daemon->first, ca_file, path, failure)
               ? NULL
               : anchors_open(&daemon->anchors, slice_of(path), failure);
}

static enum error set_probe(struct daemon *daemon, struct failure *failure) {
    struct monitor_settings *settings = daemon->settings;
    struct scan_settings *scan = &daemon->scan;
    uint64_t stage_ms = settings->timeout_ms;

    scan->concurrency = settings->concurrency;
    scan->workers = settings->workers;
    scan->rate = settings->rate;
    scan->timeout_ms = settings->timeout_ms;
    scan->dns_timeout_ms = scan->connect_timeout_ms = scan->starttls_timeout_ms =
        scan->handshake_timeout_ms = stage_ms;
    scan->ca_file = settings->ca_file;
    for (uint32_t i = 0; i < settings->ca_add.count; i++)
        if (!option_list_add(&scan->ca_add, settings->ca_add.items[i]))
            return failure_set(failure, ERROR_MEMORY, "no memory for the settings");
    scan->resolver = settings->resolver;
    scan->addresses = settings->addresses == 0; /* there 0 is the first that answers */
    scan->io = settings->io;
    scan->fetch_issuers = settings->fetch_issuers;
    scan->crl = settings->crl;
    enum error error = target_forbidden_set(&daemon->forbidden, failure);
    if (!error)
        error = probe_setup_init(&daemon->setup, scan, &daemon->console, failure);
    daemon->setup.probe.excluded = daemon->forbidden;
    return error;
}

static enum error open_schedule(struct daemon *daemon, struct failure *failure) {
    struct schedule *schedule = NULL;
    enum error error = set_probe(daemon, failure);

    if (error)
        return error;
    struct schedule_config config = {
        .url = daemon->files.url,
        .ledger = daemon->ledger,
        .hub = daemon->hub,
        .probe = daemon->setup.probe,
        .workers = daemon->setup.workers,
        .interval_ms = (int64_t)daemon->settings->scan_interval_ms,
        .only_on_demand = daemon->settings->once,
        .roots = roots_of,
        .on_trouble = on_trouble,
        .owner = daemon,
        .fleet = monitor_fleet_init(&daemon->fleet, daemon->first, &daemon->scan),
    };
    error = schedule_open(&schedule, &config, failure);
    pthread_mutex_lock(&daemon->lock);
    daemon->schedule = schedule;
    pthread_mutex_unlock(&daemon->lock);
    return error;
}

/* --- Server --- */

/* The tokens of the settings; an administrator's from its file too, unless the settings have one.
 */
static enum error set_tokens(struct daemon *daemon, bool *made, char text[AUTH_MADE_TOKEN_BYTES],
                             struct failure *failure) {
    struct auth_token tokens[AUTH_TOKENS_MAX];
    uint32_t count = daemon->settings->token_count;
    bool has_administrator = false;

    *made = false;
    memcpy(tokens, daemon->settings->tokens, count * sizeof *tokens);
    for (uint32_t i = 0; i < count; i++)
        has_administrator |= tokens[i].role == ROLE_ADMIN;
    if ((!has_administrator || daemon->settings->token_file) && count < AUTH_TOKENS_MAX) {
        enum error error =
            auth_first_token(&tokens[count++], daemon->files.token, text, made, failure);
        if (error)
            return error;
    }
    auth_replace(daemon->auth, tokens, count);
    return ERROR_NONE;
}

static void tell_address(const struct daemon *daemon, bool made, const char *token) {
    const char *colon = strrchr(daemon->settings->listen, ':');
    int host_len = colon ? (int)(colon - daemon->settings->listen) : 0;
    char text[512];

    snprintf(text, sizeof text, "dashboard and API: %s://%.*s:%u/%s%s",
             daemon->settings->tls_cert ? "https" : "http", host_len, daemon->settings->listen,
             server_port(daemon->server), made ? "#token=" : "", made ? token : "");
    console_say(&daemon->console, text);
    if (made)
        console_say(&daemon->console, "that link holds the administrator's token, and is shown "
                                      "this once; the token stands beside the store");
}

static void add_agent_metrics(const struct agent *agent, struct buffer *out) {
    struct agent_statistics statistics;

    if (!agent)
        return;
    agent_statistics(agent, &statistics);
    buffer_add_format(out,
                      "# HELP trawl_reported_total Results reported to another monitor, by fate.\n"
                      "# TYPE trawl_reported_total counter\n"
                      "trawl_reported_total{fate=\"taken\"} %ju\n"
                      "trawl_reported_total{fate=\"given_up\"} %ju\n"
                      "# HELP trawl_report_failures_total Reports that failed, to be repeated.\n"
                      "# TYPE trawl_report_failures_total counter\n"
                      "trawl_report_failures_total %ju\n",
                      (uintmax_t)statistics.results, (uintmax_t)statistics.given_up,
                      (uintmax_t)statistics.failed);
}

/* None while the outbox is exchanged. */
static uint32_t look_at_channels(struct daemon *daemon,
                                 struct outbox_statistics out[LEDGER_CHANNELS]) {
    pthread_mutex_lock(&daemon->lock);
    uint32_t count = daemon->outbox ? outbox_statistics(daemon->outbox, out) : 0;
    pthread_mutex_unlock(&daemon->lock);
    return count;
}

static void add_metrics(void *owner, struct buffer *out) {
    struct daemon *daemon = owner;
    struct outbox_statistics channels[LEDGER_CHANNELS];
    uint32_t count = look_at_channels(daemon, channels);

    buffer_add_text(out, "# HELP trawl_notices_total Notices by channel and fate.\n"
                         "# TYPE trawl_notices_total counter\n");
    for (uint32_t i = 0; i < count; i++)
        buffer_add_format(out,
                          "trawl_notices_total{channel=\"%s\",fate=\"delivered\"} %ju\n"
                          "trawl_notices_total{channel=\"%s\",fate=\"dead\"} %ju\n",
                          channels[i].channel, (uintmax_t)channels[i].delivered,
                          channels[i].channel, (uintmax_t)channels[i].dead);
    add_agent_metrics(daemon->agent, out);
    monitor_fleet_metrics(daemon->schedule, out);
    monitor_ct_metrics(daemon->ct, out);
}

static bool add_health(void *owner, struct buffer *out) {
    struct daemon *daemon = owner;
    struct outbox_statistics channels[LEDGER_CHANNELS];
    uint32_t count = look_at_channels(daemon, channels), failing = 0;

    for (uint32_t i = 0; i < count; i++)
        failing += channels[i].failing;
    buffer_add_format(out, ",\"channels\":%u,\"channels_failing\":%u", count, failing);
    monitor_fleet_health(daemon->schedule, out);
    return monitor_ct_health(daemon->ct, out); /* a receiver that is away is no illness of ours */
}

static bool has_server(const struct daemon *daemon) {
    return !daemon->settings->once && strcmp(daemon->settings->listen, "none") != 0;
}

static enum error open_server(struct daemon *daemon, struct failure *failure) {
    struct monitor_settings *settings = daemon->settings;
    char token[AUTH_MADE_TOKEN_BYTES] = "";
    bool made;

    if (!has_server(daemon))
        return ERROR_NONE;
    enum error error = auth_new(&daemon->auth, failure);
    if (!error)
        error = set_tokens(daemon, &made, token, failure);
    if (!error)
        error = option_list_terminate(&settings->hosts, failure);
    if (error)
        return error;
    daemon->api = (struct api){
        .version = TRAWL_VERSION,
        .store_url = daemon->files.url,
        .auth = daemon->auth,
        .ledger = daemon->ledger,
        .hub = daemon->hub,
        .schedule = schedule_api(daemon->schedule),
        .open_metrics = settings->open_metrics,
        .has_fleet = daemon->first->via != NULL,
        .metrics = add_metrics,
        .health = add_health,
        .owner = daemon,
        .wake_outbox = wake_outbox,
        .started_ms = clock_unix_ms(),
    };
    struct server_config config = {
        .address = settings->listen,
        .socket = daemon->socket,
        .certificate_file = settings->tls_cert,
        .key_file = settings->tls_key,
        .names = settings->hosts.items,
        .api = &daemon->api,
    };
    error = server_start(&daemon->server, &config, failure);
    daemon->socket = 0;
    if (!error)
        tell_address(daemon, made, token);
    return error;
}

/* --- Again, after SIGHUP --- */

/* What needs another store, address or set of workers stays as it was until the next start. */
static enum error take_settings(struct daemon *daemon, struct failure *failure) {
    char token[AUTH_MADE_TOKEN_BYTES];
    bool made;
    struct ledger_config config = ledger_config(daemon);
    enum error error;

    if ((error = monitor_ledger_configure(daemon->ledger, &config, failure)) ||
        (error = open_outbox(daemon, failure)) || (error = apply_targets(daemon, failure)))
        return error;
    schedule_set_interval(daemon->schedule, (int64_t)daemon->settings->scan_interval_ms);
    return daemon->server ? set_tokens(daemon, &made, token, failure) : ERROR_NONE;
}

static void read_again(struct daemon *daemon) {
    struct monitor_settings fresh, old = daemon->fresh;
    struct failure failure = {0};

    if (settings_read(&fresh, daemon->argc, daemon->argv, &failure) ||
        set_channels(daemon, &fresh, &failure)) {
        console_say(&daemon->console, failure.text);
        console_say(&daemon->console, "the config is not taken; what was stays");
        settings_deinit(&fresh);
        return;
    }
    close_outbox(daemon);
    daemon->fresh = fresh;
    daemon->settings = &daemon->fresh;
    if (take_settings(daemon, &failure))
        console_say(&daemon->console, failure.text);
    else
        say(daemon, "the config was read again");
    settings_deinit(&old);
}

/* --- While it runs --- */

static void sleep_until_signal(const struct daemon *daemon, int wait_ms) {
    struct pollfd item = {.fd = daemon->signals, .events = POLLIN};

    while (poll(&item, 1, wait_ms) < 0 && errno == EINTR)
        ;
}

/* The next signal that came; 0 for none. */
static int next_signal(const struct daemon *daemon) {
    struct signalfd_siginfo info;
    return read(daemon->signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

/* False when it is to end. */
static bool heed_signals(struct daemon *daemon) {
    for (int signal; (signal = next_signal(daemon)) != 0;)
        switch (signal) {
        case SIGHUP:
            sd_notify(0, "RELOADING=1");
            read_again(daemon);
            sd_notify(0, "READY=1");
            break;
        case SIGUSR1:
            log_file_reopen(daemon->first->log_file);
            break;
        default:
            return false;
        }
    return true;
}

static void serve(struct daemon *daemon) {
    uint64_t watchdog_us = 0;
    bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    int wait_ms = watched && watchdog_us / 2000 < TICK_MS ? (int)(watchdog_us / 2000) : TICK_MS;

    sd_notify(0, "READY=1");
    while (heed_signals(daemon)) {
        sleep_until_signal(daemon, wait_ms);
        if (watched)
            sd_notify(0, "WATCHDOG=1");
    }
    sd_notify(0, "STOPPING=1");
}

/* Whether all notices and reports are delivered or given up. */
static bool all_is_told(const struct daemon *daemon) {
    static const struct sql_statement waiting = {
        .text = "SELECT (SELECT count(*) FROM monitor_outbox WHERE delivered_at IS NULL"
                " AND dead = 0) + (SELECT count(*) FROM monitor_reports)"};
    struct database_config config = {.url = daemon->files.url};
    struct database *database = NULL;
    struct failure failure;
    int64_t count = 1;

    if (database_open(&database, &config, &failure) == ERROR_NONE &&
        database_number(database, &waiting, NULL, &count, &failure))
        count = 1;
    database_close(database);
    return count == 0;
}

static void tell_once(const struct daemon *daemon, const struct api_scan *scan, bool told) {
    char text[160];

    snprintf(text, sizeof text, "%ju of %ju targets were probed%s", (uintmax_t)scan->done,
             (uintmax_t)scan->total,
             told ? "" : "; some notices wait, and are sent by the next run");
    say(daemon, text);
}

static enum error run_once(struct daemon *daemon, struct failure *failure) {
    struct api_schedule schedule = schedule_api(daemon->schedule);
    struct api_scan scan = {0};
    uint64_t id = 0;
    bool told = !daemon->channels->count && !daemon->agent;

    enum error error = schedule.scan(schedule.owner, NULL, 0, &id, failure);
    while (!error && schedule.progress(schedule.owner, id, &scan) && !scan.finished) {
        if (!heed_signals(daemon))
            return failure_set(failure, ERROR_STOPPED, "interrupted");
        schedule.wait(schedule.owner, id, TICK_MS / 4);
    }
    if (!error)
        error = monitor_ledger_flush(daemon->ledger, ONCE_TELL_MS);
    if (error)
        return failure->code ? error : failure_set(failure, error, "the store takes too long");
    for (int i = 0; !told && i < ONCE_TELL_MS / (TICK_MS / 4) && heed_signals(daemon); i++) {
        told = all_is_told(daemon);
        if (!told)
            sleep_until_signal(daemon, TICK_MS / 4);
    }
    tell_once(daemon, &scan, told);
    return ERROR_NONE;
}

/* --- Beginning and end --- */

static enum error take_signals(struct daemon *daemon, struct failure *failure) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals >= 0 ? ERROR_NONE
                                : failure_set(failure, (enum error)errno, "signalfd: %s",
                                              error_text((enum error)errno));
}

/* What needs more rights is done. */
static enum error confine(struct daemon *daemon, struct failure *failure) {
    bool confined = false;
    enum error error =
        monitor_files_confine(&daemon->files, daemon->first, daemon->ct, &confined, failure);

    if (!error && !confined)
        say(daemon, "no Landlock here: what may be written is not confined");
    return error;
}

static enum error open_ct(struct daemon *daemon, struct failure *failure) {
    const struct monitor_ct_config config = {
        .settings = daemon->first, .url = daemon->files.url, .say = on_words, .owner = daemon};

    return daemon->settings->once ? ERROR_NONE : monitor_ct_new(&daemon->ct, &config, failure);
}

static enum error set_up(struct daemon *daemon, struct failure *failure) {
    enum error error;

    monitor_files_init(&daemon->files, daemon->settings);
    confine_begin();
    if ((error = log_file_open(daemon->settings->log_file, failure)) ||
        (error = take_signals(daemon, failure)) || (error = open_ct(daemon, failure)) ||
        (has_server(daemon) &&
         (error = listener_bind(daemon->settings->listen, &daemon->socket, failure))) ||
        (error = confine(daemon, failure)) || (error = open_ledger(daemon, failure)) ||
        (error = open_schedule(daemon, failure)) ||
        (error = monitor_ct_start(daemon->ct, daemon->ledger, failure)))
        return error;
    return open_server(daemon, failure);
}

/* From the left to the right: who asks, who probes, who tells, who writes. */
static enum error tear_down(struct daemon *daemon, struct failure *failure) {
    server_stop(daemon->server);
    if (daemon->socket)
        close(daemon->socket);
    monitor_ct_close(daemon->ct);
    pthread_mutex_lock(&daemon->lock);
    struct schedule *schedule = daemon->schedule;
    struct agent *agent = daemon->agent;
    daemon->schedule = NULL;
    daemon->agent = NULL;
    pthread_mutex_unlock(&daemon->lock);
    schedule_close(schedule);
    close_outbox(daemon);
    agent_close(agent);
    enum error error = monitor_ledger_close(daemon->ledger, failure);
    event_hub_close(daemon->hub);
    auth_free(daemon->auth);
    probe_setup_deinit(&daemon->setup);
    address_set_free(daemon->forbidden);
    anchors_deinit(&daemon->anchors);
    scan_settings_deinit(&daemon->scan);
    settings_deinit(&daemon->fresh);
    if (daemon->signals >= 0)
        close(daemon->signals);
    pthread_mutex_destroy(&daemon->lock);
    return error;
}

enum error monitor_run(struct monitor_settings *settings, int argc, char *const argv[],
                       struct failure *failure) {
    struct daemon *daemon = calloc(1, sizeof *daemon);
    struct failure at_end = {0};

    if (!daemon)
        return failure_set(failure, ERROR_MEMORY, "no memory for the monitor");
    daemon->first = daemon->settings = settings;
    daemon->argc = argc;
    daemon->argv = argv;
    daemon->signals = -1;
    pthread_mutex_init(&daemon->lock, NULL);
    scan_settings_init(&daemon->scan);
    enum error error = set_up(daemon, failure);
    if (!error && settings->once)
        error = run_once(daemon, failure);
    else if (!error)
        serve(daemon);
    enum error lost = tear_down(daemon, &at_end);
    free(daemon);
    if (!error && lost)
        error = failure_set(failure, lost, "%s", at_end.text);
    return error;
}
