/* What a sink could not be given yet, on disk:
 *
 *     ROOT/webhook-hooks.example.org-3f2a9c01d2e4/   0700
 *          meta       kind, format and spec of the sink; what is secret in the spec is left out
 *          lock       held by the process that has it
 *          waiting/   batches in order (spool_log.h)
 *          dead/      what the other side does not want, each with the reason and the time
 *
 * The name comes of the sink's kind, its URL without options and passwords, and the format of its
 * records, so that the next run with the same sink finds what this one leaves. A second process
 * with the same sink gets a folder of its own, NAME-2 and so on. A folder in which nothing is left
 * is removed when it is closed.
 *
 * What is kept is on the disk when the call returns. Each half is bounded (`max_bytes`): more is
 * refused with ENOSPC, nothing is dropped. One owner, one thread at a time. */
#ifndef SINKS_SPOOL_H
#define SINKS_SPOOL_H

#include "sinks/spool_log.h"

enum {
    SPOOL_NAME_MAX = 128,
    SPOOL_SPEC_MAX = 4096,
    SPOOLS_OF_A_SINK = 64, /* processes with the same sink at once */
};

struct spool;

struct spool_meta {
    char name[SPOOL_NAME_MAX]; /* of the folder */
    char kind[32], format[32];
    char spec[SPOOL_SPEC_MAX];
    bool spec_is_cut; /* something secret was left out: it cannot be used as it is */
};

struct spool_config {
    const char *root; /* made when it is not there */
    const char *spec; /* without the options of the spool */
    const char *kind, *format;
    uint64_t max_bytes;
};

/* Where a sink's spool would lie, and what its meta would say. False when the spec is too long. */
bool spool_describe(const struct spool_config *config, struct spool_meta *out);

/* The spool of a sink: the first folder that no other process has, one with something in it first.
 */
enum error spool_open(struct spool **out, const struct spool_config *config,
                      struct failure *failure) __attribute__((warn_unused_result));

/* The one of this name. EBUSY when another process has it, ENOENT when there is none. */
enum error spool_open_named(struct spool **out, const char *root, const char *name,
                            struct failure *failure) __attribute__((warn_unused_result));

/* NULL is fine. */
void spool_close(struct spool *spool);

const struct spool_meta *spool_meta(const struct spool *spool);

/* Appends batches. */
enum error spool_keep(struct spool *spool, struct spool_frame *frames, size_t count,
                      struct failure *failure) __attribute__((warn_unused_result));
/* As those of the log. */
enum error spool_next(struct spool *spool, struct spool_frame *frame, struct buffer *bytes,
                      struct failure *failure) __attribute__((warn_unused_result));
enum error spool_done(struct spool *spool, uint64_t sequence, struct failure *failure);
void spool_rewind(struct spool *spool);

/* Appends dead letters; their time is now. */
enum error spool_bury(struct spool *spool, struct spool_frame *frames, size_t count,
                      struct failure *failure) __attribute__((warn_unused_result));
/* Makes waiting batches of all dead letters but damaged ones. */
enum error spool_revive(struct spool *spool, struct failure *failure)
    __attribute__((warn_unused_result));
/* Throws away the dead letters, or everything. */
enum error spool_discard(struct spool *spool, bool dead_only, struct failure *failure)
    __attribute__((warn_unused_result));

struct spool_statistics {
    struct spool_log_statistics waiting, dead;
};
struct spool_statistics spool_statistics(const struct spool *spool);

/* --- For those who only look: nothing is locked or changed --- */

struct spool_view {
    struct spool_meta meta;
    struct spool_statistics statistics;
    bool is_held; /* by a process */
};

/* Each spool below `root`, by name; what cannot be read is told in `failure` and skipped. A root
 * that is not there holds none. `see` returns false to end it. */
enum error spool_list(const char *root, bool (*see)(void *context, const struct spool_view *view),
                      void *context, struct failure *failure) __attribute__((warn_unused_result));

/* Each frame of one, in order: those that wait, or the dead letters. */
enum error spool_show(const char *root, const char *name, bool dead,
                      bool (*see)(void *context, const struct spool_frame *frame), void *context,
                      struct failure *failure) __attribute__((warn_unused_result));

#endif
