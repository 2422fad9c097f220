#include "engine/base/tlsa.h"

#include <stdlib.h>

struct tlsa_set *tlsa_set_new(const struct tlsa *records, uint32_t count) {
    size_t bytes = 0;

    for (uint32_t i = 0; i < count; i++)
        bytes += records[i].data.len;
    struct tlsa_set *set = malloc(sizeof *set + count * sizeof *records + bytes);
    if (!set)
        return NULL;
    set->count = count;
    uint8_t *at = (uint8_t *)(set->records + count);
    for (uint32_t i = 0; i < count; i++) {
        const struct slice data = records[i].data;
        set->records[i] = records[i];
        set->records[i].data.ptr = at;
        if (data.len)
            memcpy(at, data.ptr, data.len);
        at += data.len;
    }
    return set;
}
