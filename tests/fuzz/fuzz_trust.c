/* Fuzzes the trust checker of engine/x509: any chain is judged within the budgets, in the same way
 * by a checker that has seen much and by one that has seen nothing, and only what a root stands
 * behind is trusted.
 *
 * An input is a chain, leaf first. Each certificate has before it a byte that says whose key signs
 * it, and its length in two bytes. 0 leaves the signature as it is; 1 to 4 name one of four Ed25519
 * keys, so that certificates of any content get signatures that are right. The first two keys are
 * those of the roots: "Fuzz Root", and "Fuzz Narrow Root", which may only issue leaves below
 * example.test. The certificates of the corpus have no good signature of their own. */
#include "engine/base/buffer.h"
#include "engine/base/limits.h"
#include "engine/x509/trust.h"
#include "tests/fuzz/take.h"

#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both are valid from 2025-01-01 to 2027-01-01. */
static const char ROOTS[] = "-----BEGIN CERTIFICATE-----\n"
                            "MIIBADCBs6ADAgECAggKXITTztaDKzAFBgMrZXAwFDESMBAGA1UEAwwJRnV6eiBS\n"
                            "b290MB4XDTI1MDEwMTAwMDAwMFoXDTI3MDEwMTAwMDAwMFowFDESMBAGA1UEAwwJ\n"
                            "RnV6eiBSb290MCowBQYDK2VwAyEAzswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8G\n"
                            "XWg71PyjIzAhMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAUGAytl\n"
                            "cANBAHGgnARiVvw+jtflKdj3WTltirHcBjx315mJLGKCkTV9kSCiI4223ntGPkGl\n"
                            "epl32hbMuk75yf8BykBIz43vjwg=\n"
                            "-----END CERTIFICATE-----\n"
                            "-----BEGIN CERTIFICATE-----\n"
                            "MIIBLjCB4aADAgECAghiPB9rh7OhuzAFBgMrZXAwGzEZMBcGA1UEAwwQRnV6eiBO\n"
                            "YXJyb3cgUm9vdDAeFw0yNTAxMDEwMDAwMDBaFw0yNzAxMDEwMDAwMDBaMBsxGTAX\n"
                            "BgNVBAMMEEZ1enogTmFycm93IFJvb3QwKjAFBgMrZXADIQBrecV+aglSOSgsBIGO\n"
                            "lhEvPwOkABupelZMI4UqPx6l/KNDMEEwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNV\n"
                            "HQ8BAf8EBAMCAQYwGwYDVR0eBBQwEqAQMA6CDGV4YW1wbGUudGVzdDAFBgMrZXAD\n"
                            "QQCLqo9KDFKgz+xraL2Xe0+7ma2r7OnIs4StT3I9KyhZ9LNXaAUHwuMdD+aPOAZG\n"
                            "zAgZ90i2MRwYqqhlXWLRk2IA\n"
                            "-----END CERTIFICATE-----\n";

enum {
    NOW = 1767225600, /* 2026-01-01 */
    KEYS = 4,
    ROOT_KEYS = 2,
    ROOTS_COUNT = 2,
};

struct chain {
    struct slice certificates[LIMIT_CHAIN_CERTIFICATES + 2]; /* more than are looked at */
    size_t count;
    bool leaf_is_signed, root_signs; /* by a key of ours; with a root's key */
};

/* Made once. The checker remembers from input to input. */
static struct trust_store *store;
static struct trust_checker *experienced;
static uint8_t private_keys[KEYS][ED25519_PRIVATE_KEY_LEN];

static void require(bool condition) {
    if (!condition)
        abort();
}

static void set_up(void) {
    char path[] = "/tmp/fuzz-roots-XXXXXX";
    struct failure failure;
    int fd = mkstemp(path);
    require(fd >= 0 && write(fd, ROOTS, sizeof ROOTS - 1) == (ssize_t)sizeof ROOTS - 1);
    close(fd);
    require(trust_store_open(&store, path, &failure) == ERROR_NONE);
    unlink(path);
    require(trust_store_roots(store) == ROOTS_COUNT);
    experienced = trust_checker_new(store);
    require(experienced != NULL);
    for (uint8_t i = 0; i < KEYS; i++) {
        uint8_t public_key[ED25519_PUBLIC_KEY_LEN], seed[32] = {(uint8_t)(i + 1)};
        ED25519_keypair_from_seed(public_key, private_keys[i], seed);
    }
}

/* SEQUENCE { tbsCertificate, id-Ed25519, signature } on the heap; false when `der` is no SEQUENCE
 * that begins with one. */
