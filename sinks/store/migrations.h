/* Tables that grow with the program: numbered steps, each done once and in a transaction of its
 * own. Several processes may start on the same database at the same moment: one does a step, the
 * others find it done. Which steps were done, and when, stands in the table `trawl_schema`.
 *
 * In PostgreSQL all tables live in the schema `trawl`, so that they stand beside those of others
 * (certwatch's, in `public`). Blocks; the thread of the database. */
#ifndef SINKS_STORE_MIGRATIONS_H
#define SINKS_STORE_MIGRATIONS_H

#include "sinks/store/database.h"

/* A step. Words in braces stand for what each database calls it:
 *
 *     {id}      the row's number, given by the database; the primary key
 *     {int}     64 bits
 *     {real}    a double
 *     {bytes}   bytes
 *     {text}    text, compared byte by byte */
struct migration {
    const char *text;       /* statements with semicolons between */
    const char *postgresql; /* what it needs besides; NULL for nothing */
};

/* A set of tables that grows as one. A part may refer to tables of one that is migrated before. */
struct migrated_part {
    const char *name; /* "store" */
    const struct migration *steps;
    uint32_t count; /* the version that this program knows */
};

/* Does what is not done yet; nothing is written when all is. Tables of a newer program are
 * ERROR_USAGE. */
enum error migrations_run(struct database *database, const struct migrated_part *part,
                          struct failure *failure) __attribute__((warn_unused_result));

/* Only looks. Tables that are not there, of an older program or of a newer one are ERROR_USAGE. */
enum error migrations_check(struct database *database, const struct migrated_part *part,
                            struct failure *failure) __attribute__((warn_unused_result));

#endif
