/* What strangers may write: paths, queries, header lines, bodies; whose Host and Origin count; who
 * has which token; how often somebody may come. */
#include "tools/monitor/auth.h"
#include "tools/monitor/rates.h"
#include "tools/monitor/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OK(call) assert_int_equal(call, ERROR_NONE)

static void test_uris(void **unused) {
    (void)unused;
    static const char *const bad[] = {"",     "x",    "/%",      "/%0",        "/%00", "/%ff",
                                      "/a?%", "/%0a", "/?a=%7f", "/%e2%80%ae", "*"};
    struct request request;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        request_init(&request);
        assert_false(request_take_uri(&request, bad[i]));
        request_deinit(&request);
    }
    request_init(&request);
    assert_true(request_take_uri(&request, "/a%2Fb/c?q=a+b%26c&flag=1&n=42&&n=43&empty=&bare"));
    assert_true(slice_is(request.path, "/a/b/c"));
    assert_true(slice_is(request_query(&request, "q"), "a b&c"));
    assert_int_equal(request_query_number(&request, "n", 1), 42);
    assert_int_equal(request_query_number(&request, "q", 7), 7);
    assert_true(request_query_flag(&request, "flag", false));
    assert_true(request_query(&request, "bare").ptr != NULL);
    assert_null(request_query(&request, "none").ptr);
    request_deinit(&request);

    char many[REQUEST_URI_MAX + 2] = "/?";
    for (int i = 0; i <= REQUEST_QUERY_MAX; i++)
        strcat(many, "a&");
    request_init(&request);
    assert_false(request_take_uri(&request, many));
    request_deinit(&request);
    memset(many, 'a', sizeof many - 1);
    many[0] = '/';
    many[sizeof many - 1] = 0;
    request_init(&request);
    assert_false(request_take_uri(&request, many));
    request_deinit(&request);
}

static bool matches(const char *path, const char *pattern, struct slice parts[REQUEST_PARTS_MAX]) {
    return request_path_matches(slice_of(path), pattern, parts);
}

static void test_paths(void **unused) {
    (void)unused;
    struct slice parts[REQUEST_PARTS_MAX];

    assert_true(matches("/", "/", parts));
    assert_true(matches("/a/b", "/a/b", parts));
    assert_true(matches("/a/x y/c", "/a/{id}/c", parts));
    assert_true(slice_is(parts[0], "x y"));
    assert_false(matches("/a//c", "/a/{id}/c", parts));
    assert_false(matches("/a/b/", "/a/b", parts));
    assert_false(matches("/a", "/a/b", parts));
    assert_false(matches("/a/b", "/a", parts));
    assert_false(matches("", "/", parts));
}

static void test_every_route_is_found(void **unused) {
    (void)unused;
    struct slice parts[REQUEST_PARTS_MAX];
    uint32_t allowed;

    for (uint32_t i = 0; route_groups[i]; i++)
        for (const struct route *route = route_groups[i]->routes; route->path; route++)
            assert_ptr_equal(route_find(route->method, slice_of(route->path), parts, &allowed),
                             route);
    assert_null(route_find(METHOD_PUT, slice_of("/api/alerts"), parts, &allowed));
    assert_int_equal(allowed, 1 << METHOD_GET);
    assert_null(route_find(METHOD_PUT, slice_of("/api/none"), parts, &allowed));
    assert_int_equal(allowed, 0);
}

