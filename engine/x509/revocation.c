#include "engine/x509/revocation.h"

static struct revocation unknown(const char *error) {
    return (struct revocation){.status = REVOCATION_UNKNOWN, .error = error};
}

struct revocation revocation_of(const struct crl *crl, bool is_signed,
                                const struct certificate *certificate, int64_t unix_seconds) {
    struct crl_entry entry;

    if (!crl_covers(crl, certificate))
        return unknown("the CRL is not for this certificate");
    if (!is_signed)
        return unknown("the CRL is not signed by the certificate's issuer");
    struct revocation found = {.status = REVOCATION_GOOD,
                               .this_update = crl->this_update,
                               .next_update = crl->next_update};
    if (crl_find(crl, certificate->serial, &entry)) {
        found.status = REVOCATION_REVOKED;
        found.reason = entry.reason;
        found.revoked_at = entry.revoked_at;
    } else if (crl->some_reasons) {
        found.status = REVOCATION_UNKNOWN;
        found.error = "the CRL is for some reasons only";
    } else if (unix_seconds < crl->this_update) {
        found.status = REVOCATION_UNKNOWN;
        found.error = "the CRL is of a later time";
    } else if (crl->next_update && unix_seconds > crl->next_update) {
        found.status = REVOCATION_STALE;
    }
    return found;
}

const char *revocation_status_name(enum revocation_status status) {
    static const char *const names[] = {
        [REVOCATION_UNCHECKED] = "unchecked", [REVOCATION_GOOD] = "good",
        [REVOCATION_STALE] = "stale",         [REVOCATION_UNKNOWN] = "unknown",
        [REVOCATION_REVOKED] = "revoked",
    };
    return names[status];
}
