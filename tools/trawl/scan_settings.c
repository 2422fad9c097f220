#include "tools/trawl/scan_settings.h"

#include "ingest/source.h"

#include <stddef.h>
#include <string.h>

const char *const scan_plans[] = {"handshake", "grab", "audit", NULL};
static const char *const addresses[] = {"first", "all", NULL};
static const char *const sigalgs[] = {"all", "rsa", "ecdsa", NULL};
static const char *const shares[] = {"base", "random", NULL};
const char *const scan_io[] = {[IO_AUTO] = "auto", "uring", "epoll", NULL};

#define FIELD(name) offsetof(struct scan_settings, name)
static const char what[] = "What is probed", how[] = "How it is probed", out[] = "Output",
                  many[] = "Many machines";

const struct option_spec scan_options[] = {
    {"ports", 'p', OPTION_TEXT, "LIST", "ports of targets that name none: 443,8000-8010", what,
     FIELD(ports), 0, 0, NULL, NULL},
    {"addresses", 0, OPTION_CHOICE, "WHICH", "of a name: first that answers, or all", what,
     FIELD(addresses), 0, 0, addresses, NULL},
    {"resolver", 0, OPTION_TEXT, "LIST", "DNS servers: 192.0.2.53,[2001:db8::53]:5353", what,
     FIELD(resolver), 0, 0, NULL, "those of resolv.conf"},
    {"input-format", 0, OPTION_CHOICE, "FORMAT", "of lists and standard input", what,
     FIELD(input_format), 0, 0, source_formats, NULL},
    {"password-file", 0, OPTION_TEXT, "FILE", "its first line opens PKCS#12 files", what,
     FIELD(password_file), 0, 0, NULL, "no password"},
    {"exclude", 0, OPTION_LIST, "WHAT", "never connect there: a block, or @FILE with one a line",
     what, FIELD(exclude), 0, 0, NULL, "none"},
    {"shard", 0, OPTION_TEXT, "I/N", "the I-th of N equal parts, for several machines", what,
     FIELD(shard), 0, 0, NULL, "all"},
    {"checkpoint", 0, OPTION_TEXT, "FILE", "remember what is done; go on there when run again",
     what, FIELD(checkpoint), 0, 0, NULL, "none"},
    {"seed", 0, OPTION_NUMBER, "N", "of the order in which blocks are swept", what, FIELD(seed), 0,
     0, NULL, "another each time"},
    {"plan", 0, OPTION_CHOICE, "PLAN",
     "handshake: complete and verified; grab: the certificate and no more; audit: handshake, and "
     "all that the server is willing to do, by up to 80 connections, one after another, in six "
     "times --timeout",
     how, FIELD(plan), 0, 0, scan_plans, NULL},
    {"concurrency", 'c', OPTION_NUMBER, "N", "connections at once", how, FIELD(concurrency), 1,
     1000000, NULL, "by the machine's limits"},
    {"workers", 0, OPTION_NUMBER, "N", "threads that probe", how, FIELD(workers), 1, 256, NULL,
     "one a core"},
    {"rate", 0, OPTION_NUMBER, "N", "new connections a second at most", how, FIELD(rate), 1,
     100000000, NULL, "no limit"},
    {"max-per-host", 0, OPTION_NUMBER, "N", "connections at once to one address", how,
     FIELD(max_per_host), 1, 1000000, NULL, "no limit"},
    {"max-per-network", 0, OPTION_NUMBER, "N", "connections at once to a /24 (IPv6: /48)", how,
     FIELD(max_per_network), 1, 1000000, NULL, "no limit"},
    {"io", 0, OPTION_CHOICE, "KIND", "how to talk to the kernel", how, FIELD(io), 0, 0, scan_io,
     NULL},
    {"timeout", 0, OPTION_SECONDS, "TIME", "for a target as a whole", how, FIELD(timeout_ms), 100,
     3600000, NULL, NULL},
    {"dns-timeout", 0, OPTION_SECONDS, "TIME", "for a name", how, FIELD(dns_timeout_ms), 100,
     3600000, NULL, NULL},
    {"connect-timeout", 0, OPTION_SECONDS, "TIME", "for a connection", how,
     FIELD(connect_timeout_ms), 100, 3600000, NULL, NULL},
    {"starttls-timeout", 0, OPTION_SECONDS, "TIME", "for a server to agree to TLS", how,
     FIELD(starttls_timeout_ms), 100, 3600000, NULL, NULL},
    {"handshake-timeout", 0, OPTION_SECONDS, "TIME", "for a handshake", how,
     FIELD(handshake_timeout_ms), 100, 3600000, NULL, NULL},
    {"ca-file", 0, OPTION_TEXT, "PATH", "trusted roots: a PEM file or a folder", how,
     FIELD(ca_file), 0, 0, NULL, "the system's"},
    {"ca-add", 0, OPTION_LIST, "PATH", "more trusted roots, beside those", how, FIELD(ca_add), 0, 0,
     NULL, "none"},
    {"no-verify", 0, OPTION_FLAG, NULL, "do not verify chains", how, FIELD(no_verify), 0, 0, NULL,
     NULL},
    {"fetch-issuers", 0, OPTION_FLAG, NULL,
     "fetch issuers that a server does not send, as its certificates say (caIssuers)", how,
     FIELD(fetch_issuers), 0, 0, NULL, NULL},
    {"crl", 0, OPTION_FLAG, NULL, "fetch the CRLs of trusted certificates, and look there", how,
     FIELD(crl), 0, 0, NULL, NULL},
    {"crl-file", 0, OPTION_LIST, "PATH", "look in this CRL first", how, FIELD(crl_files), 0, 0,
     NULL, "none"},
    {"fetch-timeout", 0, OPTION_SECONDS, "TIME", "for all that is fetched of a target", how,
     FIELD(fetch_timeout_ms), 100, 3600000, NULL, NULL},
    {"allow-cn", 0, OPTION_FLAG, NULL, "match the common name where there is no subjectAltName",
     how, FIELD(allow_cn), 0, 0, NULL, NULL},
    {"dane", 0, OPTION_FLAG, NULL, "compare certificates with the TLSA records of their names", how,
     FIELD(dane), 0, 0, NULL, NULL},
    {"log-list", 0, OPTION_TEXT, "FILE", "check SCTs against the logs of this list (v3, JSON)", how,
     FIELD(log_list), 0, 0, NULL, "none"},
    {"log-list-signature", 0, OPTION_TEXT, "FILE", "who made that list must have signed it: here",
     how, FIELD(log_list_signature), 0, 0, NULL, "not checked"},
    {"log-list-key", 0, OPTION_TEXT, "FILE", "and has this key", how, FIELD(log_list_key), 0, 0,
     NULL, "Google's"},
    {"tls-min", 0, OPTION_TEXT, "VERSION", "lowest TLS version of a handshake: 1.2", how,
     FIELD(tls_min), 0, 0, NULL, "1.0"},
    {"tls-max", 0, OPTION_TEXT, "VERSION", "highest TLS version of a handshake", how,
     FIELD(tls_max), 0, 0, NULL, "1.3"},
    {"groups", 0, OPTION_TEXT, "LIST", "key exchange of a handshake: X25519,P-256", how,
     FIELD(groups), 0, 0, NULL, "X25519,P-256,P-384,P-521"},
    {"alpn", 0, OPTION_TEXT, "LIST", "application protocols of a handshake; '' for none", how,
     FIELD(alpn), 0, 0, NULL, "h2,http/1.1"},
    {"sigalgs", 0, OPTION_CHOICE, "KIND", "kind of certificate that a grab asks for", how,
     FIELD(sigalgs), 0, 0, sigalgs, NULL},
    {"grab-share", 0, OPTION_CHOICE, "KIND", "key share of a grab: random costs more", how,
     FIELD(grab_share), 0, 0, shares, NULL},
    {"warn", 'w', OPTION_TEXT, "LIMIT", "warning this long before the end: 14 days, or 25%", how,
     FIELD(warn), 0, 0, NULL, "14, a third of short lives"},
    {"critical", 0, OPTION_TEXT, "LIMIT", "critical this long before the end", how, FIELD(critical),
     0, 0, NULL, "3, a tenth of short lives"},
    OUTPUT_OPTIONS(struct scan_settings, out),
    {"quiet", 'q', OPTION_FLAG, NULL, "no progress and no summary", out, FIELD(quiet), 0, 0, NULL,
     NULL},
    {"stats", 0, OPTION_TEXT, "FILE", "write the sweep's figures as JSON", out, FIELD(stats), 0, 0,
     NULL, "none"},
    {"via", 0, OPTION_TEXT, "URL",
     "have it done by the workers (trawl worker) of this cluster: nats://HOST,HOST/FLEET", many,
     FIELD(via), 0, 0, NULL, "this machine does it"},
    {"attach", 0, OPTION_TEXT, "JOB", "collect what --via has begun; with the same outputs", many,
     FIELD(attach), 0, 0, NULL, "a new job"},
    {"label", 0, OPTION_TEXT, "LABEL", "only workers with this label may do it", many, FIELD(label),
     0, 0, NULL, "all"},
    {"lease", 0, OPTION_SECONDS, "TIME", "a worker that is silent for so long is replaced", many,
     FIELD(lease_ms), 1000, 3600000, NULL, "30s"},
    {"buffer", 0, OPTION_BYTES, "SIZE", "records that may wait in the cluster to be collected",
     many, FIELD(buffer_bytes), 1 << 20, UINT64_C(1) << 50, NULL, "256M"},
    {0},
};

