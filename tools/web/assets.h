/* The dashboard's files, compiled in. Constant; for any thread. */
#ifndef TOOLS_WEB_ASSETS_H
#define TOOLS_WEB_ASSETS_H

#include "engine/base/slice.h"

struct web_asset {
    const char *content_type;
    struct slice content; /* static */
};

/* The file behind a request's path ("/views/targets.js"); "/" is the page itself. False when there
 * is none. */
bool web_asset_find(const char *path, struct web_asset *out);

#endif
