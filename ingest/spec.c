#include "ingest/spec.h"

#include "ingest/target_parse.h"

enum error spec_read(struct spec *spec, const struct source_context *context, struct slice text,
                     struct failure *failure) {
    struct slice path;
    spec->next = spec->count = 0;
    spec->file = (struct slice){0};
    if (target_is_file(text, &path))
        return spec_read_file(spec, context, path, failure);
    spec->is_block = cidr_is_block(text);
    if (!spec->is_block)
        return target_parse(text, context->protocols, &spec->target, failure);
    spec->target = (struct target){0};
    enum error error = cidr_parse(text, &spec->block, failure);
    if (!error && spec->block.last_offset > UINT64_MAX)
        return failure_set(failure, ERROR_USAGE,
                           "more than 2^64 addresses; the largest IPv6 block is a /64");
    return error;
}

enum error spec_read_file(struct spec *spec, const struct source_context *context,
                          struct slice path, struct failure *failure) {
    spec->next = spec->count = 0;
    spec->is_block = false;
    spec->target = (struct target){0};
    spec->file = path;
    if (context->no_files)
        return failure_set(failure, ERROR_USAGE, "%s", context->no_files);
    if (!path.len)
        return failure_set(failure, ERROR_USAGE, "file: without a path");
    if (path.len > LIMIT_PATH_BYTES || memchr(path.ptr, 0, path.len))
        return failure_set(failure, ERROR_USAGE, "no file has such a path");
    return ERROR_NONE;
}

void spec_begin(struct spec *spec, const struct source_context *context) {
    spec->ports = context->ports;
    spec->next = 0;
    spec->count = spec->target.port || spec->file.len ? 1 : spec->ports->count;
    if (spec->is_block) {
        spec->count *= spec->block.last_offset + 1;
        permutation_init(&spec->order, spec->count, context->seed);
    }
}

static void write_block(const struct cidr_block *block, struct buffer *out) {
    struct address last = cidr_address(block, block->last_offset);
    char text[2][ADDRESS_TEXT_MAX];

    address_format(&block->first, text[0]);
    address_format(&last, text[1]);
    buffer_add_format(out, "%s-%s", text[0], text[1]);
}

bool spec_write(const struct spec *spec, const struct source_context *context, struct buffer *out) {
    const struct target *shared = &spec->target;

    if (spec->file.len || (spec->is_block && (shared->port || shared->name_len)))
        return false;
    if (spec->is_block)
        write_block(&spec->block, out);
    else
        target_write(shared, context->protocols, out);
    return true;
}

bool spec_next(struct spec *spec, struct target *target) {
    if (spec->next == spec->count)
        return false;
    unsigned __int128 number = spec->next++;
    uint32_t ports = spec->target.port ? 1 : spec->ports->count;
    *target = spec->target;
    if (spec->is_block) {
        number = permutation_at(&spec->order, number);
        target->address = cidr_address(&spec->block, number / ports);
    }
    if (!target->port && !spec->file.len) {
        struct port_choice choice = spec->ports->items[number % ports];
        target->port = choice.port;
        target->protocol = choice.protocol;
    }
    return true;
}

enum source_result spec_result(const struct spec *spec, struct source *source) {
    source->file = spec->file;
    return spec->file.len ? SOURCE_FILE : SOURCE_TARGET;
}

uint64_t spec_skip(struct spec *spec, uint64_t targets) {
    unsigned __int128 left = spec->count - spec->next;
    uint64_t skipped = targets < left ? targets : (uint64_t)left;
    spec->next += skipped;
    return skipped;
}

uint64_t spec_total(const struct spec *spec) {
    return spec->count > UINT64_MAX ? UINT64_MAX : (uint64_t)spec->count;
}
