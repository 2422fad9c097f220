/* What `trawl worker` can be told, its option table, and the policy that follows: where this
 * machine lets others send it. */
#ifndef TOOLS_TRAWL_WORKER_SETTINGS_H
#define TOOLS_TRAWL_WORKER_SETTINGS_H

#include "engine/base/address_set.h"
#include "engine/base/option.h"

enum { WORKER_NAME_BYTES = 64 };

struct worker_settings {
    const char *via, *name, *resolver, *stats;
    struct option_list allow, exclude, labels;
    uint64_t concurrency, workers, rate, idle_exit_ms;
    int io;
    bool only_labels, quiet;
};

extern const struct option_spec worker_options[];

void worker_settings_init(struct worker_settings *settings);
void worker_settings_deinit(struct worker_settings *settings);

/* Constant once it is made. */
struct worker_policy {
    char name[WORKER_NAME_BYTES]; /* of the worker: what it was told, or host and process */
    char words[160];              /* of the records of what is not allowed */
    struct address_set *forbidden;
};

/* Fills `policy`, which is zeroed; deinit also after a failure. */
enum error worker_policy_init(struct worker_policy *policy, const struct worker_settings *settings,
                              struct failure *failure) __attribute__((warn_unused_result));
void worker_policy_deinit(struct worker_policy *policy);

/* Whether a job may have its names looked up there: a list as of --resolver. ERROR_UNSUPPORTED
 * tells which server is not allowed. */
enum error worker_policy_check_resolver(const struct worker_policy *policy, const char *list,
                                        struct failure *failure)
    __attribute__((warn_unused_result));

#endif
