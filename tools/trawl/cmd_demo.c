/* The first thing a newcomer runs: a farm of good and bad servers on loopback addresses, swept for
 * real. */
#include "bench/farm/farm.h"
#include "tools/trawl/demo_ct.h"
#include "tools/trawl/machine.h"
#include "tools/trawl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEMO_ENDPOINTS = 520, DEMO_TIMEOUT_MS = 4000 };

static void help(struct buffer *out) {
    buffer_add_text(out,
                    "trawl demo\n\nStarts 520 TLS servers of every kind, good and bad, on loopback "
                    "addresses of this\nmachine, sweeps them, and shows what it found.\n\n"
                    "trawl demo --ct\n\nStarts two Certificate Transparency logs, hides a hijack "
                    "among their entries, and\nwatches them for 24 seconds.\n\n"
                    "Nothing leaves the machine.\n");
}

/* The farm's root and the list of its endpoints, as files for the sweep to read. */
static bool write_file(char *path, struct slice text) {
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = file && fwrite(text.ptr, 1, text.len, file) == text.len;
    return file && fclose(file) == 0 && ok;
}

static void list_endpoints(const struct farm *farm, struct buffer *out) {
    for (uint32_t i = 0; i < farm_count(farm); i++) {
        struct farm_endpoint endpoint = farm_endpoint(farm, i);
        char address[ADDRESS_TEXT_MAX];
        address_format(&endpoint.address, address);
        buffer_add_format(out, "%s@%s:%u\n", endpoint.name, address, endpoint.port);
    }
}

static enum exit_code sweep_farm(const char *root, const char *list) {
    struct scan_settings settings;
    struct option_list targets;
    struct sweep_result result;
    struct failure failure = {0};
    char spec[64];
    enum exit_code code;

    scan_settings_init(&settings);
    option_list_init(&targets);
    settings.ca_file = root;
    settings.timeout_ms = settings.handshake_timeout_ms = DEMO_TIMEOUT_MS;
    snprintf(spec, sizeof spec, "@%s", list);
    if (!isatty(STDOUT_FILENO))
        settings.output.format = FORMAT_TABLE; /* the table is what the demo is there to show */
    if (!option_list_add(&targets, spec))
        abort();
    if (sweep_run(&settings, &targets, &result, &failure) != ERROR_NONE) {
        code = command_failed(&failure);
    } else {
        progress_summary(&result);
        code = sweep_exit_code(&result);
    }
    option_list_deinit(&targets);
    scan_settings_deinit(&settings);
    return code;
}

static void what_next(void) {
    fputs("\nThese were servers of this machine. Now your own:\n"
          "  trawl scan example.com 192.0.2.0/28 -p 443,8443\n"
          "  trawl scan @hosts.txt -o results.jsonl\n"
          "  trawl help scan\n",
          stderr);
}

static enum exit_code demo(struct farm *farm) {
    char root[] = "/tmp/trawl-demo-root-XXXXXX", list[] = "/tmp/trawl-demo-list-XXXXXX";
    struct buffer endpoints;
    enum exit_code code = EXIT_FAILED;

    buffer_init(&endpoints);
    list_endpoints(farm, &endpoints);
    bool root_written = write_file(root, farm_root_pem(farm));
    bool list_written = write_file(list, buffer_slice(&endpoints));
    if (root_written && list_written) {
        fprintf(stderr,
                "%u servers of every kind listen on loopback; sweeping them takes about "
                "%d s, as some never answer.\n\n",
                farm_count(farm), DEMO_TIMEOUT_MS / 1000);
        code = sweep_farm(root, list);
        what_next();
    } else {
        fputs("trawl: /tmp cannot be written\n", stderr);
    }
    unlink(root);
    unlink(list);
    buffer_deinit(&endpoints);
    return code;
}

static enum exit_code demo_tls(void) {
    struct farm_options options = {.endpoints = DEMO_ENDPOINTS};
    struct failure failure = {0};
    struct farm *farm;

    machine_raise_descriptors();
    if (farm_start(&farm, &options, &failure) != ERROR_NONE)
        return command_failed(&failure);
    enum exit_code code = demo(farm);
    farm_stop(farm);
    return code;
}

static enum exit_code run(int argc, char *const argv[]) {
    if (argc == 0)
        return demo_tls();
    if (argc == 1 && strcmp(argv[0], "--ct") == 0)
        return demo_ct();
    fputs("trawl: demo takes no argument but --ct\n", stderr);
    return EXIT_USAGE;
}

const struct command command_demo = {
    .name = "demo",
    .summary = "500 good and bad servers on this machine, swept; --ct: logs, watched",
    .run = run,
    .help = help,
};
