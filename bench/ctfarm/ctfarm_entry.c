/* From an issuance to an entry of the log. All parts are written into one room, from its end to its
 * beginning:
 *
 *     leaf | certificate | TBS of the certificate | TBS | validity, subject, key, names
 */
#include "bench/ctfarm/ctfarm_log_parts.h"

#include "engine/base/random.h"

#include <assert.h>
#include <stdlib.h>

/* --- Which issuance --- */

enum { PATTERN = 10, ALONE = -1 };

/* Ten entries: precertificates, and final certificates that belong to the precertificate so many
 * entries before. */
static const int16_t PARTNERS[PATTERN] = {0, 0, 2, 0, 0, 5 + 9, 0, 4 + 100, 0, ALONE};

struct role {
    uint64_t issuance;
    bool precert, alone; /* alone: its precertificate is not in this log */
    const struct ctfarm_wish *wish;
};

static struct role wished_role(const struct ctfarm_log *log, const struct ctfarm_wish *wish) {
    struct role role = {.issuance = wish->index, .precert = wish->precert, .wish = wish};
    if (!wish->precert && wish->partner != CTFARM_NO_PARTNER) {
        role.issuance = wish->partner;
        role.wish = ctfarm_log_wish(log, wish->partner);
    } else if (!wish->precert) {
        role.alone = true;
    }
    return role;
}

static struct role role_of(const struct ctfarm_log *log, uint64_t index) {
    const struct ctfarm_wish *wish = ctfarm_log_wish(log, index);
    if (wish)
        return wished_role(log, wish);
    int16_t partner = PARTNERS[index % PATTERN];
    struct role role = {.issuance = index, .precert = partner == 0};
    if (partner > 0 && (uint64_t)partner <= index &&
        !ctfarm_log_wish(log, index - (uint64_t)partner))
        role.issuance = index - (uint64_t)partner;
    else
        role.alone = !role.precert;
    return role;
}

/* --- Signatures --- */

/* What looks like one and proves nothing. */
static size_t imitate_signature(const struct ctfarm_signer *signer, struct random *random,
                                uint8_t *out) {
    if (signer->type == CTFARM_KEY_RSA_2048) {
        random_fill(random, out, 256);
        out[0] &= 0x7f;
        return 256;
    }
    uint8_t half = signer->type == CTFARM_KEY_P384 ? 48 : 32;
    uint8_t *second = out + 4 + half;
    random_fill(random, out, 6 + 2 * (size_t)half);
    out[0] = CTFARM_DER_SEQUENCE;
    out[1] = (uint8_t)(4 + 2 * half);
    out[2] = second[0] = CTFARM_DER_INTEGER;
    out[3] = second[1] = half;
    out[4] = (out[4] & 0x3f) | 0x40;
    second[2] = (second[2] & 0x3f) | 0x40;
    return 6 + 2 * (size_t)half;
}

static size_t sign(const struct ctfarm_log *log, const struct ctfarm_signer *signer,
                   struct random *random, struct slice message, uint8_t *out) {
    return log->config.signed_fully ? ctfarm_sign(signer, message, out)
                                    : imitate_signature(signer, random, out);
}

/* --- SCTs --- */

void ctfarm_write_leaf_index(struct ctfarm_der *out, uint64_t index) {
    ctfarm_der_number(out, index, 5);
    ctfarm_der_number(out, 5, 2);
    ctfarm_der_byte(out, 0);
}

/* CtExtensions, of leaves and SCTs alike. */
static void write_extensions(const struct ctfarm_log *log, uint64_t index, struct ctfarm_der *out) {
    size_t mark = ctfarm_der_mark(out);
    if (log->has_leaf_index)
        ctfarm_write_leaf_index(out, index);
    ctfarm_der_prefix(out, 2, mark);
}

/* A precertificate's leaf, and what an SCT of it signs: the same bytes but for two zeros, which are
 * v1 and timestamped_entry here, v1 and certificate_timestamp there. */
