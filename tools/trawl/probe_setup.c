#include "tools/trawl/probe_setup.h"

#include "engine/base/address_set.h"
#include "engine/base/random.h"
#include "engine/dns/resolver.h"
#include "engine/fetch/fetcher.h"
#include "engine/io/io.h"
#include "engine/pool/pool.h"
#include "engine/probe/caps.h"
#include "engine/tls/grab.h"
#include "engine/tls/handshake.h"
#include "engine/tls/wire.h"
#include "engine/x509/trust.h"
#include "tools/trawl/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MAX = 8192,        /* of a worker, when chosen by itself */
    CONVERSATIONS_MAX = 512, /* of a worker: more of them only miss the cache */
    OTHER_DESCRIPTORS = 128, /* for files, rings and DNS */
    SLOT_BYTES = 8 * 1024,   /* at most, of a connection that waits, ours and the kernel's */
    CONVERSATION_BYTES = 64 * 1024,
    WORKERS_MAX = 256,
    AUDIT_TIMEOUTS = 6, /* an audit has dozens of connections */
};

/* --- How many --- */

static enum error choose_io(struct probe_setup *setup, const struct scan_settings *settings,
                            const struct console *console, struct failure *failure) {
    struct failure why = {0};
    char text[sizeof why.text + 64];

    if (settings->io != IO_AUTO) {
        setup->probe.io = io_backends[settings->io - 1];
        return ERROR_NONE;
    }
    setup->probe.io = io_backend_choose(&why);
    if (!setup->probe.io)
        return failure_set(failure, why.code, "%s", why.text);
    if (why.code != ERROR_NONE && !settings->quiet) {
        snprintf(text, sizeof text, "%s; using %s", why.text, setup->probe.io->name);
        console_say(console, text);
    }
    return ERROR_NONE;
}

/* How many connections one worker can have: every ring has descriptors of its own, where the
 * backend is one that shares none. */
static uint64_t slots_of_worker(const struct probe_setup *setup, uint64_t descriptors) {
    if (!setup->probe.io->shares_descriptors)
        return descriptors;
    return descriptors > 2 * OTHER_DESCRIPTORS ? (descriptors - OTHER_DESCRIPTORS) / setup->workers
                                               : 0;
}

/* As many as asked for, or as descriptors and memory allow; where one worker's descriptors do not
 * suffice, more workers. */
static enum error choose_slots(struct probe_setup *setup, const struct scan_settings *settings,
                               struct failure *failure) {
    uint64_t descriptors = machine_raise_descriptors(), wanted = settings->concurrency;

    setup->workers = settings->workers ? (uint32_t)settings->workers : pool_default_workers();
    if (wanted && wanted < setup->workers)
        setup->workers = (uint32_t)wanted;
    uint64_t most = slots_of_worker(setup, descriptors);
    if (descriptors <= 2 * OTHER_DESCRIPTORS || most == 0)
        return failure_set(failure, ERROR_LIMIT,
                           "only %llu descriptors are allowed: raise the limit (ulimit -n)",
                           (unsigned long long)descriptors);
    if (wanted > most * setup->workers && !settings->workers &&
        !setup->probe.io->shares_descriptors) {
        uint64_t workers = (wanted + most - 1) / most;
        setup->workers = (uint32_t)(workers < WORKERS_MAX ? workers : WORKERS_MAX);
    }
    uint64_t slots = wanted ? wanted / setup->workers : SLOTS_MAX;
    uint64_t memory = machine_available_memory() / 2 / setup->workers;
    uint64_t affordable = memory / SLOT_BYTES;
    if (!wanted && slots > affordable)
        slots = affordable ? affordable : 1;
    slots = slots < most ? slots : most;
    uint64_t conversations = memory / CONVERSATION_BYTES;
    conversations = conversations < CONVERSATIONS_MAX ? conversations : CONVERSATIONS_MAX;
    setup->probe.slots = (uint32_t)slots;
    setup->probe.conversations = (uint32_t)(slots < conversations ? slots
                                            : conversations       ? conversations
                                                                  : 1);
    return ERROR_NONE;
}

static enum error set_pace(struct probe_setup *setup, const struct scan_settings *settings,
                           struct failure *failure) {
    if (settings->rate)
        setup->probe.connect_interval_ns = UINT64_C(1000000000) * setup->workers / settings->rate;
    if (settings->max_per_host || settings->max_per_network) {
        setup->caps =
            caps_new((uint32_t)settings->max_per_host, (uint32_t)settings->max_per_network);
        if (!setup->caps)
            return failure_set(failure, ERROR_MEMORY, "no memory for the caps");
    }
    setup->probe.caps = setup->caps;
    return ERROR_NONE;
}

