#include "engine/base/limits.h"
#include "engine/record/record.h"
#include "engine/x509/certificate.h"

enum {
    SECONDS_PER_DAY = 86400,
    USUAL_NAME_BYTES = 1024,
};

/* What `add` writes of a Name, in the arena; empty when there is nothing. */
static struct slice name_text(struct slice name, bool (*add)(struct slice, struct buffer *),
                              struct buffer *scratch, struct arena *arena) {
    scratch->len = 0;
    if (!add(name, scratch) || scratch->failed)
        return (struct slice){NULL, 0};
    struct slice copy = arena_copy(arena, buffer_slice(scratch));
    if (scratch->len && !copy.ptr)
        scratch->failed = true;
    return copy;
}

static bool add_whole_name(struct slice name, struct buffer *out) {
    certificate_name_text(name, out);
    return true;
}

static bool fill_texts(const struct certificate *certificate, struct arena *arena,
                       struct certificate_fields *out) {
    struct buffer scratch;

    buffer_init(&scratch);
    buffer_reserve(&scratch, USUAL_NAME_BYTES);
    out->subject = name_text(certificate->subject, add_whole_name, &scratch, arena);
    out->subject_cn =
        name_text(certificate->subject, certificate_name_common_name, &scratch, arena);
    out->issuer = name_text(certificate->issuer, add_whole_name, &scratch, arena);
    out->issuer_cn = name_text(certificate->issuer, certificate_name_common_name, &scratch, arena);
    out->issuer_o = name_text(certificate->issuer, certificate_name_organization, &scratch, arena);
    bool ok = !scratch.failed;
    buffer_deinit(&scratch);
    return ok;
}

/* How many names of each kind there are, at most what is listed. */
struct name_counts {
    uint32_t dns, email, uri, ip, listed, total;
};

static bool is_address(const struct general_name *name) {
    return name->type == GENERAL_NAME_IP && (name->value.len == 4 || name->value.len == 16);
}

static struct name_counts count_names(struct slice names) {
    struct name_counts counts = {0};
    struct general_name name;

    while (general_name_next(&names, &name)) {
        counts.total++;
        if (counts.total > LIMIT_CERTIFICATE_NAMES)
            continue;
        counts.listed++;
        counts.dns += name.type == GENERAL_NAME_DNS;
        counts.email += name.type == GENERAL_NAME_EMAIL;
        counts.uri += name.type == GENERAL_NAME_URI;
        counts.ip += is_address(&name);
    }
    return counts;
}

static bool fill_names(const struct certificate *certificate, struct arena *arena,
                       struct certificate_fields *out) {
    struct name_counts counts = count_names(certificate->subject_alt_name);
    uint32_t texts = counts.dns + counts.email + counts.uri;
    struct slice *items = arena_take(arena, texts * sizeof *items);
    struct address *addresses = arena_take(arena, counts.ip * sizeof *addresses);
    struct slice rest = certificate->subject_alt_name;
    struct general_name name;

    if (!items || !addresses)
        return false;
    struct slice *dns = items, *email = dns + counts.dns, *uri = email + counts.email;
    struct address *ip = addresses;
    out->dns_names = (struct slice_list){dns, counts.dns};
    out->emails = (struct slice_list){email, counts.email};
    out->uris = (struct slice_list){uri, counts.uri};
    out->ip_addresses = addresses;
    out->ip_address_count = counts.ip;
    out->names_total = counts.total;
    for (uint32_t i = 0; i < counts.listed && general_name_next(&rest, &name); i++) {
        if (name.type == GENERAL_NAME_DNS) {
            *dns++ = name.value;
        } else if (name.type == GENERAL_NAME_EMAIL) {
            *email++ = name.value;
        } else if (name.type == GENERAL_NAME_URI) {
            *uri++ = name.value;
        } else if (is_address(&name)) {
            *ip = (struct address){.family = name.value.len == 4 ? ADDRESS_V4 : ADDRESS_V6};
            memcpy(ip++->bytes, name.value.ptr, name.value.len);
        }
    }
    return true;
}

static bool fill_urls(struct slice rest, bool (*next)(struct slice *, struct slice *),
                      struct arena *arena, struct slice_list *out) {
    struct slice urls[LIMIT_CERTIFICATE_URLS];
    uint32_t count = 0;

    while (count < LIMIT_CERTIFICATE_URLS && next(&rest, &urls[count]))
        count++;
    *out = (struct slice_list){NULL, count};
    if (count == 0)
        return true;
    struct slice *items = arena_take(arena, count * sizeof *items);
    if (!items)
        return false;
    memcpy(items, urls, count * sizeof *items);
    out->items = items;
    return true;
}

/* Both ends count (RFC 5280 section 4.1.2.5): 90 days are written as 90 days less a second. */
static int32_t lifetime_days(const struct certificate *certificate) {
    int64_t days = (certificate->not_after - certificate->not_before + 1) / SECONDS_PER_DAY;
    return days > INT32_MAX ? INT32_MAX : days < INT32_MIN ? INT32_MIN : (int32_t)days;
}

bool certificate_fields_fill(const struct certificate *certificate, struct arena *arena,
                             struct certificate_fields *out) {
    char algorithm_scratch[64];

    *out = (struct certificate_fields){
        .der = certificate->der,
        .serial = certificate->serial,
        .not_before = certificate->not_before,
        .not_after = certificate->not_after,
        .lifetime_days = lifetime_days(certificate),
        .has_spki_sha256 = certificate->spki.len != 0,
        .key_type = slice_of(certificate_key_type_text(certificate)),
        .key_bits = certificate->key_bits,
        .is_ca = certificate->is_ca,
        .self_signed = certificate_is_self_signed(certificate),
    };
    certificate_sha256(certificate->der, out->fingerprint_sha256);
    certificate_sha1(certificate->der, out->fingerprint_sha1);
    certificate_sha256(certificate->spki, out->spki_sha256);
    out->has_tbs_sha256 = certificate_tbs_sha256(certificate, out->tbs_sha256);

    struct slice algorithm = certificate_signature_algorithm_text(certificate, algorithm_scratch);
    out->signature_algorithm = arena_copy(arena, algorithm);
    return (algorithm.len == 0 || out->signature_algorithm.ptr) &&
           fill_texts(certificate, arena, out) && fill_names(certificate, arena, out) &&
           fill_urls(certificate->authority_info, certificate_ocsp_url_next, arena,
                     &out->ocsp_urls) &&
           fill_urls(certificate->crl_points, certificate_crl_url_next, arena, &out->crl_urls);
}