enum error scan_settings_check_attach(const struct scan_settings *settings,
                                      struct failure *failure) {
    static const char *const fine[] = {"checkpoint", "via", "attach", NULL};
    struct scan_settings defaults;
    enum error error = ERROR_NONE;

    scan_settings_init(&defaults);
    for (const struct option_spec *spec = scan_options; spec->name && !error; spec++) {
        bool is_fine = spec->group == out || option_is_default(spec, settings, &defaults);
        for (uint32_t i = 0; fine[i]; i++)
            is_fine = is_fine || strcmp(spec->name, fine[i]) == 0;
        if (!is_fine)
            error = failure_set(failure, ERROR_USAGE,
                                "--%s cannot be given with --attach: the job has it from the one "
                                "who began it",
                                spec->name);
    }
    scan_settings_deinit(&defaults);
    return error;
}

void scan_settings_init(struct scan_settings *settings) {
    *settings = (struct scan_settings){
        .ports = "443",
        .dns_timeout_ms = 5000,
        .connect_timeout_ms = 5000,
        .starttls_timeout_ms = 5000,
        .handshake_timeout_ms = 10000,
        .timeout_ms = 20000,
        .fetch_timeout_ms = 5000,
    };
    output_settings_init(&settings->output);
    option_list_init(&settings->exclude);
    option_list_init(&settings->ca_add);
    option_list_init(&settings->crl_files);
}

void scan_settings_deinit(struct scan_settings *settings) {
    output_settings_deinit(&settings->output);
    option_list_deinit(&settings->exclude);
    option_list_deinit(&settings->ca_add);
    option_list_deinit(&settings->crl_files);
}