static void test_hosts(void **unused) {
    (void)unused;
    static const char *const ours[] = {"localhost", "LOCALHOST:8470",  "a.localhost:1",
                                       "127.0.0.1", "192.0.2.1:80",    "[::1]:8470",
                                       "[::1]",     "mon.example.org", "Mon.Example.Org:443"};
    static const char *const not_ours[] = {"",
                                           "evil.example",
                                           "127.0.0.1.evil.example",
                                           "localhost.evil.example",
                                           "[::1",
                                           "[::1]x",
                                           "a b",
                                           "mon.example.org:99999",
                                           "xlocalhost",
                                           ":80",
                                           "mon.example.org@evil.example",
                                           "mon.example.org:80:80"};
    const struct slice names[] = {slice_of("mon.example.org")};

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!host_is_ours(slice_of(ours[i]), names, 1))
            fail_msg("%s is not ours", ours[i]);
    for (size_t i = 0; i < sizeof not_ours / sizeof not_ours[0]; i++)
        if (host_is_ours(slice_of(not_ours[i]), names, 1))
            fail_msg("%s is ours", not_ours[i]);
    assert_true(origin_is_ours(slice_of("http://a:8470"), slice_of("a:8470")));
    assert_true(origin_is_ours(slice_of("https://a"), slice_of("a:443")));
    assert_true(origin_is_ours(slice_of("http://A"), slice_of("a")));
    assert_false(origin_is_ours(slice_of("null"), slice_of("a")));
    assert_false(origin_is_ours(slice_of("http://a:1"), slice_of("a:2")));
    assert_false(origin_is_ours(slice_of("http://a.b"), slice_of("a")));
    assert_false(origin_is_ours(slice_of("ftp://a"), slice_of("a")));
}

static void test_json(void **unused) {
    (void)unused;
    static const char *const bad[] = {"[", "nul", "[]", "1", "\"x\"", "{\"a\":}", "{} x", "\xff"};
    struct request request;
    struct failure failure;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        request_init(&request);
        buffer_add_text(&request.body, bad[i]);
        assert_int_equal(request_read_json(&request, &failure), ERROR_INPUT);
        assert_null(request_member(&request, "a"));
        request_deinit(&request);
    }
    request_init(&request);
    OK(request_read_json(&request, &failure)); /* no body at all */
    request_deinit(&request);
    request_init(&request);
    buffer_add_text(&request.body, " {\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"\",\"b\":null} ");
    OK(request_read_json(&request, &failure));
    assert_non_null(request_member(&request, "a"));
    assert_null(request_member(&request, "b"));
    request_deinit(&request);
}

/* --- Tokens --- */

static void check(struct auth *auth, const char *header, const char *value, bool known,
                  enum role role) {
    struct request request;
    char name[AUTH_NAME_BYTES];

    request_init(&request);
    assert_true(request_take_header(&request, header, value));
    request_end_headers(&request);
    assert_int_equal(auth_check(auth, &request, name), known);
    assert_int_equal(request.role, role);
    request_deinit(&request);
}

static void test_tokens(void **unused) {
    (void)unused;
    struct auth_token tokens[2];
    struct failure failure;
    struct auth *auth;
    struct buffer cookie;

    OK(auth_new(&auth, &failure));
    OK(auth_token_from_text(&tokens[0], "r", ROLE_READ, slice_of("0123456789abcdef"), &failure));
    /* printf %s fedcba9876543210 | sha256sum */
    OK(auth_token_from_sha256(
        &tokens[1], "a", ROLE_ADMIN,
        slice_of("3465f6e6975baa864ca957f0914ecda9bf7eb601ac31ac20a5dc3d329279a843"), &failure));
    assert_int_equal(auth_token_from_text(&tokens[1], "x", ROLE_READ, slice_of("short"), &failure),
                     ERROR_USAGE);
    assert_int_equal(
        auth_token_from_text(&tokens[1], "x", ROLE_READ, slice_of("with a blank in it"), &failure),
        ERROR_USAGE);
    assert_int_equal(auth_token_from_sha256(&tokens[1], "x", ROLE_READ, slice_of("12"), &failure),
                     ERROR_USAGE);
    auth_replace(auth, tokens, 1);
    check(auth, "Authorization", "Bearer 0123456789abcdef", true, ROLE_READ);
    check(auth, "authorization", "bearer  0123456789abcdef ", true, ROLE_READ);
    check(auth, "X-Api-Key", "0123456789abcdef", true, ROLE_READ);
    check(auth, "X-Api-Key", "0123456789abcdeF", false, ROLE_NONE);
    check(auth, "Authorization", "Basic 0123456789abcdef", false, ROLE_NONE);
    check(auth, "Accept", "*/*", true, ROLE_NONE);
    buffer_init(&cookie);
    auth_add_cookie(slice_of("0123456789abcdef"), true, &cookie);
    buffer_add_byte(&cookie, 0);
    assert_non_null(strstr((char *)cookie.ptr, "; Secure"));
    *strchr((char *)cookie.ptr, ';') = 0;
    check(auth, "Cookie", (char *)cookie.ptr, true, ROLE_READ);
    check(auth, "Cookie", "other=1; trawl_token=", true, ROLE_NONE);
    check(auth, "Cookie", "trawl_token=MDEy", false, ROLE_NONE);
    check(auth, "Cookie", "trawl_token=!", true, ROLE_NONE);
    buffer_deinit(&cookie);
    auth_free(auth);
}

