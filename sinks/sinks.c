#include "sinks/sink.h"

#include "sinks/spooled.h"

#include <errno.h>
#include <stdlib.h>

/* file comes last: it takes everything that is not a URL. */
const struct sink_kind *const sinks[] = {
    &null_sink,           &webhook_sink, &msgpack_acknowledged_sink,
    &msgpack_socket_sink, &nats_sink,    &sqlite_sink,
    &postgresql_sink,     &file_sink,    NULL,
};

const struct sink_kind *sink_kind_of(const char *spec) {
    for (size_t i = 0; sinks[i]; i++)
        if (sinks[i]->takes(slice_of(spec)))
            return sinks[i];
    return NULL;
}

struct sink *sink_new(const struct sink_kind *kind, const struct sink_config *config) {
    struct sink *sink = calloc(1, kind->size);

    if (!sink)
        return NULL;
    sink->kind = kind;
    sink->spec = config->spec;
    sink->encoding = (struct encoding){.encoder = config->encoder,
                                       .fields = config->fields,
                                       .terminal_columns = config->terminal_columns,
                                       .color = config->color};
    return sink;
}

enum error sink_open(struct sink **out, const struct sink_config *config, struct failure *failure) {
    *out = NULL;
    if (!config->spec[0])
        return failure_set(failure, ERROR_USAGE,
                           "an empty name for the output; give a path, or - for standard output");
    const struct sink_kind *kind = sink_kind_of(config->spec);
    if (!kind)
        return failure_set(failure, ERROR_USAGE,
                           "no kind of sink takes %.200s; `trawl list sinks` shows what there is, "
                           "and ./NAME is always a file",
                           config->spec);
    if (kind->spools)
        return spooled_open(out, kind, config, failure);
    struct sink *sink = sink_new(kind, config);
    if (!sink)
        return failure_set(failure, ERROR_MEMORY, "no memory for the output %.200s", config->spec);
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
    free(sink->own_spec);
    free(sink);
}

static void note_dead(struct sink_leftovers *leftovers, struct slice bytes, uint32_t records,
                      const struct failure *failure) {
    struct buffer *notes = &leftovers->notes;
    struct sink_note *last =
        notes->len ? (struct sink_note *)(void *)(notes->ptr + notes->len) - 1 : NULL;

    buffer_add_slice(&leftovers->dead, bytes);
    if (last && strcmp(last->failure.text, failure->text) == 0) {
        last->bytes += bytes.len;
        last->records += records;
    } else {
        struct sink_note note = {bytes.len, records, *failure};
        buffer_add(notes, &note, sizeof note);
    }
}

void sink_delivery_refuse(struct sink_delivery *delivery, struct slice bytes, uint32_t records,
                          const struct failure *failure) {
    struct sink_leftovers *leftovers = delivery->leftovers;

    delivery->refused += records;
    delivery->failure = *failure;
    if (leftovers && failure->code == ERROR_REFUSED) {
        note_dead(leftovers, bytes, records, failure);
    } else if (leftovers) {
        buffer_add_slice(&leftovers->again, bytes);
        leftovers->again_records += records;
    }
}

struct sink_statistics sink_statistics_read(const struct sink_statistics *from) {
    struct sink_statistics copy;
    const uint64_t *numbers = (const uint64_t *)from;
    uint64_t *to = (uint64_t *)&copy;

    for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
        to[i] = __atomic_load_n(&numbers[i], __ATOMIC_RELAXED);
    return copy;
}

bool sink_error_passes(enum error error) {
    switch ((int)error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ENOTCONN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return true;
    default:
        return false;
    }
}
