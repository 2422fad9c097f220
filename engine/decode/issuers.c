#include "engine/decode/issuers.h"

#include "engine/base/limits.h"
#include "engine/base/random.h"
#include "engine/x509/certificate.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    PLACES = 2 * LIMIT_CT_ISSUERS, /* of each table: a power of two, so half of them stay empty */
    /* Bytes that hash alike are easy to make: after so many places the issuer is not kept. */
    STEPS_MAX = 64,
};

_Static_assert((PLACES & (PLACES - 1)) == 0, "a power of two");

struct issuer {
    struct chain_link link; /* first */
    uint64_t quick;         /* of its bytes */
    struct issuer *retired; /* those that it has replaced */
    uint8_t bytes[];        /* the certificate, then the texts that the link points to */
};

/* Two ways to the same issuers: by their SHA-256, as static-ct names them, and by their bytes, as
 * RFC 6962 sends them. An issuer that was missing and comes after all takes the place of its
 * placeholder, which stays for those who look at it. */
struct issuers {
    uint64_t seed;
    _Atomic uint32_t count;
    _Atomic uint64_t bytes;
    struct issuer *_Atomic by_sha256[PLACES];
    struct issuer *_Atomic by_bytes[PLACES];
};

struct issuers *issuers_new(void) {
    struct issuers *issuers = calloc(1, sizeof *issuers);

    if (issuers)
        issuers->seed = random_seed() | 1;
    return issuers;
}

void issuers_free(struct issuers *issuers) {
    for (size_t i = 0; issuers && i < PLACES; i++) {
        struct issuer *issuer = issuers->by_sha256[i];
        while (issuer) {
            struct issuer *retired = issuer->retired;
            free(issuer);
            issuer = retired;
        }
    }
    free(issuers);
}

