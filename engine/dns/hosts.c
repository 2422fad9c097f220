#include "engine/dns/hosts.h"

#include "engine/dns/name.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HOSTS_ENTRIES_MAX = 1 << 20, /* block lists have some hundred thousand lines */
    HOSTS_NONE = INT32_MAX,      /* no next entry; above every index */
};

/* One name with one address; a name with several has an entry each. */
struct hosts_entry {
    char *name; /* lower case, not terminated */
    uint32_t name_len, hash, next;
    struct address address;
};

struct resolver_hosts {
    struct hosts_entry *entries;
    uint32_t count, capacity;
    uint32_t *buckets; /* the first entry of each */
    uint32_t mask;
};

static bool add_entry(struct resolver_hosts *hosts, struct slice name,
                      const struct address *address) {
    name = name_without_dot(name);
    if (name.len == 0 || name.len > LIMIT_HOST_NAME_BYTES || hosts->count == HOSTS_ENTRIES_MAX)
        return true;
    if (hosts->count == hosts->capacity) {
        uint32_t capacity = hosts->capacity ? hosts->capacity * 2 : 16;
        struct hosts_entry *entries = realloc(hosts->entries, capacity * sizeof *entries);
        if (!entries)
            return false;
        hosts->entries = entries;
        hosts->capacity = capacity;
    }
    char *copy = malloc(name.len);
    if (!copy)
        return false;
    for (size_t i = 0; i < name.len; i++)
        copy[i] = (char)name_lower(name.ptr[i]);
    hosts->entries[hosts->count++] = (struct hosts_entry){.name = copy,
                                                          .name_len = (uint32_t)name.len,
                                                          .hash = name_hash(name),
                                                          .next = HOSTS_NONE,
                                                          .address = *address};
    return true;
}

/* Takes the next word off the line; empty at its end. */
static struct slice take_word(struct slice *line) {
    struct slice rest = slice_trim(*line);
    size_t len = 0;

    while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
        len++;
    *line = slice_from(rest, len);
    return slice_first(rest, len);
}

static bool add_line(struct resolver_hosts *hosts, struct slice line) {
    const uint8_t *comment = line.len ? memchr(line.ptr, '#', line.len) : NULL;
    struct address address;

    if (comment)
        line.len = (size_t)(comment - line.ptr);
    if (!address_parse(take_word(&line), &address))
        return true;
    for (struct slice name = take_word(&line); name.len; name = take_word(&line))
        if (!add_entry(hosts, name, &address))
            return false;
    return true;
}

/* Lines longer than LIMIT_LINE_BYTES are passed over. */
static bool read_lines(struct resolver_hosts *hosts, FILE *file) {
    uint8_t line[LIMIT_LINE_BYTES];
    size_t len = 0;
    bool too_long = false;

    for (;;) {
        int byte = getc(file);
        if (byte != EOF && byte != '\n') {
            if (len == sizeof line)
                too_long = true;
            else
                line[len++] = (uint8_t)byte;
            continue;
        }
        if (!too_long && !add_line(hosts, (struct slice){line, len}))
            return false;
        if (byte == EOF || hosts->count == HOSTS_ENTRIES_MAX)
            return true;
        len = 0;
        too_long = false;
    }
}

static bool add_localhost(struct resolver_hosts *hosts) {
    static const char *const ADDRESSES[] = {"127.0.0.1", "::1"};
    struct address address;

    for (uint32_t i = 0; i < hosts->count; i++) {
        const struct hosts_entry *entry = &hosts->entries[i];
        if (slice_is((struct slice){(const uint8_t *)entry->name, entry->name_len}, "localhost"))
            return true;
    }
    for (size_t i = 0; i < sizeof ADDRESSES / sizeof ADDRESSES[0]; i++)
        if (!address_parse(slice_of(ADDRESSES[i]), &address) ||
            !add_entry(hosts, slice_of("localhost"), &address))
            return false;
    return true;
}

/* Chains the entries, backwards so that each chain keeps the order of the file. */
static bool build_buckets(struct resolver_hosts *hosts) {
    uint32_t size = 16;

    while (size < hosts->count)
        size *= 2;
    hosts->buckets = malloc(size * sizeof *hosts->buckets);
    if (!hosts->buckets)
        return false;
    hosts->mask = size - 1;
    for (uint32_t i = 0; i < size; i++)
        hosts->buckets[i] = HOSTS_NONE;
    for (uint32_t i = hosts->count; i-- > 0;) {
        uint32_t *bucket = &hosts->buckets[hosts->entries[i].hash & hosts->mask];
        hosts->entries[i].next = *bucket;
        *bucket = i;
    }
    return true;
}

struct resolver_hosts *resolver_hosts_new(const char *path) {
    struct resolver_hosts *hosts = calloc(1, sizeof *hosts);
    bool complete = true;

    if (!hosts)
        return NULL;
    FILE *file = fopen(path ? path : "/etc/hosts", "re");
    if (file) {
        complete = read_lines(hosts, file);
        fclose(file);
    }
    if (complete && add_localhost(hosts) && build_buckets(hosts))
        return hosts;
    resolver_hosts_free(hosts);
    return NULL;
}

void resolver_hosts_free(struct resolver_hosts *hosts) {
    if (!hosts)
        return;
    for (uint32_t i = 0; i < hosts->count; i++)
        free(hosts->entries[i].name);
    free(hosts->entries);
    free(hosts->buckets);
    free(hosts);
}

static bool contains(const struct address *addresses, uint32_t count,
                     const struct address *address) {
    for (uint32_t i = 0; i < count; i++)
        if (address_equal(&addresses[i], address))
            return true;
    return false;
}

uint32_t hosts_find(const struct resolver_hosts *hosts, struct slice name,
                    struct address out[LIMIT_ADDRESSES]) {
    uint32_t count = 0;

    name = name_without_dot(name);
    uint32_t hash = name_hash(name);
    for (uint32_t i = hosts->buckets[hash & hosts->mask]; i != HOSTS_NONE;
         i = hosts->entries[i].next) {
        const struct hosts_entry *entry = &hosts->entries[i];
        struct slice own = {(const uint8_t *)entry->name, entry->name_len};
        if (entry->hash == hash && slice_equal_nocase(own, name) && count < LIMIT_ADDRESSES &&
            !contains(out, count, &entry->address))
            out[count++] = entry->address;
    }
    return count;
}
