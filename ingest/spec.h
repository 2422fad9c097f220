/* What one argument or one row of an input asks for: a single target or a block of addresses, each
 * times the ports of the sweep, or the certificates in a file or folder. The pairs of address and
 * port are numbered from 0 to `count` - 1; a block is visited in keyed random order over all of
 * them, so that neither a host nor a network is hit many times in a row.
 *
 * A plain value without a heap, used by the one thread that pulls the source. */
#ifndef INGEST_SPEC_H
#define INGEST_SPEC_H

#include "engine/base/buffer.h"
#include "engine/base/cidr.h"
#include "ingest/permutation.h"
#include "ingest/source.h"

struct spec {
    const struct port_list *ports;
    unsigned __int128 next, count; /* count - next targets are still to come; zeroed: none */
    bool is_block;
    struct slice file; /* its path, where the text stands; empty for a server or a block */
    struct cidr_block block;
    struct permutation order;
    struct target
        target; /* all of it, or what the addresses of the block share; port 0: every one */
};

/* Reads what stands before the ports are counted: block, target or file. `text` must have no blanks
 * at its ends. ERROR_USAGE says what is wrong; the caller adds where. */
enum error spec_read(struct spec *spec, const struct source_context *context, struct slice text,
                     struct failure *failure) __attribute__((warn_unused_result));

/* Counts the targets of what was read; name, port and protocol of `target` may have been set. */
void spec_begin(struct spec *spec, const struct source_context *context);

/* Reads the path of a file or folder, without "file:" before it. */
enum error spec_read_file(struct spec *spec, const struct source_context *context,
                          struct slice path, struct failure *failure)
    __attribute__((warn_unused_result));

/* Appends the text that spec_read and spec_begin read as this spec, with a context that has the
 * same ports and seed. False when there is none: for files, and for blocks with a name, a port or a
 * protocol; the targets of these have one each (target_write). */
bool spec_write(const struct spec *spec, const struct source_context *context, struct buffer *out);

/* The next target; false when there is none left. */
bool spec_next(struct spec *spec, struct target *target);

/* What a source tells of it: SOURCE_TARGET, or SOURCE_FILE with the path in `source`. */
enum source_result spec_result(const struct spec *spec, struct source *source);

/* Leaves out up to `targets` of them; returns how many. Takes constant time. */
uint64_t spec_skip(struct spec *spec, uint64_t targets);

/* How many targets it gives in all; UINT64_MAX when there are more. */
uint64_t spec_total(const struct spec *spec);

#endif
