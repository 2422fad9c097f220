/* Known certificates from files of all kinds, also from those that are none. */
#include "tests/unit/sinks/scratch.h"
#include "tools/watch/inventory.h"

#include "engine/x509/bundle.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define OK(call) assert_int_equal(call, ERROR_NONE)

static struct failure failure;
static char said[1024];

static void say(void *owner, const char *words) {
    (void)owner;
    snprintf(said, sizeof said, "%s", words);
}

/* --- Files --- */

static void write_file(const char *name, const void *bytes, size_t len) {
    FILE *file = fopen(scratch_path(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* openssl makes the certificates: name.pem, name.der, and others on demand. */
static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...) {
    char command[1024], whole[1200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    snprintf(whole, sizeof whole, "cd %s && (%s) 2>openssl.log", scratch, command);
    assert_int_equal(system(whole), 0);
}

static void make(const char *name) {
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key"
        " -subj /CN=%s -days 30 -out %s.pem && openssl x509 -in %s.pem -outform DER -out %s.der",
        name, name, name, name, name);
}

/* What an entry of a log would look like: all hashes, from name.der. */
struct hashes {
    uint8_t tbs[32], sha256[32], sha1[20], spki[32];
};

static struct hashes hashes_of(const char *name) {
    char file[64];
    struct certificate certificate;
    struct hashes hashes;
    size_t len;

    snprintf(file, sizeof file, "%s.der", name);
    char *bytes = read_whole(scratch_path(file), &len);
    struct slice der = {(uint8_t *)bytes, len};
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    certificate_sha256(der, hashes.sha256);
    certificate_sha1(der, hashes.sha1);
    certificate_sha256(certificate.spki, hashes.spki);
    assert_true(certificate_tbs_sha256(&certificate, hashes.tbs));
    free(bytes);
    return hashes;
}

enum { HAS_TBS = 1, HAS_SHA256 = 2, HAS_SHA1 = 4, HAS_SPKI = 8 };

static enum ct_known_by known_by(const struct inventory *inventory, const char *name, int has) {
    struct hashes hashes = hashes_of(name);
    struct ct_record record = {.has_certificate = true, .has_fingerprint = true};
    struct certificate_fields *fields = &record.certificate;
    enum ct_known_by by;

    fields->has_tbs_sha256 = has & HAS_TBS;
    fields->has_fingerprint_sha256 = has & HAS_SHA256;
    fields->has_fingerprint_sha1 = has & HAS_SHA1;
    fields->has_spki_sha256 = has & HAS_SPKI;
    memcpy(fields->tbs_sha256, hashes.tbs, sizeof hashes.tbs);
    memcpy(fields->fingerprint_sha256, hashes.sha256, sizeof hashes.sha256);
    memcpy(fields->fingerprint_sha1, hashes.sha1, sizeof hashes.sha1);
    memcpy(fields->spki_sha256, hashes.spki, sizeof hashes.spki);
    bool knows = inventory_knows(inventory, &record, &by);
    assert_int_equal(knows, by != CT_KNOWN_NOT);
    return by;
}

static struct inventory *open_paths(const char *const *paths, uint32_t count, bool by_key) {
    const struct inventory_config config = {paths, count, by_key, say, NULL};
    struct inventory *inventory;

    said[0] = 0;
    OK(inventory_open(&inventory, &config, &failure));
    return inventory;
}

static void assert_refused(const char *path, const char *words) {
    const struct inventory_config config = {&path, 1, false, say, NULL};
    struct inventory *inventory;

    assert_int_not_equal(inventory_open(&inventory, &config, &failure), ERROR_NONE);
    assert_non_null(strstr(failure.text, words));
}

static int setup(void **unused) {
    (void)unused;
    run("rm -rf folder known* other*");
    return 0;
}

/* --- Kinds of files --- */

static void assert_knows_both(const char *file) {
    const char *path = scratch_path(file);
    struct inventory *inventory = open_paths(&path, 1, false);

    assert_int_equal(inventory_count(inventory), 2);
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_TBS);
    assert_int_equal(known_by(inventory, "two", HAS_TBS | HAS_SHA1), CT_KNOWN_TBS);
    assert_int_equal(known_by(inventory, "one", HAS_SHA256), CT_KNOWN_FINGERPRINT);
    assert_int_equal(known_by(inventory, "two", HAS_SHA1), CT_KNOWN_FINGERPRINT);
    assert_int_equal(known_by(inventory, "two", HAS_SPKI), CT_KNOWN_NOT); /* nobody asked */
    assert_int_equal(known_by(inventory, "two", 0), CT_KNOWN_NOT);
    assert_int_equal(known_by(inventory, "three", 15), CT_KNOWN_NOT);
    assert_string_equal(said, "");
    inventory_close(inventory);
}

static void test_pem(void **unused) {
    (void)unused;
    run("cat one.key one.pem two.pem > known.pem; cp known.pem known"); /* any name */
    assert_knows_both("known.pem");
    assert_knows_both("known");
}

static void test_pkcs7(void **unused) {
    (void)unused;
    run("openssl crl2pkcs7 -nocrl -certfile one.pem -certfile two.pem -outform DER -out known.p7b"
        " && openssl crl2pkcs7 -nocrl -certfile one.pem -certfile two.pem -out known.p7c");
    assert_knows_both("known.p7b");
    assert_knows_both("known.p7c");
}

static void test_folder(void **unused) {
    (void)unused;
    run("mkdir -p folder/a/b folder/loop && cp one.der folder/a/b/x.der && cp two.pem"
        " folder/a/TWO.CRT && cp three.pem folder/notes.txt && ln -s .. folder/loop/up &&"
        " ln -s nowhere folder/gone.pem && mkfifo folder/pipe.pem && touch folder/empty.pem");
    assert_knows_both("folder");
}

static void test_several_paths(void **unused) {
    (void)unused;
    char one[128], two[128];
    const char *const paths[] = {one, two, one};

    strcpy(one, scratch_path("one.pem"));
    strcpy(two, scratch_path("two.der"));
    struct inventory *inventory = open_paths(paths, 3, false);
    assert_int_equal(inventory_count(inventory), 2);
    inventory_close(inventory);
}

static void test_keys(void **unused) {
    (void)unused;
    const char *path = scratch_path("one.pem");
    struct inventory *inventory = open_paths(&path, 1, true);

    assert_int_equal(known_by(inventory, "one", HAS_SPKI), CT_KNOWN_KEY);
    assert_int_equal(known_by(inventory, "two", HAS_SPKI), CT_KNOWN_NOT);
    inventory_close(inventory);
}

/* --- Records --- */

static void add_hex(struct buffer *out, const char *name, const uint8_t *bytes, size_t len) {
    buffer_add_format(out, "\"%s\":\"", name);
    for (size_t i = 0; i < len; i++)
        buffer_add_format(out, i % 2 ? "%02x" : "%02X", bytes[i]);
    buffer_add_text(out, "\"");
}

static void test_records(void **unused) {
    (void)unused;
    struct hashes one = hashes_of("one"), two = hashes_of("two"), three = hashes_of("three");
    const char *path = scratch_path("known.jsonl");
    struct buffer text;

    buffer_init(&text);
    buffer_add_text(&text, "{\"record\":\"probe\",\"outcome\":\"refused\"}\n\n"
                           "{\"record\":\"probe\",\"certificate\":{");
    add_hex(&text, "fingerprint_sha256", one.sha256, 32);
    buffer_add_text(&text, ",");
    add_hex(&text, "fingerprint_sha1", one.sha1, 20);
    buffer_add_text(&text, ",");
    add_hex(&text, "tbs_sha256", one.tbs, 32);
    buffer_add_text(&text, "}}\r\n{\"record\":\"ct\",\"certificate\":{");
    add_hex(&text, "fingerprint_sha256", three.sha256, 32); /* of a watch: known to nobody */
    buffer_add_text(&text, "}}\n{\"certificate\":{");
    add_hex(&text, "fingerprint_sha1", two.sha1, 20);
    buffer_add_text(&text, "}}"); /* without a newline */
    write_file("known.jsonl", text.ptr, text.len);
    buffer_deinit(&text);
    struct inventory *inventory = open_paths(&path, 1, false);
    assert_int_equal(inventory_count(inventory), 2);
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_TBS);
    assert_int_equal(known_by(inventory, "two", HAS_SHA1), CT_KNOWN_FINGERPRINT);
    assert_int_equal(known_by(inventory, "two", HAS_TBS), CT_KNOWN_NOT);
    assert_int_equal(known_by(inventory, "three", 15), CT_KNOWN_NOT);
    assert_string_equal(said, "");
    inventory_close(inventory);
}

