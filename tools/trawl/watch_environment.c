#include "tools/trawl/watch_environment.h"

#include "engine/base/quote.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* NULL when it is not set, or empty. */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static const char *variable_or(const char *name, const char *otherwise) {
    const char *value = variable(name);
    return value ? value : otherwise;
}

/* --- Variables that are options --- */

static enum error set_option(const char *name, const char *value, const char *option,
                             struct watch_settings *settings, struct failure *failure) {
    const struct option_spec *spec = watch_options;

    while (strcmp(spec->name, option) != 0)
        spec++;
    return option_set(spec, name, value, settings, failure);
}

static enum error set_options(struct watch_settings *settings, struct failure *failure) {
    static const struct {
        const char *variable, *option, *otherwise;
    } rows[] = {
        {"CLEANUP_INTERVAL_S", "cleanup", "3600"},
        {"ALERT_RETENTION_S", "retention", "2592000"},
        {"SUSPICIOUS_GRACE_S", "grace", "10"},
        {"WATCH_REFRESH_INTERVAL_S", "refresh", "60"},
    };
    enum error error = ERROR_NONE;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !error; i++)
        error = set_option(rows[i].variable, variable_or(rows[i].variable, rows[i].otherwise),
                           rows[i].option, settings, failure);
    return error;
}

/* --- Others --- */

static enum error no_memory(struct failure *failure) {
    return failure_set(failure, ERROR_MEMORY, "no memory");
}

static enum error set_listen(struct watch_environment *environment, struct failure *failure) {
    const char *host = variable_or("API_HOST", "127.0.0.1"),
               *port = variable_or("API_PORT", "8765");
    bool is_v6 = strchr(host, ':') && host[0] != '[';
    uint64_t number;

    if (!slice_to_u64(slice_of(port), UINT16_MAX, &number))
        return failure_set(failure, ERROR_USAGE, "API_PORT %s is not a port, 0 to 65535",
                           quote_of(slice_of(port)).text);
    if (asprintf(&environment->listen, is_v6 ? "[%s]:%s" : "%s:%s", host, port) < 0)
        return no_memory(failure);
    return ERROR_NONE;
}

/* The level from which on Python's logging says nothing of what is usual. */
static enum error set_quiet(struct watch_settings *settings, struct failure *failure) {
    static const struct {
        const char *name;
        bool is_quiet;
    } levels[] = {
        {"NOTSET", false}, {"DEBUG", false}, {"INFO", false}, {"WARN", true},
        {"WARNING", true}, {"ERROR", true},  {"FATAL", true}, {"CRITICAL", true},
    };
    const char *level = variable_or("LOG_LEVEL", "INFO");

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcasecmp(level, levels[i].name) == 0) {
            settings->quiet = levels[i].is_quiet;
            return ERROR_NONE;
        }
    return failure_set(failure, ERROR_USAGE,
                       "LOG_LEVEL %s is not DEBUG, INFO, WARNING, ERROR or CRITICAL",
                       quote_of(slice_of(level)).text);
}

static enum error read_timeout(uint64_t *timeout_ms, struct failure *failure) {
    static const struct option_spec spec = {
        .name = "timeout", .kind = OPTION_SECONDS, .minimum = 1, .maximum = 600 * 1000};

    return option_set(&spec, "WEBHOOK_TIMEOUT_S", variable_or("WEBHOOK_TIMEOUT_S", "10"),
                      timeout_ms, failure);
}

/* What stands behind # in an ordinary URL never goes to a server; in ours it is the options. */
static enum error set_output(struct watch_environment *environment, struct failure *failure) {
    const char *url = variable("WEBHOOK_URL");
    uint64_t timeout_ms = 0;

    enum error error = read_timeout(&timeout_ms, failure);
    if (error || !url)
        return error;
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return failure_set(failure, ERROR_USAGE,
                           "WEBHOOK_URL is not a URL with http:// or https://");
    if (asprintf(&environment->output, "webhook+%.*s#timeout=%llums", (int)strcspn(url, "#"), url,
                 (unsigned long long)timeout_ms) < 0)
        return no_memory(failure);
    return ERROR_NONE;
}

/* --- All of it --- */

static enum error apply(struct watch_environment *environment, struct watch_settings *settings,
                        struct failure *failure) {
    enum error error;

    if ((error = set_options(settings, failure)) || (error = set_quiet(settings, failure)) ||
        (error = set_listen(environment, failure)) || (error = set_output(environment, failure)))
        return error;
    settings->postgres = variable("POSTGRES_DSN");
    settings->listen = environment->listen;
    return ERROR_NONE;
}

/* Lists, to which options would only add. */
static enum error complete(const struct watch_environment *environment,
                           struct watch_settings *settings, struct option_list *sources,
                           struct failure *failure) {
    struct option_list *to = &settings->output.to;
    const char *url = variable_or("CERTSTREAM_URL", "ws://localhost:8080/full-stream");

    if (!option_list_add(sources, url) ||
        (environment->output && to->count == 0 && !option_list_add(to, environment->output)))
        return no_memory(failure);
    return ERROR_NONE;
}

static bool says_what(const struct watch_settings *settings) {
    return settings->all || settings->watch || settings->domains.count || settings->brands.count ||
           settings->postgres;
}

static bool is_certwatch(const struct watch_settings *settings, const struct option_list *sources) {
    return variable("POSTGRES_DSN") && sources->count == 0 && !settings->log_list && !settings->all;
}

/* Options are read once more, over what the environment says. */
enum error watch_environment_parse(struct watch_environment *environment, int argc,
                                   char *const argv[], struct watch_settings *settings,
                                   struct option_list *sources, struct failure *failure) {
    *environment = (struct watch_environment){0};
    enum error error = option_parse(watch_options, argc, argv, settings, sources, failure);
    if (error)
        return error;
    if (!is_certwatch(settings, sources)) {
        if (!says_what(settings))
            settings->postgres = variable("POSTGRES_DSN");
        return ERROR_NONE;
    }
    watch_settings_deinit(settings);
    watch_settings_init(settings);
    error = apply(environment, settings, failure);
    if (!error)
        error = option_parse(watch_options, argc, argv, settings, sources, failure);
    return error ? error : complete(environment, settings, sources, failure);
}

void watch_environment_deinit(struct watch_environment *environment) {
    free(environment->listen);
    free(environment->output);
}
