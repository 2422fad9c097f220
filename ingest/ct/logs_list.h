/* The log list while logs are followed: which of its logs are chosen, and what changes when a newer
 * one comes. New logs are followed from their first entry on, as nobody has seen it; those that are
 * retired, rejected or no longer listed are left; those that are frozen may have old heads; those
 * that move are followed at their new URL. */
#ifndef INGEST_CT_LOGS_LIST_H
#define INGEST_CT_LOGS_LIST_H

#include "ingest/ct/log_list.h"
#include "ingest/ct/log_list_source.h"
#include "ingest/ct/logs.h"

/* Which logs of a list are followed. */
struct log_choice {
    unsigned states;         /* LOG_LIST_BIT each; 0 for LOG_LIST_CURRENT */
    struct slice_list names; /* what is part of the description, in any case; none: all */
    int64_t ended_ms; /* leaves out those whose certificates all ended so long ago; 0: none */
    bool tests;       /* logs for tests only, too */
};

bool log_choice_has(const struct log_choice *choice, const struct log_list_log *log,
                    int64_t now_unix_ms);

/* What the list says of a log; it points into the list. Where to begin is for the caller to say. */
struct log_spec log_spec_of(const struct log_list_log *log);

/* What it points at outlives the logs. */
struct logs_list_config {
    struct log_list_source *source; /* in the logs' hands until they are stopped, not their own */
    struct log_choice choice;
    int64_t time_ms;    /* of the list that is in use; older ones are not taken */
    uint32_t reload_ms; /* between two looks, give or take a half; 0: an hour */
    uint32_t stale_ms;  /* FEED_LIST_STALE after so long without success; 0: a day */
    /* The saved position of a log that comes, when there may be one; NULL or empty for none. On the
     * logs' thread. */
    struct slice (*saved)(void *owner, const uint8_t log_id[32]);
    void *owner;
};

#endif
