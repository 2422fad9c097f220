#include "engine/x509/trust_internal.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* How a path is found
 * -------------------
 * Depth first from the leaf: every root and every certificate of the chain whose subject is the
 * issuer of the last one is tried, roots first. What dates, CA bit, key usage, path length,
 * extended key usage, policy or name constraints rule out goes before a signature is checked;
 * checking is counted, and every step up costs one check, which bounds the whole search whatever a
 * peer sends. A path that reaches a root goes through X509_verify_cert, alone, for what is not
 * looked at here (certificate policies, odd extensions); signatures are not checked again where
 * BoringSSL lets us say so. */

/* Remembers the fault that tells most: the one found on the longest path, since there more
 * certificates were right. At the same height "no issuer" yields to any fault, and a bad signature
 * to any but that: it may just be another CA of the same name. */
static void note(struct trust_search *search, enum trust_error fault) {
    if (trust_memory_was_out())
        search->no_memory = true;
    bool yields = search->fault == TRUST_UNKNOWN_ISSUER ||
                  (search->fault == TRUST_BAD_SIGNATURE && fault != TRUST_UNKNOWN_ISSUER);
    if (search->depth < search->fault_depth || (search->depth == search->fault_depth && !yields))
        return;
    search->fault = fault;
    search->fault_depth = search->depth;
}

/* Says whether the certificate is valid now, and narrows the time for which the search would go the
 * same way. */
static enum trust_error date_fault(struct trust_search *search,
                                   const struct trust_certificate *certificate) {
    int64_t from = INT64_MIN, until = INT64_MAX;
    enum trust_error fault = TRUST_OK;
    if (search->unix_seconds > certificate->not_after) {
        from = certificate->not_after + 1;
        fault = TRUST_EXPIRED;
    } else if (search->unix_seconds < certificate->not_before) {
        until = certificate->not_before - 1;
        fault = TRUST_NOT_YET_VALID;
    } else {
        from = certificate->not_before;
        until = certificate->not_after;
    }
    if (from > search->from)
        search->from = from;
    if (until < search->until)
        search->until = until;
    return fault;
}

/* --- Signatures --- */

static bool signature_budget_is_spent(struct trust_search *search) {
    if (search->signature_checks == TRUST_SIGNATURE_CHECKS_MAX)
        return true;
    search->signature_checks++;
    return false;
}

static bool check_signature(struct trust_checker *checker, const struct trust_certificate *child,
                            const struct trust_certificate *issuer) {
    checker->statistics.signatures_checked++;
    return X509_verify(child->x509, issuer->key) == 1;
}

/* Good signatures of issuers are remembered: many servers share them. */
static bool signature_is_good(struct trust_search *search, const struct trust_certificate *child,
                              const struct trust_certificate *issuer) {
    struct trust_checker *checker = search->checker;
    if (child == search->path[0])
        return check_signature(checker, child, issuer);
    uint8_t both[2 * TRUST_DIGEST_BYTES], key[TRUST_DIGEST_BYTES];
    memcpy(both, child->digest, TRUST_DIGEST_BYTES);
    memcpy(both + TRUST_DIGEST_BYTES, issuer->digest, TRUST_DIGEST_BYTES);
    trust_store_digest(checker->store, (struct slice){both, sizeof both}, key);
    if (trust_cache_find(&checker->signatures, key)) {
        checker->statistics.signatures_remembered++;
        return true;
    }
    if (!check_signature(checker, child, issuer))
        return false;
    union trust_cache_value nothing = {0}, evicted;
    trust_cache_add(&checker->signatures, key, nothing, &evicted);
    return true;
}

static bool is_self_signed(struct trust_search *search, const struct trust_certificate *child) {
    return child->self_issued && child->key && !signature_budget_is_spent(search) &&
           signature_is_good(search, child, child);
}

/* --- One complete path --- */

static enum trust_error error_of_validator(int code) {
    switch (code) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TRUST_NOT_YET_VALID;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TRUST_EXPIRED;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return TRUST_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return TRUST_UNTRUSTED_ROOT;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        return TRUST_UNKNOWN_ISSUER;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return TRUST_BAD_SIGNATURE;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
        return TRUST_NOT_A_CA;
    case X509_V_ERR_INVALID_PURPOSE:
        return TRUST_WRONG_PURPOSE;
    case X509_V_ERR_INVALID_EXTENSION:
        return TRUST_UNREADABLE;
    default:
        return TRUST_OTHER;
    }
}

