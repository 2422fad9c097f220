/* Any bytes as an answer to get-sth, get-sth-consistency and get-entry-and-proof. The one head that
 * the log has signed is the only one that is ever believed, however it is written. */
#include "engine/ct/proof.h"
#include "tests/fuzz/ct_signed_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice json = {data, size};
    struct ct_log_key key = signed_head_key();
    struct ct_proof proof;
    struct ct_head head;
    struct buffer leaf_input;

    require_signed_head(ct_head_parse_sth(json, &key, &head), &head);
    if (ct_proof_parse_consistency(json, &proof)) {
        require(proof.count <= CT_PROOF_HASHES_MAX);
        struct ct_head second = {.tree_size = UINT64_C(0x123456789), .root = {{1}}};
        struct ct_head first = {.tree_size = size, .root = {{2}}};
        require(!ct_consistency_verify(&proof, &first, &second));
    }
    buffer_init(&leaf_input);
    if (ct_proof_parse_entry(json, &proof, &leaf_input)) {
        struct ct_hash leaf = ct_leaf_hash(buffer_slice(&leaf_input));
        struct ct_range range;
        head = (struct ct_head){.tree_size = 1 + size % 777, .root = {{3}}};
        require(proof.count <= CT_PROOF_HASHES_MAX);
        require(!ct_range_from_proof(&proof, &leaf, size % 555, &head, &range));
    }
    buffer_deinit(&leaf_input);
    ct_log_key_deinit(&key);
    return 0;
}