static void write_precert_entry(const struct ctfarm_log *log, const struct ctfarm_entry *entry,
                                uint64_t index, int64_t timestamp_ms, struct ctfarm_der *out) {
    write_extensions(log, index, out);
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_slices(out, entry->tbs);
    ctfarm_der_prefix(out, 3, mark);
    ctfarm_der_bytes(out, entry->issuance.ca->signer.spki_sha256, CTFARM_HASH_BYTES);
    ctfarm_der_number(out, 1, 2);
    ctfarm_der_number(out, (uint64_t)timestamp_ms, 8);
    ctfarm_der_number(out, 0, 2);
}

/* `log_id` NULL: one of this log. */
static void write_sct(const struct ctfarm_log *log, const struct ctfarm_entry *entry,
                      enum ctfarm_side side, const uint8_t *log_id, struct random *random,
                      struct ctfarm_der *out) {
    const struct ctfarm_signer *signer = &log->signers[side];
    int64_t timestamp_ms = ctfarm_log_timestamp(log, entry->issuance.id);
    uint8_t signature[CTFARM_SIGNATURE_MAX];
    struct ctfarm_der scratch = *out; /* what is signed is written where the next part goes */
    size_t mark = ctfarm_der_mark(&scratch), len;
    if (log->config.signed_fully && !log_id)
        write_precert_entry(log, entry, entry->issuance.id, timestamp_ms, &scratch);
    len = log_id ? imitate_signature(signer, random, signature)
                 : sign(log, signer, random, ctfarm_der_since(&scratch, mark), signature);
    mark = ctfarm_der_mark(out);
    ctfarm_der_bytes(out, signature, len);
    ctfarm_der_prefix(out, 2, mark);
    ctfarm_der_byte(out, ctfarm_signer_tls(signer));
    ctfarm_der_byte(out, 4); /* SHA-256 */
    if (log_id)
        ctfarm_der_number(out, 0, 2);
    else
        write_extensions(log, entry->issuance.id, out);
    ctfarm_der_number(out, (uint64_t)timestamp_ms, 8);
    ctfarm_der_bytes(out, log_id ? log_id : signer->spki_sha256, CTFARM_HASH_BYTES);
    ctfarm_der_byte(out, 0); /* v1 */
    ctfarm_der_prefix(out, 2, mark);
}

static void write_scts(const struct ctfarm_log *log, const struct ctfarm_entry *entry, bool alone,
                       struct random *random, struct ctfarm_der *out) {
    size_t mark = ctfarm_der_mark(out);
    uint8_t other_id[CTFARM_HASH_BYTES];
    for (int side = CTFARM_SIDES; side-- > 0;) {
        random_fill(random, other_id, sizeof other_id);
        write_sct(log, entry, (enum ctfarm_side)side, alone ? other_id : NULL, random, out);
    }
    ctfarm_der_prefix(out, 2, mark);
    ctfarm_der_wrap(out, CTFARM_DER_OCTETS, mark);
    ctfarm_write_extension(out, mark, ctfarm_oid_scts, false);
}

/* --- Certificates --- */

enum ct_part { CT_NOTHING, CT_POISON, CT_SCTS };

struct making {
    const struct ctfarm_log *log;
    struct ctfarm_entry *entry;
    struct random random;
    struct ctfarm_der room;
    struct role role;
};

