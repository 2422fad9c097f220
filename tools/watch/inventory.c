#include "tools/watch/inventory.h"

#include "engine/base/quote.h"
#include "tools/watch/inventory_keys.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    FILES_MAX = 1 << 20,
    DEPTH_MAX = 16,
    PATIENCE = 6, /* what changes all the time is read in the end */
};

struct inventory {
    struct inventory_config config;
    struct keys keys;
    uint64_t read_stamp, seen_stamp; /* of all files: when they were read, and looked at, last */
    uint32_t unrest;                 /* looks in a row at which they had changed */
};

/* --- Walking --- */

/* Every file below the paths that is wanted, by `visit`. */
struct walk {
    struct inventory *inventory;
    enum error (*visit)(struct walk *walk, const FTSENT *entry, struct failure *failure);
    uint32_t files;
    uint64_t stamp;         /* of what was visited */
    struct reading reading; /* when it is read */
    bool is_told;           /* what is wrong with files */
};

static void say(struct walk *walk, const char *path, const char *problem) {
    const struct inventory_config *config = &walk->inventory->config;
    struct failure words;

    failure_set(&words, ERROR_INPUT, "inventory: %s: %s", quote_of(slice_of(path)).text, problem);
    if (walk->is_told && config->say)
        config->say(config->owner, words.text);
}

/* The path itself, or something in a folder below it. */
static bool is_path(const FTSENT *entry) {
    return entry->fts_level == FTS_ROOTLEVEL;
}

static enum error cannot_read(struct walk *walk, const FTSENT *entry, struct failure *failure) {
    const char *why = error_text((enum error)entry->fts_errno);

    if (is_path(entry))
        return failure_set(failure, (enum error)entry->fts_errno,
                           "cannot read the inventory %s: %s",
                           quote_of(slice_of(entry->fts_path)).text, why);
    walk->reading.is_cut = true;
    say(walk, entry->fts_path, why);
    return ERROR_NONE;
}

static enum error visit_entry(struct walk *walk, FTS *tree, FTSENT *entry,
                              struct failure *failure) {
    switch (entry->fts_info) {
    case FTS_D:
        if (entry->fts_level > DEPTH_MAX)
            fts_set(tree, entry, FTS_SKIP);
        return ERROR_NONE;
    case FTS_F:
        if (!is_path(entry) && !reading_wants(entry->fts_path))
            return ERROR_NONE;
        if (++walk->files > FILES_MAX)
            return failure_set(failure, ERROR_LIMIT, "more than %d files in the inventory",
                               FILES_MAX);
        return walk->visit(walk, entry, failure);
    case FTS_DEFAULT:
        return is_path(entry) ? failure_set(failure, ERROR_USAGE,
                                            "the inventory %s is neither a file nor a folder",
                                            quote_of(slice_of(entry->fts_path)).text)
                              : ERROR_NONE;
    case FTS_SLNONE:
        entry->fts_errno = ENOENT;
        return is_path(entry) ? cannot_read(walk, entry, failure) : ERROR_NONE;
    case FTS_NS:
    case FTS_DNR:
    case FTS_ERR:
        return cannot_read(walk, entry, failure);
    default:
        return ERROR_NONE;
    }
}

static enum error walk_path(struct walk *walk, const char *path, struct failure *failure) {
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    enum error error = ERROR_NONE;
    FTSENT *entry;

    if (!tree)
        return failure_set(failure, (enum error)errno, "cannot read the inventory %s: %s",
                           quote_of(slice_of(path)).text, error_text((enum error)errno));
    while (!error && (entry = fts_read(tree)))
        error = visit_entry(walk, tree, entry, failure);
    fts_close(tree);
    return error;
}

static enum error walk_all(struct walk *walk, struct failure *failure) {
    const struct inventory_config *config = &walk->inventory->config;
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < config->path_count && !error; i++)
        error = walk_path(walk, config->paths[i], failure);
    return error;
}

/* --- What has changed --- */

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    return hash * UINT64_C(0xbf58476d1ce4e5b9);
}

/* In any order. */
static void add_stamp(struct walk *walk, const struct stat *status) {
    uint64_t file = mix(status->st_ino, (uint64_t)status->st_size);

    file = mix(file, (uint64_t)status->st_mtim.tv_sec);
    walk->stamp += mix(file, (uint64_t)status->st_mtim.tv_nsec);
}

