/* Fuzzes ingest/ct/log_list: whatever a list says, it is read within bounds, or what is wrong with
 * it is said; what was read keeps to what the header promises. */
#include "ingest/ct/log_list.h"

#include <openssl/sha.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static void touch(struct slice bytes) {
    volatile uint8_t sink = 0;

    for (size_t i = 0; i < bytes.len; i++)
        sink = (uint8_t)(sink ^ bytes.ptr[i]);
    (void)sink;
    require(bytes.len <= LOG_LIST_TEXT_BYTES_MAX);
}

static void check_log(const struct log_list *list, const struct log_list_log *log) {
    uint8_t hash[SHA256_DIGEST_LENGTH];

    require(log->run_by >= list->operators && log->run_by < list->operators + list->operator_count);
    touch(log->description);
    touch(log->key);
    touch(log->monitoring_url);
    touch(log->submission_url);
    SHA256(log->key.ptr, log->key.len, hash);
    require(memcmp(hash, log->id, sizeof hash) == 0);
    require(log->monitoring_url.len > 0 && log->state < LOG_LIST_STATE_COUNT);
    require(log->interval_start_ms < log->interval_end_ms);
    const struct log_list_log *first = log_list_find(list, log->id);
    require(first && first <= log);
}

static void check_list(const struct log_list *list) {
    struct sct_log *logs = calloc(list->log_count + 1, sizeof *logs);
    uint32_t all = 0;

    require(logs && list->operator_count <= LOG_LIST_OPERATORS_MAX &&
            list->log_count <= LOG_LIST_LOGS_MAX);
    touch(list->version);
    for (uint32_t i = 0; i < list->operator_count; i++) {
        touch(list->operators[i].name);
        for (uint32_t j = 0; j < list->operators[i].emails.count; j++)
            touch(list->operators[i].emails.items[j]);
    }
    for (uint32_t i = 0; i < list->log_count; i++)
        check_log(list, &list->logs[i]);
    for (unsigned state = 0; state < LOG_LIST_STATE_COUNT; state++)
        all += log_list_sct_logs(list, LOG_LIST_BIT(state), logs);
    require(all == list->log_count);
    free(logs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice json = {data, size};
    struct failure failure = {0};
    struct log_list *list;

    if (log_list_parse(&list, json, &failure) == ERROR_NONE)
        check_list(list);
    else
        require(!list && failure.code != ERROR_NONE && failure.text[0]);
    log_list_free(list);
    require(log_list_check_signature(json, slice_first(json, 512), slice_first(json, 600),
                                     &failure) != ERROR_NONE);
    return 0;
}
