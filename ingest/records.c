#include "ingest/records.h"

void records_init(struct records *records) {
    *records = (struct records){0};
    buffer_init(&records->bytes);
    msgpack_json_init(&records->json);
}

void records_deinit(struct records *records) {
    buffer_deinit(&records->bytes);
    msgpack_json_deinit(&records->json);
}

void records_restart(struct records *records) {
    records_deinit(records);
    records_init(records);
}

uint8_t *records_room(struct records *records, size_t room) {
    struct buffer *bytes = &records->bytes;

    if (records->begin) {
        bytes->len -= records->begin;
        memmove(bytes->ptr, bytes->ptr + records->begin, bytes->len);
        records->taken -= records->begin;
        records->begin = 0;
    }
    return buffer_reserve(bytes, room);
}

void records_add(struct records *records, size_t count) {
    records->bytes.len += count;
}

/* What is common to nearly all mistakes deserves words of its own. */
static enum error explain(const struct records *records, enum error error, struct slice rest,
                          const struct failure *why, struct failure *failure) {
    static const uint8_t GZIP[] = {0x1f, 0x8b};
    bool packed = records->json.offset == 0 && rest.len >= sizeof GZIP &&
                  memcmp(rest.ptr, GZIP, sizeof GZIP) == 0;

    if (packed)
        return failure_set(failure, error, "it is compressed: gzip -dc FILE | trawl decode");
    return failure_set(failure, error, "at byte %llu: %.200s",
                       (unsigned long long)records->json.offset, why->text);
}

enum error records_next(struct records *records, struct packed_record *out, bool *found,
                        struct failure *failure) {
    struct slice rest = slice_from(buffer_slice(&records->bytes), records->taken);
    struct failure why = {0};

    msgpack_json_drop(&records->json);
    enum error error = msgpack_json_take_record(&records->json, &rest, found, &why);
    records->taken = records->bytes.len - rest.len;
    if (error)
        return explain(records, error, rest, &why, failure);
    if (!*found)
        return ERROR_NONE;
    *out = (struct packed_record){
        .packed = {records->bytes.ptr + records->begin, records->taken - records->begin},
        .line = {records->json.json.ptr, records->json.whole},
    };
    records->begin = records->taken;
    records->count++;
    return ERROR_NONE;
}

uint64_t records_cut(const struct records *records, uint64_t *offset) {
    *offset = records->json.record_offset;
    return records->bytes.len - records->begin;
}
