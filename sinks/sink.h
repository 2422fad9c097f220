/* Where records go. A sink has a thread of its own (runner.h) and may block in it; workers never
 * wait for one: they hand over batches of encoded records on a bounded queue and take no new
 * targets while it is full.
 *
 * Adding a sink: one file with a `const struct sink_kind`, one line in sinks.c. */
#ifndef SINKS_SINK_H
#define SINKS_SINK_H

#include "engine/base/error.h"
#include "engine/base/option.h"
#include "engine/record/encoder.h"

#include <stdatomic.h>

struct sink;
struct webhook_statistics; /* webhook.h */

/* Where a sink stands after a write, so that a run that was killed can be taken up from there. */
struct sink_position {
    uint64_t file;  /* which one: an inode */
    uint64_t bytes; /* in it */
};

/* What becomes of the records of one sink. Its thread counts, any thread may read a snapshot. */
struct sink_statistics {
    uint64_t taken;   /* written, or kept on disk: what is as safe as the sink makes it */
    uint64_t refused; /* by the other side, and not kept */
    uint64_t lost;    /* given up */
    uint64_t held_ns; /* how long its full queue held the sweep back */
    /* Of a sink that spools. */
    uint64_t delivered; /* to the other side, those of earlier runs too */
    uint64_t spooled;   /* to disk, all in all */
    uint64_t dead;      /* to the dead letters */
    uint64_t waiting, waiting_bytes, dead_waiting, oldest_ms; /* on disk now; since 1970, 0: none */
};
struct sink_statistics sink_statistics_read(const struct sink_statistics *from);

/* What every sink is given at open. Only `spec`, both selections of fields, `user_agent`,
 * `abandoned` and what is counted in must outlive the sink. */
struct sink_config {
    const char *spec; /* the argument of -o: "-", a path, a URL */
    const struct encoder
        *encoder; /* --format, or NULL for what the spec means (suffix; json otherwise) */
    const struct field_selection *fields;
    const struct field_selection *all_fields; /* for kinds that take whole records */
    uint64_t rotate_bytes;                    /* 0 for never */
    uint32_t rotate_seconds;                  /* 0 for never */
    bool gzip;                                /* compress; a path that ends in .gz means it too */
    bool append;                              /* to what is there already instead of replacing it */
    /* Go on behind this position and cut what lies beyond. Another file than the position's is
     * refused, unless it is empty, appended to, or a part that was begun later. NULL for no such
     * position. */
    const struct sink_position *resume;
    uint16_t terminal_columns;
    bool color;
    const char *user_agent;                        /* of those that speak HTTP; NULL: "trawl" */
    struct webhook_statistics *webhook_statistics; /* to count in; NULL when nobody asks */
    struct sink_statistics *statistics;            /* likewise */
    const char *spool; /* the folder of spools, unless the spec names one; NULL for none */
    const atomic_bool *abandoned; /* set when the run is given up: nothing waits any longer; NULL */
};

/* How long a write may wait for a slow reader before it returns EAGAIN, in milliseconds. */
enum { SINK_PATIENCE_MS = 250 };

/* What comes back of a delivery, for those who keep it (spooled.h). */
struct sink_leftovers {
    struct buffer again, dead; /* records that may be taken another time; that never will */
    uint32_t again_records;
    struct buffer notes; /* struct sink_note, each of a piece of `dead` */
};
struct sink_note {
    size_t bytes;
    uint32_t records;
    struct failure failure;
};

/* A batch in the hands of a kind that has several under way. The runner's; the bytes stay until it
 * is settled. */
struct sink_delivery {
    struct slice bytes; /* whole records */
    uint32_t records;
    bool settled;           /* the last that the kind does with it */
    uint32_t written;       /* of the records, so far */
    uint32_t refused;       /* likewise; not wanted, for good or after all attempts */
    struct failure failure; /* why, of the last of them: ERROR_REFUSED when it will never want them,
                               another code when it could not be reached or had no time */
    struct sink_leftovers *leftovers; /* NULL: nobody keeps them */
    /* The kind's own. */
    struct sink_delivery *next;
    uint32_t under_way;
    bool taken_apart;
    uint64_t taken_ns;
};

/* Notes that some records of a delivery were not taken. `bytes` are theirs, within the delivery's;
 * a kind that does not know which they are sets `refused` and `failure` itself, and all come back.
 * A kind that gives up for now gives back all that is not under way, so that order is kept. */
void sink_delivery_refuse(struct sink_delivery *delivery, struct slice bytes, uint32_t records,
                          const struct failure *failure);

