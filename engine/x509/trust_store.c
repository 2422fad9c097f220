#include "engine/x509/trust_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/buffer.h"

/* A bundle: the system's have about 250 KB. Stops a device or a disk image given by mistake. */
enum { BUNDLE_BYTES_MAX = 64 * 1024 * 1024 };

/* Where systems keep their roots, in the order in which they are looked for. */
static const char *const SYSTEM_BUNDLES[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Gentoo */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* older Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/ssl/cert.pem",                                 /* Alpine, OpenBSD, FreeBSD, macOS */
    "/usr/local/share/certs/ca-root-nss.crt",            /* older FreeBSD */
    "/etc/openssl/certs/ca-certificates.crt",            /* NetBSD */
};
static const char *const SYSTEM_FOLDERS[] = {"/etc/ssl/certs", "/etc/pki/tls/certs"};

/* The store in the making. */
struct loading {
    struct trust_store *store;
    size_t capacity;
    bool pass_over_broken; /* the system's store: one bad certificate must not stop a sweep */
    struct failure *failure;
};

/* --- Certificates from bytes --- */

static enum error add_root(struct loading *loading, struct slice der, const char *path,
                           size_t number) {
    struct trust_store *store = loading->store;
    uint8_t digest[TRUST_DIGEST_BYTES];
    trust_store_digest(store, der, digest);
    bool no_memory = false;
    struct trust_certificate *root = trust_certificate_new(der, digest, true, &no_memory);
    if (no_memory)
        return failure_set(loading->failure, ERROR_MEMORY, "%s: no memory", path);
    if (!root || root->unreadable) {
        trust_certificate_put(root);
        if (loading->pass_over_broken)
            return ERROR_NONE;
        return failure_set(loading->failure, ERROR_INPUT, "%s: certificate %zu cannot be read",
                           path, number);
    }
    if (store->count == loading->capacity) {
        size_t capacity = loading->capacity ? loading->capacity * 2 : 256;
        struct trust_certificate **roots = reallocarray(store->roots, capacity, sizeof *roots);
        if (!roots) {
            trust_certificate_put(root);
            return failure_set(loading->failure, ERROR_MEMORY, "%s: no memory", path);
        }
        store->roots = roots;
        loading->capacity = capacity;
    }
    store->roots[store->count++] = root;
    return ERROR_NONE;
}

/* Certificates with OpenSSL's trust settings ("TRUSTED CERTIFICATE") may say that they are not to
 * be trusted, and are no certificates here. */
static bool is_certificate_label(const char *label) {
    return strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0;
}

/* Adds every certificate of `text`, and passes over what else is in it, such as keys. */
static enum error add_pem(struct loading *loading, struct slice text, const char *path,
                          size_t *found) {
    *found = 0;
    enum error error = ERROR_NONE;
    BIO *bio = BIO_new_mem_buf(text.ptr, (ossl_ssize_t)text.len);
    if (!bio)
        return failure_set(loading->failure, ERROR_MEMORY, "%s: no memory", path);
    char *label = NULL, *header = NULL;
    uint8_t *der = NULL;
    long der_bytes = 0;
    while (!error && PEM_read_bio(bio, &label, &header, &der, &der_bytes)) {
        if (is_certificate_label(label))
            error = add_root(loading, (struct slice){der, (size_t)der_bytes}, path, ++*found);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    uint32_t reason = ERR_peek_last_error();
    bool damaged = !error && reason && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE;
    if (trust_memory_was_out() && !error)
        error = failure_set(loading->failure, ERROR_MEMORY, "%s: no memory", path);
    BIO_free(bio);
    if (error)
        return error;
    if (damaged && !loading->pass_over_broken)
        return failure_set(loading->failure, ERROR_INPUT,
                           "%s: damaged PEM after certificate %zu: %s", path, *found,
                           ERR_reason_error_string(reason));
    return error;
}

/* --- Files and folders --- */

static enum error read_whole(int fd, struct buffer *out) {
    for (;;) {
        uint8_t *at = buffer_reserve(out, 64 * 1024);
        if (!at)
            return ERROR_MEMORY;
        ssize_t got = read(fd, at, 64 * 1024);
        if (got == 0)
            return ERROR_NONE;
        if (got < 0 && errno != EINTR)
            return (enum error)errno;
        if (got > 0)
            out->len += (size_t)got;
        if (out->len > BUNDLE_BYTES_MAX)
            return (enum error)EFBIG;
    }
}

/* Adds the certificates of one file. */
static enum error add_file(struct loading *loading, const char *path, size_t *found) {
    *found = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int cause = errno;
        return failure_set(loading->failure, (enum error)cause, "%s: cannot open: %s", path,
                           error_text((enum error)cause));
    }
    struct buffer content;
    buffer_init(&content);
    enum error error = read_whole(fd, &content);
    close(fd);
    if (error)
        failure_set(loading->failure, error, "%s: cannot read: %s", path, error_text(error));
    else
        error = add_pem(loading, buffer_slice(&content), path, found);
    buffer_deinit(&content);
    return error;
}

