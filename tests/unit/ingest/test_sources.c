#include "engine/base/buffer.h"
#include "ingest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct port_choice port_443[] = {{443, 0}};
static struct port_choice two_ports[] = {{443, 0}, {8443, 0}};
static const struct port_list one = {port_443, 1}, two = {two_ports, 2};

static const struct source_context context = {
    .ports = &one, .protocols = &protocol_lookup_tls, .seed = 1, .stop_fd = -1};
static const struct source_context context_two = {
    .ports = &two, .protocols = &protocol_lookup_tls, .seed = 1, .stop_fd = -1};

/* Roots are opened by whoever uses the sources; nothing looks into them here. */
static const char OPENED[] = "first.pem", OTHER[] = "with blanks.pem";

static const struct trust_store *open_roots(void *owner, struct slice path,
                                            struct failure *failure) {
    ++*(int *)owner;
    if (slice_is(path, OPENED))
        return (const struct trust_store *)OPENED;
    if (slice_is(path, OTHER))
        return (const struct trust_store *)OTHER;
    failure_set(failure, ENOENT, "ca_file: it is not there");
    return NULL;
}

static void add_roots(struct buffer *out, const struct target *target) {
    buffer_add_format(out, "%s%s\n", target->roots ? " by " : "",
                      target->roots ? (const char *)target->roots : "");
}

static void add_target(struct buffer *out, const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "";
    if (target->address.family != ADDRESS_NONE)
        address_format(&target->address, address);
    buffer_add_format(out, "%s%s%s:%u", target->name, target->name_len && *address ? "@" : "",
                      address, target->port);
    add_roots(out, target);
}

static void add_file(struct buffer *out, struct slice file, const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "";
    if (target->address.family != ADDRESS_NONE)
        address_format(&target->address, address);
    buffer_add_text(out, "file ");
    buffer_add_slice(out, file);
    buffer_add_format(out, "%s%s%s", target->name_len || *address ? " for " : "", target->name,
                      address);
    add_roots(out, target);
    assert_int_equal(target->port, 0);
}

/* All that a source gives, one line each; bad lines as "! failure". */
static enum source_result collect(struct source *source, struct buffer *out) {
    for (;;) {
        struct target target;
        struct failure failure;
        enum source_result result = source_next(source, &target, &failure);
        if (result == SOURCE_TARGET)
            add_target(out, &target);
        else if (result == SOURCE_FILE)
            add_file(out, source->file, &target);
        else if (result == SOURCE_BAD_LINE)
            buffer_add_format(out, "! %s\n", failure.text);
        else
            return result;
    }
}

static struct source *open_source(const struct source_context *with, const char *spec) {
    struct source *source;
    struct failure failure;
    if (source_open(&source, with, spec, &failure))
        fail_msg("%s: %s", spec, failure.text);
    return source;
}

static void assert_text(const struct buffer *got, const char *expected) {
    if (!slice_equal(buffer_slice(got), slice_of(expected)))
        fail_msg("got:\n%.*s\nexpected:\n%s", (int)got->len, (const char *)got->ptr, expected);
}

static void assert_gives(const struct source_context *with, const char *spec, const char *kind,
                         const char *expected) {
    struct buffer out;
    buffer_init(&out);
    struct source *source = open_source(with, spec);
    assert_string_equal(source->kind->name, kind);
    assert_int_equal(collect(source, &out), SOURCE_END);
    assert_text(&out, expected);
    source_close(source);
    buffer_deinit(&out);
}

static void assert_fails(const char *spec, enum error error, const char *expected) {
    struct source *source;
    struct failure failure;
    assert_int_equal(source_open(&source, &context, spec, &failure), error);
    assert_null(source);
    assert_string_equal(failure.text, expected);
}

