#include "tests/unit/x509/trust_fixture.h"

#include "engine/base/buffer.h"

/* One case: a CA with these name constraints, a leaf with these names, and whether that is allowed.
 * From RFC 5280 section 4.2.1.10. */
struct constraint_case {
    const char *constraints, *names, *subject;
    bool allowed;
};

#define IN_DNS "permitted;DNS:example.com"
#define NO_DNS "excluded;DNS:bad.example.com"

static const struct constraint_case CASES[] = {
    /* Host names */
    {IN_DNS, "DNS:example.com", NULL, true},
    {IN_DNS, "DNS:www.example.com", NULL, true},
    {IN_DNS, "DNS:a.b.EXAMPLE.com", NULL, true},
    {IN_DNS, "DNS:*.example.com", NULL, true},
    {IN_DNS, "DNS:www.example.com,DNS:www.example.org", NULL, false},
    {IN_DNS, "DNS:notexample.com", NULL, false},
    {IN_DNS, "DNS:com", NULL, false},
    {IN_DNS, "DNS:*.com", NULL, false},
    {"permitted;DNS:www.example.com", "DNS:*.example.com", NULL, false},
    {"permitted;DNS:example.com,permitted;DNS:example.org", "DNS:a.example.org", NULL, true},
    {"permitted;DNS:.example.com", "DNS:www.example.com", NULL, true},
    {"permitted;DNS:.example.com", "DNS:example.com", NULL, false},
    {NO_DNS, "DNS:example.com", NULL, true},
    {NO_DNS, "DNS:bad.example.com", NULL, false},
    {NO_DNS, "DNS:worse.bad.example.com", NULL, false},
    {NO_DNS, "DNS:bad.example.com.", NULL, false},
    {NO_DNS, "DNS:notbad.example.com", NULL, true},
    {NO_DNS, "DNS:*.example.com", NULL, false},
    {NO_DNS, "DNS:*.com", NULL, true},
    {NO_DNS, "DNS:*.bad.example.com", NULL, false},
    {"excluded;DNS:.example.com", "DNS:example.com", NULL, false},
    {IN_DNS "," NO_DNS, "DNS:www.example.com", NULL, true},
    {IN_DNS "," NO_DNS, "DNS:bad.example.com", NULL, false},
    {"DER:3006A00430028200", "DNS:anything.example", NULL, true},
    {"DER:3006A10430028200", "DNS:anything.example", NULL, false},
    /* A constraint of one kind says nothing about another kind. */
    {IN_DNS, "IP:192.0.2.1", NULL, true},
    {IN_DNS, "IP:192.0.2.1", "/O=Example/CN=www.example.org", true},
    {"permitted;IP:192.0.2.0/255.255.255.0", "DNS:www.example.com", NULL, true},
    /* Addresses */
    {"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.77", NULL, true},
    {"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.3.77", NULL, false},
    {"permitted;IP:192.0.2.0/255.255.255.0", "IP:2001:db8::1", NULL, false},
    {"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.1,IP:198.51.100.1", NULL, false},
    {"excluded;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.77", NULL, false},
    {"excluded;IP:192.0.2.0/255.255.255.0", "IP:198.51.100.1", NULL, true},
    {"excluded;IP:0.0.0.0/0.0.0.0", "IP:2001:db8::1", NULL, true},
    {"permitted;IP:2001:db8::/ffff:ffff::", "IP:2001:db8:1::1", NULL, true},
    {"permitted;IP:2001:db8::/ffff:ffff::", "IP:2001:db9::1", NULL, false},
    {"excluded;IP:192.0.2.0/255.0.255.0", "IP:10.0.0.1", NULL, false}, /* no such mask */
    /* Mail addresses, in the names and in the subject */
    {"permitted;email:example.com", "email:me@example.com", NULL, true},
    {"permitted;email:example.com", "email:me@EXAMPLE.com", NULL, true},
    {"permitted;email:example.com", "email:me@mail.example.com", NULL, false},
    {"permitted;email:.example.com", "email:me@mail.example.com", NULL, true},
    {"permitted;email:.example.com", "email:me@example.com", NULL, false},
    {"permitted;email:me@example.com", "email:me@example.com", NULL, true},
    {"permitted;email:me@example.com", "email:Me@example.com", NULL, false},
    {"excluded;email:me@example.com", "email:you@example.com", NULL, true},
    {"permitted;email:example.com", "DNS:a.example", "/CN=a/emailAddress=me@example.com", true},
    {"permitted;email:example.com", "DNS:a.example", "/CN=a/emailAddress=me@example.org", false},
    /* URIs */
    {"permitted;URI:.example.com", "URI:https://me@www.example.com:8443/path", NULL, true},
    {"permitted;URI:.example.com", "URI:https://example.com/", NULL, false},
    {"permitted;URI:example.com", "URI:https://example.com", NULL, true},
    {"excluded;URI:example.com", "URI:https://www.example.com", NULL, true},
    {"excluded;URI:example.com", "URI:https://www.example.com@example.com/", NULL, false},
    {"excluded;URI:example.com", "URI:urn:example", NULL, false},
    {"excluded;URI:example.com", "URI:https://[2001:db8::1]/", NULL, false},
    /* Directory names */
    {"permitted;dirName:base", "DNS:a.example", "/C=XX/O=Example/CN=a", true},
    {"permitted;dirName:base", "DNS:a.example", "/C=XX/O=  EXAMPLE /CN=a", true},
    {"permitted;dirName:base", "DNS:a.example", "/C=XX/O=Other/CN=a", false},
    {"permitted;dirName:base", "DNS:a.example", "/C=XX", false},
    {"permitted;dirName:base", "DNS:a.example", "/O=Example/C=XX", false},
    {"excluded;dirName:base", "DNS:a.example", "/C=XX/O=Example/CN=a", false},
    {"excluded;dirName:base", "DNS:a.example", "/C=XX/O=Other/CN=a", true},
    {"permitted;dirName:base", "dirName:base", "/C=XX/O=Example/CN=a", true},
    {"excluded;dirName:base", "dirName:base", "/C=YY/CN=a", false},
    /* Kinds that nobody here understands: refused as soon as a name of that kind is there. */
    {"permitted;RID:1.2.3", "DNS:a.example", NULL, true},
    {"permitted;RID:1.2.3", "RID:1.2.3", NULL, false},
    {"excluded;otherName:1.2.3;UTF8:x", "otherName:1.2.3;UTF8:y", NULL, false},
    /* Without subjectAltName the common name may be taken for the host. */
    {IN_DNS, NULL, "/CN=www.example.com", true},
    {IN_DNS, NULL, "/CN=www.example.org", false},
    {IN_DNS, NULL, "/CN=Example Server", true},
    /* Extensions that are broken, or have what RFC 5280 forbids */
    {"DER:3000", "DNS:a.example", NULL, true},
    {"DER:3004A0023000", "DNS:a.example", NULL, false},
    {"DER:300AA0083006820161800101", "DNS:a", NULL, false},     /* minimum 1 */
    {"DER:3009A10730058700810105", "IP:10.0.0.1", NULL, false}, /* maximum 5 */
    {"DER:3005A203300100", "DNS:a.example", NULL, false},
};

