/* The config file: JSON in which comments and trailing commas are allowed. Its members are the
 * options of settings.h, and those that hold more than a text: `targets` and `tokens`.
 *
 * Pure but for reading the file; one thread. */
#ifndef TOOLS_MONITOR_CONFIG_FILE_H
#define TOOLS_MONITOR_CONFIG_FILE_H

#include "tools/monitor/settings.h"

/* Reads the file into the settings. Texts go to settings->texts. ERROR_USAGE names the file, the
 * line and the column: "monitor.json:7:21: port 99999 is not a port, 1 to 65535". */
enum error config_file_read(const char *path, struct monitor_settings *settings,
                            struct failure *failure) __attribute__((warn_unused_result));

/* The member's name of an option: "scan_interval" of "scan-interval". */
void config_member_name(const char *option, char *out, size_t size);

/* Appends a target. */
enum error settings_add_target(struct monitor_settings *settings,
                               const struct monitor_target *target, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
