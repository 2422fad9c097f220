/* Takes records and keeps none: to measure a sweep without its output. With --format records are
 * encoded all the same. */
#include "sinks/sink.h"

static bool takes(struct slice spec) {
    return slice_is(spec, "null");
}

static enum error open_null(struct sink *sink, const struct sink_config *config,
                            struct failure *failure) {
    (void)sink, (void)config, (void)failure;
    return ERROR_NONE;
}

static enum error write_null(struct sink *sink, struct slice bytes, uint32_t records,
                             struct failure *failure) {
    (void)sink, (void)bytes, (void)records, (void)failure;
    return ERROR_NONE;
}

static enum error do_nothing(struct sink *sink, struct failure *failure) {
    (void)sink, (void)failure;
    return ERROR_NONE;
}

static void close_null(struct sink *sink) {
    (void)sink;
}

const struct sink_kind null_sink = {
    .name = "null",
    .summary = "counts records and throws them away, for measuring",
    .example = "-o null",
    .size = sizeof(struct sink),
    .takes = takes,
    .open = open_null,
    .write = write_null,
    .tick = do_nothing,
    .finish = do_nothing,
    .close = close_null,
};
