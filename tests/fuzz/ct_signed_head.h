/* A log whose secret is 1, so that its key is the generator of P-256, and the one head that it has
 * signed: the corpora of ct_head and ct_note hold it. */
#ifndef TESTS_FUZZ_CT_SIGNED_HEAD_H
#define TESTS_FUZZ_CT_SIGNED_HEAD_H

#include "engine/ct/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool condition) {
    if (!condition)
        abort();
}

static inline struct ct_log_key signed_head_key(void) {
    static const uint8_t spki[] = {
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
        0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
        0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
        0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
        0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    struct ct_log_key key;

    require(ct_log_key_init(&key, (struct slice){spki, sizeof spki}, NULL) == ERROR_NONE);
    return key;
}

/* 4,711 leaves, in the year 2026, and a root of 32 times "R". */
static inline void require_signed_head(enum ct_head_error error, const struct ct_head *head) {
    struct ct_head wanted = {0};

    require(ct_head_error_text(error)[0] != 0);
    if (error == CT_HEAD_OK) {
        wanted.tree_size = 4711;
        wanted.timestamp_ms = UINT64_C(1770000000000);
        memset(wanted.root.bytes, 'R', CT_HASH_BYTES);
    }
    require(head->tree_size == wanted.tree_size && head->timestamp_ms == wanted.timestamp_ms &&
            ct_hash_equal(&head->root, &wanted.root));
}

#endif
