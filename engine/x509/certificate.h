/* A certificate, decoded without a copy: every slice points into the DER that the caller keeps
 * alive.
 *
 * Sans-I/O and pure: bytes in, a struct out, safe on every thread. Nothing here allocates. The
 * decoder reads what a record reports (RFC 5280 section 4) and the TBS that joins a precertificate
 * to its final certificate (RFC 6962 section 3.2). It takes what can be understood and says where
 * it stopped: real servers serve certificates that strict validators refuse, and a sweep is there
 * to find them. Whether a certificate can be trusted is decided in engine/x509/trust.h. */
#ifndef ENGINE_X509_CERTIFICATE_H
#define ENGINE_X509_CERTIFICATE_H

#include "engine/base/arena.h"
#include "engine/base/buffer.h"
#include "engine/base/slice.h"

enum { CERTIFICATE_SHA256_BYTES = 32, CERTIFICATE_SHA1_BYTES = 20 };

enum certificate_error {
    CERTIFICATE_OK = 0,
    CERTIFICATE_TOO_LARGE,
    CERTIFICATE_BAD_OUTER, /* not SEQUENCE { tbs, algorithm, signature }, or bytes behind it */
    CERTIFICATE_BAD_VERSION,
    CERTIFICATE_BAD_SERIAL,
    CERTIFICATE_BAD_ALGORITHM,
    CERTIFICATE_BAD_ISSUER,
    CERTIFICATE_BAD_VALIDITY,
    CERTIFICATE_BAD_SUBJECT,
    CERTIFICATE_BAD_KEY,
    CERTIFICATE_BAD_EXTENSIONS, /* the list itself; see extension_unreadable for one of them */
};

enum key_type {
    KEY_UNKNOWN = 0,
    KEY_RSA,
    KEY_RSA_PSS,
    KEY_EC,
    KEY_ED25519,
    KEY_ED448,
    KEY_X25519,
    KEY_DSA,
    KEY_ML_DSA,
};

struct certificate {
    struct slice der;                 /* the whole certificate */
    struct slice tbs;                 /* TBSCertificate with its header: what is signed */
    struct slice serial;              /* content of the INTEGER, as encoded, sign byte included */
    struct slice issuer, subject;     /* Name with its header */
    struct slice spki;                /* SubjectPublicKeyInfo with its header */
    struct slice signature_algorithm; /* AlgorithmIdentifier with its header, the outer one */
    struct slice signature;           /* content of the BIT STRING without its unused-bits byte */
    int64_t not_before, not_after;    /* seconds since 1970; both inclusive */
    struct slice extensions;          /* the [3] element with its header; empty when absent */
    uint8_t version;                  /* 1 to 3; others as encoded plus one, up to 128 */
    uint8_t key_type;                 /* enum key_type */
    uint16_t key_bits; /* modulus bits for RSA and DSA, order bits for EC; 0 when unknown or when a
                          number says nothing (ML-DSA) */
    bool is_ca;        /* basicConstraints.cA */
    bool has_subject_alt_name;
    bool has_subject_key_id, has_authority_key_id;
    bool is_precertificate;    /* carries the CT poison extension, RFC 6962 section 3.1 */
    bool has_validity;         /* both dates could be read */
    bool whole;                /* read to its end: after an error, which is then of a serial number,
                                  dates or a key that make no sense, all else is set */
    bool extension_unreadable; /* one of those below, or basicConstraints, is malformed (it then
                                  counts as absent) or occurs twice (the first counts) */
    /* Contents of extensions, without what wraps them; empty when absent. */
    struct slice subject_alt_name;   /* GeneralNames */
    struct slice authority_info;     /* AuthorityInfoAccessSyntax */
    struct slice crl_points;         /* CRLDistributionPoints */
    struct slice key_usage;          /* BIT STRING, its unused-bits byte first */
    struct slice extended_key_usage; /* OIDs */
    struct slice sct_list;           /* SignedCertificateTimestampList, RFC 6962 section 3.3 */
};

/* Decodes `der`, which must stay alive as long as `out` is used. On an error `out` holds what could
 * be read all the same (at least `der`), and what is missing is zero or empty. */
enum certificate_error certificate_decode(struct slice der, struct certificate *out)
    __attribute__((warn_unused_result));

/* The same from a TBSCertificate alone, with its header: what a Certificate Transparency log keeps
 * of a precertificate. `der` and `signature` are empty then, and `signature_algorithm` is the inner
 * one. */
enum certificate_error certificate_decode_tbs(struct slice tbs, struct certificate *out)
    __attribute__((warn_unused_result));

/* "issuer cannot be read" and the like. */
const char *certificate_error_text(enum certificate_error error);

/* --- Hashes and the like --- */

void certificate_sha256(struct slice bytes, uint8_t out[CERTIFICATE_SHA256_BYTES]);
void certificate_sha1(struct slice bytes, uint8_t out[CERTIFICATE_SHA1_BYTES]);

/* SHA-256 of the RFC 6962 section 3.2 TBS: the TBS without its SCT list (and without the poison of
 * a precertificate), its lengths made anew. Equals the hash of `tbs` when it carries neither. False
 * when the extensions cannot be walked; only for certificates that are `whole`. A precertificate
 * that a precertificate signing certificate issued joins by certificate_tbs_write_final only. */
