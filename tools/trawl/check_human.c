/* A verdict for a person:
 *
 *     ✗ CRITICAL  www.example.org:443  expired 12 days ago (2026-11-08), not trusted: self signed
 *
 *       Connection   192.0.2.17, TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, 49 ms
 *       Certificate  www.example.org
 *       ...
 *
 *       ✗ The certificate has expired.
 */
#include "tools/trawl/check_verdict.h"

#include "engine/base/text.h"
#include "engine/record/dane_fields.h"
#include "engine/tls/session.h"

enum {
    NAMES_MAX = 12, /* that are listed; the JSON form has them all */
    TITLE_COLUMNS = 13,
};

static const char BOLD[] = "\033[1m", DIM[] = "\033[2m", RED[] = "\033[31m", GREEN[] = "\033[32m",
                  YELLOW[] = "\033[33m", RESET[] = "\033[0m";

static const struct {
    const char *mark, *word, *color;
} marks[STATUS_COUNT] = {
    [STATUS_UNKNOWN] = {"?", "UNKNOWN", DIM},    [STATUS_OK] = {"✓", "OK", GREEN},
    [STATUS_WARNING] = {"!", "WARNING", YELLOW}, [STATUS_CRITICAL] = {"✗", "CRITICAL", RED},
    [STATUS_ERROR] = {"✗", "ERROR", RED},
};

struct page {
    const struct check_answer *answer;
    const struct probe_record *record;
    struct buffer *out;
};

static void paint(const struct page *page, const char *color) {
    if (page->answer->encoding->color)
        buffer_add_text(page->out, color);
}

static void title(const struct page *page, const char *words) {
    buffer_add_text(page->out, "  ");
    paint(page, DIM);
    buffer_add_format(page->out, "%-*s", TITLE_COLUMNS, words);
    paint(page, RESET);
}

static void end_line(const struct page *page) {
    buffer_add_byte(page->out, '\n');
}

static void separate(const struct page *page, bool *first) {
    if (!*first)
        buffer_add_text(page->out, ", ");
    *first = false;
}

static void add_item(const struct page *page, const char *words, bool *first) {
    if (!words)
        return;
    separate(page, first);
    buffer_add_text(page->out, words);
}

/* --- Lines --- */

static void headline(const struct page *page, enum status verdict) {
    paint(page, marks[verdict].color);
    buffer_add_format(page->out, "%s %s", marks[verdict].mark, marks[verdict].word);
    paint(page, RESET);
    buffer_add_text(page->out, "  ");
    paint(page, BOLD);
    check_add_subject(page->record, page->out);
    paint(page, RESET);
    buffer_add_text(page->out, "  ");
    check_add_reason(page->record, page->answer->ignored, page->out);
    end_line(page);
}

static void connection(const struct page *page) {
    const struct probe_record *record = page->record;
    bool first = true;

    if (record->address.family == ADDRESS_NONE)
        return;
    char address[ADDRESS_TEXT_MAX];
    address_format(&record->address, address);
    title(page, "Connection");
    add_item(page, address, &first);
    if (record->has_tls) {
        add_item(page, tls_version_name(record->tls.version), &first);
        add_item(page, tls_cipher_name(record->tls.cipher), &first);
        add_item(page, tls_group_name(record->tls.group), &first);
    }
    if (record->timing.total_us >= 0) {
        separate(page, &first);
        buffer_add_format(page->out, "%.0f ms", (double)record->timing.total_us / 1e3);
    }
    end_line(page);
}

static void names(const struct page *page) {
    const struct certificate_fields *certificate = &page->record->certificate;
    uint32_t shown = 0;
    bool first = true;

    if (!certificate->names_total)
        return;
    title(page, "Names");
    for (uint32_t i = 0; i < certificate->dns_names.count && shown < NAMES_MAX; i++, shown++) {
        separate(page, &first);
        check_add_cut(certificate->dns_names.items[i], page->out);
    }
    for (uint32_t i = 0; i < certificate->ip_address_count && shown < NAMES_MAX; i++, shown++) {
        char address[ADDRESS_TEXT_MAX];
        address_format(&certificate->ip_addresses[i], address);
        add_item(page, address, &first);
    }
    if (certificate->names_total > shown) {
        separate(page, &first);
        buffer_add_format(page->out, "%u more", certificate->names_total - shown);
    }
    end_line(page);
}

static void validity(const struct page *page) {
    const struct probe_record *record = page->record;
    int64_t days = check_days(record->days_left);

    title(page, "Valid");
    check_add_date(record->certificate.not_before, page->out);
    buffer_add_text(page->out, " to ");
    check_add_date(record->certificate.not_after, page->out);
    buffer_add_format(page->out, ", %lld of %d days left\n", (long long)(days > 0 ? days : 0),
                      record->certificate.lifetime_days);
}

