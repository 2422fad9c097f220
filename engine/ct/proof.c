#include "engine/ct/proof.h"

#include "engine/base/base64.h"
#include "engine/base/limits.h"

#include <assert.h>
#include <yyjson.h>

/* --- Proofs --- */

/* The way up from a leaf: `node` is its position in its level, `last` that of the level's last
 * node. */
struct climb {
    uint64_t node, last;
};

/* Whether the sibling at this step stands on the left. Then levels in which the node had none, as
 * the last and left child of its parent, are left behind. */
static bool climb_has_left(struct climb *climb) {
    if (!(climb->node & 1) && climb->node != climb->last)
        return false;
    while (climb->node && !(climb->node & 1)) {
        climb->node >>= 1;
        climb->last >>= 1;
    }
    return true;
}

static void climb_up(struct climb *climb) {
    climb->node >>= 1;
    climb->last >>= 1;
}

bool ct_inclusion_verify(const struct ct_proof *path, const struct ct_hash *leaf, uint64_t index,
                         uint64_t tree_size, const struct ct_hash *root) {
    if (index >= tree_size)
        return false;
    struct climb climb = {index, tree_size - 1};
    struct ct_hash hash = *leaf;
    for (uint32_t i = 0; i < path->count; i++) {
        if (climb.last == 0)
            return false;
        hash = climb_has_left(&climb) ? ct_node_hash(&path->hashes[i], &hash)
                                      : ct_node_hash(&hash, &path->hashes[i]);
        climb_up(&climb);
    }
    return climb.last == 0 && ct_hash_equal(&hash, root);
}

/* RFC 9162 section 2.1.4.2, for 0 < first < second. */
static bool consistency_verify(const struct ct_proof *proof, const struct ct_head *first,
                               const struct ct_head *second) {
    struct climb climb = {first->tree_size - 1, second->tree_size - 1};
    bool is_subtree = (first->tree_size & climb.node) == 0; /* its root is a node of the second */
    uint32_t next = is_subtree ? 0 : 1;

    if (proof->count == 0)
        return false;
    while (climb.node & 1)
        climb_up(&climb);
    struct ct_hash old_root = is_subtree ? first->root : proof->hashes[0], new_root = old_root;
    for (; next < proof->count; next++) {
        const struct ct_hash *sibling = &proof->hashes[next];
        if (climb.last == 0)
            return false;
        if (climb_has_left(&climb)) {
            old_root = ct_node_hash(sibling, &old_root);
            new_root = ct_node_hash(sibling, &new_root);
        } else {
            new_root = ct_node_hash(&new_root, sibling);
        }
        climb_up(&climb);
    }
    return climb.last == 0 && ct_hash_equal(&old_root, &first->root) &&
           ct_hash_equal(&new_root, &second->root);
}

bool ct_consistency_verify(const struct ct_proof *proof, const struct ct_head *first,
                           const struct ct_head *second) {
    struct ct_hash empty = ct_empty_root();

    if (first->tree_size > second->tree_size)
        return false;
    if (first->tree_size == second->tree_size)
        return proof->count == 0 && ct_hash_equal(&first->root, &second->root);
    if (first->tree_size == 0)
        return proof->count == 0 && ct_hash_equal(&first->root, &empty);
    return consistency_verify(proof, first, second);
}

/* --- As JSON --- */

