#include "bench/farm/farm_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* Where ports are looked for: first where people expect TLS, then where registered services are
 * few. What the kernel hands out to clients is left alone, since a port that a connection holds
 * cannot be bound. */
static const struct {
    uint16_t first, last;
} PORT_RANGES[] = {{8443, 8499}, {20000, 20999}, {10000, 10999}, {61000, 61999}};

/* Binds one address. A refusing endpoint is bound too, but does not listen: the kernel refuses
 * connections to it, and nobody else can take its place. */
static enum error listener_open(struct farm_listener *listener, uint16_t port) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return (enum error)errno;
    struct sockaddr_storage address;
    socklen_t len = address_to_sockaddr(&listener->address, port, &address);
    int on = 1;
    bool refuses = listener->profile->behaviour == FARM_REFUSE;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
        bind(descriptor, (struct sockaddr *)&address, len) ||
        (!refuses && listen(descriptor, BACKLOG))) {
        int reason = errno;
        close(descriptor);
        return (enum error)reason;
    }
    listener->descriptor = descriptor;
    return ERROR_NONE;
}

void farm_listen_close(struct farm_listener *listeners, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (listeners[i].descriptor >= 0)
            close(listeners[i].descriptor);
        listeners[i].descriptor = -1;
    }
}

static enum error listen_on(struct farm_listener *listeners, uint32_t count, uint16_t port,
                            struct failure *failure) {
    for (uint32_t i = 0; i < count; i++) {
        enum error error = listener_open(&listeners[i], port);
        if (error) {
            char text[ADDRESS_TEXT_MAX];
            address_format(&listeners[i].address, text);
            farm_listen_close(listeners, i);
            return failure_set(failure, error, "the farm cannot listen on %s:%u: %s", text,
                               (unsigned)port, error_text(error));
        }
    }
    return ERROR_NONE;
}

/* The ports that the kernel hands out to clients; its defaults when it does not say. */
static void ephemeral_ports(unsigned *first, unsigned *last) {
    *first = 32768;
    *last = 60999;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (!file)
        return;
    unsigned a, b;
    if (fscanf(file, "%u %u", &a, &b) == 2) {
        *first = a;
        *last = b;
    }
    fclose(file);
}

enum error farm_listen(struct farm_listener *listeners, uint32_t count, uint16_t port,
                       uint16_t *chosen, struct failure *failure) {
    if (port) {
        *chosen = port;
        return listen_on(listeners, count, port, failure);
    }
    unsigned ephemeral_first, ephemeral_last;
    ephemeral_ports(&ephemeral_first, &ephemeral_last);
    for (size_t range = 0; range < sizeof PORT_RANGES / sizeof *PORT_RANGES; range++) {
        for (unsigned try = PORT_RANGES[range].first; try <= PORT_RANGES[range].last; try++) {
            if (try >= ephemeral_first && try <= ephemeral_last)
                continue;
            enum error error = listen_on(listeners, count, (uint16_t)try, failure);
            if (error != (enum error)EADDRINUSE) {
                *chosen = (uint16_t)try;
                return error;
            }
        }
    }
    return failure_set(failure, (enum error)EADDRINUSE,
                       "the farm finds no port that is free on all its %u addresses; stop what "
                       "listens on all addresses, or choose another first address",
                       (unsigned)count);
}
