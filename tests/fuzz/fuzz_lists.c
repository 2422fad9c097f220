/* Lists of targets in every format. The first byte picks the format (0 is auto), the second how
 * many bytes are read at a time: however they are split, the same must come out. What comes out are
 * valid targets, clean messages, and numbers of lines that the input has. */
#include "ingest/format.h"
#include "ingest/source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Enough of a block to see; a /0 would take all day. */
enum { TARGETS_MAX = 2000 };

static struct port_choice choices[] = {{443, 0}, {8443, 0}};
static const struct port_list ports = {choices, 2};

struct digest {
    uint64_t value; /* FNV-1a */
    uint64_t lines; /* of the input */
};

static void digest_add(struct digest *digest, const void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        digest->value = (digest->value ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

static void check_target(const struct target *target) {
    assert(target->port != 0 && target->protocol == 0);
    assert(strlen(target->name) == target->name_len && target->name_len <= LIMIT_HOST_NAME_BYTES);
    assert(target->name_len || target->address.family != ADDRESS_NONE);
    for (size_t i = 0; i < target->name_len; i++)
        assert(target->name[i] > ' ' && target->name[i] < 0x7f);
}

static void check_file(struct slice path, const struct target *target) {
    assert(target->port == 0 && path.len > 0 && path.len <= LIMIT_PATH_BYTES);
    assert(!memchr(path.ptr, 0, path.len));
}

/* Any roots but those that begin with x. */
static const struct trust_store *open_roots(void *owner, struct slice path,
                                            struct failure *failure) {
    assert(path.len > 0);
    if (path.ptr[0] != 'x')
        return owner;
    failure_set(failure, ERROR_INPUT, "no such roots");
    return NULL;
}

static void check_message(const struct failure *failure) {
    assert(failure->text[0] && memchr(failure->text, 0, sizeof failure->text));
    for (const char *at = failure->text; *at; at++)
        assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void take_targets(struct digest *digest, struct spec *spec) {
    struct target target;
    uint64_t total = spec_total(spec), given = 0;
    for (; given < TARGETS_MAX && spec_next(spec, &target); given++) {
        if (spec->file.len)
            check_file(spec->file, &target);
        else
            check_target(&target);
        digest_add(digest, spec->file.ptr, spec->file.len);
        digest_add(digest, &target.roots, sizeof target.roots);
        digest_add(digest, &target.address, sizeof target.address);
        digest_add(digest, target.name, target.name_len);
        digest_add(digest, &target.port, sizeof target.port);
    }
    assert(given == total || given == TARGETS_MAX);
    assert(spec_skip(spec, UINT64_MAX) == total - given || total == UINT64_MAX);
}

/* True when the format goes on. */
static bool take_row(struct digest *digest, enum row_result result, const struct row *row,
                     struct failure *reason, const struct source_context *context) {
    struct spec spec;
    assert(result == ROW_END || (row->line >= 1 && row->line <= digest->lines));
    digest_add(digest, &row->line, sizeof row->line);
    if (result == ROW_GIVEN && row_to_spec(row, context, &spec, reason) == ERROR_NONE)
        take_targets(digest, &spec);
    else if (result != ROW_END)
        check_message(reason);
    return result == ROW_GIVEN || result == ROW_BAD;
}

/* The format by itself, `step` bytes at a time. */
static uint64_t run_format(const struct format *format, struct slice text, size_t step,
                           const struct source_context *context) {
    struct digest digest = {0xcbf29ce484222325, 1};
    struct input input;
    void *state = calloc(1, format->size ? format->size : 1);
    if (!state || !input_init(&input))
        abort();
    for (size_t i = 0; i < text.len; i++)
        digest.lines += text.ptr[i] == '\n';
    for (bool goes_on = true; goes_on;) {
        struct row row = {0};
        struct failure reason = {.text = ""};
        enum row_result result = format->next(state, &input, &row, &reason);
        if (result != ROW_MORE) {
            goes_on = take_row(&digest, result, &row, &reason, context);
            continue;
        }
        size_t space;
        assert(!input.finished);
        uint8_t *to = input_space(&input, &space);
        struct slice part = slice_first(slice_first(text, step), space);
        if (part.len)
            memcpy(to, part.ptr, part.len);
        else
            input_finish(&input);
        input_add(&input, part.len);
        text = slice_from(text, part.len);
    }
    if (format->deinit)
        format->deinit(state);
    free(state);
    input_deinit(&input);
    return digest.value;
}

/* A whole list source, as a sweep uses it. */
static void run_source(struct slice text, const struct source_context *context) {
    int fd = memfd_create("list", MFD_CLOEXEC);
    if (fd < 0 || (text.len && write(fd, text.ptr, text.len) != (ssize_t)text.len))
        abort();
    char spec[64];
    snprintf(spec, sizeof spec, "@/proc/self/fd/%d", fd);
    struct source *source;
    if (source_open(&source, context, spec, NULL))
        abort();
    for (int i = 0; i < TARGETS_MAX; i++) {
        struct target target;
        struct failure failure;
        enum source_result result = source_next(source, &target, &failure);
        if (result == SOURCE_TARGET)
            check_target(&target);
        else if (result == SOURCE_FILE)
            check_file(source->file, &target);
        else if (result != SOURCE_END)
            check_message(&failure);
        if (result == SOURCE_END || result == SOURCE_FAILED)
            break;
    }
    source_close(source);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char opened; /* nobody looks into them */
    static const struct source_roots roots = {open_roots, &opened};
    if (size < 2)
        return 0;
    struct slice text = {data + 2, size - 2};
    int count = 0;
    while (formats[count])
        count++;
    int format = data[0] % (count + 1);
    struct source_context context = {.ports = &ports,
                                     .protocols = &protocol_lookup_tls,
                                     .seed = 1,
                                     .stop_fd = -1,
                                     .format = format,
                                     .roots = &roots};
    run_source(text, &context);
    if (format) {
        uint64_t whole = run_format(formats[format - 1], text, SIZE_MAX, &context);
        uint64_t split = run_format(formats[format - 1], text, data[1] + 1u, &context);
        assert(whole == split);
    }
    return 0;
}
