/* By what certificates are known: sorted sets of hashes, a set a kind. Part of inventory.c.
 *
 * One thread. */
#ifndef TOOLS_WATCH_INVENTORY_KEYS_H
#define TOOLS_WATCH_INVENTORY_KEYS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum key_kind { KEY_TBS, KEY_SHA256, KEY_SHA1, KEY_SPKI, KEY_KINDS };

/* The beginning of a hash: enough to tell them apart. */
struct key {
    uint64_t high, low;
};

struct keys {
    struct {
        struct key *items;
        size_t count, capacity;
    } sets[KEY_KINDS];
    bool failed; /* no memory */
};

void keys_deinit(struct keys *keys);
void keys_add(struct keys *keys, enum key_kind kind, const uint8_t *hash);
/* All that `from` has, too. */
void keys_add_all(struct keys *keys, const struct keys *from);
/* After the last is added, before the first is sought. */
void keys_sort(struct keys *keys);
bool keys_have(const struct keys *keys, enum key_kind kind, const uint8_t *hash);

/* --- Files: inventory_read.c --- */

struct reading {
    struct keys *keys;
    bool by_key;           /* KEY_SPKI is wanted */
    uint64_t certificates; /* that were read */
    bool is_cut;           /* the disk did not give everything */
};

/* Whether a file of a folder is read, by its name. */
bool reading_wants(const char *path);

/* Adds what a file holds. NULL, or what is wrong with it, for a person: the rest of it is read. */
const char *reading_file(struct reading *reading, const char *path, uint64_t size);

#endif
