#include "tests/unit/x509/trust_fixture.h"

#include <errno.h>
#include <sys/stat.h>

struct folder {
    char path[64];
    struct minted first, second;
};

static int set_up(void **state) {
    static struct folder folder;
    snprintf(folder.path, sizeof folder.path, "/tmp/trust-store-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    folder.first = mint_root("First", MINT_P256);
    folder.second = mint_root("Second", MINT_P256);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    *state = &folder;
    return 0;
}

static int tear_down(void **state) {
    struct folder *folder = *state;
    mint_free(&folder->first);
    mint_free(&folder->second);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder->path);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    return system(command);
}

static char *path_in(const struct folder *folder, const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder->path, name) > 0);
    return path;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Opens, counts and closes; the failure is empty. */
static size_t roots_of(const char *path) {
    struct trust_store *store;
    struct failure failure;
    if (trust_store_open(&store, path, &failure))
        fail_msg("%s", failure.text);
    assert_int_equal(failure.code, ERROR_NONE);
    size_t roots = trust_store_roots(store);
    trust_store_close(store);
    return roots;
}

/* The failure names the file and holds `words`. */
static void assert_refused(const char *path, const char *named, int code, const char *words) {
    struct trust_store *store;
    struct failure failure = {0};
    assert_int_equal(trust_store_open(&store, path, &failure), code);
    assert_null(store);
    assert_int_equal(failure.code, code);
    if (!strstr(failure.text, named) || !strstr(failure.text, words))
        fail_msg("'%s' names neither '%s' nor '%s'", failure.text, named, words);
    assert_int_equal(trust_store_open(&store, path, NULL), code);
}

static void test_bundle(void **state) {
    struct folder *folder = *state;
    char *path = path_in(folder, "bundle.pem");
    write_text(path, "# A comment\n");
    mint_write(path, &folder->first);
    write_text(path, "between\n");
    mint_write(path, &folder->second);
    mint_write(path, &folder->first); /* a second copy */
    assert_int_equal(roots_of(path), 2);
    free(path);
}

static void test_folder(void **state) {
    struct folder *folder = *state;
    char *pem = path_in(folder, "first.pem"), *crt = path_in(folder, "second.crt");
    char *hashed = path_in(folder, "0a775a30.0"), *note = path_in(folder, "README");
    char *key = path_in(folder, "key.pem"), *dangling = path_in(folder, "gone.pem");
    char *inner = path_in(folder, "inner.pem");
    mint_write(pem, &folder->first);
    mint_write(crt, &folder->second);
    assert_int_equal(symlink("first.pem", hashed), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_int_equal(mkdir(inner, 0700), 0);
    write_text(note, "-----BEGIN CERTIFICATE-----\nnot looked at\n");
    write_text(key, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    assert_int_equal(roots_of(folder->path), 2);
    char *all[] = {pem, crt, hashed, note, key, dangling, inner};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_adding(void **state) {
    struct folder *folder = *state;
    char *first = path_in(folder, "first.txt"), *both = path_in(folder, "both.txt");
    char *missing = path_in(folder, "missing.txt");
    struct trust_store *store;
    struct failure failure = {0};
    mint_write(first, &folder->first);
    mint_write(both, &folder->second);
    mint_write(both, &folder->first);
    assert_int_equal(trust_store_open(&store, first, &failure), ERROR_NONE);
    assert_int_equal(trust_store_roots(store), 1);
    assert_int_equal(trust_store_add(store, both, &failure), ERROR_NONE);
    assert_int_equal(trust_store_roots(store), 2);
    assert_int_equal(trust_store_add(store, missing, &failure), ENOENT);
    assert_non_null(strstr(failure.text, missing));
    assert_int_equal(trust_store_roots(store), 2);
    struct trust_checker *checker = trust_checker_new(store);
    struct slice second = folder->second.der;
    assert_int_equal(trust_check_authority(checker, &second, 1, MINT_NOW).error, TRUST_OK);
    trust_checker_free(checker);
    trust_store_close(store);
    char *all[] = {first, both, missing};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_refused_files(void **state) {
    struct folder *folder = *state;
    char *missing = path_in(folder, "missing.pem"), *empty = path_in(folder, "empty.txt");
    char *broken = path_in(folder, "broken.txt"), *cut = path_in(folder, "cut.txt");
    assert_refused(missing, missing, ENOENT, "No such file");
    write_text(empty, "");
    assert_refused(empty, empty, ERROR_INPUT, "no PEM certificate");
    assert_refused(folder->path, folder->path, ERROR_INPUT, "no PEM certificate in this folder");
    mint_write(broken, &folder->first);
    write_text(broken, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    assert_refused(broken, broken, ERROR_INPUT, "certificate 2 cannot be read");
    mint_write(cut, &folder->first);
    write_text(cut, "-----BEGIN CERTIFICATE-----\nMIIB");
    assert_refused(cut, cut, ERROR_INPUT, "damaged PEM after certificate 1");
    assert_refused("/dev/zero", "/dev/zero", EFBIG, "cannot read");
    char *in_folder = path_in(folder, "broken.pem");
    assert_int_equal(rename(broken, in_folder), 0);
    assert_refused(folder->path, in_folder, ERROR_INPUT, "certificate 2 cannot be read");
    if (geteuid() != 0) {
        assert_int_equal(chmod(in_folder, 0), 0);
        assert_refused(in_folder, in_folder, EACCES, "Permission denied");
    }
    char *all[] = {missing, empty, broken, cut, in_folder};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_environment(void **state) {
    struct folder *folder = *state;
    char *file = path_in(folder, "only.txt"), *missing = path_in(folder, "missing");
    mint_write(file, &folder->first);
    setenv("SSL_CERT_FILE", file, 1);
    assert_int_equal(roots_of(NULL), 1);
    char *second = path_in(folder, "second.pem");
    mint_write(second, &folder->second);
    char folders[200];
    snprintf(folders, sizeof folders, ":%s:%s", folder->path, folder->path);
    setenv("SSL_CERT_DIR", folders, 1);
    assert_int_equal(roots_of(NULL), 2);
    unsetenv("SSL_CERT_FILE");
    assert_int_equal(roots_of(NULL), 1);
    setenv("SSL_CERT_FILE", missing, 1);
    assert_refused(NULL, missing, ENOENT, "SSL_CERT_FILE");
    setenv("SSL_CERT_FILE", file, 1);
    setenv("SSL_CERT_DIR", missing, 1);
    assert_refused(NULL, missing, ENOENT, "SSL_CERT_DIR");
    free(second);
    free(missing);
    free(file);
}

static void test_the_system_store(void **state) {
    (void)state;
    struct trust_store *store;
    struct failure failure;
    enum error error = trust_store_open(&store, NULL, &failure);
    if (error) { /* a machine without ca-certificates */
        assert_int_equal(error, ERROR_INPUT);
        assert_non_null(strstr(failure.text, "ca-certificates"));
        return;
    }
    assert_true(trust_store_roots(store) > 10);
    trust_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bundle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_adding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_system_store, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
