#include "ingest/spec.h"
#include "tools/fleet/cut.h"
#include "tools/fleet/cutter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct port_choice two_ports[] = {{443, 0}, {8443, 0}};
static const struct port_list ports = {two_ports, 2};
static const struct source_context context = {
    .ports = &ports, .protocols = &protocol_lookup_all, .seed = 99, .stop_fd = -1};

static void sizes_of_shards(void **state) {
    (void)state;
    assert_int_equal(cut_shard_targets(0), 1024);
    assert_int_equal(cut_shard_targets(1), 64);
    assert_int_equal(cut_shard_targets(6400), 64);
    assert_int_equal(cut_shard_targets(100000), 1024);
    assert_int_equal(cut_shard_targets(1000000), 10048);
    assert_int_equal(cut_shard_targets(6553600), 65536);
    assert_int_equal(cut_shard_targets(UINT64_MAX), 65536);
}

static void add_target(struct buffer *out, const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "";

    address_format(&target->address, address);
    buffer_add_format(out, "%s %s %u %u\n", target->name, address, target->port, target->protocol);
}

/* What a worker makes of a shard. */
static void unfold(struct slice message, struct buffer *out) {
    struct shard_reader reader;
    struct shard_item item;
    struct failure failure;

    assert_int_equal(shard_read(&reader, message, &failure), ERROR_NONE);
    while (shard_next(&reader, &item)) {
        struct target target;
        struct spec spec;
        assert_int_equal(spec_read(&spec, &context, item.spec, &failure), ERROR_NONE);
        spec_begin(&spec, &context);
        assert_true(spec_skip(&spec, item.skip) == item.skip);
        for (uint32_t i = 0; i < item.count; i++) {
            assert_true(spec_next(&spec, &target));
            add_target(out, &target);
        }
    }
}

struct result {
    struct buffer text; /* all targets of all shards, or of the source itself */
    uint64_t targets, pages, shards, left_out;
    size_t bytes; /* of all shards */
};

static void ship(struct cut *cut, struct result *out) {
    struct buffer message;

    if (!cut->shard.count)
        return;
    buffer_init(&message);
    struct cut_shard shard = cut_finish(cut, &message);
    assert_false(message.failed);
    assert_true(message.len <= cut->bytes_max);
    assert_int_equal(shard.first, out->pages * PAGE_TARGETS + 1);
    unfold(buffer_slice(&message), &out->text);
    out->targets += shard.targets;
    out->pages += shard.pages;
    out->shards++;
    out->bytes += message.len;
    buffer_deinit(&message);
}

/* Cuts what a spec means, on top of what `out` has; at most so many shards. */
static void cut_spec(const char *text, uint32_t shard_targets, size_t bytes_max,
                     uint64_t shards_max, struct result *out) {
    struct failure failure;
    struct source *source;
    struct target target;
    struct cut cut;

    assert_int_equal(source_open(&source, &context, text, &failure), ERROR_NONE);
    cut_init(&cut, &context, shard_targets, bytes_max, out->pages, out->targets);
    while (out->shards < shards_max && source_next(source, &target, &failure) == SOURCE_TARGET) {
        enum error error = cut_take(&cut, source, &target, &failure);
        assert_true(error == ERROR_NONE || error == ERROR_USAGE);
        out->left_out += error != ERROR_NONE;
        if (cut_is_full(&cut))
            ship(&cut, out);
    }
    if (out->shards < shards_max)
        ship(&cut, out);
    cut_deinit(&cut);
    source_close(source);
}

static void read_directly(const char *text, struct buffer *out) {
    struct failure failure;
    struct source *source;
    struct target target;

    assert_int_equal(source_open(&source, &context, text, &failure), ERROR_NONE);
    while (source_next(source, &target, &failure) == SOURCE_TARGET)
        add_target(out, &target);
    source_close(source);
}

/* The shards give what the source does, in its order, and each begins with a page; also when a
 * second cutter goes on after `stop` shards. */
static void assert_same(const char *text, uint32_t shard_targets, size_t bytes_max, uint64_t stop,
                        struct result *result) {
    struct buffer expected;

    buffer_init(&expected);
    *result = (struct result){0};
    read_directly(text, &expected);
    cut_spec(text, shard_targets, bytes_max, stop, result);
    cut_spec(text, shard_targets, bytes_max, UINT64_MAX, result);
    assert_int_equal(result->text.len, expected.len);
    assert_memory_equal(result->text.ptr, expected.ptr, expected.len);
    buffer_deinit(&expected);
    buffer_deinit(&result->text);
}

