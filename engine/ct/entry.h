/* An entry of a Certificate Transparency log, read without a copy: every slice points into the
 * bytes that the caller keeps alive.
 *
 *   RFC 6962 (section 4.6)              static-ct-api, one entry of a data tile
 *
 *   leaf_input                          TimestampedEntry ────────── what the tree covers
 *     00 00 TimestampedEntry ◀─ tree    [u24 precertificate]
 *   extra_data                          u16 fingerprints of the chain, 32 bytes each
 *     [u24 precertificate]
 *     u24 chain { u24 certificate }
 *
 *   TimestampedEntry: u64 timestamp, u16 type, then
 *     x509_entry      u24 certificate
 *     precert_entry   issuer_key_hash[32], u24 TBS without the poison extension
 *   and u16 extensions
 *
 * The tree covers only the TimestampedEntry. A submitted precertificate and a chain are the word of
 * whoever answered: engine/ct/bind.h holds a precertificate to its TBS.
 *
 * Sans-I/O and pure: nothing allocates, safe on every thread. */
#ifndef ENGINE_CT_ENTRY_H
#define ENGINE_CT_ENTRY_H

#include "engine/ct/merkle.h"
#include "engine/x509/certificate.h"

/* LogEntryType, RFC 6962 section 3.1 */
enum ct_entry_type { CT_X509_ENTRY = 0, CT_PRECERT_ENTRY = 1 };

enum ct_entry_error {
    CT_ENTRY_OK = 0,

    /* Framing: where the entry ends is not known. A tile ends here. */
    CT_ENTRY_CUT,          /* ends within a field */
    CT_ENTRY_UNKNOWN_TYPE, /* neither a certificate nor a precertificate */

    /* Of a leaf_input, whose end is known. Only `raw` and `leaf` are set. */
    CT_ENTRY_UNKNOWN_VERSION, /* of the MerkleTreeLeaf, or of its type */
    CT_ENTRY_TRAILING_BYTES,  /* behind the TimestampedEntry */

    /* Content: the entry's end is known, and every field but the one at fault is set. */
    CT_ENTRY_EMPTY_CERTIFICATE, /* a certificate or TBS of no bytes */
    CT_ENTRY_BAD_EXTENSIONS, /* the list cannot be walked, or leaf_index is not 5 bytes or twice */
    CT_ENTRY_BAD_CHAIN,      /* extra_data, or fingerprints that are not 32 bytes each */
};

/* Fields that a kind of entry does not have are empty. */
struct ct_entry {
    struct slice raw;          /* all of a tile's entry; the leaf_input of RFC 6962 */
    struct slice leaf;         /* what the tree covers: hashed behind `leaf_zeros` zero bytes */
    uint8_t leaf_zeros;        /* 1, the mark of a leaf, in front of a leaf_input; 3 in front of a
                                  TimestampedEntry, with version and leaf type, which tiles leave out */
    bool has_leaf_index;       /* leaves that were made for RFC 6962 have none, in tiles too */
    uint16_t type;             /* enum ct_entry_type */
    uint64_t timestamp_ms;     /* since 1970 */
    uint64_t leaf_index;       /* what the log says it is; compare it with where it stands */
    struct slice signed_entry; /* the certificate, or the TBS of a precertificate */
    const uint8_t
        *issuer_key_hash;        /* of a precertificate: SHA-256 of the issuer's SPKI, 32 bytes */
    struct slice extensions;     /* CtExtensions without its length */
    struct slice precertificate; /* as it was submitted, poison and signature included */
    struct slice chain;          /* of RFC 6962: u24 certificates one after another, issuer first */
    struct slice fingerprints;   /* of static-ct-api: SHA-256 of each certificate of the chain */
};

/* Reads one element of get-entries, base64 already undone. `out->leaf` is right on every error: the
 * tree must be hashed on also over what cannot be read. */
enum ct_entry_error ct_entry_parse(struct slice leaf_input, struct slice extra_data,
                                   struct ct_entry *out) __attribute__((warn_unused_result));

/* Takes the first entry off `tile`, which must not be empty. After an error of content the entry is
 * taken and its leaf is good to hash. After one of framing (ct_entry_error_is_framing) `tile` is as
 * it was, and `out->raw` is all that is left of it. */
enum ct_entry_error ct_tile_entry_next(struct slice *tile, struct ct_entry *out)
    __attribute__((warn_unused_result));

static inline bool ct_entry_error_is_framing(enum ct_entry_error error) {
    return error == CT_ENTRY_CUT || error == CT_ENTRY_UNKNOWN_TYPE;
}

/* "extensions cannot be read" and the like. */
const char *ct_entry_error_text(enum ct_entry_error error);

/* --- What an entry holds --- */

/* Takes the first certificate off `chain` (a copy of entry->chain); false at the end. Entries are
 * only given out with chains that can be walked. */
bool ct_chain_next(struct slice *chain, struct slice *der);

/* Decodes what the tree covers: of a final certificate all of it, of a precertificate the TBS. Then
 * `der`, of which fingerprints are made, is the submitted precertificate, and the outer
 * signature is empty. `is_precertificate` says which it is. */
enum certificate_error ct_entry_certificate(const struct ct_entry *entry, struct certificate *out)
    __attribute__((warn_unused_result));

/* The SHA-256 that joins a precertificate with its final certificate (RFC 6962 section 3.2): of the
 * logged TBS, or of the TBS without its SCT list. `certificate` is what ct_entry_certificate gave;
 * false as for certificate_tbs_sha256. */
bool ct_entry_tbs_sha256(const struct ct_entry *entry, const struct certificate *certificate,
                         uint8_t out[CERTIFICATE_SHA256_BYTES]);

/* --- Hashing --- */

struct ct_hash ct_entry_leaf_hash(const struct ct_entry *entry);

/* The same for many, where they lie: as fast as this machine can. */
void ct_entry_leaf_hashes(const struct ct_entry *entries, size_t count, struct ct_hash *out);

#endif
