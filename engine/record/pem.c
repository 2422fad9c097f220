/* Certificates as PEM (RFC 7468), each with a comment line before it: of the host that served it,
 * or of the log and the entry. First the leaf, then the chain as it was sent. Bytes that a server
 * sent as its certificate are written also when they cannot be parsed; of a log's entry that
 * cannot, there is no saying which of them would be one. */
#include "engine/record/ct_record.h"
#include "engine/record/encoder.h"
#include "engine/record/endpoint.h"

#include "engine/base/text.h"

enum {
    LINE_BYTES = 48, /* of DER, 64 characters of base64 (RFC 7468 section 2) */
};

static void add_comment(const struct record *record, bool leaf, struct buffer *out) {
    const struct probe_record *probe = probe_record_of(record);
    const struct ct_record *entry = ct_record_of(record);

    buffer_add_text(out, "# ");
    if (probe) {
        endpoint_add(probe, out);
        return;
    }
    text_add_safe(out, entry->source_log);
    if (entry->has_index) {
        buffer_add_byte(out, ' ');
        text_add_integer(out, (int64_t)entry->index);
    }
    if (leaf && entry->update == CT_UPDATE_PRECERT)
        buffer_add_text(out, " precertificate");
}

static void add_certificate(const struct record *record, struct slice der, bool leaf,
                            struct buffer *out) {
    if (der.len == 0)
        return;
    add_comment(record, leaf, out);
    buffer_add_text(out, "\n-----BEGIN CERTIFICATE-----\n");
    for (; der.len; der = slice_from(der, LINE_BYTES)) {
        text_add_base64(out, slice_first(der, LINE_BYTES));
        buffer_add_byte(out, '\n');
    }
    buffer_add_text(out, "-----END CERTIFICATE-----\n");
}

static void add_chain(const struct record *record, const struct chain_link *chain, uint32_t count,
                      struct buffer *out) {
    for (uint32_t i = 0; i < count; i++)
        add_certificate(record, chain[i].der, false, out);
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct probe_record *probe = probe_record_of(record);
    const struct ct_record *entry = ct_record_of(record);

    (void)encoding;
    if (probe) {
        struct slice leaf = probe->has_certificate ? probe->certificate.der : probe->unparsable_der;
        add_certificate(record, leaf, true, out);
        add_chain(record, probe->chain, probe->chain_count, out);
    } else if (entry) {
        add_certificate(record, entry->certificate.der, true, out);
        add_chain(record, entry->chain, entry->chain_count, out);
    }
}

const struct encoder pem_encoder = {
    .name = "pem",
    .suffix = ".pem",
    .summary = "the certificates, as PEM with the host or the log's entry as a comment",
    .parts = PART_CHAIN,
    .encode = encode,
};
