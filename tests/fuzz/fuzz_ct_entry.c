/* Any bytes as an entry of an RFC 6962 log: two bytes of length, leaf_input, extra_data. Nothing is
 * read outside them, what is read makes up the same bytes again, and a precertificate is only bound
 * to a TBS that has its names. */
#include "engine/base/buffer.h"
#include "engine/ct/bind.h"
#include "engine/ct/entry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

/* In memory of just its size. */
static struct slice take(struct slice *in, size_t len) {
    struct slice part = slice_first(*in, len);
    uint8_t *copy = malloc(part.len ? part.len : 1);

    require(copy);
    if (part.len)
        memcpy(copy, part.ptr, part.len);
    *in = slice_from(*in, part.len);
    return (struct slice){copy, part.len};
}

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

static void add_vector(struct buffer *out, struct slice bytes, unsigned length_bytes) {
    add_number(out, bytes.len, length_bytes);
    buffer_add_slice(out, bytes);
}

static void require_written(struct buffer *written, struct slice wanted) {
    require(!written->failed && slice_equal(buffer_slice(written), wanted));
    written->len = 0;
}

static void check_same(const struct ct_entry *entry, struct slice leaf_input,
                       struct slice extra_data) {
    struct buffer out;

    buffer_init(&out);
    add_number(&out, 0, 2);
    add_number(&out, entry->timestamp_ms, 8);
    add_number(&out, entry->type, 2);
    if (entry->type == CT_PRECERT_ENTRY)
        buffer_add(&out, entry->issuer_key_hash, 32);
    add_vector(&out, entry->signed_entry, 3);
    add_vector(&out, entry->extensions, 2);
    require_written(&out, leaf_input);
    if (entry->type == CT_PRECERT_ENTRY)
        add_vector(&out, entry->precertificate, 3);
    add_vector(&out, entry->chain, 3);
    require_written(&out, extra_data);
    buffer_deinit(&out);
}

static void check_certificate(const struct ct_entry *entry) {
    struct certificate certificate, submitted;
    uint8_t logged[32], joined[32];

    if (ct_entry_certificate(entry, &certificate) != CERTIFICATE_OK ||
        !ct_entry_tbs_sha256(entry, &certificate, logged) || entry->type != CT_PRECERT_ENTRY ||
        certificate_decode(entry->precertificate, &submitted) != CERTIFICATE_OK)
        return;
    require(certificate.is_precertificate);
    enum ct_binding binding = ct_bind(entry->precertificate, entry->signed_entry);
    if (!ct_binding_holds(binding))
        return;
    require(submitted.is_precertificate);
    require(slice_equal(submitted.subject, certificate.subject));
    require(slice_equal(submitted.subject_alt_name, certificate.subject_alt_name));
    require(slice_equal(submitted.spki, certificate.spki));
    if (binding == CT_BOUND)
        require(certificate_tbs_sha256(&submitted, joined));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size}, der;
    struct ct_entry entry;

    if (size < 2)
        return 0;
    in = slice_from(in, 2);
    struct slice leaf_input = take(&in, (size_t)data[0] << 8 | data[1]);
    struct slice extra_data = take(&in, in.len);
    enum ct_entry_error error = ct_entry_parse(leaf_input, extra_data, &entry);

    require(slice_equal(entry.leaf, leaf_input) && entry.leaf_zeros == 1);
    struct ct_hash hash = ct_entry_leaf_hash(&entry), again = ct_leaf_hash(leaf_input);
    require(ct_hash_equal(&hash, &again));
    require(ct_entry_error_text(error)[0] != 0);
    if (error == CT_ENTRY_OK) {
        check_same(&entry, leaf_input, extra_data);
        struct slice chain = entry.chain;
        while (ct_chain_next(&chain, &der))
            require(der.len);
        require(chain.len == 0);
        check_certificate(&entry);
    }
    free((void *)(uintptr_t)leaf_input.ptr);
    free((void *)(uintptr_t)extra_data.ptr);
    return 0;
}
