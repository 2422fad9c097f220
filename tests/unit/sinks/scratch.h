/* A scratch folder for tests of sinks, what stands in it, and a plain encoder with a head. */
#ifndef TESTS_UNIT_SINKS_SCRATCH_H
#define TESTS_UNIT_SINKS_SCRATCH_H

#include "engine/record/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char scratch[64];

static inline const char *scratch_path(const char *name) {
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline int scratch_setup(void **state) {
    (void)state;
    strcpy(scratch, "/tmp/trawl-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

/* Names of what is there, sorted; the caller frees as scandir says. */
static inline int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static inline uint32_t scratch_list(struct dirent ***entries) {
    int count = scandir(scratch, entries, visible, alphasort);
    assert_true(count >= 0);
    return (uint32_t)count;
}

static inline void scratch_list_free(struct dirent **entries, uint32_t count) {
    while (count--)
        free(entries[count]);
    free(entries);
}

static inline void scratch_empty(void) {
    struct dirent **entries;
    uint32_t count = scratch_list(&entries);
    for (uint32_t i = 0; i < count; i++)
        if (unlink(scratch_path(entries[i]->d_name)) != 0)
            rmdir(scratch_path(entries[i]->d_name));
    scratch_list_free(entries, count);
}

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *where) {
    (void)status, (void)type, (void)where;
    return remove(path);
}

/* With all that is in it. */
static inline void scratch_remove(const char *name) {
    assert_int_equal(nftw(scratch_path(name), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline int scratch_teardown(void **state) {
    (void)state;
    scratch_empty();
    return rmdir(scratch);
}

/* The content of a file, terminated; freed by the caller. */
static inline char *read_whole(const char *path, size_t *len) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = malloc(1 << 22);
    assert_non_null(text);
    *len = fread(text, 1, (1 << 22) - 1, file);
    text[*len] = 0;
    fclose(file);
    return text;
}

static inline void assert_content(const char *path, const char *expected) {
    size_t len;
    char *text = read_whole(path, &len);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
    free(text);
}

/* The same for gzip, which may have several members. */
static inline void assert_gzip_content(const char *path, const char *expected) {
    char command[600];
    snprintf(command, sizeof command, "gzip -t < '%s'", path);
    assert_int_equal(system(command), 0);
    gzFile file = gzopen(path, "r");
    assert_non_null(file);
    char *text = malloc(1 << 22);
    assert_non_null(text);
    int len = gzread(file, text, (1 << 22) - 1);
    assert_true(len >= 0);
    text[len] = 0;
    assert_string_equal(text, expected);
    free(text);
    gzclose(file);
}

static inline void add_head(const struct encoding *encoding, struct buffer *out) {
    (void)encoding;
    buffer_add_text(out, "HEAD\n");
}

static const struct encoder headed_encoder = {.name = "headed", .begin = add_head};
static const struct encoder plain_encoder = {.name = "plain"};

#endif