/* --- What --- */

/* A file of addresses, or an address, block or range itself. */
static enum error set_excluded(struct probe_setup *setup, const struct scan_settings *settings,
                               struct failure *failure) {
    const struct option_list *list = &settings->exclude;

    if (list->count == 0)
        return ERROR_NONE;
    enum error error = address_set_open(&setup->excluded, NULL, failure);
    for (uint32_t i = 0; error == ERROR_NONE && i < list->count; i++)
        error = list->items[i][0] == '@'
                    ? address_set_add_file(setup->excluded, list->items[i] + 1, failure)
                    : address_set_add_text(setup->excluded, slice_of(list->items[i]), failure);
    setup->probe.excluded = setup->excluded;
    return error;
}

static enum error parse_threshold(const char *text, const char *option, struct judge_threshold *out,
                                  struct failure *failure) {
    char *end;

    errno = 0;
    out->value = strtod(text, &end);
    out->percent = *end == '%';
    if (end == text || errno || (*end && strcmp(end, "%") != 0 && strcmp(end, "d") != 0) ||
        !(out->value >= 0 && out->value <= (out->percent ? 100 : 100000)))
        return failure_set(failure, ERROR_USAGE, "%s '%s' is neither days (14) nor percent (25%%)",
                           option, text);
    return ERROR_NONE;
}

static enum error set_policy(struct judge_policy *policy, const struct scan_settings *settings,
                             struct failure *failure) {
    enum error error = ERROR_NONE;

    *policy = judge_policy_default();
    policy->defaults = !settings->warn && !settings->critical;
    if (settings->warn)
        error = parse_threshold(settings->warn, "--warn", &policy->warning, failure);
    if (error == ERROR_NONE && settings->critical)
        error = parse_threshold(settings->critical, "--critical", &policy->critical, failure);
    return error;
}

static enum error set_version(const char *text, const char *option, uint16_t *out,
                              struct failure *failure) {
    if (text && (!tls_version_by_name(slice_of(text), out) || *out < TLS_VERSION_TLS10))
        return failure_set(failure, ERROR_USAGE, "%s '%s' is none of 1.0, 1.1, 1.2 and 1.3", option,
                           text);
    return ERROR_NONE;
}

static enum error set_client(struct probe_setup *setup, const struct scan_settings *settings,
                             struct failure *failure) {
    struct tls_client_options options = tls_client_options_default();
    enum error error;

    if ((error = set_version(settings->tls_min, "--tls-min", &options.version_min, failure)) ||
        (error = set_version(settings->tls_max, "--tls-max", &options.version_max, failure)))
        return error;
    if (options.version_min > options.version_max)
        return failure_set(failure, ERROR_USAGE, "--tls-min is above --tls-max");
    if (settings->groups)
        error = tls_client_options_groups(&options, slice_of(settings->groups), failure);
    if (error == ERROR_NONE && settings->alpn)
        error = tls_client_options_alpn(&options, slice_of(settings->alpn), failure);
    if (error != ERROR_NONE)
        return error;
    setup->probe.client = setup->client = tls_client_new(&options);
    return setup->client ? ERROR_NONE
                         : failure_set(failure, ERROR_MEMORY, "no memory for the TLS client");
}

static enum error set_tls(struct probe_setup *setup, const struct scan_settings *settings,
                          struct failure *failure) {
    struct prober_settings *probe = &setup->probe;
    struct tls_grab_options grab = {
        .signatures = (enum tls_signature_wish)settings->sigalgs,
        .random_share = settings->grab_share != 0,
    };

    enum error error = set_client(setup, settings, failure);
    if (error != ERROR_NONE)
        return error;
    probe->profile = setup->profile = tls_grab_profile_new(&grab);
    if (!setup->profile)
        return failure_set(failure, ERROR_MEMORY, "no memory for the hello of a grab");
    if (settings->no_verify || probe->plan == PLAN_GRAB)
        return ERROR_NONE;
    error = trust_store_open(&setup->roots, settings->ca_file, failure);
    for (uint32_t i = 0; error == ERROR_NONE && i < settings->ca_add.count; i++)
        error = trust_store_add(setup->roots, settings->ca_add.items[i], failure);
    probe->roots = setup->roots;
    return error;
}

