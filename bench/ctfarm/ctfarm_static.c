/* static-ct-api: checkpoints, tiles and issuers. */
#include "bench/ctfarm/ctfarm_server.h"

#include "engine/base/text.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <zlib.h>

enum { LEVEL_DATA = 100, LEVELS = 6, BOMB_BYTES = 1 << 30 };

static const char IMMUTABLE[] = "public, max-age=604800, immutable";

/* --- Paths --- */

struct tile {
    unsigned level; /* LEVEL_DATA for data */
    uint64_t number;
    uint32_t width; /* 1 to 255; 256 for a complete one */
};

/* Takes up to `separator`, which is taken too, or all. */
static struct slice take_segment(struct slice *rest) {
    const uint8_t *slash = rest->len ? memchr(rest->ptr, '/', rest->len) : NULL;
    struct slice segment = slash ? slice_first(*rest, (size_t)(slash - rest->ptr)) : *rest;
    *rest = slash ? slice_from(*rest, segment.len + 1) : (struct slice){0};
    return segment;
}

static bool three_digits(struct slice text, uint64_t *number) {
    uint64_t digits;
    if (text.len != 3 || !slice_to_u64(text, 999, &digits) || *number > UINT64_MAX / 2000)
        return false;
    *number = *number * 1000 + digits;
    return true;
}

/* "x001/x234/067" or "x001/x234/067.p/17". */
static bool parse_tile(struct slice path, struct tile *out) {
    struct slice segment = take_segment(&path);
    uint64_t level, width = CTFARM_TILE;
    if (slice_is(segment, "data"))
        level = LEVEL_DATA;
    else if (!slice_to_u64(segment, LEVELS - 1, &level))
        return false;
    out->level = (unsigned)level;
    out->number = 0;
    for (segment = take_segment(&path); segment.len && segment.ptr[0] == 'x';
         segment = take_segment(&path))
        if (!three_digits(slice_from(segment, 1), &out->number))
            return false;
    if (segment.len == 5 && memcmp(segment.ptr + 3, ".p", 2) == 0) {
        if (!slice_to_u64(path, CTFARM_TILE - 1, &width) || width == 0)
            return false;
        path = (struct slice){0};
        segment.len = 3;
    }
    out->width = (uint32_t)width;
    return path.len == 0 && three_digits(segment, &out->number);
}

/* How many entries one hash of a level is over; 0 when that is beyond counting. */
static uint64_t entries_of_hash(unsigned level) {
    return level == LEVEL_DATA ? 1 : UINT64_C(1) << (8 * level);
}

static bool tile_of(struct slice path, struct tile *out) {
    if (path.len < 5 || memcmp(path.ptr, "tile/", 5) != 0)
        return false;
    return parse_tile(slice_from(path, 5), out);
}

/* --- Tiles --- */

static bool tile_exists(const struct ctfarm *server, const struct tile *tile) {
    uint64_t hashes = server->head.size / entries_of_hash(tile->level);
    return tile->number < UINT64_MAX / CTFARM_TILE / 2 &&
           tile->number * CTFARM_TILE + tile->width <= hashes;
}

static void answer_hashes(struct ctfarm *server, const struct tile *tile,
                          const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply) {
    for (uint32_t i = 0; i < tile->width; i++)
        buffer_add(&reply->body,
                   ctfarm_level_hash(server->log, tile->level, tile->number * CTFARM_TILE + i),
                   CTFARM_TREE_HASH);
    if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_WRONG_TILE, occasion) && reply->body.len)
        reply->body.ptr[reply->body.len / 2] ^= 1;
}

/* A gigabyte of zeros as gzip: one compressed megabyte again and again. */
static bool make_bomb(struct buffer *out) {
    enum { PIECE = 1 << 20, RAW_WINDOW = -15, MEMORY = 8 };
    static const uint8_t HEAD[10] = {0x1f, 0x8b, 8, [9] = 3}, LAST_BLOCK[2] = {3, 0};
    static const uint8_t zeros[PIECE];
    uint8_t piece[8192];
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)zeros,
                       .avail_in = PIECE,
                       .next_out = piece,
                       .avail_out = sizeof piece};
    if (deflateInit2(&stream, 9, Z_DEFLATED, RAW_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bool made = deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_in == 0;
    size_t len = sizeof piece - stream.avail_out;
    uLong of_piece = crc32(0, zeros, PIECE), crc = 0;
    buffer_add(out, HEAD, sizeof HEAD);
    for (int i = 0; i < BOMB_BYTES / PIECE; i++) {
        buffer_add(out, piece, len);
        crc = i ? crc32_combine(crc, of_piece, PIECE) : of_piece;
    }
    buffer_add(out, LAST_BLOCK, sizeof LAST_BLOCK);
    for (int i = 0; i < 8; i++)
        buffer_add_byte(out, (uint8_t)((i < 4 ? crc : (uLong)BOMB_BYTES) >> (8 * (i % 4))));
    deflateEnd(&stream);
    return made && !out->failed;
}

/* The data of a partial tile, or of one that is to be spoiled, compressed for this reply alone. */
static void compress_part(struct ctfarm_reply *reply) {
    struct ctfarm_reply_part *part = &reply->parts[0];
    struct slice plain = {part->page->bytes.ptr + part->from, part->to - part->from};
    if (!ctfarm_gzip(plain, &reply->body))
        reply->body.failed = true;
    ctfarm_page_put(part->page);
    reply->part_count = 0;
}

/* Instead of the tile one that nobody can, or should, inflate. */
static bool answer_bad_gzip(struct ctfarm *server, const struct ctfarm_occasion *occasion,
                            struct ctfarm_reply *reply) {
    if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_GZIP_BOMB, occasion)) {
        if (server->bomb.len == 0 && !make_bomb(&server->bomb))
            reply->body.failed = true;
        buffer_add_slice(&reply->body, buffer_slice(&server->bomb));
        reply->encoding = "gzip";
        return true;
    }
    return false;
}

