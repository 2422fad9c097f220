#include "tools/trawl/local.h"

#include "engine/base/clock.h"
#include "engine/probe/report.h"
#include "engine/tls/session.h"
#include "engine/x509/certificate.h"
#include "engine/x509/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pkcs8.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 16 * 1024 * 1024, /* the bundles of systems have about 250 KB */
    CERTIFICATES_MAX = 65536,          /* of one file */
    RECORDS_MAX = 65536,               /* of one folder */
    DEPTH_MAX = 16,
    READ_BYTES = 64 * 1024,
    PASSWORD_BYTES_MAX = 1024,
};

struct reading {
    const struct local_config *config;
    struct trust_checker *trust; /* NULL: chains are not verified */
    struct link_cache *links;
    struct record_list *out;
    const char *path; /* of the file at hand */
};

/* What one file holds, in its order. */
struct found {
    struct slice *items; /* DER, malloc'ed one by one */
    uint32_t count, capacity;
    bool together; /* the first is the leaf and all others are its chain */
};

static enum error no_memory(struct failure *failure, const char *path) {
    return failure_set(failure, ERROR_MEMORY, "%s: no memory", path);
}

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

static enum error read_file(const char *path, struct buffer *out, struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum error error = fd < 0 ? (enum error)errno : read_descriptor(fd, out);

    if (fd >= 0)
        close(fd);
    if (error == ERROR_UNSUPPORTED)
        return failure_set(failure, error, "%s: neither a file nor a folder", path);
    if (error != ERROR_NONE)
        return failure_set(failure, error, "%s: cannot be read: %s", path, error_text(error));
    return ERROR_NONE;
}

enum error local_read_password(const char *path, struct buffer *out, struct failure *failure) {
    enum error error = read_file(path, out, failure);

    if (error != ERROR_NONE)
        return error;
    const uint8_t *end = out->len ? memchr(out->ptr, '\n', out->len) : NULL;
    if (end)
        out->len = (size_t)(end - out->ptr);
    if (out->len && out->ptr[out->len - 1] == '\r')
        out->len--;
    if (out->len > PASSWORD_BYTES_MAX || (out->len && memchr(out->ptr, 0, out->len)))
        return failure_set(failure, ERROR_INPUT, "%s: its first line is no password", path);
    buffer_add_byte(out, 0);
    return out->failed ? no_memory(failure, path) : ERROR_NONE;
}

/* --- Certificates --- */

static bool add(struct found *found, struct slice der) {
    if (found->count == found->capacity) {
        uint32_t capacity = found->capacity ? found->capacity * 2 : 8;
        struct slice *items = reallocarray(found->items, capacity, sizeof *items);
        if (!items)
            return false;
        found->items = items;
        found->capacity = capacity;
    }
    uint8_t *copy = malloc(der.len ? der.len : 1);
    if (!copy)
        return false;
    if (der.len)
        memcpy(copy, der.ptr, der.len);
    found->items[found->count++] = (struct slice){copy, der.len};
    return true;
}

static void found_deinit(struct found *found) {
    for (uint32_t i = 0; i < found->count; i++)
        free((uint8_t *)found->items[i].ptr);
    free(found->items);
}

static bool is_certificate_label(const char *label) {
    return strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0;
}

