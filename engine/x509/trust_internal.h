/* What the parts of the trust checker share. Only trust*.c includes it: BoringSSL's types show here
 * and nowhere outside.
 *
 *   trust.c              the checker: what it remembers, the entry point
 *   trust_search.c       depth-first search for a path, with budgets
 *   trust_certificate.c  one certificate: what BoringSSL reads, and our policy on keys, signatures
 *   trust_constraints.c  name constraints, RFC 5280 section 4.2.1.10
 *   trust_cache.c        tables of fixed size
 *   trust_store.c        roots from files */
#ifndef ENGINE_X509_TRUST_INTERNAL_H
#define ENGINE_X509_TRUST_INTERNAL_H

#include "engine/base/limits.h"
#include "engine/x509/trust.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

enum {
    TRUST_DIGEST_BYTES = 32,

    /* Certificates of one path, leaf and anchor included. Real paths have up to six. */
    TRUST_PATH_MAX = 10,
};

/* --- One certificate --- */

/* Read once, never changed but for `references`, which only the checker that owns it touches; those
 * of a store are shared by all threads and not counted. */
struct trust_certificate {
    X509 *x509;
    EVP_PKEY *key; /* NULL when BoringSSL cannot use it */
    uint8_t digest[TRUST_DIGEST_BYTES];
    int64_t not_before, not_after;
    int64_t path_length;           /* of basicConstraints; -1 when there is none */
    struct slice name_constraints; /* the extension's value; empty when absent */
    struct slice subject_alt_name; /* likewise */
    unsigned references;
    enum trust_error key_fault;       /* what our policy has against the key */
    enum trust_error signature_fault; /* and against the algorithm that signed it */
    bool unreadable;                  /* an extension that BoringSSL cannot parse */
    bool self_issued;                 /* subject and issuer are the same name */
    bool is_ca;
    bool serves_as_issuer; /* the extended key usage allows issuing to servers */
    bool serves_as_leaf;
    bool has_unknown_critical; /* a critical extension that the validator does not know */
};

/* NULL when BoringSSL cannot parse it, or when there is no memory, which sets `no_memory` (never
 * cleared here). With `copy` the bytes are copied, else `der` must outlive it. One reference is the
 * caller's. Empties the error queue. */
struct trust_certificate *trust_certificate_new(struct slice der,
                                                const uint8_t digest[TRUST_DIGEST_BYTES], bool copy,
                                                bool *no_memory);
void trust_certificate_put(struct trust_certificate *certificate);

/* Empties the thread's error queue of BoringSSL; true when it says that memory was out. What failed
 * then says nothing about a certificate. */
bool trust_memory_was_out(void);

/* True when `constraints_of` has no name constraints or all certificates below keep to them:
 * `path[0]` is the leaf. False also for what cannot be read or is not known. */
bool trust_constraints_allow(const struct trust_certificate *constraints_of,
                             struct trust_certificate *const *path, size_t count);

/* --- The store --- */

struct trust_store {
    SHA256_CTX keyed; /* has taken in a secret block: digests that peers cannot steer */
    struct trust_certificate **roots; /* by subject, then digest; no duplicates */
    size_t count;
};

/* SHA-256 of the store's secret and `bytes`. */
void trust_store_digest(const struct trust_store *store, struct slice bytes,
                        uint8_t out[TRUST_DIGEST_BYTES]);

/* The first root with this subject, and how many there are. */
struct trust_certificate *const *trust_store_find(const struct trust_store *store,
                                                  const X509_NAME *subject, size_t *count);

/* Makes an empty one, in the caller's storage; `trust_store_sort` orders what was put into it and
 * drops second copies. */
void trust_store_init(struct trust_store *store);
void trust_store_sort(struct trust_store *store);

/* True when this very certificate is a root. */
bool trust_store_has(const struct trust_store *store, const struct trust_certificate *certificate);

/* --- What is remembered --- */

struct trust_remembered_verdict {
    struct trust_verdict verdict;
    int64_t from, until; /* the times for which it holds, both inclusive */
};

union trust_cache_value {
    struct trust_remembered_verdict verdict;
    struct trust_certificate *certificate;
};

/* Keys to values in a table of fixed size: sets of eight, the least recently used goes. Keys are
 * digests under the store's secret, so nobody can aim at a set. */
struct trust_cache_entry {
    uint8_t key[TRUST_DIGEST_BYTES];
    bool used;
    union trust_cache_value value;
};

struct trust_cache {
    struct trust_cache_entry *entries;
    size_t sets; /* a power of two */
};

/* `entries`: a power of two, at least eight. */
bool trust_cache_init(struct trust_cache *cache, size_t entries);
void trust_cache_deinit(struct trust_cache *cache);

/* The value under `key`; NULL when it is not there. Valid until the next call. */
union trust_cache_value *trust_cache_find(struct trust_cache *cache,
                                          const uint8_t key[TRUST_DIGEST_BYTES]);

/* Puts `value` under `key`, which must not be there. What fell out for it goes to `evicted`; true
 * when something did. */
bool trust_cache_add(struct trust_cache *cache, const uint8_t key[TRUST_DIGEST_BYTES],
                     union trust_cache_value value, union trust_cache_value *evicted);

/* --- The checker and its search --- */

struct trust_checker {
    const struct trust_store *store;
    struct trust_store none;         /* `store` of a checker without roots */
    struct trust_cache verdicts;     /* digest of all digests of a chain -> verdict */
    struct trust_cache certificates; /* digest of an issuer -> its certificate */
    struct trust_cache signatures;   /* digest of (certificate, issuer) -> was good */
    X509_STORE *validator;           /* empty; carries the settings of X509_verify_cert */
    X509_STORE_CTX *context;
    STACK_OF(X509) * untrusted, *trusted; /* the path that is validated; both borrow */
    struct trust_statistics statistics;
};

/* What is checked: at most LIMIT_CHAIN_CERTIFICATES, with their digests. */
struct trust_chain {
    const struct slice *items;
    size_t count;
    bool of_authority; /* the first is a CA, and is to be good for issuing */
    uint8_t digests[LIMIT_CHAIN_CERTIFICATES + 1][TRUST_DIGEST_BYTES]; /* room behind, for a key */
};

struct trust_search {
    struct trust_checker *checker;
    const struct trust_store *roots; /* where the path is to end */
    int64_t unix_seconds;
    bool of_authority;   /* of the chain */
    int64_t from, until; /* around unix_seconds: no date that was looked at changes sides within */
    struct trust_certificate *path[TRUST_PATH_MAX];             /* [0] is the leaf */
    size_t depth;                                               /* of `path` */
    struct trust_certificate *others[LIMIT_CHAIN_CERTIFICATES]; /* what came with the leaf */
    size_t other_count;
    struct slice unreadable[LIMIT_CHAIN_CERTIFICATES]; /* subjects of what could not be parsed */
    size_t unreadable_count;
    unsigned signature_checks;
    bool passes_over_dates; /* looks for a reason, not for a path */
    bool no_memory;         /* for a step of it: what was found may be wrong */
    enum trust_error fault; /* the most telling so far, and how far up the path it was found */
    size_t fault_depth;
};

/* Looks for a path from `path[0]` (set by the caller, depth 1) to a root. */
enum trust_error trust_search_run(struct trust_search *search);

#endif
