/* Any bytes as what lies in the bucket of jobs: a descriptor or, behind a byte that is not 0,
 * options. What is read survives being written and read again, and is safe to show. */
#include "tests/fuzz/take.h"
#include "tools/fleet/job.h"
#include "tools/fleet/parcel.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
    assert(memchr(text, 0, size));
    for (; *text; text++)
        assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void read_descriptor(struct slice bytes) {
    struct failure failure = {0};
    struct job job, again;
    struct buffer out;
    char id[JOB_ID_BYTES];

    if (job_read(&job, bytes, &failure)) {
        assert(failure.text[0]);
        return;
    }
    check_text(job.title, sizeof job.title);
    check_text(job.by, sizeof job.by);
    job_id_write(job.run, id);
    assert(strcmp(id, job.id) == 0 && job_label_is_valid(slice_of(job.label)));
    buffer_init(&out);
    job_write(&job, &out);
    assert(out.len <= JOB_DESCRIPTOR_BYTES_MAX);
    enum error error = job_read(&again, buffer_slice(&out), &failure);
    assert(!error && again.run == job.run && again.seed == job.seed && again.state == job.state);
    assert(again.targets == job.targets && again.created_ms == job.created_ms);
    assert(strcmp(again.title, job.title) == 0 && strcmp(again.label, job.label) == 0);
    buffer_deinit(&out);
}

static void check_again(const struct job_options *options) {
    struct job_options again;
    struct failure failure;
    struct buffer out;

    buffer_init(&out);
    job_options_write(options, &out);
    enum error error = job_options_read(&again, buffer_slice(&out), &failure);
    assert(!error && again.option_count == options->option_count &&
           again.file_count == options->file_count &&
           again.rendering_count == options->rendering_count);
    for (uint32_t i = 0; i < options->option_count; i++) {
        const char *value = options->options[i].value;
        assert(strcmp(again.options[i].name, options->options[i].name) == 0);
        assert(value ? strcmp(again.options[i].value, value) == 0 : !again.options[i].value);
        assert(!options->options[i].is_file || job_options_file(options, value));
    }
    for (uint32_t i = 0; i < options->file_count; i++)
        assert(slice_equal(buffer_slice(&again.files[i].bytes),
                           buffer_slice(&options->files[i].bytes)));
    job_options_deinit(&again);
    buffer_deinit(&out);
}

static void read_options(struct slice bytes) {
    struct failure failure = {0};
    struct parcel_encoding parcels;
    struct job_options options;

    if (job_options_read(&options, bytes, &failure)) {
        assert(failure.text[0]);
    } else {
        check_again(&options);
        if (parcel_encoding_init(&parcels, &options, &failure) == ERROR_NONE)
            parcel_encoding_deinit(&parcels);
    }
    job_options_deinit(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice bytes = {data, size};

    if (take_byte(&bytes))
        read_options(bytes);
    else
        read_descriptor(bytes);
    return 0;
}
