/* From files to keys. Whatever a file holds, nothing worse comes of it than that it is passed
 * over. */
#include "engine/x509/bundle.h"
#include "tools/watch/inventory_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum {
    CERTIFICATE_FILE_BYTES_MAX = 256 << 20,
    FILE_CERTIFICATES_MAX = 1 << 16,
    LINE_BYTES_MAX = 4 << 20, /* of records: they have some KB */
    BLOCK_BYTES = 1 << 16,
};

/* --- Certificates --- */

static void add_certificate(struct reading *reading, struct slice der) {
    struct certificate certificate;
    uint8_t hash[CERTIFICATE_SHA256_BYTES];

    if (certificate_decode(der, &certificate) != CERTIFICATE_OK)
        return;
    reading->certificates++;
    certificate_sha256(der, hash);
    keys_add(reading->keys, KEY_SHA256, hash);
    certificate_sha1(der, hash);
    keys_add(reading->keys, KEY_SHA1, hash);
    if (certificate_tbs_sha256(&certificate, hash))
        keys_add(reading->keys, KEY_TBS, hash);
    if (!reading->by_key)
        return;
    certificate_sha256(certificate.spki, hash);
    keys_add(reading->keys, KEY_SPKI, hash);
}

/* Certificates that a text promises: what is read may be fewer, when it is damaged. */
static uint64_t count_promises(struct slice text) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    uint64_t count = 0;
    const uint8_t *at;

    while (text.len && (at = memmem(text.ptr, text.len, begin, sizeof begin - 1))) {
        text = slice_from(text, (size_t)(at - text.ptr) + sizeof begin - 1);
        count++;
    }
    return count;
}

static const char *read_bundle(struct reading *reading, struct slice bytes) {
    uint64_t before = reading->certificates, promised = count_promises(bytes);
    struct buffer bundle;
    struct slice rest, der;

    buffer_init(&bundle);
    size_t count = bundle_read(bytes, FILE_CERTIFICATES_MAX, &bundle);
    rest = buffer_slice(&bundle);
    while (bundle_next(&rest, &der))
        add_certificate(reading, der);
    reading->keys->failed |= bundle.failed;
    buffer_deinit(&bundle);
    if (count == FILE_CERTIFICATES_MAX)
        return "more than 65,536 certificates, of which the first are read";
    return reading->certificates - before < promised ? "not all of its certificates can be read"
                                                     : NULL;
}

static const char *read_certificates(struct reading *reading, FILE *file, uint64_t size) {
    if (size > CERTIFICATE_FILE_BYTES_MAX)
        return "over 256 MB";
    uint8_t *bytes = malloc(size + 1);
    if (!bytes) {
        reading->keys->failed = true;
        return "no memory";
    }
    size_t len = fread(bytes, 1, size, file);
    const char *problem = read_bundle(reading, (struct slice){bytes, len});
    free(bytes);
    return problem;
}

/* --- Records of a scan --- */

