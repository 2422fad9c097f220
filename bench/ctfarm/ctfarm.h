/* Servers of Certificate Transparency on one loopback port, for tests, benchmarks and the demo: a
 * generated log (ctfarm_log.h) as RFC 6962 and as static-ct, feeds of it as certstream servers send
 * them, a signed log list that names both; at any speed, and with faults on demand
 * (ctfarm_fault.h).
 *
 *     /rfc6962/ct/v1/...           get-sth, get-entries, get-sth-consistency, get-proof-by-hash,
 *                                  get-entry-and-proof, get-roots
 *     /static/...                  checkpoint, tile/L/N, tile/data/N, issuer/HASH
 *     /full-stream, /, /domains-only   WebSocket; /go/..., /calidog/..., /rust/... likewise
 *     /log_list.json, /log_list.sig, /log_list.pem (key), /ca.pem (of TLS)
 *     /truth?start=A&end=B         what is true about entries, a line of JSON each
 *     /stats                       counts, as JSON
 *     POST /control?fault=RULE&clear=1&size=N&rate=R    changes as it runs; answers with the stats
 *
 * A feed with ?from=N begins at entry N instead of the newest one.
 *
 * One thread of its own serves all; ctfarm_start and ctfarm_stop belong to the owner, all else may
 * be called by any thread while it runs. Several may run in one process. */
#ifndef BENCH_CTFARM_CTFARM_H
#define BENCH_CTFARM_CTFARM_H

#include "bench/ctfarm/ctfarm_feed.h"
#include "bench/ctfarm/ctfarm_log.h"

struct ctfarm;

struct ctfarm_options {
    struct ctfarm_config log;    /* first_ms 0: so that the newest entry at the start is from now;
                                    step_us 0: from the rate, or 10 ms */
    uint64_t start;              /* entries there are at the start */
    double rate;                 /* entries that come each second; 0: none do */
    uint16_t port;               /* on 127.0.0.1; 0: any */
    bool tls;                    /* https and wss, with the certificate of /ca.pem */
    bool gzip;                   /* data tiles are compressed, without being asked */
    uint32_t page_max;           /* entries of a get-entries page, up to 1024 */
    uint32_t head_every_ms;      /* how often a new head is signed */
    enum ctfarm_dialect dialect; /* of the feeds whose path names none */
    bool tiled_feed;             /* feeds as from the static side */
    uint32_t heartbeat_ms;       /* between heartbeats of a feed; 0: none */
    uint32_t ping_ms;            /* between pings to its clients; 0: none */
    uint32_t idle_ms;            /* a client that is silent for so long is dropped; 0: never */
    uint32_t queue;              /* a client that is so many messages behind misses some; 0: none */
    uint64_t cache_bytes;        /* of what is kept ready to be sent */
    bool warm_entries, warm_tiles,
        warm_feed;             /* made ready at the start, as far as the cache holds */
    const char *state;         /* of both logs in the list: "usable" */
    const char *const *faults; /* rules from the start */
    size_t fault_count;
};

/* The defaults: a complete log of 1000 entries. */
void ctfarm_options_init(struct ctfarm_options *options);

/* Makes the log, listens, starts the thread. Wrong options and a port that is taken are errors
 * whose failure names the cause; nothing is left behind then. */
enum error ctfarm_start(struct ctfarm **out, const struct ctfarm_options *options,
                        struct failure *failure) __attribute__((warn_unused_result));
/* Ends the thread, closes everything. NULL is fine. */
void ctfarm_stop(struct ctfarm *ctfarm);

uint16_t ctfarm_port(const struct ctfarm *ctfarm);
const struct ctfarm_log *ctfarm_log(const struct ctfarm *ctfarm);

/* All owned by the farm: "http://127.0.0.1:8080", without a slash at the end; the logs' as they
 * stand in the list, with one. */
const char *ctfarm_url(const struct ctfarm *ctfarm);
const char *ctfarm_feed_url(const struct ctfarm *ctfarm); /* "ws://127.0.0.1:8080/full-stream" */
const char *ctfarm_log_url(const struct ctfarm *ctfarm, enum ctfarm_side side);
const char *ctfarm_origin(const struct ctfarm *ctfarm); /* of the checkpoints */

/* The log list, version 3. */
struct slice ctfarm_list(const struct ctfarm *ctfarm);
/* Appends the root of the farm's TLS certificate as PEM. */
void ctfarm_add_ca_pem(const struct ctfarm *ctfarm, struct buffer *out);
/* Appends a certificate as PEM. */
void ctfarm_add_pem(struct slice der, struct buffer *out);

#endif
