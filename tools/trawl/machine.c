#include "tools/trawl/machine.h"

#include "engine/base/address.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t machine_raise_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

void machine_keep_memory(void) {
    enum { KEPT_BYTES = 256 << 20, OWN_MAPPING_BYTES = 32 << 20 };

    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
}

/* The first number of a file of one line; UINT64_MAX when there is none ("max"). */
static uint64_t number_in(const char *path) {
    FILE *file = fopen(path, "re");
    unsigned long long number = UINT64_MAX;

    if (!file)
        return UINT64_MAX;
    if (fscanf(file, "%llu", &number) != 1)
        number = UINT64_MAX;
    fclose(file);
    return number;
}

static uint64_t system_memory(void) {
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kilobytes, bytes = UINT64_MAX;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
            bytes = kilobytes * 1024;
    if (file)
        fclose(file);
    return bytes;
}

uint64_t machine_available_memory(void) {
    uint64_t system = system_memory(), limit = number_in("/sys/fs/cgroup/memory.max");
    uint64_t used = number_in("/sys/fs/cgroup/memory.current");

    if (limit == UINT64_MAX || used == UINT64_MAX)
        return system;
    uint64_t left = limit > used ? limit - used : 0;
    return left < system ? left : system;
}

bool machine_has_ipv6(void) {
    /* Connecting a datagram socket only asks the routing table; 2001:db8::/32 is documentation. */
    struct address address = {.family = ADDRESS_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    struct sockaddr_storage storage;
    uint32_t len = address_to_sockaddr(&address, 53, &storage);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && connect(fd, (struct sockaddr *)&storage, len) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

void machine_make_folder(const char *path) {
    char part[PATH_MAX];

    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); part[0] && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0700);
        *slash = '/';
    }
    mkdir(part, 0700);
}
