/* A story for `trawl demo --ct`: the certificates of a small company, Example, appear in a log
 * among thousands of others. Its own renewals are known; one certificate for its login page is
 * somebody else's; some names only look like its own.
 *
 * The demo writes what a watcher of that company has into a folder:
 *
 *     watch_list.txt      the company's domains, one a line
 *     inventory/          its certificates, a PEM file each: those of the renewals to come
 *     log_list.json, log_list.sig, log_list.pem   the list, its signature, who signs it
 *
 * and starts the farm. The owner removes the folder. */
#ifndef BENCH_CTFARM_CTFARM_DEMO_H
#define BENCH_CTFARM_CTFARM_DEMO_H

#include "bench/ctfarm/ctfarm.h"

enum ctfarm_demo_what { CTFARM_DEMO_RENEWAL, CTFARM_DEMO_HIJACK, CTFARM_DEMO_LOOKALIKE };

struct ctfarm_demo_event {
    uint64_t index; /* of the entry */
    enum ctfarm_demo_what what;
    bool precert;        /* its final certificate is a later event */
    const char *names;   /* with commas between them */
    const char *summary; /* a line for a person */
};

enum {
    CTFARM_DEMO_ENTRIES = 5000,
    CTFARM_DEMO_START = 1000, /* entries there are when it begins */
    CTFARM_DEMO_RATE = 200,   /* entries a second: it takes 20 seconds */
};

struct ctfarm_demo;

/* `folder` exists and is empty. `rate`: entries a second; 0: CTFARM_DEMO_RATE. Failures name their
 * cause; nothing runs then. */
enum error ctfarm_demo_start(struct ctfarm_demo **out, const char *folder, double rate,
                             struct failure *failure) __attribute__((warn_unused_result));
void ctfarm_demo_stop(struct ctfarm_demo *demo);

/* Lives as long as the demo. */
const struct ctfarm *ctfarm_demo_farm(const struct ctfarm_demo *demo);

/* What will happen, in the order of the log. */
uint32_t ctfarm_demo_event_count(void);
struct ctfarm_demo_event ctfarm_demo_event(uint32_t number);

#endif