static bool ends_in(const char *name, const char *ending) {
    size_t len = strlen(name), ending_len = strlen(ending);
    return len > ending_len && strcmp(name + len - ending_len, ending) == 0;
}

bool trust_folder_takes(const char *name) {
    if (name[0] == '.')
        return false;
    return ends_in(name, ".pem") || ends_in(name, ".crt") || ends_in(name, ".cer") ||
           (strlen(name) > 9 && strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
            strspn(name + 9, "0123456789") == strlen(name + 9));
}

static enum error add_folder(struct loading *loading, const char *path, size_t *found) {
    *found = 0;
    DIR *folder = opendir(path);
    if (!folder) {
        int cause = errno;
        return failure_set(loading->failure, (enum error)cause, "%s: cannot open: %s", path,
                           error_text((enum error)cause));
    }
    enum error error = ERROR_NONE;
    struct dirent *entry;
    while (!error && (entry = readdir(folder))) {
        char *file = NULL;
        struct stat status;
        if (!trust_folder_takes(entry->d_name))
            continue;
        if (asprintf(&file, "%s/%s", path, entry->d_name) < 0) {
            error = failure_set(loading->failure, ERROR_MEMORY, "%s: no memory", path);
            break;
        }
        size_t in_file = 0;
        if (stat(file, &status) == 0 && S_ISREG(status.st_mode))
            error = add_file(loading, file, &in_file);
        if (error != ERROR_MEMORY && loading->pass_over_broken)
            error = ERROR_NONE;
        *found += in_file;
        free(file);
    }
    closedir(folder);
    return error;
}

/* A file or a folder; finding nothing in it is an error. */
static enum error add_path(struct loading *loading, const char *path) {
    struct stat status;
    size_t found = 0;
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    enum error error =
        is_folder ? add_folder(loading, path, &found) : add_file(loading, path, &found);
    if (!error && found == 0)
        return failure_set(loading->failure, ERROR_INPUT, "%s: no PEM certificate in %s", path,
                           is_folder ? "this folder" : "it");
    return error;
}

/* --- The system's store --- */

/* SSL_CERT_DIR is a list with colons. */
static enum error add_folder_list(struct loading *loading, const char *list) {
    char *copy = strdup(list), *rest = copy;
    if (!copy)
        return failure_set(loading->failure, ERROR_MEMORY, "no memory");
    enum error error = ERROR_NONE;
    for (char *folder = strsep(&rest, ":"); folder && !error; folder = strsep(&rest, ":")) {
        if (*folder)
            error = add_path(loading, folder);
    }
    free(copy);
    return error;
}

static enum error add_from_environment(struct loading *loading, const char *file,
                                       const char *folders) {
    loading->pass_over_broken = false;
    const char *variable = file ? "SSL_CERT_FILE" : "SSL_CERT_DIR";
    enum error error = file ? add_path(loading, file) : ERROR_NONE;
    if (!error && folders) {
        variable = "SSL_CERT_DIR";
        error = add_folder_list(loading, folders);
    }
    if (error && loading->failure) {
        struct failure cause = *loading->failure;
        failure_set(loading->failure, error, "%s: %.480s", variable, cause.text);
    }
    return error;
}

