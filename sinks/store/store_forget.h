/* Forgetting what is old: observations, entries of logs, and what only those had to say. What a
 * store knows of certificates, chains and endpoints stays: that is little, and the answer to most
 * questions.
 *
 * Others may write to the store meanwhile. The process may end at any point. The thread of the
 * database; errors as database.h says. */
#ifndef SINKS_STORE_STORE_FORGET_H
#define SINKS_STORE_STORE_FORGET_H

#include "sinks/store/database.h"

struct store_forgotten {
    uint64_t observations, ct_hits, details; /* rows */
};

/* What is older than `before_ms` (milliseconds since 1970); details are not counted. */
enum error store_forget_count(struct database *database, int64_t before_ms,
                              struct store_forgotten *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* A part of it, in short transactions, and adds what went to `sum`. `*more`: call again. */
enum error store_forget_some(struct database *database, int64_t before_ms,
                             struct store_forgotten *sum, bool *more, struct failure *failure)
    __attribute__((warn_unused_result));

/* Afterwards: the details that nothing refers to any more. One transaction that reads all
 * observations, while writers wait. */
enum error store_forget_details(struct database *database, struct store_forgotten *sum,
                                struct failure *failure) __attribute__((warn_unused_result));

#endif
