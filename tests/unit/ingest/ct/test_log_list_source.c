/* Log lists from servers and files: taken when they are signed, read again when they changed. */
#include "bench/ctfarm/ctfarm.h"
#include "ingest/ct/log_list_source.h"
#include "tests/unit/ingest/ct/list_server.h"

#include <signal.h>

static struct ctfarm *farm; /* that makes and signs the list */
static struct buffer key;

static int set_up(void **state) {
    struct ctfarm_options options;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    ctfarm_options_init(&options);
    options.log.entries = options.start = 1;
    if (http_global_init(NULL) != ERROR_NONE || ctfarm_start(&farm, &options, NULL) != ERROR_NONE)
        return 1;
    ctfarm_add_list_key(ctfarm_log(farm), &key);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ctfarm_stop(farm);
    buffer_deinit(&key);
    return 0;
}

static struct log_list_source *open_source(const char *where, bool unsigned_too) {
    struct log_list_source_config config = {
        .where = where, .key = buffer_slice(&key), .unsigned_too = unsigned_too};
    struct log_list_source *source;

    assert_int_equal(log_list_source_open(&source, &config, NULL), ERROR_NONE);
    return source;
}

static enum error load(struct log_list_source *source, struct log_list **list,
                       struct failure *failure) {
    struct http_client_config http = {.connections = 4, .per_host = 2};

    return log_list_source_load(source, &http, list, failure);
}

