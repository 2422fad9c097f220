/* What stands on the command line itself: a single target, a block of addresses, or certificates in
 * files. Three kinds, so that `trawl list sources` shows them, with one implementation (spec.h). */
#include "engine/base/quote.h"
#include "ingest/source.h"
#include "ingest/spec.h"
#include "ingest/target_parse.h"

struct argument_source {
    struct source source;
    struct spec spec;
};

static bool takes_file(struct slice spec) {
    struct slice path;
    return target_is_file(spec, &path);
}

static bool takes_any(struct slice spec) {
    (void)spec;
    return true;
}

static enum error argument_open(struct source *source, struct slice spec, struct failure *failure) {
    struct argument_source *argument = (struct argument_source *)source;
    struct failure reason;
    enum error error = spec_read(&argument->spec, source->context, slice_trim(spec), &reason);
    if (error)
        return failure_set(failure, error, "%s: %s", reason.text, quote_of(spec).text);
    spec_begin(&argument->spec, source->context);
    return ERROR_NONE;
}

static enum source_result argument_next(struct source *source, struct target *target,
                                        struct failure *failure) {
    (void)failure;
    struct argument_source *argument = (struct argument_source *)source;
    return spec_next(&argument->spec, target) ? spec_result(&argument->spec, source) : SOURCE_END;
}

static uint64_t argument_skip(struct source *source, uint64_t targets) {
    return spec_skip(&((struct argument_source *)source)->spec, targets);
}

static uint64_t argument_total(const struct source *source) {
    return spec_total(&((const struct argument_source *)source)->spec);
}

static const struct spec *argument_spec(const struct source *source) {
    return &((const struct argument_source *)source)->spec;
}

const struct source_kind source_file = {
    .name = "file",
    .summary = "certificates in a file or folder: PEM, DER, PKCS#12",
    .example = "file:/etc/letsencrypt/live",
    .size = sizeof(struct argument_source),
    .takes = takes_file,
    .open = argument_open,
    .next = argument_next,
};

const struct source_kind source_block = {
    .name = "block",
    .summary = "addresses of a CIDR block or a range, in random order",
    .example = "192.0.2.0/24, 192.0.2.1-20, 2001:db8::/120",
    .size = sizeof(struct argument_source),
    .takes = cidr_is_block,
    .open = argument_open,
    .next = argument_next,
    .skip = argument_skip,
    .spec = argument_spec,
    .total = argument_total,
};

const struct source_kind source_target = {
    .name = "target",
    .summary = "one host, address or URL; host@address chooses both name and address",
    .example = "example.com, 192.0.2.1:8443, [2001:db8::1]:443, https://example.com/",
    .size = sizeof(struct argument_source),
    .takes = takes_any,
    .open = argument_open,
    .next = argument_next,
    .skip = argument_skip,
    .spec = argument_spec,
    .total = argument_total,
};
