/* What engine/ct makes of a log that lies in a folder as a static-ct-api log lays it out, with the
 * same entries and heads in the forms of RFC 6962 beside it:
 *
 *   key.der  checkpoint  tile/...  sth.json  entries.hex  entry_and_proof.json
 *   old_sth.json  consistency.json
 *
 * tool_dump_ct FOLDER prints a line for each head, entry and check. */
#include "engine/base/buffer.h"
#include "engine/base/text.h"
#include "engine/ct/bind.h"
#include "engine/ct/entry.h"
#include "engine/ct/proof.h"

#include <stdio.h>
#include <stdlib.h>

static const char *folder;

/* The files that were read, for as long as slices of them may be looked at. */
static struct {
    uint8_t *bytes[64];
    size_t count;
} files;

static void fail(const char *what) {
    fprintf(stderr, "tool_dump_ct: %s\n", what);
    exit(1);
}

/* A file of the folder in memory of just its size, kept until the end. */
static struct slice read_file(const char *name) {
    char path[4096];
    FILE *file;
    long size = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!(file = fopen(path, "rb")) || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
        fail(path);
    uint8_t *bytes = malloc(size ? (size_t)size : 1);
    rewind(file);
    if (!bytes || files.count == sizeof files.bytes / sizeof *files.bytes ||
        fread(bytes, 1, (size_t)size, file) != (size_t)size)
        fail(path);
    fclose(file);
    files.bytes[files.count++] = bytes;
    return (struct slice){bytes, (size_t)size};
}