static void load_two_logs(struct log_list_source *source) {
    struct failure failure = {0};
    struct log_list *list;

    if (load(source, &list, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_int_equal(list->log_count, 2);
    log_list_free(list);
}

static void refuse(struct log_list_source *source, const char *words) {
    struct failure failure = {0};
    struct log_list *list;

    assert_int_not_equal(load(source, &list, &failure), ERROR_NONE);
    if (!strstr(failure.text, words) || !strstr(failure.text, log_list_source_where(source)))
        fail_msg("%s", failure.text);
}

struct look {
    unsigned calls;
    bool refuses; /* what comes */
    struct log_list *list;
    bool failed;
    char words[FAILURE_TEXT_MAX];
};

static bool on_look(void *context, struct log_list *list, const struct failure *failure) {
    struct look *look = context;

    look->calls++;
    look->list = list;
    look->failed = failure != NULL;
    snprintf(look->words, sizeof look->words, "%s", failure ? failure->text : "");
    return !look->refuses;
}

static struct look look_at(struct log_list_source *source, struct http_client *client,
                           bool refuses) {
    struct look look = {.refuses = refuses};

    log_list_source_look(source, client, on_look, &look);
    while (client && http_client_step(client, 1000))
        continue;
    assert_int_equal(look.calls, 1);
    return look;
}

static void nothing_new(struct log_list_source *source, struct http_client *client) {
    struct look look = look_at(source, client, false);

    assert_null(look.list);
    assert_false(look.failed);
}

static void something_new(struct log_list_source *source, struct http_client *client) {
    struct look look = look_at(source, client, false);

    assert_non_null(look.list);
    assert_false(look.failed);
    log_list_free(look.list);
}

static void a_failure(struct log_list_source *source, struct http_client *client,
                      const char *words) {
    struct look look = look_at(source, client, false);

    assert_null(look.list);
    assert_true(look.failed);
    if (!strstr(look.words, words))
        fail_msg("%s", look.words);
}

/* --- From a server --- */

static void test_the_farms_own(void **state) {
    char where[128];

    (void)state;
    snprintf(where, sizeof where, "%s/log_list.json", ctfarm_url(farm));
    struct log_list_source *source = open_source(where, false);
    load_two_logs(source);
    load_two_logs(source); /* a load is never a question whether it changed */
    log_list_source_close(source);
}

static void test_a_server(void **state) {
    struct test_server *server = test_server_start(list_server_handle, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});
    struct log_list_source *source = open_source(url_of(server, "/log_list.json"), false);

    (void)state;
    list_server_set(ctfarm_log(farm), ctfarm_list(farm), "\"one\"", true);
    load_two_logs(source);
    nothing_new(source, client);
    assert_int_equal(list_server.whole, 1);
    assert_int_equal(list_server.unchanged, 1);
    assert_int_equal(list_server.signatures, 1);
    list_server_set(ctfarm_log(farm), ctfarm_list(farm), "\"two\"", true);
    struct look look = look_at(source, client, true);
    log_list_free(look.list);
    something_new(source, client); /* as it was not taken */
    nothing_new(source, client);

    /* What is broken is not taken, and asked for again as a whole. */
    list_server_set(ctfarm_log(farm), slice_of("{\"operators\":5}"), "\"three\"", true);
    a_failure(source, client, "operators");
    a_failure(source, client, "operators");
    list_server_set(ctfarm_log(farm), ctfarm_list(farm), "\"two\"", true);
    nothing_new(source, client);
    list_server.status = 500;
    a_failure(source, client, "HTTP status 500");
    list_server.status = 0;
    http_client_close(client);
    test_server_stop(server);
    refuse(source, "");
    log_list_source_close(source);
    list_server_clear();
}

static void test_signatures(void **state) {
    struct test_server *server = test_server_start(list_server_handle, NULL);
    struct log_list_source *strict = open_source(url_of(server, "/log_list.json"), false);
    struct log_list_source *lax = open_source(url_of(server, "/log_list.json"), true);

    (void)state;
    list_server_set(ctfarm_log(farm), ctfarm_list(farm), "", true);
    load_two_logs(strict);
    load_two_logs(lax);
    list_server_set(ctfarm_log(farm), ctfarm_list(farm), "", false);
    refuse(strict, "signature");
    refuse(lax, "signature"); /* a wrong one is worse than none */
    list_server.signature.len = 0;
    refuse(strict, "HTTP status 404");
    load_two_logs(lax);
    log_list_source_close(strict);
    log_list_source_close(lax);
    test_server_stop(server);
    list_server_clear();
}

/* --- From a file --- */

static void write_file(const char *path, struct slice bytes) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void test_a_file(void **state) {
    char folder[] = "/tmp/trawl-test-XXXXXX", list[64], signature[64], other[64];
    struct buffer signed_by_farm, longer;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(list, sizeof list, "%s/log_list.json", folder);
    snprintf(signature, sizeof signature, "%s/log_list.sig", folder);
    snprintf(other, sizeof other, "%s/other.json", folder);
    struct log_list_source *strict = open_source(list, false), *lax = open_source(list, true);
    refuse(strict, "No such file");
    write_file(list, ctfarm_list(farm));
    refuse(strict, "signature");
    load_two_logs(lax);
    nothing_new(lax, NULL);
    buffer_init(&signed_by_farm);
    ctfarm_sign_list(ctfarm_log(farm), ctfarm_list(farm), &signed_by_farm);
    write_file(signature, buffer_slice(&signed_by_farm));
    load_two_logs(strict);
    nothing_new(strict, NULL);

    /* Another file in its place, as whoever writes carefully does. */
    buffer_init(&longer);
    buffer_add_slice(&longer, ctfarm_list(farm));
    buffer_add_text(&longer, "\n");
    write_file(other, buffer_slice(&longer));
    assert_int_equal(rename(other, list), 0);
    a_failure(strict, NULL, "signature");
    signed_by_farm.len = 0;
    ctfarm_sign_list(ctfarm_log(farm), buffer_slice(&longer), &signed_by_farm);
    write_file(signature, buffer_slice(&signed_by_farm));
    something_new(strict, NULL);
    nothing_new(strict, NULL);
    unlink(list);
    a_failure(strict, NULL, "No such file");
    refuse(lax, "No such file");
    buffer_deinit(&signed_by_farm);
    buffer_deinit(&longer);
    log_list_source_close(strict);
    log_list_source_close(lax);
    unlink(signature);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_farms_own),
        cmocka_unit_test(test_a_server),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_a_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
