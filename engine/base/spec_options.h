/* Options behind a URL, in its fragment, which is never sent to a server:
 *
 *     webhook+https://hooks.example.org/in?key=1#batch=50,timeout=5s,deny-private
 *
 * Set-up only, on the caller's thread. */
#ifndef ENGINE_BASE_SPEC_OPTIONS_H
#define ENGINE_BASE_SPEC_OPTIONS_H

#include "engine/base/option.h"

/* Sets what `text` says: names and values as in the table, with commas between; %2C and the like
 * are decoded in values. `text` is changed, and texts in the settings point into it. What is not in
 * the table or out of its range is a usage error. */
enum error spec_options_parse(const struct option_spec *specs, char *text, void *settings,
                              struct failure *failure) __attribute__((warn_unused_result));

#endif
