#include "tools/trawl/anchors.h"

#include "engine/base/quote.h"
#include "engine/x509/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static enum error check_path(struct slice path, const char *terminated, struct failure *failure) {
    struct stat status;

    if (path.len > LIMIT_PATH_BYTES || memchr(path.ptr, 0, path.len))
        return failure_set(failure, ERROR_USAGE, "no ca_file has such a path");
    if (stat(terminated, &status) != 0)
        return failure_set(failure, (enum error)errno, "ca_file %s: %s", quote_of(path).text,
                           error_text((enum error)errno));
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return failure_set(failure, ERROR_INPUT, "ca_file %s: neither a file nor a folder",
                           quote_of(path).text);
    return ERROR_NONE;
}

static void open_one(struct anchor *anchor, struct slice path) {
    struct failure why = {0};

    if (check_path(path, anchor->path, &anchor->failure) == ERROR_NONE &&
        trust_store_open(&anchor->store, anchor->path, &why) != ERROR_NONE)
        failure_set(&anchor->failure, why.code, "ca_file %.400s", why.text);
}

const struct trust_store *anchors_open(void *owner, struct slice path, struct failure *failure) {
    struct anchors *anchors = owner;
    struct anchor *anchor = anchors->items;

    while (anchor < anchors->items + anchors->count && !slice_is(path, anchor->path))
        anchor++;
    if (anchor == anchors->items + anchors->count) {
        char *copy =
            anchors->count < ANCHORS_MAX ? strndup((const char *)path.ptr, path.len) : NULL;
        if (!copy) {
            failure_set(failure, ERROR_LIMIT, "no memory, or more than %d paths of ca_file",
                        ANCHORS_MAX);
            return NULL;
        }
        *anchor = (struct anchor){.path = copy};
        anchors->count++;
        open_one(anchor, path);
    }
    if (!anchor->store && failure)
        *failure = anchor->failure;
    return anchor->store;
}

void anchors_deinit(struct anchors *anchors) {
    for (uint32_t i = 0; i < anchors->count; i++) {
        trust_store_close(anchors->items[i].store);
        free(anchors->items[i].path);
    }
    *anchors = (struct anchors){0};
}
