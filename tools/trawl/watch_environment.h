/* certwatch's environment variables, with its defaults: they count when `trawl watch` is started
 * without SOURCE and log list, and POSTGRES_DSN says where the database is. Options win over them.
 *
 *     POSTGRES_DSN              --postgres
 *     CERTSTREAM_URL            SOURCE                   ws://localhost:8080/full-stream
 *     API_HOST, API_PORT        --listen                 127.0.0.1, 8765
 *     WEBHOOK_URL               -o webhook+URL           records on standard output
 *     WEBHOOK_TIMEOUT_S         its option timeout       10
 *     CLEANUP_INTERVAL_S        --cleanup                3600
 *     ALERT_RETENTION_S         --retention              2592000
 *     SUSPICIOUS_GRACE_S        --grace                  10
 *     WATCH_REFRESH_INTERVAL_S  --refresh                60
 *     LOG_LEVEL                 --quiet from WARNING on  INFO
 *
 * With a SOURCE or a log list POSTGRES_DSN alone counts, and only when no option says what is
 * watched. A variable that is empty is none. */
#ifndef TOOLS_TRAWL_WATCH_ENVIRONMENT_H
#define TOOLS_TRAWL_WATCH_ENVIRONMENT_H

#include "tools/trawl/watch_settings.h"

/* Texts that the settings point to. */
struct watch_environment {
    char *listen, *output;
};

/* Fills settings and sources from the command's arguments and the environment; both are as
 * watch_settings_init and option_list_init leave them. What is wrong is ERROR_USAGE; no message
 * shows the DSN or the webhook's URL. */
enum error watch_environment_parse(struct watch_environment *environment, int argc,
                                   char *const argv[], struct watch_settings *settings,
                                   struct option_list *sources, struct failure *failure)
    __attribute__((warn_unused_result));
void watch_environment_deinit(struct watch_environment *environment);

#endif
