/* A sink that loses nothing: one of a kind with `spools`, and a spool (spool.h) for what it cannot
 * be given now.
 *
 *                ┌─ while it takes, and nothing waits ─────────┐
 *     batches ──▶│                                             ├──▶ the sink ──▶ refused for good:
 *                └─ else ──▶ the spool's end … its head ───────┘                 dead letters
 *                                        again after 1, 4, 16, 60, 60 … s
 *
 * A batch goes to the spool, and all behind it, when the sink gives up on it for now, when it has
 * not been through for SPOOLED_SLOW_MS, or when the run ends in a hurry. For its owner it is
 * written then: it is on the disk. What an earlier run left is sent first. One batch that the other
 * side answers with an error that may pass, each time, holds up what is behind it: nothing is
 * reordered, nothing dropped.
 *
 * At the end (`finish`) it goes on while the other side takes, and leaves the rest. A sink that
 * cannot be opened because of an error that may pass is opened again later; errors that do not pass
 * are told at once when they come at open, and later count as trouble, lest anything is lost.
 *
 * As any sink, it belongs to one thread once it is open. */
#ifndef SINKS_SPOOLED_H
#define SINKS_SPOOLED_H

#include "sinks/sink.h"
#include "sinks/spool.h"

enum { SPOOLED_SLOW_MS = 2000 };

/* What any sink that spools takes behind #, beside its own options. */
extern const struct option_spec spooled_options[];

/* What sink_open does for kinds with `spools`. Without a folder for the spool (config->spool,
 * #spool=DIR), and with #spool=off, the sink is opened as it is. */
enum error spooled_open(struct sink **out, const struct sink_kind *kind,
                        const struct sink_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* A sink of any kind that is given what waits in `spool`, and no more: call its `finish` as long as
 * it returns EAGAIN, then sink_close. The spool is the sink's from then on, also after an error. */
enum error spooled_replay(struct sink **out, struct spool *spool, const struct sink_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));

#endif