static bool sign(struct slice der, size_t key, struct slice *out) {
    static const uint8_t algorithm[] = {0x30, 5, 6, 3, 0x2b, 0x65, 0x70};
    uint8_t signature[ED25519_SIGNATURE_LEN], *bytes = NULL;
    CBS whole, certificate, tbs;
    CBB cbb, sequence, bits;

    CBS_init(&whole, der.ptr, der.len);
    if (!CBS_get_asn1(&whole, &certificate, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&certificate, &tbs, CBS_ASN1_SEQUENCE)) {
        ERR_clear_error();
        return false;
    }
    require(ED25519_sign(signature, CBS_data(&tbs), CBS_len(&tbs), private_keys[key]) &&
            CBB_init(&cbb, der.len + 128) && CBB_add_asn1(&cbb, &sequence, CBS_ASN1_SEQUENCE) &&
            CBB_add_bytes(&sequence, CBS_data(&tbs), CBS_len(&tbs)) &&
            CBB_add_bytes(&sequence, algorithm, sizeof algorithm) &&
            CBB_add_asn1(&sequence, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
            CBB_add_bytes(&bits, signature, sizeof signature) &&
            CBB_finish(&cbb, &bytes, &out->len));
    out->ptr = bytes;
    return true;
}

/* The chain lives until chain_deinit; certificates stand in memory of their own, so that reads past
 * their ends are seen. */
static struct chain chain_of(struct slice in) {
    struct chain chain = {.count = 0};
    while (in.len >= 3 && chain.count < sizeof chain.certificates / sizeof *chain.certificates) {
        struct slice head = take(&in, 3);
        size_t signer = head.ptr[0] % (KEYS + 1);
        struct slice der = take(&in, (size_t)head.ptr[1] << 8 | head.ptr[2]), made;
        if (signer && sign(der, signer - 1, &made)) {
            chain.leaf_is_signed |= chain.count == 0;
            chain.root_signs |= signer <= ROOT_KEYS;
        } else {
            made = (struct slice){OPENSSL_memdup(der.ptr, der.len), der.len};
        }
        chain.certificates[chain.count++] = made;
    }
    return chain;
}

static void chain_deinit(struct chain *chain) {
    for (size_t i = 0; i < chain->count; i++)
        OPENSSL_free((void *)chain->certificates[i].ptr);
}

/* What one check may cost, also when nothing is remembered. */
static struct trust_verdict check_within_budget(struct trust_checker *checker,
                                                const struct chain *chain, uint64_t *signatures) {
    struct trust_statistics before = trust_checker_statistics(checker);
    struct trust_verdict verdict = trust_check(checker, chain->certificates, chain->count, NOW);
    struct trust_statistics after = trust_checker_statistics(checker);
    uint64_t checked = after.signatures_checked - before.signatures_checked;
    uint64_t remembered = after.signatures_remembered - before.signatures_remembered;
    *signatures = checked + remembered;
    require(*signatures <= TRUST_SIGNATURE_CHECKS_MAX);
    require(after.certificates_parsed - before.certificates_parsed <= LIMIT_CHAIN_CERTIFICATES);
    require(after.paths_validated - before.paths_validated <= TRUST_SIGNATURE_CHECKS_MAX);
    require(ERR_peek_error() == 0);
    require(trust_error_name(verdict.error) != NULL);
    require((verdict.error == TRUST_OK) == (verdict.chain_not_after != 0));
    return verdict;
}

static bool is_root(const struct chain *chain) {
    struct trust_checker *checker = trust_checker_new(store);
    require(checker != NULL);
    struct trust_verdict alone = trust_check(checker, chain->certificates, 1, NOW);
    trust_checker_free(checker);
    return alone.error == TRUST_OK;
}

static void require_deserved(const struct chain *chain, struct trust_verdict verdict) {
    struct certificate leaf;
    require(verdict.chain_not_after >= NOW);
    require((chain->leaf_is_signed && chain->root_signs) || is_root(chain));
    /* BoringSSL takes some of what our decoder refuses: a SEQUENCE OF that is not marked as
       constructed. */
    if (certificate_decode(chain->certificates[0], &leaf) == CERTIFICATE_OK)
        require(leaf.not_before <= NOW && leaf.not_after >= NOW &&
                verdict.chain_not_after <= leaf.not_after);
}

/* The order of what comes behind the leaf does not decide, as long as the budget lasts. */
static void check_order(struct chain *chain, bool trusted) {
    struct trust_checker *checker = trust_checker_new(store);
    uint64_t signatures;
    require(checker != NULL);
    for (size_t i = 1, k = chain->count - 1; i < k; i++, k--) {
        struct slice swapped = chain->certificates[i];
        chain->certificates[i] = chain->certificates[k];
        chain->certificates[k] = swapped;
    }
    struct trust_verdict verdict = check_within_budget(checker, chain, &signatures);
    require(signatures == TRUST_SIGNATURE_CHECKS_MAX || (verdict.error == TRUST_OK) == trusted);
    trust_checker_free(checker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t signatures;
    if (!store)
        set_up();
    struct chain chain = chain_of((struct slice){data, size});
    struct trust_checker *fresh = trust_checker_new(store);
    require(fresh != NULL);
    struct trust_verdict verdict = check_within_budget(fresh, &chain, &signatures);
    for (int i = 0; i < 2; i++) { /* at first sight, and then from memory */
        uint64_t ignored;
        struct trust_verdict same = check_within_budget(experienced, &chain, &ignored);
        require(same.error == verdict.error && same.chain_not_after == verdict.chain_not_after);
    }
    if (verdict.error == TRUST_OK)
        require_deserved(&chain, verdict);
    if (chain.count > 2 && chain.count <= LIMIT_CHAIN_CERTIFICATES &&
        signatures < TRUST_SIGNATURE_CHECKS_MAX)
        check_order(&chain, verdict.error == TRUST_OK);
    trust_checker_free(fresh);
    chain_deinit(&chain);
    return 0;
}
