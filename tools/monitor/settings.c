#include "tools/monitor/settings.h"

#include "engine/base/quote.h"
#include "tools/monitor/config_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct monitor_settings, name)
static const char what[] = "What is watched", store[] = "Store and server",
                  probe[] = "How it is probed", alerts[] = "When somebody is told",
                  channels[] = "Who is told", agent[] = "An agent", process[] = "The process";

static const char *const io_names[] = {"auto", "uring", "epoll", NULL};
static const char *const addresses[] = {"all", "first", NULL};

const struct option_spec monitor_options[] = {
    {"config", 0, OPTION_TEXT, "FILE", "JSON with comments; SSL Scout's file is one", what,
     FIELD(config), 0, 0, NULL, "none"},
    {"generate-config", 0, OPTION_FLAG, NULL, "print a complete config file, and end", what,
     FIELD(generate_config), 0, 0, NULL, NULL},
    {"once", 0, OPTION_FLAG, NULL, "probe all targets, tell what is to be told, and end", what,
     FIELD(once), 0, 0, NULL, NULL},
    {"scan-host", 0, OPTION_TEXT, "HOST", "probe it once, as `trawl check` does, and end", what,
     FIELD(scan_host), 0, 0, NULL, "none"},
    {"port", 0, OPTION_NUMBER, "N", "of --scan-host", what, FIELD(port), 1, 65535, NULL, NULL},
    {"watch", 0, OPTION_LIST, "ARGUMENT", "follow Certificate Transparency too: arguments of watch",
     what, FIELD(watch), 0, 0, NULL, "no"},
    {"store", 0, OPTION_TEXT, "URL", "sqlite:PATH, a path, or postgresql://...", store,
     FIELD(store), 0, 0, NULL, NULL},
    {"listen", 0, OPTION_TEXT, "ADDRESS", "where dashboard and API are served, or none", store,
     FIELD(listen), 0, 0, NULL, NULL},
    {"host", 0, OPTION_LIST, "NAME", "by which browsers may ask for it, beside its address", store,
     FIELD(hosts), 0, 0, NULL, "localhost"},
    {"tls-cert", 0, OPTION_TEXT, "FILE", "serve HTTPS with this chain, as PEM", store,
     FIELD(tls_cert), 0, 0, NULL, "plain HTTP"},
    {"tls-key", 0, OPTION_TEXT, "FILE", "its key", store, FIELD(tls_key), 0, 0, NULL, "none"},
    {"token-file", 0, OPTION_TEXT, "FILE", "an administrator's token; made when it is not there",
     store, FIELD(token_file), 0, 0, NULL, "beside the store"},
    {"open-metrics", 0, OPTION_FLAG, NULL, "/metrics and /healthz ask for no token", store,
     FIELD(open_metrics), 0, 0, NULL, NULL},
    {"retention", 0, OPTION_SECONDS, "TIME", "history and old alerts are kept so long", store,
     FIELD(retention_ms), 0, 0, NULL, "for ever"},
    {"scan-interval", 'i', OPTION_SECONDS, "TIME", "between two probes of a target", probe,
     FIELD(scan_interval_ms), 10 * 1000, UINT64_C(366) * 86400 * 1000, NULL, NULL},
    {"timeout", 0, OPTION_SECONDS, "TIME", "of a probe, whatever the server does", probe,
     FIELD(timeout_ms), 100, 600 * 1000, NULL, NULL},
    {"concurrency", 'c', OPTION_NUMBER, "N", "connections at once", probe, FIELD(concurrency), 1,
     1000000, NULL, NULL},
    {"workers", 0, OPTION_NUMBER, "N", "threads that probe", probe, FIELD(workers), 0, 1024, NULL,
     "all cores"},
    {"rate", 0, OPTION_NUMBER, "N", "new connections a second at most", probe, FIELD(rate), 1,
     10000000, NULL, "no limit"},
    {"ca-file", 0, OPTION_TEXT, "PATH", "trust these roots instead of the system's", probe,
     FIELD(ca_file), 0, 0, NULL, "the system's"},
    {"ca-add", 0, OPTION_LIST, "PATH", "trust these roots too", probe, FIELD(ca_add), 0, 0, NULL,
     "none"},
    {"ca-folder", 0, OPTION_TEXT, "PATH", "where the API finds a target's ca_file", probe,
     FIELD(ca_folder), 0, 0, NULL, "nowhere"},
    {"addresses", 0, OPTION_CHOICE, "WHICH", "of a name: all, or the first that answers", probe,
     FIELD(addresses), 0, 0, addresses, NULL},
    {"fetch-issuers", 0, OPTION_FLAG, NULL, "that a server does not send", probe,
     FIELD(fetch_issuers), 0, 0, NULL, NULL},
    {"crl", 0, OPTION_FLAG, NULL, "look for revoked certificates in their CRLs", probe, FIELD(crl),
     0, 0, NULL, NULL},
    {"resolver", 0, OPTION_TEXT, "LIST", "DNS servers: 192.0.2.53,[2001:db8::53]:5353", probe,
     FIELD(resolver), 0, 0, NULL, "resolv.conf's"},
    {"io", 0, OPTION_CHOICE, "HOW", "to talk to the kernel", probe, FIELD(io), 0, 0, io_names,
     NULL},
    {"via", 0, OPTION_TEXT, "URL",
     "nats://HOST,HOST/NAME: workers there probe the targets that have `via`", probe, FIELD(via), 0,
     0, NULL, "nobody"},
    {"alert-days-before-expiry", 0, OPTION_LIST, "DAYS", "tell once at each of these: 30,14,7,1",
     alerts, FIELD(days), 0, 0, NULL, "30,14,7,1"},
    {"warn-days", 'w', OPTION_NUMBER, "DAYS", "warning from here on, of targets without their own",
     alerts, FIELD(warn_days), 0, TARGET_DAYS_MAX, NULL, NULL},
    {"crit-days", 0, OPTION_NUMBER, "DAYS", "critical from here on", alerts, FIELD(crit_days), 0,
     TARGET_DAYS_MAX, NULL, NULL},
    {"failures", 0, OPTION_NUMBER, "N", "in a row, until a target is unreachable", alerts,
     FIELD(failures), 1, 100, NULL, NULL},
    {"webhook", 0, OPTION_LIST, "URL", "POST each alert here", channels, FIELD(webhooks), 0, 0,
     NULL, "none"},
    {"webhook-secret-file", 0, OPTION_TEXT, "FILE", "sign webhooks, as Standard Webhooks says",
     channels, FIELD(webhook_secret_file), 0, 0, NULL, "none"},
    {"webhook-header", 0, OPTION_LIST, "LINE", "a header of webhooks: 'Name: value'", channels,
     FIELD(webhook_headers), 0, 0, NULL, "none"},
    {"webhook-at", 0, OPTION_TEXT, "SEVERITY", "info, warning or critical: nothing below", channels,
     FIELD(webhook_at), 0, 0, NULL, NULL},
    {"email", 0, OPTION_LIST, "ADDRESS", "who gets mail", channels, FIELD(email_to), 0, 0, NULL,
     "nobody"},
    {"smtp", 0, OPTION_TEXT, "URL", "smtp://HOST:PORT or smtps://...", channels, FIELD(smtp), 0, 0,
     NULL, NULL},
    {"email-from", 0, OPTION_TEXT, "ADDRESS", "sender", channels, FIELD(email_from), 0, 0, NULL,
     "trawl@this host"},
    {"email-at", 0, OPTION_TEXT, "SEVERITY", "info, warning or critical: nothing below", channels,
     FIELD(email_at), 0, 0, NULL, NULL},
    {"smtp-user", 0, OPTION_TEXT, "NAME", "to log in with", channels, FIELD(smtp_user), 0, 0, NULL,
     "none"},
    {"smtp-password-file", 0, OPTION_TEXT, "FILE", "its password", channels,
     FIELD(smtp_password_file), 0, 0, NULL, "none"},
    {"digest", 0, OPTION_SECONDS, "TIME", "gather mail so long, and send it as one", channels,
     FIELD(digest_ms), 0, 7 * 86400 * 1000, NULL, "at once"},
    {"websocket-alerts", 0, OPTION_FLAG, NULL, "alerts go to WebSocket readers (they always do)",
     channels, FIELD(websocket_alerts), 0, 0, NULL, NULL},
    {"report-to", 0, OPTION_TEXT, "URL", "report all results to another monitor, or to SSL Scout's",
     agent, FIELD(api_endpoint), 0, 0, NULL, "nobody"},
    {"api-key", 0, OPTION_TEXT, "TOKEN", "for it; better in a file, as others can see arguments",
     agent, FIELD(api_key), 0, 0, NULL, "none"},
    {"api-key-file", 0, OPTION_TEXT, "FILE", "its first line is the token", agent,
     FIELD(api_key_file), 0, 0, NULL, "none"},
    {"report-secret-file", 0, OPTION_TEXT, "FILE", "sign reports, as Standard Webhooks says", agent,
     FIELD(report_secret_file), 0, 0, NULL, "none"},
    {"agent-name", 0, OPTION_TEXT, "NAME", "as which it reports", agent, FIELD(agent_name), 0, 0,
     NULL, "this host's"},
    {"log-file", 0, OPTION_TEXT, "FILE", "log there; opened anew on SIGUSR1", process,
     FIELD(log_file), 0, 0, NULL, "standard error"},
    {"user", 0, OPTION_TEXT, "NAME", "become this user once the port is open", process, FIELD(user),
     0, 0, NULL, "stays as it is"},
    {"ask-health", 0, OPTION_FLAG, NULL, "ask a running monitor how it is, and end", process,
     FIELD(ask_health), 0, 0, NULL, NULL},
    {"quiet", 'q', OPTION_FLAG, NULL, "say only what is wrong", process, FIELD(quiet), 0, 0, NULL,
     NULL},
    {.name = NULL},
};

