/* Packed records (engine/record/msgpack.c) into the tables of schema.h.
 *
 * A batch is taken apart in memory, made unique, and written in one transaction with one statement
 * a table. Writing a batch again changes nothing: observations are unique by the record's id,
 * entries of logs by log and number, certificates by their SHA-256.
 *
 * Belongs to one thread at a time; blocks as the database does. */
#ifndef SINKS_STORE_STORE_H
#define SINKS_STORE_STORE_H

#include "sinks/store/database.h"

struct store;

/* Takes the database over, also when it fails, and brings its tables up to date. */
enum error store_open(struct store **out, struct database *database, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void store_close(struct store *store);

struct database *store_database(struct store *store);

/* Several of these may be put together before one store_write. `bytes` are whole records with all
 * fields and `certificate.der`; they must stay until the store is written. What is no record, or of
 * a kind that the store does not know, is ERROR_INPUT; store_drop must follow. */
enum error store_take(struct store *store, struct slice bytes, struct failure *failure)
    __attribute__((warn_unused_result));

/* Writes what was taken, all of it or nothing. After an error it is still there: the call may be
 * repeated. */
enum error store_write(struct store *store, struct failure *failure)
    __attribute__((warn_unused_result));

/* The same within the caller's transaction, which decides whether it is written: store_drop follows
 * the commit, and after a rollback the call may be repeated. */
enum error store_write_within(struct store *store, struct failure *failure)
    __attribute__((warn_unused_result));

/* Forgets what was taken and not written. */
void store_drop(struct store *store);

#endif
