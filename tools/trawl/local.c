#include "tools/trawl/local.h"

#include "engine/x509/certificate.h"
#include "tools/trawl/certificate_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 16 * 1024 * 1024, /* the bundles of systems have about 250 KB */
    DEPTH_MAX = 16,                    /* of folders in folders */
    READ_BYTES = 64 * 1024,
    PASSWORD_BYTES_MAX = 1024,
};

struct local_reader {
    const char *path, *password;
    FTS *tree;        /* of a folder; NULL: `path` is a file, or the folder has come to its end */
    bool opened;      /* `path` was looked at */
    bool is_folder;   /* it is one */
    bool told;        /* something of it */
    bool empty;       /* the file at hand could be read, and has no certificate */
    const char *file; /* at hand */
    struct certificate_file found; /* in it */
    uint32_t at;                   /* the next of `found` */
    struct failure problem;        /* with it; told behind what was found */
};

/* --- Bytes --- */

static enum error read_descriptor(int fd, struct buffer *out) {
    struct stat status;

    if (fstat(fd, &status) < 0)
        return (enum error)errno;
    if (!S_ISREG(status.st_mode)) /* a pipe or device may never end */
        return S_ISDIR(status.st_mode) ? (enum error)EISDIR : ERROR_UNSUPPORTED;
    for (;;) {
        uint8_t *at = buffer_reserve(out, READ_BYTES);
        if (!at)
            return ERROR_MEMORY;
        ssize_t got = read(fd, at, READ_BYTES);
        if (got == 0)
            return ERROR_NONE;
        if (got < 0 && errno != EINTR)
            return (enum error)errno;
        out->len += got > 0 ? (size_t)got : 0;
        if (out->len > FILE_BYTES_MAX)
            return (enum error)EFBIG;
    }
}

static enum error read_bytes(const char *path, struct buffer *out, struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum error error = fd < 0 ? (enum error)errno : read_descriptor(fd, out);

    if (fd >= 0)
        close(fd);
    if (error == ERROR_UNSUPPORTED)
        return failure_set(failure, error, "neither a file nor a folder");
    if (error != ERROR_NONE)
        return failure_set(failure, error, "cannot be read: %s", error_text(error));
    return ERROR_NONE;
}

enum error local_read_password(const char *path, struct buffer *out, struct failure *failure) {
    struct failure why;
    enum error error = read_bytes(path, out, &why);

    if (error != ERROR_NONE)
        return failure_set(failure, error, "%s: %s", path, why.text);
    const uint8_t *end = out->len ? memchr(out->ptr, '\n', out->len) : NULL;
    if (end)
        out->len = (size_t)(end - out->ptr);
    if (out->len && out->ptr[out->len - 1] == '\r')
        out->len--;
    if (out->len > PASSWORD_BYTES_MAX || (out->len && memchr(out->ptr, 0, out->len)))
        return failure_set(failure, ERROR_INPUT, "%s: its first line is no password", path);
    buffer_add_byte(out, 0);
    return out->failed ? failure_set(failure, ERROR_MEMORY, "%s: no memory", path) : ERROR_NONE;
}

/* --- Chains --- */

/* Whether one of the chain so far was issued by the holder of `next`. */
static bool issued_one_of(const struct slice *chain, uint32_t count, struct slice next) {
    struct certificate issuer, issued;

    if (certificate_decode(next, &issuer) != CERTIFICATE_OK)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (certificate_decode(chain[i], &issued) == CERTIFICATE_OK &&
            slice_equal(issued.issuer, issuer.subject) &&
            !slice_equal(issued.issuer, issued.subject))
            return true;
    return false;
}

static enum error give_chain(struct local_reader *reader, struct local_chain **out) {
    const struct certificate_file *found = &reader->found;
    const struct slice *chain = found->items + reader->at;
    uint32_t left = found->count - reader->at, count = 1;
    uint32_t most = left < LIMIT_CHAIN_CERTIFICATES ? left : LIMIT_CHAIN_CERTIFICATES;

    while (count < most && (found->together || issued_one_of(chain, count, chain[count])))
        count++;
    reader->at += found->together ? left : count;
    reader->told = true;
    *out = local_chain_new(slice_of(reader->file), chain, count);
    return *out ? ERROR_NONE : ERROR_MEMORY;
}

static enum outcome outcome_of(enum error error) {
    switch ((int)error) {
    case EACCES:
    case EPERM:
        return OUTCOME_BLOCKED;
    case EFBIG:
    case ERROR_LIMIT:
        return OUTCOME_TOO_LARGE;
    case ERROR_INPUT:
        return OUTCOME_CERTIFICATE_UNPARSABLE;
    default:
        return OUTCOME_UNREACHABLE;
    }
}

