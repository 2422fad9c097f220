/* Which DNS servers are asked: those that the user names, or the system's. Plain values. */
#ifndef ENGINE_DNS_SERVERS_H
#define ENGINE_DNS_SERVERS_H

#include "engine/base/address.h"
#include "engine/base/error.h"

enum { DNS_SERVERS_MAX = 8, DNS_PORT = 53 };

struct dns_servers {
    struct dns_server {
        struct address address;
        uint16_t port;
    } items[DNS_SERVERS_MAX];
    uint32_t count; /* at least 1 */
};

/* Reads "192.0.2.53,[2001:db8::53]:5353"; `failure` quotes what is none. */
enum error dns_servers_parse(struct slice list, struct dns_servers *out, struct failure *failure);

/* The lines `nameserver` of `path`, NULL for /etc/resolv.conf; what cannot be read is passed over.
 * Without any, or without the file, 127.0.0.1, as resolv.conf(5) says. */
void dns_servers_read(const char *path, struct dns_servers *out);

#endif
