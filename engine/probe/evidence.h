/* What stands behind a certificate beside its chain: the stapled OCSP response, and the timestamps
 * of Certificate Transparency in it, in the certificate and in TLS. */
#ifndef ENGINE_PROBE_EVIDENCE_H
#define ENGINE_PROBE_EVIDENCE_H

#include "engine/record/record.h"

struct prober_settings;

/* As a server sent it; each may be empty. */
struct evidence {
    struct slice ocsp_response;
    struct slice sct_list; /* by TLS extension */
};

/* Puts what it says into the record, whose certificate and chain are there; SCTs are checked
 * against the settings' logs. False when there is no memory. */
bool evidence_fill(struct probe_record *record, const struct evidence *evidence,
                   const struct prober_settings *settings);

#endif
