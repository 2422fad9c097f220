#include "tools/trawl/output_settings.h"

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
