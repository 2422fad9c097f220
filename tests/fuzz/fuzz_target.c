/* Lists of targets: a whole list source over the input, whose targets must survive being written
 * and read again, and the line cutter, which must give the same lines however reads are split. The
 * first byte says how. */
#include "ingest/lines.h"
#include "ingest/source.h"
#include "ingest/target_parse.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Enough of a block to see; a /0 would take all day. */
enum { TARGETS_MAX = 2000 };

static void check_round_trip(const struct target *target) {
    char address[ADDRESS_TEXT_MAX], text[512];
    struct target again;
    assert(target->port != 0);
    assert(strlen(target->name) == target->name_len && target->name_len <= LIMIT_HOST_NAME_BYTES);
    assert(target->name_len || target->address.family != ADDRESS_NONE);
    bool bare_name = target->address.family == ADDRESS_NONE;
    bool v6 = target->address.family == ADDRESS_V6;
    if (bare_name)
        address[0] = '\0';
    else
        address_format(&target->address, address);
    snprintf(text, sizeof text, "%s%s%s%s%s:%u", target->name,
             target->name_len && !bare_name ? "@" : "", v6 ? "[" : "", address, v6 ? "]" : "",
             target->port);
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

static void run_list(struct slice input) {
    struct port_choice choices[] = {{443, 0}, {8443, 0}};
    struct port_list ports = {choices, 2};
    struct source_context context = {
        .ports = &ports, .protocols = &protocol_lookup_tls, .seed = 1, .stop_fd = -1};
    int fd = memfd_create("list", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    if (input.len && write(fd, input.ptr, input.len) != (ssize_t)input.len)
        abort();
    char spec[64];
    snprintf(spec, sizeof spec, "@/proc/self/fd/%d", fd);
    struct source *source;
    if (source_open(&source, &context, spec, NULL))
        abort();
    for (int i = 0; i < TARGETS_MAX; i++) {
        struct target target;
        struct failure failure;
        enum source_result result = source_next(source, &target, &failure);
        if (result == SOURCE_TARGET)
            check_round_trip(&target);
        else if (result != SOURCE_END)
            check_message(&failure);
        if (result == SOURCE_END || result == SOURCE_FAILED)
            break;
    }
    source_close(source);
    close(fd);
}

/* A digest of all lines (FNV-1a), read `step` bytes at a time. */
static uint64_t digest_lines(struct slice input, size_t step) {
    uint64_t digest = 0xcbf29ce484222325;
    struct lines lines;
    if (!lines_init(&lines))
        abort();
    for (;;) {
        struct slice line;
        enum lines_result result = lines_next(&lines, &line);
        if (result == LINES_END)
            break;
        if (result == LINES_MORE) {
            size_t space;
            uint8_t *to = lines_space(&lines, &space);
            struct slice part = slice_first(slice_first(input, step), space);
            if (!part.len)
                lines_finish(&lines);
            else
                memcpy(to, part.ptr, part.len);
            lines_add(&lines, part.len);
            input = slice_from(input, part.len);
            continue;
        }
        for (size_t i = 0; i < line.len; i++)
            digest = (digest ^ line.ptr[i]) * 0x100000001b3;
        digest = (digest ^ (0x100 + result)) * 0x100000001b3;
    }
    digest ^= lines.number;
    lines_deinit(&lines);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    struct slice input = {data + 1, size - 1};
    size_t step = data[0] < 128 ? data[0] + 1u : (size_t)(data[0] - 127) * 64;
    uint64_t stepped = digest_lines(input, step), whole = digest_lines(input, SIZE_MAX);
    assert(stepped == whole);
    run_list(input);
    return 0;
}
