/* A certificate for 127.0.0.1, ::1 and localhost by one of the farm's authorities, and a server
 * context with it. Within the farm only. */
#ifndef BENCH_CTFARM_CTFARM_TLS_H
#define BENCH_CTFARM_CTFARM_TLS_H

#include "bench/ctfarm/ctfarm_log.h"

#include <openssl/base.h>

/* `unix_seconds`: now. NULL when a library call fails. */
SSL_CTX *ctfarm_tls_context(const struct ctfarm_log *log, int64_t unix_seconds);

#endif
