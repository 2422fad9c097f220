/* MessagePack: one map a record, one after another without anything between. It decodes to the same
 * object as the JSON of the same record: hashes, times, addresses and DER are strings in the same
 * form, and strings are valid UTF-8, with U+FFFD for a byte that is not. */
#include "engine/record/encoder.h"
#include "engine/record/value_text.h"

#include <msgpack/pack.h>

static int append(void *data, const char *bytes, size_t len) {
    buffer_add(data, bytes, len);
    return 0; /* running out of memory is remembered by the buffer */
}

static void pack_text(msgpack_packer *packer, struct slice text) {
    size_t len = value_text_utf8_length(text);

    msgpack_pack_str(packer, len);
    struct buffer *out = packer->data;
    if (len == text.len) {
        buffer_add_slice(out, text);
        return;
    }
    uint8_t *at = buffer_reserve(out, len);
    if (!at)
        return;
    value_text_write_utf8(at, text);
    out->len += len;
}

static void pack_real(msgpack_packer *packer, double real) {
    int64_t hundredths;

    if (value_text_hundredths(real, &hundredths))
        msgpack_pack_double(packer, (double)hundredths / 100);
    else
        msgpack_pack_nil(packer);
}

static void pack_value(msgpack_packer *packer, const struct value *value) {
    struct buffer *out = packer->data;
    char address[ADDRESS_TEXT_MAX];

    switch (value->kind) {
    case VALUE_ABSENT:
        msgpack_pack_nil(packer);
        return;
    case VALUE_TEXT:
        pack_text(packer, value->bytes);
        return;
    case VALUE_INTEGER:
        msgpack_pack_int64(packer, value->integer);
        return;
    case VALUE_REAL:
        pack_real(packer, value->real);
        return;
    case VALUE_BOOLEAN:
        if (value->boolean)
            msgpack_pack_true(packer);
        else
            msgpack_pack_false(packer);
        return;
    case VALUE_ADDRESS:
        msgpack_pack_str_with_body(packer, address, address_format(value->address, address));
        return;
    case VALUE_TIME:
        msgpack_pack_str(packer, strlen("2026-11-21T03:56:45Z"));
        break;
    case VALUE_TIME_MS:
        msgpack_pack_str(packer, strlen("2026-11-21T03:56:45.123Z"));
        break;
    case VALUE_HEX:
        msgpack_pack_str(packer, value->bytes.len * 2);
        break;
    case VALUE_BASE64:
        msgpack_pack_str(packer, (value->bytes.len + 2) / 3 * 4);
        break;
    case VALUE_CODE:
        msgpack_pack_str(packer, strlen("0x1301"));
        break;
    }
    value_text_add(value, out);
}

static inline void pack_key(msgpack_packer *packer, const struct field_key *key) {
    value_text_add_key(key->msgpack, 0, packer->data);
}

static void pack_object(msgpack_packer *packer, const struct picked_field *picked,
                        const struct record *record, uint32_t index) {
    uint32_t member_count = picked->field->member_count, present = 0;
    struct value values[MEMBERS_MAX];

    for (uint32_t i = 0; i < member_count; i++) {
        const struct field *member = picked->members[i].field;
        member->get(record, index, &values[i]);
        present += values[i].kind != VALUE_ABSENT || member->always;
    }
    msgpack_pack_map(packer, present);
    for (uint32_t i = 0; i < member_count; i++) {
        if (values[i].kind == VALUE_ABSENT && !picked->members[i].field->always)
            continue;
        pack_key(packer, &picked->members[i].key);
        pack_value(packer, &values[i]);
    }
}

static void pack_list(msgpack_packer *packer, const struct picked_field *picked,
                      const struct record *record, uint32_t count) {
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++) {
        if (picked->field->members) {
            pack_object(packer, picked, record, i);
        } else {
            struct value value;
            picked->field->get(record, i, &value);
            pack_value(packer, &value);
        }
    }
}

/* What a record has, found before anything is written: a map states its size first. */
struct survey {
    uint32_t entries[FIELDS_MAX + 1]; /* of each group; of the record itself at 0 */
    struct value values[FIELDS_MAX];  /* of a list: its length as integer */
    bool present[FIELDS_MAX];
};

static void survey(const struct field_selection *selection, const struct record *record,
                   struct survey *out) {
    memset(out->entries, 0, sizeof out->entries);
    for (uint32_t i = 0; i < selection->count; i++) {
        const struct field *field = selection->fields[i].field;
        struct value *value = &out->values[i];
        uint32_t group = selection->fields[i].group;
        bool something;

        if (field->count) {
            value->integer = field->count(record);
            something = value->integer > 0;
        } else {
            field->get(record, 0, value);
            something = value->kind != VALUE_ABSENT;
        }
        out->present[i] = something || field->always;
        if (!out->present[i])
            continue;
        if (group && out->entries[group] == 0)
            out->entries[0]++;
        out->entries[group]++;
    }
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct field_selection *selection = encoding->fields;
    struct survey found;
    msgpack_packer packer;
    uint32_t group = 0;

    msgpack_packer_init(&packer, out, append);
    survey(selection, record, &found);
    msgpack_pack_map(&packer, found.entries[0]);
    for (uint32_t i = 0; i < selection->count; i++) {
        const struct picked_field *picked = &selection->fields[i];
        if (!found.present[i])
            continue;
        if (picked->group && picked->group != group) {
            pack_key(&packer, &selection->groups[picked->group]);
            msgpack_pack_map(&packer, found.entries[picked->group]);
        }
        group = picked->group;
        pack_key(&packer, &picked->key);
        if (picked->field->count)
            pack_list(&packer, picked, record, (uint32_t)found.values[i].integer);
        else
            pack_value(&packer, &found.values[i]);
    }
}

const struct encoder msgpack_encoder = {
    .name = "msgpack",
    .suffix = ".msgpack",
    .summary = "MessagePack, one map a record",
    .takes_fields = true,
    .encode = encode,
};
