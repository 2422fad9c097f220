#include "sinks/store/store_rows.h"

#include "engine/base/text.h"
#include "engine/x509/certificate.h"
#include "sinks/store/schema.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HASH_BYTES = CERTIFICATE_SHA256_BYTES,
    ID_BYTES = 16, /* of a hash that stands for a record without an id */
    /* What is in an index is bounded: a row of PostgreSQL's takes at most 2,700 bytes. */
    HOST_BYTES_MAX = 1024,
    NAME_BYTES_MAX = 512,   /* longer ones are no names; they are left out */
    SERIAL_BYTES_MAX = 128, /* in hexadecimal; those of RFC 5280 have 40 */
    WORD_BYTES_MAX = 128,
    TEXT_BYTES_MAX = 64 * 1024,
};

/* --- Rows --- */

/* Those of a new row, null; NULL when there is no memory. */
static struct sql_value *add_row(struct store_batch *batch, enum store_table table) {
    struct store_rows *rows = &batch->tables[table];

    if (rows->rows == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
        void *grown = realloc(rows->values, capacity * rows->columns * sizeof *rows->values);
        if (!grown) {
            batch->failed = true;
            return NULL;
        }
        rows->values = grown;
        rows->capacity = capacity;
    }
    struct sql_value *row = &rows->values[rows->rows++ * rows->columns];
    memset(row, 0, rows->columns * sizeof *row);
    return row;
}

static uint64_t hash_of(struct slice key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

static struct store_index_slot *find_slot(const struct store_index *index, struct slice key) {
    size_t at = hash_of(key);

    while (index->slots[at & (index->capacity - 1)].key.ptr &&
           !slice_equal(index->slots[at & (index->capacity - 1)].key, key))
        at++;
    return &index->slots[at & (index->capacity - 1)];
}

static bool grow_index(struct store_index *index) {
    struct store_index grown = {.capacity = index->capacity ? index->capacity * 2 : 256};

    if (index->count * 2 < index->capacity)
        return true;
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].key.ptr)
            *find_slot(&grown, index->slots[i].key) = index->slots[i];
    grown.count = index->count;
    free(index->slots);
    *index = grown;
    return true;
}

/* The row of `table` that this key has, as a new one where `*is_new`; NULL when there is no memory.
 * The key goes into the memory of the batch. */
static struct sql_value *unique_row(struct store_batch *batch, enum store_table table,
                                    struct slice key, bool *is_new) {
    uint8_t *bytes = arena_take(&batch->memory, key.len + 1);

    if (!bytes || !grow_index(&batch->index)) {
        batch->failed = true;
        return NULL;
    }
    bytes[0] = (uint8_t)table;
    memcpy(bytes + 1, key.ptr, key.len);
    struct slice named = {bytes, key.len + 1};
    struct store_index_slot *slot = find_slot(&batch->index, named);
    *is_new = slot->key.ptr == NULL;
    if (!*is_new)
        return &batch->tables[table].values[slot->row * batch->tables[table].columns];
    *slot = (struct store_index_slot){named, batch->tables[table].rows};
    batch->index.count++;
    return add_row(batch, table);
}

/* --- Values --- */

static struct sql_value text_at(struct store_batch *batch, struct slice packed, size_t most) {
    struct slice text;
    return packed_text(packed, most, &batch->memory, &text) ? sql_text(text) : sql_null();
}

static struct sql_value word(struct store_batch *batch, const struct record_view *view,
                             enum view_field field) {
    return text_at(batch, view->values[field], WORD_BYTES_MAX);
}

static struct sql_value long_text(struct store_batch *batch, const struct record_view *view,
                                  enum view_field field) {
    return text_at(batch, view->values[field], TEXT_BYTES_MAX);
}

static struct sql_value hex(struct store_batch *batch, struct slice packed, size_t most) {
    struct slice bytes;
    return packed_hex(packed, &batch->memory, &bytes) && bytes.len <= most ? sql_blob(bytes)
                                                                           : sql_null();
}

static struct sql_value hash_at(struct store_batch *batch, const struct record_view *view,
                                enum view_field field) {
    return hex(batch, view->values[field], HASH_BYTES);
}

static struct sql_value integer(const struct record_view *view, enum view_field field) {
    int64_t number;
    return packed_integer(view->values[field], &number) ? sql_integer(number) : sql_null();
}

static struct sql_value boolean(const struct record_view *view, enum view_field field) {
    bool is;
    return packed_boolean(view->values[field], &is) ? sql_integer(is) : sql_null();
}

static struct sql_value time_ms(struct slice packed) {
    int64_t ms;
    return packed_time_ms(packed, &ms) ? sql_integer(ms) : sql_null();
}

