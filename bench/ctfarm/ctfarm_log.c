#include "bench/ctfarm/ctfarm_log_parts.h"

#include <stdlib.h>

static int by_index(const void *a, const void *b) {
    const struct ctfarm_wish *left = a, *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

const struct ctfarm_wish *ctfarm_log_wish(const struct ctfarm_log *log, uint64_t index) {
    size_t count = log->config.wish_count;
    if (count == 0 || index < log->wishes[0].index || index > log->wishes[count - 1].index)
        return NULL;
    struct ctfarm_wish key = {.index = index};
    return bsearch(&key, log->wishes, count, sizeof key, by_index);
}

/* --- What may be asked for --- */

static enum error check_wish(const struct ctfarm_log *log, size_t number, struct failure *failure) {
    const struct ctfarm_wish *wish = &log->wishes[number], *partner;
    const char *wrong = NULL;
    if (wish->index >= log->distinct)
        wrong = "lies behind the last different entry";
    else if (number && wish->index == log->wishes[number - 1].index)
        wrong = "is wished for twice";
    else if ((int)wish->kind < 0 || wish->kind >= CTFARM_KIND_COUNT)
        wrong = "is of no known kind";
    else if (wish->ca < -1 || wish->ca >= CTFARM_ISSUERS)
        wrong = "is by no known authority";
    else if (wish->partner != CTFARM_NO_PARTNER &&
             (wish->precert || wish->partner >= wish->index ||
              !(partner = ctfarm_log_wish(log, wish->partner)) || !partner->precert))
        wrong = "must be final, and its partner a wished precertificate before it";
    if (!wrong)
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE, "entry %llu %s", (unsigned long long)wish->index,
                       wrong);
}

static enum error check(const struct ctfarm_log *log, struct failure *failure) {
    const struct ctfarm_config *config = &log->config;
    enum error error = ERROR_NONE;
    if (config->entries == 0 || config->entries >> 40) /* what leaf_index holds */
        error = failure_set(failure, ERROR_USAGE, "a log has 1 to 2^40 - 1 entries");
    else if (config->distinct &&
             (config->distinct & (config->distinct - 1) || config->distinct < CTFARM_TILE))
        error = failure_set(failure, ERROR_USAGE,
                            "the number of different entries must be a power of two, 256 at least");
    for (size_t i = 0; i < config->wish_count && !error; i++)
        error = check_wish(log, i, failure);
    return error;
}

/* --- Making --- */

static bool make_keys(struct ctfarm_log *log) {
    uint64_t seed = log->config.seed;
    return ctfarm_pki_init(&log->pki, seed, log->config.first_ms / 1000) &&
           ctfarm_key_pool_init(&log->keys, seed) &&
           (log->config.rsa ? ctfarm_signer_init_pem(&log->signers[CTFARM_RFC6962],
                                                     CTFARM_KEY_RSA_2048, ctfarm_test_key_log)
                            : ctfarm_signer_init_ec(&log->signers[CTFARM_RFC6962], CTFARM_KEY_P256,
                                                    seed, "log")) &&
           ctfarm_signer_init_ec(&log->signers[CTFARM_STATIC], CTFARM_KEY_P256, seed, "tiles") &&
           ctfarm_signer_init_pem(&log->list_signer, CTFARM_KEY_RSA_2048, ctfarm_test_key_list);
}

static bool copy_wishes(struct ctfarm_log *log) {
    size_t count = log->config.wish_count;
    log->wishes = calloc(count + 1, sizeof *log->wishes);
    if (!log->wishes)
        return false;
    if (count) {
        memcpy(log->wishes, log->config.wishes, count * sizeof *log->wishes);
        qsort(log->wishes, count, sizeof *log->wishes, by_index);
    }
    log->config.wishes = log->wishes;
    return true;
}

enum error ctfarm_log_new(struct ctfarm_log **out, const struct ctfarm_config *config,
                          struct failure *failure) {
    struct ctfarm_log *log = calloc(1, sizeof *log);
    if (!log)
        return failure_set(failure, ERROR_MEMORY, "no memory for a log");
    log->config = *config;
    log->distinct =
        config->distinct && config->distinct < config->entries ? config->distinct : config->entries;
    log->has_leaf_index = !config->no_leaf_index && log->distinct == config->entries;
    enum error error = copy_wishes(log) ? check(log, failure)
                                        : failure_set(failure, ERROR_MEMORY, "no memory for a log");
    if (!error && !make_keys(log))
        error = failure_set(failure, ERROR_INTERNAL, "the keys of the log cannot be made");
    if (!error && !ctfarm_tree_build(log))
        error = failure_set(failure, ERROR_MEMORY, "no memory for the tree of the log");
    if (error) {
        ctfarm_log_free(log);
        return error;
    }
    *out = log;
    return ERROR_NONE;
}

void ctfarm_log_free(struct ctfarm_log *log) {
    if (!log)
        return;
    ctfarm_tree_free(log);
    ctfarm_pki_deinit(&log->pki);
    ctfarm_key_pool_deinit(&log->keys);
    for (int side = 0; side < CTFARM_SIDES; side++)
        ctfarm_signer_deinit(&log->signers[side]);
    ctfarm_signer_deinit(&log->list_signer);
    free(log->wishes);
    free(log);
}

/* --- Facts --- */

uint64_t ctfarm_log_entries(const struct ctfarm_log *log) {
    return log->config.entries;
}

uint64_t ctfarm_log_distinct(const struct ctfarm_log *log) {
    return log->distinct;
}

int64_t ctfarm_log_timestamp(const struct ctfarm_log *log, uint64_t index) {
    return log->config.first_ms + (int64_t)(index % log->distinct * log->config.step_us / 1000);
}

struct slice ctfarm_log_key(const struct ctfarm_log *log, enum ctfarm_side side) {
    return ctfarm_signer_spki(&log->signers[side]);
}

const uint8_t *ctfarm_log_id(const struct ctfarm_log *log, enum ctfarm_side side) {
    return log->signers[side].spki_sha256;
}

struct slice ctfarm_authority(const struct ctfarm_log *log, uint32_t number, bool *is_root) {
    if (number >= CTFARM_CAS)
        return (struct slice){0};
    *is_root = !log->pki.cas[number].issuer;
    return log->pki.cas[number].certificate;
}
