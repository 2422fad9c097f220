/* JARM (Salesforce, 2020): ten hellos, and a fingerprint of what a server answers to them. The
 * hellos and the fingerprint are exactly those of the published algorithm, oddities included, so
 * that fingerprints compare with those that others collect. Internal to engine/tls. */
#ifndef ENGINE_TLS_AUDIT_JARM_H
#define ENGINE_TLS_AUDIT_JARM_H

#include "engine/base/buffer.h"

#include <openssl/sha.h>

enum {
    AUDIT_JARM_HELLOS = 10,
    AUDIT_JARM_CHARS = 62,
    AUDIT_JARM_ANSWER_MAX = 1484, /* bytes of an answer that count */
};

struct audit_jarm {
    SHA256_CTX hash; /* of protocols and extensions */
    bool any;        /* some hello was answered */
    uint8_t answers;
    char text[AUDIT_JARM_CHARS + 1];
};

void audit_jarm_init(struct audit_jarm *jarm);

/* The hello of that number as a record. `host` names the server, a name or an address. `random` is
 * what all that is random is made of. False when there is no memory. */
bool audit_jarm_hello(unsigned number, struct slice host, const uint8_t random[32],
                      struct buffer *out);

/* Whether an answer so far is all that counts. */
bool audit_jarm_is_whole(struct slice answer);

/* The answers in order: what came first, as raw bytes; empty when nothing came. */
void audit_jarm_answer(struct audit_jarm *jarm, struct slice answer);

/* Ends `text` after ten answers. */
void audit_jarm_finish(struct audit_jarm *jarm);

#endif
