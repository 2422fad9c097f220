/* Whether a chain leads to a trusted root.
 *
 * A trust store is made once, before the workers start, and read by all of them; a trust checker
 * belongs to one worker and holds what it remembers. Path building around BoringSSL's validator
 * stays behind this header: no type of BoringSSL shows. Trust never changes the expiry status: it
 * is a statement of its own. */
#ifndef ENGINE_X509_TRUST_H
#define ENGINE_X509_TRUST_H

#include "engine/base/error.h"
#include "engine/x509/certificate.h"

struct trust_store;
struct trust_checker;

enum trust_error {
    TRUST_OK = 0,
    TRUST_SELF_SIGNED,    /* a self-signed leaf that is no trusted root itself */
    TRUST_UNKNOWN_ISSUER, /* no path to a trusted root: missing intermediate or private CA */
    TRUST_UNTRUSTED_ROOT, /* the chain ends in a self-signed certificate that is not trusted */
    TRUST_EXPIRED,        /* a certificate of the path, the leaf included */
    TRUST_NOT_YET_VALID,
    TRUST_BAD_SIGNATURE,
    TRUST_NOT_A_CA, /* an issuer that may not issue: basicConstraints, key usage, path length */
    TRUST_WRONG_PURPOSE, /* the extended key usage excludes servers */
    TRUST_NAME_CONSTRAINT,
    TRUST_WEAK_KEY,       /* RSA under 2048 bits, curves other than P-256, P-384, P-521, DSA */
    TRUST_WEAK_SIGNATURE, /* MD5, SHA-1, SHA-224 and older */
    TRUST_UNREADABLE,     /* BoringSSL cannot parse a certificate of the path */
    TRUST_OTHER,          /* anything else that BoringSSL objects to */
    TRUST_NO_MEMORY,      /* no verdict: there was no memory to come to one */
};

struct trust_verdict {
    enum trust_error error;
    int64_t chain_not_after; /* earliest notAfter over the verified path, root included; 0 when not
                                trusted */
};

/* Reads PEM roots from `path`: a bundle file, or a folder of PEM files (*.pem, *.crt, *.cer and the
 * hashed names of c_rehash); NULL for the system's store (SSL_CERT_FILE and SSL_CERT_DIR, else the
 * usual places of Debian, Fedora, Alpine, BSD). Every certificate in it is an anchor, whether it is
 * self-signed or not. On an error `failure` says which file and why; a certificate that cannot be
 * read is an error in `path` and passed over in the system's store. Set-up only: reads files. */
enum error trust_store_open(struct trust_store **out, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));
void trust_store_close(struct trust_store *store);

/* Adds the roots of another file or folder, read as above; after an error some of them may be
 * there. Set-up only: before the first checker is made. */
enum error trust_store_add(struct trust_store *store, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* Whether a file of a folder counts, by its name. */
bool trust_folder_takes(const char *name);

size_t trust_store_roots(const struct trust_store *store);

/* NULL when there is no memory. The store must outlive it; NULL for one without roots, which is for
 * trust_check_path with anchors. */
struct trust_checker *trust_checker_new(const struct trust_store *store);
void trust_checker_free(struct trust_checker *checker);
bool trust_checker_has_roots(const struct trust_checker *checker);

/* Signature checks that one call of trust_check may cost, remembered ones included, so that a
 * verdict does not depend on what was seen before. */
enum { TRUST_SIGNATURE_CHECKS_MAX = 25 };

/* `chain[0]` is the leaf, the others in the order in which the server sent them (which may be
 * wrong; duplicates, strangers and certificates that nobody can read are passed over; at most
 * LIMIT_CHAIN_CERTIFICATES are looked at). `unix_seconds` is the time to verify for; notBefore and
 * notAfter are both inclusive. The host name is not checked here. A verdict that memory was lacking
 * for is TRUST_NO_MEMORY and is not remembered. Empties the thread's error queue of BoringSSL. */
struct trust_verdict trust_check(struct trust_checker *checker, const struct slice *chain,
                                 size_t count, int64_t unix_seconds);

/* Anchors of one check that are looked at; DANE needs a few. */
enum { TRUST_ANCHORS_MAX = 64 };

/* What DANE asks (RFC 6698 section 2.1.1): the same for a path that must end in one of `anchors`,
 * DER certificates that need not be self-signed, or in a root of the store where that is NULL; and
 * `path` gets the certificates of the path, one behind the other, leaf and anchor included. It is
 * emptied when there is none. Signatures of issuers are remembered, the verdict is not. */
struct trust_verdict trust_check_path(struct trust_checker *checker, struct slice_list chain,
                                      const struct slice_list *anchors, int64_t unix_seconds,
                                      struct buffer *path);

/* The same for a chain that begins with a CA's certificate: whether it may issue to servers. One
 * that is no CA is TRUST_NOT_A_CA. */
struct trust_verdict trust_check_authority(struct trust_checker *checker, const struct slice *chain,
                                           size_t count, int64_t unix_seconds);

/* "unknown_issuer" and so on: stable, for records. */
const char *trust_error_name(enum trust_error error);

/* What the checker did since it was made: how much of it was remembered, and that the budgets hold.
 */
struct trust_statistics {
    uint64_t checks;                  /* calls of trust_check */
    uint64_t verdicts_remembered;     /* answered without looking at a certificate */
    uint64_t certificates_parsed;     /* by BoringSSL, the leaves included */
    uint64_t certificates_remembered; /* issuers that needed no parsing */
    uint64_t signatures_checked;      /* public-key operations */
    uint64_t signatures_remembered;   /* of issuers, found good before */
    uint64_t paths_validated;         /* complete paths handed to BoringSSL's validator */
};

/* A copy of the counters; for the checker's own thread. */
struct trust_statistics trust_checker_statistics(const struct trust_checker *checker);

#endif
