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
    [FINDING_DANE_MISMATCH] = {"dane_mismatch",
                               "The certificate fits none of the name's TLSA records (DANE)."},
    [FINDING_DANE_INSECURE] =
        {"dane_insecure", "The DNS server did not validate the name's TLSA records (DNSSEC), so "
                          "they count for nothing."},
    [FINDING_DANE_FAILED] = {"dane_failed",
                             "The name's TLSA records could not be looked up: clients that follow "
                             "DANE do not connect then."},
    [FINDING_NO_KEY_IDENTIFIER] = {"no_key_identifier",
                                   "The certificate does not say which key signed it, or a CA's "
                                   "which is its own (RFC 5280)."},
    [FINDING_ODD_SERIAL] = {"odd_serial",
                            "The serial number is zero, negative or longer than 20 octets (RFC "
                            "5280)."},
    [FINDING_UNDERSCORE_IN_NAME] = {"underscore_in_name",
                                    "A DNS name of the certificate has an underscore, which host "
                                    "names cannot have."},
    [FINDING_ODD_EXTENDED_KEY_USAGE] = {"odd_extended_key_usage",
                                        "The extended key usage allows everything, or leaves out "
                                        "servers."},
    [FINDING_WEAK_VERSION] =
        {"weak_version", "The server accepts SSL 3.0, TLS 1.0 or TLS 1.1, which are deprecated "
                         "(RFC 7568, RFC 8996)."},
    [FINDING_WEAK_SUITE] = {"weak_suite",
                            "The server accepts cipher suites with outdated algorithms (RC4, DES, "
                            "3DES, IDEA, MD5)."},
    [FINDING_INSECURE_SUITE] = {"insecure_suite",
                                "The server accepts cipher suites without encryption, without "
                                "authentication, or with keys of export size."},
    [FINDING_WEAK_GROUP] = {"weak_group",
                            "The server exchanges keys over too small a group: a finite field "
                            "under 2048 bits, or a curve under 224."},
    [FINDING_COMPRESSION] = {"compression",
                             "The server compresses what it encrypts, which gives secrets away "
                             "(CRIME)."},
    [FINDING_NO_SECURE_RENEGOTIATION] = {"no_secure_renegotiation",
                                         "The server does not know secure renegotiation (RFC "
                                         "5746), so its sessions can be spliced."},
    [FINDING_NO_FORWARD_SECRECY] = {"no_forward_secrecy",
                                    "The server accepts no key exchange with forward secrecy: who "
                                    "gets its key can read what was recorded."},
    [FINDING_SCT_INVALID] = {"sct_invalid",
                             "A timestamp of Certificate Transparency is not signed by the log "
                             "that it names."},
    [FINDING_INCOMPLETE_CHAIN] = {"incomplete_chain",
                                  "The server does not send all certificates between its own and "
                                  "a root."},
    [FINDING_REVOKED] = {"revoked", "The certificate, or one that it depends on, is revoked."},
    [FINDING_REVOCATION_UNKNOWN] = {"revocation_unknown",
                                    "Whether the certificate is revoked could not be told."},
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
