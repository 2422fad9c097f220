#include "engine/probe/report.h"

#include "engine/probe/evidence.h"
#include "engine/starttls/dialogue.h"
#include "engine/tls/wire.h"
#include "engine/x509/bundle.h"
#include "engine/x509/lint.h"
#include "engine/x509/name_match.h"
#include "engine/x509/trust.h"

enum { TEXT_ESTIMATE_BYTES = 2048 };

static void fill_target(struct probe_record *record, const struct report *report) {
    const struct target *target = report->target;
    struct arena *arena = &record->head.memory;
    struct slice name = target_name(target);
    char text[ADDRESS_TEXT_MAX];

    if (report->path.len) {
        record->host = arena_copy(arena, report->path);
        record->protocol = slice_of("file");
        return;
    }
    if (name.len) {
        record->sni = record->host = arena_copy(arena, name);
    } else {
        struct slice address = {(const uint8_t *)text, address_format(&target->address, text)};
        record->host = arena_copy(arena, address);
    }
    record->address = report->address;
    record->port = target->port;
    record->protocol = slice_of(dialogues[target->protocol]->name);
    struct address *addresses =
        report->address_count ? arena_take(arena, report->address_count * sizeof *report->addresses)
                              : NULL;
    if (!addresses)
        return;
    memcpy(addresses, report->addresses, report->address_count * sizeof *report->addresses);
    record->addresses = addresses;
    record->address_count = report->address_count;
}

/* A server asks for a client certificate before it shows its own in TLS 1.3, but afterwards in
 * older versions: there, that it does not ask is known only when the handshake is over. */
static bool client_certificate_known(const struct report *report) {
    const struct tls_observation *seen = report->seen;

    return seen->client_certificate_requested ||
           (seen->version == TLS_VERSION_TLS13 && seen->certificate_count) ||
           (report->plan == PLAN_HANDSHAKE && report->outcome == OUTCOME_OK);
}

static void fill_tls(struct probe_record *record, const struct report *report) {
    const struct tls_observation *seen = report->seen;

    record->has_tls = seen->version || seen->alert_received;
    record->tls.version = seen->version;
    record->tls.cipher = seen->cipher;
    record->tls.group = seen->group;
    record->tls.alpn = arena_copy(&record->head.memory, (struct slice){seen->alpn, seen->alpn_len});
    record->tls.client_certificate_known = client_certificate_known(report);
    record->tls.client_certificate_requested = seen->client_certificate_requested;
    record->tls.ocsp_stapled = seen->ocsp_stapled;
    record->tls.key_proven = seen->key_proven;
    record->tls.alert_received = seen->alert_received;
    record->tls.alert = seen->alert;
    record->tls.sct_count = seen->sct_count;
}

/* The certificates behind the leaf, and the earliest end over all that can be read. False when
 * there is no memory. */
static bool fill_chain(struct probe_record *record, const struct report *report) {
    struct arena *arena = &record->head.memory;
    uint32_t count = report->seen->certificate_count - 1u;
    struct chain_link *links = count ? arena_take(arena, count * sizeof *links) : NULL;

    if (!links)
        return count == 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct chain_link *link =
            link_cache_get(report->links, report->seen->certificates[i + 1]);
        if (!link)
            return false;
        links[i] = *link;
        links[i].der = arena_copy(arena, link->der);
        links[i].subject = arena_copy(arena, link->subject);
        links[i].issuer = arena_copy(arena, link->issuer);
        if (!link->readable)
            record->findings |= UINT64_C(1) << FINDING_CHAIN_UNREADABLE;
        else if (link->not_after < record->earliest_not_after)
            record->earliest_not_after = link->not_after;
    }
    record->chain = links;
    record->chain_count = count;
    return true;
}