/* --- Hashing --- */

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t fold(const struct issuers *issuers, uint64_t hash, uint64_t word) {
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * issuers->seed;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Enough to find it by: the end of the signature and the length. All bytes are compared then. */
static uint64_t hash_bytes(const struct issuers *issuers, struct slice der) {
    uint64_t hash = fold(issuers, issuers->seed, der.len);

    for (size_t at = 8; at <= 32 && at <= der.len; at += 8)
        hash = fold(issuers, hash, word_at(der.ptr + der.len - at));
    return hash;
}

static uint64_t hash_sha256(const struct issuers *issuers, const uint8_t sha256[32]) {
    uint64_t hash = issuers->seed;

    for (size_t at = 0; at < 32; at += 8)
        hash = fold(issuers, hash, word_at(sha256 + at));
    return hash;
}

/* --- Finding --- */

static const struct issuer *at_place(struct issuer *_Atomic const *table, uint64_t at) {
    return atomic_load_explicit(&table[at % PLACES], memory_order_acquire);
}

const struct chain_link *issuers_find(const struct issuers *issuers, const uint8_t sha256[32]) {
    uint64_t at = hash_sha256(issuers, sha256);

    for (uint64_t end = at + STEPS_MAX; at < end; at++) {
        const struct issuer *issuer = at_place(issuers->by_sha256, at);
        if (!issuer)
            return NULL;
        if (memcmp(issuer->link.fingerprint_sha256, sha256, 32) == 0)
            return &issuer->link;
    }
    return NULL;
}

static const struct chain_link *find_bytes(const struct issuers *issuers, struct slice der,
                                           uint64_t quick) {
    for (uint64_t at = quick; at < quick + STEPS_MAX; at++) {
        const struct issuer *issuer = at_place(issuers->by_bytes, at);
        if (!issuer)
            return NULL;
        if (issuer->quick == quick && slice_equal(issuer->link.der, der))
            return &issuer->link;
    }
    return NULL;
}

/* --- Adding --- */

static bool is_better(const struct issuer *issuer, const struct issuer *there) {
    return there->link.der.len == 0 && issuer->link.der.len != 0;
}

/* Puts it into a table, unless an equal one was quicker. Returns the one that is there; NULL when
 * there is no place near its own. */
static struct issuer *put(struct issuer *_Atomic *table, uint64_t at, struct issuer *issuer) {
    uint64_t end = at + STEPS_MAX;

    while (at < end) {
        struct issuer *there = atomic_load_explicit(&table[at % PLACES], memory_order_acquire);
        if (there &&
            memcmp(there->link.fingerprint_sha256, issuer->link.fingerprint_sha256, 32) != 0) {
            at++;
            continue;
        }
        if (there && !is_better(issuer, there))
            return there;
        if (there)
            issuer->retired = there;
        if (atomic_compare_exchange_strong_explicit(&table[at % PLACES], &there, issuer,
                                                    memory_order_acq_rel, memory_order_acquire))
            return issuer;
        issuer->retired = NULL; /* another thread was quicker: look again */
    }
    return NULL;
}

/* Room for one more of so many bytes. */
static bool reserve(struct issuers *issuers, size_t bytes) {
    uint32_t count = atomic_fetch_add(&issuers->count, 1);
    uint64_t before = atomic_fetch_add(&issuers->bytes, bytes);

    if (count < LIMIT_CT_ISSUERS && before + bytes <= LIMIT_CT_ISSUERS_BYTES)
        return true;
    atomic_fetch_sub(&issuers->count, 1);
    atomic_fetch_sub(&issuers->bytes, bytes);
    return false;
}

static void give_back(struct issuers *issuers, size_t bytes) {
    atomic_fetch_sub(&issuers->count, 1);
    atomic_fetch_sub(&issuers->bytes, bytes);
}

/* Takes it; returns the one that is there then, or NULL. */
static struct issuer *add(struct issuers *issuers, struct issuer *issuer) {
    size_t bytes = issuer->link.der.len;
    struct issuer *there =
        put(issuers->by_sha256, hash_sha256(issuers, issuer->link.fingerprint_sha256), issuer);

    if (there != issuer) {
        give_back(issuers, bytes);
        free(issuer);
    }
    return there;
}

void issuers_add_missing(struct issuers *issuers, const uint8_t sha256[32]) {
    if (issuers_find(issuers, sha256) || !reserve(issuers, 0))
        return;
    struct issuer *issuer = calloc(1, sizeof *issuer);
    if (!issuer) {
        give_back(issuers, 0);
        return;
    }
    memcpy(issuer->link.fingerprint_sha256, sha256, 32);
    add(issuers, issuer);
}

/* The link's slices point into the issuer's own bytes. */
static struct issuer *issuer_new(struct slice der) {
    struct certificate certificate;
    struct buffer texts;
    size_t subject_len = 0;

    buffer_init(&texts);
    bool readable = certificate_decode(der, &certificate) == CERTIFICATE_OK;
    if (readable) {
        certificate_name_text(certificate.subject, &texts);
        subject_len = texts.len;
        certificate_name_text(certificate.issuer, &texts);
    }
    struct issuer *issuer = texts.failed ? NULL : calloc(1, sizeof *issuer + der.len + texts.len);
    if (issuer) {
        uint8_t *text = issuer->bytes + der.len;
        memcpy(issuer->bytes, der.ptr, der.len);
        if (texts.len)
            memcpy(text, texts.ptr, texts.len);
        issuer->link = (struct chain_link){
            .der = {issuer->bytes, der.len},
            .readable = readable,
            .subject = {text, subject_len},
            .issuer = {text + subject_len, texts.len - subject_len},
            .not_after = readable ? certificate.not_after : 0,
        };
        certificate_sha256(der, issuer->link.fingerprint_sha256);
    }
    buffer_deinit(&texts);
    return issuer;
}

const struct chain_link *issuers_of(struct issuers *issuers, struct slice der) {
    uint64_t quick = hash_bytes(issuers, der);
    const struct chain_link *found = find_bytes(issuers, der, quick);

    if (found || der.len == 0 || der.len > LIMIT_CERTIFICATE_BYTES || !reserve(issuers, der.len))
        return found;
    struct issuer *issuer = issuer_new(der);
    if (!issuer) {
        give_back(issuers, der.len);
        return NULL;
    }
    issuer->quick = quick;
    issuer = add(issuers, issuer);
    if (issuer)
        put(issuers->by_bytes, quick, issuer);
    return issuer ? &issuer->link : NULL;
}
