/* What an authority decides before it writes a certificate: names, key, serial, dates. A
 * precertificate and its final certificate have one issuance. Within the farm only. */
#ifndef BENCH_CTFARM_CTFARM_ISSUANCE_H
#define BENCH_CTFARM_CTFARM_ISSUANCE_H

#include "bench/ctfarm/ctfarm_log.h"
#include "bench/ctfarm/ctfarm_pki.h"

enum {
    CTFARM_NAMES_MAX = 2048,
    CTFARM_COMMON_NAMES_MAX = 2,
    CTFARM_NAME_TEXT_MAX = 128 * 1024, /* of all names together */
    CTFARM_SERIAL_MAX = 40,
    CTFARM_NAME_MAX = 253,
};

struct ctfarm_issuance {
    uint64_t id;
    enum ctfarm_kind kind;
    const struct ctfarm_ca *ca;
    bool by_precert_signer; /* its precertificate is signed by the signer of its own */
    enum ctfarm_key_type key_type;
    int64_t not_before, not_after;
    const char *organisation; /* NULL: only the domain is validated */
    struct slice names[CTFARM_NAMES_MAX], common_names[CTFARM_COMMON_NAMES_MAX];
    uint32_t name_count, common_name_count;
    struct slice serial; /* content of the INTEGER */
    uint8_t key_id[CTFARM_KEY_ID_BYTES];

    /* As DER, in the room that the issuance was written into: */
    struct slice validity, subject, spki, san; /* san: none, one or two whole extensions */
    struct slice other_san;                    /* of the precertificate that is bound wrongly */

    size_t text_len;
    uint8_t serial_bytes[CTFARM_SERIAL_MAX];
    uint8_t text[CTFARM_NAME_TEXT_MAX]; /* that the names point into */
};

struct ctfarm_issuer_view { /* what an issuance follows from */
    const struct ctfarm_pki *pki;
    const struct ctfarm_key_pool *keys;
    uint64_t seed;
    uint32_t odd;
    int64_t timestamp_ms;
};

/* `wish` is NULL for an issuance that follows from the seed alone. */
void ctfarm_issuance_make(const struct ctfarm_issuer_view *view, uint64_t id,
                          const struct ctfarm_wish *wish, struct ctfarm_issuance *out,
                          struct ctfarm_der *room);

#endif
