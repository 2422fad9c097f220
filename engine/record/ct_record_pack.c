#include "engine/record/ct_record_pack.h"

/* A version, then the record's members in the order of the functions below: numbers as u64,
 * little-endian, flags as a byte, texts with their length before them. What is read must end where
 * the bytes end.
 *
 * The certificate is written as the record shows it. It cannot always be read again from its DER:
 * of a log's precertificate the logged TBS counts, and lite feeds send none. */

enum { VERSION = 1, NUMBER_BYTES = 8 };

/* --- Writing --- */

static void put(struct buffer *out, uint64_t number) {
    uint8_t bytes[NUMBER_BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    buffer_add(out, bytes, sizeof bytes);
}

static void put_flag(struct buffer *out, bool flag) {
    buffer_add_byte(out, flag);
}

static void put_text(struct buffer *out, struct slice text) {
    put(out, text.len);
    buffer_add_slice(out, text);
}

static void put_list(struct buffer *out, struct slice_list list) {
    put(out, list.count);
    for (uint32_t i = 0; i < list.count; i++)
        put_text(out, list.items[i]);
}

#define PUT_HASH(out, array) buffer_add((out), (array), sizeof(array))

static void put_addresses(struct buffer *out, const struct certificate_fields *fields) {
    put(out, fields->ip_address_count);
    for (uint32_t i = 0; i < fields->ip_address_count; i++) {
        put(out, fields->ip_addresses[i].family);
        PUT_HASH(out, fields->ip_addresses[i].bytes);
    }
}

static void put_certificate(struct buffer *out, const struct certificate_fields *fields) {
    put_flag(out, fields->told);
    put_text(out, fields->der);
    put_text(out, fields->subject);
    put_text(out, fields->subject_cn);
    put_text(out, fields->issuer);
    put_text(out, fields->issuer_cn);
    put_text(out, fields->issuer_o);
    put_text(out, fields->serial);
    put_flag(out, fields->has_validity);
    put(out, (uint64_t)fields->not_before);
    put(out, (uint64_t)fields->not_after);
    put(out, (uint64_t)(int64_t)fields->lifetime_days);
    put_list(out, fields->dns_names);
    put_list(out, fields->emails);
    put_list(out, fields->uris);
    put_addresses(out, fields);
    put(out, fields->names_total);
    put_flag(out, fields->has_fingerprint_sha256);
    PUT_HASH(out, fields->fingerprint_sha256);
    put_flag(out, fields->has_fingerprint_sha1);
    PUT_HASH(out, fields->fingerprint_sha1);
    put_flag(out, fields->has_tbs_sha256);
    PUT_HASH(out, fields->tbs_sha256);
    put_flag(out, fields->has_spki_sha256);
    PUT_HASH(out, fields->spki_sha256);
    put_text(out, fields->key_type);
    put(out, fields->key_bits);
    put_text(out, fields->signature_algorithm);
    put_flag(out, fields->is_ca);
    put_flag(out, fields->self_signed);
    put_list(out, fields->ocsp_urls);
    put_list(out, fields->crl_urls);
}

static void put_chain(struct buffer *out, const struct ct_record *record) {
    put(out, record->chain_count);
    for (uint32_t i = 0; i < record->chain_count; i++) {
        const struct chain_link *link = &record->chain[i];
        put_flag(out, link->readable);
        put_text(out, link->subject);
        put_text(out, link->issuer);
        put(out, (uint64_t)link->not_after);
        PUT_HASH(out, link->fingerprint_sha256);
        put_text(out, link->der);
    }
}

void ct_record_pack(const struct ct_record *record, struct buffer *out) {
    put(out, VERSION);
    put(out, (uint64_t)record->time_ms);
    put(out, record->update);
    put_text(out, record->source_log);
    put_flag(out, record->has_log_id);
    PUT_HASH(out, record->log_id);
    put_flag(out, record->has_index);
    put(out, record->index);
    put_text(out, record->cert_link);
    put(out, (uint64_t)record->seen_ms);
    put_flag(out, record->has_timestamp);
    put(out, (uint64_t)record->entry_ms);
    put_flag(out, record->has_certificate);
    if (record->has_certificate)
        put_certificate(out, &record->certificate);
    put_flag(out, record->has_fingerprint);
    put_chain(out, record);
    put_text(out, record->entry);
    put_text(out, record->error);
    put_list(out, record->matched_entries);
    put_list(out, record->matched_names);
    put_text(out, record->brand);
    put_text(out, record->lookalike);
    put(out, record->lookalike_score);
    put(out, record->verdict);
    put(out, record->known_by);
    PUT_HASH(out, record->issuance_id);
}

/* --- Reading --- */

struct reader {
    struct slice rest;
    struct arena *memory;
    bool failed; /* not written by us, or no memory */
};

static struct slice take_bytes(struct reader *reader, uint64_t len) {
    if (reader->failed || len > reader->rest.len) {
        reader->failed = true;
        return (struct slice){NULL, 0};
    }
    struct slice bytes = slice_first(reader->rest, (size_t)len);
    reader->rest = slice_from(reader->rest, (size_t)len);
    return bytes;
}

static uint64_t take(struct reader *reader) {
    struct slice bytes = take_bytes(reader, NUMBER_BYTES);
    uint64_t number = 0;

    for (size_t i = bytes.len; i > 0; i--)
        number = number << 8 | bytes.ptr[i - 1];
    return number;
}

/* A number that must be at most `most`. */
static uint64_t take_at_most(struct reader *reader, uint64_t most) {
    uint64_t number = take(reader);

    if (number <= most)
        return number;
    reader->failed = true;
    return 0;
}

static bool take_flag(struct reader *reader) {
    struct slice byte = take_bytes(reader, 1);

    if (byte.len == 0)
        return false;
    reader->failed |= byte.ptr[0] > 1;
    return byte.ptr[0] == 1;
}

/* No record has times that cannot be added to or subtracted from each other. */
static int64_t take_time(struct reader *reader) {
    int64_t time = (int64_t)take(reader);

    reader->failed |= time < -CT_RECORD_TIME_MAX || time > CT_RECORD_TIME_MAX;
    return time;
}

static int32_t take_days(struct reader *reader) {
    int64_t days = (int64_t)take(reader);

    reader->failed |= days < INT32_MIN || days > INT32_MAX;
    return (int32_t)days;
}

static struct slice take_text(struct reader *reader) {
    struct slice text = take_bytes(reader, take(reader));

    return arena_copy(reader->memory, text);
}

/* Room for so many things, of which each takes `bytes` at least. */
static void *take_room(struct reader *reader, size_t bytes, size_t size, uint32_t *count) {
    *count = (uint32_t)take_at_most(reader, reader->rest.len / bytes);
    void *room = arena_take(reader->memory, *count * size);

    if (!room)
        *count = 0;
    return room;
}

static struct slice_list take_list(struct reader *reader) {
    uint32_t count;
    struct slice *items = take_room(reader, NUMBER_BYTES, sizeof *items, &count);

    for (uint32_t i = 0; i < count; i++)
        items[i] = take_text(reader);
    return (struct slice_list){items, count};
}

static void take_hash(struct reader *reader, uint8_t *out, size_t len) {
    struct slice bytes = take_bytes(reader, len);

    if (bytes.len)
        memcpy(out, bytes.ptr, len);
}

#define TAKE_HASH(reader, array) take_hash((reader), (array), sizeof(array))

static void take_addresses(struct reader *reader, struct certificate_fields *fields) {
    uint32_t count;
    struct address *addresses =
        take_room(reader, NUMBER_BYTES + sizeof addresses->bytes, sizeof *addresses, &count);

    for (uint32_t i = 0; i < count; i++) {
        addresses[i] = (struct address){.family = (uint8_t)take_at_most(reader, ADDRESS_V6)};
        reader->failed |= address_length(&addresses[i]) == 0;
        TAKE_HASH(reader, addresses[i].bytes);
    }
    fields->ip_addresses = addresses;
    fields->ip_address_count = count;
}

static void take_certificate(struct reader *reader, struct certificate_fields *fields) {
    fields->told = take_flag(reader);
    fields->der = take_text(reader);
    fields->subject = take_text(reader);
    fields->subject_cn = take_text(reader);
    fields->issuer = take_text(reader);
    fields->issuer_cn = take_text(reader);
    fields->issuer_o = take_text(reader);
    fields->serial = take_text(reader);
    fields->has_validity = take_flag(reader);
    fields->not_before = take_time(reader);
    fields->not_after = take_time(reader);
    fields->lifetime_days = take_days(reader);
    fields->dns_names = take_list(reader);
    fields->emails = take_list(reader);
    fields->uris = take_list(reader);
    take_addresses(reader, fields);
    fields->names_total = (uint32_t)take_at_most(reader, UINT32_MAX);
    fields->has_fingerprint_sha256 = take_flag(reader);
    TAKE_HASH(reader, fields->fingerprint_sha256);
    fields->has_fingerprint_sha1 = take_flag(reader);
    TAKE_HASH(reader, fields->fingerprint_sha1);
    fields->has_tbs_sha256 = take_flag(reader);
    TAKE_HASH(reader, fields->tbs_sha256);
    fields->has_spki_sha256 = take_flag(reader);
    TAKE_HASH(reader, fields->spki_sha256);
    fields->key_type = take_text(reader);
    fields->key_bits = (uint16_t)take_at_most(reader, UINT16_MAX);
    fields->signature_algorithm = take_text(reader);
    fields->is_ca = take_flag(reader);
    fields->self_signed = take_flag(reader);
    fields->ocsp_urls = take_list(reader);
    fields->crl_urls = take_list(reader);
}

static void take_chain(struct reader *reader, struct ct_record *record) {
    uint32_t count;
    struct chain_link *links =
        take_room(reader, sizeof links->fingerprint_sha256, sizeof *links, &count);

    for (uint32_t i = 0; i < count; i++) {
        links[i] = (struct chain_link){.readable = take_flag(reader)};
        links[i].subject = take_text(reader);
        links[i].issuer = take_text(reader);
        links[i].not_after = take_time(reader);
        TAKE_HASH(reader, links[i].fingerprint_sha256);
        links[i].der = take_text(reader);
    }
    record->chain = links;
    record->chain_count = count;
}

static void take_record(struct reader *reader, struct ct_record *record) {
    reader->failed |= take(reader) != VERSION;
    record->time_ms = take_time(reader);
    record->update = (enum ct_update)take_at_most(reader, CT_UPDATES - 1);
    record->source_log = take_text(reader);
    record->has_log_id = take_flag(reader);
    TAKE_HASH(reader, record->log_id);
    record->has_index = take_flag(reader);
    record->index = take(reader);
    record->cert_link = take_text(reader);
    record->seen_ms = take_time(reader);
    record->has_timestamp = take_flag(reader);
    record->entry_ms = take_time(reader);
    record->has_certificate = take_flag(reader);
    if (record->has_certificate)
        take_certificate(reader, &record->certificate);
    record->has_fingerprint = take_flag(reader);
    take_chain(reader, record);
    record->entry = take_text(reader);
    record->error = take_text(reader);
    record->matched_entries = take_list(reader);
    record->matched_names = take_list(reader);
    record->brand = take_text(reader);
    record->lookalike = take_text(reader);
    record->lookalike_score = (uint8_t)take_at_most(reader, 100);
    record->verdict = (enum ct_verdict)take_at_most(reader, CT_VERDICTS - 1);
    record->known_by = (enum ct_known_by)take_at_most(reader, CT_KNOWN_KINDS - 1);
    TAKE_HASH(reader, record->issuance_id);
}

struct ct_record *ct_record_unpack(struct slice bytes) {
    struct ct_record *record = ct_record_new(bytes.len);

    if (!record)
        return NULL;
    struct reader reader = {.rest = bytes, .memory = &record->head.memory};
    take_record(&reader, record);
    if (!reader.failed && reader.rest.len == 0 && !record->head.memory.failed)
        return record;
    record_put(&record->head);
    return NULL;
}