bool certificate_tbs_sha256(const struct certificate *certificate,
                            uint8_t out[CERTIFICATE_SHA256_BYTES]);

/* Appends that TBS itself; false, with nothing appended, as above. */
bool certificate_tbs_write(const struct certificate *certificate, struct buffer *out);

/* The same of a precertificate that `signer`, a precertificate signing certificate, has issued:
 * with the issuer and the authority key identifier of `signer` in place of its own. So logs keep
 * it, and so the final certificate is (RFC 6962 section 3.2). */
bool certificate_tbs_write_final(const struct certificate *precertificate,
                                 const struct certificate *signer, struct buffer *out);

/* The key type for a person: rsa, rsa-pss, ec-p224, ec-p256, ec-p384, ec-p521, ec-secp256k1, ec
 * (any other curve), ed25519, ed448, x25519, dsa, ml-dsa-44, ml-dsa-65, ml-dsa-87, unknown. */
const char *certificate_key_type_text(const struct certificate *certificate);

/* "sha256WithRSAEncryption" and so on: the name that `openssl x509` prints; a dotted OID (written
 * into `scratch`) when it has none; "unknown" for an OID that does not fit. */
struct slice certificate_signature_algorithm_text(const struct certificate *certificate,
                                                  char scratch[64]);

/* True when the signature uses MD2, MD4, MD5 or SHA-1. */
bool certificate_signature_is_weak(const struct certificate *certificate);

/* A signature over bytes: that of a certificate, a CRL, an OCSP response. */
struct signature {
    struct slice algorithm; /* AlgorithmIdentifier with its header */
    struct slice bytes;     /* what is signed */
    struct slice value;     /* content of the BIT STRING without its unused-bits byte */
};

struct signature certificate_signature(const struct certificate *certificate);

/* The same as certificate_signature_is_weak, of an AlgorithmIdentifier with its header. */
bool signature_algorithm_is_weak(struct slice algorithm);

/* True when the signature verifies with the key of `signer`, whatever that may do: one public-key
 * operation. False for algorithms that BoringSSL cannot verify: MD2, SHA-0, SHA-3, Ed448, ML-DSA,
 * GOST, SM2, and curves other than P-224, P-256, P-384 and P-521 by name. Restrictions that an
 * RSA-PSS key puts on its own signatures are not applied. */
bool signature_verify(const struct signature *signature, const struct certificate *signer);

/* True when subject and issuer are the same bytes and the signature verifies with the certificate's
 * own key. Costs a public-key operation only when the names are the same. */
bool certificate_is_self_signed(const struct certificate *certificate);

/* --- Names --- */

enum general_name_type {
    GENERAL_NAME_EMAIL = 1,
    GENERAL_NAME_DNS = 2,
    GENERAL_NAME_URI = 6,
    GENERAL_NAME_IP = 7, /* 4 or 16 bytes when well-formed */
};

struct general_name {
    uint8_t type; /* the tag number of RFC 5280 section 4.2.1.6; others than the four above occur */
    struct slice value; /* untrusted bytes */
};

/* Takes the first name off `names` (a copy of certificate->subject_alt_name); false at the end and
 * at a name that cannot be read, with `names` then empty at the end and not empty at a broken name.
 */
bool general_name_next(struct slice *names, struct general_name *out);

/* Appends the names of all subjectAltName extensions, as GeneralNames one after another. Where
 * there is one, as RFC 5280 section 4.2 wants it, `subject_alt_name` says the same; CAs have issued
 * several, and values with a zero byte behind them: then `extension_unreadable` is set. False when
 * one of them is none at all, or has other bytes behind it: there may be more names. */
bool certificate_all_alternative_names(const struct certificate *certificate, struct buffer *out);

/* The URLs of a kind, in order, one call a URL; same rules as general_name_next. `access` is a copy
 * of certificate->authority_info, `points` of certificate->crl_points. */
bool certificate_ocsp_url_next(struct slice *access, struct slice *url);
bool certificate_ca_issuers_url_next(struct slice *access, struct slice *url);
bool certificate_crl_url_next(struct slice *points, struct slice *url);

/* Appends a Name as RFC 4514 text ("CN=www.example.org,O=Example,C=US", most specific first), as
 * UTF-8 whatever string type the certificate used: one-byte strings are read as Latin-1, and what
 * claims to be UTF-8 is passed on unchecked, control characters other than NUL too. What cannot be
 * converted stands as #hex, and so does a Name that cannot be walked. At most
 * LIMIT_NAME_TEXT_BYTES, and the 256 most specific attributes. */
void certificate_name_text(struct slice name, struct buffer *out);

/* Appends the most specific commonName (2.5.4.3) or organizationName (2.5.4.10) of a Name as UTF-8;
 * false when there is none. */
bool certificate_name_common_name(struct slice name, struct buffer *out);
bool certificate_name_organization(struct slice name, struct buffer *out);

/* All common names of a Name, from the first on, also several in one RDN: begin with {name}.
 * Strings of one byte a character are given as they are, wide ones as UTF-8 in `scratch`, which
 * they replace. Values that are no strings are left out. False at the end and at what cannot be
 * read. */
struct name_cursor {
    struct slice name;        /* in: a Name with its header */
    struct slice rdns, pairs; /* what is left of it, and of the RDN in hand */
    bool begun;
};
bool certificate_common_name_next(struct name_cursor *cursor, struct buffer *scratch,
                                  struct slice *value);

#endif
