/* Sinks: batches of JSON records written to files and to nothing, counted a record. */
#include "bench/micro/micro.h"
#include "bench/micro/samples.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH_RECORDS = 48,         /* some 64 KiB, as workers hand them on */
    FILE_RECORDS = 1024 * 1024, /* then the file is begun anew: 1.5 GB on the disk are enough */
};

struct sinking {
    struct field_selection fields;
    struct buffer batch;
    struct sink_config config;
    char path[64];
};

/* `argument`: the suffix of the file, or NULL for the null sink. */
static void *open_sinking(const void *argument) {
    struct sinking *sinking = calloc(1, sizeof *sinking);
    struct link_cache *links = link_cache_new();
    struct farm_chain chain;
    struct probe_record *record;

    if (!sinking || !links || !farm_chains_init(&chain, 1, FARM_GOOD_ECDSA, NULL) ||
        !(record = sample_record(&chain, links)) ||
        field_selection_init(&sinking->fields, &probe_record_kind, NULL, NULL))
        abort(); /* no memory */
    struct encoding encoding = {.encoder = &json_encoder, .fields = &sinking->fields};
    buffer_init(&sinking->batch);
    for (int i = 0; i < BATCH_RECORDS; i++)
        json_encoder.encode(&encoding, &record->head, &sinking->batch);
    record_put(&record->head);
    link_cache_free(links);
    farm_chains_deinit(&chain, 1);
    snprintf(sinking->path, sizeof sinking->path, argument ? "/tmp/bench-micro-%ld%s" : "null",
             (long)getpid(), argument ? (const char *)argument : "");
    sinking->config = (struct sink_config){.spec = sinking->path, .fields = &sinking->fields};
    return sinking;
}

static void close_sinking(void *state) {
    struct sinking *sinking = state;
    if (sinking->path[0] == '/')
        unlink(sinking->path);
    buffer_deinit(&sinking->batch);
    field_selection_deinit(&sinking->fields);
    free(sinking);
}

/* Opening and finishing count too, as in a sweep of so many records. */
static void run_file(struct sinking *sinking, uint64_t records) {
    struct sink *sink;
    struct failure failure;

    if (sink_open(&sink, &sinking->config, &failure))
        abort();
    for (uint64_t done = 0; done < records; done += BATCH_RECORDS)
        if (sink->kind->write(sink, buffer_slice(&sinking->batch), BATCH_RECORDS, &failure))
            abort(); /* the disk is full */
    if (sink->kind->finish(sink, &failure))
        abort();
    sink_close(sink);
}

static void run_sink(void *state, uint64_t times) {
    for (uint64_t part; times; times -= part) {
        part = times < FILE_RECORDS ? times : FILE_RECORDS;
        run_file(state, part);
    }
}

const struct micro_case sink_cases[] = {
    {"sink.null", "a record", open_sinking, run_sink, close_sinking, NULL},
    {"sink.file", "a record of JSON", open_sinking, run_sink, close_sinking, ".jsonl"},
    {"sink.file-gzip", "a record of JSON", open_sinking, run_sink, close_sinking, ".jsonl.gz"},
    {0},
};
