/* Where targets come from. A source is pulled by one thread of its own and may block in it (files,
 * pipes); it never runs on a worker. Memory must not grow with the number of targets: sources
 * stream.
 *
 * Adding a source: one file with a `const struct source_kind`, one line in sources.c. */
#ifndef INGEST_SOURCE_H
#define INGEST_SOURCE_H

#include "engine/base/error.h"
#include "engine/probe/target.h"
#include "ingest/ports.h"

enum source_result {
    SOURCE_TARGET, /* `target` is set */
    SOURCE_FILE,   /* the certificates in a file or folder, whose path is `file` of the source until
                      the next call: name, address and roots of `target` are those for them */
    SOURCE_BAD_LINE, /* no target: `failure` says `file:line: reason: "text"`; go on calling */
    SOURCE_END,      /* nothing more will come */
    SOURCE_FAILED,   /* cannot go on: `failure` says why (read error, broken JSON or XML) */
    SOURCE_STOPPED,  /* stop_fd became readable while it waited; calling again goes on waiting */
};

/* Opens the roots that a target names (its ca_file): on the thread that pulls the source. */
struct source_roots {
    /* What it gives outlives every target; NULL after a failure, whose code is then set. */
    const struct trust_store *(*open)(void *owner, struct slice path, struct failure *failure);
    void *owner;
};

/* What every source of a sweep is given. All pointers outlive the source; none is NULL but where it
 * says so. */
struct source_context {
    const struct port_list *ports;           /* for targets that name none */
    const struct protocol_lookup *protocols; /* for smtp://host */
    uint64_t seed;                           /* for orders: the same seed, the same order */
    int stop_fd; /* becomes readable when the sweep is asked to stop; -1 for never */
    int format;  /* of files and standard input: an index into source_formats */
    const struct source_roots *roots; /* NULL: chains are not verified, and no roots are read */
    const char *no_files;             /* why certificates in files are no targets; NULL: they are */
};

/* Names of the formats of lists, NULL-terminated. The first, "auto", looks at the beginning of each
 * file. */
extern const char *const source_formats[];

struct source;
struct spec; /* spec.h */

struct source_kind {
    const char *name;    /* "list" */
    const char *summary; /* one line for `trawl list sources` */
    const char *example; /* "@hosts.txt" */
    /* Bytes of struct source and what this kind adds to it. */
    size_t size;
    /* True when this kind takes `spec`, an argument of the command line. Kinds are asked in table
     * order. */
    bool (*takes)(struct slice spec);
    /* `source` is zeroed memory of `size` bytes with `kind` and `context` set. `spec` outlives the
     * source. */
    enum error (*open)(struct source *source, struct slice spec, struct failure *failure);
    enum source_result (*next)(struct source *source, struct target *target,
                               struct failure *failure);
    /* As source_skip; NULL when nothing can be left out in constant time. */
    uint64_t (*skip)(struct source *source, uint64_t targets);
    /* What the last target is one of (its `next` says which: one more than its number); NULL when
     * that is not kept. */
    const struct spec *(*spec)(const struct source *source);
    /* Called also when open failed. NULL when there is nothing to close. */
    void (*close)(struct source *source);
    /* How many targets it will give in all, UINT64_MAX when there are more. NULL when that cannot
     * be known beforehand. */
    uint64_t (*total)(const struct source *source);
};

struct source {
    const struct source_kind *kind;
    const struct source_context *context;
    struct slice file; /* of SOURCE_FILE: no NUL in it, at most LIMIT_PATH_BYTES */
    bool waits;        /* what comes may take its time: a pipe, a terminal */
};

/* NULL-terminated, in the order in which they are asked. */
extern const struct source_kind *const sources[];
extern const struct source_kind source_list, source_stdin, source_file, source_block, source_target;

/* Opens what `spec` means: "@file", "-", CIDR, range, host, URL ... `spec` outlives the source. On
 * failure `out` is NULL. */
enum error source_open(struct source **out, const struct source_context *context, const char *spec,
                       struct failure *failure) __attribute__((warn_unused_result));

/* Takes NULL too. */
void source_close(struct source *source);

static inline enum source_result source_next(struct source *source, struct target *target,
                                             struct failure *failure) {
    return source->kind->next(source, target, failure);
}

/* Leaves out up to `targets` of the targets that come next, as far as that takes constant time (the
 * rest of a block, not of a file), and returns how many. Who wants to leave out more pulls the rest
 * with source_next, and so hears of bad lines on the way. */
static inline uint64_t source_skip(struct source *source, uint64_t targets) {
    return source->kind->skip ? source->kind->skip(source, targets) : 0;
}

/* As source_kind.total; 0 when it cannot be known beforehand. */
static inline uint64_t source_total(const struct source *source) {
    return source->kind->total ? source->kind->total(source) : 0;
}

#endif
