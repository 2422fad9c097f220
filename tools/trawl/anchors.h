/* The roots that single targets name: each path is read once, when it is first named. Opened on the
 * thread that pulls the sources; what is open does not change, so that workers may read it. */
#ifndef TOOLS_TRAWL_ANCHORS_H
#define TOOLS_TRAWL_ANCHORS_H

#include "ingest/source.h"

/* Of one run: each costs a worker that meets it up to half a megabyte of what it remembers. */
enum { ANCHORS_MAX = 64 };

struct anchors {
    struct anchor {
        char *path;
        struct trust_store *store; /* NULL: it cannot be read, as `failure` says */
        struct failure failure;
    } items[ANCHORS_MAX];
    uint32_t count;
};

/* `open` of a struct source_roots whose owner is the anchors, which begin zeroed. Neither pipes nor
 * devices are read, for a list may be of a stranger. */
const struct trust_store *anchors_open(void *anchors, struct slice path, struct failure *failure);

/* No worker may be running. */
void anchors_deinit(struct anchors *anchors);

#endif
