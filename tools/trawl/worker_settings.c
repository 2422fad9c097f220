#include "tools/trawl/worker_settings.h"

#include "engine/base/quote.h"
#include "engine/dns/servers.h"
#include "tools/trawl/scan_settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name) offsetof(struct worker_settings, name)
static const char which[] = "Which work is taken", where[] = "Where it may lead",
                  how[] = "How it is done", out[] = "Output";

const struct option_spec worker_options[] = {
    {"via", 0, OPTION_TEXT, "URL", "the cluster: nats://HOST,HOST/FLEET", which, FIELD(via), 0, 0,
     NULL, "the argument"},
    {"label", 0, OPTION_LIST, "LABEL", "do also the jobs that ask for workers with this label",
     which, FIELD(labels), 0, 0, NULL, "none"},
    {"only-labels", 0, OPTION_FLAG, NULL, "not those that ask for none", which, FIELD(only_labels),
     0, 0, NULL, NULL},
    {"idle-exit", 0, OPTION_SECONDS, "TIME", "end when there was nothing to do for so long", which,
     FIELD(idle_exit_ms), 100, 0, NULL, "never"},
    {"allow", 0, OPTION_LIST, "WHAT",
     "connect nowhere else: a block, @FILE with one a line, public for all public addresses, or "
     "any",
     where, FIELD(allow), 0, 0, NULL, "public"},
    {"exclude", 0, OPTION_LIST, "WHAT", "never connect there: a block, or @FILE with one a line",
     where, FIELD(exclude), 0, 0, NULL, "none"},
    {"resolver", 0, OPTION_TEXT, "LIST", "DNS servers for jobs that name none", where,
     FIELD(resolver), 0, 0, NULL, "those of resolv.conf"},
    {"concurrency", 'c', OPTION_NUMBER, "N", "connections at once", how, FIELD(concurrency), 1,
     1000000, NULL, "by the machine's limits"},
    {"workers", 0, OPTION_NUMBER, "N", "threads that probe", how, FIELD(workers), 1, 256, NULL,
     "one a core"},
    {"rate", 0, OPTION_NUMBER, "N", "new connections a second at most, for all jobs together", how,
     FIELD(rate), 1, 100000000, NULL, "as jobs say"},
    {"io", 0, OPTION_CHOICE, "KIND", "how to talk to the kernel", how, FIELD(io), 0, 0, scan_io,
     NULL},
    {"name", 0, OPTION_TEXT, "NAME", "how it is called in messages and figures", out, FIELD(name),
     0, 0, NULL, "host and process"},
    {"quiet", 'q', OPTION_FLAG, NULL, "no progress and no summary", out, FIELD(quiet), 0, 0, NULL,
     NULL},
    {"stats", 0, OPTION_TEXT, "FILE", "write the figures as JSON at the end", out, FIELD(stats), 0,
     0, NULL, "none"},
    {0},
};

void worker_settings_init(struct worker_settings *settings) {
    *settings = (struct worker_settings){0};
    option_list_init(&settings->allow);
    option_list_init(&settings->exclude);
    option_list_init(&settings->labels);
}

void worker_settings_deinit(struct worker_settings *settings) {
    option_list_deinit(&settings->allow);
    option_list_deinit(&settings->exclude);
    option_list_deinit(&settings->labels);
}

/* ---------------------------------------------------------------------------------------------
 * Policy
 * ------------------------------------------------------------------------------------------- */

static bool names(const struct option_list *list, const char *word) {
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

static enum error add(struct address_set *set, const char *item, const char *option,
                      struct failure *failure) {
    struct failure why;
    enum error error = item[0] == '@' ? address_set_add_file(set, item + 1, &why)
                                      : address_set_add_text(set, slice_of(item), &why);

    return error ? failure_set(failure, error, "%s %s: %.400s", option,
                               quote_of(slice_of(item)).text, why.text)
                 : ERROR_NONE;
}

/* What is not allowed, by --allow alone. */
static enum error set_allowed(struct address_set *set, const struct option_list *allow,
                              struct failure *failure) {
    enum error error = ERROR_NONE;

    if (names(allow, "any"))
        return ERROR_NONE;
    if (!allow->count)
        return address_set_add_private(set, failure);
    if (names(allow, "public") && ((error = address_set_add_private(set, failure)) ||
                                   (error = address_set_invert(set, failure))))
        return error;
    for (uint32_t i = 0; i < allow->count && !error; i++)
        if (strcmp(allow->items[i], "public") != 0)
            error = add(set, allow->items[i], "--allow", failure);
    return error ? error : address_set_invert(set, failure);
}

static void set_name(struct worker_policy *policy, const struct worker_settings *settings) {
    char host[WORKER_NAME_BYTES - 16] = "worker";

    if (settings->name) {
        quote_bare(policy->name, sizeof policy->name, slice_of(settings->name));
    } else {
        (void)gethostname(host, sizeof host);
        host[sizeof host - 1] = '\0';
        snprintf(policy->name, sizeof policy->name, "%s:%ld", host, (long)getpid());
    }
    snprintf(policy->words, sizeof policy->words, "not allowed by the policy of worker %s",
             policy->name);
}

enum error worker_policy_init(struct worker_policy *policy, const struct worker_settings *settings,
                              struct failure *failure) {
    set_name(policy, settings);
    enum error error = address_set_open(&policy->forbidden, NULL, failure);
    if (!error)
        error = set_allowed(policy->forbidden, &settings->allow, failure);
    for (uint32_t i = 0; i < settings->exclude.count && !error; i++)
        error = add(policy->forbidden, settings->exclude.items[i], "--exclude", failure);
    return error;
}

void worker_policy_deinit(struct worker_policy *policy) {
    address_set_free(policy->forbidden);
}

enum error worker_policy_check_resolver(const struct worker_policy *policy, const char *list,
                                        struct failure *failure) {
    struct dns_servers servers;
    enum error error = dns_servers_parse(slice_of(list), &servers, failure);

    for (uint32_t i = 0; !error && i < servers.count; i++)
        if (address_set_contains(policy->forbidden, &servers.items[i].address)) {
            char text[ADDRESS_TEXT_MAX];
            address_format(&servers.items[i].address, text);
            error = failure_set(failure, ERROR_UNSUPPORTED, "its name server %s is %s", text,
                                policy->words);
        }
    return error;
}
