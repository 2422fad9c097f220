#include "engine/base/quote.h"
#include "ingest/source.h"

#include <assert.h>
#include <stdlib.h>

/* The last one takes everything, so that a malformed target is told what is wrong with it. */
const struct source_kind *const sources[] = {
    &source_list, &source_stdin, &source_file, &source_block, &source_target, NULL,
};

enum error source_open(struct source **out, const struct source_context *context, const char *spec,
                       struct failure *failure) {
    assert(context->ports && context->ports->count && context->protocols);
    *out = NULL;
    struct slice text = slice_of(spec);
    const struct source_kind *const *kind = sources;
    while (*kind && !(*kind)->takes(text))
        kind++;
    if (!*kind)
        return failure_set(failure, ERROR_USAGE, "no source takes %s", quote_of(text).text);

    struct source *source = calloc(1, (*kind)->size);
    if (!source)
        return failure_set(failure, ERROR_MEMORY, "no memory for a source");
    source->kind = *kind;
    source->context = context;
    enum error error = source->kind->open(source, text, failure);
    if (error)
        source_close(source);
    else
        *out = source;
    return error;
}

void source_close(struct source *source) {
    if (source && source->kind->close)
        source->kind->close(source);
    free(source);
}
