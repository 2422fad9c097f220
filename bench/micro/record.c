/* From a chain to a record, and from a record to bytes. */
#include "bench/micro/micro.h"
#include "bench/micro/samples.h"
#include "engine/record/encoder.h"

#include <stdlib.h>

struct recording {
    struct farm_chain chain;
    struct link_cache *links;
    struct probe_record *record;
    struct field_selection fields;
    struct encoding encoding;
    struct buffer out;
};

static void *open_record(const void *argument) {
    struct recording *recording = calloc(1, sizeof *recording);

    if (!recording || !farm_chains_init(&recording->chain, 1, FARM_GOOD_ECDSA, NULL) ||
        !(recording->links = link_cache_new()) ||
        !(recording->record = sample_record(&recording->chain, recording->links)) ||
        field_selection_init(&recording->fields, &probe_record_kind, NULL, NULL))
        abort(); /* no memory */
    recording->encoding = (struct encoding){.encoder = argument, .fields = &recording->fields};
    buffer_init(&recording->out);
    return recording;
}

static void close_record(void *state) {
    struct recording *recording = state;
    record_put(&recording->record->head);
    link_cache_free(recording->links);
    farm_chains_deinit(&recording->chain, 1);
    field_selection_deinit(&recording->fields);
    buffer_deinit(&recording->out);
    free(recording);
}

static void run_record(void *state, uint64_t times) {
    struct recording *recording = state;

    for (; times; times--) {
        struct probe_record *record = sample_record(&recording->chain, recording->links);
        if (!record)
            abort();
        record_put(&record->head);
    }
}

/* Into a buffer as large as the batches of a worker. */
static void run_encode(void *state, uint64_t times) {
    enum { BATCH_BYTES = 64 * 1024 };
    struct recording *recording = state;
    const struct encoding *encoding = &recording->encoding;

    for (; times; times--) {
        if (recording->out.len > BATCH_BYTES)
            recording->out.len = 0;
        encoding->encoder->encode(encoding, &recording->record->head, &recording->out);
    }
    micro_keep(recording->out.ptr);
}

const struct micro_case record_cases[] = {
    {"record", "a record made and judged", open_record, run_record, close_record, NULL},
    {"encode.json", "a record", open_record, run_encode, close_record, &json_encoder},
    {"encode.csv", "a record", open_record, run_encode, close_record, &csv_encoder},
    {"encode.msgpack", "a record", open_record, run_encode, close_record, &msgpack_encoder},
    {"encode.names", "a record", open_record, run_encode, close_record, &names_encoder},
    {"encode.pem", "a record", open_record, run_encode, close_record, &pem_encoder},
    {0},
};
