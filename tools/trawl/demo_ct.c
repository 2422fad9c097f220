#include "tools/trawl/demo_ct.h"

#include "bench/ctfarm/ctfarm_demo.h"
#include "tools/trawl/watch_progress.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PATH_BYTES = 64,
    SECONDS = 24, /* the log grows for 20 */
    HEAD_INTERVAL_MS = 500,
    PARTIAL_AFTER_MS = 1000,
    GRACE_MS = 1500,
};

/* Files of the demo, which the settings point to. */
struct paths {
    char folder[PATH_BYTES], watch[PATH_BYTES], inventory[PATH_BYTES], list[PATH_BYTES],
        key[PATH_BYTES];
};

static void name_paths(struct paths *paths) {
    snprintf(paths->watch, PATH_BYTES, "%.40s/watch_list.txt", paths->folder);
    snprintf(paths->inventory, PATH_BYTES, "%.40s/inventory", paths->folder);
    snprintf(paths->list, PATH_BYTES, "%.40s/log_list.json", paths->folder);
    snprintf(paths->key, PATH_BYTES, "%.40s/log_list.pem", paths->folder);
}

static void remove_folder(const char *folder) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", folder);
    char *const roots[] = {path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    for (FTSENT *entry; tree && (entry = fts_read(tree));)
        if (entry->fts_info != FTS_D)
            remove(entry->fts_path);
    if (tree)
        fts_close(tree);
}

static void introduce(void) {
    fprintf(
        stderr,
        "A small company, example.org, watches Certificate Transparency. Its own renewals are\n"
        "known; one certificate for its login page is somebody else's, and some names only look\n"
        "like its own. Two logs on this machine grow for %d seconds.\n\n",
        (CTFARM_DEMO_ENTRIES - CTFARM_DEMO_START) / CTFARM_DEMO_RATE);
}

/* What was hidden in the log, for comparison. */
static void tell_truth(void) {
    fputs("\nWhat had been hidden among the entries:\n", stderr);
    for (uint32_t i = 0; i < ctfarm_demo_event_count(); i++) {
        struct ctfarm_demo_event event = ctfarm_demo_event(i);
        if (event.precert)
            fprintf(stderr, "  %-34s %s\n", event.names, event.summary);
    }
    fputs("\nNow for your own names:\n"
          "  trawl watch wss://CERTSTREAM-SERVER/full-stream -d example.com\n"
          "  trawl watch --log-list log_list.json -w names.txt -i certs/ --state watch.db\n"
          "  trawl help watch\n",
          stderr);
}

static enum exit_code watch_farm(const struct paths *paths) {
    struct watch_settings settings;
    struct option_list sources;
    struct watch_result result;
    struct failure failure = {0};
    enum exit_code code = EXIT_DONE;

    watch_settings_init(&settings);
    option_list_init(&sources);
    settings.watch = paths->watch;
    settings.log_list = paths->list;
    settings.log_list_key = paths->key;
    settings.from = "0";
    settings.duration_ms = SECONDS * 1000;
    settings.head_interval_ms = HEAD_INTERVAL_MS;
    settings.partial_after_ms = PARTIAL_AFTER_MS;
    settings.grace_ms = GRACE_MS;
    if (!option_list_add(&settings.brands, "example=example.org") ||
        !option_list_add(&settings.inventory, paths->inventory))
        abort();
    if (!isatty(STDOUT_FILENO))
        settings.output.format = FORMAT_TABLE; /* the table is what the demo is there to show */
    if (watch_run(&settings, &sources, &result, &failure) != ERROR_NONE) {
        code = command_failed(&failure);
    } else {
        watch_summary(&result);
        tell_truth();
        code = result.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
    }
    option_list_deinit(&sources);
    watch_settings_deinit(&settings);
    return code;
}

enum exit_code demo_ct(void) {
    struct paths paths = {.folder = "/tmp/trawl-demo-ct-XXXXXX"};
    struct failure failure = {0};
    struct ctfarm_demo *demo;
    enum exit_code code;

    if (!mkdtemp(paths.folder)) {
        fputs("trawl: /tmp cannot be written\n", stderr);
        return EXIT_FAILED;
    }
    name_paths(&paths);
    if (ctfarm_demo_start(&demo, paths.folder, 0, &failure) == ERROR_NONE) {
        introduce();
        code = watch_farm(&paths);
        ctfarm_demo_stop(demo);
    } else {
        code = command_failed(&failure);
    }
    remove_folder(paths.folder);
    return code;
}
