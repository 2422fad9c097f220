#include "tools/trawl/console.h"

#include <stdio.h>

enum { BAD_LINES_SHOWN = 20 };

void console_clear(const struct console *console) {
    if (console->line)
        fputs("\r\033[K", stderr);
}

void console_say(const struct console *console, const char *text) {
    flockfile(stderr);
    console_clear(console);
    fprintf(stderr, "trawl: %s\n", text);
    funlockfile(stderr);
}

void console_say_bad_line(const struct console *console, uint64_t before, const char *text) {
    if (before < BAD_LINES_SHOWN)
        console_say(console, text);
    else if (before == BAD_LINES_SHOWN)
        console_say(console, "more lines are no targets: they are counted, and no longer shown");
}
