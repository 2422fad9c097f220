#include "tools/fleet/shard.h"

#include "tools/fleet/pack.h"

enum { MESSAGE_VALUES = 5, ITEM_VALUES = 3 };

static const struct {
    size_t head, item; /* bytes of a message and an item, beside the specs */
} MAX = {
    .head = 2 * PACK_HEAD_BYTES_MAX + 4 * PACK_NUMBER_BYTES_MAX,
    .item = 2 * PACK_HEAD_BYTES_MAX + 2 * PACK_NUMBER_BYTES_MAX,
};

/* --- Writing --- */

void shard_writer_init(struct shard_writer *writer, uint64_t first) {
    *writer = (struct shard_writer){.first = first};
    buffer_init(&writer->items);
    buffer_init(&writer->spec);
}

void shard_writer_deinit(struct shard_writer *writer) {
    buffer_deinit(&writer->items);
    buffer_deinit(&writer->spec);
}

void shard_writer_reset(struct shard_writer *writer, uint64_t first) {
    struct buffer items = writer->items, spec = writer->spec;

    items.len = spec.len = 0;
    *writer = (struct shard_writer){.items = items, .spec = spec, .first = first};
}

static void write_last_item(const struct shard_writer *writer, struct buffer *out) {
    msgpack_packer packer;

    pack_begin(&packer, out);
    msgpack_pack_array(&packer, ITEM_VALUES);
    pack_text(&packer, buffer_slice(&writer->spec));
    msgpack_pack_uint64(&packer, writer->skip);
    msgpack_pack_uint32(&packer, writer->item_targets);
}

void shard_writer_add(struct shard_writer *writer, struct slice spec, uint64_t skip,
                      uint32_t count) {
    bool goes_on = writer->item_count && skip == writer->skip + writer->item_targets &&
                   slice_equal(spec, buffer_slice(&writer->spec));

    writer->count += count;
    if (goes_on) {
        writer->item_targets += count;
        return;
    }
    if (writer->item_count++)
        write_last_item(writer, &writer->items);
    writer->spec.len = 0;
    buffer_add_slice(&writer->spec, spec);
    writer->skip = skip;
    writer->item_targets = count;
}

size_t shard_writer_bytes_with(const struct shard_writer *writer, size_t spec_bytes) {
    return MAX.head + writer->items.len + 2 * MAX.item + writer->spec.len + spec_bytes;
}

static void write_head(uint64_t first, uint32_t count, uint32_t items, struct buffer *out) {
    msgpack_packer packer;

    pack_begin(&packer, out);
    msgpack_pack_array(&packer, MESSAGE_VALUES);
    msgpack_pack_uint32(&packer, SHARD_VERSION);
    msgpack_pack_uint64(&packer, first);
    msgpack_pack_uint32(&packer, count);
    msgpack_pack_array(&packer, items);
}

static void write_attempt(uint32_t attempt, struct buffer *out) {
    msgpack_packer packer;

    pack_begin(&packer, out);
    msgpack_pack_uint32(&packer, attempt);
}

void shard_writer_finish(const struct shard_writer *writer, struct buffer *out) {
    write_head(writer->first, writer->count, writer->item_count, out);
    buffer_add_slice(out, buffer_slice(&writer->items));
    if (writer->item_count)
        write_last_item(writer, out);
    write_attempt(0, out);
    out->failed |= writer->items.failed || writer->spec.failed;
}

/* --- Reading --- */

static struct shard_item read_item(struct unpack *in) {
    struct shard_item item;

    unpack_list(in, ITEM_VALUES, ITEM_VALUES);
    item.spec = unpack_bytes(in, 1, SHARD_SPEC_BYTES_MAX);
    item.skip = unpack_number(in, 0, JOB_TARGETS_MAX);
    item.count = (uint32_t)unpack_number(in, 1, SHARD_TARGETS_MAX);
    return item;
}

/* Its items are whole, and as many targets as it says. */
static void check_items(struct unpack in, struct shard_reader *reader, struct unpack *end) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < reader->items_left && !in.failed; i++)
        sum += read_item(&in).count;
    in.failed |= sum != reader->count;
    *end = in;
}

enum error shard_read(struct shard_reader *reader, struct slice bytes, struct failure *failure) {
    struct unpack in, end;

    if (bytes.len > SHARD_BYTES_MAX)
        return failure_set(failure, ERROR_INPUT, "a shard of more than %d bytes", SHARD_BYTES_MAX);
    enum error error = unpack_begin(&in, bytes, MESSAGE_VALUES, SHARD_VERSION, "shard", failure);
    if (error)
        return error;
    reader->first = unpack_number(&in, 1, JOB_TARGETS_MAX - SHARD_TARGETS_MAX);
    reader->count = (uint32_t)unpack_number(&in, 1, SHARD_TARGETS_MAX);
    reader->items_left = unpack_list(&in, 1, reader->count);
    in.failed |= !in.failed && reader->first % PAGE_TARGETS != 1;
    check_items(in, reader, &end);
    reader->rest = slice_first(in.rest, in.rest.len - end.rest.len);
    reader->attempt = (uint32_t)unpack_number(&end, 0, SHARD_ATTEMPTS_MAX);
    return unpack_end(&end, "shard", failure);
}

bool shard_next(struct shard_reader *reader, struct shard_item *out) {
    struct unpack in = {.rest = reader->rest};

    if (!reader->items_left)
        return false;
    reader->items_left--;
    *out = read_item(&in);
    reader->rest = in.rest;
    return true;
}

void shard_again(const struct shard_reader *reader, uint32_t attempt, struct buffer *out) {
    write_head(reader->first, reader->count, reader->items_left, out);
    buffer_add_slice(out, reader->rest);
    write_attempt(attempt, out);
}