static const char SECTIONS[] = "[base]\nC = XX\nO = Example\n";

static void check_case(const struct constraint_case *test) {
    char constraints[300], names[300];
    snprintf(constraints, sizeof constraints, "nameConstraints=critical,%s", test->constraints);
    bool is_der = strstr(constraints, "DER:") != NULL;
    snprintf(names, sizeof names, "subjectAltName=%s", test->names ? test->names : "");
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint(&(struct mint_order){.subject = "Middle",
                                                     .issuer = &root,
                                                     .sections = SECTIONS,
                                                     .extensions = {MINT_CA, constraints}});
    struct minted leaf =
        mint(&(struct mint_order){.subject = test->subject ? test->subject : "/O=Example",
                                  .issuer = &middle,
                                  .sections = SECTIONS,
                                  .extensions = {test->names ? names : NULL}});
    enum trust_error error = verdict_of(ROOTS(&root), CHAIN(&leaf, &middle));
    bool broken = is_der && error == TRUST_UNREADABLE; /* BoringSSL refuses it before us */
    enum trust_error expected = test->allowed ? TRUST_OK : TRUST_NAME_CONSTRAINT;
    if (error != expected && !(broken && !test->allowed))
        fail_msg("%s against %s, subject %s: %s", test->names, test->constraints, test->subject,
                 trust_error_name(error));
    mint_free(&leaf);
    mint_free(&middle);
    mint_free(&root);
}

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check_case(&CASES[i]);
}

