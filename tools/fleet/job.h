/* What a fleet is asked to do, as it lies in the bucket of jobs: a descriptor, small and read
 * often, and the options, which may be large. JSON both, so that an operator can look with any
 * client of NATS. Pure.
 *
 * Options travel as the command line has them, name and value, which a worker reads with the same
 * table; what an option names as a file travels as the file's bytes. A worker takes only options of
 * its list of those that may travel (tools/trawl/job_options.h), and never a path. */
#ifndef TOOLS_FLEET_JOB_H
#define TOOLS_FLEET_JOB_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/record/encoder.h"
#include "tools/fleet/fleet.h"

enum {
    JOB_VERSION = 1,
    JOB_TITLE_BYTES = 128,
    JOB_LABEL_BYTES = 64, /* letters, digits, "-", "_" and "." */
    JOB_BY_BYTES = 128,
    JOB_RENDERINGS_MAX = 8,
    JOB_NAME_BYTES = 64, /* of an option or a file, with a terminator */
    JOB_OPTIONS_MAX = 512,
    JOB_FILES_MAX = 1024,
    JOB_OPTIONS_BYTES_MAX = 64 * 1024 * 1024, /* of the document */
    JOB_OPTION_PIECES_MAX = 4096,
    JOB_DESCRIPTOR_BYTES_MAX = 8 * 1024,
    JOB_LEASE_MS_MIN = 100,
    JOB_LEASE_MS_MAX = 24 * 60 * 60 * 1000,
};

/* Ids of records have six bytes for the number of the target. */
#define JOB_TARGETS_MAX ((UINT64_C(1) << 48) - 1)

enum job_state {
    JOB_CUTTING, /* more shards come */
    JOB_RUNNING, /* all are in the queue */
    JOB_DONE,    /* all was collected */
    JOB_CANCELLED,
    JOB_STATES,
};
const char *job_state_name(enum job_state state);

/* Sixteen hexadecimal digits, lower-case; *run (may be NULL) gets them as a number. */
bool job_id_read(struct slice text, uint64_t *run);
void job_id_write(uint64_t run, char out[JOB_ID_BYTES]);
/* "" is one, too. */
bool job_label_is_valid(struct slice text);

struct job {
    char id[JOB_ID_BYTES];
    uint64_t run; /* the same as a number */
    enum job_state state;
    int64_t created_ms;              /* since 1970 */
    char by[JOB_BY_BYTES];           /* host and process of the one who asked */
    char title[JOB_TITLE_BYTES];     /* what it sweeps, for people */
    char label[JOB_LABEL_BYTES];     /* only workers with this label serve it; "" for all */
    uint64_t seed;                   /* of the order of blocks */
    uint64_t lease_ms;               /* a worker that is silent for so long loses its shard */
    uint64_t buffer_bytes;           /* of results that wait: then workers wait, too; 0: no bound */
    uint64_t targets, pages, shards; /* in the queue so far; all of them once it is running */
    uint64_t left_out;               /* lines that were no targets, and the like: not in a shard */
    uint32_t option_pieces;          /* keys JOB.options.0 … */
    uint8_t options_sha256[32];
};

/* Appends the descriptor. Texts come back as a terminal may show them. */
void job_write(const struct job *job, struct buffer *out);

/* ERROR_UNSUPPORTED: of a newer version, and `failure` says so with the cure; ERROR_INPUT: none. */
enum error job_read(struct job *out, struct slice bytes, struct failure *failure)
    __attribute__((warn_unused_result));

/* How records are encoded for one or more outputs of the asker. All of it is said, no default left
 * to the worker, whose version may be another. */
struct job_rendering {
    char *encoder;             /* a name of encoders.c */
    char *fields;              /* as --fields; NULL when this encoder takes none */
    char *only;                /* conditions of a filter; NULL for all records */
    uint16_t terminal_columns; /* for the table */
    bool color;
};

struct job_option {
    char *name, *value; /* name without dashes; value NULL for a flag */
    bool is_file;       /* `value` is a name of the list of files */
};

struct job_file {
    char *name; /* "ca-file/0": no path of a machine */
    struct buffer bytes;
};

/* What travels. Owns all of it. */
struct job_options {
    struct job_option *options;
    struct job_file *files;
    uint32_t option_count, file_count, rendering_count;
    struct job_rendering renderings[JOB_RENDERINGS_MAX];
};

void job_options_init(struct job_options *options);
void job_options_deinit(struct job_options *options);

/* False when there is no memory, or too many, or text is not UTF-8. Copied. A file is added before
 * the option that names it. Names of options are of letters, digits, "-" and "_"; those of files
 * may have "/" inside. */
bool job_options_add(struct job_options *options, const char *name, const char *value,
                     bool is_file);
bool job_options_add_file(struct job_options *options, const char *name, struct slice bytes);
/* NULL when there is none of that name. */
const struct job_file *job_options_file(const struct job_options *options, const char *name);

/* The number of the rendering that does what an output's encoding and filter do, that of an equal
 * one when there is one; `only` NULL for all records. -1 when there are too many, or no memory. */
int job_options_add_rendering(struct job_options *options, const struct encoding *encoding,
                              const char *only);

void job_options_write(const struct job_options *options, struct buffer *out);
/* As job_read. *out is to be freed in any case. */
enum error job_options_read(struct job_options *out, struct slice bytes, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