static struct sql_value time_s(struct slice packed) {
    struct sql_value value = time_ms(packed);

    if (value.type == SQL_INTEGER)
        value.integer /= 1000; /* whole seconds anyway */
    return value;
}

/* The hash of some bytes, in the memory of the batch. */
static struct sql_value hash_value(struct store_batch *batch, struct slice bytes, size_t len) {
    uint8_t hash[HASH_BYTES];

    certificate_sha256(bytes, hash);
    struct slice kept = arena_copy(&batch->memory, (struct slice){hash, len});
    return kept.len ? sql_blob(kept) : sql_null();
}

/* --- Certificates --- */

enum { /* columns */
       CERTIFICATE_FIRST_SEEN = 16,
       CERTIFICATE_LAST_SEEN,
       CERTIFICATE_DER,
       ENDPOINT_FIRST_SEEN = 4,
       ENDPOINT_LAST_SEEN,
       ENDPOINT_OUTCOME,
       ENDPOINT_STATUS,
       ENDPOINT_FINGERPRINT,
       ENDPOINT_CHAIN,
       ENDPOINT_DETAIL,
};

static void widen(struct sql_value *first, struct sql_value *last, int64_t ms) {
    if (first->type == SQL_NULL || ms < first->integer)
        *first = sql_integer(ms);
    if (last->type == SQL_NULL || ms > last->integer)
        *last = sql_integer(ms);
}

static struct sql_value reversed_name(struct store_batch *batch, struct slice name) {
    uint8_t *out = arena_take(&batch->memory, name.len + 1);

    if (!out)
        return sql_null();
    store_reverse_name(name, out);
    return sql_text((struct slice){out, name.len});
}

static void add_names(struct store_batch *batch, const struct record_view *view,
                      enum view_field field, struct sql_value fingerprint) {
    struct packed_walk walk;
    struct slice key, packed, name;

    if (!packed_walk_init(&walk, view->values[field], false))
        return;
    while (packed_walk_next(&walk, &key, &packed)) {
        if (!packed_text(packed, NAME_BYTES_MAX + 1, &batch->memory, &name) || name.len == 0 ||
            name.len > NAME_BYTES_MAX)
            continue;
        struct sql_value *row = add_row(batch, STORE_NAMES);
        if (!row)
            return;
        row[0] = fingerprint;
        row[1] = sql_text(name);
        row[2] = field == VIEW_DNS_NAMES ? reversed_name(batch, name) : row[1];
    }
}

static void fill_certificate(struct store_batch *batch, const struct record_view *view,
                             struct sql_value *row) {
    struct slice der;

    row[1] = long_text(batch, view, VIEW_SUBJECT);
    row[2] = long_text(batch, view, VIEW_ISSUER);
    row[3] = long_text(batch, view, VIEW_ISSUER_CN);
    row[4] = long_text(batch, view, VIEW_ISSUER_O);
    row[5] = text_at(batch, view->values[VIEW_SERIAL], SERIAL_BYTES_MAX);
    row[6] = time_s(view->values[VIEW_NOT_BEFORE]);
    row[7] = time_s(view->values[VIEW_NOT_AFTER]);
    row[8] = word(batch, view, VIEW_KEY_TYPE);
    row[9] = integer(view, VIEW_KEY_BITS);
    row[10] = word(batch, view, VIEW_SIGNATURE_ALGORITHM);
    row[11] = boolean(view, VIEW_IS_CA);
    row[12] = boolean(view, VIEW_SELF_SIGNED);
    row[13] = hash_at(batch, view, VIEW_FINGERPRINT_SHA1);
    row[14] = hash_at(batch, view, VIEW_TBS_SHA256);
    row[15] = hash_at(batch, view, VIEW_SPKI_SHA256);
    if (packed_base64(view->values[VIEW_DER], &batch->memory, &der))
        row[CERTIFICATE_DER] = sql_blob(der);
}

/* Its SHA-256, or null without a certificate. */
static struct sql_value add_certificate(struct store_batch *batch, const struct record_view *view,
                                        int64_t ms) {
    struct sql_value fingerprint = hash_at(batch, view, VIEW_FINGERPRINT_SHA256);
    bool is_new;

    if (fingerprint.type == SQL_NULL)
        return fingerprint;
    struct sql_value *row = unique_row(batch, STORE_CERTIFICATES, fingerprint.bytes, &is_new);
    if (!row)
        return fingerprint;
    row[0] = fingerprint;
    if (row[CERTIFICATE_DER].type == SQL_NULL) {
        fill_certificate(batch, view, row);
        add_names(batch, view, VIEW_DNS_NAMES, fingerprint);
        add_names(batch, view, VIEW_IP_ADDRESSES, fingerprint);
    }
    widen(&row[CERTIFICATE_FIRST_SEEN], &row[CERTIFICATE_LAST_SEEN], ms);
    return fingerprint;
}

