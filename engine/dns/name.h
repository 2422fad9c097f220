/* Host names as keys: in any case, with or without the dot at the end. Pure, safe on every thread.
 */
#ifndef ENGINE_DNS_NAME_H
#define ENGINE_DNS_NAME_H

#include "engine/base/slice.h"

static inline uint8_t name_lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static inline struct slice name_without_dot(struct slice name) {
    return name.len && name.ptr[name.len - 1] == '.' ? slice_first(name, name.len - 1) : name;
}

/* FNV-1a over the name in lower case. */
static inline uint32_t name_hash(struct slice name) {
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name_lower(name.ptr[i])) * 16777619U;
    return hash;
}

#endif
