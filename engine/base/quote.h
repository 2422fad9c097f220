/* Untrusted text inside a message for people: safe on a terminal, and cut so that the rest of the
 * message survives. Pure, safe on every thread. */
#ifndef ENGINE_BASE_QUOTE_H
#define ENGINE_BASE_QUOTE_H

#include "engine/base/slice.h"

enum { QUOTE_BYTES = 96 };

struct quote {
    char text[QUOTE_BYTES];
};

/* `text` in double quotes, with "..." for what does not fit. By value, so that it can stand in the
 * argument list of failure_set: quote_of(part).text */
struct quote quote_of(struct slice text);

/* The same without quotes into `out` of `size` bytes (at least 4), terminated. */
void quote_bare(char *out, size_t size, struct slice text);

#endif
