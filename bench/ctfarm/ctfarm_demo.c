#include "bench/ctfarm/ctfarm_demo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FINAL_AFTER = 40, PATH_BYTES = 4096 };

/* Each is logged as a precertificate, and FINAL_AFTER entries later as the final certificate. */
static const struct plan {
    uint16_t index;
    enum ctfarm_demo_what what;
    const char *names, *summary;
} PLANS[] = {
    {1300, CTFARM_DEMO_RENEWAL, "www.example.org,example.org", "the web site is renewed"},
    {1700, CTFARM_DEMO_LOOKALIKE, "examp1e.org,www.examp1e.org", "a digit in place of a letter"},
    {2000, CTFARM_DEMO_RENEWAL, "mail.example.org,imap.example.org", "the mail server is renewed"},
    {2300, CTFARM_DEMO_LOOKALIKE, "example-login.net", "the brand and a word"},
    {2700, CTFARM_DEMO_RENEWAL, "*.dev.example.org", "the wildcard of the developers is renewed"},
    {3100, CTFARM_DEMO_HIJACK, "login.example.org",
     "somebody else has a certificate for the login page"},
    {3500, CTFARM_DEMO_LOOKALIKE, "exarnple.org", "two letters that look like one"},
    {3900, CTFARM_DEMO_RENEWAL, "login.example.org", "the login page is renewed by its owner"},
    {4300, CTFARM_DEMO_LOOKALIKE, "xn--exmple-cua.org", "ex\xc3\xa4mple.org"},
};
enum { PLAN_COUNT = sizeof PLANS / sizeof *PLANS, EVENT_COUNT = 2 * PLAN_COUNT };

struct ctfarm_demo {
    struct ctfarm *farm;
    struct ctfarm_wish wishes[EVENT_COUNT];
};

uint32_t ctfarm_demo_event_count(void) {
    return EVENT_COUNT;
}

/* No plan lies between another and its final certificate, so pairs are in order. */
struct ctfarm_demo_event ctfarm_demo_event(uint32_t number) {
    const struct plan *plan = &PLANS[number / 2];
    bool precert = number % 2 == 0;
    return (struct ctfarm_demo_event){
        .index = plan->index + (precert ? 0u : (unsigned)FINAL_AFTER),
        .what = plan->what,
        .precert = precert,
        .names = plan->names,
        .summary = plan->summary,
    };
}

static void make_wishes(struct ctfarm_wish wishes[EVENT_COUNT]) {
    static const int AUTHORITIES[] = {[CTFARM_DEMO_RENEWAL] = CTFARM_CA_OWN,
                                      [CTFARM_DEMO_HIJACK] = CTFARM_CA_HIJACK,
                                      [CTFARM_DEMO_LOOKALIKE] = CTFARM_CA_HIJACK};
    for (uint32_t i = 0; i < EVENT_COUNT; i++) {
        struct ctfarm_demo_event event = ctfarm_demo_event(i);
        wishes[i] = (struct ctfarm_wish){
            .index = event.index,
            .precert = event.precert,
            .partner = event.precert ? CTFARM_NO_PARTNER : PLANS[i / 2].index,
            .names = event.names,
            .ca = AUTHORITIES[event.what],
            .same_key = CTFARM_NO_PARTNER,
        };
    }
}

/* --- Files --- */

static enum error write_file(const char *folder, const char *name, struct buffer *bytes,
                             struct failure *failure) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    errno = ENOMEM;
    FILE *file = bytes->failed ? NULL : fopen(path, "we");
    bool written = file && fwrite(bytes->ptr, 1, bytes->len, file) == bytes->len;
    written = file && fclose(file) == 0 && written;
    bytes->len = 0;
    return written ? ERROR_NONE
                   : failure_set(failure, (enum error)errno, "%s cannot be written: %s", path,
                                 error_text((enum error)errno));
}

static enum error write_list(const struct ctfarm *farm, const char *folder, struct buffer *bytes,
                             struct failure *failure) {
    buffer_add_text(bytes, "example.org\n");
    enum error error = write_file(folder, "watch_list.txt", bytes, failure);
    buffer_add_slice(bytes, ctfarm_list(farm));
    if (!error)
        error = write_file(folder, "log_list.json", bytes, failure);
    ctfarm_sign_list(ctfarm_log(farm), ctfarm_list(farm), bytes);
    if (!error)
        error = write_file(folder, "log_list.sig", bytes, failure);
    ctfarm_add_list_key(ctfarm_log(farm), bytes);
    return error ? error : write_file(folder, "log_list.pem", bytes, failure);
}

static enum error write_inventory(const struct ctfarm *farm, const char *folder,
                                  struct buffer *bytes, struct failure *failure) {
    enum error error = ERROR_NONE;
    struct ctfarm_entry *entry = ctfarm_entry_new();
    if (!entry)
        return failure_set(failure, ERROR_MEMORY, "no memory for the demo");
    for (uint32_t i = 0; i < EVENT_COUNT && !error; i++) {
        struct ctfarm_demo_event event = ctfarm_demo_event(i);
        char name[32];
        if (event.precert || event.what != CTFARM_DEMO_RENEWAL)
            continue;
        ctfarm_entry_make(ctfarm_log(farm), event.index, false, entry);
        ctfarm_add_pem(ctfarm_entry_certificate(entry), bytes);
        snprintf(name, sizeof name, "%u.pem", (unsigned)i);
        error = write_file(folder, name, bytes, failure);
    }
    ctfarm_entry_free(entry);
    return error;
}

static enum error write_files(const struct ctfarm *farm, const char *folder,
                              struct failure *failure) {
    char inventory[PATH_BYTES];
    struct buffer bytes;
    snprintf(inventory, sizeof inventory, "%s/inventory", folder);
    if (mkdir(inventory, 0700) && errno != EEXIST)
        return failure_set(failure, (enum error)errno, "%s cannot be made: %s", inventory,
                           error_text((enum error)errno));
    buffer_init(&bytes);
    enum error error = write_list(farm, folder, &bytes, failure);
    if (!error)
        error = write_inventory(farm, inventory, &bytes, failure);
    buffer_deinit(&bytes);
    return error;
}

/* --- Start and stop --- */

enum error ctfarm_demo_start(struct ctfarm_demo **out, const char *folder, double rate,
                             struct failure *failure) {
    struct ctfarm_demo *demo = calloc(1, sizeof *demo);
    struct ctfarm_options options;
    if (!demo)
        return failure_set(failure, ERROR_MEMORY, "no memory for the demo");
    make_wishes(demo->wishes);
    ctfarm_options_init(&options);
    options.log.entries = CTFARM_DEMO_ENTRIES;
    options.log.wishes = demo->wishes;
    options.log.wish_count = EVENT_COUNT;
    options.start = CTFARM_DEMO_START;
    options.rate = rate > 0 ? rate : (double)CTFARM_DEMO_RATE;
    enum error error = ctfarm_start(&demo->farm, &options, failure);
    if (!error)
        error = write_files(demo->farm, folder, failure);
    if (error) {
        ctfarm_demo_stop(demo);
        return error;
    }
    *out = demo;
    return ERROR_NONE;
}

void ctfarm_demo_stop(struct ctfarm_demo *demo) {
    if (!demo)
        return;
    ctfarm_stop(demo->farm);
    free(demo);
}

const struct ctfarm *ctfarm_demo_farm(const struct ctfarm_demo *demo) {
    return demo->farm;
}