static void write_part(struct making *making, enum ctfarm_extension part, enum ct_part ct) {
    static const uint8_t NULL_VALUE[] = {5, 0};
    const struct ctfarm_issuance *issuance = &making->entry->issuance;
    struct ctfarm_der *out = &making->room;
    size_t mark = ctfarm_der_mark(out);
    switch (part) {
    case CTFARM_EXT_SUBJECT_KEY:
        ctfarm_der_value(out, CTFARM_DER_OCTETS,
                         (struct slice){issuance->key_id, sizeof issuance->key_id});
        ctfarm_write_extension(out, mark, ctfarm_oid_subject_key, false);
        break;
    case CTFARM_EXT_NAMES:
        ctfarm_der_slices(out, ct == CT_POISON && issuance->kind == CTFARM_UNBOUND
                                   ? issuance->other_san
                                   : issuance->san);
        break;
    case CTFARM_EXT_AUTHORITY_KEY: {
        bool by_signer = ct == CT_POISON && issuance->by_precert_signer;
        ctfarm_der_slices(out, by_signer ? issuance->ca->precert_signer->parts[part]
                                         : issuance->ca->parts[part]);
        break;
    }
    case CTFARM_EXT_CT:
        if (ct == CT_POISON && issuance->kind != CTFARM_NO_POISON) {
            ctfarm_der_bytes(out, NULL_VALUE, sizeof NULL_VALUE);
            ctfarm_write_extension(out, mark, ctfarm_oid_poison, true);
        } else if (ct == CT_SCTS) {
            write_scts(making->log, making->entry, making->role.alone, &making->random, out);
        }
        break;
    default:
        ctfarm_der_slices(out, issuance->ca->parts[part]);
    }
}

static struct slice make_tbs(struct making *making, enum ct_part ct) {
    const struct ctfarm_issuance *issuance = &making->entry->issuance;
    const struct ctfarm_ca *ca = issuance->ca;
    if (ct == CT_POISON && issuance->by_precert_signer)
        ca = ca->precert_signer;
    struct ctfarm_frame frame = {
        .serial = issuance->serial,
        .issuer = ca->subject,
        .validity = issuance->validity,
        .subject = issuance->subject,
        .spki = issuance->spki,
        .algorithm = ctfarm_signer_algorithm(&ca->signer),
    };
    size_t mark = ctfarm_der_mark(&making->room), parts = 0;
    while (issuance->ca->style[parts])
        parts++;
    while (parts-- > 0)
        write_part(making, (enum ctfarm_extension)issuance->ca->style[parts], ct);
    ctfarm_write_tbs(&making->room, mark, &frame);
    return ctfarm_der_since(&making->room, mark);
}

static struct slice make_certificate(struct making *making, struct slice tbs, bool precert) {
    const struct ctfarm_issuance *issuance = &making->entry->issuance;
    const struct ctfarm_ca *ca = issuance->ca;
    uint8_t signature[CTFARM_SIGNATURE_MAX];
    if (precert && issuance->by_precert_signer)
        ca = ca->precert_signer;
    size_t len = sign(making->log, &ca->signer, &making->random, tbs, signature);
    size_t mark = ctfarm_der_mark(&making->room);
    ctfarm_write_certificate(&making->room, tbs, ctfarm_signer_algorithm(&ca->signer),
                             (struct slice){signature, len});
    return ctfarm_der_since(&making->room, mark);
}

/* What is in place of DER where the log took something that is none. */
static struct slice spoil(struct making *making, struct slice der) {
    uint8_t *bytes = making->entry->room + (der.ptr - making->entry->room);
    if (making->entry->issuance.kind == CTFARM_UNPARSABLE)
        return slice_first(der, der.len - der.len / 3);
    if (making->entry->issuance.kind == CTFARM_GARBAGE)
        random_fill(&making->random, bytes, der.len);
    return der;
}

/* --- Entries --- */

static void write_x509_leaf(struct making *making) {
    struct ctfarm_der *out = &making->room;
    write_extensions(making->log, making->entry->index, out);
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_slices(out, making->entry->certificate);
    ctfarm_der_prefix(out, 3, mark);
    ctfarm_der_number(out, 0, 2);
    ctfarm_der_number(out, (uint64_t)making->entry->timestamp_ms, 8);
    ctfarm_der_number(out, 0, 2); /* v1, timestamped_entry */
}