static void answer_data(struct ctfarm *server, const struct tile *tile,
                        const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply) {
    uint64_t first = tile->number * CTFARM_TILE;
    struct ctfarm_faults *faults = &server->faults;
    if (answer_bad_gzip(server, occasion, reply))
        return;
    bool broken = ctfarm_fault_happens(faults, CTFARM_FAULT_BROKEN_GZIP, occasion);
    bool framing = ctfarm_fault_happens(faults, CTFARM_FAULT_BAD_FRAMING, occasion);
    bool gzip = server->options.gzip || broken, part = tile->width < CTFARM_TILE;
    enum ctfarm_form form = gzip && !part && !framing ? CTFARM_FORM_GZIP : CTFARM_FORM_DATA;
    if (!ctfarm_reply_page(server, reply, form, first, first + tile->width, occasion))
        return;
    if (framing) { /* the length of the first entry, whichever type it has */
        struct ctfarm_reply_part *all = &reply->parts[0];
        buffer_add(&reply->body, all->page->bytes.ptr + all->from, all->to - all->from);
        ctfarm_page_put(all->page);
        reply->part_count = 0;
        if (reply->body.len > 44)
            reply->body.ptr[10] = reply->body.ptr[42] = 0xff;
        return;
    }
    if (gzip && form == CTFARM_FORM_DATA)
        compress_part(reply);
    if (broken) {
        if (reply->part_count) {
            struct ctfarm_reply_part *all = &reply->parts[0];
            buffer_add_slice(&reply->body, buffer_slice(&all->page->bytes));
            ctfarm_page_put(all->page);
            reply->part_count = 0;
        }
        memset(reply->body.ptr + reply->body.len / 2, 0xff, reply->body.len / 8);
    }
    reply->encoding = gzip ? "gzip" : NULL;
}

static void answer_tile(struct ctfarm *server, const struct tile *tile,
                        const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply) {
    bool part = tile->width < CTFARM_TILE;
    if (!tile_exists(server, tile) ||
        (part && ctfarm_fault_happens(&server->faults, CTFARM_FAULT_PARTIAL_GONE, occasion)))
        return ctfarm_reply_error(reply, 404, "no such tile");
    reply->cache = IMMUTABLE;
    if (tile->level == LEVEL_DATA)
        answer_data(server, tile, occasion, reply);
    else
        answer_hashes(server, tile, occasion, reply);
}

/* --- Checkpoints and issuers --- */

static void answer_checkpoint(struct ctfarm *server, const struct ctfarm_occasion *occasion,
                              struct ctfarm_reply *reply) {
    bool bad_signature;
    struct ctfarm_published head = ctfarm_head_shown(server, occasion, &bad_signature);
    reply->type = "text/plain; charset=utf-8";
    reply->cache = "no-store";
    ctfarm_add_checkpoint(server->log, server->origin, (uint64_t)head.timestamp_ms, head.size,
                          head.root, bad_signature, &reply->body);
}

static void answer_issuer(struct ctfarm *server, struct slice name,
                          const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply) {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    bool is_root, found = false;
    struct slice der;
    struct buffer hex;
    buffer_init(&hex);
    for (uint32_t i = 0; !found && (der = ctfarm_authority(server->log, i, &is_root)).len; i++) {
        SHA256(der.ptr, der.len, hash);
        hex.len = 0;
        text_add_hex(&hex, (struct slice){hash, sizeof hash});
        found = slice_equal(name, buffer_slice(&hex));
    }
    buffer_deinit(&hex);
    if (!found)
        return ctfarm_reply_error(reply, 404, "no such issuer");
    reply->type = "application/pkix-cert";
    reply->cache = IMMUTABLE;
    buffer_add_slice(&reply->body, der);
    if (ctfarm_fault_happens(&server->faults, CTFARM_FAULT_WRONG_ISSUER, occasion) &&
        reply->body.len)
        reply->body.ptr[reply->body.len - 1] ^= 1;
}

/* --- Dispatch --- */

void ctfarm_static_occasion(const struct ctfarm_request *request, struct slice path,
                            struct ctfarm_occasion *out) {
    struct tile tile;
    (void)request;
    out->class = slice_is(path, "checkpoint") ? CTFARM_CLASS_HEADS : CTFARM_CLASS_ISSUERS;
    if (!tile_of(path, &tile))
        return;
    uint64_t each = entries_of_hash(tile.level);
    out->class = tile.level == LEVEL_DATA ? CTFARM_CLASS_DATA : CTFARM_CLASS_TILES;
    out->has_entries = tile.number < (UINT64_C(1) << 40) / each;
    out->first = tile.number * CTFARM_TILE * each;
    out->last = out->first + tile.width * each - 1;
}

void ctfarm_static_answer(struct ctfarm *server, const struct ctfarm_request *request,
                          struct slice path, const struct ctfarm_occasion *occasion,
                          struct ctfarm_reply *reply) {
    struct tile tile;
    (void)request;
    if (slice_is(path, "checkpoint"))
        answer_checkpoint(server, occasion, reply);
    else if (path.len == 7 + 2 * CTFARM_TREE_HASH && memcmp(path.ptr, "issuer/", 7) == 0)
        answer_issuer(server, slice_from(path, 7), occasion, reply);
    else if (tile_of(path, &tile))
        answer_tile(server, &tile, occasion, reply);
    else
        ctfarm_reply_error(reply, 404, "there is nothing here");
}