/* One kind of sink: a row of the table in sinks.c. `open` is called on the caller's thread, all
 * else on the sink's own.
 *
 * There are two sorts. One writes a batch and is done with it: `write` and `tick`. The other sends
 * batches on their way and hears later what became of each, because that takes long, because
 * several go at once, or because one that is not wanted must not stop the others: `take` and
 * `settle`. What keeps such a sink from going on is its own matter, it tries again by itself.
 *
 * `write`, `tick` and `finish` return, with `failure` filled unless said otherwise:
 *   an error that may pass (sink_error_passes)  the same call is repeated with the same arguments,
 *                 and no other call comes, until it succeeds or the run is given up: what was
 *                 written must not be written again
 *   EAGAIN        the same, but the other side is only slow, nothing is wrong: no failure is filled
 *   ERROR_GONE    the reader has left; only `close` follows, no failure is filled
 *   others        final; `finish` and `close` follow */
struct sink_kind {
    const char *name;                  /* "file" */
    const char *summary;               /* one line for `trawl list sinks` */
    const char *example;               /* "-o results.jsonl" */
    const struct option_spec *options; /* behind # of a spec; NULL for none */
    size_t size;                       /* of struct sink and what this kind adds to it */
    /* At least once: what the other side cannot be given now is kept on disk, and offered again in
     * order (spooled.h). Its errors that may pass then hold nothing back; a delivery that is
     * settled with ERROR_REFUSED is a dead letter, and so is a `write` that returns it. `open` sets
     * encoding and spec before it asks the other side: one that fails with an error that may pass
     * is called again later, on the sink's thread. Workers use the encoding of the first one all
     * the time: what it points to is the config's, or static. */
    bool spools;
    bool (*takes)(struct slice spec);
    /* `sink` is zeroed memory of `size` bytes; the head is set but for a default encoder, which the
     * kind chooses. May block: a named pipe waits for its reader. */
    enum error (*open)(struct sink *sink, const struct sink_config *config,
                       struct failure *failure);
    /* Writes whole records; `bytes` ends at a record's end and may be empty. */
    enum error (*write)(struct sink *sink, struct slice bytes, uint32_t records,
                        struct failure *failure);
    /* Called every second or so, whether records come or not: flush, rotation by time. */
    enum error (*tick)(struct sink *sink, struct failure *failure);
    /* Instead of these two. `take` is handed a batch; it only makes a note of it. */
    void (*take)(struct sink *sink, struct sink_delivery *delivery);
    /* Goes on with what was taken, for `wait_ms` at most, less when something was settled. Called
     * again and again while a batch is under way. An error, with `failure` filled, says what is
     * wrong at the moment; its end is ERROR_NONE. */
    enum error (*settle)(struct sink *sink, uint32_t wait_ms, struct failure *failure);
    /* Completes and publishes what was written (flush, fsync, rename). When a write was given up,
     * what it wrote in part is taken back where that is possible; deliveries that are not settled
     * are gone. */
    enum error (*finish)(struct sink *sink, struct failure *failure);
    /* Where the records written so far end. NULL where nothing can be taken up from: what was
     * handed to the other side is gone. */
    struct sink_position (*position)(const struct sink *sink);
    /* Frees what the kind holds, finished or not. */
    void (*close)(struct sink *sink);
};

/* The common head of every sink. `encoding` is set by open, read by the workers; a NULL encoder
 * means that records are only counted. */
struct sink {
    const struct sink_kind *kind;
    const char *spec;  /* for messages; open may put another in its place, without what is secret */
    char *own_spec;    /* freed with the sink; NULL */
    const char *spool; /* the name of its spool; NULL when nothing is kept on disk */
    bool busy;         /* set by a sink that spools: `settle` has work though no delivery waits */
    bool hurry;        /* set by the runner: what can be kept is to be kept now */
    uint32_t window;   /* set by open, for `take`: records that may be under way, or one batch */
    struct encoding encoding;
    bool holds_back;       /* set by open: a write may leave records in memory (compression) */
    uint64_t readers_left; /* of a kind with several: those that left before the end */
};

/* NULL-terminated, in the order in which they are asked. */
extern const struct sink_kind *const sinks[];

extern const struct sink_kind file_sink, null_sink, webhook_sink, msgpack_acknowledged_sink,
    msgpack_socket_sink, nats_sink, sqlite_sink, postgresql_sink;

/* The kind that takes a spec; NULL when none does. */
const struct sink_kind *sink_kind_of(const char *spec);

/* A sink that is not opened yet; NULL when there is no memory. */
struct sink *sink_new(const struct sink_kind *kind, const struct sink_config *config);

/* Opens what config->spec means. A spec that nothing takes is a usage error. */
enum error sink_open(struct sink **out, const struct sink_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* Closes and frees a sink; for one that a runner was started with, the runner does it. NULL is
 * fine. */
void sink_close(struct sink *sink);

/* True for errors that go away when somebody makes room or mends a disk: ENOSPC, EDQUOT, EIO, and
 * descriptors that ran out; gives a lock back: EBUSY; or mends the network or starts the other side
 * again: ENOTCONN, ECONNREFUSED, ETIMEDOUT and the like. */
bool sink_error_passes(enum error error);

#endif