/* False when there is no memory. */
static bool fill_name_match(struct probe_record *record, const struct report *report,
                            const struct certificate *certificate) {
    struct name_match_options options = {.allow_common_name = report->settings->allow_common_name};
    struct slice matched = {NULL, 0};
    struct buffer scratch;

    record->has_trust = true;
    record->trust.name_checked =
        report->target->name_len || report->target->address.family != ADDRESS_NONE;
    if (!record->trust.name_checked)
        return true; /* a file, of which nobody said what it is for */
    buffer_init(&scratch);
    if (report->target->name_len)
        record->trust.name_matches =
            name_match_host(certificate, target_name(report->target), &options, &scratch, &matched);
    else
        record->trust.name_matches =
            name_match_address(certificate, &report->target->address, &matched);
    if (record->trust.name_matches) {
        /* of an address SAN the matched name is binary */
        char address[ADDRESS_TEXT_MAX];
        if (!report->target->name_len)
            matched = (struct slice){(const uint8_t *)address,
                                     address_format(&report->target->address, address)};
        record->trust.matched_name = arena_copy(&record->head.memory, matched);
    }
    bool whole = !scratch.failed;
    buffer_deinit(&scratch);
    return whole;
}

/* A CA's certificate in a file is not meant for a server; one that a server serves is. */
static bool is_authority(const struct probe_record *record, const struct report *report) {
    return report->path.len && record->certificate.is_ca;
}

/* That of a CA may be a root, which need not be sent. */
static bool leaf_lacks_issuer(const struct slice *chain, size_t count) {
    struct certificate last;

    return bundle_lacks_issuer(chain, count, &last) && slice_equal(last.der, chain[0]);
}

static void fill_trust(struct probe_record *record, const struct report *report,
                       struct trust_checker *trust) {
    record->trust.chain_checked =
        trust && trust_checker_has_roots(trust) && report->plan == PLAN_HANDSHAKE;
    if (!record->trust.chain_checked)
        return;
    struct trust_verdict verdict = (is_authority(record, report) ? trust_check_authority
                                                                 : trust_check)(
        trust, report->seen->certificates, report->seen->certificate_count, report->now_ms / 1000);
    record->trust.chain_checked = verdict.error != TRUST_NO_MEMORY;
    record->trust.trusted = verdict.error == TRUST_OK;
    record->trust.chain_not_after = verdict.chain_not_after;
    record->trust.issuer_missing =
        verdict.error == TRUST_UNKNOWN_ISSUER &&
        leaf_lacks_issuer(report->seen->certificates, report->seen->certificate_count);
    if (verdict.error != TRUST_OK)
        record->trust.error = slice_of(trust_error_name(verdict.error));
    if (verdict.error == TRUST_WEAK_KEY)
        record->findings |= UINT64_C(1) << FINDING_WEAK_KEY;
}

static bool key_is_weak(const struct certificate *certificate) {
    bool rsa = certificate->key_type == KEY_RSA || certificate->key_type == KEY_RSA_PSS;
    return (rsa && certificate->key_bits < 2048) || certificate->key_type == KEY_DSA;
}

static void fill_findings(struct probe_record *record, const struct certificate *certificate,
                          bool authority) {
    if (key_is_weak(certificate))
        record->findings |= UINT64_C(1) << FINDING_WEAK_KEY;
    bool own_word = authority && record->certificate.self_signed; /* nobody relies on it */
    if (certificate_signature_is_weak(certificate) && !own_word)
        record->findings |= UINT64_C(1) << FINDING_WEAK_SIGNATURE;
    if (!certificate->has_subject_alt_name && !authority)
        record->findings |= UINT64_C(1) << FINDING_NO_SUBJECT_ALT_NAME;
    if (certificate->extension_unreadable)
        record->findings |= UINT64_C(1) << FINDING_EXTENSION_UNREADABLE;
}

static void fill_lints(struct probe_record *record, const struct certificate *certificate) {
    static const struct {
        unsigned lint;
        enum finding finding;
    } rows[] = {
        {LINT_KEY_IDENTIFIER, FINDING_NO_KEY_IDENTIFIER},
        {LINT_SERIAL, FINDING_ODD_SERIAL},
        {LINT_UNDERSCORE, FINDING_UNDERSCORE_IN_NAME},
        {LINT_EXTENDED_KEY_USAGE, FINDING_ODD_EXTENDED_KEY_USAGE},
    };
    unsigned lints = certificate_lints(certificate, record->certificate.self_signed);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (lints & rows[i].lint)
            record->findings |= UINT64_C(1) << rows[i].finding;
}

