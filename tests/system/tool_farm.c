/* Runs a farm for tests in other languages:
 *
 *     tool_farm --endpoints N [--address A] [--port P] [--root FILE]
 *
 * Writes the farm's root certificate to FILE, then a JSON object a line for each endpoint, then
 * "ready", and serves until standard input ends or SIGTERM or SIGINT comes. Ends with 0, with 1
 * when the farm cannot run, with 2 for wrong usage. */
#include "bench/farm/farm.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int usage(void) {
    fprintf(stderr,
            "usage: tool_farm --endpoints N [--address A] [--port P] [--root FILE]\n"
            "  N is at least %d\n",
            (int)FARM_KIND_COUNT);
    return 2;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out) {
    return slice_to_u64(slice_of(text), max, out);
}

static bool parse_options(int argc, char **argv, struct farm_options *options,
                          const char **root_path) {
    static const struct option LONG_OPTIONS[] = {
        {"endpoints", required_argument, NULL, 'n'},
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"root", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    uint64_t number;
    for (int option; (option = getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) != -1;) {
        if (option == 'n' && parse_number(optarg, UINT32_MAX, &number))
            options->endpoints = (uint32_t)number;
        else if (option == 'p' && parse_number(optarg, UINT16_MAX, &number))
            options->port = (uint16_t)number;
        else if (option == 'r')
            *root_path = optarg;
        else if (option != 'a' || !address_parse(slice_of(optarg), &options->first))
            return false;
    }
    return optind == argc && options->endpoints > 0;
}

/* Names are made of letters, digits, dots and hyphens: nothing to escape. */
static void print_endpoints(const struct farm *farm) {
    for (uint32_t i = 0; i < farm_count(farm); i++) {
        struct farm_endpoint endpoint = farm_endpoint(farm, i);
        char address[ADDRESS_TEXT_MAX];
        address_format(&endpoint.address, address);
        printf("{\"address\":\"%s\",\"port\":%u,\"kind\":\"%s\",\"name\":\"%s\","
               "\"expected_outcome\":\"%s\",\"expected_finding\":\"%s\"}\n",
               address, (unsigned)endpoint.port, farm_kind_name(endpoint.kind), endpoint.name,
               farm_kind_expected_outcome(endpoint.kind),
               farm_kind_expected_finding(endpoint.kind));
    }
    puts("ready");
    fflush(stdout);
}

static void wait_for_end(int signals) {
    struct pollfd polled[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    char ignored[256];
    for (;;) {
        if (poll(polled, 2, -1) < 0)
            continue;
        if (polled[1].revents)
            return;
        if (polled[0].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            return;
    }
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    struct farm_options options = {.endpoints = 0};
    const char *root_path = NULL;
    if (!parse_options(argc, argv, &options, &root_path))
        return usage();
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0) {
        perror("tool_farm: signalfd");
        return EXIT_FAILURE;
    }
    raise_descriptor_limit();
    struct farm *farm;
    struct failure failure;
    enum error error = farm_start(&farm, &options, &failure);
    if (error) {
        fprintf(stderr, "tool_farm: %s\n", failure.text);
        close(signals);
        return error == ERROR_USAGE ? 2 : EXIT_FAILURE;
    }
    int status = EXIT_SUCCESS;
    if (root_path && farm_write_root(farm, root_path, &failure)) {
        fprintf(stderr, "tool_farm: %s\n", failure.text);
        status = EXIT_FAILURE;
    } else {
        print_endpoints(farm);
        wait_for_end(signals);
    }
    farm_stop(farm);
    close(signals);
    return status;
}
