/* What the parts of an audit share. Internal to engine/tls.
 *
 *   audit.c             connections: what is asked next, and how each ended
 *   audit_questions.c   the questions: what each offers, and what its answer means
 *   audit_notes.c       what was found, put down
 *   audit_hello.c       hellos
 *   audit_answer.c      answers
 *   audit_resumption.c  whether sessions are resumed
 *   audit_jarm.c        JARM */
#ifndef ENGINE_TLS_AUDIT_INTERNAL_H
#define ENGINE_TLS_AUDIT_INTERNAL_H

#include "engine/base/arena.h"
#include "engine/tls/audit.h"
#include "engine/tls/audit_answer.h"
#include "engine/tls/audit_jarm.h"
#include "engine/tls/handshake.h"

struct tls_audit {
    struct tls_audit_result result;
    struct arena memory; /* copies of what the result points to */
    struct slice sni, jarm_name;
    uint16_t connections_max;
    bool without_jarm;
    const struct tls_client *client; /* or NULL */

    uint8_t question;  /* index into audit_questions */
    bool done;         /* nothing more is to be asked by this question */
    bool again;        /* this question asks in its second way */
    bool asking;       /* a connection is under way */
    bool timed_out;    /* it ended so */
    bool shares;       /* the server takes no TLS 1.3 hello without a key share */
    bool flight_known; /* client_certificate and what comes with it */
    uint8_t timeouts;  /* in all */
    uint8_t misses;    /* connections in a row that were not made */

    struct audit_jarm jarm;
    uint8_t jarm_number; /* of the hello that is out or next */
    uint16_t jarm_len;   /* bytes of its answer, kept in answer.record */

    struct tls_handshake handshake; /* of a question about resumption, while it is asked */
    struct ssl_session_st *session; /* that the next such question offers, or NULL */

    struct audit_offer offer;
    enum audit_depth depth;
    struct audit_answer answer; /* last, and most of it is seldom touched */
};

/* One or more connections that find out one thing. `index` is that of a version, one of
 * enum audit_manner, or nothing. */
struct audit_question {
    /* Fills `offer` and `depth`; false when there is nothing (more) to ask. */
    bool (*ask)(struct tls_audit *audit, unsigned index);
    /* What the answer means; `answer.greeted` is false when the server refused. */
    void (*learn)(struct tls_audit *audit, unsigned index);
    uint8_t index;
};

/* In the order in which they are asked; the last has no functions. */
extern const struct audit_question audit_questions[];

/* True while the question is one of JARM's hellos, whose answers are raw bytes. */
bool audit_is_jarm(const struct tls_audit *audit);

static inline bool audit_is_offered(const struct tls_audit *audit, unsigned index) {
    return audit->result.versions[index].offered == TLS_AUDIT_YES;
}

/* The newest version before TLS 1.3 that is offered; TLS_AUDIT_VERSIONS when none is. */
unsigned audit_newest_classic(const struct tls_audit *audit);

/* --- Resumption: each manner takes a handshake that leaves a session, and one that offers it ---
 */

enum audit_manner { AUDIT_BY_ID, AUDIT_BY_TICKET, AUDIT_BY_PSK };

bool audit_is_resumption(const struct tls_audit *audit);
bool audit_ask_resumption(struct tls_audit *audit, unsigned manner);
void audit_learn_resumption(struct tls_audit *audit, unsigned manner);

/* Appends the hello; false when there is no memory. */
bool audit_begin_resumption(struct tls_audit *audit, struct buffer *hello);

/* Frees what a question that was not answered has left. */
void audit_drop_resumption(struct tls_audit *audit);

/* --- Notes --- */

/* Index of a version into result.versions. */
static inline unsigned audit_version_index(uint16_t version) {
    return TLS_VERSION_TLS13 - version;
}

/* Puts down what the current answer, which greets, says: its suite, group, and properties. */
void audit_note_answer(struct tls_audit *audit);

/* And what its flight says. */
void audit_note_flight(struct tls_audit *audit);

bool audit_has(const uint16_t *list, size_t count, uint16_t number);

#endif
