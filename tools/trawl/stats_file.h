/* Documents of figures: what they begin and end with, and a file that is whole or not there at
 * all. */
#ifndef TOOLS_TRAWL_STATS_FILE_H
#define TOOLS_TRAWL_STATS_FILE_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

struct stats_number {
    const char *name;
    uint64_t value;
};

/* Appends `{"seconds": …` and the numbers, a line each. */
void stats_file_begin(struct buffer *out, double seconds, const struct stats_number *numbers,
                      size_t count);
/* Appends "outputs", which is JSON, and the end. */
void stats_file_end(struct buffer *out, struct slice outputs);

enum error stats_file_write(const char *path, struct slice text, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