/* --- Chains --- */

struct link {
    struct sql_value fingerprint, subject, issuer, not_after;
};

static struct link read_link(struct store_batch *batch, struct slice packed) {
    struct link link = {0};
    struct packed_walk walk;
    struct slice key, value;

    if (!packed_walk_init(&walk, packed, true))
        return link;
    while (packed_walk_next(&walk, &key, &value)) {
        if (slice_is(key, "fingerprint_sha256"))
            link.fingerprint = hex(batch, value, HASH_BYTES);
        else if (slice_is(key, "subject"))
            link.subject = text_at(batch, value, TEXT_BYTES_MAX);
        else if (slice_is(key, "issuer"))
            link.issuer = text_at(batch, value, TEXT_BYTES_MAX);
        else if (slice_is(key, "not_after"))
            link.not_after = time_s(value);
    }
    return link;
}

static void add_link_certificate(struct store_batch *batch, const struct link *link, int64_t ms) {
    bool is_new;
    struct sql_value *row = unique_row(batch, STORE_CERTIFICATES, link->fingerprint.bytes, &is_new);

    if (!row)
        return;
    if (is_new) {
        row[0] = link->fingerprint;
        row[1] = link->subject;
        row[2] = link->issuer;
        row[7] = link->not_after;
    }
    widen(&row[CERTIFICATE_FIRST_SEEN], &row[CERTIFICATE_LAST_SEEN], ms);
}

static void add_links(struct store_batch *batch, struct slice list, struct sql_value hash,
                      bool is_new, int64_t ms) {
    struct packed_walk walk;
    struct slice key, packed;
    int64_t place = 0;

    if (!packed_walk_init(&walk, list, false))
        return;
    for (; packed_walk_next(&walk, &key, &packed); place++) {
        struct link link = read_link(batch, packed);
        if (link.fingerprint.type == SQL_NULL)
            continue;
        add_link_certificate(batch, &link, ms);
        struct sql_value *row = is_new ? add_row(batch, STORE_LINKS) : NULL;
        if (!row)
            continue;
        row[0] = hash;
        row[1] = sql_integer(place);
        row[2] = link.fingerprint;
    }
}

/* The hash that names it, or null without a chain. */
static struct sql_value add_chain(struct store_batch *batch, const struct record_view *view,
                                  int64_t ms) {
    struct slice list = view->values[VIEW_CHAIN], key, packed;
    struct buffer *names = &batch->scratch;
    struct packed_walk walk;
    bool is_new;

    if (!packed_walk_init(&walk, list, false) || walk.left == 0)
        return sql_null();
    names->len = 0;
    while (packed_walk_next(&walk, &key, &packed)) {
        struct link link = read_link(batch, packed);
        if (link.fingerprint.type != SQL_NULL)
            buffer_add_slice(names, link.fingerprint.bytes);
        buffer_add_byte(names, '/');
    }
    struct sql_value hash = hash_value(batch, buffer_slice(names), ID_BYTES);
    struct sql_value *row =
        hash.type != SQL_NULL ? unique_row(batch, STORE_CHAINS, hash.bytes, &is_new) : NULL;
    if (!row)
        return sql_null();
    row[0] = hash;
    add_links(batch, list, hash, is_new, ms);
    return hash;
}

/* --- What of a record stays the same --- */

/* The record as JSON without the keys of `without`, in the memory of the batch. */
static struct slice json_without(struct store_batch *batch, const struct record_view *view,
                                 const char *const *without) {
    struct slice key, value, rest;
    struct packed_walk walk;
    struct buffer *packed = &batch->scratch;
    uint32_t kept = 0;

    /* A map of 32 bits; how many pairs it has is known at its end. */
    packed->len = 0;
    buffer_add(packed, "\xdf\0\0\0\0", 5);
    if (!packed_walk_init(&walk, view->bytes, true))
        return (struct slice){NULL, 0};
    for (rest = walk.rest; packed_walk_next(&walk, &key, &value); rest = walk.rest) {
        size_t i = 0;
        while (without[i] && !slice_is(key, without[i]))
            i++;
        if (without[i])
            continue;
        buffer_add(packed, rest.ptr, rest.len - walk.rest.len);
        kept++;
    }
    if (packed->failed)
        return (struct slice){NULL, 0};
    for (int i = 0; i < 4; i++)
        packed->ptr[1 + i] = (uint8_t)(kept >> (24 - 8 * i));
    rest = buffer_slice(packed);
    if (msgpack_json_take(&batch->json, &rest, NULL) != ERROR_NONE || batch->json.whole == 0) {
        msgpack_json_deinit(&batch->json);
        msgpack_json_init(&batch->json);
        return (struct slice){NULL, 0};
    }
    struct slice json = {batch->json.json.ptr, batch->json.whole - 1}; /* without the newline */
    json = arena_copy(&batch->memory, json);
    msgpack_json_drop(&batch->json);
    return json;
}

