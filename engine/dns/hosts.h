/* The table of /etc/hosts: see resolver_hosts_new. Read-only once made, safe on every thread. */
#ifndef ENGINE_DNS_HOSTS_H
#define ENGINE_DNS_HOSTS_H

#include "engine/dns/resolver.h"

/* The addresses of `name`, in any case, each once, in the order of the file; returns how many. */
uint32_t hosts_find(const struct resolver_hosts *hosts, struct slice name,
                    struct address out[LIMIT_ADDRESSES]);

#endif
