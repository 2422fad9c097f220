/* What can go wrong on demand, and when. A rule as text:
 *
 *     KIND[,p=0.25][,at=100-199][,on=heads][,times=3][,retry=2][,over=5]
 *
 * p      how likely, for each request (default 1); drawn from the seed of the farm
 * at     only for requests that touch these entries, or one of them (100)
 * on     only for requests of this class: ctfarm_class_name
 * times  only so often
 * retry  seconds for Retry-After; 0 for none
 * over   only when more requests than this came in the current second
 *
 * One owner, one thread at a time. */
#ifndef BENCH_CTFARM_CTFARM_FAULT_H
#define BENCH_CTFARM_CTFARM_FAULT_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/base/random.h"

enum ctfarm_fault {
    /* Instead of the answer */
    CTFARM_FAULT_429,
    CTFARM_FAULT_500,
    CTFARM_FAULT_503,
    CTFARM_FAULT_404,
    CTFARM_FAULT_HTML,
    CTFARM_FAULT_STALL,
    CTFARM_FAULT_RESET,
    CTFARM_FAULT_HUGE,
    /* While it is sent */
    CTFARM_FAULT_CUT,
    CTFARM_FAULT_DRIP,
    CTFARM_FAULT_WRONG_TYPE,
    /* Heads */
    CTFARM_FAULT_SHRINK,
    CTFARM_FAULT_STALE,
    CTFARM_FAULT_BAD_SIGNATURE,
    CTFARM_FAULT_EQUIVOCATE,
    /* Entries, tiles, issuers */
    CTFARM_FAULT_SHORT_PAGE,
    CTFARM_FAULT_WRONG_LEAF,
    CTFARM_FAULT_BAD_FRAMING,
    CTFARM_FAULT_WRONG_TILE,
    CTFARM_FAULT_PARTIAL_GONE,
    CTFARM_FAULT_BROKEN_GZIP,
    CTFARM_FAULT_GZIP_BOMB,
    CTFARM_FAULT_WRONG_ISSUER,
    /* Feeds, for each message */
    CTFARM_FAULT_FEED_DROP,
    CTFARM_FAULT_FEED_TWICE,
    CTFARM_FAULT_FEED_GARBAGE,
    CTFARM_FAULT_FEED_BINARY,
    CTFARM_FAULT_FEED_HUGE,
    CTFARM_FAULT_FEED_CLOSE,
    CTFARM_FAULT_FEED_CUT,
    CTFARM_FAULT_FEED_STALL,
    CTFARM_FAULT_COUNT
};

/* What a request is for. */
enum ctfarm_class {
    CTFARM_CLASS_HEADS,   /* get-sth, checkpoint */
    CTFARM_CLASS_PROOFS,  /* get-sth-consistency, get-proof-by-hash, get-entry-and-proof */
    CTFARM_CLASS_ENTRIES, /* get-entries */
    CTFARM_CLASS_DATA,    /* data tiles */
    CTFARM_CLASS_TILES,   /* hash tiles */
    CTFARM_CLASS_ISSUERS, /* issuers, get-roots */
    CTFARM_CLASS_LIST,    /* the log list and its signature */
    CTFARM_CLASS_FEED,    /* the start of a feed */
    CTFARM_CLASS_OTHER,   /* control, stats, truth: never faulty */
    CTFARM_CLASS_COUNT
};

const char *ctfarm_fault_name(enum ctfarm_fault fault);
const char *ctfarm_fault_summary(enum ctfarm_fault fault);
const char *ctfarm_class_name(enum ctfarm_class class);

struct ctfarm_rule {
    enum ctfarm_fault fault;
    double probability;
    uint64_t first, last; /* entries */
    bool only_class;
    enum ctfarm_class class;
    uint64_t times; /* that are left; UINT64_MAX: no end */
    uint32_t retry_seconds, over;
};

enum { CTFARM_RULES_MAX = 32 };

struct ctfarm_faults {
    struct ctfarm_rule rules[CTFARM_RULES_MAX];
    uint32_t rule_count;
    uint64_t counts[CTFARM_FAULT_COUNT]; /* how often each happened */
    struct random random;
};

void ctfarm_faults_init(struct ctfarm_faults *faults, uint64_t seed);
/* Adds a rule as above. ERROR_USAGE says what is wrong with it. */
enum error ctfarm_faults_add(struct ctfarm_faults *faults, struct slice text,
                             struct failure *failure) __attribute__((warn_unused_result));
void ctfarm_faults_clear(struct ctfarm_faults *faults);

struct ctfarm_occasion {
    enum ctfarm_class class;
    bool has_entries;
    uint64_t first, last;     /* entries that the request touches */
    uint32_t requests_second; /* in the current second, this one included */
};

/* The rule by which the fault happens on this occasion, or NULL; counts it. Valid until the rules
 * are changed. */
const struct ctfarm_rule *ctfarm_fault_happens(struct ctfarm_faults *faults,
                                               enum ctfarm_fault fault,
                                               const struct ctfarm_occasion *occasion);
/* Whether any rule is for a fault of `first` to `last`, without counting. */
bool ctfarm_faults_any(const struct ctfarm_faults *faults, enum ctfarm_fault first,
                       enum ctfarm_fault last);

#endif
