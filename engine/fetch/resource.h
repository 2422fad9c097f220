/* What the fetcher remembers of one URL, and of all of them: a table with a bound on its memory,
 * from which the least recently used goes. Belongs to the fetcher's thread. */
#ifndef ENGINE_FETCH_RESOURCE_H
#define ENGINE_FETCH_RESOURCE_H

#include "engine/fetch/question.h"
#include "engine/http/client.h"

enum { SIGNERS_KNOWN = 4 };

/* A CRL, and which issuers have been found to have signed it or not: that is computed once, and for
 * more than one where a CA has several certificates. */
struct known_crl {
    struct crl *crl;
    struct known_signer {
        uint8_t sha256[CERTIFICATE_SHA256_BYTES]; /* of the issuer's certificate */
        bool is_signed;
    } signers[SIGNERS_KNOWN];
    uint32_t signer_count; /* of all that were asked about; the latest are known */
};

bool known_crl_is_signed_by(struct known_crl *known, const struct certificate *issuer);

enum resource_state {
    RESOURCE_QUEUED,   /* until fewer large ones are under way */
    RESOURCE_FETCHING, /* a request is under way */
    RESOURCE_READY,    /* `error`, or what came */
};

struct resource {
    struct resource *next;          /* in its bucket, or in the queue while QUEUED */
    struct resource *newer, *older; /* of those that are READY, by use */
    struct fetch_question *waiting; /* until it is READY */
    uint8_t kind, state;            /* enum fetch_kind, enum resource_state */
    uint64_t expires_ns;            /* when it is READY: monotonic */
    size_t memory_bytes;
    char error[FETCH_ERROR_BYTES]; /* "" when something came */
    struct buffer issuers;
    struct known_crl crl;
    struct resource *queue_next;
    void *owner; /* for who fetches it */
    uint32_t hash;
    char url[];
};

struct resources {
    struct resource **buckets;
    struct resource *newest, *oldest;
    uint32_t count;
    size_t memory_bytes;
};

bool resources_init(struct resources *resources);
void resources_deinit(struct resources *resources);

/* What is known of it, now the most recently used; NULL when nothing is, or no longer. */
struct resource *resources_find(struct resources *resources, enum fetch_kind kind, struct slice url,
                                uint64_t now_ns);

/* A new one, QUEUED; NULL when there is no memory. */
struct resource *resources_add(struct resources *resources, enum fetch_kind kind, struct slice url);

/* It has all that it will have. May drop others, never this one. */
void resources_ready(struct resources *resources, struct resource *resource, uint64_t expires_ns);

/* Takes out the questions of `asker`, linked by `next`. */
struct fetch_question *resources_take_waiting(struct resources *resources,
                                              const struct mailbox *asker);

#endif
