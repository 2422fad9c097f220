/* What the cases work on: certificates of the farm, and the record that a grab makes of them. */
#ifndef BENCH_MICRO_SAMPLES_H
#define BENCH_MICRO_SAMPLES_H

#include "bench/farm/farm_chain.h"
#include "engine/probe/link_cache.h"
#include "engine/probe/prober.h"
#include "engine/tls/session.h"

/* As after a conversation that has brought this chain in TLS 1.3. */
struct tls_observation sample_observation(const struct farm_chain *chain);

/* The record of it, for 127.0.0.1:443; NULL when there is no memory. */
struct probe_record *sample_record(const struct farm_chain *chain, struct link_cache *links);

#endif