static enum error stamp_file(struct walk *walk, const FTSENT *entry, struct failure *failure) {
    (void)failure;
    add_stamp(walk, entry->fts_statp);
    return ERROR_NONE;
}

/* --- Reading --- */

static enum error read_file(struct walk *walk, const FTSENT *entry, struct failure *failure) {
    uint64_t before = walk->reading.certificates;
    const char *problem =
        reading_file(&walk->reading, entry->fts_path, (uint64_t)entry->fts_statp->st_size);

    add_stamp(walk, entry->fts_statp);
    if (walk->reading.keys->failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for the inventory");
    if (is_path(entry) && walk->reading.certificates == before)
        return failure_set(failure, ERROR_INPUT, "the inventory %s holds no certificate%s%s",
                           quote_of(slice_of(entry->fts_path)).text, problem ? ": " : "",
                           problem ? problem : "");
    if (problem)
        say(walk, entry->fts_path, problem);
    return ERROR_NONE;
}

/* Whatever could not be read may be what was known. */
static enum error read_all(struct inventory *inventory, struct failure *failure) {
    struct keys keys = {0};
    struct walk walk = {
        .inventory = inventory,
        .visit = read_file,
        .reading = {.keys = &keys, .by_key = inventory->config.by_key},
        .is_told = true,
    };

    enum error error = walk_all(&walk, failure);
    if (!error && walk.reading.is_cut)
        keys_add_all(&keys, &inventory->keys);
    if (!error && keys.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for the inventory");
    if (error) {
        keys_deinit(&keys);
        return error;
    }
    keys_sort(&keys);
    keys_deinit(&inventory->keys);
    inventory->keys = keys;
    inventory->read_stamp = inventory->seen_stamp = walk.stamp;
    inventory->unrest = 0;
    return ERROR_NONE;
}

enum error inventory_refresh(struct inventory *inventory, bool *changed, struct failure *failure) {
    struct walk walk = {.inventory = inventory, .visit = stamp_file};

    *changed = false;
    enum error error = walk_all(&walk, failure);
    if (error || walk.stamp == inventory->read_stamp)
        return error;
    bool is_restless = walk.stamp != inventory->seen_stamp && inventory->unrest++ < PATIENCE;
    inventory->seen_stamp = walk.stamp;
    if (is_restless)
        return ERROR_NONE;
    error = read_all(inventory, failure);
    *changed = !error;
    return error;
}

/* --- From outside --- */

enum error inventory_open(struct inventory **out, const struct inventory_config *config,
                          struct failure *failure) {
    struct inventory *inventory = calloc(1, sizeof *inventory);

    if (!inventory)
        return failure_set(failure, ERROR_MEMORY, "no memory for the inventory");
    inventory->config = *config;
    enum error error = read_all(inventory, failure);
    if (error != ERROR_NONE) {
        inventory_close(inventory);
        return error;
    }
    *out = inventory;
    return ERROR_NONE;
}

void inventory_close(struct inventory *inventory) {
    if (!inventory)
        return;
    keys_deinit(&inventory->keys);
    free(inventory);
}

bool inventory_knows(const struct inventory *inventory, const struct ct_record *record,
                     enum ct_known_by *by) {
    const struct certificate_fields *fields = &record->certificate;
    const struct keys *keys = &inventory->keys;

    *by = CT_KNOWN_NOT;
    if (fields->has_tbs_sha256 && keys_have(keys, KEY_TBS, fields->tbs_sha256))
        *by = CT_KNOWN_TBS;
    else if ((fields->has_fingerprint_sha256 &&
              keys_have(keys, KEY_SHA256, fields->fingerprint_sha256)) ||
             (fields->has_fingerprint_sha1 && keys_have(keys, KEY_SHA1, fields->fingerprint_sha1)))
        *by = CT_KNOWN_FINGERPRINT;
    else if (fields->has_spki_sha256 && keys_have(keys, KEY_SPKI, fields->spki_sha256))
        *by = CT_KNOWN_KEY;
    return *by != CT_KNOWN_NOT;
}

uint64_t inventory_count(const struct inventory *inventory) {
    uint64_t most = 0;

    for (int kind = 0; kind < KEY_KINDS; kind++)
        if (kind != KEY_SPKI && inventory->keys.sets[kind].count > most)
            most = inventory->keys.sets[kind].count;
    return most;
}
