#include "ingest/ct/log_list_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    TIMEOUT_MS = 60 * 1000,
    STEP_MS = 1000,
    REDIRECTS_MAX = 3,
    HTTP_OK = 200,
    HTTP_NOT_MODIFIED = 304,
    HTTP_NOT_FOUND = 404,
};

/* By what a list is known to be the same. */
struct version {
    char etag[128], last_modified[64];
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct log_list_source {
    char *where, *where_signature;
    struct buffer key;
    bool unsigned_too, is_url;
    struct version version, next; /* of the list that was taken; of the one that is looked at */
    struct buffer json;
    struct http_client *client;
    log_list_done *done;
    void *context;
};

/* --- Opening --- */

static bool begins_with(const char *text, const char *beginning) {
    return strncasecmp(text, beginning, strlen(beginning)) == 0;
}

/* "log_list.sig" for "log_list.json"; else the suffix is added. */
static char *beside(const char *where) {
    size_t len = strlen(where), stem = len;
    char *out;

    if (len > 5 && strcmp(where + len - 5, ".json") == 0)
        stem = len - 5;
    return asprintf(&out, "%.*s.sig", (int)stem, where) < 0 ? NULL : out;
}

enum error log_list_source_open(struct log_list_source **out,
                                const struct log_list_source_config *config,
                                struct failure *failure) {
    struct log_list_source *source = calloc(1, sizeof *source);

