#include "tools/trawl/resolve.h"

#include <netdb.h>
#include <stddef.h>

const char *resolve_name(struct target *target) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
    int error = getaddrinfo(target->name, NULL, &hints, &found);

    if (error)
        return gai_strerror(error);
    bool ok = address_from_sockaddr(found->ai_addr, &target->address);
    freeaddrinfo(found);
    return ok ? NULL : "no address";
}
