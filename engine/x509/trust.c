#include "engine/x509/trust_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* What one checker remembers. A sweep meets a few hundred issuers over and over, and the same leaf
 * when many addresses serve one name. */
enum {
    VERDICTS = 4096,
    CERTIFICATES = 1024,
    SIGNATURES = 2048,

    /* Issuers of this size or less are remembered, which bounds the memory: real ones have 1 to
       2 KB. */
    REMEMBERED_CERTIFICATE_BYTES = 4096,
};

/* --- The validator's settings --- */

/* Our own name constraints are the ones that count (trust_constraints.c): BoringSSL's cannot read
 * those on IP addresses and let wildcards slip through. They were checked before, so that what
 * BoringSSL thinks of them is passed over. */
static int pass_over_name_constraints(int ok, X509_STORE_CTX *context) {
    if (ok)
        return 1;
    switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_NAME_CONSTRAINTS_WITHOUT_SANS:
        return 1;
    default:
        return 0;
    }
}

/* Newer BoringSSL has no X509_STORE_set_verify and checks every signature a second time. */
#ifdef X509_STORE_set_verify_func
static int signatures_are_checked(X509_STORE_CTX *context) {
    (void)context;
    return 1;
}
#endif

/* One path is given, to be taken as it is: no other chains, an anchor that need not be self-signed,
 * dates left to us, since BoringSSL is off by one at notAfter. */
static X509_STORE *new_validator(void) {
    X509_STORE *validator = X509_STORE_new();
    if (!validator)
        return NULL;
    X509_STORE_set_verify_cb(validator, pass_over_name_constraints);
#ifdef X509_STORE_set_verify_func
    X509_STORE_set_verify(validator, signatures_are_checked);
#endif
    if (!X509_STORE_set_purpose(validator, X509_PURPOSE_SSL_SERVER) ||
        !X509_STORE_set_flags(validator, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_ALT_CHAINS |
                                             X509_V_FLAG_NO_CHECK_TIME)) {
        X509_STORE_free(validator);
        return NULL;
    }
    return validator;
}

/* --- The checker --- */

struct trust_checker *trust_checker_new(const struct trust_store *store) {
    struct trust_checker *checker = calloc(1, sizeof *checker);
    if (!checker)
        return NULL;
    checker->store = store ? store : &checker->none;
    trust_store_init(&checker->none);
    checker->validator = new_validator();
    checker->context = X509_STORE_CTX_new();
    checker->untrusted = sk_X509_new_null();
    checker->trusted = sk_X509_new_null();
    bool ready = trust_cache_init(&checker->verdicts, VERDICTS);
    ready = trust_cache_init(&checker->certificates, CERTIFICATES) && ready;
    ready = trust_cache_init(&checker->signatures, SIGNATURES) && ready;
    if (!ready || !checker->validator || !checker->context || !checker->untrusted ||
        !checker->trusted) {
        trust_checker_free(checker);
        return NULL;
    }
    return checker;
}

void trust_checker_free(struct trust_checker *checker) {
    if (!checker)
        return;
    for (size_t i = 0; checker->certificates.entries && i < CERTIFICATES; i++) {
        if (checker->certificates.entries[i].used)
            trust_certificate_put(checker->certificates.entries[i].value.certificate);
    }
    trust_cache_deinit(&checker->verdicts);
    trust_cache_deinit(&checker->certificates);
    trust_cache_deinit(&checker->signatures);
    sk_X509_free(checker->untrusted);
    sk_X509_free(checker->trusted);
    X509_STORE_CTX_free(checker->context);
    X509_STORE_free(checker->validator);
    free(checker);
}

bool trust_checker_has_roots(const struct trust_checker *checker) {
    return checker->store->count > 0;
}

struct trust_statistics trust_checker_statistics(const struct trust_checker *checker) {
    return checker->statistics;
}

/* --- One check --- */

/* An issuer from memory or freshly parsed, with a reference for the caller; NULL when it cannot be
 * parsed. */
static struct trust_certificate *get_issuer(struct trust_checker *checker, struct slice der,
                                            const uint8_t *digest, bool *no_memory) {
    union trust_cache_value *found = trust_cache_find(&checker->certificates, digest);
    if (found) {
        checker->statistics.certificates_remembered++;
        found->certificate->references++;
        return found->certificate;
    }
    checker->statistics.certificates_parsed++;
    bool remember = der.len <= REMEMBERED_CERTIFICATE_BYTES;
    struct trust_certificate *certificate = trust_certificate_new(der, digest, remember, no_memory);
    if (certificate && remember) {
        union trust_cache_value value = {.certificate = certificate}, evicted;
        certificate->references++;
        if (trust_cache_add(&checker->certificates, digest, value, &evicted))
            trust_certificate_put(evicted.certificate);
    }
    return certificate;
}

