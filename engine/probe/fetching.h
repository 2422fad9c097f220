/* What a record still waits for when its connection is over: issuers that the server did not send,
 * and what CRLs say of the path. One question to the fetcher after the other; what they answer goes
 * into the record. Lives on the heap, on the worker's thread, only where something is to be
 * fetched. */
#ifndef ENGINE_PROBE_FETCHING_H
#define ENGINE_PROBE_FETCHING_H

#include "engine/fetch/fetcher.h"
#include "engine/probe/prober.h"

struct trust_checker;

struct fetching {
    struct probe_record *record;
    const struct prober_settings *settings;
    struct trust_checker *checker;
    int64_t unix_seconds;                         /* to verify for */
    struct fetch_question *question;              /* that is out; NULL: none */
    struct slice chain[LIMIT_CHAIN_CERTIFICATES]; /* into the record: what was sent, then fetched */
    uint32_t sent, count, issuers_asked;
    struct buffer path;        /* verified, once there is one: bundle.h */
    struct slice below, above; /* a certificate of it, and those from its issuer up */
    uint8_t depth;             /* of `below` */
    bool has_path;
};

/* Takes the record over when something is to be fetched for it; NULL otherwise, and when there is
 * no memory, and it stays with the caller. */
struct fetching *fetching_new(struct probe_record *record, const struct prober_settings *settings,
                              struct trust_checker *checker, int64_t unix_seconds);

/* The next question, to be asked and then kept as fetching->question until it is answered; NULL
 * when there is none. */
struct fetch_question *fetching_next(struct fetching *fetching);

/* Takes what the question brought, and frees it. */
void fetching_take(struct fetching *fetching, struct fetch_question *question);

/* No answer is waited for any more. `why`: static words. */
void fetching_give_up(struct fetching *fetching, const char *why);

/* Judges the record anew and gives it back; frees the rest, but for a question that is out. */
struct probe_record *fetching_end(struct fetching *fetching);

#endif
