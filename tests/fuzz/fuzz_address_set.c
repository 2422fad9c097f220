/* Sets of addresses from a file: what a set says of the edges of every range must be what a plain
 * look at all ranges says, and adding lines one by one must make the same set. */
#include "engine/base/address_set.h"

#include "engine/base/cidr.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCKS_MAX = 200 };

/* IPv4-mapped addresses are IPv4. */
static struct address plain(struct address address) {
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    address.scope = 0;
    if (address.family != ADDRESS_V6 || memcmp(address.bytes, prefix, sizeof prefix) != 0)
        return address;
    struct address v4 = {.family = ADDRESS_V4};
    memcpy(v4.bytes, address.bytes + 12, 4);
    return v4;
}

static bool is_in(const struct cidr_block *blocks, size_t count, struct address address) {
    address = plain(address);
    for (size_t i = 0; i < count; i++) {
        struct address first = plain(blocks[i].first);
        struct address last = plain(cidr_address(&blocks[i], blocks[i].last_offset));
        if (first.family != last.family) /* begins or ends among the mapped ones: stays IPv6 */
            first = blocks[i].first, last = cidr_address(&blocks[i], blocks[i].last_offset);
        if (first.family == address.family && cidr_number(&first) <= cidr_number(&address) &&
            cidr_number(&address) <= cidr_number(&last))
            return true;
    }
    return false;
}

static void check(const struct address_set *set, const struct cidr_block *blocks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (int edge = 0; edge < 4; edge++) {
            /* before the first, the first, the last, behind the last; around the end as well */
            unsigned __int128 offset = edge == 0   ? ~(unsigned __int128)0
                                       : edge == 1 ? 0
                                                   : blocks[i].last_offset + (edge == 3);
            struct address address = cidr_address(&blocks[i], offset);
            assert(address_set_contains(set, &address) == is_in(blocks, count, address));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    int fd = memfd_create("set", MFD_CLOEXEC);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct address_set *from_file, *one_by_one;
    struct failure failure;
    enum error error = address_set_open(&from_file, path, &failure);
    close(fd);
    assert(!error == !!from_file);
    if (error) {
        for (const char *at = failure.text; *at; at++)
            assert((unsigned char)*at >= ' ' && *at != 0x7f);
        return 0;
    }
    struct cidr_block blocks[BLOCKS_MAX];
    size_t count = 0;
    if (address_set_open(&one_by_one, NULL, NULL))
        abort();
    struct slice rest = {data, size};
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        rest = slice_from(rest, 3);
    while (rest.len && count < BLOCKS_MAX) {
        const uint8_t *newline = memchr(rest.ptr, '\n', rest.len);
        struct slice line = newline ? slice_first(rest, (size_t)(newline - rest.ptr)) : rest;
        rest = slice_from(rest, line.len + 1);
        const uint8_t *hash = line.len ? memchr(line.ptr, '#', line.len) : NULL;
        line = slice_trim(hash ? slice_first(line, (size_t)(hash - line.ptr)) : line);
        if (!line.len)
            continue;
        error = cidr_parse(line, &blocks[count++], NULL);
        assert(!error); /* or the file would not have been taken */
        error = address_set_add_text(one_by_one, line, NULL);
        assert(!error);
    }
    check(one_by_one, blocks, count);
    if (!rest.len)
        check(from_file, blocks, count);
    address_set_free(from_file);
    address_set_free(one_by_one);
    return 0;
}