/* The subject of what BoringSSL cannot parse, as far as our own decoder got; empty when it did not.
 */
static struct slice subject_of(struct slice der) {
    struct certificate decoded;
    return certificate_decode(der, &decoded) == CERTIFICATE_TOO_LARGE ? (struct slice){NULL, 0}
                                                                      : decoded.subject;
}

/* Collects what came with the leaf: each certificate once, without the roots, which are known. */
static void collect_others(struct trust_search *search, const struct trust_chain *chain) {
    for (size_t i = 1; i < chain->count; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = memcmp(chain->digests[j], chain->digests[i], TRUST_DIGEST_BYTES) == 0;
        if (seen)
            continue;
        struct trust_certificate *other =
            get_issuer(search->checker, chain->items[i], chain->digests[i], &search->no_memory);
        if (other && !trust_store_has(search->roots, other))
            search->others[search->other_count++] = other;
        else if (other)
            trust_certificate_put(other);
        else
            search->unreadable[search->unreadable_count++] = subject_of(chain->items[i]);
    }
}

/* Appends the certificates of the path that was found. */
static void add_path(const struct trust_search *search, struct buffer *out) {
    for (size_t i = 0; i < search->depth; i++) {
        int len = i2d_X509(search->path[i]->x509, NULL);
        uint8_t *at = len > 0 ? buffer_reserve(out, (size_t)len) : NULL;
        if (at)
            out->len += (size_t)i2d_X509(search->path[i]->x509, &at);
    }
}

/* `path` may be NULL. */
static struct trust_remembered_verdict check(struct trust_checker *checker,
                                             const struct trust_store *roots,
                                             const struct trust_chain *chain, int64_t unix_seconds,
                                             struct buffer *path) {
    struct trust_search search = {.checker = checker,
                                  .roots = roots,
                                  .unix_seconds = unix_seconds,
                                  .of_authority = chain->of_authority,
                                  .from = INT64_MIN,
                                  .until = INT64_MAX};
    checker->statistics.certificates_parsed++;
    struct trust_certificate *leaf =
        trust_certificate_new(chain->items[0], chain->digests[0], false, &search.no_memory);
    struct trust_verdict verdict = {.error = TRUST_UNREADABLE};
    if (leaf) {
        collect_others(&search, chain);
        search.path[0] = leaf;
        search.depth = 1;
        verdict.error = trust_search_run(&search);
    }
    if (search.no_memory)
        verdict.error = TRUST_NO_MEMORY;
    if (verdict.error == TRUST_OK) {
        verdict.chain_not_after = leaf->not_after;
        for (size_t i = 1; i < search.depth; i++) {
            if (search.path[i]->not_after < verdict.chain_not_after)
                verdict.chain_not_after = search.path[i]->not_after;
        }
        if (path)
            add_path(&search, path);
    }
    for (size_t i = 0; i < search.other_count; i++)
        trust_certificate_put(search.others[i]);
    trust_certificate_put(leaf);
    ERR_clear_error();
    return (struct trust_remembered_verdict){verdict, search.from, search.until};
}

static void read_chain(const struct trust_checker *checker, const struct slice *items, size_t count,
                       struct trust_chain *out) {
    out->items = items;
    out->count = count < LIMIT_CHAIN_CERTIFICATES ? count : LIMIT_CHAIN_CERTIFICATES;
    for (size_t i = 0; i < out->count; i++)
        trust_store_digest(checker->store, items[i], out->digests[i]);
}

