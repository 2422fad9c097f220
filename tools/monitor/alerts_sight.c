#include "engine/hash/sha256.h"
#include "tools/monitor/alerts.h"

#include <assert.h>

static uint64_t short_hash(struct slice bytes) {
    uint8_t hash[SHA256_BYTES];
    uint64_t id = 0;

    sha256_one(bytes, hash);
    for (unsigned i = 0; i < sizeof id; i++)
        id = id << 8 | hash[i];
    return id;
}

/* The same in whatever order they stand. */
static uint64_t hash_names(const struct certificate_fields *certificate) {
    uint64_t sum = certificate->names_total;

    for (uint32_t i = 0; i < certificate->dns_names.count; i++)
        sum += short_hash(certificate->dns_names.items[i]);
    for (uint32_t i = 0; i < certificate->ip_address_count; i++) {
        const struct address *address = &certificate->ip_addresses[i];
        sum += short_hash((struct slice){address->bytes, address_length(address)});
    }
    return sum;
}

/* An expired leaf is told as that; what else is wrong with trust is not known before it is
 * replaced. */
static void judge_trust(struct alert_sight *sight, const struct probe_record *record) {
    bool is_over = record->findings & (1u << FINDING_EXPIRED);

    if (record->has_trust) {
        sight->trust_known =
            record->trust.chain_checked && !(is_over && slice_is(record->trust.error, "expired"));
        sight->is_trusted = record->trust.trusted;
        sight->trust_error = record->trust.error;
        sight->name_known = record->trust.name_checked;
        sight->name_matches = record->trust.name_matches;
    }
    if (record->findings & (UINT64_C(1) << FINDING_REVOKED)) {
        sight->trust_known = true;
        sight->is_trusted = false;
        sight->trust_error = slice_of("revoked");
    } else if (record->findings & (UINT64_C(1) << FINDING_DANE_MISMATCH)) {
        sight->trust_known = true;
        sight->is_trusted = false;
        sight->trust_error = slice_of("dane_mismatch");
    }
}

/* The halves of a record's id are its run and its number within that: neither alone says which
 * record it is. */
static uint64_t short_id(const uint8_t id[16]) {
    uint64_t halves[2];

    memcpy(halves, id, sizeof halves);
    return halves[0] ^ halves[1];
}

void alert_sight_init(struct alert_sight *sight, const struct probe_record *record) {
    const struct certificate_fields *certificate = &record->certificate;

    *sight = (struct alert_sight){.time_ms = record->time_ms,
                                  .outcome = record->outcome,
                                  .error = record->error,
                                  .has_certificate = record->has_certificate &&
                                                     certificate->has_validity &&
                                                     certificate->has_fingerprint_sha256};
    sight->id = short_id(record->id);
    if (!sight->has_certificate)
        return;
    memcpy(sight->fingerprint, certificate->fingerprint_sha256, sizeof sight->fingerprint);
    if (certificate->has_spki_sha256)
        memcpy(sight->spki, certificate->spki_sha256, sizeof sight->spki);
    sight->names = hash_names(certificate);
    sight->subject = certificate->subject;
    sight->subject_cn = certificate->subject_cn;
    sight->issuer = certificate->issuer;
    sight->issuer_cn = certificate->issuer_cn;
    sight->issuer_id =
        short_hash(certificate->issuer_o.len ? certificate->issuer_o : certificate->issuer);
    sight->not_before = certificate->not_before;
    sight->not_after = certificate->not_after;
    judge_trust(sight, record);
}
