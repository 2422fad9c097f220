#include "tools/fleet/job.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/fleet/json_document.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const STATES[JOB_STATES] = {"cutting", "running", "done", "cancelled"};

const char *job_state_name(enum job_state state) {
    return STATES[state];
}

/* --- Words --- */

static int hex_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                                        : -1;
}

static bool read_hex(struct slice text, uint8_t *out, size_t bytes) {
    if (text.len != 2 * bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool job_id_read(struct slice text, uint64_t *run) {
    uint8_t bytes[8];
    uint64_t number = 0;

    if (!read_hex(text, bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        number = number << 8 | bytes[i];
    if (run)
        *run = number;
    return true;
}

void job_id_write(uint64_t run, char out[JOB_ID_BYTES]) {
    snprintf(out, JOB_ID_BYTES, "%016" PRIx64, run);
}

bool job_label_is_valid(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i], letter = byte | 0x20;
        bool good = (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
                    byte == '-' || byte == '_' || byte == '.';
        if (!good)
            return false;
    }
    return text.len < JOB_LABEL_BYTES;
}

/* --- The descriptor --- */

static void write_text(struct buffer *out, const char *key, const char *text) {
    buffer_add_format(out, ",\n  \"%s\": ", key);
    json_add_text(slice_of(text), out);
}

static void write_number(struct buffer *out, const char *key, uint64_t number) {
    buffer_add_format(out, ",\n  \"%s\": %" PRIu64, key, number);
}

void job_write(const struct job *job, struct buffer *out) {
    char seed[JOB_ID_BYTES];

    /* As text: many readers of JSON have doubles for numbers, which the seed does not fit. */
    job_id_write(job->seed, seed);
    buffer_add_format(out, "{\n  \"version\": %d", JOB_VERSION);
    write_text(out, "id", job->id);
    write_text(out, "state", job_state_name(job->state));
    write_text(out, "title", job->title);
    write_text(out, "by", job->by);
    write_text(out, "label", job->label);
    write_number(out, "created_ms", (uint64_t)job->created_ms);
    write_text(out, "seed", seed);
    write_number(out, "lease_ms", job->lease_ms);
    write_number(out, "buffer_bytes", job->buffer_bytes);
    write_number(out, "targets", job->targets);
    write_number(out, "pages", job->pages);
    write_number(out, "shards", job->shards);
    write_number(out, "left_out", job->left_out);
    write_number(out, "option_pieces", job->option_pieces);
    buffer_add_text(out, ",\n  \"options_sha256\": \"");
    text_add_hex(out, (struct slice){job->options_sha256, sizeof job->options_sha256});
    buffer_add_text(out, "\"\n}\n");
}

static bool read_id(yyjson_val *value, struct job *out) {
    struct slice text = json_document_text(value);

    if (!job_id_read(text, &out->run))
        return false;
    job_id_write(out->run, out->id);
    return true;
}

static bool read_state(yyjson_val *value, struct job *out) {
    struct slice text = json_document_text(value);

    for (int i = 0; i < JOB_STATES; i++)
        if (text.len && slice_is(text, STATES[i])) {
            out->state = (enum job_state)i;
            return true;
        }
    return false;
}

static bool read_label(yyjson_val *value, struct job *out) {
    struct slice text = json_document_text(value);

    if (!yyjson_is_str(value) || !job_label_is_valid(text))
        return false;
    memcpy(out->label, text.ptr, text.len);
    out->label[text.len] = 0;
    return true;
}

static bool read_numbers(yyjson_val *root, struct job *out) {
    uint64_t created, pieces;
    bool good = json_document_number(root, "created_ms", 0, INT64_MAX, &created) &&
                json_document_number(root, "lease_ms", JOB_LEASE_MS_MIN, JOB_LEASE_MS_MAX,
                                     &out->lease_ms) &&
                json_document_number(root, "buffer_bytes", 0, INT64_MAX, &out->buffer_bytes) &&
                json_document_number(root, "targets", 0, JOB_TARGETS_MAX, &out->targets) &&
                json_document_number(root, "pages", 0, JOB_TARGETS_MAX, &out->pages) &&
                json_document_number(root, "shards", 0, JOB_TARGETS_MAX, &out->shards) &&
                json_document_number(root, "left_out", 0, UINT64_MAX, &out->left_out) &&
                json_document_number(root, "option_pieces", 0, JOB_OPTION_PIECES_MAX, &pieces);

    if (!good)
        return false;
    out->created_ms = (int64_t)created;
    out->option_pieces = (uint32_t)pieces;
    return true;
}

static bool read_descriptor(yyjson_val *root, struct job *out) {
    struct slice title = json_document_text(yyjson_obj_get(root, "title")),
                 by = json_document_text(yyjson_obj_get(root, "by")),
                 sum = json_document_text(yyjson_obj_get(root, "options_sha256"));

    quote_bare(out->title, sizeof out->title, title);
    quote_bare(out->by, sizeof out->by, by);
    return read_id(yyjson_obj_get(root, "id"), out) &&
           read_state(yyjson_obj_get(root, "state"), out) &&
           read_label(yyjson_obj_get(root, "label"), out) &&
           job_id_read(json_document_text(yyjson_obj_get(root, "seed")), &out->seed) &&
           read_hex(sum, out->options_sha256, sizeof out->options_sha256) &&
           read_numbers(root, out);
}

enum error job_read(struct job *out, struct slice bytes, struct failure *failure) {
    yyjson_doc *document;
    enum error error =
        json_document_read(&document, bytes, JOB_DESCRIPTOR_BYTES_MAX, JOB_VERSION, "job", failure);

    if (error)
        return error;
    *out = (struct job){0};
    if (!read_descriptor(yyjson_doc_get_root(document), out))
        error = json_document_refuse("job", failure);
    yyjson_doc_free(document);
    return error;
}
