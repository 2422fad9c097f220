/* Where the monitor's store and token are, what it may write, and a look at one that runs. */
#ifndef TOOLS_TRAWL_MONITOR_FILES_H
#define TOOLS_TRAWL_MONITOR_FILES_H

#include "tools/monitor/settings.h"
#include "tools/trawl/monitor_ct.h"

enum { MONITOR_PATH_BYTES = 4096 };

struct monitor_files {
    char url[MONITOR_PATH_BYTES];   /* of the store; a bare path is SQLite's */
    char token[MONITOR_PATH_BYTES]; /* an administrator's; beside a SQLite file, in the working
                                       folder of a store on a server */
};

void monitor_files_init(struct monitor_files *files, const struct monitor_settings *settings);

/* Becomes the user of the settings, and from here on writes only where store, token, log and `ct`
 * do. SQLite's own files of a moment go beside the store, too. Before any thread is started.
 * `*confined` is false where the kernel cannot do that. */
enum error monitor_files_confine(const struct monitor_files *files,
                                 const struct monitor_settings *settings,
                                 const struct monitor_ct *ct, bool *confined,
                                 struct failure *failure) __attribute__((warn_unused_result));

/* Asks the monitor that runs with these settings how it is. `*well`: it says that all is well; the
 * answer is appended. */
enum error monitor_ask(const struct monitor_settings *settings, bool *well, struct buffer *answer,
                       struct failure *failure) __attribute__((warn_unused_result));

#endif
