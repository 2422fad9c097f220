/* Certificates in files, to be judged as those that servers serve: PEM, DER and PKCS#12, and
 * folders of them.
 *
 * What stands together becomes one chain: a certificate, and behind it those that issued it. A
 * bundle of strangers gives a chain for each. Files are untrusted: their sizes, their number and
 * the depth of folders are bounded, and what is neither file nor folder is not opened. Blocks; for
 * a thread that may. */
#ifndef TOOLS_TRAWL_LOCAL_H
#define TOOLS_TRAWL_LOCAL_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/probe/local_chain.h"

struct local_reader;

/* Both texts outlive the reader. `password` opens PKCS#12 files that have one; may be NULL.
 * NULL when there is no memory; what is wrong with the path is told by local_next. */
struct local_reader *local_open(const char *path, const char *password);
void local_close(struct local_reader *reader);

/* The next chain, which is the caller's; NULL at the end. What cannot be read gives one that says
 * why, and so does a path in which there is no certificate at all: at least one comes. In a folder
 * only the suffixes .pem, .crt, .cer, .der, .p12 and .pfx are opened; that there is no certificate
 * in it is told of .crt, .cer, .p12 and .pfx, as others may be keys. ERROR_MEMORY is the one
 * failure. */
enum error local_next(struct local_reader *reader, struct local_chain **out)
    __attribute__((warn_unused_result));

/* Reads the first line of a file, without its end, into `out`, terminated. */
enum error local_read_password(const char *path, struct buffer *out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