static void key(const struct page *page) {
    const struct certificate_fields *certificate = &page->record->certificate;

    title(page, "Key");
    text_add_safe(page->out, certificate->key_type);
    if (certificate->key_bits)
        buffer_add_format(page->out, ", %u bits", certificate->key_bits);
    buffer_add_text(page->out, ", signed with ");
    text_add_safe(page->out, certificate->signature_algorithm);
    end_line(page);
}

static void chain(const struct page *page) {
    for (uint32_t i = 0; i < page->record->chain_count; i++) {
        const struct chain_link *link = &page->record->chain[i];
        title(page, i == 0 ? "Chain" : "");
        if (link->readable) {
            check_add_cut(link->subject, page->out);
            buffer_add_text(page->out, ", until ");
            check_add_date(link->not_after, page->out);
        } else {
            buffer_add_text(page->out, "a certificate that cannot be read");
        }
        end_line(page);
    }
}

static void trust(const struct page *page) {
    const struct probe_record *record = page->record;

    title(page, "Trust");
    if (!record->has_trust || !record->trust.chain_checked) {
        buffer_add_text(page->out, "not verified");
    } else if (record->trust.trusted) {
        buffer_add_text(page->out, "trusted until ");
        check_add_date(record->trust.chain_not_after, page->out);
    } else {
        buffer_add_text(page->out, "not trusted: ");
        check_add_words(record->trust.error, page->out);
    }
    if (record->has_trust && record->trust.name_checked) {
        buffer_add_text(page->out, record->trust.name_matches ? "; the name matches "
                                                              : "; the name does not match");
        if (record->trust.name_matches)
            check_add_cut(record->trust.matched_name, page->out);
    }
    end_line(page);
}

/* "TLSA 3 1 1 matches", "none of the TLSA records (2) matches" */
static void comparison(const struct page *page, const struct dane_fields *dane) {
    for (uint32_t i = 0; i < dane->count; i++) {
        const struct tlsa *tlsa = &dane->records[i];
        if (dane->matches[i] != DANE_MATCHES)
            continue;
        buffer_add_format(page->out, "TLSA %u %u %u matches", tlsa->usage, tlsa->selector,
                          tlsa->matching_type);
        return;
    }
    buffer_add_format(page->out, "none of the TLSA records (%u) %s", dane->count,
                      dane->verdict == DANE_UNUSABLE ? "can be used" : "matches");
}

static void dane(const struct page *page) {
    const struct dane_fields *fields = page->record->dane;

    if (!fields)
        return;
    title(page, "DANE");
    if (fields->error.len) {
        buffer_add_text(page->out, "not known: ");
        buffer_add_slice(page->out, fields->error);
    } else if (!fields->count) {
        buffer_add_text(page->out, "no TLSA records");
    } else {
        comparison(page, fields);
        if (!fields->secure)
            buffer_add_text(page->out, ", but DNSSEC does not protect it");
    }
    end_line(page);
}

static void fingerprint(const struct page *page) {
    const struct certificate_fields *certificate = &page->record->certificate;

    title(page, "SHA-256");
    text_add_hex(page->out, (struct slice){certificate->fingerprint_sha256,
                                           sizeof certificate->fingerprint_sha256});
    end_line(page);
}

static void findings(const struct page *page) {
    const struct probe_record *record = page->record;
    bool any = false;

    for (enum finding f = 0; f < FINDING_COUNT; f++) {
        if (!(record->findings >> f & 1))
            continue;
        bool ignored = page->answer->ignored >> f & 1;
        enum status severity = check_severity(record, f);
        bool informs = ignored || severity <= STATUS_OK;
        if (!any)
            end_line(page);
        any = true;
        buffer_add_text(page->out, "  ");
        paint(page, informs ? DIM : marks[severity].color);
        buffer_add_format(page->out, "%s %s%s", informs ? "·" : marks[severity].mark,
                          finding_summary(f), ignored ? " (ignored)" : "");
        paint(page, RESET);
        end_line(page);
    }
}

static void write_page(const struct page *page) {
    headline(page, check_verdict(page->record, page->answer->ignored));
    end_line(page);
    size_t start = page->out->len;
    connection(page);
    if (page->record->has_certificate) {
        title(page, "Certificate");
        check_add_holder(page->record, page->out);
        end_line(page);
        names(page);
        title(page, "Issuer");
        check_add_issuer(page->record, page->out);
        end_line(page);
        validity(page);
        key(page);
        chain(page);
        trust(page);
        dane(page);
        fingerprint(page);
    }
    findings(page);
    if (page->out->len == start && start)
        page->out->len--; /* nothing stands below the head */
}

static void write_pages(const struct check_answer *answer, struct buffer *out) {
    for (uint32_t i = 0; i < answer->count; i++) {
        struct page page = {.answer = answer, .record = answer->records[i], .out = out};
        if (i)
            buffer_add_byte(out, '\n');
        write_page(&page);
    }
}

const struct check_form check_human = {
    .name = "human",
    .write = write_pages,
    .exit_codes = CHECK_EXIT_CODES,
    .exit_failure = CHECK_NOT_FIXED,
};
