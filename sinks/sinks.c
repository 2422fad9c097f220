#include "sinks/sink.h"

#include <errno.h>
#include <stdlib.h>

/* file comes last: it takes everything that is not a URL. */
const struct sink_kind *const sinks[] = {
    &null_sink, &webhook_sink, &msgpack_socket_sink, &file_sink, NULL,
};

static const struct sink_kind *find_kind(struct slice spec) {
    for (size_t i = 0; sinks[i]; i++)
        if (sinks[i]->takes(spec))
            return sinks[i];
    return NULL;
}

enum error sink_open(struct sink **out, const struct sink_config *config, struct failure *failure) {
    *out = NULL;
    if (!config->spec[0])
        return failure_set(failure, ERROR_USAGE,
                           "an empty name for the output; give a path, or - for standard output");
    const struct sink_kind *kind = find_kind(slice_of(config->spec));
    if (!kind)
        return failure_set(failure, ERROR_USAGE,
                           "no kind of sink takes %.200s; `trawl list sinks` shows what there is, "
                           "and ./NAME is always a file",
                           config->spec);
    struct sink *sink = calloc(1, kind->size);
    if (!sink)
        return failure_set(failure, ERROR_MEMORY, "no memory for the output %.200s", config->spec);
    sink->kind = kind;
    sink->spec = config->spec;
    sink->encoding = (struct encoding){.encoder = config->encoder,
                                       .fields = config->fields,
                                       .terminal_columns = config->terminal_columns,
                                       .color = config->color};
    enum error error = kind->open(sink, config, failure);
    if (error) {
        sink_close(sink);
        return error;
    }
    *out = sink;
    return ERROR_NONE;
}

void sink_close(struct sink *sink) {
    if (!sink)
        return;
    sink->kind->close(sink);
    free(sink);
}

bool sink_error_passes(enum error error) {
    switch ((int)error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOTCONN:
        return true;
    default:
        return false;
    }
}
