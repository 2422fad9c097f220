#include "tools/trawl/check_target.h"

#include "engine/base/quote.h"
#include "engine/starttls/dialogue.h"
#include "ingest/target_parse.h"
#include "tools/trawl/resolve.h"

/* --- Protocol and port --- */

static enum error complete(const struct check_settings *settings, bool is_url,
                           struct target *target, struct failure *failure) {
    uint16_t usual = 0;

    if (settings->port) {
        if (target->port && target->port != settings->port && !is_url)
            return failure_set(failure, ERROR_USAGE, "two ports: %u and --port %u", target->port,
                               (unsigned)settings->port);
        target->port = (uint16_t)settings->port;
    }
    if (settings->protocol) {
        int protocol = dialogue_by_name(slice_of(settings->protocol), &usual);
        if (protocol < 0)
            return failure_set(failure, ERROR_USAGE,
                               "there is no protocol %s: `trawl list protocols` shows them",
                               quote_of(slice_of(settings->protocol)).text);
        if (is_url && protocol != target->protocol)
            return failure_set(failure, ERROR_USAGE, "two protocols: %s and --protocol %s",
                               dialogues[target->protocol]->name, settings->protocol);
        target->protocol = (uint8_t)protocol;
    } else if (!is_url) {
        target->protocol = dialogue_by_port(target->port);
    }
    if (!target->port)
        target->port = usual ? usual : dialogues[target->protocol]->port;
    return ERROR_NONE;
}

/* --- Another name --- */

static enum error rename_server(const char *name, struct check_target *out,
                                struct failure *failure) {
    struct target *server = &out->server;
    struct target named = *server;
    struct failure why;

    if (target_set_name(&named, slice_of(name), &why) != ERROR_NONE)
        return failure_set(failure, ERROR_USAGE, "--name %s: %s", quote_of(slice_of(name)).text,
                           why.text);
    /* A target has one name, and that will be another. */
    if (server->address.family == ADDRESS_NONE && strcmp(server->name, named.name) != 0)
        out->no_address = resolve_name(server);
    if (out->no_address)
        return ERROR_NONE; /* reported under its own name */
    named.address = server->address;
    *server = named;
    return ERROR_NONE;
}

/* --- Files --- */

/* NULL when the text is a server's. */
static const char *path_of(const char *text) {
    struct slice path;
    return target_is_file(slice_of(text), &path) ? (path.len ? (const char *)path.ptr : "") : NULL;
}

static enum error read_file_target(const struct check_settings *settings, struct check_target *out,
                                   struct failure *failure) {
    struct failure why;

    if (!*out->path)
        return failure_set(failure, ERROR_USAGE, "file: without a path");
    if (settings->port || settings->protocol)
        return failure_set(failure, ERROR_USAGE, "a file has neither port nor protocol");
    if (!settings->name || address_parse(slice_of(settings->name), &out->server.address))
        return ERROR_NONE;
    if (target_set_name(&out->server, slice_of(settings->name), &why) != ERROR_NONE)
        return failure_set(failure, ERROR_USAGE, "--name %s: %s",
                           quote_of(slice_of(settings->name)).text, why.text);
    return ERROR_NONE;
}

enum error check_target_read(const struct check_settings *settings, const char *text,
                             struct check_target *out, struct failure *failure) {
    struct failure why;

    *out = (struct check_target){.path = path_of(text)};
    if (out->path)
        return read_file_target(settings, out, failure);
    if (target_parse(slice_of(text), &protocol_lookup_all, &out->server, &why) != ERROR_NONE)
        return failure_set(failure, ERROR_USAGE, "target %s: %s", quote_of(slice_of(text)).text,
                           why.text);
    enum error error = complete(settings, strstr(text, "://") != NULL, &out->server, failure);
    if (error == ERROR_NONE && settings->name)
        error = rename_server(settings->name, out, failure);
    return error;
}