/* How much of the path BoringSSL is given, its last certificate as the anchor: all of it, but for a
 * CA's own key rollover. BoringSSL takes that for a self-signed root, by its names alone, and would
 * look no further up; what is above it was checked here. */
static size_t validated_length(const struct trust_search *search) {
    size_t length = 2;
    while (length < search->depth &&
           !(X509_get_extension_flags(search->path[length - 1]->x509) & EXFLAG_SS))
        length++;
    return length;
}

/* BoringSSL took the very path that was meant. */
static bool context_has_path(X509_STORE_CTX *context, const struct trust_search *search,
                             size_t length) {
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    if (!chain || sk_X509_num(chain) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (sk_X509_value(chain, i) != search->path[i]->x509)
            return false;
    }
    return true;
}

static enum trust_error validate(const struct trust_search *search) {
    struct trust_checker *checker = search->checker;
    size_t length = validated_length(search);
    sk_X509_zero(checker->untrusted);
    sk_X509_zero(checker->trusted);
    bool ready = sk_X509_push(checker->trusted, search->path[length - 1]->x509) != 0;
    for (size_t i = 1; i < length - 1; i++)
        ready = ready && sk_X509_push(checker->untrusted, search->path[i]->x509);
    if (!ready || !X509_STORE_CTX_init(checker->context, checker->validator, search->path[0]->x509,
                                       checker->untrusted))
        return TRUST_OTHER;
    /* The defaults that every context inherits would look for a root first at every step and could
       leave the path that is to be validated. */
    X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(checker->context),
                                  X509_V_FLAG_TRUSTED_FIRST);
    X509_STORE_CTX_set0_trusted_stack(checker->context, checker->trusted);
    /* What a CA at the beginning is good for was looked at here. */
    ready = !search->of_authority ||
            X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(checker->context),
                                          X509_PURPOSE_ANY);
    checker->statistics.paths_validated++;
    enum trust_error error = TRUST_OK;
    if (!ready || X509_verify_cert(checker->context) != 1)
        error = error_of_validator(X509_STORE_CTX_get_error(checker->context));
    else if (!context_has_path(checker->context, search, length))
        error = TRUST_OTHER;
    X509_STORE_CTX_cleanup(checker->context);
    return error;
}

/* --- The search --- */

/* RFC 5280 section 4.2.1.9: intermediates between the leaf and `issuer` that are not self-issued.
 */
static bool path_is_too_long(const struct trust_search *search,
                             const struct trust_certificate *issuer) {
    int64_t below = 0;
    for (size_t i = 1; i < search->depth; i++)
        below += !search->path[i]->self_issued;
    return issuer->path_length >= 0 && below > issuer->path_length;
}

/* What stands against the last certificate of the path being issued by `issuer`, the signature
 * aside. The name is known to fit. */
static enum trust_error issuer_fault(struct trust_search *search,
                                     const struct trust_certificate *issuer, bool is_root) {
    const struct trust_certificate *child = search->path[search->depth - 1];
    enum trust_error fault = date_fault(search, issuer);
    if (fault && !search->passes_over_dates)
        return fault;
    if (issuer->unreadable)
        return TRUST_UNREADABLE;
    if (!issuer->is_ca || path_is_too_long(search, issuer))
        return TRUST_NOT_A_CA;
    if (!issuer->serves_as_issuer)
        return TRUST_WRONG_PURPOSE;
    if (issuer->has_unknown_critical && !is_root)
        return TRUST_OTHER;
    if (issuer->key_fault)
        return issuer->key_fault;
    if (child->signature_fault)
        return child->signature_fault;
    return trust_constraints_allow(issuer, search->path, search->depth) ? TRUST_OK
                                                                        : TRUST_NAME_CONSTRAINT;
}

static bool extend(struct trust_search *search);

/* Puts `issuer` on the path if it can be there, and goes on from it; true when that ends in a valid
 * path, which `path` then is. */
