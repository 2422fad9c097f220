/* What is kept of a log over a restart: version, the newest head, the verified and the committed
 * range, each with its length (u16) before it. */
#include "ingest/ct/follower_internal.h"

enum { SAVED_VERSION = 1, HEAD_BYTES = 1 + 8 + 8 + CT_HASH_BYTES };

static uint8_t *write_u64(uint8_t *out, uint64_t value) {
    for (int i = 7; i >= 0; i--)
        *out++ = (uint8_t)(value >> (8 * i));
    return out;
}

static uint64_t read_u64(const uint8_t *in) {
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return value;
}

static uint8_t *write_range(uint8_t *out, const struct ct_range *range) {
    size_t len = ct_range_write(range, out + 2);

    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    return out + 2 + len;
}

size_t follower_save(const struct follower *follower, uint8_t out[FOLLOWER_SAVED_MAX]) {
    /* Pages that are covered by a head may still wait to leave. */
    const struct ct_range *verified = follower->verified.end <= follower->committed.end
                                          ? &follower->verified
                                          : &follower->committed;
    uint8_t *at = out;

    *at++ = SAVED_VERSION;
    at = write_u64(at, follower->newest.tree_size);
    at = write_u64(at, follower->newest.timestamp_ms);
    memcpy(at, follower->newest.root.bytes, CT_HASH_BYTES);
    at = write_range(at + CT_HASH_BYTES, verified);
    at = write_range(at, &follower->committed);
    return (size_t)(at - out);
}

static bool take_range(struct slice *saved, struct ct_range *out) {
    if (saved->len < 2)
        return false;
    size_t len = (size_t)saved->ptr[0] << 8 | saved->ptr[1];
    struct slice rest = slice_from(*saved, 2);
    if (rest.len < len || !ct_range_parse(slice_first(rest, len), out) || out->begin != 0)
        return false;
    *saved = slice_from(rest, len);
    return true;
}

bool follower_restore(struct follower *follower, struct slice saved) {
    if (saved.len < HEAD_BYTES || saved.ptr[0] != SAVED_VERSION)
        return false;
    follower->newest.tree_size = read_u64(saved.ptr + 1);
    follower->newest.timestamp_ms = read_u64(saved.ptr + 9);
    memcpy(follower->newest.root.bytes, saved.ptr + 17, CT_HASH_BYTES);
    saved = slice_from(saved, HEAD_BYTES);
    if (follower->newest.tree_size > CT_TREE_SIZE_MAX || !take_range(&saved, &follower->verified) ||
        !take_range(&saved, &follower->committed) || saved.len ||
        follower->committed.end < follower->verified.end)
        return false;
    ct_range_copy(&follower->tree, &follower->committed);
    follower->has_head = follower->started = true;
    follower->next = follower->committed.end;
    return true;
}
