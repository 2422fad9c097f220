/* The cluster as trawl uses it: one link, and the names of what lies there.
 *
 *     --via nats://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME#OPTION=VALUE,...
 *
 * NAME keeps several fleets of one cluster apart ("trawl" when there is none). The options are
 * those of a login (engine/nats/login_options.h), and `replicas` of what is made (as many as the
 * cluster allows, three at most, when there is none).
 *
 *     stream  NAME-work            subjects NAME.work.JOB       shards, until their job has ended
 *     stream  NAME-results-JOB     subject  NAME.results.JOB    a queue of pages, for one collector
 *     bucket  NAME-jobs            keys     JOB, JOB.options.N  descriptors, and what travels
 *     bucket  NAME-leases          keys     of lease.h
 *
 * A fleet belongs to one thread at a time, as its link does. */
#ifndef TOOLS_FLEET_FLEET_H
#define TOOLS_FLEET_FLEET_H

#include "engine/nats/stream.h"

enum {
    FLEET_NAME_MAX = 32,     /* letters, digits, "-" and "_" */
    FLEET_SUBJECT_MAX = 128, /* of the subjects and streams above, with a terminator */
    JOB_ID_BYTES = 17,       /* 16 hexadecimal digits: the run of its records; and a terminator */
};

struct fleet;

/* Connects, and makes the stream of work when there is none: its replicas are those of all that is
 * made. Told within seconds, in a line with the cure: no server (ENOTCONN), no JetStream
 * (ERROR_UNSUPPORTED), a login that is refused (EACCES), a wrong URL (ERROR_USAGE), too few servers
 * for `replicas` (ERROR_LIMIT, ENOTSUP). `client` is how the connection is called at the server. */
enum error fleet_open(struct fleet **out, const char *via, const char *client,
                      struct failure *failure) __attribute__((warn_unused_result));
/* Another link to the same, for another thread; on any. A server that is away at the moment is no
 * error here. */
enum error fleet_open_again(struct fleet **out, const struct fleet *fleet, const char *client,
                            struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void fleet_close(struct fleet *fleet);

/* Finds or makes a stream, with the fleet's replicas; with one when a node is missing and the user
 * has not said how many there are to be. As nats_stream_prepare. */
enum error fleet_prepare_stream(struct fleet *fleet, struct nats_stream_wish wish,
                                struct failure *failure) __attribute__((warn_unused_result));

struct nats_link *fleet_link(struct fleet *fleet);
const char *fleet_prefix(const struct fleet *fleet); /* NAME */
const char *fleet_shown(const struct fleet *fleet);  /* for messages: nothing secret in it */
uint32_t fleet_replicas(const struct fleet *fleet);  /* of what is made */
size_t fleet_payload_max(const struct fleet *fleet); /* of a message, as the server says */

/* "NAME-work" and the like; `job` is an id, or "*" for all where a subject may be a pattern. */
void fleet_work_stream(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]);
void fleet_work_subject(const struct fleet *fleet, const char *job, char out[FLEET_SUBJECT_MAX]);
void fleet_results_stream(const struct fleet *fleet, const char *job, char out[FLEET_SUBJECT_MAX]);
void fleet_results_subject(const struct fleet *fleet, const char *job, char out[FLEET_SUBJECT_MAX]);
void fleet_jobs_bucket(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]);
void fleet_leases_bucket(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]);

#endif
