#include "tools/trawl/check_settings.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"

#include <assert.h>
#include <stddef.h>

static const char *const validations[] = {
    [VALIDATE_NONE] = "none", [VALIDATE_CN] = "CN", [VALIDATE_CN_SAN] = "CN/SAN", NULL};

#define SCAN(name)  offsetof(struct check_settings, scan.name)
#define FIELD(name) offsetof(struct check_settings, name)
static const char what[] = "What is checked", prtg[] = "As PRTG's Script v2 sensors take them";

static const struct option_spec own_options[] = {
    {"as", 0, OPTION_CHOICE, "FORM", "form of the answer", what, FIELD(form), 0, 0,
     check_form_names, NULL},
    {"port", 'p', OPTION_NUMBER, "N", "port, where TARGET has none", what, FIELD(port), 1, 65535,
     NULL, "that of the protocol"},
    {"protocol", 'P', OPTION_TEXT, "NAME", "what comes before TLS: smtp, imap, ldap ...", what,
     FIELD(protocol), 0, 0, NULL, "by the port"},
    {"name", 'n', OPTION_TEXT, "NAME", "ask for this name and check it, whatever TARGET is", what,
     FIELD(name), 0, 0, NULL, "TARGET's"},
    {"ignore", 0, OPTION_LIST, "LIST", "findings that do not count: untrusted,name_mismatch", what,
     FIELD(ignore), 0, 0, NULL, "none"},
    {"password-file", 0, OPTION_TEXT, "FILE", "its first line opens PKCS#12 files", what,
     SCAN(password_file), 0, 0, NULL, "no password"},
    {"sni-domain", 0, OPTION_TEXT, "NAME", "the same as --name", prtg, FIELD(name), 0, 0, NULL,
     "TARGET's"},
    {"name-validation", 0, OPTION_CHOICE, "HOW", "what the channel Common Name Check tells", prtg,
     FIELD(validation), 0, 0, validations, NULL},
    {"ca-trust", 0, OPTION_TEXT, "FILE", "the same as --ca-file", prtg, SCAN(ca_file), 0, 0, NULL,
     "the system's"},
    {"system-ca-trust", 0, OPTION_FLAG, NULL, "the system's roots, and those of --ca-trust", prtg,
     FIELD(system_ca_trust), 0, 0, NULL, NULL},
};

/* Those of a scan that one target has a use for, with the letter that they have here. */
static const struct {
    const char *name;
    char letter;
} scan_rows[] = {
    {"warn", 'w'},
    {"critical", 'c'},
    {"plan", 0},
    {"addresses", 0},
    {"resolver", 0},
    {"io", 0},
    {"timeout", 0},
    {"dns-timeout", 0},
    {"connect-timeout", 0},
    {"starttls-timeout", 0},
    {"handshake-timeout", 0},
    {"ca-file", 0},
    {"ca-add", 0},
    {"no-verify", 0},
    {"allow-cn", 0},
    {"dane", 0},
    {"fetch-issuers", 0},
    {"crl", 0},
    {"crl-file", 0},
    {"fetch-timeout", 0},
    {"log-list", 0},
    {"log-list-signature", 0},
    {"log-list-key", 0},
    {"tls-min", 0},
    {"tls-max", 0},
    {"groups", 0},
    {"sigalgs", 0},
    {"grab-share", 0},
    {"fields", 0},
};

static const struct option_spec *scan_option(const char *name) {
    for (size_t i = 0; scan_options[i].name; i++)
        if (strcmp(scan_options[i].name, name) == 0)
            return &scan_options[i];
    return NULL;
}

void check_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    static const char how[] = "How it is probed and judged";
    const size_t own = sizeof own_options / sizeof own_options[0];
    const size_t rows = sizeof scan_rows / sizeof scan_rows[0];
    size_t count = 0;

    assert(own + rows < COMMAND_OPTIONS_MAX);
    for (size_t i = 0; i < own && own_options[i].group == what; i++)
        out[count++] = own_options[i];
    size_t prtg_from = count;
    for (size_t i = 0; i < rows; i++) {
        const struct option_spec *spec = scan_option(scan_rows[i].name);
        if (!spec)
            continue;
        out[count] = *spec;
        out[count].letter = scan_rows[i].letter;
        out[count].group = how;
        out[count++].offset += offsetof(struct check_settings, scan);
    }
    for (size_t i = prtg_from; i < own; i++)
        out[count++] = own_options[i];
    out[count] = (struct option_spec){0};
}

void check_settings_init(struct check_settings *settings) {
    *settings = (struct check_settings){0};
    scan_settings_init(&settings->scan);
    settings->scan.concurrency = settings->scan.workers = 1;
    settings->scan.quiet = true;
    option_list_init(&settings->ignore);
}

void check_settings_deinit(struct check_settings *settings) {
    option_list_deinit(&settings->ignore);
    scan_settings_deinit(&settings->scan);
}

/* --- Findings that do not count --- */

static int finding_by_name(struct slice name) {
    for (int i = 0; i < FINDING_COUNT; i++)
        if (slice_is(name, finding_name((enum finding)i)))
            return i;
    return -1;
}

static const char *nearest_finding(struct slice name) {
    for (int i = 0; i < FINDING_COUNT; i++)
        if (text_is_near(name, slice_of(finding_name((enum finding)i))))
            return finding_name((enum finding)i);
    return NULL;
}

static enum error ignore_one(struct slice name, uint64_t *out, struct failure *failure) {
    int finding = finding_by_name(name);

    if (finding < 0) {
        const char *near = nearest_finding(name);
        return failure_set(failure, ERROR_USAGE, "--ignore: there is no finding %s%s%s%s",
                           quote_of(name).text, near ? ", did you mean \"" : "", near ? near : "",
                           near ? "\"?" : "");
    }
    *out |= UINT64_C(1) << finding;
    return ERROR_NONE;
}

enum error check_ignored(const struct check_settings *settings, uint64_t *out,
                         struct failure *failure) {
    enum error error = ERROR_NONE;

    *out = 0;
    for (uint32_t i = 0; i < settings->ignore.count; i++) {
        struct slice rest = slice_of(settings->ignore.items[i]);
        while (error == ERROR_NONE && rest.len) {
            const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
            error = ignore_one(slice_trim(slice_first(rest, len)), out, failure);
            rest = slice_from(rest, len + 1);
        }
    }
    return error;
}