static bool try_issuer(struct trust_search *search, struct trust_certificate *issuer,
                       bool is_root) {
    const struct trust_certificate *child = search->path[search->depth - 1];
    int relation = X509_check_issued(issuer->x509, child->x509);
    if (relation == X509_V_ERR_AKID_SKID_MISMATCH ||
        relation == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH)
        return false; /* another key of this CA */
    enum trust_error fault = issuer_fault(search, issuer, is_root);
    if (!fault && signature_budget_is_spent(search))
        fault = TRUST_OTHER;
    if (!fault && !signature_is_good(search, child, issuer))
        fault = TRUST_BAD_SIGNATURE;
    if (fault) {
        note(search, fault);
        return false;
    }
    search->path[search->depth++] = issuer;
    if (!is_root && extend(search))
        return true;
    if (is_root) {
        fault = validate(search);
        if (!fault)
            return true;
        note(search, fault);
    }
    search->depth--;
    return false;
}

/* The same name and key twice lead nowhere new. */
static bool is_on_path(const struct trust_search *search, const struct trust_certificate *other) {
    for (size_t i = 0; i < search->depth; i++) {
        const struct trust_certificate *certificate = search->path[i];
        if (certificate == other ||
            (X509_NAME_cmp(X509_get_subject_name(certificate->x509),
                           X509_get_subject_name(other->x509)) == 0 &&
             certificate->key && other->key && EVP_PKEY_cmp(certificate->key, other->key) == 1))
            return true;
    }
    return false;
}

/* Notes an issuer that came with the leaf and that BoringSSL could not parse. */
static void note_unreadable_issuer(struct trust_search *search, X509_NAME *issuer) {
    const uint8_t *der;
    size_t len;
    if (!X509_NAME_get0_der(issuer, &der, &len))
        return;
    for (size_t i = 0; i < search->unreadable_count; i++) {
        if (slice_equal(search->unreadable[i], (struct slice){der, len}))
            note(search, TRUST_UNREADABLE);
    }
}

static bool extend(struct trust_search *search) {
    struct trust_certificate *child = search->path[search->depth - 1];
    if (search->depth == TRUST_PATH_MAX) {
        note(search, TRUST_OTHER);
        return false;
    }
    X509_NAME *issuer = X509_get_issuer_name(child->x509);
    size_t count;
    struct trust_certificate *const *roots = trust_store_find(search->roots, issuer, &count);
    for (size_t i = 0; i < count; i++) {
        if (try_issuer(search, roots[i], true))
            return true;
    }
    if (is_self_signed(search, child)) {
        note(search, search->depth == 1 ? TRUST_SELF_SIGNED : TRUST_UNTRUSTED_ROOT);
        return false;
    }
    for (size_t i = 0; i < search->other_count; i++) {
        struct trust_certificate *other = search->others[i];
        if (X509_NAME_cmp(X509_get_subject_name(other->x509), issuer) == 0 &&
            !is_on_path(search, other) && try_issuer(search, other, false))
            return true;
    }
    note_unreadable_issuer(search, issuer);
    note(search, TRUST_UNKNOWN_ISSUER);
    return false;
}

/* What is wrong with the leaf itself tells only when its path is right: that it expired is known
 * without any trust. */
static enum trust_error leaf_fault(struct trust_search *search) {
    const struct trust_certificate *leaf = search->path[0];
    enum trust_error fault = date_fault(search, leaf);
    if (fault)
        return fault;
    if (search->of_authority && !leaf->is_ca)
        return TRUST_NOT_A_CA;
    if (search->of_authority ? !leaf->serves_as_issuer : !leaf->serves_as_leaf)
        return TRUST_WRONG_PURPOSE;
    if (leaf->key_fault)
        return leaf->key_fault;
    return leaf->has_unknown_critical ? TRUST_OTHER : TRUST_OK;
}

enum trust_error trust_search_run(struct trust_search *search) {
    search->fault = TRUST_UNKNOWN_ISSUER;
    search->fault_depth = 0;
    if (search->path[0]->unreadable)
        return TRUST_UNREADABLE;
    enum trust_error fault = leaf_fault(search);
    if (trust_store_has(search->roots, search->path[0]))
        return fault;
    if (extend(search))
        return fault;
    enum trust_error found = search->fault;
    if (found != TRUST_EXPIRED && found != TRUST_NOT_YET_VALID)
        return found;
    /* The same holds for the dates of issuers: is there a root at all? */
    search->passes_over_dates = true;
    search->fault = TRUST_UNKNOWN_ISSUER;
    search->fault_depth = 0;
    bool found_only_dates = extend(search) || search->fault == TRUST_OTHER;
    return found_only_dates ? found : search->fault;
}
