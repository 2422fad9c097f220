/* The certificates in the bytes of a file: PEM, DER or PKCS#12, found out by itself. Pure; files
 * are untrusted. */
#ifndef TOOLS_TRAWL_CERTIFICATE_FILE_H
#define TOOLS_TRAWL_CERTIFICATE_FILE_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

/* What one file holds, in its order. Begins zeroed. */
struct certificate_file {
    struct slice *items; /* DER, each on the heap */
    uint32_t count, capacity;
    bool together; /* the first is the leaf and all others are its chain */
};

/* Adds what `bytes` hold, perhaps nothing. `password` opens PKCS#12, which may also have none or
 * an empty one; NULL: it must. On a failure, whose words do not name the file, those before the
 * damage are there. */
enum error certificate_file_read(struct certificate_file *file, struct slice bytes,
                                 const char *password, struct failure *failure)
    __attribute__((warn_unused_result));
void certificate_file_deinit(struct certificate_file *file);

#endif