/* Constraints bind everything below, those of the root included, and intermediates too. */
static void test_constraints_reach_all_levels(void **state) {
    (void)state;
    struct minted root = mint(&(struct mint_order){
        .subject = "Root",
        .sections = SECTIONS,
        .extensions = {MINT_CA, "nameConstraints=critical," IN_DNS ",excluded;dirName:base"}});
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted good = mint_leaf("www.example.com", &middle, MINT_P256);
    struct minted bad = mint_leaf("www.example.org", &middle, MINT_P256);
    struct minted named = mint_intermediate("/C=XX/O=Example/CN=Named", &root, MINT_P256);
    struct minted below = mint_leaf("www.example.com", &named, MINT_P256);
    assert_chain(ROOTS(&root), CHAIN(&good, &middle), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&bad, &middle), TRUST_NAME_CONSTRAINT);
    assert_chain(ROOTS(&root), CHAIN(&below, &named), TRUST_NAME_CONSTRAINT);
    struct minted *all[] = {&below, &named, &bad, &good, &middle, &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

/* RFC 5280 section 6.1.4: the names of a CA that rolls over its key are not held against what it
 * constrains itself to; those of a leaf always are. */
static void test_self_issued_certificates_are_exempt(void **state) {
    (void)state;
    struct minted root = mint(
        &(struct mint_order){.subject = "Root",
                             .sections = SECTIONS,
                             .extensions = {MINT_CA, "nameConstraints=permitted;dirName:base"}});
    struct minted link = mint_intermediate("Root", &root, MINT_P256);
    struct minted good =
        mint(&(struct mint_order){.subject = "/C=XX/O=Example/CN=good", .issuer = &link});
    struct minted bad = mint(&(struct mint_order){.subject = "bad", .issuer = &link});
    assert_chain(ROOTS(&root), CHAIN(&good, &link), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&bad, &link), TRUST_NAME_CONSTRAINT);
    struct minted *all[] = {&bad, &good, &link, &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

/* A second way without the constraint is taken. */
static void test_a_constrained_path_is_left_for_a_free_one(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted narrow = mint(&(struct mint_order){
        .subject = "Middle",
        .issuer = &root,
        .extensions = {MINT_CA, "nameConstraints=critical,permitted;DNS:example.org"}});
    struct minted wide = mint(&(struct mint_order){
        .subject = "Middle", .key = narrow.key, .issuer = &root, .extensions = {MINT_CA}});
    struct minted leaf = mint_leaf("www.example.com", &narrow, MINT_P256);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &narrow), TRUST_NAME_CONSTRAINT);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &narrow, &wide), TRUST_OK);
    mint_free(&leaf);
    mint_free(&wide);
    mint_free(&narrow);
    mint_free(&root);
}

/* Names times subtrees are bounded: what would take too long is refused. */
static void test_thousands_of_names_and_subtrees(void **state) {
    (void)state;
    enum { MANY = 1000 };
    struct buffer constraints, names;
    buffer_init(&constraints);
    buffer_init(&names);
    buffer_add_text(&constraints, "nameConstraints=critical");
    buffer_add_text(&names, "subjectAltName=DNS:x.example");
    for (int i = 0; i < MANY; i++) {
        buffer_add_format(&constraints, ",excluded;DNS:%d.invalid", i);
        buffer_add_format(&names, ",DNS:n%d.example", i);
    }
    buffer_add_byte(&constraints, 0);
    buffer_add_byte(&names, 0);
    struct minted root = mint(&(struct mint_order){
        .subject = "Root", .extensions = {MINT_CA, (const char *)constraints.ptr}});
    struct minted many = mint(&(struct mint_order){
        .subject = "many", .issuer = &root, .extensions = {(const char *)names.ptr}});
    struct minted one = mint_leaf("one.example", &root, MINT_P256);
    assert_chain(ROOTS(&root), CHAIN(&one), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&many), TRUST_NAME_CONSTRAINT);
    mint_free(&one);
    mint_free(&many);
    mint_free(&root);
    buffer_deinit(&names);
    buffer_deinit(&constraints);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_constraints_reach_all_levels),
        cmocka_unit_test(test_self_issued_certificates_are_exempt),
        cmocka_unit_test(test_a_constrained_path_is_left_for_a_free_one),
        cmocka_unit_test(test_thousands_of_names_and_subtrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
