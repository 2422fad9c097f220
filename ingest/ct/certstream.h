/* A certstream feed: log entries as JSON over a WebSocket, from certstream-server-go, CaliDog's
 * certstream-server or certstream-server-rust; full, lite or domains-only, by the URL.
 *
 *     server ─▶ WebSocket ─▶ pages of messages ─▶ decoder ─▶ mailbox ─▶ in order ─▶ outlet
 *
 * The thread that reads never waits for anything behind it: servers drop what a client does not
 * take at once. Pages are kept up to a bound; what comes beyond is counted as lost and told. A feed
 * that is silent is pinged, one that ends is connected to again, with waits that double.
 *
 * A feed has no position: what is sent while nobody listens is not sent again. What is left out
 * shows as gaps in the indices of a log, which are counted. */
#ifndef INGEST_CT_CERTSTREAM_H
#define INGEST_CT_CERTSTREAM_H

#include "ingest/ct/feed.h"

struct certstream;

struct certstream_config {
    const char *url;                  /* ws:// or wss://; outlives it, as do the next two */
    const char *user_agent, *ca_file; /* as of http_client_config */
    uint32_t number;                  /* of its source */
    struct decoder *decoder;
    const struct feed_outlet *outlet;
    size_t memory_max;   /* bytes of pages that may be under way */
    uint32_t page_ms;    /* how long a page may wait for more messages */
    uint32_t silence_ms; /* without any sign of life: pinged at a quarter of it, then left */
};

enum error certstream_open(struct certstream **out, const struct certstream_config *config,
                           struct failure *failure) __attribute__((warn_unused_result));
enum error certstream_start(struct certstream *feed, struct failure *failure)
    __attribute__((warn_unused_result));
/* The decoder must still run. */
void certstream_stop(struct certstream *feed);
void certstream_close(struct certstream *feed);

/* The outlet has room again; any thread. */
void certstream_wake(struct certstream *feed);

/* Any thread. */
void certstream_statistics(const struct certstream *feed, struct feed_statistics *out);

#endif
