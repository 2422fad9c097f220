/* Any bytes as what stands behind a caIssuers URL: what comes out are whole elements, no more than
 * were asked for, and the way up through them ends. */
#include "engine/x509/bundle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice chain[MOST], der, rest;
    struct certificate last;
    struct buffer out;
    size_t taken = 0;

    buffer_init(&out);
    size_t count = bundle_read((struct slice){data, size}, MOST, &out);
    for (rest = buffer_slice(&out); bundle_next(&rest, &der); taken++) {
        if (taken == MOST)
            abort();
        chain[taken] = der;
    }
    if (taken != count || rest.len)
        abort();
    if (bundle_lacks_issuer(chain, taken, &last) && slice_equal(last.subject, last.issuer))
        abort();
    buffer_deinit(&out);
    return 0;
}
