/* The farm's thread. Within the farm only. */
#ifndef BENCH_FARM_FARM_SERVER_H
#define BENCH_FARM_FARM_SERVER_H

#include "bench/farm/farm_listen.h"

struct farm_server;

/* Starts serving; `listeners` must live until farm_server_stop and belong to the thread. */
enum error farm_server_start(struct farm_server **out, const struct farm_listener *listeners,
                             uint32_t count, uint32_t connections, struct failure *failure)
    __attribute__((warn_unused_result));
/* Ends the thread and closes its connections. */
void farm_server_stop(struct farm_server *server);

#endif