    if (!source)
        return failure_set(failure, ERROR_MEMORY, "no memory for the log list");
    source->where = strdup(config->where);
    source->where_signature = beside(config->where);
    source->unsigned_too = config->unsigned_too;
    source->is_url =
        begins_with(config->where, "http://") || begins_with(config->where, "https://");
    buffer_init(&source->key);
    buffer_init(&source->json);
    buffer_add_slice(&source->key, config->key);
    if (!source->where || !source->where_signature || source->key.failed) {
        log_list_source_close(source);
        return failure_set(failure, ERROR_MEMORY, "no memory for the log list");
    }
    *out = source;
    return ERROR_NONE;
}

void log_list_source_close(struct log_list_source *source) {
    if (!source)
        return;
    free(source->where);
    free(source->where_signature);
    buffer_deinit(&source->key);
    buffer_deinit(&source->json);
    free(source);
}

const char *log_list_source_where(const struct log_list_source *source) {
    return source->where;
}

/* --- What came --- */

static void end(struct log_list_source *source, struct log_list *list,
                const struct failure *failure) {
    buffer_deinit(&source->json);
    buffer_init(&source->json);
    if (source->done(source->context, list, failure) && list)
        source->version = source->next;
}

static void end_failed(struct log_list_source *source, enum error code, const char *words) {
    struct failure failure;

    failure_set(&failure, code, "the log list %s: %s", source->where, words);
    end(source, NULL, &failure);
}

/* The list is here; `signature` is empty when there is none. */
static void take(struct log_list_source *source, struct slice signature) {
    struct slice json = buffer_slice(&source->json);
    struct log_list *list = NULL;
    struct failure failure;
    enum error error = ERROR_NONE;

    if (signature.len || !source->unsigned_too)
        error = log_list_check_signature(json, signature, buffer_slice(&source->key), &failure);
    if (error == ERROR_NONE)
        error = log_list_parse(&list, json, &failure);
    if (error != ERROR_NONE) {
        end_failed(source, error, failure.text);
        return;
    }
    end(source, list, NULL);
}

/* --- From a server --- */

static void request(struct log_list_source *source, const char *url, const char *const *headers,
                    size_t body_max, http_done *done) {
    struct http_request request = {
        .method = HTTP_GET,
        .url = url,
        .headers = headers,
        .body_max = body_max,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = TIMEOUT_MS,
        .redirects_max = REDIRECTS_MAX,
    };
    struct failure failure;
    http_handle handle;

    enum error error = http_start(source->client, &request, done, source, 0, &handle, &failure);
    if (error != ERROR_NONE)
        end_failed(source, error, failure.text);
}

/* True when it has failed, and that is told. */
static bool has_failed(struct log_list_source *source, const struct http_answer *answer) {
    char words[64];

    if (answer->error == ERROR_NONE && answer->status == HTTP_OK)
        return false;
    snprintf(words, sizeof words, "HTTP status %u", answer->status);
    end_failed(source, answer->error != ERROR_NONE ? answer->error : ERROR_INPUT,
               answer->error != ERROR_NONE ? answer->message : words);
    return true;
}

static void on_signature(void *context, uint64_t tag, struct http_answer *answer) {
    struct log_list_source *source = context;

    (void)tag;
    if (answer->status == HTTP_NOT_FOUND && source->unsigned_too)
        take(source, (struct slice){NULL, 0});
    else if (!has_failed(source, answer))
        take(source, buffer_slice(&answer->body));
}

static void on_list(void *context, uint64_t tag, struct http_answer *answer) {
    struct log_list_source *source = context;

    (void)tag;
    if (answer->status == HTTP_NOT_MODIFIED) {
        end(source, NULL, NULL);
        return;
    }
    if (has_failed(source, answer))
        return;
    buffer_deinit(&source->json);
    source->json = answer->body;
    buffer_init(&answer->body);
    memcpy(source->next.etag, answer->etag, sizeof source->next.etag);
    memcpy(source->next.last_modified, answer->last_modified, sizeof source->next.last_modified);
    request(source, source->where_signature, NULL, LOG_LIST_SIGNATURE_BYTES_MAX, on_signature);
}

static void look_at_server(struct log_list_source *source) {
    const struct version *version = &source->version;
    const char *headers[2] = {NULL, NULL};
    char condition[160];

    if (version->etag[0]) {
        snprintf(condition, sizeof condition, "If-None-Match: %s", version->etag);
        headers[0] = condition;
    } else if (version->last_modified[0]) {
        snprintf(condition, sizeof condition, "If-Modified-Since: %s", version->last_modified);
        headers[0] = condition;
    }
    request(source, source->where, headers, LOG_LIST_BYTES_MAX, on_list);
}

/* --- From a file --- */

/* Appends all of it, at most `most` bytes. */
static enum error read_all(int descriptor, size_t most, struct buffer *out) {
    for (;;) {
        uint8_t *at = buffer_reserve(out, 64 * 1024);
        if (!at)
            return ERROR_MEMORY;
        ssize_t got = read(descriptor, at, 64 * 1024);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? (enum error)errno : ERROR_NONE;
        out->len += (size_t)got;
        if (out->len > most)
            return ERROR_LIMIT;
    }
}

static bool is_same_file(const struct version *a, const struct version *b) {
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

/* `version` may be NULL; *unchanged is set when it is the one that was taken. */
static enum error read_file(const char *path, size_t most, struct buffer *out,
                            struct log_list_source *source, bool *unchanged) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    enum error error = ERROR_NONE;

    if (descriptor < 0)
        return (enum error)errno;
    if (fstat(descriptor, &status) != 0)
        error = (enum error)errno;
    if (error == ERROR_NONE && source) {
        source->next = (struct version){
            .changed = status.st_mtim, .size = status.st_size, .inode = status.st_ino};
        *unchanged = is_same_file(&source->next, &source->version);
    }
    if (error == ERROR_NONE && !(source && *unchanged))
        error = read_all(descriptor, most, out);
    close(descriptor);
    return error;
}

static void look_at_file(struct log_list_source *source) {
    struct buffer signature;
    bool unchanged = false;

    enum error error =
        read_file(source->where, LOG_LIST_BYTES_MAX, &source->json, source, &unchanged);
    if (error != ERROR_NONE) {
        end_failed(source, error, error_text(error));
        return;
    }
    if (unchanged) {
        end(source, NULL, NULL);
        return;
    }
    buffer_init(&signature);
    error =
        read_file(source->where_signature, LOG_LIST_SIGNATURE_BYTES_MAX, &signature, NULL, NULL);
    if (error == ERROR_NONE || (error == (enum error)ENOENT && source->unsigned_too))
        take(source, buffer_slice(&signature));
    else
        end_failed(source, error, "its signature cannot be read");
    buffer_deinit(&signature);
}

/* --- Looking --- */

void log_list_source_look(struct log_list_source *source, struct http_client *client,
                          log_list_done *done, void *context) {
    source->client = client;
    source->done = done;
    source->context = context;
    if (source->is_url)
        look_at_server(source);
    else
        look_at_file(source);
}

struct loading {
    bool done;
    struct log_list *list;
    struct failure *failure;
    enum error error;
};

static bool on_loaded(void *context, struct log_list *list, const struct failure *failure) {
    struct loading *loading = context;

    loading->done = true;
    loading->list = list;
    if (failure)
        loading->error = failure_set(loading->failure, failure->code, "%s", failure->text);
    else if (!list)
        loading->error =
            failure_set(loading->failure, ERROR_INPUT, "the log list was not sent again");
    return true;
}

enum error log_list_source_load(struct log_list_source *source,
                                const struct http_client_config *http, struct log_list **out,
                                struct failure *failure) {
    struct loading loading = {.failure = failure};
    struct http_client *client = NULL;
    enum error error;

    if (source->is_url && (error = http_client_open(&client, http, failure)) != ERROR_NONE)
        return error;
    source->version = (struct version){.size = 0};
    log_list_source_look(source, client, on_loaded, &loading);
    while (!loading.done)
        http_client_step(client, STEP_MS);
    http_client_close(client);
    *out = loading.list;
    return loading.error;
}