void settings_init(struct monitor_settings *settings) {
    *settings = (struct monitor_settings){
        .store = "trawl.db",
        .listen = "127.0.0.1:8470",
        .scan_interval_ms = 3600 * 1000,
        .timeout_ms = 10 * 1000,
        .port = 443,
        .concurrency = 1000,
        .warn_days = 14,
        .crit_days = 3,
        .failures = 2,
        .webhook_at = "info",
        .email_at = "info",
        .smtp = "smtp://127.0.0.1:25",
        .retention_ms = UINT64_C(400) * 86400 * 1000,
        .websocket_alerts = true,
    };
}

void settings_forget_targets(struct monitor_settings *settings) {
    free(settings->targets);
    settings->targets = NULL;
    settings->target_count = 0;
}

void settings_deinit(struct monitor_settings *settings) {
    struct option_list *lists[] = {
        &settings->hosts,           &settings->days,     &settings->ca_add, &settings->webhooks,
        &settings->webhook_headers, &settings->email_to, &settings->watch};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        option_list_deinit(lists[i]);
    free(settings->targets);
    arena_deinit(&settings->texts);
    *settings = (struct monitor_settings){0};
}

/* --- The environment --- */

static const char *variable_of(const struct option_spec *option) {
    char name[64] = "TRAWL_";
    size_t at = strlen(name);

    for (const char *c = option->name; *c && at < sizeof name - 1; c++)
        name[at++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    name[at] = '\0';
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* A list's items stand between commas. */
static enum error set_items(const struct option_spec *option, const char *value,
                            struct monitor_settings *settings, struct failure *failure) {
    struct slice copy =
        arena_copy(&settings->texts, (struct slice){(const uint8_t *)value, strlen(value) + 1});
    char *rest = (char *)(uintptr_t)copy.ptr, *item;
    enum error error =
        rest ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory for the settings");

    while (!error && (item = strsep(&rest, ",")) != NULL)
        error = option_set(option, option->name, item, settings, failure);
    return error;
}

static enum error read_environment(struct monitor_settings *settings, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (const struct option_spec *option = monitor_options; option->name && !error; option++) {
        const char *value = variable_of(option);
        if (!value)
            continue;
        error = option->kind == OPTION_LIST
                    ? set_items(option, value, settings, failure)
                    : option_set(option, option->name, value, settings, failure);
    }
    const char *token = getenv("TRAWL_TOKEN");
    if (error || !token || !*token)
        return error;
    if (settings->token_count == AUTH_TOKENS_MAX)
        return failure_set(failure, ERROR_USAGE, "TRAWL_TOKEN: the config has %d tokens already",
                           AUTH_TOKENS_MAX);
    return auth_token_from_text(&settings->tokens[settings->token_count++], "environment",
                                ROLE_ADMIN, slice_of(token), failure);
}

/* --- Targets of the command line --- */

enum error settings_add_target(struct monitor_settings *settings,
                               const struct monitor_target *target, struct failure *failure) {
    uint32_t count = settings->target_count;

    if (count == SETTINGS_TARGETS_MAX)
        return failure_set(failure, ERROR_USAGE, "more than %d targets: add them by the API",
                           SETTINGS_TARGETS_MAX);
    if ((count & (count - 1)) == 0) { /* it is full at each power of two */
        void *more = realloc(settings->targets, (count ? 2 * count : 1) * sizeof *target);
        if (!more)
            return failure_set(failure, ERROR_MEMORY, "no memory for the targets");
        settings->targets = more;
    }
    settings->targets[settings->target_count++] = *target;
    return ERROR_NONE;
}

static enum error add_positional(struct monitor_settings *settings, const char *text,
                                 struct failure *failure) {
    struct monitor_target target;
    struct failure why = {0};
    yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(made);
    enum error error = ERROR_MEMORY;

    target_init(&target, TARGET_FROM_CONFIG);
    target.warn_days = (int32_t)settings->warn_days;
    target.crit_days = (int32_t)settings->crit_days;
    yyjson_mut_obj_add_str(made, object, "host", text);
    yyjson_mut_doc_set_root(made, object);
    yyjson_doc *document = yyjson_mut_doc_imut_copy(made, NULL);
    if (document)
        error = target_read(&target, yyjson_doc_get_root(document), &why);
    yyjson_doc_free(document);
    yyjson_mut_doc_free(made);
    if (error)
        return failure_set(failure, error, "target %s: %s", quote_of(slice_of(text)).text,
                           why.text);
    return settings_add_target(settings, &target, failure);
}

/* --- All of it --- */

/* What lists got from a place that counts less is replaced, not added to. */
static void clear_lists(struct monitor_settings *settings, int argc, char *const argv[]) {
    for (const struct option_spec *option = monitor_options; option->name; option++) {
        if (option->kind != OPTION_LIST)
            continue;
        size_t len = strlen(option->name);
        for (int i = 0; i < argc; i++)
            if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, option->name, len) == 0 &&
                (argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
                ((struct option_list *)(void *)((char *)settings + option->offset))->count = 0;
    }
}

static enum error read_days(struct monitor_settings *settings, struct failure *failure) {
    static const int32_t usual[] = {30, 14, 7, 1};
    uint64_t number;

    if (!settings->days.count) {
        memcpy(settings->threshold_days, usual, sizeof usual);
        settings->threshold_count = sizeof usual / sizeof *usual;
    }
    for (uint32_t i = 0; i < settings->days.count; i++) {
        struct slice rest = slice_of(settings->days.items[i]);
        while (rest.len) {
            const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
            struct slice day = slice_trim(slice_first(rest, len));
            if (!slice_to_u64(day, TARGET_DAYS_MAX, &number) ||
                settings->threshold_count == SETTINGS_DAYS)
                return failure_set(failure, ERROR_USAGE,
                                   "alert-days-before-expiry: %s is not one of at most %d days",
                                   quote_of(day).text, SETTINGS_DAYS);
            settings->threshold_days[settings->threshold_count++] = (int32_t)number;
            rest = slice_from(rest, len + (comma != NULL));
        }
    }
    return ERROR_NONE;
}

static enum error check(const struct monitor_settings *settings, struct failure *failure) {
    if (!settings->tls_cert != !settings->tls_key)
        return failure_set(failure, ERROR_USAGE, "--tls-cert and --tls-key belong together");
    if (settings->crit_days > settings->warn_days)
        return failure_set(failure, ERROR_USAGE,
                           "crit-days %ju is more than warn-days %ju: critical comes later",
                           (uintmax_t)settings->crit_days, (uintmax_t)settings->warn_days);
    if (settings->api_key && settings->api_key_file)
        return failure_set(failure, ERROR_USAGE, "--api-key or --api-key-file, not both");
    for (uint32_t i = 0; i < settings->target_count; i++)
        if (target_check_via(&settings->targets[i], settings->via != NULL, failure))
            return failure->code;
    return ERROR_NONE;
}

/* The arguments are read twice: first for the file's name, then over what stands in it. */
enum error settings_read(struct monitor_settings *settings, int argc, char *const argv[],
                         struct failure *failure) {
    struct option_list positionals;

    settings_init(settings);
    option_list_init(&positionals);
    if (!arena_init(&settings->texts, 4096))
        return failure_set(failure, ERROR_MEMORY, "no memory for the settings");
    enum error error = option_parse(monitor_options, argc, argv, settings, &positionals, failure);
    const char *config = settings->config ? settings->config : getenv("TRAWL_CONFIG");
    struct arena texts = settings->texts;
    settings->texts = (struct arena){0};
    settings_deinit(settings);
    settings_init(settings);
    settings->texts = texts;
    if (!error && config && *config)
        error = config_file_read(config, settings, failure);
    if (!error)
        error = read_environment(settings, failure);
    clear_lists(settings, argc, argv);
    positionals.count = 0;
    if (!error)
        error = option_parse(monitor_options, argc, argv, settings, &positionals, failure);
    settings->config = config;
    for (uint32_t i = 0; i < positionals.count && !error; i++)
        error = add_positional(settings, positionals.items[i], failure);
    if (!error)
        error = read_days(settings, failure);
    if (!error)
        error = check(settings, failure);
    option_list_deinit(&positionals);
    return error;
}
