/* Entries of Certificate Transparency logs: tiles of precertificates as a static-ct-api log serves
 * them, read step by step. A figure is of one entry. */
#include "bench/farm/farm_chain.h"
#include "bench/micro/micro.h"
#include "engine/ct/bind.h"
#include "engine/ct/entry.h"
#include "engine/ct/range.h"
#include "engine/ct/tile.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <stdlib.h>

enum { WARM_TILES = 1, COLD_TILES = 128 }; /* one stays in the cache; so many do not */

struct tiles {
    struct buffer bytes; /* `count` times the same tile */
    size_t tile_len;
    uint32_t count, next;
    struct ct_entry entries[CT_TILE_WIDTH];
    struct ct_hash leaves[CT_TILE_WIDTH];
};

/* --- Making them --- */

static bool add_slice(CBB *out, struct slice bytes) {
    return CBB_add_bytes(out, bytes.ptr, bytes.len);
}

/* Adds the precertificate of a TBS: the same with poison behind the last extension. The TBS ends in
 * [3] { SEQUENCE { extensions } }. */
static bool add_precertificate(CBB *out, struct slice tbs, const struct certificate *leaf) {
    static const uint8_t poison[] = {0x30, 0x13, 0x06, 0x0a, 0x2b, 0x06, 0x01,
                                     0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x03,
                                     0x01, 0x01, 0xff, 0x04, 0x02, 0x05, 0x00};
    struct certificate logged;
    CBS wrapper, list, element;
    CBB outer, body, extensions, all, signature;

    if (certificate_decode_tbs(tbs, &logged) != CERTIFICATE_OK)
        return false;
    CBS_init(&element, logged.extensions.ptr, logged.extensions.len);
    CBS_init(&wrapper, tbs.ptr, tbs.len);
    if (!CBS_get_asn1(&wrapper, &wrapper, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&element, &element, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3) ||
        !CBS_get_asn1(&element, &list, CBS_ASN1_SEQUENCE))
        return false;
    struct slice before = {CBS_data(&wrapper),
                           (size_t)(logged.extensions.ptr - CBS_data(&wrapper))};
    return CBB_add_asn1(out, &outer, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&outer, &body, CBS_ASN1_SEQUENCE) && add_slice(&body, before) &&
           CBB_add_asn1(&body, &extensions, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3) &&
           CBB_add_asn1(&extensions, &all, CBS_ASN1_SEQUENCE) &&
           CBB_add_bytes(&all, CBS_data(&list), CBS_len(&list)) &&
           CBB_add_bytes(&all, poison, sizeof poison) &&
           add_slice(&outer, leaf->signature_algorithm) &&
           CBB_add_asn1(&outer, &signature, CBS_ASN1_BITSTRING) && CBB_add_u8(&signature, 0) &&
           add_slice(&signature, leaf->signature) && CBB_flush(out);
}

static bool add_entry(CBB *out, uint64_t index, struct slice der) {
    static const uint8_t hashes[2 * CT_HASH_BYTES] = {1}; /* of a chain, and of the issuer's key */
    static const uint8_t leaf_index[] = {0, 0, 5, 0, 0, 0};
    struct certificate leaf;
    struct buffer tbs;
    CBB body, extensions, precertificate, chain;

    buffer_init(&tbs);
    bool made =
        certificate_decode(der, &leaf) == CERTIFICATE_OK && certificate_tbs_write(&leaf, &tbs) &&
        CBB_add_u64(out, UINT64_C(1767225600000) + index) && CBB_add_u16(out, CT_PRECERT_ENTRY) &&
        CBB_add_bytes(out, hashes, CT_HASH_BYTES) && CBB_add_u24_length_prefixed(out, &body) &&
        add_slice(&body, buffer_slice(&tbs)) && CBB_add_u16_length_prefixed(out, &extensions) &&
        CBB_add_bytes(&extensions, leaf_index, sizeof leaf_index) &&
        CBB_add_u16(&extensions, (uint16_t)index) &&
        CBB_add_u24_length_prefixed(out, &precertificate) &&
        add_precertificate(&precertificate, buffer_slice(&tbs), &leaf) &&
        CBB_add_u16_length_prefixed(out, &chain) && CBB_add_bytes(&chain, hashes, sizeof hashes) &&
        CBB_flush(out);
    buffer_deinit(&tbs);
    return made;
}