static bool read_hash(yyjson_val *value, struct ct_hash *out) {
    struct slice text = {(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
    uint8_t bytes[CT_HASH_BYTES + 2];
    size_t len;

    if (text.len != base64_encoded_size(CT_HASH_BYTES) || !base64_decode(text, bytes, &len, NULL) ||
        len != CT_HASH_BYTES)
        return false;
    memcpy(out->bytes, bytes, CT_HASH_BYTES);
    return true;
}

static bool read_hashes(yyjson_val *array, struct ct_proof *out) {
    size_t index, count;
    yyjson_val *value;

    out->count = 0;
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > CT_PROOF_HASHES_MAX)
        return false;
    yyjson_arr_foreach(array, index, count, value) {
        if (!read_hash(value, &out->hashes[index]))
            return false;
    }
    out->count = (uint32_t)count;
    return true;
}

static bool read_bytes(yyjson_val *value, struct buffer *out) {
    struct slice text = {(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
    size_t len;

    if (!yyjson_is_str(value))
        return false;
    uint8_t *at = buffer_reserve(out, base64_decoded_max(text.len));
    if (!at || !base64_decode(text, at, &len, NULL))
        return false;
    out->len += len;
    return true;
}

static yyjson_doc *read_json(struct slice json) {
    return json.len > LIMIT_CT_PROOF_BYTES
               ? NULL
               : yyjson_read((const char *)json.ptr, json.len, YYJSON_READ_NOFLAG);
}

bool ct_proof_parse_consistency(struct slice json, struct ct_proof *out) {
    yyjson_doc *doc = read_json(json);
    bool good = read_hashes(yyjson_obj_get(yyjson_doc_get_root(doc), "consistency"), out);

    yyjson_doc_free(doc);
    return good;
}

bool ct_proof_parse_entry(struct slice json, struct ct_proof *out, struct buffer *leaf_input) {
    yyjson_doc *doc = read_json(json);
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool good = read_hashes(yyjson_obj_get(root, "audit_path"), out) &&
                read_bytes(yyjson_obj_get(root, "leaf_input"), leaf_input);

    yyjson_doc_free(doc);
    return good;
}

/* --- Beginning in the middle --- */

bool ct_range_from_proof(const struct ct_proof *path, const struct ct_hash *leaf, uint64_t index,
                         const struct ct_head *head, struct ct_range *out) {
    ct_range_init(out, 0);
    if (head->tree_size > CT_TREE_SIZE_MAX ||
        !ct_inclusion_verify(path, leaf, index, head->tree_size, &head->root))
        return false;

    /* Left siblings, from small to large, are the subtrees that make up [0, index). */
    struct climb climb = {index, head->tree_size - 1};
    uint32_t left[CT_PROOF_HASHES_MAX], count = 0;
    for (uint32_t i = 0; i < path->count; i++) {
        if (climb_has_left(&climb))
            left[count++] = i;
        climb_up(&climb);
    }
    assert(count == (uint32_t)__builtin_popcountll(index));
    for (out->end = index; count; out->count++)
        out->nodes[out->count] = path->hashes[left[--count]];
    return ct_range_append(out, leaf, 1);
}

size_t ct_edge_tiles(uint64_t tree_size, struct ct_tile tiles[CT_TILE_LEVELS]) {
    size_t count = 0;

    assert(tree_size <= CT_TREE_SIZE_MAX);
    for (unsigned level = CT_TILE_LEVELS; level--;) {
        uint64_t hashes = tree_size >> (CT_TILE_HEIGHT * level);
        uint16_t width = hashes % CT_TILE_WIDTH;
        if (width)
            tiles[count++] = (struct ct_tile){.kind = CT_TILE_HASHES,
                                              .level = (uint8_t)level,
                                              .width = width,
                                              .index = hashes / CT_TILE_WIDTH};
    }
    return count;
}

bool ct_range_of_tiles(const struct slice *tiles, uint64_t tree_size, struct ct_range *out) {
    struct ct_tile wanted[CT_TILE_LEVELS];

    ct_range_init(out, 0);
    size_t count = ct_edge_tiles(tree_size, wanted);
    for (size_t i = 0; i < count; i++) {
        const struct ct_hash *hashes = ct_tile_hashes(tiles[i], wanted[i].width);
        for (unsigned at = 0; at < wanted[i].width; at++)
            if (!hashes ||
                !ct_range_append_subtree(out, CT_TILE_HEIGHT * wanted[i].level, &hashes[at]))
                return false;
    }
    return true;
}

bool ct_range_from_tiles(const struct slice *tiles, const struct ct_head *head,
                         struct ct_range *out) {
    if (!ct_range_of_tiles(tiles, head->tree_size, out))
        return false;
    struct ct_hash root = ct_range_root(out);
    return ct_hash_equal(&root, &head->root);
}
