/* bench-floors tcp|hello|handshake --first ADDRESS --count N --port P [--total N] [--in-flight N]
 *              [--flight-bytes N]
 * bench-floors tiles|get-entries|feed --count N [--total N]
 *
 * Runs a floor (floors.h, entries.h) and prints how it ended as a JSON object. What it cost, the
 * caller sees in the process's CPU time. */
#include "bench/floors/entries.h"
#include "bench/floors/floors.h"
#include "engine/base/address.h"
#include "engine/base/option.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct settings {
    const char *first;
    uint64_t count, total, in_flight, port, flight_bytes;
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec OPTIONS[] = {
    {"first", 0, OPTION_TEXT, "ADDRESS", "the first IPv4 address", "Floor", FIELD(first), 0, 0,
     NULL, NULL},
    {"count", 0, OPTION_NUMBER, "N", "how many addresses or entries", "Floor", FIELD(count), 1,
     1 << 24, NULL, NULL},
    {"total", 0, OPTION_NUMBER, "N", "how many connections, or entries", "Floor", FIELD(total), 1,
     UINT32_MAX, NULL, "one of each"},
    {"in-flight", 0, OPTION_NUMBER, "N", "connections at once", "Floor", FIELD(in_flight), 1, 16384,
     NULL, NULL},
    {"port", 0, OPTION_NUMBER, "P", "to connect to", "Floor", FIELD(port), 1, UINT16_MAX, NULL,
     NULL},
    {"flight-bytes", 0, OPTION_NUMBER, "N", "where the flight ends", "Floor", FIELD(flight_bytes),
     1, UINT32_MAX, NULL, NULL},
    {0},
};

static const struct floor_kind *const KINDS[] = {&tcp_floor, &hello_floor, &handshake_floor};

static int complain(const char *text) {
    fprintf(stderr, "bench-floors: %s\n", text);
    return EXIT_FAILURE;
}

static int run_entries(const struct entries_floor *floor, const struct settings *settings) {
    uint64_t total = settings->total ? settings->total : settings->count;
    struct failure failure = {0};

    if (!settings->count)
        return complain("say how many: --count");
    if (entries_floor_run(floor, (uint32_t)settings->count, total, &failure))
        return complain(failure.text);
    printf("{\"done\":%llu}\n", (unsigned long long)total);
    return EXIT_SUCCESS;
}

static int run(const char *name, const struct settings *settings) {
    struct address address;
    struct failure failure = {0};
    struct floor_result result;

    if (!settings->first || !address_parse(slice_of(settings->first), &address) ||
        address.family != ADDRESS_V4 || !settings->count || !settings->port)
        return complain("say where: --first, --count, --port");
    struct floor_config config = {
        .first = (uint32_t)address.bytes[0] << 24 | (uint32_t)address.bytes[1] << 16 |
                 (uint32_t)address.bytes[2] << 8 | address.bytes[3],
        .count = (uint32_t)settings->count,
        .total = settings->total ? settings->total : settings->count,
        .in_flight = (uint32_t)settings->in_flight,
        .port = (uint16_t)settings->port,
        .flight_bytes = (uint32_t)settings->flight_bytes,
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (strcmp(KINDS[i]->name, name) != 0)
            continue;
        if (floor_run(KINDS[i], &config, &result, &failure))
            return complain(failure.text);
        printf("{\"done\":%llu,\"refused\":%llu,\"failed\":%llu}\n",
               (unsigned long long)result.ended[FLOOR_DONE],
               (unsigned long long)result.ended[FLOOR_REFUSED],
               (unsigned long long)result.ended[FLOOR_FAILED]);
        return EXIT_SUCCESS;
    }
    return complain("there is no such floor");
}

int main(int argc, char **argv) {
    struct settings settings = {.in_flight = 512};
    struct option_list words;
    struct failure failure = {0};
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    option_list_init(&words);
    int status;
    if (option_parse(OPTIONS, argc - 1, argv + 1, &settings, &words, &failure))
        status = complain(failure.text);
    else if (words.count != 1)
        status = complain("name one floor: tcp, hello, handshake, tiles, get-entries or feed");
    else if (entries_floor_find(words.items[0]))
        status = run_entries(entries_floor_find(words.items[0]), &settings);
    else
        status = run(words.items[0], &settings);
    option_list_deinit(&words);
    return status;
}