/* --- What is no inventory --- */

static void test_refused(void **unused) {
    (void)unused;
    assert_refused(scratch_path("nowhere.pem"), "No such file");
    assert_refused("/dev/null", "neither a file nor a folder");
    write_text("known.pem", "hello\n");
    assert_refused(scratch_path("known.pem"), "holds no certificate");
    write_text("known.pem", "");
    assert_refused(scratch_path("known.pem"), "holds no certificate");
    write_text("known.jsonl", "{\"record\":\"probe\"}\n");
    assert_refused(scratch_path("known.jsonl"), "holds no certificate");
    assert_refused(scratch_path("one.key"), "holds no certificate");
}

/* A file that is damaged in the middle is told; what can be read of all others counts. */
static void test_damaged(void **unused) {
    (void)unused;
    const char *path = scratch_path("folder");

    run("mkdir folder && (cat one.pem; head -c 300 two.pem; echo; cat three.pem) > folder/x.pem &&"
        " cp two.pem folder/y.pem");
    struct inventory *inventory = open_paths(&path, 1, false);
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_TBS);
    assert_int_equal(known_by(inventory, "two", HAS_TBS), CT_KNOWN_TBS);
    assert_non_null(strstr(said, "x.pem"));
    assert_non_null(strstr(said, "not all of its certificates"));
    inventory_close(inventory);
}

