#include "tools/fleet/cut.h"

#include "ingest/spec.h"
#include "ingest/target_parse.h"

/* Of a target: a scheme, a name, an address and a port; of a block: two addresses. */
enum { TEXT_BYTES_MAX = 512 };

_Static_assert(TEXT_BYTES_MAX >= (int)LIMIT_HOST_NAME_BYTES + (int)ADDRESS_TEXT_MAX + 64 &&
                   (int)TEXT_BYTES_MAX <= (int)SHARD_SPEC_BYTES_MAX,
               "a target fits, and can be read");

enum { SHARD_TARGETS_MOST = 1 << 16, SHARD_TARGETS_FIRST = 1024, SHARDS_WISHED = 100 };

uint32_t cut_shard_targets(uint64_t total) {
    if (!total)
        return SHARD_TARGETS_FIRST;
    uint64_t pages = (total / SHARDS_WISHED + PAGE_TARGETS - 1) / PAGE_TARGETS;
    if (pages > SHARD_TARGETS_MOST / PAGE_TARGETS)
        return SHARD_TARGETS_MOST;
    return pages ? (uint32_t)pages * PAGE_TARGETS : PAGE_TARGETS;
}

/* It depends on what was cut alone, so that who goes on cuts alike. */
static void grow(struct cut *cut) {
    uint32_t wished = cut_shard_targets(cut->taken);

    if (cut->grows)
        cut->shard_targets = wished > SHARD_TARGETS_FIRST ? wished : SHARD_TARGETS_FIRST;
}

void cut_init(struct cut *cut, const struct source_context *context, uint32_t shard_targets,
              size_t bytes_max, uint64_t pages, uint64_t targets) {
    *cut = (struct cut){
        .context = context,
        .shard_targets = shard_targets,
        .bytes_max = bytes_max < SHARD_BYTES_MAX ? bytes_max : SHARD_BYTES_MAX,
        .grows = !shard_targets,
        .taken = targets,
        .pass_over = targets,
    };
    grow(cut);
    shard_writer_init(&cut->shard, pages * PAGE_TARGETS + 1);
    buffer_init(&cut->text);
}

void cut_deinit(struct cut *cut) {
    shard_writer_deinit(&cut->shard);
    buffer_deinit(&cut->text);
}

/* The text that stands for the target elsewhere, with its number among those of the text, and
 * whether others may follow. */
static bool write_text(struct cut *cut, const struct source *source, const struct target *target,
                       uint64_t *number) {
    const struct spec *spec = source->kind->spec ? source->kind->spec(source) : NULL;

    cut->text.len = 0;
    if (spec && spec_write(spec, cut->context, &cut->text)) {
        *number = (uint64_t)(spec->next - 1);
        return true;
    }
    target_write(target, cut->context->protocols, &cut->text);
    *number = 0;
    return false;
}

static enum error check(const struct cut *cut, const struct target *target,
                        struct failure *failure) {
    if (target->local || target->roots)
        return failure_set(failure, ERROR_USAGE, "%s: files of this machine do not travel",
                           (const char *)cut->text.ptr);
    if (target->address.scope)
        return failure_set(failure, ERROR_USAGE,
                           "%s: an interface is one of this machine: workers have others",
                           (const char *)cut->text.ptr);
    if (cut->shard.first > JOB_TARGETS_MAX - 2 * SHARD_TARGETS_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than 2^48 targets: make several jobs of it");
    return ERROR_NONE;
}

enum error cut_take(struct cut *cut, struct source *source, const struct target *target,
                    struct failure *failure) {
    uint64_t number;

    bool goes_on = write_text(cut, source, target, &number);
    buffer_add_byte(&cut->text, 0); /* for messages */
    if (cut->text.failed || cut->shard.items.failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for a shard");
    enum error error = check(cut, target, failure);
    if (error)
        return error;
    if (cut->pass_over) {
        cut->pass_over -= 1 + (goes_on ? source_skip(source, cut->pass_over - 1) : 0);
        return ERROR_NONE;
    }
    uint32_t room = cut->shard_targets - cut->shard.count;
    uint32_t count = 1 + (goes_on ? (uint32_t)source_skip(source, room - 1) : 0);
    shard_writer_add(&cut->shard, slice_first(buffer_slice(&cut->text), cut->text.len - 1), number,
                     count);
    return ERROR_NONE;
}

bool cut_is_full(const struct cut *cut) {
    return cut->shard.count >= cut->shard_targets ||
           shard_writer_bytes_with(&cut->shard, TEXT_BYTES_MAX) > cut->bytes_max;
}

struct cut_shard cut_finish(struct cut *cut, struct buffer *out) {
    struct cut_shard shard = {
        .first = cut->shard.first,
        .targets = cut->shard.count,
        .pages = (cut->shard.count + PAGE_TARGETS - 1) / PAGE_TARGETS,
    };

    cut->taken += shard.targets;
    grow(cut);
    shard_writer_finish(&cut->shard, out);
    shard_writer_reset(&cut->shard, shard.first + (uint64_t)shard.pages * PAGE_TARGETS);
    return shard;
}
