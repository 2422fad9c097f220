/* Prints what engine/x509 makes of certificates, for check_openssl_x509.py to compare: reads one
 * certificate a line, DER in hexadecimal, and writes one JSON object a line. Texts and bytes are
 * written in hexadecimal too, so that nothing needs escaping. */
#include "engine/base/text.h"
#include "engine/x509/certificate.h"

#include <stdio.h>
#include <stdlib.h>

static void add_member(struct buffer *out, const char *name) {
    if (out->ptr[out->len - 1] != '{')
        buffer_add_byte(out, ',');
    buffer_add_format(out, "\"%s\":", name);
}

static void add_bytes(struct buffer *out, const char *name, struct slice bytes) {
    add_member(out, name);
    buffer_add_byte(out, '"');
    text_add_hex(out, bytes);
    buffer_add_byte(out, '"');
}

static void add_integer(struct buffer *out, const char *name, int64_t value) {
    add_member(out, name);
    text_add_integer(out, value);
}

static void add_boolean(struct buffer *out, const char *name, bool value) {
    add_member(out, name);
    buffer_add_text(out, value ? "true" : "false");
}

static void add_text(struct buffer *out, const char *name, const char *text) {
    add_member(out, name);
    buffer_add_format(out, "\"%s\"", text);
}

static void add_names(struct buffer *out, const struct certificate *certificate) {
    struct slice rest = certificate->subject_alt_name;
    struct general_name name;
    const char *comma = "";

    add_member(out, "names");
    buffer_add_byte(out, '[');
    while (general_name_next(&rest, &name)) {
        buffer_add_format(out, "%s[%u,\"", comma, name.type);
        text_add_hex(out, name.value);
        buffer_add_text(out, "\"]");
        comma = ",";
    }
    buffer_add_byte(out, ']');
    add_boolean(out, "names_broken", rest.len != 0);
}

static void add_urls(struct buffer *out, const char *member, struct slice rest,
                     bool (*next)(struct slice *, struct slice *)) {
    struct slice url;
    const char *comma = "";

    add_member(out, member);
    buffer_add_byte(out, '[');
    while (next(&rest, &url)) {
        buffer_add_format(out, "%s\"", comma);
        text_add_hex(out, url);
        buffer_add_byte(out, '"');
        comma = ",";
    }
    buffer_add_byte(out, ']');
}

static void add_name(struct buffer *out, const char *member, struct slice name,
                     bool (*add)(struct slice, struct buffer *)) {
    struct buffer text;

    buffer_init(&text);
    if (add(name, &text))
        add_bytes(out, member, buffer_slice(&text));
    buffer_deinit(&text);
}

static bool add_whole_name(struct slice name, struct buffer *out) {
    certificate_name_text(name, out);
    return true;
}

static void add_hashes(struct buffer *out, const struct certificate *certificate) {
    uint8_t sha256[CERTIFICATE_SHA256_BYTES], sha1[CERTIFICATE_SHA1_BYTES];

    certificate_sha256(certificate->der, sha256);
    add_bytes(out, "sha256", (struct slice){sha256, sizeof sha256});
    certificate_sha1(certificate->der, sha1);
    add_bytes(out, "sha1", (struct slice){sha1, sizeof sha1});
    certificate_sha256(certificate->spki, sha256);
    add_bytes(out, "spki_sha256", (struct slice){sha256, sizeof sha256});
    if (certificate_tbs_sha256(certificate, sha256))
        add_bytes(out, "tbs_sha256", (struct slice){sha256, sizeof sha256});
}

static void dump(struct slice der, struct buffer *out) {
    struct certificate certificate;
    char scratch[64];
    enum certificate_error error = certificate_decode(der, &certificate);

    buffer_add_byte(out, '{');
    if (error != CERTIFICATE_OK) {
        add_text(out, "error", certificate_error_text(error));
    } else {
        add_name(out, "subject", certificate.subject, add_whole_name);
        add_name(out, "subject_cn", certificate.subject, certificate_name_common_name);
        add_name(out, "issuer", certificate.issuer, add_whole_name);
        add_name(out, "issuer_cn", certificate.issuer, certificate_name_common_name);
        add_name(out, "issuer_o", certificate.issuer, certificate_name_organization);
        add_integer(out, "version", certificate.version);
        add_bytes(out, "serial", certificate.serial);
        add_integer(out, "not_before", certificate.not_before);
        add_integer(out, "not_after", certificate.not_after);
        add_names(out, &certificate);
        add_hashes(out, &certificate);
        add_text(out, "key_type", certificate_key_type_text(&certificate));
        add_integer(out, "key_bits", certificate.key_bits);
        add_bytes(out, "signature_algorithm",
                  certificate_signature_algorithm_text(&certificate, scratch));
        add_boolean(out, "weak", certificate_signature_is_weak(&certificate));
        add_boolean(out, "is_ca", certificate.is_ca);
        add_boolean(out, "self_signed", certificate_is_self_signed(&certificate));
        add_urls(out, "ocsp_urls", certificate.authority_info, certificate_ocsp_url_next);
        add_urls(out, "ca_issuers_urls", certificate.authority_info,
                 certificate_ca_issuers_url_next);
        add_urls(out, "crl_urls", certificate.crl_points, certificate_crl_url_next);
        add_boolean(out, "is_precertificate", certificate.is_precertificate);
        add_boolean(out, "extension_unreadable", certificate.extension_unreadable);
    }
    buffer_add_text(out, "}\n");
}

static int digit_value(char digit) {
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 87
                                          : -1;
}

/* Decodes in place; returns how many bytes there are. */
static size_t decode_hex(char *line) {
    size_t len = 0;

    for (; digit_value(line[0]) >= 0 && digit_value(line[1]) >= 0; line += 2, len++)
        line[-(ptrdiff_t)len] = (char)(digit_value(line[0]) << 4 | digit_value(line[1]));
    return len;
}

int main(void) {
    struct buffer out;
    char *line = NULL;
    size_t capacity = 0;

    buffer_init(&out);
    while (getline(&line, &capacity, stdin) > 0) {
        size_t len = decode_hex(line);
        dump((struct slice){(const uint8_t *)line, len}, &out);
        if (out.failed || fwrite(out.ptr, 1, out.len, stdout) != out.len)
            return 1;
        out.len = 0;
    }
    buffer_deinit(&out);
    free(line);
    return 0;
}
