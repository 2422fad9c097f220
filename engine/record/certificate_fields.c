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

static bool fill_texts(const struct certificate *certificate, uint32_t parts, struct arena *arena,
                       struct certificate_fields *out) {
    struct slice subject = certificate->subject, issuer = certificate->issuer;
    struct buffer scratch;

    if (!(parts & (PART_SUBJECT | PART_ISSUER)))
        return true;
    buffer_init(&scratch);
    buffer_reserve(&scratch, USUAL_NAME_BYTES);
    if (parts & PART_SUBJECT) {
        out->subject = name_text(subject, add_whole_name, &scratch, arena);
        out->subject_cn = name_text(subject, certificate_name_common_name, &scratch, arena);
    }
    if (parts & PART_ISSUER) {
        out->issuer = name_text(issuer, add_whole_name, &scratch, arena);
        out->issuer_cn = name_text(issuer, certificate_name_common_name, &scratch, arena);
        out->issuer_o = name_text(issuer, certificate_name_organization, &scratch, arena);
    }
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

static void fill_hashes(const struct certificate *certificate, uint32_t parts,
                        struct certificate_fields *out) {
    bool has_der = certificate->der.len != 0;

    out->has_fingerprint_sha256 = (parts & PART_FINGERPRINT_SHA256) && has_der;
    out->has_fingerprint_sha1 = (parts & PART_FINGERPRINT_SHA1) && has_der;
    out->has_spki_sha256 = (parts & PART_SPKI_SHA256) && certificate->spki.len != 0;
    if (out->has_fingerprint_sha256)
        certificate_sha256(certificate->der, out->fingerprint_sha256);
    if (out->has_fingerprint_sha1)
        certificate_sha1(certificate->der, out->fingerprint_sha1);
    if (out->has_spki_sha256)
        certificate_sha256(certificate->spki, out->spki_sha256);
    out->has_tbs_sha256 =
        (parts & PART_TBS_SHA256) && certificate_tbs_sha256(certificate, out->tbs_sha256);
}

static bool fill_key(const struct certificate *certificate, struct arena *arena,
                     struct certificate_fields *out) {
    char scratch[64];
    struct slice algorithm = certificate_signature_algorithm_text(certificate, scratch);

    out->key_type = slice_of(certificate_key_type_text(certificate));
    out->key_bits = certificate->key_bits;
    out->self_signed = certificate_is_self_signed(certificate);
    out->signature_algorithm = arena_copy(arena, algorithm);
    return algorithm.len == 0 || out->signature_algorithm.ptr;
}

static bool fill_all_urls(const struct certificate *certificate, struct arena *arena,
                          struct certificate_fields *out) {
    return fill_urls(certificate->authority_info, certificate_ocsp_url_next, arena,
                     &out->ocsp_urls) &&
           fill_urls(certificate->crl_points, certificate_crl_url_next, arena, &out->crl_urls);
}

bool certificate_fields_fill_parts(const struct certificate *certificate, uint32_t parts,
                                   struct arena *arena, struct certificate_fields *out) {
    *out = (struct certificate_fields){
        .der = certificate->der,
        .serial = certificate->serial,
        .has_validity = certificate->has_validity,
        .not_before = certificate->not_before,
        .not_after = certificate->not_after,
        .lifetime_days = lifetime_days(certificate),
        .is_ca = certificate->is_ca,
    };
    fill_hashes(certificate, parts, out);
    return (!(parts & PART_KEY) || fill_key(certificate, arena, out)) &&
           fill_texts(certificate, parts, arena, out) &&
           (!(parts & PART_NAMES) || fill_names(certificate, arena, out)) &&
           (!(parts & PART_URLS) || fill_all_urls(certificate, arena, out));
}

bool certificate_fields_fill(const struct certificate *certificate, struct arena *arena,
                             struct certificate_fields *out) {
    return certificate_fields_fill_parts(certificate, PARTS_ALL, arena, out);
}
