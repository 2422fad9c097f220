/* Watch lists in files and on standard input. One entry a line (engine/match/watch_list.h has its
 * forms); "#" begins a comment. Two other forms are understood as well:
 *      CSV    the first row names its columns, one of them `domain` or `fqdn`
 *      JSON   an object a line with the member `domain` or `fqdn`
 *
 * A file is read again when it has changed, while the old list is in use: watch_list_file_poll,
 * every few seconds, says when. A list is all or nothing: a file that is gone, cannot be read or
 * has no entry gives no list, and whoever has one keeps it. Standard input is read once, to its
 * end.
 *
 * Used by one thread at a time, which may block on the file; never a worker. */
#ifndef INGEST_CT_WATCH_LIST_H
#define INGEST_CT_WATCH_LIST_H

#include "engine/match/watch_list.h"

struct watch_list_file;

enum watch_list_file_state {
    WATCH_LIST_FILE_SAME,    /* as it was read last, or still being written */
    WATCH_LIST_FILE_CHANGED, /* read it again */
    WATCH_LIST_FILE_GONE,    /* keep what there is */
};

/* Of the last reading. */
struct watch_list_file_counts {
    uint64_t lines; /* that are neither empty nor comments */
    uint64_t bad;   /* that are no entry */
    uint32_t entries;
};

/* Who hears of bad lines: one sentence, "watch.txt:17: an empty label: "a..b"", safe to print. */
struct watch_list_file_complaints {
    void (*line)(void *owner, const char *words); /* may be NULL */
    void *owner;
};

/* `path` is copied; "-" is standard input. Reads nothing yet. NULL when there is no memory. */
struct watch_list_file *watch_list_file_new(const char *path);
void watch_list_file_free(struct watch_list_file *file);

/* Builds a list of all that the file holds, with one reference for the caller. Bad lines are left
 * out and told. On an error `*out` is NULL: errno values; ERROR_INPUT when there is no entry;
 * ERROR_LIMIT, ERROR_MEMORY. */
enum error watch_list_file_read(struct watch_list_file *file,
                                const struct watch_list_file_complaints *complaints,
                                struct watch_list **out, struct failure *failure)
    __attribute__((warn_unused_result));

const struct watch_list_file_counts *watch_list_file_counts(const struct watch_list_file *file);

/* One stat(2). A change counts when the file stays as it is from one call to the next, so that
 * nobody reads the half of a list. A reading that failed is not told again until the file changes
 * once more. Always the same for standard input. */
enum watch_list_file_state watch_list_file_poll(struct watch_list_file *file);

#endif
