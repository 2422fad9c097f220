/* One row of an input as cells with known names, whatever format it came in, and what it asks for.
 *
 *      format ──▶ row {host, ip, port, sni, protocol, ca_file …} ──▶ spec ──▶ targets
 *
 * Plain values of the one thread that pulls the source. */
#ifndef INGEST_ROW_H
#define INGEST_ROW_H

#include "ingest/spec.h"

enum column {
    COLUMN_HOST,     /* anything that can stand on the command line, but for a list */
    COLUMN_IP,       /* an address to connect to; without a host, a block or a range too */
    COLUMN_PORT,     /* without it, every port of -p */
    COLUMN_SNI,      /* the name to ask for */
    COLUMN_PROTOCOL, /* of the table of protocols; "tcp" says nothing; "file": the host is a path */
    COLUMN_CA_FILE,  /* roots for this target instead of the sweep's */
    /* of a packet that came back from a target (zmap) */
    COLUMN_SOURCE_IP,
    COLUMN_SOURCE_PORT,
    COLUMN_SUCCESS, /* false: not a target */
    COLUMN_REPEAT,  /* true: not a target again */
    /* of a packet that went to one; these count when there is no other address */
    COLUMN_DESTINATION_IP,
    COLUMN_DESTINATION_PORT,
    COLUMN_COUNT,
};

struct row {
    struct slice cells[COLUMN_COUNT]; /* empty: not said */
    struct slice text;                /* what a message shows of it; may be empty */
    uint64_t line;                    /* where it begins, from 1 */
};

/* The column that a name means, in any case and with blanks around it; COLUMN_COUNT for none. */
enum column column_of(struct slice name);

/* True for the columns that say which host. */
bool column_is_host(enum column column);

/* Sets `spec` to what the row asks for: nothing when it is not to be a target. ERROR_USAGE says
 * what is wrong; the caller adds where. */
enum error row_to_spec(const struct row *row, const struct source_context *context,
                       struct spec *spec, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