static void test_first_token(void **unused) {
    (void)unused;
    char folder[] = "/tmp/trawl-auth-XXXXXX", path[64];
    char text[AUTH_MADE_TOKEN_BYTES], other[AUTH_MADE_TOKEN_BYTES] = "";
    struct auth_token first, again;
    struct failure failure;
    struct stat about;
    bool made;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    OK(auth_first_token(&first, path, text, &made, &failure));
    assert_true(made);
    assert_int_equal(strlen(text), AUTH_MADE_TOKEN_BYTES - 1);
    assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_"),
                     strlen(text));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    OK(auth_first_token(&again, path, other, &made, &failure));
    assert_false(made);
    assert_memory_equal(first.sha256, again.sha256, sizeof first.sha256);
    assert_int_equal(again.role, ROLE_ADMIN);
    unlink(path);
    rmdir(folder);
    assert_int_not_equal(auth_first_token(&first, path, text, &made, &failure), ERROR_NONE);
}

static void test_rates(void **unused) {
    (void)unused;
    struct rates *rates = rates_new(3, 60);
    struct address a, b, v6, neighbour;

    assert_non_null(rates);
    assert_true(address_parse(slice_of("192.0.2.1"), &a));
    assert_true(address_parse(slice_of("192.0.2.2"), &b));
    assert_true(address_parse(slice_of("2001:db8::1"), &v6));
    assert_true(address_parse(slice_of("2001:db8::2"), &neighbour));
    for (int i = 0; i < 3; i++)
        assert_true(rates_take(rates, &a, 1000));
    assert_false(rates_take(rates, &a, 1000));
    assert_false(rates_has(rates, &a, 1900));
    assert_true(rates_take(rates, &b, 1000));
    assert_true(rates_take(rates, &a, 2001)); /* one a second */
    assert_false(rates_take(rates, &a, 2001));
    for (int i = 0; i < 3; i++)
        assert_true(rates_take(rates, i % 2 ? &v6 : &neighbour, 5000));
    assert_false(rates_take(rates, &v6, 5000));
    rates_free(rates);
}

/* --- The document --- */

static void test_document(void **unused) {
    (void)unused;
    struct buffer out;

    buffer_init(&out);
    routes_add_openapi("1.2.3", &out);
    assert_false(out.failed);
    yyjson_doc *document = yyjson_read((const char *)out.ptr, out.len, 0);
    assert_non_null(document);
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/info/version")), "1.2.3");
    assert_non_null(yyjson_doc_ptr_get(document, "/paths/~1api~1tls~1targets~1{id}/patch"));
    assert_non_null(yyjson_doc_ptr_get(document, "/components/schemas/Target/properties/host"));
    assert_null(yyjson_doc_ptr_get(document, "/paths/~1{file}"));
    /* all that is referred to is there */
    static const char mark[] = "\"$ref\":\"#";
    buffer_add_byte(&out, 0);
    for (const char *at = (char *)out.ptr; (at = strstr(at, mark)); at++) {
        const char *pointer = at + strlen(mark);
        assert_non_null(
            yyjson_doc_ptr_getn(document, pointer, (size_t)(strchr(pointer, '"') - pointer)));
    }
    yyjson_doc_free(document);
    buffer_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_hosts),       cmocka_unit_test(test_every_route_is_found),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_first_token), cmocka_unit_test(test_rates),
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
