/* The list of Certificate Transparency logs that browsers go by (log list v3): who runs which log,
 * with which key it signs, where it is read, and in what state it is.
 *
 *     https://www.gstatic.com/ct/log_list/v3/log_list.json, with log_list.sig beside it
 *
 * Bytes in, an immutable list out: nothing is fetched and no clock is read here. A list may be read
 * by all threads, and one of them frees it. */
#ifndef INGEST_CT_LOG_LIST_H
#define INGEST_CT_LOG_LIST_H

#include "engine/base/arena.h"
#include "engine/base/error.h"
#include "engine/x509/sct.h"

enum {
    /* The list of all logs ever has 250 KB, 30 operators and 250 logs. */
    LOG_LIST_BYTES_MAX = 8 * 1024 * 1024,
    LOG_LIST_OPERATORS_MAX = 1024,
    LOG_LIST_LOGS_MAX = 8192,
    LOG_LIST_EMAILS_MAX = 64,       /* of an operator */
    LOG_LIST_TEXT_BYTES_MAX = 1024, /* of a name or URL */
    LOG_LIST_KEY_BYTES_MAX = 1024,  /* RSA with 4096 bits takes 550 */
    LOG_LIST_SIGNATURE_BYTES_MAX = 1024,
};

enum log_list_state {
    LOG_LIST_STATELESS, /* never applied to be in the list, or a word that is not known here */
    LOG_LIST_PENDING,
    LOG_LIST_QUALIFIED,
    LOG_LIST_USABLE,
    LOG_LIST_READONLY,
    LOG_LIST_RETIRED,
    LOG_LIST_REJECTED,
    LOG_LIST_STATE_COUNT,
};

#define LOG_LIST_BIT(state) (1u << (state))

/* Logs that take part: whose SCTs browsers count. */
#define LOG_LIST_CURRENT                                                                           \
    (LOG_LIST_BIT(LOG_LIST_QUALIFIED) | LOG_LIST_BIT(LOG_LIST_USABLE) |                            \
     LOG_LIST_BIT(LOG_LIST_READONLY))

/* "usable"; NULL for LOG_LIST_STATELESS. */
const char *log_list_state_name(enum log_list_state state);

/* All slices point into the list. Texts are UTF-8 from a stranger, unless the list's signature was
 * checked. */
struct log_list_operator {
    struct slice name;
    struct slice_list emails;
};

struct log_list_log {
    const struct log_list_operator *run_by;
    struct slice description; /* may be empty */
    uint8_t id[SCT_LOG_ID_BYTES];
    struct slice key; /* SubjectPublicKeyInfo as DER; its SHA-256 is the id */
    bool tiled;       /* static-ct-api, not RFC 6962 */
    bool test;        /* log_type says that it is for tests only */
    /* HTTP URLs as the list has them, mostly with a slash at the end. RFC 6962 has one for both
       ways; a URL that is not there is empty. */
    struct slice submission_url, monitoring_url;
    uint32_t mmd_s; /* maximum merge delay */

    uint8_t state;       /* enum log_list_state */
    int64_t state_ms;    /* since 1970: when it came into this state; 0 without one */
    bool has_final_head; /* LOG_LIST_READONLY: the tree grows no more */
    uint64_t final_tree_size;
    uint8_t final_root[32];

    /* Certificates that it takes end from here on and before there, in milliseconds since 1970;
       INT64_MIN and INT64_MAX where there is no limit. */
    int64_t interval_start_ms, interval_end_ms;
};

struct log_list {
    struct slice version; /* "85.92", or empty */
    int64_t time_ms;      /* when it was made, since 1970; 0 when it does not say */
    const struct log_list_operator *operators;
    const struct log_list_log *logs; /* in the list's order: an operator's RFC 6962 logs, its tiled
                                        ones, the next operator's */
    uint32_t operator_count, log_count;
    struct arena memory;
};

/* Reads a list. ERROR_INPUT when it is none, or when anything in it is not what it should be: the
 * failure then names the place ("operators[2].logs[0].key"). */
enum error log_list_parse(struct log_list **out, struct slice json, struct failure *failure)
    __attribute__((warn_unused_result));
void log_list_free(struct log_list *list);

/* Checks the detached signature (RSA PKCS #1 v1.5 with SHA-256) over the list's bytes. `key` is an
 * RSA key as PEM ("PUBLIC KEY") or DER (SubjectPublicKeyInfo); empty for log_list_google_key. */
enum error log_list_check_signature(struct slice json, struct slice signature, struct slice key,
                                    struct failure *failure) __attribute__((warn_unused_result));

/* The key with which Google signs the lists above, as PEM. Published beside them as
 * log_list_pubkey.pem, and in google/certificate-transparency-go and Android. */
extern const char log_list_google_key[];

/* The first with this id; NULL when there is none. */
const struct log_list_log *log_list_find(const struct log_list *list,
                                         const uint8_t id[SCT_LOG_ID_BYTES]);

/* For engine/x509/sct.h: the logs in one of `states` (LOG_LIST_BIT each), named by description.
 * Writes at most list->log_count into `out` and returns how many; they live as long as the list. */
uint32_t log_list_sct_logs(const struct log_list *list, unsigned states, struct sct_log *out);

#endif
