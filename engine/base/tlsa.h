/* TLSA records (RFC 6698 section 2.1): which certificate or key the server of a name is to have.
 * Plain values, as they came: of usage, selector and matching type any number occurs, and `data` is
 * untrusted bytes. */
#ifndef ENGINE_BASE_TLSA_H
#define ENGINE_BASE_TLSA_H

#include "engine/base/slice.h"

struct tlsa {
    uint8_t usage, selector, matching_type;
    struct slice data;
};

/* All of one name, in one piece of memory: `free` frees it. */
struct tlsa_set {
    uint32_t count;
    struct tlsa records[];
};

/* Copies; NULL when there is no memory. */
struct tlsa_set *tlsa_set_new(const struct tlsa *records, uint32_t count);

#endif
