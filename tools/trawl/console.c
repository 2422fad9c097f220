#include "tools/trawl/console.h"

#include <stdio.h>

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
