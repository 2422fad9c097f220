/* A Certificate Transparency log that follows from a seed: any entry can be made at any time,
 * without those before it, and is the same to the last byte each time. Nothing of it comes from the
 * parsers, trees and hashes of engine, for those are what it is there to check.
 *
 * Of ten entries six are precertificates. Of the other four three are the final certificates of
 * precertificates before them (one to a hundred or so entries earlier), one stands alone. Names,
 * keys, issuers, lifetimes and sizes are mixed as in public logs.
 *
 * What is right: DER, extensions, poison and SCT list, issuer key hashes, timestamps, leaf and tree
 * hashes, heads. Signatures over certificates and in SCTs have their form only, unless the log is
 * `signed_fully`; those of authorities are always right.
 *
 * Constant once made, then safe on every thread; one thread at a time uses a `ctfarm_entry`. */
#ifndef BENCH_CTFARM_CTFARM_LOG_H
#define BENCH_CTFARM_CTFARM_LOG_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

/* What is the matter with an entry. ctfarm_kind_name has the names, ctfarm_kind_summary the words.
 */
enum ctfarm_kind {
    CTFARM_NORMAL,
    CTFARM_UNPARSABLE,
    CTFARM_GARBAGE,
    CTFARM_UNBOUND,
    CTFARM_NO_POISON,
    CTFARM_EXPIRED,
    CTFARM_BAD_DATES,
    CTFARM_LONG_SERIAL,
    CTFARM_ZERO_SERIAL,
    CTFARM_NEGATIVE_SERIAL,
    CTFARM_NO_SAN,
    CTFARM_TWO_SANS,
    CTFARM_SAN_TRAILING_ZERO,
    CTFARM_SAN_OTHER_NAMES,
    CTFARM_TWO_CNS,
    CTFARM_NAME_NUL,
    CTFARM_NAME_SPACES,
    CTFARM_NAME_UPPER,
    CTFARM_NAME_ADDRESS,
    CTFARM_NAME_UTF8,
    CTFARM_NAME_LATIN1,
    CTFARM_NAME_PARTIAL_WILDCARD,
    CTFARM_NAME_EMPTY_LABELS,
    CTFARM_NAMES_100,
    CTFARM_NAMES_2000,
    CTFARM_KIND_COUNT
};

const char *ctfarm_kind_name(enum ctfarm_kind kind);
const char *ctfarm_kind_summary(enum ctfarm_kind kind);
bool ctfarm_kind_find(struct slice name, enum ctfarm_kind *out);

/* Who issues: places in the farm's table of authorities. */
enum { CTFARM_CA_OWN = 0, CTFARM_CA_HIJACK = 5, CTFARM_CA_COUNT = 6 };

#define CTFARM_NO_PARTNER UINT64_MAX

/* An entry that somebody wants at a certain place. Its key is its own; all else follows from the
 * seed. */
struct ctfarm_wish {
    uint64_t index;
    bool precert;
    enum ctfarm_kind kind;
    uint64_t partner;  /* a final certificate: index of the precertificate, also wished for, that it
                          belongs to, whose wish has names and all; else CTFARM_NO_PARTNER */
    const char *names; /* "example.org,*.example.org", the first is the CN; NULL: any */
    int ca;            /* 0 to CTFARM_CA_COUNT - 1; -1: any */
    uint64_t same_key; /* index of a wish whose key it has; CTFARM_NO_PARTNER: a new one */
};

struct ctfarm_config {
    uint64_t seed, entries;
    uint64_t distinct;  /* entry i is entry i % distinct, byte by byte; a power of two, at least
                           256; 0: all are different */
    int64_t first_ms;   /* timestamp of entry 0 */
    uint64_t step_us;   /* from one entry to the next */
    bool signed_fully;  /* right signatures everywhere; some 50 times slower */
    bool no_leaf_index; /* without the leaf_index extension; so is a log with `distinct` */
    bool rsa;           /* the RFC 6962 side signs with RSA */
    uint32_t odd;       /* one in so many entries is of a kind other than normal; 0: none */
    const struct ctfarm_wish *wishes; /* in any order, one an index; copied, but for the names */
    size_t wish_count;
};

struct ctfarm_log;

/* Makes keys, authorities and the whole tree: a second or so for a million distinct entries, 32
 * bytes an entry. ERROR_USAGE names what is wrong with the configuration. */
