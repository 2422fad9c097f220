/* Reading certificates, and trusting them. */
#include "bench/farm/farm_chain.h"
#include "bench/micro/micro.h"
#include "engine/base/clock.h"
#include "engine/record/record.h"
#include "engine/x509/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LEAVES = 512 };

struct certificates {
    struct farm_chain chains[LEAVES];
    uint32_t count;
    struct trust_store *store;
    struct trust_checker *checker;
    int64_t unix_seconds;
};

static void close_certificates(void *state) {
    struct certificates *certificates = state;
    trust_checker_free(certificates->checker);
    trust_store_close(certificates->store);
    farm_chains_deinit(certificates->chains, certificates->count);
    free(certificates);
}

/* Trust stores are read from files. */
static bool open_store(struct certificates *certificates, struct slice pem) {
    char path[] = "/tmp/bench-micro-root-XXXXXX";
    int descriptor = mkstemp(path);
    if (descriptor < 0)
        return false;
    bool made = write(descriptor, pem.ptr, pem.len) == (ssize_t)pem.len &&
                trust_store_open(&certificates->store, path, NULL) == ERROR_NONE;
    close(descriptor);
    unlink(path);
    certificates->checker = made ? trust_checker_new(certificates->store) : NULL;
    return certificates->checker;
}

static void *open_chains(enum farm_kind kind, uint32_t count) {
    struct certificates *certificates = calloc(1, sizeof *certificates);
    struct buffer root;

    buffer_init(&root);
    bool made = certificates && farm_chains_init(certificates->chains, count, kind, &root);
    if (made) {
        certificates->count = count;
        certificates->unix_seconds = clock_unix_ms() / 1000;
    }
    if (made && !open_store(certificates, buffer_slice(&root))) {
        close_certificates(certificates);
        made = false;
        certificates = NULL;
    }
    if (!made)
        free(certificates);
    buffer_deinit(&root);
    return made ? certificates : NULL;
}

static void *open_one(const void *argument) {
    return open_chains(*(const enum farm_kind *)argument, 1);
}

static void *open_many(const void *argument) {
    return open_chains(*(const enum farm_kind *)argument, LEAVES);
}

static void run_decode(void *state, uint64_t times) {
    struct certificates *certificates = state;
    struct certificate out;

    for (; times; times--) {
        if (certificate_decode(certificates->chains[0].certificates[0], &out) != CERTIFICATE_OK)
            abort();
        micro_keep(&out);
    }
}

static void run_fields(void *state, uint64_t times) {
    struct certificates *certificates = state;
    struct certificate certificate;
    struct certificate_fields fields;
    struct arena arena;

    if (certificate_decode(certificates->chains[0].certificates[0], &certificate))
        abort();
    for (; times; times--) {
        if (!arena_init(&arena, 2048) || !certificate_fields_fill(&certificate, &arena, &fields))
            abort();
        micro_keep(&fields);
        arena_deinit(&arena);
    }
}

static void check(struct certificates *certificates, const struct farm_chain *chain) {
    struct trust_verdict verdict = trust_check(certificates->checker, chain->certificates,
                                               chain->count, certificates->unix_seconds);
    if (verdict.error)
        abort();
}

static void forget(struct certificates *certificates) {
    trust_checker_free(certificates->checker);
    certificates->checker = trust_checker_new(certificates->store);
    if (!certificates->checker)
        abort();
}

/* A checker that knows nothing. */
static void run_trust_first(void *state, uint64_t times) {
    struct certificates *certificates = state;

    for (; times; times--) {
        forget(certificates);
        check(certificates, &certificates->chains[0]);
    }
}

/* The leaf is new, its issuer is known: what a sweep does most. The checker is made anew when all
 * leaves have had their turn. */
static void run_trust_leaf(void *state, uint64_t times) {
    struct certificates *certificates = state;

    while (times) {
        forget(certificates);
        for (uint32_t i = 0; times && i < certificates->count; i++, times--)
            check(certificates, &certificates->chains[i]);
    }
}

/* The same certificate again, as in shared hosting. */
static void run_trust_again(void *state, uint64_t times) {
    struct certificates *certificates = state;

    for (; times; times--)
        check(certificates, &certificates->chains[0]);
}

static const enum farm_kind ecdsa = FARM_GOOD_ECDSA, rsa = FARM_GOOD_RSA_CHAIN;

const struct micro_case x509_cases[] = {
    {"decode.ecdsa", "a leaf", open_one, run_decode, close_certificates, &ecdsa},
    {"decode.rsa", "a leaf", open_one, run_decode, close_certificates, &rsa},
    {"fields.ecdsa", "a leaf", open_one, run_fields, close_certificates, &ecdsa},
    {"fields.rsa", "a leaf", open_one, run_fields, close_certificates, &rsa},
    {"trust.first", "a chain", open_one, run_trust_first, close_certificates, &ecdsa},
    {"trust.new-leaf", "a chain", open_many, run_trust_leaf, close_certificates, &ecdsa},
    {"trust.new-leaf-rsa", "a chain", open_many, run_trust_leaf, close_certificates, &rsa},
    {"trust.again", "a chain", open_one, run_trust_again, close_certificates, &ecdsa},
    {0},
};
