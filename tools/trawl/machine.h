/* What this machine and this process may use: descriptors, memory, IPv6. */
#ifndef TOOLS_TRAWL_MACHINE_H
#define TOOLS_TRAWL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* Raises the limit of open descriptors as far as it goes, and returns it. */
uint64_t machine_raise_descriptors(void);

/* Bytes that can still be used, by the system's count and by the cgroup's limit; UINT64_MAX when
 * nobody tells. */
uint64_t machine_available_memory(void);

/* What is freed stays with the process from now on, instead of going back to the kernel to be taken
 * again at once: for commands whose megabytes go from thread to thread. */
void machine_keep_memory(void);

/* False when the kernel has no route to the IPv6 internet. Nothing is sent. */
bool machine_has_ipv6(void);

/* A folder with those above it, for this user alone. What cannot be made shows when it is used. */
void machine_make_folder(const char *path);

#endif
