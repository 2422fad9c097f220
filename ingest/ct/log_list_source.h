/* Where the log list comes from: a URL, or a file, with its signature beside it
 * (log_list.json, log_list.sig). It is only read again when it changed: by ETag or Last-Modified,
 * or by the file's time and size.
 *
 * One thread at a time: that of whoever loads it first, then that of the logs. */
#ifndef INGEST_CT_LOG_LIST_SOURCE_H
#define INGEST_CT_LOG_LIST_SOURCE_H

#include "engine/http/client.h"
#include "ingest/ct/log_list.h"

struct log_list_source;

struct log_list_source_config {
    const char *where; /* http://, https://, or a path */
    struct slice key;  /* as of log_list_check_signature; empty for Google's */
    bool unsigned_too; /* without a signature, too; what is signed must be signed right */
};

enum error log_list_source_open(struct log_list_source **out,
                                const struct log_list_source_config *config,
                                struct failure *failure) __attribute__((warn_unused_result));
/* Nothing may be under way. NULL is fine. */
void log_list_source_close(struct log_list_source *source);

const char *log_list_source_where(const struct log_list_source *source);

/* Reads it now, however long that takes (a minute at most). */
enum error log_list_source_load(struct log_list_source *source,
                                const struct http_client_config *http, struct log_list **out,
                                struct failure *failure) __attribute__((warn_unused_result));

/* Looks whether it changed. `done` comes once: before this returns where it is a file, else from
 * http_client_step of the client; never when the client is closed before. `list` is the newer one,
 * for the callee to free, or NULL; then `failure` says why, or is NULL: nothing is new. Returns
 * whether the list was taken: one that was not is told again. */
typedef bool log_list_done(void *context, struct log_list *list, const struct failure *failure);
void log_list_source_look(struct log_list_source *source, struct http_client *client,
                          log_list_done *done, void *context);

#endif
