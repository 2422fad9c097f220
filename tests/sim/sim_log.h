/* A log for followers to follow: entries, trees and heads that are right, and everything that a log
 * and the way to it can do wrong, by a seed. Its entries are leaf hashes, the same in all logs, of
 * which all ranges are made for real.
 *
 *     wants ─▶ sim_log_answer ─▶ an answer, some time later
 */
#ifndef TESTS_SIM_SIM_LOG_H
#define TESTS_SIM_SIM_LOG_H

#include "engine/base/random.h"
#include "engine/ct/tile.h"
#include "ingest/ct/follower.h"

enum { SIM_LOG_ENTRIES_MAX = 1 << 13 };

/* The leaves and all complete subtrees over them; made once. */
struct sim_tree {
    struct ct_hash levels[14][SIM_LOG_ENTRIES_MAX];
};

void sim_tree_init(struct sim_tree *tree);
void sim_tree_range(const struct sim_tree *tree, uint64_t begin, uint64_t end,
                    struct ct_range *out);

/* What goes wrong, each with its share of a thousand answers. */
struct sim_log_faults {
    uint32_t silent, throttled, refused, broken;
    uint32_t old_head, small_head, other_root, huge_head, forged_head;
    uint32_t short_page, wrong_leaf, lying_page;
    uint32_t no_proof, wrong_tail;
    uint32_t late, twice;
};

struct sim_log {
    const struct sim_tree *tree;
    struct random random;
    bool tiles;
    uint64_t size;      /* entries that there are */
    uint32_t page_most; /* of one answer */
    struct sim_log_faults faults;
    uint64_t wrong_from, wrong_to; /* entries that come changed, as long as there are faults */
    bool no_proofs;                /* none is right, as long as there are faults */
    bool well;                     /* no faults any more */
};

enum sim_answer_kind { SIM_HEAD, SIM_PROOF, SIM_TAIL, SIM_PAGE, SIM_TROUBLE };

struct sim_answer {
    enum sim_answer_kind kind;
    struct follower_want want;
    int64_t after_ms; /* so long after the want */
    bool twice;
    struct ct_head head;
    struct ct_range range; /* of a proof, or of a page */
    uint64_t page_first;
    uint32_t page_entries;
    struct ct_hash hashes[CT_TILE_WIDTH];
    enum want_trouble trouble;
    int64_t retry_after_ms;
};

struct ct_head sim_log_head(const struct sim_log *log, uint64_t size);
void sim_log_answer(struct sim_log *log, const struct follower_want *want, struct sim_answer *out);

#endif
