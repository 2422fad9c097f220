#include "tools/trawl/known_logs.h"

#include "engine/base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEP_BYTES = 64 * 1024,
    ACCEPTED = LOG_LIST_CURRENT | LOG_LIST_BIT(LOG_LIST_RETIRED),
};

/* As much as a list may have, and one byte more. */
static enum error read_file(const char *path, struct buffer *out, struct failure *failure) {
    FILE *file = fopen(path, "re");
    size_t len = file ? 1 : 0;
    int cause = errno;

    while (len && out->len <= LOG_LIST_BYTES_MAX) {
        uint8_t *to = buffer_reserve(out, STEP_BYTES);
        len = to ? fread(to, 1, STEP_BYTES, file) : 0;
        out->len += len;
        cause = errno;
    }
    bool failed = !file || ferror(file);
    if (file)
        fclose(file);
    if (out->failed)
        return failure_set(failure, ERROR_MEMORY, "%s: no memory", path);
    return failed ? failure_set(failure, (enum error)cause, "%s: %s", path,
                                error_text((enum error)cause))
                  : ERROR_NONE;
}

/* What is in the files; the last two stay empty when they are not named. */
struct contents {
    struct buffer list, signature, key;
};

static enum error read_files(struct contents *contents, const struct known_logs_files *files,
                             struct failure *failure) {
    enum error error = read_file(files->list, &contents->list, failure);

    if (error == ERROR_NONE && files->signature)
        error = read_file(files->signature, &contents->signature, failure);
    if (error == ERROR_NONE && files->key)
        error = read_file(files->key, &contents->key, failure);
    return error;
}

static enum error understand(struct known_logs *out, const struct contents *contents,
                             const struct known_logs_files *files, struct failure *failure) {
    struct slice json = buffer_slice(&contents->list);
    enum error error = ERROR_NONE;
    struct failure why;

    if (files->signature)
        error = log_list_check_signature(json, buffer_slice(&contents->signature),
                                         buffer_slice(&contents->key), &why);
    if (error == ERROR_NONE)
        error = log_list_parse(&out->list, json, &why);
    if (error != ERROR_NONE)
        return failure_set(failure, error, "%s: %s", files->list, why.text);
    out->logs = calloc(out->list->log_count + 1, sizeof *out->logs);
    if (!out->logs)
        return failure_set(failure, ERROR_MEMORY, "%s: no memory", files->list);
    out->count = log_list_sct_logs(out->list, ACCEPTED, out->logs);
    return ERROR_NONE;
}

enum error known_logs_read(struct known_logs *out, const struct known_logs_files *files,
                           struct failure *failure) {
    struct contents contents;

    buffer_init(&contents.list);
    buffer_init(&contents.signature);
    buffer_init(&contents.key);
    enum error error = read_files(&contents, files, failure);
    if (error == ERROR_NONE)
        error = understand(out, &contents, files, failure);
    buffer_deinit(&contents.list);
    buffer_deinit(&contents.signature);
    buffer_deinit(&contents.key);
    return error;
}

void known_logs_deinit(struct known_logs *logs) {
    free(logs->logs);
    log_list_free(logs->list);
}
