/* The grammar of targets, one a line: what was understood must survive being written and read
 * again, and what was not must be told in one clean sentence. */
#include "ingest/spec.h"
#include "ingest/target_parse.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct target *target, const struct protocol_lookup *protocols) {
    struct source_context context = {.protocols = protocols};
    struct buffer text;
    struct spec again;
    assert(strlen(target->name) == target->name_len && target->name_len <= LIMIT_HOST_NAME_BYTES);
    assert(target->name_len || target->address.family != ADDRESS_NONE);
    buffer_init(&text);
    target_write(target, protocols, &text);
    enum error error = spec_read(&again, &context, buffer_slice(&text), NULL);
    assert(!error && !again.is_block && !again.file.len);
    assert(again.target.port == target->port && again.target.protocol == target->protocol);
    assert(address_equal(&again.target.address, &target->address));
    assert(slice_equal(target_name(&again.target), target_name(target)));
    buffer_deinit(&text);
}

/* What people will see: one line without control characters. */
static void check_message(const struct failure *failure) {
    assert(failure->text[0] && memchr(failure->text, 0, sizeof failure->text));
    for (const char *at = failure->text; *at; at++)
        assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void check_written_block(const struct cidr_block *block) {
    struct source_context context = {.protocols = &protocol_lookup_tls};
    struct spec spec = {.is_block = true, .block = *block}, again;
    struct buffer text;
    if (block->last_offset > UINT64_MAX)
        return;
    buffer_init(&text);
    assert(spec_write(&spec, &context, &text));
    enum error error = spec_read(&again, &context, buffer_slice(&text), NULL);
    assert(!error && again.is_block && again.block.last_offset == block->last_offset);
    assert(address_equal(&again.block.first, &block->first));
    buffer_deinit(&text);
}

static void check_block(const struct cidr_block *block) {
    struct address first = cidr_address(block, 0), last = cidr_address(block, block->last_offset);
    assert(address_equal(&first, &block->first));
    assert(first.family == last.family);
    assert(cidr_number(&last) - cidr_number(&first) == block->last_offset);
}

static void check_line(struct slice line) {
    struct failure failure;
    struct target target;
    struct cidr_block block;
    for (int all = 0; all < 2; all++) {
        const struct protocol_lookup *protocols = all ? &protocol_lookup_all : &protocol_lookup_tls;
        if (target_parse(line, protocols, &target, &failure))
            check_message(&failure);
        else if (!cidr_is_block(line))
            check_round_trip(&target, protocols);
    }
    if (cidr_parse(line, &block, &failure))
        check_message(&failure);
    else
        check_block(&block), check_written_block(&block);
    (void)cidr_is_block(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {data, size};
    while (rest.len) {
        const uint8_t *newline = memchr(rest.ptr, '\n', rest.len);
        struct slice line = newline ? slice_first(rest, (size_t)(newline - rest.ptr)) : rest;
        check_line(slice_trim(line));
        rest = slice_from(rest, line.len + 1);
    }
    return 0;
}
