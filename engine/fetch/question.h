/* What a worker asks the fetcher, and its answer: one piece of memory that travels there and back.
 *
 * It belongs to the asker until fetcher_ask and again when it comes back through the asker's
 * mailbox, which it always does. */
#ifndef ENGINE_FETCH_QUESTION_H
#define ENGINE_FETCH_QUESTION_H

#include "engine/base/limits.h"
#include "engine/queue/mailbox.h"
#include "engine/x509/revocation.h"

enum fetch_kind {
    FETCH_ISSUERS,    /* who issued this certificate? (caIssuers, RFC 5280 section 4.2.2.1) */
    FETCH_REVOCATION, /* has its issuer revoked it? (CRL distribution points, 4.2.1.13) */
    FETCH_LEAVE,      /* of fetcher_leave */
};

enum { FETCH_ERROR_BYTES = 160 };

struct fetch_question {
    struct mailbox_entry entry; /* first: what the mailbox gives is cast */
    struct mailbox *asker;
    uint64_t cookie;                        /* for the asker */
    uint8_t kind;                           /* enum fetch_kind */
    struct certificate certificate, issuer; /* of copies; the issuer for FETCH_REVOCATION only */

    /* The answer. */
    struct buffer issuers;               /* bundle.h; empty: `error` says why */
    struct revocation revocation;        /* its `error` may be `error` below */
    char url[LIMIT_FETCH_URL_BYTES + 1]; /* where it is from, or could not be got; "" from no URL */
    char error[FETCH_ERROR_BYTES];       /* the last thing that went wrong; "" when nothing did */

    /* The fetcher's. */
    struct fetch_question *next; /* of those that wait for the same resource */
    struct slice urls;           /* of the extension, from the next one on */
    uint8_t urls_tried;
    bool has_left; /* atomic: the end of FETCH_LEAVE */
    uint8_t bytes[];
};

/* Copies both; `issuer` is empty for FETCH_ISSUERS. NULL when there is no memory, or when one
 * cannot be decoded. */
struct fetch_question *fetch_question_new(enum fetch_kind kind, struct slice certificate,
                                          struct slice issuer);
/* NULL is fine. */
void fetch_question_free(struct fetch_question *question);

/* The next URL that may be fetched: http:// or https://, of printable characters, not too long, and
 * of the first few. */
bool fetch_question_url_next(struct fetch_question *question, struct slice *url);

#endif
