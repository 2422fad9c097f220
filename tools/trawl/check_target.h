/* What a check is of: one server, or a file or folder of certificates. */
#ifndef TOOLS_TRAWL_CHECK_TARGET_H
#define TOOLS_TRAWL_CHECK_TARGET_H

#include "engine/probe/target.h"
#include "tools/trawl/check_settings.h"

struct check_target {
    const char *path; /* of the file or folder, into the text that was read; NULL for a server */
    /* The server; of a file, what its certificates should be for, empty for anything. */
    struct target server;
    /* Why the server, which is to be asked for another name than its own, has no address; NULL when
     * it has. Static text. */
    const char *no_address;
};

/* Reads TARGET with the options that complete it: port, protocol, name. May ask the system's
 * resolver, and so wait: when a host is to be asked for another name than its own. */
enum error check_target_read(const struct check_settings *settings, const char *text,
                             struct check_target *out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
