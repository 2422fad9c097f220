/* The ports of a sweep: what `-p 443,8443,1000-1010,smtp:25,ldap` means, in the order it was
 * written. Owned by the command; constant once parsed, safe on every thread. */
#ifndef INGEST_PORTS_H
#define INGEST_PORTS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

/* Finds a protocol in the table of protocols: its index, with the port it usually listens on; -1
 * when there is none of that name. Ingest knows protocols only through this. */
struct protocol_lookup {
    int (*by_name)(struct slice name, uint16_t *default_port);
    /* The protocol that usually listens on a port; NULL where every port means plain TLS. */
    uint8_t (*by_port)(uint16_t port);
    /* The name of a protocol, for target_write; NULL where nothing is written. */
    const char *(*name_of)(uint8_t protocol);
};

/* The table that knows plain TLS and nothing else ("tls", index 0, port 443), and that of
 * engine/starttls/dialogues.c. */
extern const struct protocol_lookup protocol_lookup_tls, protocol_lookup_all;

static inline uint8_t protocol_of_port(const struct protocol_lookup *protocols, uint16_t port) {
    return protocols->by_port ? protocols->by_port(port) : 0;
}

struct port_choice {
    uint16_t port;
    uint8_t protocol; /* index into the table of protocols */
};

struct port_list {
    struct port_choice *items;
    uint32_t count; /* 1 to LIMIT_PORTS */
};

/* Comma-separated items: PORT and PORT-PORT (each with the protocol that usually listens there),
 * PROTOCOL:PORT, PROTOCOL:PORT-PORT or PROTOCOL (its usual
 * port). What is named twice counts once. A failure names the item and its position. */
enum error ports_parse(struct port_list *out, struct slice text,
                       const struct protocol_lookup *protocols, struct failure *failure)
    __attribute__((warn_unused_result));

void ports_free(struct port_list *ports);

#endif