static struct sql_value add_detail(struct store_batch *batch, const struct record_view *view) {
    static const char *const own_columns[] = {"record",    "schema",      "id",      "time",
                                              "host",      "ip",          "port",    "protocol",
                                              "attempt",   "timing_us",   "outcome", "status",
                                              "days_left", "certificate", "chain",   NULL};
    struct slice json = json_without(batch, view, own_columns);
    bool is_new;

    if (json.len == 0)
        return sql_null();
    struct sql_value hash = hash_value(batch, json, ID_BYTES);
    struct sql_value *row =
        hash.type != SQL_NULL ? unique_row(batch, STORE_DETAILS, hash.bytes, &is_new) : NULL;
    if (!row)
        return sql_null();
    row[0] = hash;
    row[1] = sql_text(json);
    return hash;
}

/* --- Probes --- */

struct probe {
    struct sql_value host, ip, port, protocol, outcome, status, fingerprint, chain, detail;
    int64_t ms;
};

static void add_endpoint(struct store_batch *batch, const struct probe *probe) {
    struct buffer *key = &batch->scratch;
    bool is_new;

    key->len = 0;
    buffer_add_slice(key, probe->host.bytes);
    buffer_add_byte(key, 0);
    buffer_add_slice(key, probe->ip.bytes);
    buffer_add_byte(key, 0);
    buffer_add_slice(key, probe->protocol.bytes);
    buffer_add_byte(key, 0);
    buffer_add(key, &probe->port.integer, sizeof probe->port.integer);
    struct sql_value *row = unique_row(batch, STORE_ENDPOINTS, buffer_slice(key), &is_new);
    if (!row)
        return;
    row[0] = probe->host;
    row[1] = probe->ip;
    row[2] = probe->port;
    row[3] = probe->protocol;
    bool is_newest = is_new || probe->ms >= row[ENDPOINT_LAST_SEEN].integer;
    widen(&row[ENDPOINT_FIRST_SEEN], &row[ENDPOINT_LAST_SEEN], probe->ms);
    if (!is_newest)
        return;
    row[ENDPOINT_OUTCOME] = probe->outcome;
    row[ENDPOINT_STATUS] = probe->status;
    row[ENDPOINT_DETAIL] = probe->detail;
    if (probe->fingerprint.type == SQL_NULL)
        return; /* the one before stays */
    row[ENDPOINT_FINGERPRINT] = probe->fingerprint;
    row[ENDPOINT_CHAIN] = probe->chain;
}

/* The record's id; of a stream of a trawl that gave none, a hash of its bytes. */
static struct sql_value id_of(struct store_batch *batch, const struct record_view *view) {
    struct sql_value id = hash_at(batch, view, VIEW_ID);
    return id.type != SQL_NULL ? id : hash_value(batch, view->bytes, ID_BYTES);
}

static void or_empty(struct sql_value *text) {
    if (text->type == SQL_NULL)
        *text = sql_text((struct slice){(const uint8_t *)"", 0});
}

static bool add_probe(struct store_batch *batch, const struct record_view *view) {
    struct sql_value time = time_ms(view->values[VIEW_TIME]);
    struct probe probe = {
        .host = text_at(batch, view->values[VIEW_HOST], HOST_BYTES_MAX),
        .ip = word(batch, view, VIEW_IP),
        .port = integer(view, VIEW_PORT),
        .protocol = word(batch, view, VIEW_PROTOCOL),
        .outcome = word(batch, view, VIEW_OUTCOME),
        .status = word(batch, view, VIEW_STATUS),
    };
    double days;

    if (time.type == SQL_NULL || probe.host.type == SQL_NULL || probe.port.type == SQL_NULL ||
        probe.outcome.type == SQL_NULL)
        return false;
    or_empty(&probe.ip);
    or_empty(&probe.protocol);
    or_empty(&probe.status);
    probe.ms = time.integer;
    probe.fingerprint = add_certificate(batch, view, probe.ms);
    probe.chain = add_chain(batch, view, probe.ms);
    probe.detail = add_detail(batch, view);
    add_endpoint(batch, &probe);
    struct sql_value *row = add_row(batch, STORE_OBSERVATIONS);
    if (!row)
        return true;
    row[0] = id_of(batch, view);
    row[1] = probe.host;
    row[2] = probe.ip;
    row[3] = probe.port;
    row[4] = probe.protocol;
    row[5] = time;
    row[6] = probe.outcome;
    row[7] = probe.status;
    row[8] = packed_real(view->values[VIEW_DAYS_LEFT], &days) ? sql_real(days) : sql_null();
    row[9] = probe.fingerprint;
    row[10] = probe.chain;
    row[11] = probe.detail;
    return true;
}