static struct trust_verdict check_or_remember(struct trust_checker *checker,
                                              const struct slice *items, size_t count,
                                              int64_t unix_seconds, bool of_authority) {
    struct trust_chain chain = {.of_authority = of_authority};
    uint8_t key[TRUST_DIGEST_BYTES];

    checker->statistics.checks++;
    if (count == 0)
        return (struct trust_verdict){.error = TRUST_UNREADABLE};
    read_chain(checker, items, count, &chain);
    size_t digests_len = chain.count * TRUST_DIGEST_BYTES;
    chain.digests[chain.count][0] = of_authority;
    trust_store_digest(checker->store, (struct slice){chain.digests[0], digests_len + of_authority},
                       key);

    union trust_cache_value *found = trust_cache_find(&checker->verdicts, key);
    if (found && unix_seconds >= found->verdict.from && unix_seconds <= found->verdict.until) {
        checker->statistics.verdicts_remembered++;
        return found->verdict.verdict;
    }
    union trust_cache_value value = {
        .verdict = check(checker, checker->store, &chain, unix_seconds, NULL)};
    union trust_cache_value evicted;
    if (value.verdict.verdict.error == TRUST_NO_MEMORY)
        return value.verdict.verdict;
    if (found)
        *found = value; /* the dates moved on; nothing else touched this table meanwhile */
    else
        trust_cache_add(&checker->verdicts, key, value, &evicted);
    return value.verdict.verdict;
}

struct trust_verdict trust_check(struct trust_checker *checker, const struct slice *chain,
                                 size_t count, int64_t unix_seconds) {
    return check_or_remember(checker, chain, count, unix_seconds, false);
}

struct trust_verdict trust_check_authority(struct trust_checker *checker, const struct slice *chain,
                                           size_t count, int64_t unix_seconds) {
    return check_or_remember(checker, chain, count, unix_seconds, true);
}

/* --- One check for a path --- */

/* A store of `anchors`, for one check. Those that cannot be read are passed over. */
static bool open_anchors(const struct trust_checker *checker, const struct slice_list *anchors,
                         struct trust_certificate **certificates, struct trust_store *out) {
    bool no_memory = false;

    *out = (struct trust_store){.keyed = checker->store->keyed, .roots = certificates};
    for (uint32_t i = 0; i < anchors->count && i < TRUST_ANCHORS_MAX; i++) {
        uint8_t digest[TRUST_DIGEST_BYTES];
        trust_store_digest(out, anchors->items[i], digest);
        struct trust_certificate *anchor =
            trust_certificate_new(anchors->items[i], digest, false, &no_memory);
        if (anchor && !anchor->unreadable)
            certificates[out->count++] = anchor;
        else
            trust_certificate_put(anchor);
    }
    trust_store_sort(out);
    return !no_memory;
}

struct trust_verdict trust_check_path(struct trust_checker *checker, struct slice_list items,
                                      const struct slice_list *anchors, int64_t unix_seconds,
                                      struct buffer *path) {
    struct trust_certificate *certificates[TRUST_ANCHORS_MAX];
    struct trust_store anchored = {0};
    struct trust_verdict verdict = {.error = TRUST_UNREADABLE};
    struct trust_chain chain = {.of_authority = false};

    checker->statistics.checks++;
    path->len = 0;
    if (items.count == 0)
        return verdict;
    read_chain(checker, items.items, items.count, &chain);
    bool ready = !anchors || open_anchors(checker, anchors, certificates, &anchored);
    if (ready)
        verdict = check(checker, anchors ? &anchored : checker->store, &chain, unix_seconds, path)
                      .verdict;
    for (size_t i = 0; i < anchored.count; i++)
        trust_certificate_put(anchored.roots[i]);
    if (!ready || path->failed)
        verdict = (struct trust_verdict){.error = TRUST_NO_MEMORY};
    return verdict;
}

const char *trust_error_name(enum trust_error error) {
    switch (error) {
    case TRUST_OK:
        return "ok";
    case TRUST_SELF_SIGNED:
        return "self_signed";
    case TRUST_UNKNOWN_ISSUER:
        return "unknown_issuer";
    case TRUST_UNTRUSTED_ROOT:
        return "untrusted_root";
    case TRUST_EXPIRED:
        return "expired";
    case TRUST_NOT_YET_VALID:
        return "not_yet_valid";
    case TRUST_BAD_SIGNATURE:
        return "bad_signature";
    case TRUST_NOT_A_CA:
        return "not_a_ca";
    case TRUST_WRONG_PURPOSE:
        return "wrong_purpose";
    case TRUST_NAME_CONSTRAINT:
        return "name_constraint";
    case TRUST_WEAK_KEY:
        return "weak_key";
    case TRUST_WEAK_SIGNATURE:
        return "weak_signature";
    case TRUST_UNREADABLE:
        return "unreadable";
    case TRUST_NO_MEMORY:
        return "no_memory";
    case TRUST_OTHER:
        break;
    }
    return "other";
}
