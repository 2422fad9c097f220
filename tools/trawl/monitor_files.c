#include "tools/trawl/monitor_files.h"

#include "sinks/store/database.h"
#include "tools/monitor/ask_health.h"
#include "tools/trawl/confine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL for a store on a server. */
static const char *store_path(const struct monitor_files *files) {
    return strncmp(files->url, "sqlite:", 7) == 0 ? files->url + 7 : NULL;
}

void monitor_files_init(struct monitor_files *files, const struct monitor_settings *settings) {
    const char *store = settings->store, *prefix = "";

    if (!database_takes(slice_of(store)))
        prefix = "sqlite:";
    snprintf(files->url, sizeof files->url, "%s%s", prefix, store);
    const char *path = store_path(files);
    if (settings->token_file)
        snprintf(files->token, sizeof files->token, "%s", settings->token_file);
    else
        snprintf(files->token, sizeof files->token, "%.4000s.token", path ? path : "trawl");
}

/* --- What may be written --- */

static enum error add_path(void *context, const char *path, bool is_folder) {
    struct failure failure; /* too many: the caller has words for it */

    return is_folder ? confine_add_folder(context, path, &failure)
                     : confine_add_file(context, path, &failure);
}

static void keep_temporary_beside(const char *path) {
    const char *slash = strrchr(path, '/');
    char folder[MONITOR_PATH_BYTES] = ".";

    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
    setenv("SQLITE_TMPDIR", folder, 0);
}

enum error monitor_files_confine(const struct monitor_files *files,
                                 const struct monitor_settings *settings,
                                 const struct monitor_ct *ct, bool *confined,
                                 struct failure *failure) {
    const char *const paths[] = {files->token, store_path(files), settings->log_file};
    struct confine_folders folders;
    enum error error = confine_user(settings->user, failure);

    if (error)
        return error;
    if (paths[1])
        keep_temporary_beside(paths[1]);
    confine_folders_init(&folders);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && !error; i++)
        error = paths[i] ? add_path(&folders, paths[i], false) : ERROR_NONE;
    if (!error)
        error = monitor_ct_each_path(ct, add_path, &folders);
    if (error)
        return failure_set(failure, error, "files in too many folders are written");
    return confine_writing(&folders, confined, failure);
}

/* --- How another one is --- */

/* TRAWL_TOKEN, or what stands in the file; "" without either: it may ask for none. */
static void read_token(const struct monitor_settings *settings, char out[AUTH_TOKEN_MAX + 2]) {
    const char *token = getenv("TRAWL_TOKEN");
    struct monitor_files files;

    snprintf(out, AUTH_TOKEN_MAX + 2, "%s", token ? token : "");
    monitor_files_init(&files, settings);
    FILE *file = *out ? NULL : fopen(files.token, "re");
    if (file && !fgets(out, AUTH_TOKEN_MAX + 2, file))
        *out = '\0';
    if (file)
        fclose(file);
    out[strcspn(out, " \t\r\n")] = '\0';
}

enum error monitor_ask(const struct monitor_settings *settings, bool *well, struct buffer *answer,
                       struct failure *failure) {
    char token[AUTH_TOKEN_MAX + 2];
    const struct ask_health ask = {
        .listen = settings->listen,
        .ca_file = settings->tls_cert,
        .name = settings->tls_cert && settings->hosts.count ? settings->hosts.items[0] : NULL,
        .token = token,
    };
    uint16_t status = 0;

    read_token(settings, token);
    enum error error = ask_health(&ask, &status, answer, failure);
    *well = status == 200;
    return error;
}