static void test_hostile_records(void **unused) {
    (void)unused;
    static char line[5 << 20];
    struct hashes one = hashes_of("one");
    const char *path = scratch_path("known.jsonl");
    struct buffer text;

    buffer_init(&text);
    memset(line, '[', sizeof line); /* deep, and longer than a line may be */
    buffer_add(&text, line, sizeof line);
    buffer_add_text(&text, "\n");
    buffer_add(&text, line, 100000);
    buffer_add_text(&text, "\n{\"certificate\":[]}\n{\"certificate\":{\"tbs_sha256\":7}}\nnull\n"
                           "{\"certificate\":{\"tbs_sha256\":\"zz\",\"fingerprint_sha1\":\"\"}}\n"
                           "{\"certificate\":{\"fingerprint_sha256\":\"0011\"}}\n\"\n\1\2\3\n"
                           "{\"certificate\":{");
    add_hex(&text, "tbs_sha256", one.tbs, 32);
    buffer_add_text(&text, "}}\n{\"certificate\":{\"tbs_sha256\":\"");
    write_file("known.jsonl", text.ptr, text.len);
    buffer_deinit(&text);
    struct inventory *inventory = open_paths(&path, 1, false);
    assert_int_equal(inventory_count(inventory), 1);
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_TBS);
    assert_non_null(strstr(said, "no records"));
    inventory_close(inventory);
}

/* Every prefix and every flipped byte of real files: nothing worse than less is known. */
static void test_cut_and_flipped(void **unused) {
    (void)unused;
    static const char *const files[] = {"one.der", "one.pem"};
    char folder[128];
    const char *path = folder;

    strcpy(folder, scratch_path("folder"));
    run("mkdir folder");
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        char *bytes = read_whole(scratch_path(files[i]), &len);
        for (size_t at = 0; at < len; at += 7) {
            write_file("folder/x.pem", bytes, at);
            inventory_close(open_paths(&path, 1, true));
            bytes[at] = (char)(bytes[at] ^ 0x15);
            write_file("folder/x.pem", bytes, len);
            inventory_close(open_paths(&path, 1, true));
            bytes[at] = (char)(bytes[at] ^ 0x15);
        }
        free(bytes);
    }
}

/* --- What changes --- */

static bool refresh(struct inventory *inventory) {
    bool changed;

    OK(inventory_refresh(inventory, &changed, &failure));
    return changed;
}

static void test_refresh(void **unused) {
    (void)unused;
    const char *path = scratch_path("folder");

    run("mkdir folder && cp one.pem folder");
    struct inventory *inventory = open_paths(&path, 1, false);
    assert_false(refresh(inventory));
    run("cp two.pem folder");
    assert_false(refresh(inventory)); /* it may still be written */
    assert_true(refresh(inventory));
    assert_false(refresh(inventory));
    assert_int_equal(known_by(inventory, "two", HAS_TBS), CT_KNOWN_TBS);
    run("rm folder/one.pem");
    assert_false(refresh(inventory));
    assert_true(refresh(inventory));
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_NOT);
    assert_int_equal(inventory_count(inventory), 1);
    inventory_close(inventory);
}

/* A file that grows all the time is read nevertheless. */
static void test_restless(void **unused) {
    (void)unused;
    const char *path = scratch_path("known.pem");
    bool changed = false;

    run("cp one.pem known.pem");
    struct inventory *inventory = open_paths(&path, 1, false);
    for (int i = 0; i < 20 && !changed; i++) {
        run("cat two.pem >> known.pem");
        changed = refresh(inventory);
    }
    assert_true(changed);
    assert_int_equal(known_by(inventory, "two", HAS_TBS), CT_KNOWN_TBS);
    inventory_close(inventory);
}

/* What can no longer be read stays known. */
static void test_gone(void **unused) {
    (void)unused;
    const char *path = scratch_path("folder");
    bool changed;

    run("mkdir folder && cp one.pem folder");
    struct inventory *inventory = open_paths(&path, 1, false);
    run("mv folder other");
    assert_int_equal(inventory_refresh(inventory, &changed, &failure), ENOENT);
    assert_false(changed);
    assert_int_equal(known_by(inventory, "one", HAS_TBS), CT_KNOWN_TBS);
    run("mv other folder");
    assert_false(refresh(inventory));
    inventory_close(inventory);
    inventory_close(NULL);
}

static int group_setup(void **unused) {
    int failed = scratch_setup(unused);

    for (size_t i = 0; !failed && i < 3; i++)
        make((const char *const[]){"one", "two", "three"}[i]);
    return failed;
}

static int group_teardown(void **unused) {
    setup(unused);
    return scratch_teardown(unused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pem, setup),
        cmocka_unit_test_setup(test_pkcs7, setup),
        cmocka_unit_test_setup(test_folder, setup),
        cmocka_unit_test_setup(test_several_paths, setup),
        cmocka_unit_test_setup(test_keys, setup),
        cmocka_unit_test_setup(test_records, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_damaged, setup),
        cmocka_unit_test_setup(test_hostile_records, setup),
        cmocka_unit_test_setup(test_cut_and_flipped, setup),
        cmocka_unit_test_setup(test_refresh, setup),
        cmocka_unit_test_setup(test_restless, setup),
        cmocka_unit_test_setup(test_gone, setup),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
