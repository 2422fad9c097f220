/* Certificates in files, judged as those that servers serve: PEM, DER and PKCS#12, and folders of
 * them.
 *
 * What stands together becomes one record: a certificate, and behind it those that issued it. A
 * bundle of strangers gives a record for each. Files are untrusted: their sizes, their number and
 * the depth of folders are bounded. */
#ifndef TOOLS_TRAWL_LOCAL_H
#define TOOLS_TRAWL_LOCAL_H

#include "tools/trawl/single.h"

struct local_config {
    const struct prober_settings *settings; /* roots and thresholds */
    const struct target *name; /* what the certificates should be for; empty for anything */
    const char *password;      /* of PKCS#12 files; NULL: they have none, or an empty one */
};

/* Adds a record for each certificate that is not only part of another's chain. A file that cannot
 * be read, or has no certificate, is a failure; in a folder it is a record that says so when its
 * name is that of a certificate (.crt, .cer, .p12, .pfx), and passed over otherwise. */
enum error local_read(const char *path, const struct local_config *config, struct record_list *out,
                      struct failure *failure) __attribute__((warn_unused_result));

/* Reads the first line of a file, without its end, into `out`, terminated. */
enum error local_read_password(const char *path, struct buffer *out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
