/* The other end of /healthz: asks a monitor that runs on this machine how it is. For Docker, and
 * for cron. */
#ifndef TOOLS_MONITOR_ASK_HEALTH_H
#define TOOLS_MONITOR_ASK_HEALTH_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

struct ask_health {
    const char *listen;  /* as the monitor has it: "0.0.0.0:8470" */
    const char *ca_file; /* its certificate, when it speaks HTTPS; NULL: HTTP */
    const char *name;    /* one that the certificate has, which leads here; NULL: its address */
    const char *token;   /* NULL or "" for none */
};

/* `*status` is HTTP's, 200 when all is well; the body is appended. */
enum error ask_health(const struct ask_health *ask, uint16_t *status, struct buffer *body,
                      struct failure *failure) __attribute__((warn_unused_result));

#endif
