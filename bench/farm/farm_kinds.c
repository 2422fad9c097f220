#include "bench/farm/farm_kinds.h"

#include "bench/farm/farm_profile.h"

#include <assert.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>

/* The shares are those of a large, badly kept network: two thirds are fine, the rest shows every
 * fault often enough to be seen in a sweep of some hundred endpoints. */
static const struct farm_profile PROFILES[FARM_KIND_COUNT] = {
    [FARM_GOOD_ECDSA] = {.name = "good-ecdsa",
                         .summary = "P-256 key, issued by an intermediate",
                         .expected_outcome = "ok",
                         .share = 110,
                         .issuer = FARM_BY_INTERMEDIATE},
    [FARM_GOOD_RSA] = {.name = "good-rsa",
                       .summary = "RSA-2048 key, issued by an intermediate",
                       .expected_outcome = "ok",
                       .share = 50,
                       .key = FARM_KEY_RSA_2048,
                       .issuer = FARM_BY_INTERMEDIATE},
    [FARM_GOOD_RSA_CHAIN] = {.name = "good-rsa-chain",
                             .summary = "RSA-2048 key, issued by an intermediate with RSA-2048",
                             .expected_outcome = "ok",
                             .share = 20,
                             .key = FARM_KEY_RSA_2048,
                             .issuer = FARM_BY_RSA_INTERMEDIATE},
    [FARM_GOOD_P384] = {.name = "good-p384",
                        .summary = "P-384 key, issued by an intermediate",
                        .expected_outcome = "ok",
                        .share = 12,
                        .key = FARM_KEY_P384,
                        .issuer = FARM_BY_INTERMEDIATE},
    [FARM_GOOD_ED25519] = {.name = "good-ed25519",
                           .summary = "Ed25519 key, issued by the root",
                           .expected_outcome = "ok",
                           .share = 3,
                           .key = FARM_KEY_ED25519},
    [FARM_TLS12_ONLY] = {.name = "tls12-only",
                         .summary = "speaks TLS 1.2 and nothing newer",
                         .expected_outcome = "ok",
                         .share = 24,
                         .key = FARM_KEY_RSA_2048,
                         .version_min = TLS1_2_VERSION,
                         .version_max = TLS1_2_VERSION},
    [FARM_TLS13_ONLY] = {.name = "tls13-only",
                         .summary = "speaks TLS 1.3 and nothing older",
                         .expected_outcome = "ok",
                         .share = 16,
                         .version_min = TLS1_3_VERSION,
                         .version_max = TLS1_3_VERSION},
    [FARM_TLS13_P256_ONLY] = {.name = "tls13-p256-only",
                              .summary = "TLS 1.3 with P-256 key shares only",
                              .expected_outcome = "ok",
                              .share = 6,
                              .version_min = TLS1_3_VERSION,
                              .version_max = TLS1_3_VERSION,
                              .group = NID_X9_62_prime256v1},
    [FARM_TLS13_P384_ONLY] = {.name = "tls13-p384-only",
                              .summary = "TLS 1.3 with P-384 key shares only",
                              .expected_outcome = "ok",
                              .share = 4,
                              .version_min = TLS1_3_VERSION,
                              .version_max = TLS1_3_VERSION,
                              .group = NID_secp384r1},
    [FARM_TLS10_ONLY] = {.name = "tls10-only",
                         .summary = "speaks TLS 1.0 and nothing newer",
                         .expected_outcome = "ok",
                         .expected_finding = "old_protocol",
                         .share = 4,
                         .key = FARM_KEY_RSA_2048,
                         .version_min = TLS1_VERSION,
                         .version_max = TLS1_VERSION},
    [FARM_EXPIRED] = {.name = "expired",
                      .summary = "certificate expired 5 days ago",
                      .expected_outcome = "ok",
                      .expected_finding = "expired",
                      .share = 10,
                      .days_left = -5},
    [FARM_EXPIRES_IN_3_DAYS] = {.name = "expires-in-3-days",
                                .summary = "certificate expires in 3 days",
                                .expected_outcome = "ok",
                                .expected_finding = "expires_soon",
                                .share = 6,
                                .days_left = 3},
    [FARM_EXPIRES_IN_12_DAYS] = {.name = "expires-in-12-days",
                                 .summary = "certificate expires in 12 days",
                                 .expected_outcome = "ok",
                                 .expected_finding = "expires_soon",
                                 .share = 8,
                                 .days_left = 12},
    [FARM_NOT_YET_VALID] = {.name = "not-yet-valid",
                            .summary = "certificate is valid from the day after tomorrow",
                            .expected_outcome = "ok",
                            .expected_finding = "not_yet_valid",
                            .share = 2,
                            .days_left = FARM_LIFETIME_DAYS + 2},
    [FARM_SELF_SIGNED] = {.name = "self-signed",
                          .summary = "certificate signed by its own key",
                          .expected_outcome = "ok",
                          .expected_finding = "self_signed",
                          .share = 12,
                          .issuer = FARM_BY_ITSELF},
    [FARM_WRONG_NAME] = {.name = "wrong-name",
                         .summary = "certificate is for another host",
                         .expected_outcome = "ok",
                         .expected_finding = "name_mismatch",
                         .share = 8,
                         .wrong_name = true},
    [FARM_UNTRUSTED] = {.name = "untrusted",
                        .summary = "issued by a root that nobody trusts",
                        .expected_outcome = "ok",
                        .expected_finding = "untrusted",
                        .share = 8,
                        .issuer = FARM_BY_STRANGER},
    [FARM_MISSING_INTERMEDIATE] = {.name = "missing-intermediate",
                                   .summary = "does not send its intermediate certificate",
                                   .expected_outcome = "ok",
                                   .expected_finding = "untrusted",
                                   .share = 6,
                                   .issuer = FARM_BY_HIDDEN_INTERMEDIATE},
    [FARM_WEAK_KEY] = {.name = "weak-key",
                       .summary = "RSA-1024 key",
                       .expected_outcome = "ok",
                       .expected_finding = "weak_key",
                       .share = 4,
                       .key = FARM_KEY_RSA_1024},
    [FARM_CLIENT_CERTIFICATE] = {.name = "client-certificate",
                                 .summary = "TLS 1.2, ends the handshake of clients without a "
                                            "certificate",
                                 .expected_outcome = "tls_alert",
                                 .expected_finding = "client_certificate_requested",
                                 .share = 4,
                                 .version_min = TLS1_2_VERSION,
                                 .version_max = TLS1_2_VERSION,
                                 .asks_client = true},
    /* The client's side of the handshake is complete before the server can object: RFC 8446
     * section 4.4.2.4. */
    [FARM_CLIENT_CERTIFICATE_TLS13] = {.name = "client-certificate-tls13",
                                       .summary = "TLS 1.3, dismisses clients without a "
                                                  "certificate after their handshake",
                                       .expected_outcome = "ok",
                                       .expected_finding = "client_certificate_requested",
                                       .share = 4,
                                       .version_min = TLS1_3_VERSION,
                                       .version_max = TLS1_3_VERSION,
                                       .asks_client = true},
    [FARM_UNPARSABLE] = {.name = "unparsable",
                         .summary = "sends bytes that are no certificate",
                         .expected_outcome = "certificate_unparsable",
                         .share = 2,
                         .behaviour = FARM_SAY_RUBBISH},
    [FARM_ALERT] = {.name = "alert",
                    .summary = "answers every hello with a handshake_failure alert",
                    .expected_outcome = "tls_alert",
                    .share = 4,
                    .behaviour = FARM_SAY_ALERT},
    [FARM_NOT_TLS] = {.name = "not-tls",
                      .summary = "speaks plain HTTP",
                      .expected_outcome = "protocol_error",
                      .share = 6,
                      .behaviour = FARM_SAY_HTTP},
    [FARM_SILENT] = {.name = "silent",
                     .summary = "accepts and never says a word",
                     .expected_outcome = "timeout",
                     .share = 8,
                     .behaviour = FARM_STAY_MUTE},
    [FARM_DRIPPING] = {.name = "dripping",
                       .summary = "sends one byte a second",
                       .expected_outcome = "timeout",
                       .share = 4,
                       .behaviour = FARM_DRIP},
    [FARM_REFUSING] = {.name = "refusing",
                       .summary = "refuses connections",
                       .expected_outcome = "refused",
                       .share = 12,
                       .behaviour = FARM_REFUSE},
    [FARM_RESETTING] = {.name = "resetting",
                        .summary = "resets the connection after the hello",
                        .expected_outcome = "reset",
                        .share = 6,
                        .behaviour = FARM_RESET},
    [FARM_CLOSING] = {.name = "closing",
                      .summary = "closes the connection after the hello",
                      .expected_outcome = "tls_failed",
                      .share = 4,
                      .behaviour = FARM_CLOSE},
};

const struct farm_profile *farm_profile(enum farm_kind kind) {
    assert(kind < FARM_KIND_COUNT);
    return &PROFILES[kind];
}

const char *farm_kind_name(enum farm_kind kind) {
    return farm_profile(kind)->name;
}

const char *farm_kind_summary(enum farm_kind kind) {
    return farm_profile(kind)->summary;
}

const char *farm_kind_expected_outcome(enum farm_kind kind) {
    return farm_profile(kind)->expected_outcome;
}

const char *farm_kind_expected_finding(enum farm_kind kind) {
    const char *finding = farm_profile(kind)->expected_finding;
    return finding ? finding : "";
}

bool farm_kind_find(struct slice name, enum farm_kind *out) {
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++) {
        if (slice_is(name, PROFILES[kind].name)) {
            *out = (enum farm_kind)kind;
            return true;
        }
    }
    return false;
}
