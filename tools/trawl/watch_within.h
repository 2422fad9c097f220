/* `trawl watch` on threads of its own within another program, which gets what it finds. */
#ifndef TOOLS_TRAWL_WATCH_WITHIN_H
#define TOOLS_TRAWL_WATCH_WITHIN_H

#include "engine/base/option.h"
#include "engine/record/ct_record.h"

struct watch_within;

struct watch_within_config {
    const struct option_list *arguments; /* of `trawl watch`; outlive it, as all texts here */
    const char *state;                   /* --state, unless they say one; NULL: none */
    uint64_t grace_ms;                   /* --grace likewise */
    bool quiet;

    /* On one thread of the watch; may block. An error is tried again until it passes, but for
     * EINVAL: this record can never be taken. */
    enum error (*is_known)(void *owner, const struct ct_record *record, bool by_key,
                           enum ct_known_by *by, struct failure *failure);
    /* Has its verdict. `*is_new`: nobody was told of this issuance before. */
    enum error (*add_hit)(void *owner, const struct ct_record *record, bool *is_new,
                          struct failure *failure);
    enum error (*check)(void *owner, struct failure *failure); /* whether it answers */

    /* On another thread of it; may block. What a source is, once, and when it changes; with an
     * error it is told again. */
    enum error (*tell_source)(void *owner, struct slice name, bool is_stale, const char *words,
                              struct failure *failure);
    /* On the same, every second or so. */
    void (*tick)(void *owner);
    /* Any thread; must not block. */
    void (*say)(void *owner, const char *words);
    void *owner;
};

/* Reads the arguments; nothing is opened yet. */
enum error watch_within_new(struct watch_within **out, const struct watch_within_config *config,
                            struct failure *failure) __attribute__((warn_unused_result));

/* `visit` gets each file and folder that it writes. */
enum error watch_within_each_path(const struct watch_within *within,
                                  enum error (*visit)(void *context, const char *path,
                                                      bool is_folder),
                                  void *context) __attribute__((warn_unused_result));

/* Opens all, and follows. What ends it later is said, and tried again. */
enum error watch_within_start(struct watch_within *within, struct failure *failure)
    __attribute__((warn_unused_result));

/* Ends it within seconds, and frees it. NULL is fine. */
void watch_within_close(struct watch_within *within);

/* For any thread, once it is started: as `trawl watch --listen` shows them. Health is a JSON
 * object; false when all is not well. */
void watch_within_metrics(struct watch_within *within, struct buffer *out);
bool watch_within_health(struct watch_within *within, struct buffer *out);

#endif
