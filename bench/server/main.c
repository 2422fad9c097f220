/* The servers of bench/run and bench/peers, in a process of their own:
 *
 *     bench-server canned
 *     bench-server farm --kind NAME --endpoints N --root FILE [--address A]
 *
 * Prints a JSON object a line for each port (canned) or for the whole farm, then "ready". From then
 * on each line on standard input is answered with the count of connections that have half a flight
 * (canned; 0 for a farm). Serves until standard input ends. */
#include "bench/canned/canned.h"
#include "bench/farm/farm.h"
#include "engine/base/option.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct settings {
    const char *kind, *root, *address;
    uint64_t endpoints;
};

static const struct option_spec OPTIONS[] = {
    {"kind", 0, OPTION_TEXT, "NAME", "the kind of all its endpoints", "Farm",
     offsetof(struct settings, kind), 0, 0, NULL, "all kinds"},
    {"endpoints", 0, OPTION_NUMBER, "N", "how many", "Farm", offsetof(struct settings, endpoints),
     1, 65536, NULL, NULL},
    {"root", 0, OPTION_TEXT, "FILE", "where to write its root certificate", "Farm",
     offsetof(struct settings, root), 0, 0, NULL, "nowhere"},
    {"address", 0, OPTION_TEXT, "A", "of the first endpoint", "Farm",
     offsetof(struct settings, address), 0, 0, NULL, "127.77.0.1"},
    {0},
};

static int complain(const char *text) {
    fprintf(stderr, "bench-server: %s\n", text);
    return EXIT_FAILURE;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void serve(const struct canned *canned) {
    char line[256];

    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("%u\n", canned ? (unsigned)canned_stalled(canned) : 0);
        fflush(stdout);
    }
}

static int run_canned(void) {
    struct canned *canned;
    struct failure failure = {0};

    if (canned_start(&canned, &failure))
        return complain(failure.text);
    for (int sort = 0; sort < CANNED_SORT_COUNT; sort++) {
        struct canned_endpoint endpoint = canned_endpoint(canned, (enum canned_sort)sort);
        printf("{\"name\":\"%s\",\"port\":%u,\"flight_bytes\":%u}\n", endpoint.name,
               (unsigned)endpoint.port, (unsigned)endpoint.flight_bytes);
    }
    serve(canned);
    canned_stop(canned);
    return EXIT_SUCCESS;
}

static int run_farm(const struct settings *settings) {
    struct farm_options options = {.endpoints = (uint32_t)settings->endpoints};
    struct farm *farm;
    struct failure failure = {0};
    enum farm_kind kind;
    char address[ADDRESS_TEXT_MAX];

    if (settings->kind) {
        if (!farm_kind_find(slice_of(settings->kind), &kind))
            return complain("there is no such kind of server");
        options.kinds = FARM_KIND_BIT(kind);
    }
    if (settings->address && !address_parse(slice_of(settings->address), &options.first))
        return complain("--address is no address");
    if (farm_start(&farm, &options, &failure))
        return complain(failure.text);
    int status = EXIT_SUCCESS;
    if (settings->root && farm_write_root(farm, settings->root, &failure)) {
        status = complain(failure.text);
    } else {
        struct farm_endpoint first = farm_endpoint(farm, 0);
        address_format(&first.address, address);
        printf("{\"name\":\"farm\",\"address\":\"%s\",\"endpoints\":%u,\"port\":%u}\n", address,
               (unsigned)farm_count(farm), (unsigned)first.port);
        serve(NULL);
    }
    farm_stop(farm);
    return status;
}

int main(int argc, char **argv) {
    struct settings settings = {.endpoints = FARM_KIND_COUNT};
    struct option_list words;
    struct failure failure = {0};
    int status;

    option_list_init(&words);
    raise_descriptor_limit();
    if (option_parse(OPTIONS, argc - 1, argv + 1, &settings, &words, &failure))
        status = complain(failure.text);
    else if (words.count == 1 && strcmp(words.items[0], "canned") == 0)
        status = run_canned();
    else if (words.count == 1 && strcmp(words.items[0], "farm") == 0)
        status = run_farm(&settings);
    else
        status = complain("say 'canned' or 'farm'");
    option_list_deinit(&words);
    return status;
}
