#include "ingest/spec.h"

#include "ingest/target_parse.h"

enum error spec_parse(struct spec *spec, const struct source_context *context, struct slice text,
                      struct failure *failure) {
    spec->ports = context->ports;
    spec->next = spec->count = 0;
    spec->is_block = cidr_is_block(text);
    enum error error = spec->is_block
                           ? cidr_parse(text, &spec->block, failure)
                           : target_parse(text, context->protocols, &spec->single, failure);
    if (error)
        return error;

    if (spec->is_block) {
        spec->count = ((unsigned __int128)spec->block.last_offset + 1) * spec->ports->count;
        permutation_init(&spec->order, spec->count, context->seed);
    } else {
        spec->count = spec->single.port ? 1 : spec->ports->count;
    }
    return ERROR_NONE;
}

bool spec_next(struct spec *spec, struct target *target) {
    if (spec->next == spec->count)
        return false;
    unsigned __int128 number = spec->next++;
    struct port_choice choice;
    if (spec->is_block) {
        number = permutation_at(&spec->order, number);
        choice = spec->ports->items[number % spec->ports->count];
        uint64_t offset = (uint64_t)(number / spec->ports->count);
        *target = (struct target){.address = cidr_address(&spec->block, offset)};
    } else {
        *target = spec->single;
        if (target->port)
            return true;
        choice = spec->ports->items[number];
    }
    target->port = choice.port;
    target->protocol = choice.protocol;
    return true;
}

uint64_t spec_total(const struct spec *spec) {
    return spec->count > UINT64_MAX ? UINT64_MAX : (uint64_t)spec->count;
}
