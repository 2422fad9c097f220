/* Records made of a stranger's bytes, in every format: what is written must stay what the format
 * promises.
 *
 * An input is a list of texts, each a byte with its length and then its bytes; they fill the
 * record's texts in turn. */
#include "engine/record/encoder.h"

#include "engine/base/text.h"

#include <stdlib.h>

#include <msgpack/unpack.h>

enum { TEXTS_MAX = 64 };

static void require(bool holds) {
    if (!holds)
        abort();
}

/* Valid UTF-8 without anything that a terminal would obey. */
static void require_safe(struct slice out) {
    while (out.len) {
        struct text_rune rune = text_rune_first(out);
        require(rune.valid && (rune.code == '\n' || !text_rune_is_unsafe(rune.code)));
        out = slice_from(out, rune.len);
    }
}

static void require_one_line(struct slice out) {
    require(out.len > 0 && memchr(out.ptr, '\n', out.len) == out.ptr + out.len - 1);
}

static void require_msgpack(struct slice out) {
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    require(msgpack_unpack_next(&unpacked, (const char *)out.ptr, out.len, &at) ==
            MSGPACK_UNPACK_SUCCESS);
    require(at == out.len && unpacked.data.type == MSGPACK_OBJECT_MAP);
    msgpack_unpacked_destroy(&unpacked);
}

static void require_names(struct slice out) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_*\n";

    for (size_t i = 0; i < out.len; i++) {
        require(memchr(ALLOWED, out.ptr[i], sizeof ALLOWED - 1) != NULL);
        require(out.ptr[i] != '-' || (i > 0 && out.ptr[i - 1] != '\n'));
    }
}

struct texts {
    struct slice items[TEXTS_MAX];
    uint32_t count, next;
};

static struct texts split(struct slice input) {
    struct texts texts = {.count = 0};

    while (input.len && texts.count < TEXTS_MAX) {
        struct slice text = slice_first(slice_from(input, 1), input.ptr[0]);
        input = slice_from(input, 1 + text.len);
        texts.items[texts.count++] = text;
    }
    return texts;
}

static struct slice take(struct texts *texts) {
    return texts->next < texts->count ? texts->items[texts->next++] : (struct slice){NULL, 0};
}

static void fill(struct probe_record *record, struct texts *texts, struct chain_link *link) {
    struct certificate_fields *leaf = &record->certificate;
    struct slice switches = take(texts);
    uint8_t flags = switches.len ? switches.ptr[0] : 0xff;

    record->host = take(texts);
    record->outcome = flags % OUTCOME_COUNT;
    record->status = flags % STATUS_COUNT;
    record->findings = flags * 0x0101u;
    record->error = take(texts);
    record->sni = take(texts);
    record->has_tls = flags & 1;
    record->tls.alpn = take(texts);
    record->has_certificate = flags & 2;
    record->has_trust = flags & 4;
    leaf->subject = take(texts);
    leaf->subject_cn = take(texts);
    leaf->issuer = take(texts);
    leaf->issuer_cn = take(texts);
    leaf->serial = take(texts);
    leaf->der = record->unparsable_der = take(texts);
    *link = (struct chain_link){.der = take(texts), .subject = take(texts), .issuer = take(texts)};
    record->chain = link;
    record->chain_count = link->der.len > 0;
    record->trust.matched_name = take(texts);
    leaf->dns_names.items = leaf->uris.items = texts->items + texts->next;
    leaf->dns_names.count = leaf->uris.count = texts->count - texts->next;
}

static void check(const struct encoder *encoder, struct slice out) {
    if (encoder == &msgpack_encoder) {
        require_msgpack(out);
        return;
    }
    require_safe(out);
    if (encoder == &names_encoder)
        require_names(out);
    else if (encoder != &pem_encoder)
        require_one_line(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct texts texts = split((struct slice){data, size});
    struct probe_record *record = probe_record_new(0);
    struct field_selection fields;
    struct chain_link link;
    struct buffer out;

    require(record && field_selection_init(&fields, &probe_record_kind, NULL, NULL) == ERROR_NONE);
    buffer_init(&out);
    fill(record, &texts, &link);
    for (size_t i = 0; encoders[i]; i++) {
        struct encoding encoding = {encoders[i], &fields, (uint16_t)(size % 200), false};
        out.len = 0;
        encoders[i]->encode(&encoding, &record->head, &out);
        require(!out.failed);
        check(encoders[i], buffer_slice(&out));
    }
    buffer_deinit(&out);
    field_selection_deinit(&fields);
    record_put(&record->head);
    return 0;
}
