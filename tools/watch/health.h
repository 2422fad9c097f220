/* Two pages over HTTP for those who look after the program: GET /healthz and GET /metrics. Loopback
 * unless it is told otherwise; nothing can be changed here. A page a connection; clients that are
 * slow or many cost others nothing.
 *
 * A thread of its own; the callbacks run on it. */
#ifndef TOOLS_WATCH_HEALTH_H
#define TOOLS_WATCH_HEALTH_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

struct health;

struct health_config {
    const char *address; /* "127.0.0.1:8765", "[::1]:8765", "localhost:8765"; port 0: any */
    void *owner;
    /* Appends a JSON object; false: something is wrong, and the page comes with status 503. */
    bool (*status)(void *owner, struct buffer *out);
    /* Appends Prometheus text. */
    void (*metrics)(void *owner, struct buffer *out);
    uint32_t client_ms; /* that a client is given in all; 0: five seconds */
};

enum error health_start(struct health **out, const struct health_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void health_stop(struct health *health);

/* That it listens on. */
uint16_t health_port(const struct health *health);

#endif
