/* Records on their way from the workers of a pool to the pages of a shard: an encoder, whose
 * records are a fixed head and each rendering's bytes. They leave by the pool's outlets, so the
 * pool's back-pressure is theirs, too. */
#ifndef TOOLS_FLEET_PARCEL_H
#define TOOLS_FLEET_PARCEL_H

#include "engine/record/encoder.h"
#include "engine/record/filter.h"
#include "tools/fleet/job.h"

/* Given to the pool as the encoding of an outlet; constant while it runs, at one place. */
struct parcel_encoding {
    struct encoding head;              /* of parcel_encoder */
    struct field_selection all_fields; /* its parts alone: what all renderings and filters need */
    uint32_t count;
    struct {
        struct encoding encoding;
        struct field_selection fields;
        struct filter *filter; /* NULL for all records */
    } renderings[JOB_RENDERINGS_MAX];
};

/* ERROR_USAGE: an encoder, field or condition that this version does not know. */
enum error parcel_encoding_init(struct parcel_encoding *out, const struct job_options *options,
                                struct failure *failure) __attribute__((warn_unused_result));
void parcel_encoding_deinit(struct parcel_encoding *encoding);

extern const struct encoder parcel_encoder;

struct parcel {
    uint64_t number; /* of the target */
    enum outcome outcome;
    enum status status;
    struct {
        bool wanted; /* by the filter */
        struct slice bytes;
    } renderings[JOB_RENDERINGS_MAX];
};

/* The next of a batch, whose bytes it points into. False at its end. */
bool parcel_next(struct slice *batch, uint32_t renderings, struct parcel *out);

#endif
