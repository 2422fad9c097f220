/* The names that `trawl watch` watches, from where its options say: read at the start, and again
 * when they change, on a thread of its own, for reading may take long. A list that cannot be read
 * or is empty never takes the place of the one in use. */
#ifndef TOOLS_TRAWL_WATCH_LISTS_H
#define TOOLS_TRAWL_WATCH_LISTS_H

#include "engine/decode/decoder.h"
#include "tools/trawl/watch_settings.h"

struct watch_lists;

struct watch_lists_config {
    const struct watch_settings *settings;
    struct decoder *decoder; /* is given each list */
    /* For an operator; on the thread that reads. */
    void (*say)(void *owner, const char *words);
    void *owner;
};

/* Reads the first list. A database may have no name yet; files and options must have one. */
enum error watch_lists_open(struct watch_lists **out, const struct watch_lists_config *config,
                            struct failure *failure) __attribute__((warn_unused_result));
/* Begins to look for changes. */
enum error watch_lists_start(struct watch_lists *lists, struct failure *failure)
    __attribute__((warn_unused_result));
/* Ends that; NULL is fine. */
void watch_lists_close(struct watch_lists *lists);

/* Any thread. */
struct watch_lists_statistics {
    uint64_t names;  /* that are watched */
    bool is_failing; /* the list could not be read when it was looked at last */
};
struct watch_lists_statistics watch_lists_statistics(const struct watch_lists *lists);

#endif
