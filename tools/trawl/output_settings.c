#include "tools/trawl/output_settings.h"

#include <stdio.h>
#include <stdlib.h>

const char *const output_formats[] = {
    [FORMAT_BY_OUTPUT] = "auto", "json",    "csv", "msgpack", "pem", "names",
    [FORMAT_TABLE] = "table",    "webhook", NULL};

void output_settings_init(struct output_settings *settings) {
    *settings = (struct output_settings){.format = FORMAT_BY_OUTPUT};
    option_list_init(&settings->to);
}

void output_settings_deinit(struct output_settings *settings) {
    option_list_deinit(&settings->to);
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

char *output_state_folder(const char *name) {
    const char *base;
    char *path = NULL;
    int len = -1;

    if ((base = variable("STATE_DIRECTORY"))) /* systemd gives several with colons between */
        len = asprintf(&path, "%.*s/%s", (int)strcspn(base, ":"), base, name);
    else if ((base = variable("XDG_STATE_HOME")))
        len = asprintf(&path, "%s/trawl/%s", base, name);
    else if ((base = variable("HOME")))
        len = asprintf(&path, "%s/.local/state/trawl/%s", base, name);
    return len < 0 ? NULL : path;
}

char *output_spool_folder(const char *given, bool *chosen) {
    const char *folder = given ? given : variable("TRAWL_SPOOL");

    *chosen = folder != NULL;
    if (folder)
        return strcmp(folder, "off") == 0 ? NULL : strdup(folder);
    return output_state_folder("spool");
}
