/* The authorities of the farm, and the frame that all its certificates have. Within the farm only.
 * Constant once made, then safe on every thread. */
#ifndef BENCH_CTFARM_CTFARM_PKI_H
#define BENCH_CTFARM_CTFARM_PKI_H

#include "bench/ctfarm/ctfarm_keys.h"
#include "engine/base/arena.h"

enum { CTFARM_KEY_ID_BYTES = 20, CTFARM_CHAIN_MAX = 3, CTFARM_STYLE_MAX = 11 };

/* Extensions of leaves. Authorities put them in different orders. */
enum ctfarm_extension {
    CTFARM_EXT_NONE = 0,
    CTFARM_EXT_KEY_USAGE,
    CTFARM_EXT_PURPOSES, /* extKeyUsage */
    CTFARM_EXT_BASIC,
    CTFARM_EXT_SUBJECT_KEY,
    CTFARM_EXT_AUTHORITY_KEY,
    CTFARM_EXT_AUTHORITY_INFO,
    CTFARM_EXT_NAMES,
    CTFARM_EXT_POLICIES,
    CTFARM_EXT_CRL,
    CTFARM_EXT_CT, /* poison in a precertificate, list of SCTs in a final one */
    CTFARM_EXT_COUNT
};

struct ctfarm_ca {
    const char *name, *organisation, *country, *host; /* host: of its URLs */
    const struct ctfarm_ca *issuer;                   /* NULL for a root */
    const struct ctfarm_ca *precert_signer; /* NULL when it signs precertificates itself */
    const uint8_t *style;                   /* enum ctfarm_extension, up to NONE */
    struct ctfarm_signer signer;
    uint8_t key_id[CTFARM_KEY_ID_BYTES];
    struct slice subject;     /* Name */
    struct slice certificate; /* DER */
    uint8_t fingerprint[CTFARM_HASH_BYTES], sha1[20];
    struct slice parts[CTFARM_EXT_COUNT]; /* whole extensions of its leaves, where they are alike */
    int64_t not_before, not_after;
    uint16_t lifetime_days; /* of its leaves */
    uint8_t serial[16];
};

/* Those that issue; others are their roots and precertificate signers. */
enum ctfarm_issuer {
    CTFARM_HARBOUR_E, /* P-256, 90 days */
    CTFARM_HARBOUR_R, /* RSA */
    CTFARM_MERIDIAN,  /* RSA, with organisations in its subjects */
    CTFARM_QUAY,      /* P-384 */
    CTFARM_ORCHARD,   /* P-256, precertificates by a signer of its own (RFC 6962 section 3.1) */
    CTFARM_ELSEWHERE, /* issues only what is wished for: hijacks */
    CTFARM_ISSUERS,
    CTFARM_ROOT_X = CTFARM_ISSUERS,
    CTFARM_ROOT_G,
    CTFARM_ORCHARD_PRECERT,
    CTFARM_CAS
};

struct ctfarm_pki {
    struct ctfarm_ca cas[CTFARM_CAS];
    struct arena arena;
};

/* The same for the same seed and time, of which only the year counts. */
bool ctfarm_pki_init(struct ctfarm_pki *pki, uint64_t seed, int64_t unix_seconds)
    __attribute__((warn_unused_result));
void ctfarm_pki_deinit(struct ctfarm_pki *pki);

/* From its issuer up to the root; returns how many. `signer`: as a precertificate that the signer
 * of its own has signed. */
uint32_t ctfarm_chain(const struct ctfarm_ca *ca, bool signer,
                      const struct ctfarm_ca *out[CTFARM_CHAIN_MAX]);

/* What stands around the extensions of a certificate. */
struct ctfarm_frame {
    struct slice serial;   /* content of the INTEGER */
    struct slice issuer;   /* Name */
    struct slice validity; /* whole SEQUENCE */
    struct slice subject;  /* Name */
    struct slice spki;
    struct slice algorithm; /* AlgorithmIdentifier of the signature */
};

/* Makes a TBSCertificate of the extensions written since `mark`. */
void ctfarm_write_tbs(struct ctfarm_der *out, size_t mark, const struct ctfarm_frame *frame);
/* Writes the certificate of a TBS and a signature, which lie elsewhere or behind. */
void ctfarm_write_certificate(struct ctfarm_der *out, struct slice tbs, struct slice algorithm,
                              struct slice signature);

void ctfarm_write_validity(struct ctfarm_der *out, int64_t not_before, int64_t not_after);
/* One RelativeDistinguishedName: `attribute` is the last byte of id-at. */
void ctfarm_write_rdn(struct ctfarm_der *out, uint8_t attribute, struct slice text);
enum {
    CTFARM_RDN_CN = 3,
    CTFARM_RDN_C = 6,
    CTFARM_RDN_L = 7,
    CTFARM_RDN_ST = 8,
    CTFARM_RDN_O = 10
};

/* Makes an Extension of the value written since `mark`; `oid` is the content of the OBJECT
 * IDENTIFIER. */
void ctfarm_write_extension(struct ctfarm_der *out, size_t mark, struct slice oid, bool critical);

/* The identifiers by name. */
extern const struct slice ctfarm_oid_poison, ctfarm_oid_scts, ctfarm_oid_names,
    ctfarm_oid_subject_key;

#endif