/* Of an unknown number: 1,024 first, a hundredth of what there was later. */
static void shards_grow(void **state) {
    (void)state;
    struct result result;

    assert_same("10.0.0.0/13", 0, SHARD_BYTES_MAX, 150, &result);
    assert_int_equal(result.targets, 2 << 19);
    assert_in_range(result.shards, 100 + 200, 100 + 300);
    assert_same("10.0.0.0/20", 0, SHARD_BYTES_MAX, 1, &result);
    assert_int_equal(result.shards, (2 << 12) / 1024);
}

static void blocks(void **state) {
    (void)state;
    struct result result;

    for (uint64_t stop = 0; stop < 5; stop++) {
        assert_same("192.0.2.0/24", 128, SIZE_MAX, stop, &result);
        assert_int_equal(result.targets, 512);
        assert_int_equal(result.shards, 4);
        assert_true(result.bytes < 4 * 64);
    }
    assert_same("2001:db8::fff0-2001:db8::1:20", 64, SIZE_MAX, 1, &result);
    assert_int_equal(result.targets, 98);
    assert_same("198.51.100.7/32", 64, SIZE_MAX, 0, &result);
    assert_same("a.example", 64, SIZE_MAX, 0, &result);
    assert_same("https://user:secret@b.example/path", 64, SIZE_MAX, 0, &result);
}

static char *write_list(const char *text) {
    static char name[64];
    int fd;

    strcpy(name, "@/tmp/test_cutter_XXXXXX");
    assert_true((fd = mkstemp(name + 1)) >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return name;
}

/* Rows of all kinds; those of a block with a port have no text of their own. */
static void lists(void **state) {
    (void)state;
    static const char ROWS[] = "host,ip,port,protocol,sni\n"
                               "a.example,,,,\n"
                               "10.0.0.0/25,,,,\n"
                               "10.0.1.0/28,,25,,\n"
                               "10.0.2.0/30,,,,named.example\n"
                               "b.example,192.0.2.9,,,\n"
                               "c.example,2001:db8::9,8443,,\n"
                               "d.example,,25,,\n"
                               "e.example,,25,tls,\n"
                               "f.example,,443,smtp,\n"
                               "g.example,,,imap,\n"
                               "2001:db8::1,,,,\n"
                               "file,,80,,\n";
    const char *list = write_list(ROWS);
    struct result result;

    for (uint64_t stop = 0; stop < 6; stop++) {
        assert_same(list, 64, SIZE_MAX, stop, &result);
        assert_int_equal(result.targets, 2 + 256 + 16 + 8 + 2 + 5 + 2 + 1);
    }
    unlink(list + 1);
}

static void messages_are_bounded(void **state) {
    (void)state;
    enum { ROWS = 3000, ROW_BYTES = 200 };
    struct buffer rows;
    struct result result;

    buffer_init(&rows);
    for (int i = 0; i < ROWS; i++)
        buffer_add_format(&rows, "%d.%060d.%060d.example:%d\n", i, i, i, 1 + i);
    buffer_add_byte(&rows, 0);
    const char *list = write_list((const char *)rows.ptr);
    assert_same(list, 1 << 16, 16 * 1024, 3, &result);
    assert_int_equal(result.targets, ROWS);
    assert_in_range(result.shards, ROWS * 140 / (16 * 1024), ROWS * ROW_BYTES / (15 * 1024));
    unlink(list + 1);
    buffer_deinit(&rows);
}

static void interfaces_do_not_travel(void **state) {
    (void)state;
    const char *list = write_list("[fe80::1%1]:443\na.example:443\n[fe80::2%1]:443\n");
    struct result result = {0};

    cut_spec(list, 64, SIZE_MAX, UINT64_MAX, &result);
    assert_int_equal(result.targets, 1);
    assert_int_equal(result.left_out, 2);
    buffer_deinit(&result.text);
    unlink(list + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_shards),
        cmocka_unit_test(shards_grow),
        cmocka_unit_test(blocks),
        cmocka_unit_test(lists),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(interfaces_do_not_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
