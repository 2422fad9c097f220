#include "tools/fleet/page.h"

#include "tools/fleet/pack.h"

#include <inttypes.h>
#include <stdio.h>

enum { MESSAGE_VALUES = 5, TARGET_VALUES = 3, RENDERING_VALUES = 3 };

void page_id(const char *job, uint64_t first, uint32_t count, uint32_t attempt,
             char out[PAGE_ID_BYTES]) {
    int len = snprintf(out, PAGE_ID_BYTES, "%.*s.%" PRIu64 "-%" PRIu64, JOB_ID_BYTES - 1, job,
                       first, first + count - 1);

    if (attempt)
        snprintf(out + len, PAGE_ID_BYTES - (size_t)len, ".a%u", attempt);
}

/* --- Writing --- */

static void write_target(msgpack_packer *packer, const struct page_target *target,
                         uint32_t renderings) {
    msgpack_pack_array(packer, TARGET_VALUES + RENDERING_VALUES * (size_t)renderings);
    msgpack_pack_uint8(packer, (uint8_t)target->fate);
    msgpack_pack_uint8(packer, (uint8_t)target->outcome);
    msgpack_pack_uint8(packer, (uint8_t)target->status);
    for (uint32_t i = 0; i < renderings; i++) {
        msgpack_pack_uint32(packer, target->renderings[i].records);
        msgpack_pack_uint32(packer, target->renderings[i].left_out);
        pack_bytes(packer, target->renderings[i].bytes);
    }
}

size_t page_target_bytes_max(const struct page_target *target, uint32_t renderings) {
    size_t bytes = PACK_HEAD_BYTES_MAX + TARGET_VALUES; /* which are below 128 */

    for (uint32_t i = 0; i < renderings; i++)
        bytes += RENDERING_VALUES * PACK_HEAD_BYTES_MAX + target->renderings[i].bytes.len;
    return bytes;
}

void page_write(const char *worker, struct page_span span, const struct page_target *targets,
                uint32_t renderings, struct buffer *out) {
    msgpack_packer packer;

    pack_begin(&packer, out);
    msgpack_pack_array(&packer, MESSAGE_VALUES);
    msgpack_pack_uint32(&packer, PAGE_VERSION);
    pack_text(&packer, slice_first(slice_of(worker), PAGE_WORKER_BYTES - 1));
    msgpack_pack_uint32(&packer, span.page_count);
    msgpack_pack_uint64(&packer, span.first);
    msgpack_pack_array(&packer, span.count);
    for (uint32_t i = 0; i < span.count; i++)
        write_target(&packer, &targets[i], renderings);
}

/* --- Reading --- */

/* Counts and bytes of a rendering fit each other, and the target's fate. */
static bool is_sound(const struct page_target *target, uint32_t rendering) {
    uint32_t records = target->renderings[rendering].records;
    size_t bytes = target->renderings[rendering].bytes.len;

    return target->fate == PAGE_PROBED
               ? records || !bytes
               : !records && !bytes && !target->renderings[rendering].left_out;
}

static void read_target(struct unpack *in, uint32_t renderings, struct page_target *out) {
    uint32_t values = TARGET_VALUES + RENDERING_VALUES * renderings;

    *out = (struct page_target){0};
    unpack_list(in, values, values);
    out->fate = (enum page_fate)unpack_number(in, 0, PAGE_FATES - 1);
    out->outcome = (enum outcome)unpack_number(in, 0, OUTCOME_COUNT - 1);
    out->status = (enum status)unpack_number(in, 0, STATUS_COUNT - 1);
    for (uint32_t i = 0; i < renderings; i++) {
        out->renderings[i].records = (uint32_t)unpack_number(in, 0, PAGE_RECORDS_MAX);
        out->renderings[i].left_out = (uint32_t)unpack_number(in, 0, PAGE_RECORDS_MAX);
        out->renderings[i].bytes = unpack_bytes(in, 0, UINT32_MAX);
        in->failed |= !is_sound(out, i);
    }
}

/* All of it within one page, and not beyond its end. */
static bool is_within_page(struct page_span span) {
    uint64_t place = (span.first - 1) % PAGE_TARGETS;

    return place + span.count <= span.page_count;
}

enum error page_read(struct page_message *out, struct slice bytes, uint32_t renderings,
                     struct failure *failure) {
    struct unpack in;
    enum error error = unpack_begin(&in, bytes, MESSAGE_VALUES, PAGE_VERSION, "page", failure);

    if (error)
        return error;
    out->worker = unpack_bytes(&in, 0, PAGE_WORKER_BYTES - 1);
    out->span.page_count = (uint32_t)unpack_number(&in, 1, PAGE_TARGETS);
    out->span.first = unpack_number(&in, 1, JOB_TARGETS_MAX);
    out->span.count = unpack_list(&in, 1, PAGE_TARGETS);
    in.failed |= !in.failed && !is_within_page(out->span);
    for (uint32_t i = 0; i < out->span.count && !in.failed; i++)
        read_target(&in, renderings, &out->targets[i]);
    return unpack_end(&in, "page", failure);
}