static enum error give_problem(struct local_reader *reader, struct local_chain **out) {
    enum outcome outcome = outcome_of(reader->problem.code);

    *out = local_chain_new_failed(slice_of(reader->file), outcome, slice_of(reader->problem.text));
    reader->problem = (struct failure){0};
    reader->told = true;
    return *out ? ERROR_NONE : ERROR_MEMORY;
}

/* --- Files --- */

static enum error read_file(struct local_reader *reader, const char *path) {
    struct buffer bytes;

    buffer_init(&bytes);
    reader->file = path;
    reader->at = 0;
    certificate_file_deinit(&reader->found);
    enum error error = read_bytes(path, &bytes, &reader->problem);
    if (error == ERROR_NONE)
        error = certificate_file_read(&reader->found, buffer_slice(&bytes), reader->password,
                                      &reader->problem);
    reader->empty = error == ERROR_NONE && reader->found.count == 0;
    if (reader->empty)
        failure_set(&reader->problem, ERROR_INPUT, "no certificate in it");
    buffer_deinit(&bytes);
    return error == ERROR_MEMORY ? error : ERROR_NONE;
}

/* --- Folders --- */

static bool ends_in(const char *name, const char *suffix) {
    size_t len = strlen(name), suffix_len = strlen(suffix);

    return len > suffix_len && strcasecmp(name + len - suffix_len, suffix) == 0;
}

/* Names that nothing but certificates has. */
static bool is_named_certificate(const char *name) {
    return ends_in(name, ".crt") || ends_in(name, ".cer") || ends_in(name, ".p12") ||
           ends_in(name, ".pfx");
}

static bool may_be_certificate(const char *name) {
    return is_named_certificate(name) || ends_in(name, ".pem") || ends_in(name, ".der");
}

/* A .pem without a certificate is a key, and a .der that is none may be anything. */
static bool is_worth_telling(const struct local_reader *reader, const char *name) {
    return is_named_certificate(name) || reader->problem.code != ERROR_INPUT ||
           (ends_in(name, ".pem") && !reader->empty);
}

static enum error take_entry(struct local_reader *reader, FTSENT *entry) {
    int cause = entry->fts_errno;

    if (entry->fts_level >= DEPTH_MAX)
        fts_set(reader->tree, entry, FTS_SKIP);
    reader->file = entry->fts_path;
    switch (entry->fts_info) {
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        failure_set(&reader->problem, (enum error)cause, "cannot be read: %s",
                    error_text((enum error)cause));
        return ERROR_NONE;
    case FTS_F:
    case FTS_SLNONE:
        break;
    default:
        return ERROR_NONE;
    }
    if (!may_be_certificate(entry->fts_name))
        return ERROR_NONE;
    enum error error = read_file(reader, entry->fts_path);
    if (error == ERROR_NONE && !is_worth_telling(reader, entry->fts_name))
        reader->problem = (struct failure){0};
    return error;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum error open_path(struct local_reader *reader) {
    char *const paths[] = {(char *)(uintptr_t)reader->path, NULL}; /* fts writes to neither */
    struct stat status;

    reader->opened = true;
    reader->is_folder = stat(reader->path, &status) == 0 && S_ISDIR(status.st_mode);
    if (!reader->is_folder)
        return read_file(reader, reader->path);
    reader->tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    return reader->tree ? ERROR_NONE : ERROR_MEMORY;
}

/* On to the next file or problem; false at the end. */
static bool go_on(struct local_reader *reader, enum error *error) {
    *error = ERROR_NONE;
    if (!reader->opened) {
        *error = open_path(reader);
        return true;
    }
    FTSENT *entry = reader->tree ? fts_read(reader->tree) : NULL;
    if (entry) {
        *error = take_entry(reader, entry);
        return true;
    }
    if (reader->told || !reader->is_folder)
        return false;
    reader->file = reader->path;
    failure_set(&reader->problem, ERROR_INPUT, "no certificate in this folder");
    return true;
}

/* --- The reader --- */

struct local_reader *local_open(const char *path, const char *password) {
    struct local_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    reader->path = path;
    reader->password = password;
    return reader;
}

void local_close(struct local_reader *reader) {
    if (!reader)
        return;
    if (reader->tree)
        fts_close(reader->tree);
    certificate_file_deinit(&reader->found);
    free(reader);
}

enum error local_next(struct local_reader *reader, struct local_chain **out) {
    enum error error;

    *out = NULL;
    for (;;) {
        if (reader->at < reader->found.count)
            return give_chain(reader, out);
        if (reader->problem.code != ERROR_NONE)
            return give_problem(reader, out);
        if (!go_on(reader, &error))
            return ERROR_NONE;
        if (error != ERROR_NONE)
            return error;
    }
}
