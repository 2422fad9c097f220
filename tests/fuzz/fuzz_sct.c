/* Any bytes as a list of SCTs: nothing is read outside them, the walk ends, and none of them is
 * signed by a log that never signed anything. */
#include "engine/x509/sct.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The generator of P-256: a key whose secret is 1; the log has the number 0. */
    static const uint8_t spki[] = {
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
        0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
        0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
        0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
        0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    const struct sct_log log = {.spki = {spki, sizeof spki}};
    const struct certificate leaf = {.der = {data, size < 100 ? size : 100}};
    struct slice list = {data, size};
    struct sct sct;

    if (!sct_list_open(&list))
        return 0;
    for (size_t count = 0; sct_next(&list, &sct); count++) {
        require(count < size);
        require(sct.version != 0 || sct.log_id.len == SCT_LOG_ID_BYTES);
        require(!sct.signature.len || (sct.signature.ptr >= data &&
                                       sct.signature.ptr + sct.signature.len <= data + size));
        require(sct_verify(&sct, SCT_IN_TLS, &leaf, NULL, &log, 1) != SCT_VALID);
        require(sct_verify(&sct, SCT_EMBEDDED, &leaf, NULL, &log, 1) != SCT_VALID);
    }
    return 0;
}