static void print_hex(const void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void print_head(const char *name, const struct ct_head *head) {
    printf("%s %ju %ju ", name, (uintmax_t)head->tree_size, (uintmax_t)head->timestamp_ms);
    print_hex(head->root.bytes, CT_HASH_BYTES);
    printf("\n");
}

static struct ct_head read_sth(const char *name, const struct ct_log_key *key) {
    struct ct_head head;
    enum ct_head_error error = ct_head_parse_sth(read_file(name), key, &head);

    if (error)
        fail(ct_head_error_text(error));
    print_head(name, &head);
    return head;
}

/* --- Entries --- */

static void print_names(struct slice names) {
    struct general_name name;
    const char *before = "";

    while (general_name_next(&names, &name)) {
        printf("%s%.*s", before, (int)name.value.len, (const char *)name.value.ptr);
        before = ",";
    }
}

static void print_entry(const char *form, uint64_t index, const struct ct_entry *entry,
                        const struct ct_hash *leaf) {
    struct certificate certificate;
    uint8_t tbs[32] = {0}, fingerprint[32];
    struct slice chain = entry->chain, der;
    size_t certificates = 0;

    enum certificate_error error = ct_entry_certificate(entry, &certificate);
    if (error)
        fail(certificate_error_text(error));
    if (!ct_entry_tbs_sha256(entry, &certificate, tbs))
        fail("no TBS hash");
    certificate_sha256(certificate.der, fingerprint);
    while (ct_chain_next(&chain, &der))
        certificates++;
    printf("%s %ju %u %ju ", form, (uintmax_t)index, entry->type, (uintmax_t)entry->timestamp_ms);
    printf("%jd ", entry->has_leaf_index ? (intmax_t)entry->leaf_index : -1);
    print_hex(leaf->bytes, CT_HASH_BYTES);
    printf(" ");
    print_hex(tbs, sizeof tbs);
    printf(" ");
    print_hex(fingerprint, sizeof fingerprint);
    printf(" %s %zu %zu ",
           entry->type == CT_PRECERT_ENTRY
               ? ct_binding_text(ct_bind(entry->precertificate, entry->signed_entry))
               : "final",
           certificates, entry->fingerprints.len / 32);
    print_names(certificate.subject_alt_name);
    printf("\n");
}

/* A data tile, its leaf hashes held to the hash tile beside it. */
static void dump_tile(uint64_t index, const struct ct_head *head, struct ct_range *range) {
    struct ct_tile tile = {
        .kind = CT_TILE_DATA, .index = index, .width = ct_tile_width(0, index, head->tree_size)};
    struct ct_entry entries[CT_TILE_WIDTH];
    struct ct_hash leaves[CT_TILE_WIDTH];
    char path[CT_TILE_PATH_MAX];

    ct_tile_path(&tile, path);
    struct slice rest = read_file(path);
    for (unsigned i = 0; i < tile.width; i++) {
        enum ct_entry_error error =
            rest.len ? ct_tile_entry_next(&rest, &entries[i]) : CT_ENTRY_CUT;
        if (error)
            fail(ct_entry_error_text(error));
    }
    if (rest.len)
        fail("bytes behind the last entry");
    ct_entry_leaf_hashes(entries, tile.width, leaves);
    tile.kind = CT_TILE_HASHES;
    ct_tile_path(&tile, path);
    const struct ct_hash *hashes = ct_tile_hashes(read_file(path), tile.width);
    if (!hashes || memcmp(hashes, leaves, tile.width * sizeof *leaves) != 0)
        fail("leaf hashes are not those of the tile");
    for (unsigned i = 0; i < tile.width; i++)
        print_entry("tile", index * CT_TILE_WIDTH + i, &entries[i], &leaves[i]);
    if (!ct_range_append(range, leaves, tile.width))
        fail("range is full");
}

/* Lines of leaf_input and extra_data in hexadecimal, a space between. */
static struct slice read_hex(char **at) {
    char *out = *at, *in = *at;
    struct slice bytes = {(const uint8_t *)out, 0};

    for (; *in > ' '; in += 2) {
        const char digits[3] = {in[0], in[1], 0};
        out[bytes.len++] = (char)strtoul(digits, NULL, 16);
    }
    *at = in + 1;
    return bytes;
}

static void dump_entries(void) {
    struct slice text = read_file("entries.hex");
    char *copy = calloc(1, text.len + 1), *at = copy;

    if (!copy)
        fail("memory");
    memcpy(copy, text.ptr, text.len);
    for (uint64_t index = 0; *at; index++) {
        struct slice leaf_input = read_hex(&at), extra_data = read_hex(&at);
        struct ct_entry entry;
        enum ct_entry_error error = ct_entry_parse(leaf_input, extra_data, &entry);
        if (error)
            fail(ct_entry_error_text(error));
        struct ct_hash leaf = ct_entry_leaf_hash(&entry);
        print_entry("entry", index, &entry, &leaf);
    }
    free(copy);
}

/* --- Heads, proofs, ranges --- */

static void check_edge(const struct ct_head *head) {
    struct ct_tile tiles[CT_TILE_LEVELS];
    struct slice bytes[CT_TILE_LEVELS];
    char path[CT_TILE_PATH_MAX];
    struct ct_range range;
    size_t count = ct_edge_tiles(head->tree_size, tiles);

    for (size_t i = 0; i < count; i++) {
        ct_tile_path(&tiles[i], path);
        printf("edge %s\n", path);
        bytes[i] = read_file(path);
    }
    if (!ct_range_from_tiles(bytes, head, &range))
        fail("right edge does not make up the root");
}

static void check_proofs(const struct ct_head *head, const struct ct_head *old) {
    struct ct_proof proof;
    struct ct_range range;
    struct buffer leaf_input;

    buffer_init(&leaf_input);
    if (!ct_proof_parse_entry(read_file("entry_and_proof.json"), &proof, &leaf_input))
        fail("entry_and_proof.json cannot be read");
    struct ct_hash leaf = ct_leaf_hash(buffer_slice(&leaf_input));
    buffer_deinit(&leaf_input);
    if (!ct_range_from_proof(&proof, &leaf, head->tree_size - 1, head, &range))
        fail("the last entry's proof does not hold");
    printf("proof %u %u\n", proof.count, range.count);
    if (!ct_proof_parse_consistency(read_file("consistency.json"), &proof) ||
        !ct_consistency_verify(&proof, old, head))
        fail("consistency does not hold");
    printf("consistency %u\n", proof.count);
}

int main(int argc, char **argv) {
    struct failure failure;
    struct ct_log_key key;
    struct ct_head head;
    struct slice origin;
    struct ct_range range;

    if (argc != 2)
        fail("wants a folder");
    folder = argv[1];
    if (ct_log_key_init(&key, read_file("key.der"), &failure))
        fail(failure.text);
    enum ct_head_error error =
        ct_head_parse_checkpoint(read_file("checkpoint"), &key, &head, &origin);
    if (error)
        fail(ct_head_error_text(error));
    print_head("checkpoint", &head);
    printf("origin %.*s\n", (int)origin.len, (const char *)origin.ptr);
    struct ct_head sth = read_sth("sth.json", &key), old = read_sth("old_sth.json", &key);

    ct_range_init(&range, 0);
    for (uint64_t index = 0; ct_tile_width(0, index, head.tree_size); index++)
        dump_tile(index, &head, &range);
    struct ct_hash root = ct_range_root(&range);
    printf("root %s\n", ct_hash_equal(&root, &head.root) ? "same" : "different");
    dump_entries();
    check_edge(&head);
    check_proofs(&sth, &old);
    ct_log_key_deinit(&key);
    while (files.count)
        free(files.bytes[--files.count]);
    return 0;
}
