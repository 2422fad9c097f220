#include "tools/fleet/parcel.h"

#include "engine/base/quote.h"

#include <assert.h>

/* What stands before the bytes of a record; lengths of its renderings follow. It never leaves the
 * process. */
struct head {
    uint64_t number;
    uint8_t outcome, status, wanted; /* wanted: a bit for each rendering */
};

_Static_assert(JOB_RENDERINGS_MAX <= 8, "a bit each");
_Static_assert(OUTCOME_COUNT <= UINT8_MAX && STATUS_COUNT <= UINT8_MAX, "a byte each");

/* --- The encoder --- */

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct parcel_encoding *parcels = (const struct parcel_encoding *)encoding;
    const struct probe_record *probe = probe_record_of(record);
    uint32_t lengths[JOB_RENDERINGS_MAX] = {0};
    size_t lengths_size = parcels->count * sizeof *lengths, start = out->len;

    assert(probe);
    struct head head = {probe_record_number(probe), (uint8_t)probe->outcome, (uint8_t)probe->status,
                        0};
    if (!buffer_reserve(out, sizeof head + lengths_size))
        return;
    out->len += sizeof head + lengths_size;
    for (uint32_t i = 0; i < parcels->count; i++) {
        const struct encoding *rendering = &parcels->renderings[i].encoding;
        const struct filter *filter = parcels->renderings[i].filter;
        if (filter && !filter_matches(filter, record))
            continue;
        size_t before = out->len;
        rendering->encoder->encode(rendering, record, out);
        lengths[i] = (uint32_t)(out->len - before);
        head.wanted |= (uint8_t)(1 << i);
    }
    if (out->failed)
        return;
    memcpy(out->ptr + start, &head, sizeof head);
    memcpy(out->ptr + start + sizeof head, lengths, lengths_size);
}

const struct encoder parcel_encoder = {
    .name = "parcel",
    .summary = "records on their way to the pages of a fleet",
    .takes_fields = true,
    .encode = encode,
};

bool parcel_next(struct slice *batch, uint32_t renderings, struct parcel *out) {
    uint32_t lengths[JOB_RENDERINGS_MAX];
    struct head head;

    if (!batch->len)
        return false;
    memcpy(&head, batch->ptr, sizeof head);
    memcpy(lengths, batch->ptr + sizeof head, renderings * sizeof *lengths);
    *batch = slice_from(*batch, sizeof head + renderings * sizeof *lengths);
    out->number = head.number;
    out->outcome = (enum outcome)head.outcome;
    out->status = (enum status)head.status;
    for (uint32_t i = 0; i < renderings; i++) {
        out->renderings[i].wanted = head.wanted >> i & 1;
        out->renderings[i].bytes = slice_first(*batch, lengths[i]);
        *batch = slice_from(*batch, lengths[i]);
    }
    return true;
}

/* --- What it holds --- */

static enum error init_rendering(struct parcel_encoding *parcels,
                                 const struct job_rendering *rendering, struct failure *failure) {
    static const struct record_kind *const KINDS[] = {&probe_record_kind, NULL};
    uint32_t i = parcels->count;
    struct encoding *encoding = &parcels->renderings[i].encoding;

    encoding->encoder = encoder_by_name(slice_of(rendering->encoder));
    if (!encoding->encoder)
        return failure_set(failure, ERROR_USAGE, "this version does not know the format %s",
                           quote_of(slice_of(rendering->encoder)).text);
    encoding->fields = &parcels->renderings[i].fields;
    encoding->terminal_columns = rendering->terminal_columns;
    encoding->color = rendering->color;
    enum error error = field_selection_init(&parcels->renderings[i].fields, &probe_record_kind,
                                            rendering->fields, failure);
    if (error)
        return error;
    parcels->count++; /* from here on it is to be freed */
    if (rendering->only)
        error = filter_new(&parcels->renderings[i].filter, KINDS, rendering->only, failure);
    if (error)
        return error;
    const struct filter *filter = parcels->renderings[i].filter;
    parcels->all_fields.parts |= encoding_parts(encoding) | (filter ? filter_parts(filter) : 0);
    return ERROR_NONE;
}

enum error parcel_encoding_init(struct parcel_encoding *out, const struct job_options *options,
                                struct failure *failure) {
    enum error error = ERROR_NONE;

    *out = (struct parcel_encoding){
        .head = {.encoder = &parcel_encoder, .fields = &out->all_fields},
        .all_fields = {.kind = &probe_record_kind},
    };
    for (uint32_t i = 0; i < options->rendering_count && !error; i++)
        error = init_rendering(out, &options->renderings[i], failure);
    if (error)
        parcel_encoding_deinit(out);
    return error;
}

void parcel_encoding_deinit(struct parcel_encoding *encoding) {
    while (encoding->count) {
        uint32_t last = --encoding->count;
        filter_free(encoding->renderings[last].filter);
        field_selection_deinit(&encoding->renderings[last].fields);
    }
}
