#include "tools/monitor/alerts.h"

/* Little-endian, in the order of the struct, behind a byte with the version. Only the recent
 * certificates and the issuer's name vary in length. */
enum { STATE_VERSION = 1 };

/* Puts or gets: one description of the format for both ways. */
struct packing {
    uint8_t *put; /* NULL: reading */
    const uint8_t *get;
    size_t at, end;
    bool failed;
};

static void pack_bytes(struct packing *packing, void *bytes, size_t len) {
    if (packing->failed || packing->end - packing->at < len) {
        packing->failed = true;
        return;
    }
    if (packing->put)
        memcpy(packing->put + packing->at, bytes, len);
    else
        memcpy(bytes, packing->get + packing->at, len);
    packing->at += len;
}

static uint64_t pack_number(struct packing *packing, uint64_t value, unsigned bytes) {
    uint8_t parts[8];

    for (unsigned i = 0; i < bytes; i++)
        parts[i] = (uint8_t)(value >> 8 * i);
    pack_bytes(packing, parts, bytes);
    if (packing->failed)
        return 0;
    value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)parts[i] << 8 * i;
    return value;
}

static void pack_u64(struct packing *packing, uint64_t *value) {
    *value = pack_number(packing, *value, 8);
}

static void pack_i64(struct packing *packing, int64_t *value) {
    *value = (int64_t)pack_number(packing, (uint64_t)*value, 8);
}

static void pack_u8(struct packing *packing, uint8_t *value) {
    *value = (uint8_t)pack_number(packing, *value, 1);
}

static bool pack_bit(uint8_t *bits, unsigned at, bool value, bool is_put) {
    if (is_put)
        *bits = (uint8_t)(*bits | (value ? 1u << at : 0));
    return *bits >> at & 1;
}

static void pack_topic(struct packing *packing, struct alert_state *state, unsigned topic) {
    uint8_t bits = 0;

    pack_bit(&bits, 0, state->topics[topic].is_open, packing->put);
    pack_bit(&bits, 1, state->topics[topic].is_given, packing->put);
    pack_u8(packing, &bits);
    state->topics[topic].is_open = pack_bit(&bits, 0, false, false);
    state->topics[topic].is_given = pack_bit(&bits, 1, false, false);
    pack_u8(packing, &state->topics[topic].good);
    pack_u8(packing, &state->topics[topic].flaps);
    pack_u8(packing, &state->topics[topic].calm);
}

static void pack_certificate(struct packing *packing, struct alert_state *state) {
    pack_bytes(packing, state->fingerprint, sizeof state->fingerprint);
    pack_bytes(packing, state->spki, sizeof state->spki);
    pack_u64(packing, &state->names);
    pack_u64(packing, &state->issuer_id);
    pack_i64(packing, &state->not_before);
    pack_i64(packing, &state->not_after);
    pack_u8(packing, &state->issuer_len);
    packing->failed |= state->issuer_len > sizeof state->issuer_cn;
    pack_bytes(packing, state->issuer_cn, state->issuer_len);
}

static void pack_state(struct packing *packing, struct alert_state *state) {
    uint8_t version = STATE_VERSION, bits = 0;

    pack_u8(packing, &version);
    packing->failed |= version != STATE_VERSION;
    pack_bit(&bits, 0, state->has_certificate, packing->put);
    pack_bit(&bits, 1, state->told_expired, packing->put);
    pack_u8(packing, &bits);
    state->has_certificate = pack_bit(&bits, 0, false, false);
    state->told_expired = pack_bit(&bits, 1, false, false);
    pack_i64(packing, &state->time_ms);
    pack_u64(packing, &state->last_id);
    state->failures = (uint16_t)pack_number(packing, state->failures, 2);
    pack_i64(packing, &state->stored_ms);
    pack_u64(packing, &state->content);
    for (unsigned i = 0; i < ALERT_ENDPOINT_TOPICS; i++)
        pack_topic(packing, state, i);
    if (!state->has_certificate)
        return;
    pack_certificate(packing, state);
    pack_i64(packing, &state->told_s);
    pack_u64(packing, &state->told_certificate);
    pack_u8(packing, &state->returns);
    pack_i64(packing, &state->returned_ms);
    pack_u8(packing, &state->recent_count);
    packing->failed |= state->recent_count > ALERT_RECENT;
    for (unsigned i = 0; i < state->recent_count && !packing->failed; i++) {
        pack_u64(packing, &state->recent[i].certificate);
        pack_i64(packing, &state->recent[i].seen_ms);
    }
}

void alert_state_init(struct alert_state *state) {
    memset(state, 0, sizeof *state);
    for (unsigned i = 0; i < ALERT_ENDPOINT_TOPICS; i++)
        state->topics[i].calm = ALERT_FLAP_RESULTS;
}

size_t alert_state_pack(const struct alert_state *state, uint8_t out[ALERT_STATE_BYTES_MAX]) {
    struct alert_state copy = *state;
    struct packing packing = {.put = out, .end = ALERT_STATE_BYTES_MAX};

    pack_state(&packing, &copy);
    return packing.failed ? 0 : packing.at;
}

bool alert_state_unpack(struct slice packed, struct alert_state *out) {
    struct packing packing = {.get = packed.ptr, .end = packed.len};

    alert_state_init(out);
    pack_state(&packing, out);
    if (!packing.failed && packing.at == packing.end)
        return true;
    alert_state_init(out);
    return false;
}