/* --- Entries of logs --- */

/* What an entry is known by for ever. */
static struct sql_value entry_of(struct store_batch *batch, const struct record_view *view,
                                 struct sql_value log_id, struct sql_value index) {
    if (log_id.type == SQL_NULL || index.type == SQL_NULL)
        return id_of(batch, view);
    uint8_t *bytes = arena_take(&batch->memory, log_id.bytes.len + 8);
    if (!bytes)
        return sql_null();
    memcpy(bytes, log_id.bytes.ptr, log_id.bytes.len);
    for (size_t i = 0; i < 8; i++)
        bytes[log_id.bytes.len + i] = (uint8_t)((uint64_t)index.integer >> (56 - 8 * i));
    return sql_blob((struct slice){bytes, log_id.bytes.len + 8});
}

static bool add_ct_hit(struct store_batch *batch, const struct record_view *view) {
    static const char *const own_columns[] = {"entry", NULL};
    struct sql_value time = time_ms(view->values[VIEW_TIME]);
    struct sql_value log_id = hash_at(batch, view, VIEW_LOG_ID);
    struct sql_value index = integer(view, VIEW_INDEX);

    if (time.type == SQL_NULL)
        return false;
    struct sql_value fingerprint = add_certificate(batch, view, time.integer);
    struct slice json = json_without(batch, view, own_columns);
    struct sql_value *row = add_row(batch, STORE_CT_HITS);
    if (!row)
        return true;
    row[0] = entry_of(batch, view, log_id, index);
    row[1] = time;
    row[2] = word(batch, view, VIEW_UPDATE_TYPE);
    row[3] = long_text(batch, view, VIEW_SOURCE_LOG);
    row[4] = log_id;
    row[5] = index;
    row[6] = time_ms(view->values[VIEW_SEEN_AT]);
    row[7] = time_ms(view->values[VIEW_ENTRY_TIME]);
    row[8] = word(batch, view, VIEW_VERDICT);
    row[9] = word(batch, view, VIEW_SEVERITY);
    row[10] = word(batch, view, VIEW_KNOWN_BY);
    row[11] = hash_at(batch, view, VIEW_ISSUANCE_ID);
    row[12] = fingerprint;
    row[13] = sql_text(json);
    return true;
}

/* --- The batch --- */

bool store_batch_init(struct store_batch *batch) {
    *batch = (struct store_batch){0};
    buffer_init(&batch->scratch);
    msgpack_json_init(&batch->json);
    for (int i = 0; i < STORE_TABLES; i++)
        batch->tables[i].columns = (uint32_t)strlen(store_bulks[i].types);
    return arena_init(&batch->memory, 256 * 1024);
}

void store_batch_deinit(struct store_batch *batch) {
    for (int i = 0; i < STORE_TABLES; i++)
        free(batch->tables[i].values);
    free(batch->index.slots);
    buffer_deinit(&batch->scratch);
    msgpack_json_deinit(&batch->json);
    arena_deinit(&batch->memory);
}

void store_batch_clear(struct store_batch *batch) {
    for (int i = 0; i < STORE_TABLES; i++)
        batch->tables[i].rows = 0;
    if (batch->index.slots)
        memset(batch->index.slots, 0, batch->index.capacity * sizeof *batch->index.slots);
    batch->index.count = 0;
    if (batch->scratch.failed) {
        buffer_deinit(&batch->scratch);
        buffer_init(&batch->scratch);
    }
    arena_reset(&batch->memory);
    batch->failed = false;
}

bool store_batch_add(struct store_batch *batch, const struct record_view *view) {
    struct sql_value kind = word(batch, view, VIEW_RECORD);
    bool known = false;

    if (kind.type == SQL_TEXT && slice_is(kind.bytes, "probe"))
        known = add_probe(batch, view);
    else if (kind.type == SQL_TEXT && slice_is(kind.bytes, "ct"))
        known = add_ct_hit(batch, view);
    batch->failed |= batch->memory.failed || batch->scratch.failed;
    return known;
}
