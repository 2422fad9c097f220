/* Whole records out of the bytes of a stream: what trawl wrote as MessagePack, to a file or to a
 * socket, read again. Where sources give targets to be probed, this gives records to be handed on.
 *
 *     read(2) ─▶ records_room ─▶ records_next ─▶ its MessagePack, and its line of JSON
 *
 * The stream is hostile, comes cut anywhere, and holds at most LIMIT_UNPACKED_RECORD_BYTES of
 * memory a record, some times over. Sans-I/O: who reads, acknowledges and waits is the owner. One
 * thread at a time. */
#ifndef INGEST_RECORDS_H
#define INGEST_RECORDS_H

#include "engine/record/msgpack_json.h"

struct records {
    struct msgpack_json json;
    struct buffer bytes; /* from the record under way on */
    size_t begin, taken; /* where the record under way begins; how far it was read */
    uint64_t count;      /* whole ones since records_restart */
};

/* Both are good until the next call. */
struct packed_record {
    struct slice packed; /* a MessagePack map */
    struct slice line;   /* the same as JSON, with its newline */
};

void records_init(struct records *records);
void records_deinit(struct records *records);

/* Another stream begins: what was under way is forgotten. */
void records_restart(struct records *records);

/* Where up to `room` more bytes of the stream go; NULL when there is no memory. records_add says
 * how many came. */
uint8_t *records_room(struct records *records, size_t room);
void records_add(struct records *records, size_t count);

/* The next whole record; *found is false when more bytes are needed. An error is the stream's:
 * ERROR_INPUT or ERROR_LIMIT, with `failure` saying why and at which byte. */
enum error records_next(struct records *records, struct packed_record *out, bool *found,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Bytes of the record under way, which is cut off when the stream ends here; and where it began. */
uint64_t records_cut(const struct records *records, uint64_t *offset);

#endif