/* Every certificate of `text`; keys and whatever else is in it are passed over. */
static enum error find_pem(struct slice text, const char *path, struct found *out,
                           struct failure *failure) {
    BIO *bio = BIO_new_mem_buf(text.ptr, (ossl_ssize_t)text.len);
    char *label = NULL, *header = NULL;
    uint8_t *der = NULL;
    long len = 0;
    bool ok = bio != NULL;

    while (ok && out->count < CERTIFICATES_MAX && PEM_read_bio(bio, &label, &header, &der, &len)) {
        if (is_certificate_label(label))
            ok = add(out, (struct slice){der, (size_t)len});
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    uint32_t reason = ERR_peek_last_error();
    bool damaged = reason && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (!ok)
        return no_memory(failure, path);
    if (out->count == CERTIFICATES_MAX)
        return failure_set(failure, ERROR_LIMIT, "%s: more than %d certificates", path,
                           CERTIFICATES_MAX - 1);
    if (damaged)
        return failure_set(failure, ERROR_INPUT, "%s: damaged PEM after certificate %u", path,
                           out->count);
    return ERROR_NONE;
}

static bool add_x509(struct found *out, X509 *certificate) {
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    bool ok = len > 0 && add(out, (struct slice){der, (size_t)len});

    OPENSSL_free(der);
    return ok;
}

/* The certificate of the private key comes first, where there is one: the order of the file says
 * nothing. */
static bool add_all_x509(struct found *out, EVP_PKEY *key, const STACK_OF(X509) * certificates) {
    size_t count = sk_X509_num(certificates), leaf = 0;
    bool ok = true;

    for (size_t i = count; key && i-- > 0;)
        if (X509_check_private_key(sk_X509_value(certificates, i), key) == 1)
            leaf = i;
    for (size_t i = 0; ok && i < count && i < CERTIFICATES_MAX; i++)
        ok = add_x509(out, sk_X509_value(certificates, i == 0 ? leaf : i <= leaf ? i - 1 : i));
    out->together = key != NULL;
    return ok;
}

/* PKCS#12, opened with the password, or with none in both of the ways in which files have none. */
static bool open_pkcs12(struct slice bytes, const char *password, EVP_PKEY **key,
                        STACK_OF(X509) * certificates) {
    CBS cbs;

    CBS_init(&cbs, bytes.ptr, bytes.len);
    if (PKCS12_get_key_and_certs(key, certificates, &cbs, password ? password : ""))
        return true;
    CBS_init(&cbs, bytes.ptr, bytes.len);
    return !password && PKCS12_get_key_and_certs(key, certificates, &cbs, NULL);
}

static enum error find_pkcs12(struct slice bytes, const char *path, const char *password,
                              struct found *out, struct failure *failure) {
    STACK_OF(X509) *certificates = sk_X509_new_null();
    EVP_PKEY *key = NULL;
    enum error error = ERROR_NONE;

    if (!certificates)
        return no_memory(failure, path);
    ERR_clear_error();
    if (open_pkcs12(bytes, password, &key, certificates)) {
        error = add_all_x509(out, key, certificates) ? ERROR_NONE : no_memory(failure, path);
    } else {
        uint32_t reason = ERR_peek_error();
        bool wrong = ERR_GET_LIB(reason) == ERR_LIB_PKCS8 &&
                     ERR_GET_REASON(reason) == PKCS8_R_INCORRECT_PASSWORD;
        error = wrong ? failure_set(failure, ERROR_INPUT,
                                    "%s: its password is another (--password-file)", path)
                      : failure_set(failure, ERROR_INPUT,
                                    "%s: neither PEM, nor DER, nor PKCS#12 that can be read", path);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    sk_X509_pop_free(certificates, X509_free);
    return error;
}

static bool contains(struct slice text, const char *part) {
    return text.len && memmem(text.ptr, text.len, part, strlen(part));
}

static enum error find_certificates(struct slice bytes, const struct reading *reading,
                                    struct found *out, struct failure *failure) {
    struct certificate certificate;
    const char *path = reading->path;

    if (contains(bytes, "-----BEGIN "))
        return find_pem(bytes, path, out, failure);
    if (certificate_decode(bytes, &certificate) == CERTIFICATE_OK)
        return add(out, bytes) ? ERROR_NONE : no_memory(failure, path);
    if (bytes.len && bytes.ptr[0] == 0x30)
        return find_pkcs12(bytes, path, reading->config->password, out, failure);
    return ERROR_NONE;
}

/* --- Records --- */

static void report(const struct reading *reading, struct tls_observation *seen,
                   const char *problem) {
    int64_t now_ms = clock_unix_ms();
    struct report report = {
        .settings = reading->config->settings,
        .target = reading->config->name,
        .path = slice_of(reading->path),
        .plan = PLAN_HANDSHAKE,
        .attempt = 1,
        .outcome = problem ? OUTCOME_CERTIFICATE_UNPARSABLE : OUTCOME_OK,
        .stage = STAGE_DONE,
        .error = slice_of(problem ? problem : ""),
        .timing = {-1, -1, -1, -1, -1},
        .seen = seen,
        .links = reading->links,
        .started_ms = now_ms,
        .now_ms = now_ms,
    };
    record_list_take(reading->out, report_record(&report, reading->trust));
}

/* Whether one of the chain so far was issued by the holder of `next`. */
static bool issued_one_of(const struct tls_observation *seen, struct slice next) {
    struct certificate issuer, issued;

    if (certificate_decode(next, &issuer) != CERTIFICATE_OK)
        return false;
    for (uint32_t i = 0; i < seen->certificate_count; i++)
        if (certificate_decode(seen->certificates[i], &issued) == CERTIFICATE_OK &&
            slice_equal(issued.issuer, issuer.subject) &&
            !slice_equal(issued.issuer, issued.subject))
            return true;
    return false;
}

static void report_found(const struct reading *reading, const struct found *found) {
    struct tls_observation seen = {0};

    for (uint32_t i = 0; i < found->count; i++) {
        bool full = seen.certificate_count == LIMIT_CHAIN_CERTIFICATES;
        if (found->together && full)
            break;
        if (seen.certificate_count && !found->together &&
            (full || !issued_one_of(&seen, found->items[i]))) {
            report(reading, &seen, NULL);
            seen = (struct tls_observation){0};
        }
        seen.certificates[seen.certificate_count++] = found->items[i];
        seen.certificates_sent = seen.certificate_count;
    }
    if (seen.certificate_count)
        report(reading, &seen, NULL);
}

/* --- Files and folders --- */

/* `found_any` tells whether there was a certificate; its absence is no failure here. */
static enum error read_one(struct reading *reading, bool *found_any, struct failure *failure) {
    struct found found = {0};
    struct buffer bytes;

    buffer_init(&bytes);
    enum error error = read_file(reading->path, &bytes, failure);
    if (error == ERROR_NONE)
        error = find_certificates(buffer_slice(&bytes), reading, &found, failure);
    *found_any = found.count != 0;
    report_found(reading, &found); /* those before a damage too */
    found_deinit(&found);
    buffer_deinit(&bytes);
    return error;
}

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

static enum error take_entry(struct reading *reading, const FTSENT *entry,
                             struct failure *failure) {
    struct failure problem = {0};
    bool found = false;

    if (reading->out->count >= RECORDS_MAX)
        return failure_set(failure, ERROR_LIMIT, "%s: more than %d certificates",
                           entry->fts_accpath, RECORDS_MAX);
    reading->path = entry->fts_path;
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR) {
        struct tls_observation none = {0};
        report(reading, &none, error_text((enum error)entry->fts_errno));
        return ERROR_NONE;
    }
    if (entry->fts_info != FTS_F || !may_be_certificate(entry->fts_name))
        return ERROR_NONE;
    enum error error = read_one(reading, &found, &problem);
    if (error == ERROR_NONE && !found)
        failure_set(&problem, ERROR_INPUT, "%s: no certificate in it", reading->path);
    bool matters = is_named_certificate(entry->fts_name) ||
                   (error != ERROR_NONE && !ends_in(entry->fts_name, ".der"));
    if (problem.code != ERROR_NONE && matters) {
        struct tls_observation none = {0};
        size_t path_len = strlen(reading->path) + strlen(": ");
        bool cut = path_len >= strlen(problem.text); /* a very long path leaves no room for words */
        report(reading, &none, cut ? "cannot be read" : problem.text + path_len);
    }
    return error == ERROR_MEMORY ? no_memory(failure, reading->path) : ERROR_NONE;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum error read_folder(struct reading *reading, const char *path, struct failure *failure) {
    char *const paths[] = {(char *)path, NULL}; /* fts writes to neither */
    FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    enum error error = ERROR_NONE;
    FTSENT *entry;

    if (!tree)
        return failure_set(failure, (enum error)errno, "%s: %s", path,
                           error_text((enum error)errno));
    while (error == ERROR_NONE && (entry = fts_read(tree))) {
        if (entry->fts_level >= DEPTH_MAX)
            fts_set(tree, entry, FTS_SKIP);
        error = take_entry(reading, entry, failure);
    }
    fts_close(tree);
    if (error == ERROR_NONE && reading->out->count == 0)
        error = failure_set(failure, ERROR_INPUT, "%s: no certificate in this folder", path);
    return error;
}

static enum error read_path(struct reading *reading, const char *path, struct failure *failure) {
    struct stat status;
    bool found;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return read_folder(reading, path, failure);
    enum error error = read_one(reading, &found, failure);
    if (error == ERROR_NONE && !found)
        error = failure_set(failure, ERROR_INPUT, "%s: no certificate in it", path);
    return error;
}

enum error local_read(const char *path, const struct local_config *config, struct record_list *out,
                      struct failure *failure) {
    struct reading reading = {
        .config = config, .links = link_cache_new(), .out = out, .path = path};
    bool verify = config->settings->roots != NULL;
    enum error error = ERROR_NONE;

    if (verify)
        reading.trust = trust_checker_new(config->settings->roots);
    if (reading.links && (reading.trust || !verify))
        error = read_path(&reading, path, failure);
    else
        out->failed = true;
    trust_checker_free(reading.trust);
    link_cache_free(reading.links);
    return error == ERROR_NONE && out->failed ? no_memory(failure, path) : error;
}
