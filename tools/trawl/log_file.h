/* Standard error into a file: what the program says, and what libraries print. */
#ifndef TOOLS_TRAWL_LOG_FILE_H
#define TOOLS_TRAWL_LOG_FILE_H

#include "engine/base/error.h"

/* Appends to `path` from here on; NULL leaves standard error as it is. */
enum error log_file_open(const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* After logrotate has moved it away: a new file of that name. When it cannot be opened the old one
 * stays, and says so. */
void log_file_reopen(const char *path);

#endif
