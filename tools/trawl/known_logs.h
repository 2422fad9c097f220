/* The logs of Certificate Transparency that a list in a file names: against them SCTs are checked.
 * Read once, then constant. */
#ifndef TOOLS_TRAWL_KNOWN_LOGS_H
#define TOOLS_TRAWL_KNOWN_LOGS_H

#include "ingest/ct/log_list.h"

struct known_logs {
    struct log_list *list;
    struct sct_log *logs; /* of the list: those that were accepted once, which an old certificate
                             may have its SCTs from */
    uint32_t count;
};

/* Which files; the last two may be NULL. A signature is checked when there is one, by the key or by
 * Google's. */
struct known_logs_files {
    const char *list, *signature, *key;
};

/* `out` is zeroed; deinit also after a failure, whose words name the file. */
enum error known_logs_read(struct known_logs *out, const struct known_logs_files *files,
                           struct failure *failure) __attribute__((warn_unused_result));
void known_logs_deinit(struct known_logs *logs);

#endif