enum error ctfarm_log_new(struct ctfarm_log **out, const struct ctfarm_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
void ctfarm_log_free(struct ctfarm_log *log);

uint64_t ctfarm_log_entries(const struct ctfarm_log *log);
uint64_t ctfarm_log_distinct(const struct ctfarm_log *log); /* entries when all are different */
int64_t ctfarm_log_timestamp(const struct ctfarm_log *log, uint64_t index);

/* --- Entries --- */

struct ctfarm_entry; /* room for one, some hundred KB; reused */

struct ctfarm_entry *ctfarm_entry_new(void);
void ctfarm_entry_free(struct ctfarm_entry *entry);

/* Makes entry `index`. What ctfarm_entry_* give points into the room, until the next is made.
 * `tampered`: with another serial than the tree knows, for a log that lies. */
void ctfarm_entry_make(const struct ctfarm_log *log, uint64_t index, bool tampered,
                       struct ctfarm_entry *entry);

/* MerkleTreeLeaf, RFC 6962 section 3.4. */
struct slice ctfarm_entry_leaf(const struct ctfarm_entry *entry);
/* As logged: the final certificate, or the precertificate as it was submitted. DER, unless it is of
 * a kind that is not. */
struct slice ctfarm_entry_certificate(const struct ctfarm_entry *entry);
bool ctfarm_entry_is_precert(const struct ctfarm_entry *entry);

/* Appends what RFC 6962 calls extra_data, or an entry of a data tile (static-ct). */
void ctfarm_entry_add_extra(const struct ctfarm_entry *entry, struct buffer *out);
void ctfarm_entry_add_tile(const struct ctfarm_entry *entry, struct buffer *out);

/* Appends a line of JSON with what is true about the entry:
 *
 *     index, type "precert" | "x509", kind, timestamp (ms), issuance (the same for a precertificate
 *     and its final certificate), parsable, bound, leaf_hash, fingerprint_sha256 and
 *     fingerprint_sha1 (of ctfarm_entry_certificate), tbs_sha256 (without poison and SCT list),
 *     spki_sha256, key, serial (hex), not_before, not_after (seconds), issuer_cn, issuer_key_hash,
 *     organization or null, common_names, names (dNSNames; bytes that are not ASCII as \u00XX
 * each), chain (SHA-256 of each certificate)
 *
 * Hashes are in lower-case hexadecimal. Of an entry that is not parsable there is nothing after
 * fingerprint_sha1. */
void ctfarm_entry_add_truth(const struct ctfarm_entry *entry, struct buffer *out);

/* --- The tree --- */

enum { CTFARM_TILE = 256, CTFARM_TREE_HASH = 32, CTFARM_PROOF_MAX = 64 };

/* All sizes are at most ctfarm_log_entries. RFC 6962 section 2.1: the root of the first `size`
 * entries; the path from entry `index` to it; the proof that the tree of `first` (at least 1) is
 * part of that of `second`. Paths return how many hashes they wrote. */
void ctfarm_root(const struct ctfarm_log *log, uint64_t size, uint8_t out[CTFARM_TREE_HASH]);
uint32_t ctfarm_inclusion(const struct ctfarm_log *log, uint64_t index, uint64_t size,
                          uint8_t out[CTFARM_PROOF_MAX][CTFARM_TREE_HASH]);
uint32_t ctfarm_consistency(const struct ctfarm_log *log, uint64_t first, uint64_t second,
                            uint8_t out[CTFARM_PROOF_MAX][CTFARM_TREE_HASH]);

/* Hash `index` of tile level `level`: the root of 256^level entries. */
const uint8_t *ctfarm_level_hash(const struct ctfarm_log *log, unsigned level, uint64_t index);
/* The first index of a leaf hash; false when there is none such. A search through all. */
bool ctfarm_find_leaf(const struct ctfarm_log *log, const uint8_t hash[CTFARM_TREE_HASH],
                      uint64_t *index);

/* --- The two logs: one tree, but keys and heads of their own --- */

enum ctfarm_side { CTFARM_RFC6962, CTFARM_STATIC, CTFARM_SIDES };

struct slice ctfarm_log_key(const struct ctfarm_log *log, enum ctfarm_side side);  /* SPKI */
const uint8_t *ctfarm_log_id(const struct ctfarm_log *log, enum ctfarm_side side); /* 32 bytes */

/* Appends a DigitallySigned (TLS 1.2) of a tree head; RFC 6962 section 3.5. */
void ctfarm_sign_head(const struct ctfarm_log *log, enum ctfarm_side side, uint64_t timestamp_ms,
                      uint64_t size, const uint8_t root[CTFARM_TREE_HASH], struct buffer *out);
/* Appends a checkpoint of the static side as a signed note, with another signature that nobody
 * knows. */
void ctfarm_add_checkpoint(const struct ctfarm_log *log, const char *origin, uint64_t timestamp_ms,
                           uint64_t size, const uint8_t root[CTFARM_TREE_HASH], bool bad_signature,
                           struct buffer *out);

/* --- Authorities --- */

/* Certificate `number` of all authorities, DER; empty behind the last. */
struct slice ctfarm_authority(const struct ctfarm_log *log, uint32_t number, bool *is_root);

/* Appends the signature of a log list (RSA, SHA-256), and the public key as PEM. */
void ctfarm_sign_list(const struct ctfarm_log *log, struct slice list, struct buffer *out);
void ctfarm_add_list_key(const struct ctfarm_log *log, struct buffer *out);

#endif
