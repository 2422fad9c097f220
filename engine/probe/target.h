/* What is to be probed: one line of a list, one address of a block, one argument times one port. A
 * plain value of fixed size, so that it travels through the work ring by copy; without a heap, but
 * for what was read from a file. */
#ifndef ENGINE_PROBE_TARGET_H
#define ENGINE_PROBE_TARGET_H

#include "engine/base/address.h"
#include "engine/base/limits.h"

struct local_chain;
struct trust_store;

struct target {
    uint64_t number; /* which of the run's targets this is, for the ids of its records; from 1 */
    uint64_t ticket; /* given back with the last record, for who keeps count; 0 for none */
    /* Certificates of a file, which belong to the target: judged as they are, without a connection;
       name and address are then what they should be for. NULL: a server */
    struct local_chain *local;
    const struct trust_store *roots; /* for this target; NULL: those of all */
    struct address address; /* to connect to; ADDRESS_NONE when the name must be resolved first */
    uint16_t port;
    uint8_t protocol; /* index into the table of protocols, 0 is plain TLS */
    uint8_t name_len;
    /* DNS name in lower-case A-labels without trailing dot, terminated; empty for a bare address */
    char name[LIMIT_HOST_NAME_BYTES + 1];
};

/* The name as a slice: SNI, name check and the record's host use it. */
static inline struct slice target_name(const struct target *target) {
    return (struct slice){(const uint8_t *)target->name, target->name_len};
}

#endif
