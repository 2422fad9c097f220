/* The kinds of server that a farm has, and what a scan should find at each. Constant tables, safe
 * on every thread. */
#ifndef BENCH_FARM_FARM_KINDS_H
#define BENCH_FARM_FARM_KINDS_H

#include "engine/base/slice.h"

#include <assert.h>

/* Unless a kind says otherwise, a server speaks TLS 1.2 and 1.3 and its certificate is valid, for
 * the endpoint's name and address, and leads to the farm's root. farm_kind_summary has the words.
 */
enum farm_kind {
    FARM_GOOD_ECDSA,
    FARM_GOOD_RSA,
    FARM_GOOD_RSA_CHAIN,
    FARM_GOOD_P384,
    FARM_GOOD_ED25519,
    FARM_TLS12_ONLY,
    FARM_TLS13_ONLY,
    FARM_TLS13_P256_ONLY,
    FARM_TLS13_P384_ONLY,
    FARM_TLS10_ONLY,
    FARM_EXPIRED,
    FARM_EXPIRES_IN_3_DAYS,
    FARM_EXPIRES_IN_12_DAYS,
    FARM_NOT_YET_VALID,
    FARM_SELF_SIGNED,
    FARM_WRONG_NAME,
    FARM_UNTRUSTED,
    FARM_MISSING_INTERMEDIATE,
    FARM_WEAK_KEY,
    FARM_CLIENT_CERTIFICATE,
    FARM_CLIENT_CERTIFICATE_TLS13,
    FARM_UNPARSABLE,
    FARM_ALERT,
    FARM_NOT_TLS,
    FARM_SILENT,
    FARM_DRIPPING,
    FARM_REFUSING,
    FARM_RESETTING,
    FARM_CLOSING,
    FARM_KIND_COUNT,
};

#define FARM_KIND_BIT(kind) (UINT32_C(1) << (kind))
static_assert(FARM_KIND_COUNT <= 32, "a set of kinds is 32 bits");

enum { FARM_NAME_MAX = 64 }; /* bytes of an endpoint's name with its terminator */

/* "good-ecdsa": stable, the first part of an endpoint's name. */
const char *farm_kind_name(enum farm_kind kind);
/* One line for a person. */
const char *farm_kind_summary(enum farm_kind kind);
/* The outcome that a scan with the default plan should report: a name of engine/record/outcome.h.
 */
const char *farm_kind_expected_outcome(enum farm_kind kind);
/* The finding that the record must carry when the farm's root is trusted and the thresholds are the
 * default ones: a name of engine/record/outcome.h, "" when there is none. Others may follow from
 * it. */
const char *farm_kind_expected_finding(enum farm_kind kind);

/* By name; false when there is none such. */
bool farm_kind_find(struct slice name, enum farm_kind *out);

#endif
