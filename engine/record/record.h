/* A record: what is reported of one target, built once, never changed after, shared by reference
 * count.
 *
 * Each kind of record has a table of its fields (fields.h). A record is made by one thread; once it
 * is published, every thread may read it, and the last record_put frees it. All slices of a record
 * point into its own arena or to static text. */
#ifndef ENGINE_RECORD_RECORD_H
#define ENGINE_RECORD_RECORD_H

#include "engine/base/address.h"
#include "engine/base/arena.h"
#include "engine/record/outcome.h"

#include <stdatomic.h>

struct record_kind;  /* fields.h */
struct audit_fields; /* audit_fields.h, and the next two */
struct ocsp_fields;
struct sct_fields;
struct dane_fields; /* dane_fields.h */

struct record {
    _Atomic uint32_t references;
    const struct record_kind *kind;
    uint64_t ticket; /* of the work that is done when this record is written; 0 for none */
    struct arena memory;
};

void record_get(struct record *record);
void record_put(struct record *record);

/* A certificate as records show it: the texts and hashes of an engine/x509 certificate. */
struct certificate_fields {
    struct slice der;
    struct slice subject, subject_cn, issuer, issuer_cn,
        issuer_o;        /* UTF-8; empty where there is none */
    struct slice serial; /* content of the INTEGER */
    bool has_validity;
    int64_t not_before, not_after; /* seconds since 1970 */
    int32_t lifetime_days;
    struct slice_list dns_names, emails, uris; /* untrusted bytes */
    const struct address *ip_addresses;
    uint32_t ip_address_count;
    uint32_t names_total; /* more than listed when over the limit */
    uint8_t fingerprint_sha256[32], fingerprint_sha1[20], tbs_sha256[32], spki_sha256[32];
    bool has_fingerprint_sha256, has_fingerprint_sha1, has_tbs_sha256, has_spki_sha256;
    struct slice key_type; /* static text */
    uint16_t key_bits;
    struct slice signature_algorithm;
    bool is_ca, self_signed;
    struct slice_list ocsp_urls, crl_urls;
    bool
        told; /* by a feed that has read the certificate for us: what it does not tell is missing */
};

/* What of a record takes time to make: an encoder says which it writes (encoding_parts), and who
 * makes records for it alone leaves out the others. */
enum record_part { /* bits */
                   PART_FINGERPRINT_SHA256 = 1 << 0,
                   PART_FINGERPRINT_SHA1 = 1 << 1,
                   PART_TBS_SHA256 = 1 << 2,
                   PART_SPKI_SHA256 = 1 << 3,
                   PART_SUBJECT = 1 << 4, /* texts of the name */
                   PART_ISSUER = 1 << 5,
                   PART_NAMES = 1 << 6, /* of the SAN */
                   PART_URLS = 1 << 7,
                   PART_KEY = 1 << 8, /* texts and verdicts about key and signature */
                   PART_CHAIN = 1 << 9,
                   PART_LINK = 1 << 10, /* to the entry of a log */
                   PART_HASHES = PART_FINGERPRINT_SHA256 | PART_FINGERPRINT_SHA1 | PART_TBS_SHA256 |
                                 PART_SPKI_SHA256,
                   PARTS_ALL = (1 << 11) - 1,
};

struct certificate;

/* Fills `out` from a decoded certificate; texts go into `arena`, slices into the DER stay where
 * they are, so the DER must live as long as the arena does. False when there is no memory. */
bool certificate_fields_fill(const struct certificate *certificate, struct arena *arena,
                             struct certificate_fields *out);

/* The same without the parts that nobody asked for, which are then empty. */
bool certificate_fields_fill_parts(const struct certificate *certificate, uint32_t parts,
                                   struct arena *arena, struct certificate_fields *out);

/* One certificate of the chain behind the leaf. */
struct chain_link {
    struct slice der;
    bool readable;                /* when false, only der and fingerprint are there */
    struct slice subject, issuer; /* RFC 4514 text */
    int64_t not_after;
    uint8_t fingerprint_sha256[32];
};

