#include "engine/record/outcome.h"

#include <assert.h>
#include <stddef.h>

static const char *const OUTCOME_NAMES[OUTCOME_COUNT] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_DNS_FAILED] = "dns_failed",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_UNREACHABLE] = "unreachable",
    [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_RESET] = "reset",
    [OUTCOME_STARTTLS_REFUSED] = "starttls_refused",
    [OUTCOME_PROTOCOL_ERROR] = "protocol_error",
    [OUTCOME_TLS_ALERT] = "tls_alert",
    [OUTCOME_TLS_FAILED] = "tls_failed",
    [OUTCOME_CERTIFICATE_UNPARSABLE] = "certificate_unparsable",
    [OUTCOME_TOO_LARGE] = "too_large",
    [OUTCOME_BLOCKED] = "blocked",
    [OUTCOME_CANCELLED] = "cancelled",
};

static const char *const STAGE_NAMES[STAGE_COUNT] = {
    [STAGE_DNS] = "dns",           [STAGE_CONNECT] = "connect",
    [STAGE_STARTTLS] = "starttls", [STAGE_HANDSHAKE] = "handshake",
    [STAGE_DONE] = "done",
};

static const char *const STATUS_NAMES[STATUS_COUNT] = {
    [STATUS_UNKNOWN] = "unknown",   [STATUS_OK] = "ok",       [STATUS_WARNING] = "warning",
    [STATUS_CRITICAL] = "critical", [STATUS_ERROR] = "error",
};

static const char *const PLAN_NAMES[PLAN_COUNT] = {
    [PLAN_HANDSHAKE] = "handshake",
    [PLAN_GRAB] = "grab",
    [PLAN_AUDIT] = "audit",
};

static const struct {
    const char *name, *summary;
} FINDINGS[FINDING_COUNT] = {
    [FINDING_EXPIRED] = {"expired", "The certificate has expired."},
    [FINDING_NOT_YET_VALID] = {"not_yet_valid", "The certificate is not valid yet."},
    [FINDING_EXPIRES_SOON] = {"expires_soon",
                              "The certificate expires within the warning threshold."},
    [FINDING_CHAIN_EXPIRES_SOONER] = {"chain_expires_sooner",
                                      "A certificate of the chain expires soon, and before the "
                                      "server's own."},
    [FINDING_SELF_SIGNED] = {"self_signed", "The certificate is signed by its own key."},
    [FINDING_UNTRUSTED] = {"untrusted", "No path leads from the certificate to a trusted root."},
    [FINDING_NAME_MISMATCH] = {"name_mismatch",
                               "The certificate is not for the name or address that was asked "
                               "for."},
    [FINDING_NO_SUBJECT_ALT_NAME] = {"no_subject_alt_name",
                                     "The certificate has no subjectAltName, so no current client "
                                     "accepts a name of it."},
    [FINDING_WEAK_KEY] = {"weak_key", "The certificate's key is too short or of an outdated kind."},
    [FINDING_WEAK_SIGNATURE] = {"weak_signature",
                                "The certificate is signed with an outdated hash (MD5, SHA-1)."},
    [FINDING_OLD_PROTOCOL] = {"old_protocol",
                              "The server offered nothing newer than TLS 1.1, which is deprecated "
                              "(RFC 8996)."},
    [FINDING_HANDSHAKE_FALLBACK] = {"handshake_fallback",
                                    "The handshake could not be completed with the server's "
                                    "parameters; the certificate was read without one."},
    [FINDING_CLIENT_CERTIFICATE_REQUESTED] = {"client_certificate_requested",
                                              "The server asked for a client certificate."},
    [FINDING_CHAIN_UNREADABLE] = {"chain_unreadable",
                                  "A certificate that was sent behind the server's own cannot be "
                                  "parsed."},
    [FINDING_EXTENSION_UNREADABLE] = {"extension_unreadable",
                                      "An extension of the certificate is malformed or occurs "
                                      "twice."},
    [FINDING_ADDRESSES_DIFFER] = {"addresses_differ",
                                  "The addresses of the name serve different certificates."},
};

const char *outcome_name(enum outcome outcome) {
    assert(outcome < OUTCOME_COUNT);
    return OUTCOME_NAMES[outcome];
}

const char *stage_name(enum stage stage) {
    assert(stage < STAGE_COUNT);
    return STAGE_NAMES[stage];
}

const char *status_name(enum status status) {
    assert(status < STATUS_COUNT);
    return STATUS_NAMES[status];
}

const char *plan_name(enum plan plan) {
    assert(plan < PLAN_COUNT);
    return PLAN_NAMES[plan];
}

const char *finding_name(enum finding finding) {
    assert(finding < FINDING_COUNT);
    return FINDINGS[finding].name;
}

const char *finding_summary(enum finding finding) {
    assert(finding < FINDING_COUNT);
    return FINDINGS[finding].summary;
}
