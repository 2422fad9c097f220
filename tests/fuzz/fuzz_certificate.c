/* Any bytes as a certificate: nothing may be read outside them, every iterator ends, texts keep to
 * their limits. What is checked below holds for every input. */
#include "engine/base/limits.h"
#include "engine/x509/name_match.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static void require_within(struct slice part, struct slice whole) {
    require(part.len == 0 ||
            (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void walk_names(const struct certificate *certificate) {
    static const struct name_match_options options = {.allow_common_name = true};
    struct slice rest = certificate->subject_alt_name;
    struct general_name name;
    struct slice matched;
    struct buffer scratch;
    struct address address;

    buffer_init(&scratch);
    while (general_name_next(&rest, &name)) {
        require_within(name.value, certificate->der);
        if (name.type == GENERAL_NAME_DNS) {
            name_match_host(certificate, name.value, &options, &scratch, &matched);
            scratch.len = 0;
        }
        address = (struct address){.family = name.value.len == 4 ? ADDRESS_V4 : ADDRESS_V6};
        if (name.type == GENERAL_NAME_IP && (name.value.len == 4 || name.value.len == 16)) {
            memcpy(address.bytes, name.value.ptr, name.value.len);
            require(name_match_address(certificate, &address, &matched));
        }
    }
    name_match_host(certificate, slice_of("www.example.com"), &options, &scratch, NULL);
    buffer_deinit(&scratch);
}

static void walk_urls(struct slice rest, bool (*next)(struct slice *, struct slice *)) {
    struct slice whole = rest, url;

    for (size_t count = 0; next(&rest, &url); count++) {
        require(count < whole.len);
        require_within(url, whole);
    }
}

static void write_name(struct slice name) {
    struct buffer text;

    buffer_init(&text);
    certificate_name_text(name, &text);
    require(!text.failed && text.len <= LIMIT_NAME_TEXT_BYTES);
    text.len = 0;
    require(certificate_name_common_name(name, &text) || text.len == 0);
    require(text.len <= LIMIT_NAME_TEXT_BYTES);
    text.len = 0;
    require(certificate_name_organization(name, &text) || text.len == 0);
    buffer_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct certificate certificate;
    uint8_t hash[CERTIFICATE_SHA256_BYTES];
    char scratch[64];
    enum certificate_error error = certificate_decode((struct slice){data, size}, &certificate);

    require(certificate.der.ptr == data && certificate.der.len == size);
    require(certificate_error_text(error) != NULL);
    require_within(certificate.tbs, certificate.der);
    require_within(certificate.serial, certificate.tbs);
    require_within(certificate.spki, certificate.tbs);
    require_within(certificate.extensions, certificate.tbs);
    require_within(certificate.sct_list, certificate.extensions);
    require_within(certificate.signature, certificate.der);

    bool hashed = certificate_tbs_sha256(&certificate, hash);
    require(hashed || error != CERTIFICATE_OK);
    struct slice algorithm = certificate_signature_algorithm_text(&certificate, scratch);
    require(algorithm.len != 0 && certificate_key_type_text(&certificate) != NULL);
    certificate_signature_is_weak(&certificate);
    certificate_is_self_signed(&certificate);
    write_name(certificate.subject);
    write_name(certificate.issuer);
    walk_names(&certificate);
    walk_urls(certificate.authority_info, certificate_ocsp_url_next);
    walk_urls(certificate.authority_info, certificate_ca_issuers_url_next);
    walk_urls(certificate.crl_points, certificate_crl_url_next);
    return 0;
}
