/* The words of a record: how far a probe came, how it ended, and what is wrong with what it found.
 * The names are part of the format that users parse: add, never rename. */
#ifndef ENGINE_RECORD_OUTCOME_H
#define ENGINE_RECORD_OUTCOME_H

#include <stdint.h>

enum outcome {
    OUTCOME_OK,
    OUTCOME_DNS_FAILED,
    OUTCOME_REFUSED,
    OUTCOME_UNREACHABLE,
    OUTCOME_TIMEOUT,
    OUTCOME_RESET,
    OUTCOME_STARTTLS_REFUSED,
    OUTCOME_PROTOCOL_ERROR,
    OUTCOME_TLS_ALERT,
    OUTCOME_TLS_FAILED,
    OUTCOME_CERTIFICATE_UNPARSABLE,
    OUTCOME_TOO_LARGE,
    OUTCOME_BLOCKED,
    OUTCOME_CANCELLED,
    OUTCOME_COUNT,
};

enum stage { STAGE_DNS, STAGE_CONNECT, STAGE_STARTTLS, STAGE_HANDSHAKE, STAGE_DONE, STAGE_COUNT };

enum status {
    STATUS_UNKNOWN,
    STATUS_OK,
    STATUS_WARNING,
    STATUS_CRITICAL,
    STATUS_ERROR,
    STATUS_COUNT
};

enum plan { PLAN_HANDSHAKE, PLAN_GRAB, PLAN_AUDIT, PLAN_COUNT };

/* Bits of a record's findings. */
enum finding {
    FINDING_EXPIRED,
    FINDING_NOT_YET_VALID,
    FINDING_EXPIRES_SOON,         /* within a threshold, not expired */
    FINDING_CHAIN_EXPIRES_SOONER, /* an intermediate ends before the leaf does, and within a
                                     threshold */
    FINDING_SELF_SIGNED,
    FINDING_UNTRUSTED, /* trust.error says why */
    FINDING_NAME_MISMATCH,
    FINDING_NO_SUBJECT_ALT_NAME,
    FINDING_WEAK_KEY,
    FINDING_WEAK_SIGNATURE,
    FINDING_OLD_PROTOCOL,       /* TLS 1.1 or older was the best it gave */
    FINDING_HANDSHAKE_FALLBACK, /* the handshake failed, the certificate was read by grab */
    FINDING_CLIENT_CERTIFICATE_REQUESTED,
    FINDING_CHAIN_UNREADABLE, /* a certificate behind the leaf cannot be parsed */
    FINDING_EXTENSION_UNREADABLE,
    FINDING_ADDRESSES_DIFFER,  /* another certificate than the name's first address */
    FINDING_DANE_MISMATCH,     /* no TLSA record fits, whether they are secure or not */
    FINDING_DANE_INSECURE,     /* TLSA records without DNSSEC, or behind a resolver that does not
                                  validate */
    FINDING_DANE_FAILED,       /* whether there are TLSA records is not known */
    FINDING_NO_KEY_IDENTIFIER, /* these four are lints, engine/x509/lint.h: they weigh nothing */
    FINDING_ODD_SERIAL,
    FINDING_UNDERSCORE_IN_NAME,
    FINDING_ODD_EXTENDED_KEY_USAGE,
    FINDING_WEAK_VERSION, /* SSL 3.0, TLS 1.0 or TLS 1.1 is accepted; this and the next by audit */
    FINDING_WEAK_SUITE,   /* RC4, DES, 3DES, MD5 and the like; also when a handshake chose one */
    FINDING_INSECURE_SUITE, /* no encryption, no authentication, or of export size; likewise */
    FINDING_WEAK_GROUP,     /* a finite field under 2048 bits, a curve under 224 */
    FINDING_COMPRESSION,
    FINDING_NO_SECURE_RENEGOTIATION,
    FINDING_NO_FORWARD_SECRECY,
    FINDING_SCT_INVALID,      /* not signed by the log that it names */
    FINDING_INCOMPLETE_CHAIN, /* the leaf's issuer was not sent, or issuers had to be fetched */
    FINDING_REVOKED,
    FINDING_REVOCATION_UNKNOWN, /* it was asked for, and could not be told */
    FINDING_COUNT,
};

const char *outcome_name(enum outcome outcome);
const char *stage_name(enum stage stage);
const char *status_name(enum status status);
const char *plan_name(enum plan plan);
const char *finding_name(enum finding finding);
const char *finding_summary(enum finding finding); /* one sentence for a person */

#endif
