/* Standard error, which messages of any thread and the progress line share. */
#ifndef TOOLS_TRAWL_CONSOLE_H
#define TOOLS_TRAWL_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

struct console {
    bool line; /* the last line may be a progress line, which messages must not run into */
};

/* Prints "trawl: TEXT". */
void console_say(const struct console *console, const char *text);

/* Of a line that is no target, when `before` such lines came before it: the first few are printed.
 */
void console_say_bad_line(const struct console *console, uint64_t before, const char *text);

/* Removes the progress line. */
void console_clear(const struct console *console);

#endif