static void arguments(void **state) {
    (void)state;
    assert_gives(&context_two, "example.com", "target", "example.com:443\nexample.com:8443\n");
    assert_gives(&context_two, "example.com:25", "target", "example.com:25\n");
    assert_gives(&context_two, "https://example.com/", "target", "example.com:443\n");
    assert_gives(&context, " a.example@192.0.2.1 ", "target", "a.example@192.0.2.1:443\n");
    assert_gives(&context, "2001:db8::1", "target", "2001:db8::1:443\n");
    assert_gives(&context, "192.0.2.9/32", "block", "192.0.2.9:443\n");
    assert_fails("", ERROR_USAGE, "the host is missing: \"\"");
    assert_fails("example.com:70000", ERROR_USAGE,
                 "port \"70000\" is not between 1 and 65535: \"example.com:70000\"");
    assert_fails("2001:db8::/63", ERROR_USAGE,
                 "more than 2^64 addresses; the largest IPv6 block is a /64: \"2001:db8::/63\"");
    assert_fails("10.0.0.0/99", ERROR_USAGE,
                 "prefix length \"99\" is not between 0 and 32: \"10.0.0.0/99\"");
}

static void files(void **state) {
    (void)state;
    static const char *const paths[][2] = {
        {"file:/etc/x.pem", "file /etc/x.pem\n"},
        {"FILE:///etc/x.pem", "file /etc/x.pem\n"},
        {"file:a b/10.0.0.0/8", "file a b/10.0.0.0/8\n"},
        {"file:@x", "file @x\n"},
        {"file:./443", "file ./443\n"},
        {"file://host/x", "file //host/x\n"},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_gives(&context_two, paths[i][0], "file", paths[i][1]);
    assert_gives(&context, "file:443", "target", "file:443\n"); /* a host */
    assert_fails("file:", ERROR_USAGE, "file: without a path: \"file:\"");
    char longest[LIMIT_PATH_BYTES + 8] = "file:";
    memset(longest + 5, 'x', LIMIT_PATH_BYTES + 1);
    struct source *source;
    assert_int_equal(source_open(&source, &context, longest, NULL), ERROR_USAGE);
    longest[5 + LIMIT_PATH_BYTES] = '\0';
    source = open_source(&context, longest);
    assert_true(source_total(source) == 0);
    struct target target;
    assert_int_equal(source_next(source, &target, NULL), SOURCE_FILE);
    assert_true(source->file.len == LIMIT_PATH_BYTES);
    assert_int_equal(source_next(source, &target, NULL), SOURCE_END);
    source_close(source);

    struct source_context without = context;
    struct failure failure;
    without.no_files = "not today";
    assert_int_equal(source_open(&source, &without, "file:/x", &failure), ERROR_USAGE);
    assert_string_equal(failure.text, "not today: \"file:/x\"");
}

static void totals(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        uint64_t total;
    } cases[] = {
        {"example.com", 2},
        {"example.com:1", 1},
        {"192.0.2.0/24", 512},
        {"0.0.0.0/0", UINT64_C(1) << 33},
        {"2001:db8::/65", UINT64_MAX},
        {"2001:db8::/66", UINT64_C(1) << 63},
        {"192.0.2.1-20", 40},
        {"-", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source *source = open_source(&context_two, cases[i].spec);
        /* 2^63 addresses times two ports are 2^64: one more than fits */
        assert_true(source_total(source) == cases[i].total);
        source_close(source);
    }
}

/* Every pair of address and port once, in an order that depends on the seed alone. */
static void block_order(void **state) {
    (void)state;
    struct buffer first, again, other;
    buffer_init(&first);
    buffer_init(&again);
    buffer_init(&other);
    struct source_context seeded = context_two;
    seeded.seed = 2;
    struct source *source = open_source(&context_two, "192.0.2.0/24");
    assert_int_equal(collect(source, &first), SOURCE_END);
    source_close(source);
    source = open_source(&context_two, "192.0.2.0/24");
    assert_int_equal(collect(source, &again), SOURCE_END);
    source_close(source);
    source = open_source(&seeded, "192.0.2.0/24");
    unsigned seen[2][256] = {{0}}, sorted = 0, previous = 0;
    for (unsigned i = 0; i < 512; i++) {
        struct target target;
        assert_int_equal(source_next(source, &target, NULL), SOURCE_TARGET);
        add_target(&other, &target);
        assert_memory_equal(target.address.bytes, "\xc0\x00\x02", 3);
        assert_int_equal(target.name_len, 0);
        assert_int_equal(seen[target.port == 8443][target.address.bytes[3]]++, 0);
        sorted += target.address.bytes[3] >= previous;
        previous = target.address.bytes[3];
    }
    assert_in_range(sorted, 200, 312);
    source_close(source);
    assert_true(slice_equal(buffer_slice(&first), buffer_slice(&again)));
    assert_false(slice_equal(buffer_slice(&first), buffer_slice(&other)));
    buffer_deinit(&first);
    buffer_deinit(&again);
    buffer_deinit(&other);
}

/* A file under /tmp for one test. */
struct scratch {
    char directory[64], path[80], spec[96];
};

static void scratch_open(struct scratch *scratch, struct slice bytes) {
    strcpy(scratch->directory, "/tmp/trawl-test-XXXXXX");
    assert_non_null(mkdtemp(scratch->directory));
    snprintf(scratch->path, sizeof scratch->path, "%s/hosts.txt", scratch->directory);
    snprintf(scratch->spec, sizeof scratch->spec, "@%s", scratch->path);
    int fd = open(scratch->path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
    close(fd);
}

static void scratch_close(struct scratch *scratch) {
    unlink(scratch->path);
    rmdir(scratch->directory);
}

/* `expected` with "%" for the path of the list. */
static void assert_list(const struct source_context *with, struct slice text, const char *expected,
                        enum source_result end) {
    struct scratch scratch;
    struct buffer out, want;
    scratch_open(&scratch, text);
    buffer_init(&out);
    buffer_init(&want);
    for (const char *at = expected; *at; at++) {
        if (*at == '%')
            buffer_add_text(&want, scratch.path);
        else
            buffer_add_byte(&want, (uint8_t)*at);
    }
    buffer_add_byte(&want, '\0');
    struct source *source = open_source(with, scratch.spec);
    assert_string_equal(source->kind->name, "list");
    assert_int_equal(source_total(source), 0);
    assert_int_equal(collect(source, &out), end);
    assert_text(&out, (const char *)want.ptr);
    source_close(source);
    buffer_deinit(&out);
    buffer_deinit(&want);
    scratch_close(&scratch);
}

static const char mixed_list[] = "\xef\xbb\xbfone.example\r\n"
                                 "# a comment\n"
                                 "\n"
                                 "  \t \r\n"
                                 "two.example:25   # why\n"
                                 "https://three.example/#part\n"
                                 "bad.example:70000\n"
                                 "@other.txt\n"
                                 "-\n"
                                 "x\0y\n"
                                 "192.0.2.1-1\n"
                                 "four.example\r\n"
                                 "10.0.0.0/40\n"
                                 "b\xc3\xbc"
                                 "cher.example\n"
                                 "last.example@192.0.2.7:1";
static const char mixed_targets[] =
    "one.example:443\n"
    "two.example:25\n"
    "three.example:443\n"
    "! %:7: port \"70000\" is not between 1 and 65535: \"bad.example:70000\"\n"
    "! %:8: a list cannot name another list: \"@other.txt\"\n"
    "! %:9: a list cannot name another list: \"-\"\n"
    "! %:10: \"\\u{0}\" cannot be in a host name: \"x\\u{0}y\"\n"
    "192.0.2.1:443\n"
    "four.example:443\n"
    "! %:13: prefix length \"40\" is not between 0 and 32: \"10.0.0.0/40\"\n"
    "xn--bcher-kva.example:443\n"
    "last.example@192.0.2.7:1\n";

static struct slice mixed(void) {
    return (struct slice){(const uint8_t *)mixed_list, sizeof mixed_list - 1};
}

static void list_of_everything(void **state) {
    (void)state;
    assert_list(&context, mixed(), mixed_targets, SOURCE_END);
    assert_list(&context, slice_of(""), "", SOURCE_END);
    assert_list(&context, slice_of("\xef\xbb\xbf"), "", SOURCE_END);
    assert_list(&context_two, slice_of("a\nb:1\nc"), "a:443\na:8443\nb:1\nc:443\nc:8443\n",
                SOURCE_END);
}

/* Roots for single targets, and files among them, in each format that can say so. */
static void list_of_roots_and_files(void **state) {
    (void)state;
    int opened = 0;
    const struct source_roots roots = {open_roots, &opened};
    struct source_context with = context_two;
    with.roots = &roots;
    static const char lines[] = "a.example:1 ca-file=first.pem\n"
                                "b.example ca-file=with blanks.pem # why\n"
                                "c.example:1 ca-file=gone.pem\n"
                                "d.example:1 ca-file=\n"
                                "e.example:1 ca_file=first.pem\n"
                                "file:/x y.pem ca-file=first.pem\n"
                                "file:\n"
                                "192.0.2.1-1 ca-file=first.pem\n"
                                "f.example:1";
    static const char of_lines[] =
        "a.example:1 by first.pem\n"
        "b.example:443 by with blanks.pem\nb.example:8443 by with blanks.pem\n"
        "! %:3: ca_file: it is not there: \"c.example:1 ca-file=gone.pem\"\n"
        "! %:4: port \"1 ca-file=\" is not between 1 and 65535: \"d.example:1 ca-file=\"\n"
        "! %:5: port \"1 ca_file=first.pem\" is not between 1 and 65535: "
        "\"e.example:1 ca_file=first.pem\"\n"
        "file /x y.pem by first.pem\n"
        "! %:7: file: without a path: \"file:\"\n"
        "192.0.2.1:8443 by first.pem\n192.0.2.1:443 by first.pem\n"
        "f.example:1\n";
    assert_list(&with, slice_of(lines), of_lines, SOURCE_END);
    assert_int_equal(opened, 5);

    static const char csv[] = "host,port,ca_file,sni\n"
                              "a.example,1,first.pem,\n"
                              "b.example,1,,\n"
                              "file:/x.pem,,first.pem,b.example\n"
                              "file:/x.pem,,,192.0.2.1\n"
                              "file:/x.pem,9,,bad name\n"
                              "c.example,1,gone.pem,\n";
    static const char of_csv[] = "a.example:1 by first.pem\n"
                                 "b.example:1\n"
                                 "file /x.pem for b.example by first.pem\n"
                                 "file /x.pem for 192.0.2.1\n"
                                 "! %:6: \" \" cannot be in a host name: \"file:/x.pem\"\n"
                                 "! %:7: ca_file: it is not there: \"c.example\"\n";
    assert_list(&with, slice_of(csv), of_csv, SOURCE_END);

    /* The second is what trawl writes of a file. */
    static const char json[] =
        "{\"host\": \"a.example\", \"port\": 1, \"ca_file\": \"first.pem\"}\n"
        "{\"host\":\"/x.pem\",\"ip\":null,\"protocol\":\"file\"}\n"
        "{\"host\":\"file:/\\u0000.pem\"}\n"
        "\"file:/y.pem\"\n";
    static const char of_json[] = "a.example:1 by first.pem\n"
                                  "file /x.pem\n"
                                  "! %:3: no file has such a path: "
                                  "\"{\"host\":\"file:/\\u0000.pem\"}\"\n"
                                  "file /y.pem\n";
    assert_list(&with, slice_of(json), of_json, SOURCE_END);

    with.roots = NULL; /* nothing is verified, so nothing is read */
    with.no_files = "not today";
    opened = 0;
    assert_list(&with, slice_of("a.example:1 ca-file=gone.pem\nfile:/x\n"),
                "a.example:1\n! %:2: not today: \"file:/x\"\n", SOURCE_END);
    assert_int_equal(opened, 0);
}

static void overlong_line(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    buffer_add_text(&text, "a\n");
    for (int i = 0; i < 300000; i++)
        buffer_add_byte(&text, 'x');
    buffer_add_text(&text, "\nb\n");
    assert_list(&context, buffer_slice(&text),
                "a:443\n! %:2: the line is too long: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"\nb:443\n",
                SOURCE_END);
    buffer_deinit(&text);
}

/* Each format is found by its beginning, behind comments too, or said. */
static void formats_of_lists(void **state) {
    (void)state;
    assert_list(&context, slice_of("# of today\n\nip,port\n192.0.2.1,8443\n192.0.2.2,\nx,1\n"),
                "192.0.2.1:8443\n192.0.2.2:443\n! %:6: \"x\" is not an IP address: \"x\"\n",
                SOURCE_END);
    assert_list(&context_two, slice_of("\xef\xbb\xbf{\"host\":\"a\"}\n{\"host\":\"b\",\"port\":1}"),
                "a:443\na:8443\nb:1\n", SOURCE_END);
    assert_list(&context, slice_of("[2001:db8::1]:25\n"), "2001:db8::1:25\n", SOURCE_END);
    assert_list(&context, slice_of("#masscan\nopen tcp 993 192.0.2.1 1700000000\n"),
                "192.0.2.1:993\n", SOURCE_END);
    assert_list(&context, slice_of("# Nmap 7.93\nHost: 192.0.2.1 ()\tPorts: 25/open/tcp//\n"),
                "192.0.2.1:25\n", SOURCE_END);

    struct source_context said = context;
    while (strcmp(source_formats[said.format], "csv") != 0)
        said.format++;
    assert_list(&said, slice_of("host\na\n"), "a:443\n", SOURCE_END);
    assert_list(&context, slice_of("host\na\n"), "host:443\na:443\n", SOURCE_END);
}

/* What is broken ends the input, behind the targets before it; and stays ended. */
static void broken_list(void **state) {
    (void)state;
    struct scratch scratch;
    char expected[160];
    scratch_open(&scratch, slice_of("<nmaprun>\n<host><address addr='192.0.2.1'/></host>\n</a>"));
    struct source *source = open_source(&context, scratch.spec);
    struct target target;
    struct failure failure;
    assert_int_equal(source_next(source, &target, &failure), SOURCE_TARGET);
    assert_int_equal(source_next(source, &target, &failure), SOURCE_FAILED);
    snprintf(expected, sizeof expected,
             "%s:3: broken XML: a tag closes an element that is not open", scratch.path);
    assert_string_equal(failure.text, expected);
    assert_int_equal(source_next(source, &target, &failure), SOURCE_END);
    source_close(source);
    scratch_close(&scratch);
}

/* Skipping leaves out what would have come next, and nothing else. */
static void skipping_in_block(void **state) {
    (void)state;
    struct buffer all, rest;
    buffer_init(&all);
    buffer_init(&rest);
    struct source *whole = open_source(&context_two, "192.0.2.0/24");
    struct source *cut = open_source(&context_two, "192.0.2.0/24");
    struct target target;
    for (int i = 0; i < 300; i++)
        assert_int_equal(source_next(whole, &target, NULL), SOURCE_TARGET);
    assert_int_equal(source_skip(cut, 0), 0);
    assert_int_equal(source_skip(cut, 299), 299);
    assert_int_equal(source_next(cut, &target, NULL), SOURCE_TARGET);
    assert_int_equal(collect(whole, &all), SOURCE_END);
    assert_int_equal(collect(cut, &rest), SOURCE_END);
    assert_true(slice_equal(buffer_slice(&all), buffer_slice(&rest)) && all.len);
    assert_int_equal(source_skip(cut, 1), 0);
    source_close(whole);
    source_close(cut);
    buffer_deinit(&all);
    buffer_deinit(&rest);

    cut = open_source(&context_two, "2001:db8::/64"); /* 2^65 targets */
    assert_true(source_skip(cut, UINT64_MAX) == UINT64_MAX);
    assert_true(source_skip(cut, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(source_skip(cut, UINT64_MAX), 2);
    assert_int_equal(source_next(cut, &target, NULL), SOURCE_END);
    source_close(cut);
}

/* Of a file, only what the line at hand still has. */
static void skipping_in_list(void **state) {
    (void)state;
    struct scratch scratch;
    struct target target;
    struct failure failure;
    scratch_open(&scratch, slice_of("10.0.0.0/8\nbad host\nlast.example\n"));
    struct source *source = open_source(&context, scratch.spec);
    assert_int_equal(source_skip(source, 5), 0);
    assert_int_equal(source_next(source, &target, &failure), SOURCE_TARGET);
    assert_int_equal(source_skip(source, UINT64_MAX), (1 << 24) - 1);
    assert_int_equal(source_next(source, &target, &failure), SOURCE_BAD_LINE);
    assert_int_equal(source_next(source, &target, &failure), SOURCE_TARGET);
    assert_string_equal(target.name, "last.example");
    source_close(source);
    scratch_close(&scratch);
}

static void unreadable_lists(void **state) {
    (void)state;
    assert_fails("@", ERROR_USAGE, "the file name after \"@\" is missing");
    assert_fails("@/nonexistent/hosts.txt", (enum error)ENOENT,
                 "cannot read the list \"/nonexistent/hosts.txt\": No such file or directory");
    assert_fails("@/tmp", (enum error)EISDIR, "cannot read the list \"/tmp\": Is a directory");

    static const char utf16[] = "\xff\xfe"
                                "a\0\r\0\n\0";
    assert_list(&context, (struct slice){(const uint8_t *)utf16, sizeof utf16 - 1}, "",
                SOURCE_FAILED);
    /* a process may open its own memory but not read address 0 of it */
    struct source *source = open_source(&context, "@/proc/self/mem");
    struct target target;
    struct failure failure;
    assert_int_equal(source_next(source, &target, &failure), SOURCE_FAILED);
    assert_string_equal(failure.text, "cannot read /proc/self/mem: Input/output error");
    source_close(source);
}

/* Gives the source what `to` is the writing end of as standard input; returns the old one. */
static int swap_stdin(int pipe_fds[2]) {
    int saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(dup2(pipe_fds[0], STDIN_FILENO), STDIN_FILENO);
    close(pipe_fds[0]);
    return saved;
}

static void restore_stdin(int saved) {
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void put(int fd, struct slice bytes) {
    assert_int_equal(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
}

/* A target comes out as soon as its line is complete, though the writer is still there. When the
 * stop descriptor is readable instead, the wait ends. */
static void stdin_streams(void **state) {
    (void)state;
    int input[2], stop[2], saved = swap_stdin(input);
    assert_int_equal(pipe(stop), 0);
    struct source_context stoppable = context;
    stoppable.stop_fd = stop[0];
    struct source *source = open_source(&stoppable, "-");
    assert_string_equal(source->kind->name, "stdin");
    struct target target;
    struct failure failure;
    put(input[1], slice_of("one.example\ntwo.exa"));
    assert_int_equal(source_next(source, &target, &failure), SOURCE_TARGET);
    assert_string_equal(target.name, "one.example");
    put(input[1], slice_of("mple:1\n*\n"));
    assert_int_equal(source_next(source, &target, &failure), SOURCE_TARGET);
    assert_string_equal(target.name, "two.example");
    assert_int_equal(source_next(source, &target, &failure), SOURCE_BAD_LINE);
    assert_string_equal(failure.text, "stdin:3: \"*\" cannot be in a host name: \"*\"");
    put(stop[1], slice_of("x"));
    assert_int_equal(source_next(source, &target, &failure), SOURCE_STOPPED);
    source_close(source);
    close(input[1]);
    close(stop[0]);
    close(stop[1]);
    restore_stdin(saved);
}

static void stdin_split_at_every_byte(void **state) {
    (void)state;
    struct slice text = mixed();
    struct buffer whole;
    buffer_init(&whole);
    for (size_t at = 0; at <= text.len; at++) {
        int input[2], saved = swap_stdin(input);
        struct source *source = open_source(&context, "-");
        struct buffer out;
        struct target target;
        struct failure failure;
        buffer_init(&out);
        put(input[1], slice_first(text, at));
        /* one call reads the first part alone */
        enum source_result result = SOURCE_END;
        if (memchr(text.ptr, '\n', at)) {
            result = source_next(source, &target, &failure);
            assert_int_equal(result, SOURCE_TARGET);
            add_target(&out, &target);
        }
        put(input[1], slice_from(text, at));
        close(input[1]);
        assert_int_equal(collect(source, &out), SOURCE_END);
        if (!at)
            buffer_add_slice(&whole, buffer_slice(&out));
        assert_true(slice_equal(buffer_slice(&out), buffer_slice(&whole)));
        buffer_deinit(&out);
        source_close(source);
        restore_stdin(saved);
    }
    assert_non_null(memmem(whole.ptr, whole.len, "stdin:13: prefix", 16));
    buffer_deinit(&whole);
}

/* A named pipe that nobody writes to must not make the sweep deaf. */
static void silent_named_pipe(void **state) {
    (void)state;
    struct scratch scratch;
    scratch_open(&scratch, slice_of(""));
    unlink(scratch.path);
    assert_int_equal(mkfifo(scratch.path, 0600), 0);
    int stop[2];
    assert_int_equal(pipe(stop), 0);
    put(stop[1], slice_of("x"));
    struct source_context stoppable = context;
    stoppable.stop_fd = stop[0];
    struct source *source = open_source(&stoppable, scratch.spec);
    struct target target;
    assert_int_equal(source_next(source, &target, NULL), SOURCE_STOPPED);
    source_close(source);

    /* and a writer that comes later is heard */
    source = open_source(&context, scratch.spec);
    int writer = open(scratch.path, O_WRONLY);
    put(writer, slice_of("late.example\n"));
    assert_int_equal(source_next(source, &target, NULL), SOURCE_TARGET);
    assert_string_equal(target.name, "late.example");
    close(writer);
    assert_int_equal(source_next(source, &target, NULL), SOURCE_END);
    source_close(source);
    close(stop[0]);
    close(stop[1]);
    scratch_close(&scratch);
}

static void registry(void **state) {
    (void)state;
    int count = 0;
    for (const struct source_kind *const *kind = sources; *kind; kind++, count++) {
        assert_true((*kind)->name && (*kind)->summary && (*kind)->example);
        assert_true((*kind)->size >= sizeof(struct source));
        for (int i = 0; i < count; i++)
            assert_string_not_equal(sources[i]->name, (*kind)->name);
    }
    assert_int_equal(count, 5);
    source_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(totals),
        cmocka_unit_test(block_order),
        cmocka_unit_test(list_of_everything),
        cmocka_unit_test(overlong_line),
        cmocka_unit_test(formats_of_lists),
        cmocka_unit_test(broken_list),
        cmocka_unit_test(skipping_in_block),
        cmocka_unit_test(skipping_in_list),
        cmocka_unit_test(unreadable_lists),
        cmocka_unit_test(stdin_streams),
        cmocka_unit_test(stdin_split_at_every_byte),
        cmocka_unit_test(silent_named_pipe),
        cmocka_unit_test(registry),
        cmocka_unit_test(files),
        cmocka_unit_test(list_of_roots_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