static bool add_tile(CBB *out) {
    struct farm_chain chains[CT_TILE_WIDTH];

    if (!farm_chains_init(chains, CT_TILE_WIDTH, FARM_GOOD_ECDSA, NULL))
        return false;
    bool made = true;
    for (uint32_t i = 0; made && i < CT_TILE_WIDTH; i++)
        made = add_entry(out, i, chains[i].certificates[0]);
    farm_chains_deinit(chains, CT_TILE_WIDTH);
    return made;
}

static void close_tiles(void *state) {
    struct tiles *tiles = state;

    buffer_deinit(&tiles->bytes);
    free(tiles);
}

static void *open_tiles(const void *argument) {
    struct tiles *tiles = calloc(1, sizeof *tiles);
    CBB out;

    if (!tiles || !CBB_init(&out, 1 << 19)) {
        free(tiles);
        return NULL;
    }
    buffer_init(&tiles->bytes);
    tiles->count = *(const uint32_t *)argument;
    bool made = add_tile(&out);
    tiles->tile_len = CBB_len(&out);
    for (uint32_t i = 0; made && i < tiles->count; i++)
        buffer_add(&tiles->bytes, CBB_data(&out), CBB_len(&out));
    CBB_cleanup(&out);
    if (made && !tiles->bytes.failed)
        return tiles;
    close_tiles(tiles);
    return NULL;
}

/* --- Reading them --- */

/* The entries of the next tile, at most `times`; how many they are. */
static uint32_t frame(struct tiles *tiles, uint64_t times) {
    uint32_t count = times < CT_TILE_WIDTH ? (uint32_t)times : CT_TILE_WIDTH;
    struct slice rest = {tiles->bytes.ptr + tiles->next * tiles->tile_len, tiles->tile_len};

    tiles->next = (tiles->next + 1) % tiles->count;
    for (uint32_t i = 0; i < count; i++)
        if (ct_tile_entry_next(&rest, &tiles->entries[i]) != CT_ENTRY_OK)
            abort();
    micro_keep(tiles->entries);
    return count;
}

static void decode(struct tiles *tiles, uint32_t count) {
    struct certificate certificate;

    for (uint32_t i = 0; i < count; i++) {
        if (ct_entry_certificate(&tiles->entries[i], &certificate) != CERTIFICATE_OK)
            abort();
        micro_keep(&certificate);
    }
}

static void bind(struct tiles *tiles, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (ct_bind(tiles->entries[i].precertificate, tiles->entries[i].signed_entry) != CT_BOUND)
            abort();
}

static void hash(struct tiles *tiles, uint32_t count) {
    struct ct_range range;

    ct_entry_leaf_hashes(tiles->entries, count, tiles->leaves);
    ct_range_init(&range, 0);
    if (!ct_range_append(&range, tiles->leaves, count))
        abort();
    micro_keep(&range);
}

static void run_frame(void *state, uint64_t times) {
    while (times)
        times -= frame(state, times);
}

static void run_decode(void *state, uint64_t times) {
    while (times) {
        uint32_t count = frame(state, times);
        decode(state, count);
        times -= count;
    }
}

static void run_bind(void *state, uint64_t times) {
    while (times) {
        uint32_t count = frame(state, times);
        bind(state, count);
        times -= count;
    }
}

static void run_tree(void *state, uint64_t times) {
    while (times) {
        uint32_t count = frame(state, times);
        hash(state, count);
        times -= count;
    }
}

static void run_all(void *state, uint64_t times) {
    while (times) {
        uint32_t count = frame(state, times);
        hash(state, count);
        decode(state, count);
        bind(state, count);
        times -= count;
    }
}

static const uint32_t warm = WARM_TILES, cold = COLD_TILES;

const struct micro_case ct_cases[] = {
    {"ct.frame", "an entry", open_tiles, run_frame, close_tiles, &warm},
    {"ct.frame-decode", "an entry", open_tiles, run_decode, close_tiles, &warm},
    {"ct.frame-bind", "an entry", open_tiles, run_bind, close_tiles, &warm},
    {"ct.frame-tree", "an entry", open_tiles, run_tree, close_tiles, &warm},
    {"ct.all", "an entry", open_tiles, run_all, close_tiles, &warm},
    {"ct.frame-cold", "an entry", open_tiles, run_frame, close_tiles, &cold},
    {"ct.all-cold", "an entry", open_tiles, run_all, close_tiles, &cold},
    {0},
};