static enum error add_system(struct loading *loading) {
    const char *file = getenv("SSL_CERT_FILE"), *folders = getenv("SSL_CERT_DIR");
    if ((file && *file) || (folders && *folders))
        return add_from_environment(loading, file && *file ? file : NULL,
                                    folders && *folders ? folders : NULL);
    loading->pass_over_broken = true;
    for (size_t i = 0; i < sizeof SYSTEM_BUNDLES / sizeof *SYSTEM_BUNDLES; i++) {
        if (add_path(loading, SYSTEM_BUNDLES[i]) == ERROR_NONE && loading->store->count)
            return ERROR_NONE;
    }
    for (size_t i = 0; i < sizeof SYSTEM_FOLDERS / sizeof *SYSTEM_FOLDERS; i++) {
        if (add_path(loading, SYSTEM_FOLDERS[i]) == ERROR_NONE && loading->store->count)
            return ERROR_NONE;
    }
    return failure_set(loading->failure, ERROR_INPUT,
                       "this system has no store of trusted roots: install ca-certificates, set "
                       "SSL_CERT_FILE or name a file of roots");
}

/* --- The store --- */

void trust_store_digest(const struct trust_store *store, struct slice bytes,
                        uint8_t out[TRUST_DIGEST_BYTES]) {
    SHA256_CTX context = store->keyed;
    SHA256_Update(&context, bytes.ptr, bytes.len);
    SHA256_Final(out, &context);
}

static int compare_roots(const void *a, const void *b) {
    const struct trust_certificate *first = *(struct trust_certificate *const *)a;
    const struct trust_certificate *second = *(struct trust_certificate *const *)b;
    int order =
        X509_NAME_cmp(X509_get_subject_name(first->x509), X509_get_subject_name(second->x509));
    return order ? order : memcmp(first->digest, second->digest, TRUST_DIGEST_BYTES);
}

/* Orders the roots and drops the second copies: folders have each file under two names. */
void trust_store_sort(struct trust_store *store) {
    if (store->count == 0)
        return;
    qsort(store->roots, store->count, sizeof *store->roots, compare_roots);
    size_t kept = 1;
    for (size_t i = 1; i < store->count; i++) {
        struct trust_certificate *root = store->roots[i];
        if (memcmp(root->digest, store->roots[kept - 1]->digest, TRUST_DIGEST_BYTES) == 0)
            trust_certificate_put(root);
        else
            store->roots[kept++] = root;
    }
    store->count = kept;
}

struct trust_certificate *const *trust_store_find(const struct trust_store *store,
                                                  const X509_NAME *subject, size_t *count) {
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (X509_NAME_cmp(X509_get_subject_name(store->roots[middle]->x509), subject) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < store->count &&
           X509_NAME_cmp(X509_get_subject_name(store->roots[end]->x509), subject) == 0)
        end++;
    *count = end - low;
    return store->roots ? store->roots + low : NULL;
}

bool trust_store_has(const struct trust_store *store, const struct trust_certificate *certificate) {
    size_t count;
    struct trust_certificate *const *roots =
        trust_store_find(store, X509_get_subject_name(certificate->x509), &count);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(roots[i]->digest, certificate->digest, TRUST_DIGEST_BYTES) == 0)
            return true;
    }
    return false;
}

void trust_store_init(struct trust_store *store) {
    uint8_t secret[SHA256_CBLOCK];
    RAND_bytes(secret, sizeof secret);
    *store = (struct trust_store){0};
    SHA256_Init(&store->keyed);
    SHA256_Update(&store->keyed, secret, sizeof secret);
}

enum error trust_store_open(struct trust_store **out, const char *path, struct failure *failure) {
    *out = NULL;
    struct trust_store *store = calloc(1, sizeof *store);
    if (!store)
        return failure_set(failure, ERROR_MEMORY, "no memory for the trust store");
    trust_store_init(store);
    struct loading loading = {.store = store, .failure = failure};
    enum error error = path ? add_path(&loading, path) : add_system(&loading);
    if (error) {
        trust_store_close(store);
        return error;
    }
    trust_store_sort(store);
    if (failure)
        *failure = (struct failure){0};
    *out = store;
    return ERROR_NONE;
}

enum error trust_store_add(struct trust_store *store, const char *path, struct failure *failure) {
    struct loading loading = {.store = store, .capacity = store->count, .failure = failure};
    enum error error = add_path(&loading, path);
    trust_store_sort(store);
    return error;
}

void trust_store_close(struct trust_store *store) {
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        trust_certificate_put(store->roots[i]);
    free(store->roots);
    free(store);
}

size_t trust_store_roots(const struct trust_store *store) {
    return store->count;
}
