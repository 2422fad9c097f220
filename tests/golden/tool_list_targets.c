/* Prints what a source gives, for check_inputs.py: `tool_list_targets SPEC [FORMAT [PORTS]]`.
 *
 *      NAME ADDRESS PORT PROTOCOL      a target; "-" where there is none
 *      ! MESSAGE                       a row that is none
 *      end | failed: MESSAGE | more    the last line; "more" after TARGETS_MAX, of a block perhaps
 *
 * With FORMAT "count" it only counts, and prints targets, bad rows, the most kilobytes of memory
 * that the process took, and how it ended. PORTS are 443 unless given. */
#include "engine/base/address.h"
#include "ingest/source.h"

#include <stdio.h>
#include <string.h>

static void print_target(const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "-";
    if (target->address.family != ADDRESS_NONE)
        address_format(&target->address, address);
    printf("%s %s %u %u\n", target->name_len ? target->name : "-", address, target->port,
           target->protocol);
}

enum { TARGETS_MAX = 100000 };

static int list(struct source *source) {
    for (int given = 0; given < TARGETS_MAX;) {
        struct target target;
        struct failure failure;
        switch (source_next(source, &target, &failure)) {
        case SOURCE_TARGET:
            print_target(&target);
            given++;
            break;
        case SOURCE_FILE:
            printf("file %.*s %s\n", (int)source->file.len, (const char *)source->file.ptr,
                   target.name);
            given++;
            break;
        case SOURCE_BAD_LINE:
            printf("! %s\n", failure.text);
            break;
        case SOURCE_FAILED:
            printf("failed: %s\n", failure.text);
            return 0;
        case SOURCE_END:
            puts("end");
            return 0;
        case SOURCE_STOPPED:
            return 1;
        }
    }
    puts("more");
    return 0;
}

/* getrusage would tell the parent's memory, when that was more before exec. */
static long peak_kilobytes(void) {
    char line[256];
    long kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes;
}

static int count(struct source *source) {
    unsigned long targets = 0, bad = 0;
    enum source_result result;
    struct target target;
    struct failure failure = {0};
    while ((result = source_next(source, &target, &failure)) == SOURCE_TARGET ||
           result == SOURCE_BAD_LINE)
        *(result == SOURCE_TARGET ? &targets : &bad) += 1;
    printf("%lu %lu %ld %s\n", targets, bad, peak_kilobytes(),
           result == SOURCE_END ? "end" : failure.text);
    return 0;
}

static int format_index(const char *name) {
    for (int i = 0; source_formats[i]; i++)
        if (strcmp(source_formats[i], name) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv) {
    struct port_list ports;
    struct failure failure;
    struct source *source;
    bool counting = argc > 2 && strcmp(argv[2], "count") == 0;
    struct source_context context = {.ports = &ports,
                                     .protocols = &protocol_lookup_tls,
                                     .seed = 1,
                                     .stop_fd = -1,
                                     .format = argc > 2 && !counting ? format_index(argv[2]) : 0};
    if (argc < 2 || context.format < 0) {
        fputs("tool_list_targets SPEC [FORMAT | count [PORTS]]\n", stderr);
        return 2;
    }
    if (ports_parse(&ports, slice_of(argc > 3 ? argv[3] : "443"), &protocol_lookup_tls, &failure) ||
        source_open(&source, &context, argv[1], &failure)) {
        fprintf(stderr, "%s\n", failure.text);
        return 1;
    }
    int status = counting ? count(source) : list(source);
    source_close(source);
    ports_free(&ports);
    return status;
}