/* A leaf that cannot be parsed is reported with its bytes and the reason. */
static void fill_unparsable(struct probe_record *record, struct slice der,
                            enum certificate_error error) {
    record->unparsable_der = der;
    record->error = slice_of(certificate_error_text(error));
    if (record->outcome == OUTCOME_OK || record->outcome == OUTCOME_TLS_FAILED)
        record->outcome = OUTCOME_CERTIFICATE_UNPARSABLE;
}

/* False when there is no memory. */
static bool fill_certificate(struct probe_record *record, const struct report *report,
                             struct trust_checker *trust) {
    const struct tls_observation *seen = report->seen;
    struct certificate certificate;

    if (!seen->certificate_count)
        return true;
    struct slice der = arena_copy(&record->head.memory, seen->certificates[0]);
    enum certificate_error error = certificate_decode(der, &certificate);
    if (error != CERTIFICATE_OK) {
        fill_unparsable(record, der, error);
        return true;
    }
    record->has_certificate =
        certificate_fields_fill_parts(&certificate, PARTS_ALL & ~report->settings->unseen_parts,
                                      &record->head.memory, &record->certificate);
    record->earliest_not_after = certificate.not_after;
    if (!record->has_certificate || !fill_chain(record, report) ||
        !fill_name_match(record, report, &certificate))
        return false;
    fill_trust(record, report, trust);
    fill_findings(record, &certificate, is_authority(record, report));
    fill_lints(record, &certificate);
    return true;
}

/* False when there is no memory. */
static bool fill_dane(struct probe_record *record, const struct report *report,
                      struct trust_checker *trust) {
    struct slice_list chain = {NULL, 0};

    if (report->seen)
        chain = (struct slice_list){report->seen->certificates, report->seen->certificate_count};
    return !report->tlsa || dane_report(record, report->tlsa, chain, trust, report->now_ms / 1000);
}

/* Where logs are known, that SCTs can be checked. False when there is no memory. */
static bool fill_evidence(struct probe_record *record, const struct report *report) {
    if (!report->settings->log_count || !report->seen)
        return true;
    const struct evidence evidence = {report->seen->ocsp_response, report->seen->sct_list};
    return evidence_fill(record, &evidence, report->settings);
}

static size_t expected_bytes(const struct report *report) {
    size_t bytes =
        TEXT_ESTIMATE_BYTES + report->error.len + report->target->name_len + report->path.len;
    for (uint32_t i = 0; report->seen && i < report->seen->certificate_count; i++)
        bytes += report->seen->certificates[i].len;
    return bytes;
}

struct probe_record *report_record(const struct report *report, struct trust_checker *trust) {
    struct probe_record *record = probe_record_new(expected_bytes(report));
    bool whole = true;

    if (!record)
        return NULL;
    fill_target(record, report);
    record->time_ms = report->started_ms;
    record->plan = report->plan;
    record->attempt = report->attempt;
    record->outcome = report->outcome;
    record->stage = report->stage;
    record->error =
        arena_copy(&record->head.memory, slice_first(report->error, LIMIT_ERROR_TEXT_BYTES));
    record->timing = report->timing;
    if (report->fallback)
        record->findings |= UINT64_C(1) << FINDING_HANDSHAKE_FALLBACK;
    if (report->seen) {
        fill_tls(record, report);
        whole = fill_certificate(record, report, trust);
    }
    whole = whole && fill_dane(record, report, trust);
    whole = whole && fill_evidence(record, report);
    if (!whole || record->head.memory.failed) {
        record_put(&record->head);
        return NULL;
    }
    judge_record(record, &report->settings->policy, report->now_ms);
    return record;
}
