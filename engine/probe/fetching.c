#include "engine/probe/fetching.h"

#include "engine/x509/bundle.h"
#include "engine/x509/trust.h"

#include <stdlib.h>

/* Certificates between a leaf and its root, of which none was sent: real paths have one or two. */
enum { ISSUERS_DEPTH_MAX = 4 };

static bool is_file_of_authority(const struct probe_record *record) {
    return slice_is(record->protocol, "file") && record->certificate.is_ca;
}

static bool wants_issuers(const struct probe_record *record,
                          const struct prober_settings *settings) {
    return settings->fetch_issuers && !record->trust.trusted &&
           slice_is(record->trust.error, trust_error_name(TRUST_UNKNOWN_ISSUER));
}

struct fetching *fetching_new(struct probe_record *record, const struct prober_settings *settings,
                              struct trust_checker *checker, int64_t unix_seconds) {
    if (!settings->fetcher || !record->has_certificate || !record->trust.chain_checked ||
        is_file_of_authority(record))
        return NULL;
    record->has_revocation = settings->check_revocation;
    if (record->has_revocation)
        record->revocation.error = slice_of("no path leads to a trusted root");
    if (!wants_issuers(record, settings) && !(record->trust.trusted && record->has_revocation))
        return NULL;
    struct fetching *fetching = calloc(1, sizeof *fetching);
    if (!fetching)
        return NULL;
    fetching->record = record;
    fetching->settings = settings;
    fetching->checker = checker;
    fetching->unix_seconds = unix_seconds;
    fetching->chain[fetching->count++] = record->certificate.der;
    for (uint32_t i = 0; i < record->chain_count && fetching->count < LIMIT_CHAIN_CERTIFICATES; i++)
        fetching->chain[fetching->count++] = record->chain[i].der;
    fetching->sent = fetching->count;
    return fetching;
}

/* --- Issuers --- */

static struct fetch_question *ask_for_issuers(struct fetching *fetching) {
    struct certificate last;

    if (!wants_issuers(fetching->record, fetching->settings) ||
        fetching->issuers_asked == ISSUERS_DEPTH_MAX ||
        !bundle_lacks_issuer(fetching->chain, fetching->count, &last))
        return NULL;
    fetching->issuers_asked++;
    return fetch_question_new(FETCH_ISSUERS, last.der, (struct slice){NULL, 0});
}

static bool is_known(const struct fetching *fetching, struct slice der) {
    for (uint32_t i = 0; i < fetching->count; i++)
        if (slice_equal(fetching->chain[i], der))
            return true;
    return false;
}

/* How many were new. */
static uint32_t add_issuers(struct fetching *fetching, struct slice bundle) {
    struct arena *arena = &fetching->record->head.memory;
    uint32_t before = fetching->count;
    struct slice der;

    while (fetching->count < LIMIT_CHAIN_CERTIFICATES && bundle_next(&bundle, &der)) {
        if (der.len > LIMIT_CERTIFICATE_BYTES || is_known(fetching, der))
            continue;
        struct slice copy = arena_copy(arena, der);
        if (copy.len)
            fetching->chain[fetching->count++] = copy;
    }
    return fetching->count - before;
}

static bool fetched_intermediate(const struct fetching *fetching) {
    struct certificate certificate;

    for (uint32_t i = fetching->sent; i < fetching->count; i++)
        if (certificate_decode(fetching->chain[i], &certificate) == CERTIFICATE_OK &&
            !slice_equal(certificate.subject, certificate.issuer))
            return true;
    return false;
}

static void verify_again(struct fetching *fetching) {
    struct probe_record *record = fetching->record;
    struct trust_verdict verdict =
        trust_check(fetching->checker, fetching->chain, fetching->count, fetching->unix_seconds);

    if (verdict.error == TRUST_NO_MEMORY) /* what was known before still holds */
        return;
    record->trust.trusted = verdict.error == TRUST_OK;
    record->trust.chain_not_after = verdict.chain_not_after;
    record->trust.error =
        verdict.error ? slice_of(trust_error_name(verdict.error)) : (struct slice){NULL, 0};
    if (verdict.error != TRUST_UNKNOWN_ISSUER && !fetched_intermediate(fetching))
        record->trust.issuer_missing = false; /* it was but the root */
}