/* One more than what a hexadecimal digit stands for; 0 for all others. */
static const uint8_t HEX_DIGITS[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* A hash of so many bytes, of which the beginning is kept. */
static bool add_hex(struct reading *reading, enum key_kind kind, yyjson_val *value, size_t bytes) {
    const uint8_t *text = (const uint8_t *)yyjson_get_str(value);
    uint8_t hash[sizeof(struct key)], bad = 0;

    if (!text || yyjson_get_len(value) != 2 * bytes)
        return false;
    for (size_t i = 0; i < sizeof hash; i++) {
        uint8_t high = HEX_DIGITS[text[2 * i]], low = HEX_DIGITS[text[2 * i + 1]];
        bad |= high == 0 || low == 0;
        hash[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    if (!bad)
        keys_add(reading->keys, kind, hash);
    return !bad;
}

/* What `trawl watch` has written is no inventory: it tells of certificates that nobody knew. */
static bool is_probe(yyjson_val *record) {
    yyjson_val *kind = yyjson_obj_get(record, "record");
    return !kind || yyjson_equals_str(kind, "probe");
}

static bool add_record(struct reading *reading, char *line, size_t len) {
    yyjson_doc *document = yyjson_read(line, len, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *certificate = yyjson_obj_get(root, "certificate");

    if (certificate && is_probe(root)) {
        bool known = add_hex(reading, KEY_SHA256, yyjson_obj_get(certificate, "fingerprint_sha256"),
                             CERTIFICATE_SHA256_BYTES);
        known |= add_hex(reading, KEY_SHA1, yyjson_obj_get(certificate, "fingerprint_sha1"),
                         CERTIFICATE_SHA1_BYTES);
        known |= add_hex(reading, KEY_TBS, yyjson_obj_get(certificate, "tbs_sha256"),
                         CERTIFICATE_SHA256_BYTES);
        if (reading->by_key)
            add_hex(reading, KEY_SPKI, yyjson_obj_get(certificate, "spki_sha256"),
                    CERTIFICATE_SHA256_BYTES);
        reading->certificates += known;
    }
    yyjson_doc_free(document);
    return root != NULL;
}

/* Lines out of blocks; one that is too long is passed over. */
struct lines {
    struct buffer line; /* what the blocks so far held of it */
    bool is_too_long;
    uint64_t bad;
};

static void end_line(struct reading *reading, struct lines *lines) {
    struct slice line = slice_trim(buffer_slice(&lines->line));

    if (lines->is_too_long ||
        (line.len && !add_record(reading, (char *)(uintptr_t)line.ptr, line.len)))
        lines->bad++;
    lines->is_too_long = false;
    lines->line.len = 0;
}

static void take_block(struct reading *reading, struct lines *lines, struct slice block) {
    while (block.len) {
        const uint8_t *end = memchr(block.ptr, '\n', block.len);
        struct slice piece = slice_first(block, end ? (size_t)(end - block.ptr) : block.len);
        lines->is_too_long |= lines->line.len + piece.len > LINE_BYTES_MAX;
        if (!lines->is_too_long)
            buffer_add_slice(&lines->line, piece);
        if (end)
            end_line(reading, lines);
        block = slice_from(block, piece.len + (end ? 1 : 0));
    }
}

static const char *read_records(struct reading *reading, FILE *file) {
    struct lines lines = {0};
    uint8_t block[BLOCK_BYTES];
    size_t len;

    buffer_init(&lines.line);
    while ((len = fread(block, 1, sizeof block, file)))
        take_block(reading, &lines, (struct slice){block, len});
    end_line(reading, &lines);
    reading->keys->failed |= lines.line.failed;
    buffer_deinit(&lines.line);
    return lines.bad ? "some lines are no records" : NULL;
}

/* --- Files --- */

static bool has_suffix(const char *path, const char *const suffixes[]) {
    struct slice name = slice_of(path);

    for (; *suffixes; suffixes++) {
        struct slice suffix = slice_of(*suffixes);
        if (name.len > suffix.len &&
            slice_equal_nocase(slice_from(name, name.len - suffix.len), suffix))
            return true;
    }
    return false;
}

static bool is_records(const char *path) {
    return has_suffix(path, (const char *const[]){".jsonl", ".ndjson", ".json", NULL});
}

bool reading_wants(const char *path) {
    return is_records(path) ||
           has_suffix(path,
                      (const char *const[]){".pem", ".crt", ".cer", ".der", ".p7b", ".p7c", NULL});
}

static bool begins_like_records(FILE *file) {
    int first = getc(file);

    ungetc(first, file);
    return first == '{';
}

const char *reading_file(struct reading *reading, const char *path, uint64_t size) {
    FILE *file = fopen(path, "re");

    if (!file) {
        reading->is_cut = true;
        return error_text((enum error)errno);
    }
    const char *problem = is_records(path) || begins_like_records(file)
                              ? read_records(reading, file)
                              : read_certificates(reading, file, size);
    if (ferror(file)) {
        reading->is_cut = true;
        problem = "reading fails";
    }
    fclose(file);
    return problem;
}