/* Its thread begins here, so that CRL files are read, and found wrong, before anything is probed.
 */
static enum error set_fetcher(struct probe_setup *setup, const struct scan_settings *settings,
                              struct failure *failure) {
    const struct option_list *files = &settings->crl_files;
    struct prober_settings *probe = &setup->probe;
    struct fetcher_config config = {
        .user_agent = "trawl/" TRAWL_VERSION,
        .excluded = setup->excluded,
        .forbidden = setup->forbidden,
        .crl_files = files->items,
        .crl_file_count = files->count,
        .fetch_crls = settings->crl,
        .timeout_ms = (uint32_t)settings->fetch_timeout_ms,
    };

    probe->fetch_issuers = settings->fetch_issuers;
    probe->check_revocation = settings->crl || files->count;
    probe->fetch_timeout_ms = config.timeout_ms;
    if (!probe->fetch_issuers && !probe->check_revocation)
        return ERROR_NONE;
    if (settings->no_verify || probe->plan == PLAN_GRAB)
        return failure_set(failure, ERROR_USAGE,
                           "--fetch-issuers, --crl and --crl-file are for chains that are "
                           "verified: neither with --no-verify nor with --plan grab");
    enum error error = fetcher_open(&setup->fetcher, &config, failure);
    probe->fetcher = setup->fetcher;
    return error;
}

static enum error set_names(struct probe_setup *setup, const struct scan_settings *settings,
                            struct failure *failure) {
    setup->probe.hosts = setup->hosts = resolver_hosts_new(NULL);
    setup->probe.dns_servers = settings->resolver;
    setup->probe.prefer_v4 = !machine_has_ipv6();
    return setup->hosts ? ERROR_NONE
                        : failure_set(failure, ERROR_MEMORY, "no memory for the hosts file");
}

static enum error set_logs(struct probe_setup *setup, const struct scan_settings *settings,
                           struct failure *failure) {
    const struct known_logs_files files = {settings->log_list, settings->log_list_signature,
                                           settings->log_list_key};

    if (!files.list)
        return files.signature || files.key
                   ? failure_set(failure, ERROR_USAGE, "of which list? --log-list is missing")
                   : ERROR_NONE;
    if (files.key && !files.signature)
        return failure_set(failure, ERROR_USAGE,
                           "--log-list-key checks a signature: --log-list-signature is missing");
    enum error error = known_logs_read(&setup->known_logs, &files, failure);
    setup->probe.logs = setup->known_logs.logs;
    setup->probe.log_count = setup->known_logs.count;
    return error;
}

enum error probe_setup_init(struct probe_setup *setup, const struct scan_settings *settings,
                            const struct console *console, struct failure *failure) {
    enum error error;

    setup->probe = (struct prober_settings){
        .plan = (enum plan)settings->plan,
        .run = random_seed(),
        .dns_timeout_ms = (uint32_t)settings->dns_timeout_ms,
        .connect_timeout_ms = (uint32_t)settings->connect_timeout_ms,
        .starttls_timeout_ms = (uint32_t)settings->starttls_timeout_ms,
        .handshake_timeout_ms = (uint32_t)settings->handshake_timeout_ms,
        .total_timeout_ms =
            (uint32_t)settings->timeout_ms * (settings->plan == PLAN_AUDIT ? AUDIT_TIMEOUTS : 1),
        .all_addresses = settings->addresses != 0,
        .allow_common_name = settings->allow_cn,
        .dane = settings->dane,
        .forbidden = setup->forbidden,
        .forbidden_words = setup->forbidden_words,
    };
    if ((error = set_policy(&setup->probe.policy, settings, failure)) ||
        (error = choose_io(setup, settings, console, failure)) ||
        (error = choose_slots(setup, settings, failure)) ||
        (error = set_pace(setup, settings, failure)) ||
        (error = set_excluded(setup, settings, failure)) ||
        (error = set_names(setup, settings, failure)) ||
        (error = set_logs(setup, settings, failure)) ||
        (error = set_fetcher(setup, settings, failure)))
        return error;
    return set_tls(setup, settings, failure);
}

void probe_setup_deinit(struct probe_setup *setup) {
    fetcher_close(setup->fetcher);
    tls_client_free(setup->client);
    tls_grab_profile_free(setup->profile);
    trust_store_close(setup->roots);
    resolver_hosts_free(setup->hosts);
    address_set_free(setup->excluded);
    caps_free(setup->caps);
    known_logs_deinit(&setup->known_logs);
}
