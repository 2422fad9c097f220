#include "tools/trawl/stats_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void stats_file_begin(struct buffer *out, double seconds, const struct stats_number *numbers,
                      size_t count) {
    buffer_add_format(out, "{\n  \"seconds\": %.3f", seconds);
    for (size_t i = 0; i < count; i++)
        buffer_add_format(out, ",\n  \"%s\": %llu", numbers[i].name,
                          (unsigned long long)numbers[i].value);
}

void stats_file_end(struct buffer *out, struct slice outputs) {
    buffer_add_text(out, ",\n  \"outputs\": ");
    buffer_add_slice(out, outputs);
    buffer_add_text(out, "\n}\n");
}

enum error stats_file_write(const char *path, struct slice text, struct failure *failure) {
    char partial[4096];

    snprintf(partial, sizeof partial, "%s.partial", path);
    FILE *file = fopen(partial, "we");
    bool ok = file && fwrite(text.ptr, 1, text.len, file) == text.len;
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && rename(partial, path) == 0;
    if (ok)
        return ERROR_NONE;
    enum error error = (enum error)errno;
    if (file)
        unlink(partial);
    return failure_set(failure, error, "%s cannot be written: %s", path, error_text(error));
}
