/* A document of figures in a file: whole or not at all. */
#ifndef TOOLS_TRAWL_STATS_FILE_H
#define TOOLS_TRAWL_STATS_FILE_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum error stats_file_write(const char *path, struct slice text, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
