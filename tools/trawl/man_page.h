/* A command's help as a manual page, in the macros of man(7). */
#ifndef TOOLS_TRAWL_MAN_PAGE_H
#define TOOLS_TRAWL_MAN_PAGE_H

#include "tools/trawl/command.h"

/* The page of `command`, trawl-NAME(1); of the whole program, trawl(1), when it is NULL. */
void man_page_add(const struct command *command, struct buffer *out);

#endif
