/* What the files of a follower share.
 *
 *     follower.c          what it wants, and what comes of it
 *     follower_waits.c    when things are asked for again; what an operator hears of it
 *     follower_target.c   heads: the one that is worked towards, and whether the tree is its
 *     follower_window.c   the pages that are under way or wait
 *     follower_saved.c    what is kept over a restart */
#ifndef INGEST_CT_FOLLOWER_INTERNAL_H
#define INGEST_CT_FOLLOWER_INTERNAL_H

#include "engine/base/random.h"
#include "engine/ct/tile.h"
#include "ingest/ct/follower.h"

enum {
    TOLD_AFTER = 5,     /* failures in a row until an operator hears of it */
    RETARGET_AFTER = 3, /* troubles with a head until another head may take its place */
    UNPROVEN_AFTER = 6, /* failures of a proof until pages leave without it */
};

/* Something that is asked for, one at a time. */
struct asking {
    bool asked;      /* and not answered yet */
    uint64_t number; /* of the want */
    uint32_t tries;  /* that failed in a row */
    int64_t due_ms;  /* not before */
};

enum segment_state {
    SEGMENT_MISSING,
    SEGMENT_DECODED, /* has its page */
    SEGMENT_MERGED,  /* its page is in the tree */
};

/* Entries that one page is to bring. Segments follow each other without a gap, from what has left
 * to `next`. */
struct segment {
    enum segment_state state;
    uint32_t count;
    uint64_t first;
    struct asking asking;
    struct page *page;
};

/* The head that is worked towards. */
struct target {
    bool set;
    struct ct_head head;
    uint64_t end; /* of the entries that are fetched for it; what is behind is its tail */
};

struct follower {
    struct follower_config config;
    struct random random;
    uint64_t number; /* of the last want */

    bool started; /* the tree has its beginning */
    bool moved;
    struct ct_range tree;      /* [0, merged) */
    struct ct_range verified;  /* what a head covers; more than has left, or less when unproven */
    struct ct_range committed; /* what has left */
    struct ct_range then_committed; /* and with the page that is ready */

    struct asking head, proof, tail;
    struct ct_head newest;
    bool has_head, has_until, newest_proven; /* the tree was found to be part of the newest */
    uint64_t until;                          /* to_the_end: how far */
    struct target target;
    uint32_t troubles;        /* wants that failed since it was set, or since a proof held */
    struct ct_range to_prove; /* the tree when the proof was asked for */
    int64_t partial_since_ms; /* INT64_MIN: none waits */

    struct segment segments[FOLLOWER_WINDOW_MAX];
    uint32_t segment_count;
    uint64_t next;                                      /* entry behind the last segment */
    uint32_t page_entries, short_entries, full_answers; /* what the log gives at once */

    int64_t quiet_until_ms, next_ask_ms;
    uint64_t quiet_number; /* the last want when the log was last left alone */
    uint32_t silences;     /* times that it was, without an answer between */
    int64_t pace_ms;       /* between two wants, for a log that says it is too much */
    uint32_t mismatches;   /* since the entries were last right */
    bool told_unreachable, told_broken, told_forged, told_equivocation;
};

/* --- follower_waits.c --- */

/* Whether it may be asked for now; else *wake_ms becomes no later than when it may be. */
bool asking_is_due(const struct asking *asking, int64_t now_ms, int64_t *wake_ms);
void asking_reset(struct asking *asking);

/* Between three and five quarters of it. */
int64_t follower_jittered(struct follower *follower, int64_t wait_ms);
/* The first wait, so many times, doubled with each try. */
int64_t follower_backoff(struct follower *follower, uint32_t times, uint32_t tries);

/* True until the log may be asked for something again. */
bool follower_is_quiet(const struct follower *follower, int64_t now_ms, int64_t *wake_ms);

/* An answer came; one to `asking`, unless that is NULL. */
void follower_note_answer(struct follower *follower, const struct follower_want *want,
                          struct asking *asking);
void follower_note_trouble(struct follower *follower, int64_t now_ms,
                           const struct follower_want *want, struct asking *asking,
                           enum want_trouble trouble, int64_t retry_after_ms, const char *words);

void follower_tell(struct follower *follower, enum feed_incident incident, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- follower_target.c --- */

/* Sets the target, when there is something to work towards. */
void follower_choose_target(struct follower *follower, int64_t now_ms);
/* Compares the tree, with `tail` behind it, with the target's head; when it has all entries. */
void follower_compare(struct follower *follower, int64_t now_ms, const struct ct_hash *tail,
                      uint32_t tail_count);
/* The tree where a proof was asked for, and what the proof says of it. */
void follower_compare_proof(struct follower *follower, int64_t now_ms,
                            const struct ct_range *range);
void follower_take_head(struct follower *follower, int64_t now_ms, const struct ct_head *head);
/* What it promises could not be had: after some times others are looked at. */
void follower_doubt_head(struct follower *follower, int64_t now_ms);

/* --- follower_window.c --- */

/* The next segment to be asked for, planned when there is room; NULL when there is none. */
struct segment *window_next(struct follower *follower, int64_t now_ms, int64_t *wake_ms);
/* The one that a want is for; NULL when it is not waited for any more. */
struct segment *window_find(struct follower *follower, const struct follower_want *want);
/* Puts a page where it was missing. False, and nothing is taken, when it does not fit there. */
bool window_take(struct follower *follower, struct segment *segment, struct page *page);
/* Pages in order become part of the tree. */
void window_merge(struct follower *follower);
/* No further page could be planned. */
bool window_is_full(const struct follower *follower);
/* Pages that are merged and not verified. */
uint32_t window_unproven(const struct follower *follower);
/* Drops what lies behind `entry`, the end of a segment, and plans from there. */
void window_drop_behind(struct follower *follower, uint64_t entry);

/* --- follower_saved.c --- */

size_t follower_save(const struct follower *follower, uint8_t out[FOLLOWER_SAVED_MAX]);
bool follower_restore(struct follower *follower, struct slice saved);

#endif
