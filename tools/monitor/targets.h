/* What is watched: the fields of a target, how they are read from JSON, and what they may be. API
 * and config file share it, so both refuse the same and say the same. Pure but for ids; safe on
 * every thread. */
#ifndef TOOLS_MONITOR_TARGETS_H
#define TOOLS_MONITOR_TARGETS_H

#include "engine/base/address.h"
#include "engine/base/address_set.h"
#include "engine/base/cidr.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

#include <yyjson.h>

/* A text of JSON; empty for all that is none (the library gives a list's length, too). */
static inline struct slice json_slice(yyjson_val *value) {
    return yyjson_is_str(value)
               ? (struct slice){(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)}
               : (struct slice){NULL, 0};
}

enum {
    TARGET_ID_BYTES = 17,          /* "tls_", 12 hexadecimal digits, a zero byte */
    TARGET_LABEL_CHARACTERS = 128, /* as RemotePower's; what is longer is cut */
    TARGET_LABEL_BYTES = 4 * TARGET_LABEL_CHARACTERS + 1,
    TARGET_TAGS = 16,
    TARGET_TAG_BYTES = 64,
    TARGET_TAGS_BYTES = 2048, /* of the JSON list */
    TARGET_THRESHOLDS = 12,   /* days of the list alert_days_before_expiry */
    TARGET_DAYS_MAX = 3650,
    TARGET_PATH_BYTES = 512,
    TARGET_VIA_BYTES = 64,
    TARGET_PROTOCOL_BYTES = 16,
    TARGET_INTERVAL_S_MIN = 10,
    TARGET_INTERVAL_S_MAX = 366 * 86400,
    TARGET_CIDR_ADDRESSES = 65536, /* of one block: SSL Scout's largest useful one, a /16 */
};

/* RemotePower's words for a target without a host or with a port that is none. */
#define TARGET_INVALID "invalid target \u2014 host required, port 1-65535"

enum target_source { TARGET_FROM_API, TARGET_FROM_CONFIG, TARGET_FROM_AGENT, TARGET_SOURCES };
const char *target_source_name(enum target_source source); /* "api" */

/* One row of monitor_targets, a plain value. */
struct monitor_target {
    int64_t key;                          /* 0: not in the table yet */
    char id[TARGET_ID_BYTES];             /* "" until it is made */
    char host[LIMIT_HOST_NAME_BYTES + 1]; /* lower-case name in A-labels, an address, or a block in
                                             its canonical form */
    uint16_t port;
    char protocol[TARGET_PROTOCOL_BYTES];   /* a name of dialogues.c; "" for what the port means */
    char connect_address[ADDRESS_TEXT_MAX]; /* "" for what the name resolves to */
    char label[TARGET_LABEL_BYTES];
    char tags[TARGET_TAGS_BYTES]; /* JSON list of texts: "[]" */
    int32_t warn_days, crit_days; /* crit_days <= warn_days */
    bool has_thresholds;          /* else those of the settings */
    uint8_t threshold_count;
    int32_t thresholds[TARGET_THRESHOLDS]; /* falling, each once */
    char ca_file[TARGET_PATH_BYTES];       /* "" for the roots of the settings */
    bool dane;
    /* Who probes it: "" this machine, "*" any worker of the fleet, else one with this label */
    char via[TARGET_VIA_BYTES];
    int64_t interval_s; /* 0: that of the settings */
    bool is_cidr;
    enum target_source source;
    bool enabled;
    int64_t created_ms, updated_ms; /* set by the tables */
};

/* Port 443, 14 and 3 days as RemotePower has it, no label, enabled. */
void target_init(struct monitor_target *target, enum target_source source);

/* Reads the members of a JSON object into `target`; what the object does not name stays as it is,
 * so the same call makes a new target (after target_init) and patches one.
 *
 *     host        name, address or CIDR block; may be "name:port", "proto://name:port"
 *     port        1 to 65535
 *     protocol, starttls   "auto", "none", "tls", "smtp" …
 *     connect_address, label, tags, warn_days, crit_days, ca_file, enabled
 *     thresholds, alert_days_before_expiry   list of days
 *     dane, dane_check, interval_s, scan_interval
 *     via         "*", or a label of workers: letters, digits, "-", "_" and "."
 *
 * Members that nobody knows are ignored from the API (RemotePower's clients send some), and an
 * error from the config. ERROR_USAGE: "invalid target — host required, port 1-65535" where that is
 * what is wrong, else words that name the member; `target` is then as it was. From the API, ca_file
 * is the bare name of a file: whoever has no login here must not open files by path. */
enum error target_read(struct monitor_target *target, yyjson_val *object, struct failure *failure)
    __attribute__((warn_unused_result));

/* Checks the whole, and clamps: crit_days to warn_days. For targets that were filled by hand;
 * target_read ends with it. An address that is not to be watched (target_is_forbidden), as host,
 * as connect address or in a block, is ERROR_USAGE. */
enum error target_check(struct monitor_target *target, struct failure *failure)
    __attribute__((warn_unused_result));

/* ERROR_USAGE when it is for workers, and there is no fleet. */
enum error target_check_via(const struct monitor_target *target, bool has_fleet,
                            struct failure *failure) __attribute__((warn_unused_result));

/* A new random id. */
void target_make_id(char out[TARGET_ID_BYTES]);

/* Where no probe may go, whoever asks: link-local, cloud metadata, multicast, broadcast and
 * unspecified addresses, in any disguise (mapped, NAT64, 6to4). Private and loopback addresses are
 * fine. */
bool target_is_forbidden(const struct address *address);

/* The same as blocks, in words, until `visit` returns an error. */
enum error target_each_forbidden(enum error (*visit)(void *context, const char *block,
                                                     struct failure *failure),
                                 void *context, struct failure *failure)
    __attribute__((warn_unused_result));

/* The same as a set, for struct prober_settings.excluded: no name may lead there either. */
enum error target_forbidden_set(struct address_set **out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