/* Times in microseconds; -1 where the stage was not reached. */
struct probe_timing {
    int64_t dns_us, connect_us, starttls_us, handshake_us, total_us;
};

/* What tells a record from all others, wherever it is kept: which run, which of its targets
 * (probe_record_identify). Of one that is repeated after a run was killed it is the same. */
enum { RECORD_ID_BYTES = 16 };

struct probe_record {
    struct record head;
    uint8_t id[RECORD_ID_BYTES];
    int64_t time_ms;        /* when the probe began, since 1970 */
    struct slice host;      /* as it was given: a name or an address */
    struct address address; /* that was connected to; family ADDRESS_NONE when none */
    uint16_t port;
    struct slice protocol; /* static text: "tls" */
    struct slice sni;      /* empty when none was sent */
    enum plan plan;        /* that gave the result */
    uint16_t attempt;      /* 1 for the first connection to this target, 2 for the next ... */
    enum outcome outcome;
    enum stage stage;   /* the last one entered; STAGE_DONE when all went through */
    struct slice error; /* human words, may quote the peer; empty when there is nothing to say */
    const struct address *addresses; /* all that the name resolved to */
    uint32_t address_count;
    struct probe_timing timing;

    bool has_tls;
    struct {
        uint16_t version, cipher, group;
        struct slice alpn;
        bool client_certificate_known; /* whether one was requested: a conversation that ended early
                                          may not have come to that */
        bool client_certificate_requested, ocsp_stapled, key_proven, alert_received;
        uint16_t sct_count;
        uint8_t alert;
    } tls;

    bool has_certificate; /* the leaf was received and could be parsed */
    struct certificate_fields certificate;
    struct slice
        unparsable_der; /* the leaf's bytes when it could not be parsed; the reason is in `error` */
    const struct chain_link *chain; /* behind the leaf, in the order sent */
    uint32_t chain_count;

    bool has_trust;
    struct {
        bool chain_checked, trusted;     /* trusted says nothing unless it was checked */
        bool name_checked, name_matches; /* likewise */
        struct slice error;              /* static text, engine/x509/trust.h; empty when trusted */
        struct slice matched_name;
        int64_t chain_not_after; /* earliest on the verified path; 0 when not trusted */
        bool issuer_missing;     /* not trusted, and the leaf's issuer was not sent */
        uint8_t fetched_issuers; /* certificates that were got from elsewhere, and verified with */
    } trust;

    bool has_revocation; /* CRLs were asked for */
    struct {
        uint8_t status; /* enum revocation_status, of the whole path */
        uint8_t reason;
        uint8_t depth; /* of the certificate that the rest is about: 0 the leaf, 1 its issuer ... */
        int64_t revoked_at, this_update,
            next_update;         /* seconds since 1970; 0 where there is none */
        struct slice url, error; /* of the CRL; why it is not known */
    } revocation;
    int64_t earliest_not_after; /* over the leaf and all that was sent; 0 when there is no
                                   certificate */

    bool has_days_left;
    double days_left; /* of the leaf; negative when expired */
    enum status status;
    uint64_t findings; /* bits 1 << enum finding */

    const struct dane_fields *dane;   /* NULL when nobody asked for TLSA records */
    const struct audit_fields *audit; /* NULL without an audit */
    const struct ocsp_fields *ocsp;   /* NULL when no response was stapled */
    const struct sct_fields *scts;
    uint32_t sct_count;
};

/* NULL when there is no memory. `bytes` is how much text and DER is expected to go into its arena.
 */
struct probe_record *probe_record_new(size_t bytes);

/* Gives the record its id: of target `number` of the run, its record `part`, counted from 0. */
void probe_record_identify(struct probe_record *record, uint64_t run, uint64_t number,
                           uint16_t part);
uint64_t probe_record_number(const struct probe_record *record);
uint16_t probe_record_part(const struct probe_record *record);

extern const struct record_kind probe_record_kind;

/* The record as a probe's; NULL when it is of another kind. */
static inline const struct probe_record *probe_record_of(const struct record *record) {
    return record->kind == &probe_record_kind ? (const struct probe_record *)record : NULL;
}

#endif
