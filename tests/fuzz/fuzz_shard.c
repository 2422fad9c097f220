/* Any bytes as a shard of a job. What is read gives the items that it says, no more targets than a
 * shard has, and survives being written and read again. */
#include "tools/fleet/shard.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same for another attempt. */
static void check_marked(struct shard_reader *reader) {
    struct shard_reader marked;
    struct failure failure;
    struct buffer message;
    struct shard_item item;

    buffer_init(&message);
    shard_again(reader, 1, &message);
    assert(!message.failed && message.len <= SHARD_BYTES_MAX);
    assert(!shard_read(&marked, buffer_slice(&message), &failure));
    assert(marked.attempt == 1 && marked.first == reader->first && marked.count == reader->count);
    uint32_t items = 0;
    while (shard_next(&marked, &item))
        items++;
    assert(items == reader->items_left);
    buffer_deinit(&message);
}

static void check_again(struct shard_writer *writer, uint32_t count) {
    struct shard_reader reader;
    struct failure failure;
    struct buffer message;

    buffer_init(&message);
    size_t most = shard_writer_bytes_with(writer, 0);
    shard_writer_finish(writer, &message);
    assert(!message.failed && message.len <= most);
    if (message.len <= SHARD_BYTES_MAX) { /* numbers may have been shorter than they can be */
        enum error error = shard_read(&reader, buffer_slice(&message), &failure);
        assert(!error && reader.first == writer->first && reader.count == count);
    }
    buffer_deinit(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct failure failure = {0};
    struct shard_reader reader;
    struct shard_writer writer;
    struct shard_item item;
    uint64_t sum = 0;

    if (shard_read(&reader, (struct slice){data, size}, &failure)) {
        assert(failure.text[0]);
        return 0;
    }
    assert(reader.first % PAGE_TARGETS == 1 && reader.count <= SHARD_TARGETS_MAX);
    uint32_t count = reader.count;
    check_marked(&reader);
    shard_writer_init(&writer, reader.first);
    while (shard_next(&reader, &item)) {
        assert(item.spec.len && item.spec.ptr >= data &&
               item.spec.ptr + item.spec.len <= data + size && item.count);
        shard_writer_add(&writer, item.spec, item.skip, item.count);
        sum += item.count;
    }
    assert(sum == count && writer.count == count);
    check_again(&writer, count);
    shard_writer_deinit(&writer);
    return 0;
}
