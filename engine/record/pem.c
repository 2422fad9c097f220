/* The certificates that were served, as PEM (RFC 7468): the leaf, then the chain as sent, each with
 * a comment line of the host before it. Bytes that could not be parsed are written too: they are
 * what the server served. */
#include "engine/record/encoder.h"
#include "engine/record/endpoint.h"

#include "engine/base/text.h"

enum {
    LINE_BYTES = 48, /* of DER, 64 characters of base64 (RFC 7468 section 2) */
};

static void add_certificate(const struct probe_record *probe, struct slice der,
                            struct buffer *out) {
    if (der.len == 0)
        return;
    buffer_add_text(out, "# ");
    endpoint_add(probe, out);
    buffer_add_text(out, "\n-----BEGIN CERTIFICATE-----\n");
    for (; der.len; der = slice_from(der, LINE_BYTES)) {
        text_add_base64(out, slice_first(der, LINE_BYTES));
        buffer_add_byte(out, '\n');
    }
    buffer_add_text(out, "-----END CERTIFICATE-----\n");
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct probe_record *probe = probe_record_of(record);

    (void)encoding;
    if (!probe)
        return;
    if (probe->has_certificate)
        add_certificate(probe, probe->certificate.der, out);
    else
        add_certificate(probe, probe->unparsable_der, out);
    for (uint32_t i = 0; i < probe->chain_count; i++)
        add_certificate(probe, probe->chain[i].der, out);
}

const struct encoder pem_encoder = {
    .name = "pem",
    .suffix = ".pem",
    .summary = "the certificates that were served, as PEM with the host as a comment",
    .encode = encode,
};