static void make_parts(struct making *making) {
    struct ctfarm_entry *entry = making->entry;
    bool precert = making->role.precert;
    bool without = making->role.alone && entry->issuance.id % 2; /* some come without SCTs */
    entry->tbs = make_tbs(making, CT_NOTHING);
    struct slice tbs = make_tbs(making, precert ? CT_POISON : without ? CT_NOTHING : CT_SCTS);
    entry->certificate = spoil(making, make_certificate(making, tbs, precert));
    if (precert)
        entry->tbs = spoil(making, entry->tbs);
    size_t mark = ctfarm_der_mark(&making->room);
    if (precert)
        write_precert_entry(making->log, entry, entry->index, entry->timestamp_ms, &making->room);
    else
        write_x509_leaf(making);
    entry->leaf = ctfarm_der_since(&making->room, mark);
}

void ctfarm_entry_make(const struct ctfarm_log *log, uint64_t index, bool tampered,
                       struct ctfarm_entry *entry) {
    struct making making = {.log = log, .entry = entry};
    index %= log->distinct;
    making.role = role_of(log, index);
    random_init(&making.random, log->config.seed ^ (index << 1 | 1));
    ctfarm_der_init(&making.room, entry->room, sizeof entry->room);
    entry->index = index;
    entry->timestamp_ms = ctfarm_log_timestamp(log, index);
    entry->precert = making.role.precert;
    entry->tampered = tampered;
    struct ctfarm_issuer_view view = {
        .pki = &log->pki,
        .keys = &log->keys,
        .seed = log->config.seed,
        .odd = log->config.odd,
        .timestamp_ms = ctfarm_log_timestamp(log, making.role.issuance),
    };
    ctfarm_issuance_make(&view, making.role.issuance, making.role.wish, &entry->issuance,
                         &making.room);
    if (tampered)
        entry->issuance.serial_bytes[entry->issuance.serial.len - 1] ^= 1;
    make_parts(&making);
    entry->chain_count = ctfarm_chain(
        entry->issuance.ca, entry->precert && entry->issuance.by_precert_signer, entry->chain);
    assert(!making.room.failed && "the room is larger than any entry");
}

struct ctfarm_entry *ctfarm_entry_new(void) {
    return malloc(sizeof(struct ctfarm_entry));
}

void ctfarm_entry_free(struct ctfarm_entry *entry) {
    free(entry);
}

struct slice ctfarm_entry_leaf(const struct ctfarm_entry *entry) {
    return entry->leaf;
}

struct slice ctfarm_entry_certificate(const struct ctfarm_entry *entry) {
    return entry->certificate;
}

bool ctfarm_entry_is_precert(const struct ctfarm_entry *entry) {
    return entry->precert;
}

bool ctfarm_entry_is_parsable(const struct ctfarm_entry *entry) {
    return entry->issuance.kind != CTFARM_UNPARSABLE && entry->issuance.kind != CTFARM_GARBAGE;
}

/* --- As the protocols want them --- */

static void add_number(struct buffer *out, size_t number, unsigned size) {
    while (size-- > 0)
        buffer_add_byte(out, (uint8_t)(number >> (8 * size)));
}

static void add_precertificate(const struct ctfarm_entry *entry, struct buffer *out) {
    if (entry->precert) {
        add_number(out, entry->certificate.len, 3);
        buffer_add_slice(out, entry->certificate);
    }
}

void ctfarm_entry_add_extra(const struct ctfarm_entry *entry, struct buffer *out) {
    size_t total = 0;
    for (uint32_t i = 0; i < entry->chain_count; i++)
        total += 3 + entry->chain[i]->certificate.len;
    add_precertificate(entry, out);
    add_number(out, total, 3);
    for (uint32_t i = 0; i < entry->chain_count; i++) {
        add_number(out, entry->chain[i]->certificate.len, 3);
        buffer_add_slice(out, entry->chain[i]->certificate);
    }
}

void ctfarm_entry_add_tile(const struct ctfarm_entry *entry, struct buffer *out) {
    buffer_add_slice(out, slice_from(entry->leaf, 2)); /* TimestampedEntry */
    add_precertificate(entry, out);
    add_number(out, entry->chain_count * (size_t)CTFARM_HASH_BYTES, 2);
    for (uint32_t i = 0; i < entry->chain_count; i++)
        buffer_add(out, entry->chain[i]->fingerprint, CTFARM_HASH_BYTES);
}
