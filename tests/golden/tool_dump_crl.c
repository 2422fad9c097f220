/* Prints what engine/x509 makes of CRLs, for check_openssl_crl.py to compare: reads one a line, DER
 * in hexadecimal, its issuer's certificate behind a blank, and writes one JSON object a line. */
#include "engine/base/text.h"
#include "engine/x509/crl.h"
#include "engine/x509/der.h"

#include <stdio.h>
#include <stdlib.h>

static struct slice decode_hex(char *text, size_t len) {
    uint8_t *out = (uint8_t *)text; /* in place */

    for (size_t i = 0; i < len / 2; i++)
        if (sscanf(text + 2 * i, "%2hhx", &out[i]) != 1)
            abort();
    return (struct slice){out, len / 2};
}

static void add_entries(const struct crl *crl, struct buffer *out) {
    for (uint32_t i = 0; i < crl->revoked_count; i++) {
        struct slice in = {crl->der + crl->entries[i], SIZE_MAX / 2}, content, serial;
        struct crl_entry entry;
        if (!der_get(&in, &content, DER_SEQUENCE) || !der_get(&content, &serial, DER_INTEGER) ||
            !crl_find(crl, serial, &entry))
            abort();
        buffer_add_text(out, i ? ",[\"" : "[\"");
        text_add_hex(out, serial);
        buffer_add_format(out, "\",%lld,\"%s\"]", (long long)entry.revoked_at,
                          crl_reason_name(entry.reason));
    }
}

static void dump(struct slice der, struct slice issuer_der, struct buffer *out) {
    struct certificate issuer;
    struct crl *crl;
    enum crl_error error = crl_read(der, &crl);

    if (error != CRL_OK) {
        buffer_add_format(out, "{\"error\":\"%s\"}\n", crl_error_text(error));
        return;
    }
    bool is_signed =
        certificate_decode(issuer_der, &issuer) == CERTIFICATE_OK && crl_is_signed_by(crl, &issuer);
    buffer_add_text(out, "{\"issuer\":\"");
    text_add_hex(out, crl->issuer);
    buffer_add_format(
        out, "\",\"this_update\":%lld,\"next_update\":%lld,\"signed\":%s,\"entries\":[",
        (long long)crl->this_update, (long long)crl->next_update, is_signed ? "true" : "false");
    add_entries(crl, out);
    buffer_add_text(out, "]}\n");
    crl_free(crl);
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;

    while ((len = getline(&line, &capacity, stdin)) > 0) {
        char *blank = strchr(line, ' ');
        struct buffer out;
        if (!blank)
            abort();
        size_t end = strcspn(blank + 1, "\n");
        struct slice issuer = decode_hex(blank + 1, end);
        struct slice der = decode_hex(line, (size_t)(blank - line));
        buffer_init(&out);
        dump(der, issuer, &out);
        fwrite(out.ptr, 1, out.len, stdout);
        buffer_deinit(&out);
    }
    free(line);
    return 0;
}
