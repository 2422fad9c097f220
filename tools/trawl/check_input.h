/* How PRTG tells a sensor what to check. Both of its script sensors may use either form, as an
 * argument or on standard input:
 *
 *     {"host": "mail.example.org", "params": "port: 25, protocol: smtp, ..."}
 *     mail.example.org 25 smtp --name-validation CN/SAN
 */
#ifndef TOOLS_TRAWL_CHECK_INPUT_H
#define TOOLS_TRAWL_CHECK_INPUT_H

#include "engine/base/arena.h"
#include "tools/trawl/check_settings.h"

/* Longer ones are no command lines. */
enum { CHECK_INPUT_BYTES_MAX = 64 * 1024, CHECK_WORDS_MAX = 64 };

/* Takes what stands in `positionals` into the settings, or where there are none, what comes from
 * `fd` (-1: nothing does), so that one positional is left: the target. Texts are kept in `memory`,
 * which outlives the settings. */
enum error check_input_take(const struct option_spec *options, int fd, struct arena *memory,
                            struct check_settings *settings, struct option_list *positionals,
                            struct failure *failure) __attribute__((warn_unused_result));

#endif
