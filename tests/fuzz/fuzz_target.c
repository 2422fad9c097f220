/* The grammar of targets, one a line: what was understood must survive being written and read
 * again, and what was not must be told in one clean sentence. */
#include "engine/base/cidr.h"
#include "ingest/target_parse.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "", port[8] = "", text[512];
    struct target again;
    bool v6 = target->address.family == ADDRESS_V6;
    bool bare_name = target->address.family == ADDRESS_NONE;
    assert(strlen(target->name) == target->name_len && target->name_len <= LIMIT_HOST_NAME_BYTES);
    assert(target->name_len || !bare_name);
    if (!bare_name)
        address_format(&target->address, address);
    if (target->port)
        snprintf(port, sizeof port, ":%u", target->port);
    snprintf(text, sizeof text, "%s%s%s%s%s%s", target->name,
             target->name_len && !bare_name ? "@" : "", v6 ? "[" : "", address, v6 ? "]" : "",
             port);
    enum error error = target_parse(slice_of(text), &protocol_lookup_tls, &again, NULL);
    assert(!error);
    assert(again.port == target->port && again.protocol == target->protocol);
    assert(address_equal(&again.address, &target->address));
    assert(slice_equal(target_name(&again), target_name(target)));
}

/* What people will see: one line without control characters. */
static void check_message(const struct failure *failure) {
    assert(failure->text[0] && memchr(failure->text, 0, sizeof failure->text));
    for (const char *at = failure->text; *at; at++)
        assert((unsigned char)*at >= ' ' && *at != 0x7f);
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
    if (target_parse(line, &protocol_lookup_tls, &target, &failure))
        check_message(&failure);
    else
        check_round_trip(&target);
    if (cidr_parse(line, &block, &failure))
        check_message(&failure);
    else
        check_block(&block);
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