/* One that brings nothing new is not asked again: who names himself as his own issuer's source
 * leads nowhere. */
static void take_issuers(struct fetching *fetching, const struct fetch_question *question) {
    uint32_t more = add_issuers(fetching, buffer_slice(&question->issuers));

    if (more == 0) {
        fetching->issuers_asked = ISSUERS_DEPTH_MAX;
        return;
    }
    fetching->record->trust.fetched_issuers =
        (uint8_t)(fetching->record->trust.fetched_issuers + more);
    verify_again(fetching);
}

/* --- CRLs --- */

/* What is told of the path is the worst of its certificates, and of those the one nearest to the
 * leaf. */
static void note_revocation(struct fetching *fetching, const struct revocation *found,
                            const char *url) {
    struct probe_record *record = fetching->record;
    struct arena *arena = &record->head.memory;

    if (found->status <= record->revocation.status)
        return;
    record->revocation.status = found->status;
    record->revocation.reason = found->reason;
    record->revocation.depth = fetching->depth;
    record->revocation.revoked_at = found->revoked_at;
    record->revocation.this_update = found->this_update;
    record->revocation.next_update = found->next_update;
    record->revocation.url = arena_copy(arena, slice_of(url));
    record->revocation.error =
        found->error ? arena_copy(arena, slice_of(found->error)) : (struct slice){NULL, 0};
}

static void note_unknown(struct fetching *fetching, const char *why) {
    struct revocation unknown = {.status = REVOCATION_UNKNOWN, .error = why};
    note_revocation(fetching, &unknown, "");
}

static void find_path(struct fetching *fetching) {
    struct slice_list chain = {fetching->chain, fetching->count};

    fetching->has_path = true;
    fetching->record->revocation.error = (struct slice){NULL, 0};
    struct trust_verdict verdict =
        trust_check_path(fetching->checker, chain, NULL, fetching->unix_seconds, &fetching->path);
    fetching->above = buffer_slice(&fetching->path);
    if (verdict.error || !bundle_next(&fetching->above, &fetching->below))
        note_unknown(fetching, "no memory for the path");
}

/* The root answers for itself. */
static struct fetch_question *ask_for_crl(struct fetching *fetching) {
    struct probe_record *record = fetching->record;
    struct slice above, issuer;

    if (!record->has_revocation || !record->trust.trusted)
        return NULL;
    if (!fetching->has_path)
        find_path(fetching);
    else
        fetching->depth++;
    above = fetching->above;
    if (record->revocation.status == REVOCATION_REVOKED || !bundle_next(&above, &issuer))
        return NULL;
    struct fetch_question *question = fetch_question_new(FETCH_REVOCATION, fetching->below, issuer);
    if (!question)
        note_unknown(fetching, "no memory for the question");
    fetching->below = issuer;
    fetching->above = above;
    return question;
}

/* --- One after the other --- */

struct fetch_question *fetching_next(struct fetching *fetching) {
    struct fetch_question *question = ask_for_issuers(fetching);

    return question ? question : ask_for_crl(fetching);
}

void fetching_take(struct fetching *fetching, struct fetch_question *question) {
    fetching->question = NULL;
    if (question->kind == FETCH_ISSUERS)
        take_issuers(fetching, question);
    else
        note_revocation(fetching, &question->revocation, question->url);
    fetch_question_free(question);
}

void fetching_give_up(struct fetching *fetching, const char *why) {
    fetching->question = NULL;
    if (fetching->has_path)
        note_unknown(fetching, why);
    else if (fetching->record->has_revocation && fetching->record->trust.trusted)
        fetching->record->revocation.error = slice_of(why);
}

struct probe_record *fetching_end(struct fetching *fetching) {
    struct probe_record *record = fetching->record;

    judge_fetched(record);
    buffer_deinit(&fetching->path);
    free(fetching);
    return record;
}
